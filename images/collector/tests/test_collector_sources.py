"""What is read of real answers, recorded at a federation of two sites (one quorum member), and that it is all that is documented."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from collector import metrics
from collector.rates import Rates
from collector.sources import bgp, containers, etcd, itself, marathon, mesos, vpn, zookeeper
from hypothesis import example, given
from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"
RTT = 'etcd_network_peer_round_trip_time_seconds_{what}{{To="{member}"}} {value}\n'


def text(name: str) -> str:
    return (DATA / name).read_text()


def data(name: str) -> Any:
    return json.loads(text(name))


def peers(total: float, count: int) -> str:
    """As etcd says it of two other members; the recorded one had none."""
    return "".join(
        RTT.format(what="sum", member=m, value=total) + RTT.format(what="count", member=m, value=count)
        for m in ("a", "b")
    )


def read_all() -> Iterator[tuple[str, dict[str, float]]]:
    """Every source's values, by source; twice where it takes two answers to know how fast something is."""
    rates = Rates()
    yield "mesos_master", mesos.master(data("mesos-master.json"))
    yield "mesos_agent", mesos.agent("torino-agent-1", data("mesos-agent.json"))
    yield "mesos_agent", mesos.statistics(rates, {"a": data("mesos-statistics.json")})
    yield "marathon", {
        "marathon.leader": 1.0,
        **marathon.counts(data("marathon-apps.json")["apps"], data("marathon-deployments.json"), data("marathon-queue.json")["queue"]),
    }  # fmt: skip
    yield "etcd", etcd.member(text("etcd.txt") + peers(0.5, 10), '{"health":"true"}', rates)
    yield "zookeeper", zookeeper.server(text("srvr.txt")) | zookeeper.members(text("srvr.txt"), [text("srvr.txt"), ""])
    yield "bgp", bgp.values(bgp.sessions(text("bird.txt")))
    yield "vpn", vpn.tunnels(text("vpn.json"))
    for now in (0.0, 30.0):
        for each in data("containers.json"):
            service = each["Labels"]["aerie.service"]
            yield "containers", {f"containers.{service}.running": 1.0}
            yield "containers", containers.use(service, each["Id"], each["stats"], rates, now)


def test_every_metric_of_the_table_is_read_and_no_other() -> None:
    found: dict[str, set[str]] = {}
    for source, values in read_all():
        for name in values:
            metric = metrics.known(name)
            assert metric is not None, f"{name} is not in metrics.TABLE"
            found.setdefault(source, set()).add(metric.name)
    # What the collector says of itself is in test_collector_rounds, of pools in test_collector_condor, of
    # finished jobs in test_collector_history.
    elsewhere = ("collector", "condor", "history")
    assert found == {s: {m.name for m in table} for s, table in metrics.TABLE.items() if s not in elsewhere}


def test_recorded_values_are_plausible() -> None:
    for _, values in read_all():
        for name, value in values.items():
            metric = metrics.known(name)
            assert metric is not None
            assert metric.low <= value <= metric.high, f"{name} = {value}"


def test_names_are_what_graphite_takes() -> None:
    for metric in metrics.table():
        assert all(p and (p.startswith("<") or metrics.part(p) == p) for p in metric.name.split(".")), metric.name
    assert metrics.part("torino-agent-1") == "torino-agent-1"
    assert metrics.part("172.16.1.10") == "172_16_1_10"
    assert metrics.part("a b/c(d)") == "a_b_c_d_"


# -- Mesos


def test_master() -> None:
    found = mesos.master(data("mesos-master.json"))
    assert found["mesos.master.agents.active"] == 3 and found["mesos.master.tasks.running"] == 4
    assert (found["mesos.master.cpus.total"], found["mesos.master.memory.used"]) == (12, 1536)


def test_only_the_leading_master_counts() -> None:
    snapshot = data("mesos-master.json") | {"master/elected": 0.0}
    assert mesos.master(snapshot) == {
        "mesos.master.elected": 0.0,
        "mesos.master.uptime": snapshot["master/uptime_secs"],
        "mesos.master.members.total": 1.0,
        "mesos.master.members.active": 1.0,
    }


