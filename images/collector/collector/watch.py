"""The alerts of one site, round by round: what fires is told to the receivers, and kept in a file that outlives the container."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import alerts
from .alert_rules import RULES, Failures, with_failures
from .alerts import Alert, Labels
from .notices import Notice, described, title
from .outbox import Outbox
from .receivers import Receiver

log = logging.getLogger(__name__)
FILE = "alerts.json"
BY_NAME = {rule.name: rule for rule in RULES}


class Watch:
    """`start` before the first `after`. Alerts that fired when the last collector ended are taken up from the file: they are not told
    once more, and their end is."""

    def __init__(self, federation: str, site: str, state: Path, receivers: Sequence[Receiver] = ()) -> None:
        self._federation, self._site, self._file = federation, site, state / FILE
        self._outboxes = [Outbox(receiver) for receiver in receivers]
        self._state: dict[tuple[str, Labels], Alert] = {a.key: a for a in self._kept()}
        self._failures = Failures()
        self._last = 0.0
        self._written = ""

    def start(self) -> None:
        for outbox in self._outboxes:
            outbox.start()

    def stop(self) -> None:
        for outbox in self._outboxes:
            outbox.stop()

    def after(self, values: Mapping[str, float], now: float) -> dict[str, float]:
        """Takes a round's values; gives the alerts' own metrics."""
        self._failures = self._failures.after(values, now)
        answered = {source for source, n in self._failures.recent().items() if not n}
        given = with_failures(values, self._failures)
        self._state, changes = alerts.step(RULES, self._state, given, answered, now, self._last)
        self._last = now
        for change in changes:
            notice = Notice(BY_NAME[change.alert.rule], change, self._federation, self._site, now)
            log.warning(
                "alert: %s %s", title(notice.rule, change.alert, self._site), "fires" if change.alert.firing else "ends"
            )
            for outbox in self._outboxes:
                outbox.put(notice)
        self._write()
        return alerts.counts(RULES, self._state) | self._sending()

    def _sending(self) -> dict[str, float]:
        return {
            "alerts.waiting": float(sum(o.waiting for o in self._outboxes)),
            "alerts.sent_total": float(sum(o.sent for o in self._outboxes)),
            "alerts.errors_total": float(sum(o.errors for o in self._outboxes)),
            "alerts.dropped_total": float(sum(o.dropped for o in self._outboxes)),
        }

    def _kept(self) -> list[Alert]:
        try:
            return list(alerts.from_json(json.loads(self._file.read_text()), RULES))
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: %s; alerts begin anew", self._file, error)
            return []

    def _write(self) -> None:
        """What fires, as collector-alerts prints it. Written where something is new; a disk that is full stops no round."""
        now = alerts.firing(self._state)
        shown = [
            described(BY_NAME[a.rule], a, self._federation, self._site) | kept
            for a, kept in zip(now, alerts.to_json(now), strict=True)
        ]
        text = json.dumps(shown)
        if text == self._written:
            return
        try:
            new = self._file.with_suffix(".new")
            new.write_text(text)
            new.replace(self._file)
            self._written = text
        except OSError as error:
            log.warning("%s: %s; alerts are told nevertheless", self._file, error)
