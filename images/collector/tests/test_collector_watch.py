"""Rounds of a collector and its alerts: what is told, kept, and printed by collector-alerts."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from collector import metrics
from collector.notices import Notice
from collector.show import show
from collector.watch import FILE, Watch

DOWN = {"bgp.peers.172_31_1_11.up": 0.0, "collector.errors.bgp": 0.0}
UP = {"bgp.peers.172_31_1_11.up": 1.0, "collector.errors.bgp": 0.0}
RULE = "alerts.firing.bgp_session_down"


class Kept:
    """A receiver that keeps what it is told."""

    name = "kept"

    def __init__(self) -> None:
        self.events: list[tuple[str, bool]] = []

    def send(self, notice: Notice) -> None:
        self.events.append((notice.rule.name, notice.change.alert.firing))


class Clock:
    now = 1_700_000_000.0

    def rounds(self, watch: Watch, values: dict[str, float], times: int) -> dict[str, float]:
        for _ in range(times):
            self.now += 10
            out = watch.after(values, self.now)
        return out


def test_an_alert_is_told_kept_and_its_end_is_told_by_the_next_collector(tmp_path: Path) -> None:
    kept, clock = Kept(), Clock()
    watch = Watch("aerie", "torino", tmp_path, [kept])
    watch.start()
    assert clock.rounds(watch, DOWN, 3)[RULE] == 0 and json.loads((tmp_path / FILE).read_text()) == []
    found = clock.rounds(watch, DOWN, 4)
    watch.stop()
    assert found[RULE] == 1 and kept.events == [("bgp_session_down", True)]
    assert all(metrics.known(name) for name in found)
    (written,) = json.loads((tmp_path / FILE).read_text())
    assert (written["key"], written["labels"]) == (
        "aerie/torino/bgp_session_down/peer=172_31_1_11",
        {"peer": "172_31_1_11"},
    )
    after, clock.now = Kept(), clock.now + 3600
    watch = Watch("aerie", "torino", tmp_path, [after])
    watch.start()
    assert clock.rounds(watch, DOWN, 20)[RULE] == 1, "it is not told once more"
    assert clock.rounds(watch, UP, 4)[RULE] == 0
    watch.stop()
    assert after.events == [("bgp_session_down", False)]


def test_a_source_that_fails_ends_no_alert_and_fires_one(tmp_path: Path) -> None:
    clock, watch = Clock(), Watch("aerie", "torino", tmp_path)
    clock.rounds(watch, DOWN, 10)
    for failures in range(1, 60):
        found = clock.rounds(watch, {"collector.errors.bgp": float(failures), "collector.errors.collector": 0.0}, 1)
    assert (found[RULE], found["alerts.firing.source_failing"]) == (1, 1)


@pytest.mark.parametrize("text", ["{", "[{}]", "[1]", '{"a": 1}'])
def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    Clock().rounds(Watch("aerie", "torino", tmp_path), UP, 1)
    assert json.loads((tmp_path / FILE).read_text()) == []


def test_a_file_that_cannot_be_written_stops_no_round(tmp_path: Path) -> None:
    assert Clock().rounds(Watch("aerie", "torino", tmp_path / "not there"), DOWN, 10)[RULE] == 1


# -- collector-alerts


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock, done, watch = Clock(), tmp_path / "round", Watch("aerie", "torino", tmp_path)
    clock.now = time.time() - 100
    clock.rounds(watch, UP, 1)
    assert show([], tmp_path, done) == 2 and "docker logs collector" in capsys.readouterr().err
    done.touch()
    assert show([], tmp_path, done) == 0 and capsys.readouterr().out == "no alert fires\n"
    clock.rounds(watch, DOWN | {"vpn.bari.up": 0.0, "collector.errors.vpn": 0.0}, 8)
    assert show([], tmp_path, done) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(("bgp_session_down peer=172_31_1_11, for ", "handshake_old peer=bari, for "))
    assert len(rest) == 5 and any("never s (above 180 is bad)" in line for line in (first, *rest))
    assert show(["--json"], tmp_path, done) == 1
    assert {a["rule"] for a in json.loads(capsys.readouterr().out)} == {"bgp_session_down", "handshake_old"}
    assert show(["--all"], tmp_path, done) == 2 and "--json" in capsys.readouterr().err
    os.utime(done, (time.time() - 61, time.time() - 61))
    assert show([], tmp_path, done) == 2 and "the last round was" in capsys.readouterr().err
