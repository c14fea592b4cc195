"""When alerts fire and end: each rule at its bounds, and what holds for every sequence of readings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from collector import alerts, metrics
from collector.alert_rules import RULES, Failures, with_failures
from collector.alerts import GAP, GONE, Alert, Change, Labels, Rule, step
from hypothesis import given
from hypothesis import strategies as st

NAMES = {rule.name: rule for rule in RULES}
ROUND = 10.0  # seconds
Values = dict[str, float]


class Site:
    """Rounds of one site, ten seconds apart. `answered`: all sources unless said otherwise."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules or RULES
        self.now = 1_000_000.0
        self.state: dict[tuple[str, Labels], Alert] = {}
        self.last = 0.0

    def round(self, values: Values, failing: Sequence[str] = (), seconds: float = ROUND) -> list[Change]:
        self.now += seconds
        answered = {rule.source for rule in self.rules} - set(failing)
        self.state, changes = step(self.rules, self.state, values, answered, self.now, self.last)
        self.last = self.now
        return changes

    def rounds_until(self, values: Values, most: int = 200) -> tuple[float, Change]:
        """Seconds of the same values from their first round to the first change, and that."""
        for count in range(most):
            if changes := self.round(values):
                assert len(changes) == 1
                return count * ROUND, changes[0]
        raise AssertionError(f"no change in {most} rounds")


# A rule: values at the bound that are well, values just beyond it, and its labels.
def _members(at: str) -> tuple[Values, Values]:
    return (
        {f"{at}.members.total": 5, f"{at}.members.active": 4},
        {f"{at}.members.total": 5, f"{at}.members.active": 3},
    )


DUTY = "condor.demo.schedds.login_demo_aerie.RecentDaemonCoreDutyCycle"
OLDEST, FREE = "condor.demo.jobs.totals.idle.totals.oldest", "condor.demo.slots.Partitionable.Unclaimed.Cpus"
BOUNDS: dict[str, tuple[Values, Values, dict[str, str]]] = {
    "quorum_at_its_edge_etcd": (*_members("etcd"), {}),
    "quorum_at_its_edge_zookeeper": (*_members("zookeeper"), {}),
    "quorum_at_its_edge_mesos": (*_members("mesos.master"), {}),
    "daemon_overloaded": (
        {DUTY: 0.95},
        {DUTY: 0.9501},
        {"pool": "demo", "kind": "schedds", "daemon": "login_demo_aerie"},
    ),
    "bgp_session_down": ({"bgp.peers.172_31_1_11.up": 1}, {"bgp.peers.172_31_1_11.up": 0}, {"peer": "172_31_1_11"}),
    "handshake_old": (
        {"vpn.cnaf.up": 1, "vpn.cnaf.handshake_age": 180},
        {"vpn.cnaf.up": 0, "vpn.cnaf.handshake_age": 180.5},
        {"peer": "cnaf"},
    ),
    "spool_nearly_full": ({"condor.demo.spool.fill": 0.9}, {"condor.demo.spool.fill": 0.901}, {"pool": "demo"}),
    "jobs_idle": ({OLDEST: 300, FREE: 1}, {OLDEST: 301, FREE: 1}, {"pool": "demo"}),
    "source_failing": ({"failed.etcd": 0}, {"failed.etcd": 1}, {"source": "etcd"}),
    "graphite_unreachable": ({"collector.connected": 1}, {"collector.connected": 0}, {}),
    "history_not_delivered": ({"history.behind": 900}, {"history.behind": 900.5}, {}),
    "history_refused": ({"failed.history.refused": 0}, {"failed.history.refused": 1}, {}),
}


def test_every_rule_has_its_case_and_its_metric() -> None:
    assert set(BOUNDS) == set(NAMES) and len(NAMES) == len(RULES)
    for rule in RULES:
        assert metrics.known(f"alerts.firing.{rule.name}") and metrics.part(rule.name) == rule.name
        assert rule.source in metrics.TABLE and rule.means and rule.todo
    for well, bad, _ in BOUNDS.values():
        for name in (*well, *bad):
            assert metrics.known(name) or name.startswith("failed."), name


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_each_fires_beyond_its_bound_and_ends_at_it(name: str) -> None:
    well, bad, labels = BOUNDS[name]
    rule, site = NAMES[name], Site()
    for _ in range(200):
        assert site.round(well) == [] and site.state == {}
    took, change = site.rounds_until(bad)
    assert (took, change.alert.rule, dict(change.alert.labels)) == (rule.hold, name, labels)
    assert change.alert.firing and change.alert.since == site.now - rule.hold
    assert alerts.counts(RULES, site.state) == {f"alerts.firing.{n}": float(n == name) for n in NAMES}
    for _ in range(200):
        assert site.round(bad) == []
    took, change = site.rounds_until(well)
    assert (took, change.alert.firing, change.why) == (rule.clear, False, "well")
    assert site.state == {} and sum(alerts.counts(RULES, site.state).values()) == 0