@pytest.mark.parametrize(
    ("executor", "whose"),
    [
        ("demo_executors.instance-0ba5d2a6-4d26._app.1", ("demo", "executor")),
        ("demo_submit-node.instance-0ba5d2a6-4d26._app.1", ("demo", "submit")),
        ("demo_central-manager.instance-0ba5d2a6-4d26._app.1", ("demo", "central-manager")),
        ("grid_framework.instance-0ba5d2a6-4d26._app.1", ("grid", "framework")),
        ("grid.executor.0ba5d2a6-4d26", ("grid", "executor")),
        ("grid.submit.0ba5d2a6-4d26", ("grid", "submit")),
        ("web.instance-0ba5d2a6-4d26._app.1", None),
        ("something", None),
    ],
)
def test_whose_container(executor: str, whose: tuple[str, str] | None) -> None:
    assert mesos.pool_and_role(executor) == whose


def test_use_of_a_pool_is_that_of_all_machines_together() -> None:
    rates = Rates()
    both = {"10.1": data("mesos-statistics.json"), "10.2": data("mesos-statistics.json")}
    first = mesos.statistics(rates, both)
    assert first["pools.demo.executor.containers"] == 2
    assert first["pools.demo.executor.memory.limit"] == 2 * 536870912
    assert first["pools.demo.executor.cpus.used"] == 0, "nobody knows yet"
    for machine in both.values():
        for each in machine:
            each["statistics"]["timestamp"] += 10
            each["statistics"]["cpus_user_time_secs"] += 5
    assert mesos.statistics(rates, both)["pools.demo.executor.cpus.used"] == pytest.approx(1.0)


def test_a_container_without_statistics_is_left_out() -> None:
    """Mesos lists one that is just starting without a time."""
    one = data("mesos-statistics.json")[:1]
    one[0]["statistics"] = {}
    assert mesos.statistics(Rates(), {"10.1": one}) == {}


def test_what_a_machine_is_called() -> None:
    assert mesos.node({"flags": {"attributes": "site:torino;node:torino-agent-1;gpu:a100"}}) == "torino-agent-1"
    with pytest.raises(KeyError):
        mesos.node({"flags": {}})


class Machines:
    """Stands in for the HTTPS of a site's agents: by address, the machine's name, or None for one that does not answer."""

    def __init__(self, names: dict[str, str | None]) -> None:
        self.names, self.asked = names, list[str]()

    def __call__(self, address: str) -> Any:
        outer = self

        class Web:
            def json(self, path: str) -> Any:
                outer.asked.append(f"{address}{path}")
                if outer.names[address] is None:
                    raise OSError("refused")
                if path == "/flags":
                    return {"flags": {"attributes": f"node:{outer.names[address]}"}}
                return data("mesos-agent.json" if path == "/metrics/snapshot" else "mesos-statistics.json")

        return Web()


def test_one_machine_that_is_down_does_not_hide_the_others() -> None:
    machines = Machines({"10.0.0.1": "front", "10.0.0.2": None})
    agents = mesos.Agents(lambda: machines.names, machines)
    with pytest.raises(mesos.Partly) as partly:
        agents.read()
    assert partly.value.count == 1 and "10.0.0.2" in str(partly.value)
    assert partly.value.values["machines.front.registered"] == 1
    assert partly.value.values["pools.demo.executor.containers"] == 1


def test_a_machine_says_once_what_it_is_called_and_state_is_never_asked() -> None:
    machines = Machines({"10.0.0.1": "front"})
    agents = mesos.Agents(lambda: machines.names, machines)
    for _ in range(3):
        agents.read()
    assert machines.asked.count("10.0.0.1/flags") == 1
    assert not [each for each in machines.asked if "/state" in each]


