"""What receivers are told of an alert, as JSON and as a mail. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

from .alerts import Alert, Change, Rule, number

VERSION = 1  # of the JSON; another number when a key changes its meaning


@dataclass(frozen=True)
class Notice:
    """A change, and where and when (Unix time in seconds) it was seen."""

    rule: Rule
    change: Change
    federation: str
    site: str
    at: float


def key(rule: Rule, alert: Alert, federation: str, site: str) -> str:
    """The same for the same thing, whoever tells it and whether it fires or ends: receivers deduplicate by it."""
    parts = [federation, *([] if rule.shared else [site]), rule.name]
    return "/".join([*parts, *(f"{k}={v}" for k, v in alert.labels)])


def shown(value: float) -> str:
    """As people read it."""
    return "never" if number(value) is None else f"{value:.4g}"


def title(rule: Rule, alert: Alert, site: str) -> str:
    """In one line, without the state."""
    return " ".join([rule.name, f"at {site}", *(f"{k}={v}" for k, v in alert.labels)])


def described(rule: Rule, alert: Alert, federation: str, site: str) -> dict[str, Any]:
    """An alert with all that its reader needs."""
    return {
        "key": key(rule, alert, federation, site),
        "rule": rule.name,
        "federation": federation,
        "site": site,
        "labels": dict(alert.labels),
        "since": alert.since,
        "value": number(alert.value),
        "threshold": rule.threshold,
        "beyond": "below" if rule.below else "above",
        "unit": rule.unit,
        "means": rule.means,
        "todo": rule.todo,
    }


def _event(notice: Notice) -> str:
    return "fires" if notice.change.alert.firing else "ends"


def payload(notice: Notice) -> dict[str, Any]:
    """The JSON. `text` is what chat rooms show of a webhook."""
    rule, alert = notice.rule, notice.change.alert
    why = f" ({notice.change.why})" if notice.change.why else ""
    return {
        "version": VERSION,
        "event": _event(notice),
        "why": notice.change.why,
        "at": notice.at,
        **described(rule, alert, notice.federation, notice.site),
        "text": f"{title(rule, alert, notice.site)}: {_event(notice)}{why}: {rule.means}",
    }


def mail(notice: Notice, sender: str, to: str) -> EmailMessage:
    """The mails of one key are one thread."""
    rule, alert = notice.rule, notice.change.alert
    thread = hashlib.sha256(key(rule, alert, notice.federation, notice.site).encode()).hexdigest()[:24]
    message = EmailMessage()
    message["Subject"] = f"[{notice.federation}] {_event(notice)}: {title(rule, alert, notice.site)}"
    message["From"], message["To"] = sender, to
    message["Date"] = formatdate(notice.at)
    message["Message-ID"] = f"<{thread}.{_event(notice)}.{int(notice.at)}.{notice.site}@{notice.federation}.aerie>"
    message["References"] = f"<{thread}@{notice.federation}.aerie>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [
        f"{title(rule, alert, notice.site)}: {_event(notice)}",
        "",
        f"means:  {rule.means}",
        f"do:     {rule.todo}" if alert.firing else f"why:    {'it is well again' if notice.change.why == 'well' else 'it is not there any more'}",
        f"value:  {shown(alert.value)} {rule.unit}; {'below' if rule.below else 'above'} {rule.threshold:g} is bad",
        f"since:  {formatdate(alert.since)}",
        f"key:    {key(rule, alert, notice.federation, notice.site)}",
    ]  # fmt: skip
    message.set_content("\n".join(lines) + "\n")
    return message