def test_a_quorum_of_one_and_one_without_a_majority() -> None:
    read = NAMES["quorum_at_its_edge_etcd"].read
    assert read({"etcd.members.total": 1, "etcd.members.active": 1}) == {}, "always at its edge, which is no news"
    for active, spare in ((3, 1), (2, 0), (1, -1)):
        assert read({"etcd.members.total": 3, "etcd.members.active": active}) == {(): spare}
    assert read({"etcd.members.total": 3}) == {}


def test_a_tunnel_that_never_had_a_handshake_is_bad() -> None:
    found = NAMES["handshake_old"].read({"vpn.bari.up": 0.0})
    assert found == {(("peer", "bari"),): math.inf} and NAMES["handshake_old"].bad(math.inf)
    assert alerts.to_json([Alert("handshake_old", (("peer", "bari"),), math.inf, 1, 2, True)])[0]["value"] is None


@pytest.mark.parametrize(
    ("slots", "bad"),
    [
        ({FREE: 0.0}, False),
        ({}, False),
        ({"condor.demo.slots.Static.Unclaimed.Cpus": 1.0}, True),
        ({"condor.demo.slots.Partitionable.Drained.Cpus": 4.0}, False),
        ({"condor.other.slots.Static.Unclaimed.Cpus": 4.0}, False),
    ],
)
def test_idle_jobs_are_bad_only_while_slots_of_their_pool_are_free(slots: Values, bad: bool) -> None:
    rule = NAMES["jobs_idle"]
    (value,) = rule.read({OLDEST: 3600.0} | slots).values()
    assert rule.bad(value) == bad


def test_things_of_one_rule_are_alerts_of_their_own() -> None:
    site = Site()
    peers = [f"bgp.peers.10_0_0_{n}.up" for n in range(3)]
    fired = [c for _ in range(10) for c in site.round({peers[0]: 0, peers[1]: 1, peers[2]: 0})]
    assert [dict(c.alert.labels)["peer"] for c in fired] == ["10_0_0_0", "10_0_0_2"]
    ended = [c for _ in range(10) for c in site.round({peers[0]: 1, peers[1]: 1, peers[2]: 0})]
    assert [dict(c.alert.labels)["peer"] for c in ended] == ["10_0_0_0"]
    assert alerts.counts(RULES, site.state)["alerts.firing.bgp_session_down"] == 1


# -- Failures of sources


