"""What `make status` reads from machines, Mesos and Marathon: recorded answers in, facts out."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.status_machine import Stage, bird, stage
from tools import status_gather, status_probe
from tools.status_facts import Etcd, Jobs, Machine, OnMachine, Pool, Session, Slots, Tunnel
from tools.status_machines import PROGRAM

DATA = Path(__file__).parent / "data" / "status"
SERVICES = ("calico", "mesos-agent", "vpn", "etcd", "zookeeper", "mesos-master", "marathon")
FRONT_END = Machine("torino-front-end", "torino", "172.31.1.10", True, SERVICES)


def test_a_front_ends_answer() -> None:
    found = status_probe.read(FRONT_END, ["demo"], (DATA / "front-end.txt").read_text())
    assert found.reached
    assert [c.name for c in found.containers] == ["etcd", "marathon", "mesos-agent", "mesos-master", "vpn", "zookeeper"]
    master = next(c for c in found.containers if c.name == "mesos-master")
    assert (master.state, master.restarts) == ("running", 1)
    assert 60 < master.age < 80
    assert found.tunnels == (Tunnel("bari", 14), Tunnel("cnaf", 10))
    assert found.etcd == Etcd("16259665268338887595", "16259665268338887595")
    assert found.zookeeper == "leader"
    # What did not answer is told by name, and spoils nothing else.
    assert found.troubles["bgp"] == "Error response from daemon: No such container: calico"
    assert found.pools["demo"].trouble == "no submit node runs here"
    assert found.sessions == ()


def test_a_question_that_takes_too_long_is_told() -> None:
    found = status_probe.read(FRONT_END, [], f"{status_probe.MARK} etcd 124\n\n")
    assert found.troubles == {"etcd": "no answer in 8 s"}


def test_an_answer_that_is_none_is_told() -> None:
    found = status_probe.read(FRONT_END, [], f"{status_probe.MARK} etcd 0\nno JSON\n")
    assert found.troubles["etcd"].startswith("cannot read the answer")


def test_bgp_sessions_are_named_after_their_peers() -> None:
    found = status_probe.bgp_sessions((DATA / "birdc.txt").read_text())
    assert found[0] == Session("172.31.1.11", "Established")
    assert [(s.peer, s.state.split()[0]) for s in found[1:]] == [("172.31.2.10", "Connect"), ("172.31.3.10", "down")]


def test_cores_of_partitionable_slots() -> None:
    assert status_probe.executor_slots((DATA / "slots.json").read_text()) == (
        Slots("172-27-0-21.demo.aerie", "torino", 1, 1),
        Slots("172-27-0-22.demo.aerie", "cnaf", 2, 0),
    )
    assert status_probe.executor_slots("") == ()


def test_jobs_are_those_of_all_users() -> None:
    assert status_probe.jobs((DATA / "jobs.txt").read_text()) == Jobs(idle=3, running=2, held=1, done=24)


@pytest.mark.parametrize("mode", ["leader", "follower"])
def test_zookeepers_mode(mode: str) -> None:
    assert status_probe.zookeeper_mode(f"Zxid: 0x1\nMode: {mode}\n") == mode
    assert status_probe.zookeeper_mode("This ZooKeeper instance is not currently serving requests") == ""


@pytest.fixture
def machine() -> Iterator[Stage]:
    with stage() as made:
        made.cases["docker"] = UNABLE
        yield made


UNABLE = '*) echo "no such thing" >&2; exit 1 ;;'
TASK = "mesos-87e3521f-d176-4be7-823e-6f0f606a3f25"
SUBMIT = ("running", ("A=b", "AERIE_ROLE=submit", "SECRET=hush", "AERIE_POOL=demo"))


def found(said: str, machine: Machine = FRONT_END) -> OnMachine:
    return status_probe.read(machine, ["demo"], said)


def test_containers_by_the_engines_socket(machine: Stage) -> None:
    machine.containers = {
        "etcd": ("running", ()),
        "mesos-master": ("exited", ("SECRET=hush",)),
        "other": ("running", ()),
        TASK: SUBMIT,
    }
    said = machine.run()
    assert "hush" not in said  # of the environment nothing is told
    on = found(said)
    assert [(c.name, c.state, c.restarts) for c in on.containers] == [
        ("etcd", "running", 1),
        ("mesos-master", "exited", 2),
    ]
    assert all(c.age > 0 for c in on.containers)
    # One that is missing is no trouble of the engine's.
    assert "containers" not in on.troubles


def test_a_submit_node_is_asked_once_whoever_started_it(machine: Stage) -> None:
    slots, jobs = (DATA / "slots.json").read_text(), (DATA / "jobs.txt").read_text()
    machine.containers = {"other": ("running", ()), TASK: SUBMIT}
    both = f"@@part slots 0\n{slots}\n@@part jobs 0\n{jobs}"
    (machine.root / "both").write_text(both)
    machine.cases["docker"] = f'"exec {2:064x} sh -c "*) cat {machine.root}/both ;;\n{UNABLE}'
    said = machine.run()
    on = found(said)
    assert on.pools["demo"] == Pool(status_probe.executor_slots(slots), Jobs(idle=3, running=2, held=1, done=24))
    half = status_probe.read(FRONT_END, ["demo"], said.replace("@@part slots 0", "@@part slots 1\nno collector")).pools[
        "demo"
    ]
    assert half.slots is None and half.jobs is not None and half.trouble
    # An agent has none, and does not look through its tasks.
    with stage() as agent:
        agent.containers, agent.cases = machine.containers, machine.cases
        assert "pool-demo" not in agent.run(front_end=False)


def test_the_submit_nodes_script_tells_each_answer_by_itself(tmp_path: Path) -> None:
    for name, text in {"condor_status": "echo '[]'; exit 0", "condor_q": "echo down >&2; exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script = PROGRAM.read_text().partition("<<'SH';\n")[2].partition("\nSH\n")[0]
    done = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}
    )
    assert status_probe.parts(done.stdout) == {"slots": (0, "[]"), "jobs": (1, "down")}


def test_no_submit_node(machine: Stage) -> None:
    assert found(machine.run()).pools["demo"].trouble == "no submit node runs here"


def test_the_index_of_jobs_is_asked_where_it_is(machine: Stage) -> None:
    index = dataclasses.replace(FRONT_END, services=(*SERVICES, "opensearch"))
    assert "opensearch" not in machine.run()
    for case, trouble in (
        (") echo 'HAProxy answers 503, not 401' >&2; exit 1 ;;", "HAProxy answers 503, not 401"),
        (") ;;", None),
    ):
        with stage() as other:
            other.containers, other.cases["docker"] = (
                {"opensearch": ("running", ())},
                f"*opensearch-health{case}\n{UNABLE}",
            )
            assert found(other.run(), index).troubles.get("opensearch") == trouble


def test_an_engine_that_does_not_answer_is_told(machine: Stage) -> None:
    machine.engine = lambda connection: connection.sendall(b"HTTP/1.0 500 Error\r\n\r\nno space left")
    on = found(machine.run())
    assert on.troubles["containers"] == "the Docker engine says: no space left" and on.containers == ()
    # What cannot be asked without it is told too.
    assert on.troubles["bgp"] == on.troubles["vpn"] == on.pools["demo"].trouble == on.troubles["containers"]


def test_an_engine_of_another_kind_is_told(machine: Stage) -> None:
    text = b'[{"Id":"1","Names":["/etcd"],"State":"running"}]'
    machine.engine = lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + text)
    assert "not known here" in found(machine.run()).troubles["containers"]


def test_routing_by_birds_socket(machine: Stage) -> None:
    machine.containers = {"vpn": ("running", ()), "calico": ("running", ())}
    answers = {
        "restrict": "0016 Access restricted\n",
        "show protocols all": "2002-Name Proto Table State Since Info\n1002-Node_172_31_1_11 BGP --- up 12:00:00.000 Established\n"
        "1006-  BGP state:          Established\n     Neighbor address: 172.31.1.11\n 0000 is no end\n0000 \n",
        "show route where source = RTS_BGP": "1007-Table master4:\n 10.65.64.0/26  unicast [Node_172_31_2_10 12:00:00.000] * (100) [AS64514i]\n"
        " \tvia 172.31.2.10 on wg-cnaf\n0000 \n",
    }
    machine.in_container("calico", "/run/calico/bird.ctl", bird(answers))
    said = machine.run()
    on = status_probe.read(FRONT_END, [], said, {"cnaf": (["10.65.64.0/18"], 64514)})
    assert [(s.peer, s.state) for s in on.sessions] == [("172.31.1.11", "Established")]
    assert on.sessions[0].age is not None and on.prefixes == {"cnaf": 1} and "bgp" not in on.troubles
    with stage() as agent:
        agent.containers = machine.containers
        agent.in_container(
            "calico", "/run/calico/bird.ctl", bird({k: v for k, v in answers.items() if "route" not in k})
        )
        on = found(agent.run(front_end=False))
        assert len(on.sessions) == 1 and on.prefixes is None and not on.troubles.keys() & {"bgp"}


def test_bird_that_refuses_or_is_not_there_is_told(machine: Stage) -> None:
    machine.containers = {"calico": ("running", ())}
    assert found(machine.run()).troubles["bgp"].endswith("/run/calico/bird.ctl: No such file or directory")
    with stage() as other:
        other.containers = machine.containers
        other.in_container("calico", "/run/calico/bird.ctl", bird({"restrict": "0016 Access restricted\n"}))
        assert found(other.run()).troubles["bgp"] == "BIRD says: syntax error"


def test_tunnels_by_the_vpns_socket_or_by_its_command(machine: Stage) -> None:
    machine.containers = {"calico": ("exited", ()), "vpn": ("running", ())}
    machine.cases["docker"] = (
        f"""'exec vpn vpn status') echo '[{{"peer": "bari", "handshake_age_s": 9}}]' ;;\n{UNABLE}"""
    )
    assert found(machine.run()).tunnels == (Tunnel("bari", 9),)  # an older image
    with stage() as newer:
        newer.containers, newer.cases["docker"] = machine.containers, UNABLE
        newer.in_container(
            "vpn", "/run/vpn/status.sock", lambda c: c.sendall(b'[{"peer": "cnaf", "handshake_age_s": 3}]\n')
        )
        on = found(newer.run())
        assert on.tunnels == (Tunnel("cnaf", 3),) and "bgp" not in on.troubles


def test_etcd_by_https_or_by_its_command(machine: Stage) -> None:
    (machine.root / "etc/aerie/etcd").mkdir(parents=True)
    raft = '"raft.status": {"id":"d09beaf748091d7e","term":2,"lead":"%s","progress":{"b5":{"match":1}}}'
    machine.cases["openssl"] = f"*root.key*127.0.0.1*) echo 'HTTP/1.0 200 OK'; echo '{raft % 'b50bc4cadc287893'}' ;;"
    assert found(machine.run()).etcd == Etcd(str(0xD09BEAF748091D7E), str(0xB50BC4CADC287893))
    assert status_probe.etcd_member("{" + (raft % 0).partition("{")[2]).leader == ""
    with stage() as other:
        (other.root / "etc/aerie/etcd").mkdir(parents=True)
        other.cases = {
            "openssl": "*) exit 1 ;;",
            "docker": "*etcdctl*) echo 'context deadline exceeded' >&2; exit 1 ;;",
        }
        on = found(other.run())
        assert on.etcd is None and on.troubles["etcd"] == "context deadline exceeded"


def test_zookeeper_by_its_command_where_it_does_not_answer(machine: Stage) -> None:
    (machine.root / "etc/aerie/zookeeper").mkdir(parents=True)
    machine.cases["docker"] = f'"exec zookeeper zk-4lw srvr 127.0.0.1") echo "Mode: follower" ;;\n{UNABLE}'
    assert found(machine.run()).zookeeper == "follower"


def test_what_hangs_is_told_and_the_rest_all_the_same(machine: Stage) -> None:
    held = threading.Event()
    machine.engine = lambda connection: (held.wait(20), None)[1]
    (machine.root / "etc/aerie/zookeeper").mkdir(parents=True)
    machine.cases["docker"] = f'*zk-4lw*) echo "Mode: follower" ;;\n{UNABLE}'
    started = time.monotonic()
    on = found(machine.run(seconds=1))
    held.set()
    assert time.monotonic() - started < 15
    assert {n for n, text in on.troubles.items() if text == "no answer in 8 s"} == {
        "containers", "bgp", "vpn", "slots-demo", "jobs-demo",
    }  # fmt: skip
    assert on.zookeeper == "follower"


def test_one_question_that_hangs(machine: Stage) -> None:
    machine.containers = {"vpn": ("running", ()), "opensearch": ("running", ()), "calico": ("running", ())}
    held = threading.Event()
    machine.in_container("calico", "/run/calico/bird.ctl", lambda connection: (held.wait(20), None)[1])
    machine.cases["docker"] = "*vpn*) echo '[]' ;;\n*) exec sleep 20 ;;"
    on = found(machine.run(seconds=1))
    held.set()
    assert on.troubles == {
        "bgp": "no answer in 8 s",
        "opensearch": "no answer in 8 s",
        "slots-demo": NO_NODE,
        "jobs-demo": NO_NODE,
    }


NO_NODE = "no submit node runs here"


def test_agents_of_a_real_master() -> None:
    (agent,) = status_gather.mesos_agents(json.loads((DATA / "slaves.json").read_text()))
    assert (agent.node, agent.site, agent.active) == ("n1", "torino", True)
    assert (agent.cpus, agent.cpus_used, agent.memory, agent.memory_used) == (4.0, 0.0, 4096.0, 0.0)


def test_apps_of_marathon() -> None:
    raw = {
        "id": "/demo/executors", "instances": 3, "tasksRunning": 2, "tasksHealthy": 1, "healthChecks": [{}], "deployments": [],
        "tasks": [{"host": "172.31.3.11", "state": "TASK_RUNNING"}, {"host": "172.31.1.11", "state": "TASK_STAGING"}],
        "lastTaskFailure": {"state": "TASK_LOST", "message": "agent gone"},
    }  # fmt: skip
    (app,) = status_gather.marathon_apps({"apps": [raw]})
    assert (app.instances, app.running, app.healthy, app.checked, app.deploying) == (3, 2, 1, True, False)
    assert app.hosts == ("172.31.3.11",)
    assert app.failure == "TASK_LOST agent gone"