@given(st.integers(1, 1500))
@example(mesos.AT_ONCE)
@example(mesos.AT_ONCE + 1)
def test_everybody_has_a_turn_and_no_round_is_long(machines: int) -> None:
    addresses = [str(n) for n in range(machines)]
    parts = -(-machines // mesos.AT_ONCE)
    turns = [mesos.turn(addresses, 7 + n) for n in range(parts)]
    assert sorted(a for each in turns for a in each) == sorted(addresses)
    assert max(map(len, turns)) <= mesos.AT_ONCE


def test_of_those_that_are_not_asked_it_is_told_what_they_said_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos, "AT_ONCE", 2)
    machines = Machines({f"10.0.0.{n}": f"m{n}" for n in range(4)})
    agents = mesos.Agents(lambda: machines.names, machines)
    assert agents.read()["pools.demo.executor.containers"] == 2
    values = agents.read()
    assert {name for name in values if name.endswith(".registered")} == {f"machines.m{n}.registered" for n in range(4)}
    assert values["pools.demo.executor.containers"] == 4
    machines.names["10.0.0.0"] = None  # its turn is the next
    with pytest.raises(mesos.Partly) as partly:
        agents.read()
    assert "machines.m0.registered" not in partly.value.values
    assert partly.value.values["pools.demo.executor.containers"] == 3
    del machines.names["10.0.0.1"]
    assert "machines.m1.registered" not in agents.read(), "what is no machine any more is not told of"


# -- the others


def test_marathon_asks_no_more_of_one_that_does_not_lead() -> None:
    asked = []

    class Web:
        def json(self, path: str) -> Any:
            asked.append(path)
            return {"leader": "10.0.0.2:8443"}

    assert marathon.Marathon(Web(), "10.0.0.1:8443").read() == {"marathon.leader": 0.0}  # type: ignore[arg-type]
    assert asked == ["/v2/leader"]


def test_marathons_queue() -> None:
    queue = [{"count": 3, "delay": {"overdue": False}}, {"count": 1, "delay": {"overdue": True}}]
    found = marathon.counts([], [{}], queue)
    assert (found["marathon.queue.apps"], found["marathon.queue.instances"], found["marathon.queue.delayed"]) == (
        2,
        4,
        1,
    )
    assert found["marathon.deployments"] == 1


def test_etcds_means_are_of_what_came_since() -> None:
    rates = Rates()
    first = etcd.member(text("etcd.txt") + peers(0.5, 10), '{"health":"true"}', rates)
    assert first["etcd.fsync"] == pytest.approx(17.0, abs=0.1), "2.227 s for 131 writes, since its start"
    assert first["etcd.peer_rtt"] == pytest.approx(50.0)
    second = etcd.member(text("etcd.txt") + peers(1.5, 20), '{"health":"false"}', rates)
    assert second["etcd.fsync"] == first["etcd.fsync"], "no write since"
    assert second["etcd.peer_rtt"] == pytest.approx(100.0)
    assert (first["etcd.health"], second["etcd.health"]) == (1, 0)
    assert "etcd.peer_rtt" not in etcd.member(text("etcd.txt"), '{"health":"true"}', Rates())


def test_members_of_the_quorums() -> None:
    lines = "".join(f'etcd_network_active_peers{{Local="a",Remote="{m}"}} {n}\n' for m, n in (("b", 1), ("c", 0)))
    found = etcd.member(text("etcd.txt") + lines, '{"health":"true"}', Rates(), 3)
    assert (found["etcd.members.total"], found["etcd.members.active"]) == (3, 2)
    found = mesos.master(data("mesos-master.json") | {"registrar/log/ensemble_size": 2.0, "master/elected": 0.0}, 3)
    assert (found["mesos.master.members.total"], found["mesos.master.members.active"]) == (3, 2)
    without = {k: v for k, v in data("mesos-master.json").items() if k != "registrar/log/ensemble_size"}
    assert "mesos.master.members.active" not in mesos.master(without, 3), "nobody knows"
    alone = "This ZooKeeper instance is not currently serving requests\n"
    assert zookeeper.members(alone, [text("srvr.txt"), ""]) == {
        "zookeeper.members.total": 3,
        "zookeeper.members.active": 2,
    }


def test_zookeepers_others_are_asked_and_one_that_is_away_is_no_failure() -> None:
    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                assert connection.recv(4) == b"srvr"
                connection.sendall(text("srvr.txt").encode())

    with socket.create_server(("127.0.0.1", 0)) as own, socket.create_server(("127.0.0.1", 0)) as away:
        closed = away.getsockname()
        away.close()
        threading.Thread(target=serve, args=(own,), daemon=True).start()
        found = zookeeper.ZooKeeper(own.getsockname(), [own.getsockname(), closed]).read()
        assert (found["zookeeper.members.active"], found["zookeeper.members.total"]) == (2, 3)
        with pytest.raises(OSError):
            zookeeper.ZooKeeper(closed, [own.getsockname()]).read()
        own.shutdown(socket.SHUT_RDWR)