def test_a_source_fails_as_long_as_its_counter_grew_lately() -> None:
    """A pool is asked once a minute: a failure of each time is failing without a pause."""
    failures, now, found = Failures(), 0.0, []
    for count in range(60):
        failures = failures.after({"collector.errors.condor": float(count // 6), "collector.errors.bgp": 7.0}, now)
        found.append(failures.recent())
        now += ROUND
    assert all(f["condor"] > 0 for f in found[6:]) and all(f["condor"] == 0 for f in found[:6])
    assert all(f["bgp"] == 0 for f in found), "what it had before it was looked at is not lately"
    for _ in range(13):
        failures = failures.after({"collector.errors.condor": 9.0}, now)
        now += ROUND
    assert failures.recent() == {"condor": 0.0}
    assert len(failures.past) <= 13, "it remembers two minutes, no more"


def test_one_source_that_fails_for_long_fires_and_no_single_failure_does() -> None:
    def run(error: Callable[[int], float], rounds: int) -> list[Change]:
        site, failures, out = Site(), Failures(), []
        for n in range(rounds):
            values = {"collector.errors.etcd": error(n)}
            failures = failures.after(values, site.now)
            out += site.round(with_failures(values, failures))
        return out

    assert run(lambda n: float(n >= 5), 100) == []
    (change,) = run(float, 60)
    assert (change.alert.rule, change.alert.labels) == ("source_failing", (("source", "etcd"),))


def test_jobs_that_the_index_refused_are_told_of_for_a_while_and_what_it_refused_before_is_not() -> None:
    site, failures = Site(NAMES["history_refused"], NAMES["source_failing"]), Failures()
    changes = []
    for n in range(260):
        values = {"history.refused_total": 3.0 + (n >= 5), "collector.errors.condor": 0.0}
        failures = failures.after(values, site.now)
        changes += [(n, c.alert.rule, c.alert.firing) for c in site.round(with_failures(values, failures))]
    assert changes == [(5, "history_refused", True), (5 + 12 + 180, "history_refused", False)]


def test_alerts_of_a_history_that_was_switched_off_end() -> None:
    site = Site(NAMES["history_not_delivered"])
    site.rounds_until({"history.behind": 1000.0})
    _, change = site.rounds_until({})
    assert change.why == "gone"


# -- Hysteresis, for any rule and any readings

HOLD, CLEAR = 60.0, 30.0
RULE = Rule("r", "s", "u", 0.5, HOLD, CLEAR, lambda v: {(): v["x"]} if "x" in v else {}, "m", "t")
READINGS = st.lists(
    st.sampled_from(["bad"] * 4 + ["well"] * 3 + ["none"]).flatmap(
        lambda what: st.integers(1, 9).map(lambda times: [what] * times)
    ),
    max_size=25,
).map(lambda parts: [each for part in parts for each in part])


def play(readings: Sequence[str], failing: bool = True) -> list[tuple[int, Change]]:
    site = Site(RULE)
    values = {"bad": {"x": 1.0}, "well": {"x": 0.0}, "none": dict[str, float]()}
    return [(n, c) for n, r in enumerate(readings) for c in site.round(values[r], ["s"] if failing else [])]


@given(READINGS)
def test_it_fires_and_ends_in_turn_and_only_after_it_held(readings: list[str]) -> None:
    changes = play(readings)
    assert [c.alert.firing for _, c in changes] == [n % 2 == 0 for n in range(len(changes))]
    for at, change in changes:
        wanted, against, seconds = ("bad", "well", HOLD) if change.alert.firing else ("well", "bad", CLEAR)
        assert readings[at] == wanted, "only by a reading"
        run = list(reversed(readings[: at + 1]))
        run = run[: run.index(against)] if against in run else run
        assert (run.count(wanted) - 1) * ROUND + run.count("none") * ROUND >= seconds


@given(READINGS)
def test_what_is_bad_for_so_long_does_fire_and_what_is_well_does_end(readings: list[str]) -> None:
    bad, well = ["bad"] * (int(HOLD / ROUND) + 1), ["well"] * (int(CLEAR / ROUND) + 1)
    changes = play([*readings, *bad])
    assert changes and changes[-1][1].alert.firing
    changes = play([*readings, *bad, *well])
    assert not changes[-1][1].alert.firing and changes[-1][0] >= len(readings) + len(bad)


@given(READINGS)
def test_missing_readings_change_nothing(readings: list[str]) -> None:
    before = play(readings)
    assert play([*readings, *["none"] * 300]) == before, "while the source fails"


@given(READINGS, st.integers(0, 12))
def test_a_gap_counts_for_nothing(readings: list[str], gap: int) -> None:
    """Each reading is further from the last than GAP: nothing is known of what was between."""
    site = Site(RULE)
    values = {"bad": {"x": 1.0}, "well": {"x": 0.0}, "none": dict[str, float]()}
    assert not [c for r in readings for c in site.round(values[r], ["s"], GAP + 1 + gap)]


def test_a_clock_that_is_set_fires_nothing() -> None:
    site = Site(RULE)
    assert site.round({"x": 1.0}) == [] and site.round({"x": 1.0}, seconds=1e6) == []
    assert site.round({"x": 1.0}, seconds=-2e6) == []
    took, change = site.rounds_until({"x": 1.0})
    assert change.alert.firing and took == HOLD - ROUND


def test_what_is_gone_ends_and_says_so() -> None:
    """A machine that was removed has no session any more, and the source says so by its answers."""
    site = Site(RULE)
    site.rounds_until({"x": 1.0})
    for _ in range(200):
        assert site.round({}, failing=["s"]) == []
    took, change = site.rounds_until({})
    assert (took, change.why, change.alert.firing) == (GONE - ROUND, "gone", False) and site.state == {}


def test_no_wait_at_all() -> None:
    at_once = Rule("r", "s", "u", 0.5, 0, 0, RULE.read, "m", "t")
    site = Site(at_once)
    assert [c.alert.firing for c in site.round({"x": 1.0})] == [True]
    assert [c.alert.firing for c in site.round({"x": 0.0})] == [False]


def test_what_fires_is_read_again_as_it_was_written() -> None:
    site = Site()
    site.rounds_until(BOUNDS["bgp_session_down"][1])
    site.rounds_until(BOUNDS["bgp_session_down"][1] | {"vpn.bari.up": 0.0})
    there = alerts.firing(site.state)
    again = list(alerts.from_json(alerts.to_json(there), RULES))
    assert [(a.key, a.value, a.since, a.firing) for a in again] == [(a.key, a.value, a.since, True) for a in there]
    assert len(again) == 2
    assert list(alerts.from_json([{"rule": "of another version"}], RULES)) == []
