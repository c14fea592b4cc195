"""What happened while nobody looked, from Graphite's history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from page_helpers import AT, config
from status_page.now import Known, Source, now
from status_page.replay import FINE, LATE, WORST_LEAST, WORST_MOST, replay, spans, states, targets
from status_page.series import PATTERNS, Latest

Series = Mapping[str, list[float | None]]


def history(step: int, **values: list[float | None]) -> list[dict[str, Any]]:
    """From AT on, of torino; in names __ stands for a dot."""
    return [
        {
            "target": f'consolidateBy(aerie.aerie.torino.{name.replace("__", ".")},"{"max" if name.startswith("alerts") else "min"}")',
            "datapoints": [[v, int(AT + step * n)] for n, v in enumerate(points)],
        }
        for name, points in values.items()
    ]


def told(answer: list[dict[str, Any]], until: float = 1e9) -> list[tuple[float, str]]:
    """Events from nothing to the state of the last time."""
    known = Known(graphite=Source("answers", AT, AT), marathon=Source("answers", AT, AT))
    frames = list(states(answer, AT + until))
    after = now(config(), Known(frames[-1][1], known.graphite, known.marathon), frames[-1][0])
    return [(e["at"] - AT, e["text"]) for e in replay(config(), None, known, frames, after)]


def test_it_asks_for_what_events_are_made_of() -> None:
    found = targets("my.farm")
    assert 'consolidateBy(aerie.my_farm.*.vpn.*.up,"min")' in found
    assert 'consolidateBy(aerie.my_farm.*.alerts.firing.*,"max")' in found
    roots = {p.split(".")[0] for p in PATTERNS}
    assert {p.split(".")[0] for p in (*WORST_LEAST, *WORST_MOST)} <= roots


def test_a_link_and_an_alert_at_the_times_of_their_changes() -> None:
    answer = history(60, vpn__cnaf__up=[1, 0, 0, 1], alerts__firing__handshake_old=[0, 0, 1, 1])
    assert told(answer) == [
        (60, "torino does not hear cnaf through the tunnel any more"),
        (120, "alert handshake_old fires at torino"),
        (180, "torino hears cnaf through the tunnel again"),
    ]


def test_a_mean_of_a_minute_is_the_worst_of_it() -> None:
    answer = history(60, vpn__cnaf__up=[1, 0.83, 1], alerts__firing__handshake_old=[0, 0.17, 0])
    assert [text for at, text in told(answer) if at == 60] == [
        "torino does not hear cnaf through the tunnel any more",
        "alert handshake_old fires at torino",
    ]


def test_a_site_that_was_silent_for_one_round_is_no_news_and_for_longer_it_is() -> None:
    other = [{"target": 'consolidateBy(aerie.aerie.cnaf.collector.connected,"min")',
              "datapoints": [[1, int(AT + 10 * n)] for n in range(16)]}]  # fmt: skip
    short = history(10, collector__connected=[1, None, None, *[1] * 13])
    assert told(short + other) == []
    long = history(10, collector__connected=[1, *[None] * 9, *[1] * 6])
    assert told(long + other) == [(50, "torino tells nothing any more"), (100, "torino tells again")]


def test_times_of_which_nobody_tells_are_graphites_own_matter() -> None:
    assert told(history(60, vpn__cnaf__up=[1, None, None, None, 1])) == []


def test_what_may_not_have_come_yet_is_left_out() -> None:
    answer = history(10, vpn__cnaf__up=[1] * 10)
    assert [at - AT for at, _ in states(answer, AT + 90)] == [0, 10, 20, 30, 40, 50] and LATE == 30
    assert [at - AT for at, _ in states(history(300, vpn__cnaf__up=[1] * 3), AT + 700)] == [0, 300]


def test_a_day_is_asked_for_coarsely_and_its_end_finely() -> None:
    """Coarse states end where the fine ones begin, so that what was just now is not left out."""
    assert spans(AT - 600, AT) == [(AT - 600, AT)] and spans(AT - FINE, AT) == [(AT - FINE, AT)]
    (since, until), (fine, end) = spans(AT - 86400, AT)
    assert (since, fine, end) == (AT - 86400, AT - FINE, AT)
    coarse = history(300, vpn__cnaf__up=[1] * 20)
    assert max(at + 300 for at, _ in states(coarse, AT + 3000 + until - fine)) == AT + 3000


def test_machines_of_a_silent_site_are_remembered() -> None:
    answer = history(60, machines__a__registered=[1, None, None, 1], collector__connected=[1, None, None, 1])
    answer += [{"target": 'consolidateBy(aerie.aerie.cnaf.collector.connected,"min")',
                "datapoints": [[1, int(AT + 60 * n)] for n in range(4)]}]  # fmt: skip
    assert told(answer) == [(60, "torino tells nothing any more"), (180, "torino tells again")]


def test_before_and_after_count() -> None:
    """What was known before the pause, and what is known now."""
    up, down = ({"torino": {"vpn.cnaf.up": v, "collector.connected": 1.0}} for v in (1.0, 0.0))
    good = Source("answers", AT, AT)
    first, last = (now(config(), Known(Latest(v, {"torino": at}), good, good), at) for v, at in ((up, AT), (down, AT + 600)))  # fmt: skip
    found = replay(config(), first, Known(), [], last)
    assert [e["text"] for e in found] == ["torino does not hear cnaf through the tunnel any more"]


@pytest.mark.parametrize("answer", [[{}], [1], [{"target": "aerie.a.b.c", "datapoints": []}], [{"target": 'consolidateBy(a,"min")', "datapoints": [[1, 1]]}]])  # fmt: skip
def test_answers_that_are_none(answer: Any) -> None:
    with pytest.raises(ValueError, match="no series of the history"):
        list(states(answer, AT))