def test_zookeeper() -> None:
    found = zookeeper.server(text("srvr.txt"))
    assert (found["zookeeper.leader"], found["zookeeper.nodes"]) == (1, 33)
    follower = zookeeper.server(text("srvr.txt").replace("Mode: leader", "Mode: follower"))
    assert (follower["zookeeper.serving"], follower["zookeeper.leader"]) == (1, 0)
    alone = zookeeper.server("This ZooKeeper instance is not currently serving requests\n")
    assert alone == {"zookeeper.serving": 0, "zookeeper.leader": 0}
    with pytest.raises(ValueError, match="no answer to srvr"):
        zookeeper.server("srvr is not executed because it is not in the whitelist.\n")


def test_sessions() -> None:
    found = bgp.sessions(text("bird.txt"))
    assert [(s.peer, s.established) for s in found] == [("172.16.1.11", True), ("172.16.2.10", True)]
    assert bgp.values(found)["bgp.imported"] == sum(s.imported for s in found) > 0
    assert bgp.machines(found, IPv4Network("172.16.1.0/24")) == {"172.16.1.11"}
    with pytest.raises(ValueError, match="BIRD does not answer"):
        bgp.sessions("Unable to connect to server control socket")


def test_a_session_by_ipv6_is_one_of_its_own_and_no_machine() -> None:
    found = bgp.sessions(text("bird.txt").replace("Neighbor address: 172.16.1.11", "Neighbor address: fd00:ae::1:b"))
    assert bgp.values(found)["bgp.peers.fd00_ae__1_b.up"] == 1
    assert bgp.machines(found, IPv4Network("172.16.1.0/24")) == set()


def test_a_session_that_is_lost_counts_and_is_down() -> None:
    said = text("bird.txt")
    lost = said.replace("BGP state:          Established", "BGP state:          Active", 1).replace(
        "Established ", "Active ", 1
    )
    found = bgp.values(bgp.sessions(lost))
    assert (found["bgp.sessions"], found["bgp.established"]) == (2, 1)
    assert found["bgp.peers.172_16_1_11.up"] == 0 and found["bgp.peers.172_16_2_10.up"] == 1


class Said:
    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)

    def ask(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_the_machines_are_kept_while_bird_is_away() -> None:
    source = bgp.Bgp(Said(text("bird.txt"), OSError("gone")), "172.16.1.10", IPv4Network("172.16.1.0/24"))  # type: ignore[arg-type]
    assert source.machines == {"172.16.1.10"}
    source.read()
    with pytest.raises(OSError):
        source.read()
    assert source.machines == {"172.16.1.10", "172.16.1.11"}


def test_a_tunnel_without_handshake_and_round_trip() -> None:
    tunnel = data("vpn.json")[0] | {"link": "unknown", "rtt_ms": None, "handshake_age_s": None}
    found = vpn.tunnels(json.dumps([tunnel]))
    assert found["vpn.cnaf.up"] == 0
    assert not [name for name in found if name.endswith(("rtt", "handshake_age"))]


def test_memory_of_both_kinds_of_control_groups() -> None:
    one = {"memory_stats": {"usage": 100, "stats": {"total_inactive_file": 30, "inactive_file": 5}}}
    two = {"memory_stats": {"usage": 100, "stats": {"inactive_file": 40}}}
    assert (containers.memory(one), containers.memory(two), containers.memory({})) == (70, 60, 0)


def test_a_container_that_was_made_anew_has_no_rate_yet() -> None:
    rates, each = Rates(), data("containers.json")[0]["stats"]
    containers.use("vpn", "a", each, rates, 0.0)
    assert "containers.vpn.cpus.used" in containers.use("vpn", "a", each, rates, 10.0)
    assert "containers.vpn.cpus.used" not in containers.use("vpn", "b", each, rates, 20.0)


def test_itself() -> None:
    source = itself.Itself()
    source.read()
    end = (
        time.monotonic() + 0.1
    )  # the kernel counts CPU in ticks: over less than some of them it is any number of cores
    while time.monotonic() < end:
        pass
    found = source.read()
    assert found["collector.memory"] > 1e6 and 0 <= found["collector.cpus.used"] < 4
