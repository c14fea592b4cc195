"""What `make status` reads from machines, Mesos and Marathon: recorded answers in, facts out."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tools import status_gather, status_probe
from tools.status_facts import Etcd, Jobs, Machine, Session, Slots, Tunnel

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


def run(folder: Path, docker: str, machine: Machine = FRONT_END) -> status_probe.OnMachine:
    """The real script in a real shell, with a `docker` of these cases, and a ZooKeeper that listens nowhere."""
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\ncase "$*" in\n{docker}\nesac\n')
    program.chmod(0o755)
    here = dataclasses.replace(machine, address="127.0.0.1")
    shell, path = shutil.which("sh") or "sh", f"{folder}:/usr/bin:/bin"
    done = subprocess.run(
        [shell, "-s"], input=status_probe.script(here, ["demo"]), capture_output=True, text=True, env={"PATH": path}
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return status_probe.read(here, ["demo"], done.stdout)


RUNS = '{"name":"/%s","restarts":0,"state":{"Status":"running","Pid":%s,"ExitCode":0,"OOMKilled":false,"StartedAt":"2026-11-28T14:31:40.836755617Z"}}'
UNABLE = '*) echo "no such thing" >&2; exit 1 ;;'


def test_the_script_answers_in_sections(tmp_path: Path) -> None:
    found = run(tmp_path, f'*zk-4lw*) echo "Mode: follower" ;;\n{UNABLE}')
    assert found.zookeeper == "follower"
    assert found.pools["demo"].trouble == "no submit node runs here"
    assert {name: text for name, text in found.troubles.items() if "demo" not in name} == dict.fromkeys(
        ("containers", "bgp", "vpn", "etcd"), "no such thing"
    )


def test_the_index_of_jobs_is_asked_where_it_is(tmp_path: Path) -> None:
    index = dataclasses.replace(FRONT_END, services=(*SERVICES, "opensearch"))
    assert "opensearch" not in status_probe.script(FRONT_END, [])
    away = run(tmp_path, f"*opensearch-health*) echo 'HAProxy answers 503, not 401' >&2; exit 1 ;;\n{UNABLE}", index)
    assert away.troubles["opensearch"] == "HAProxy answers 503, not 401"
    assert "opensearch" not in run(tmp_path, f"*opensearch-health*) ;;\n{UNABLE}", index).troubles


def test_containers_that_are_missing_are_no_trouble(tmp_path: Path) -> None:
    said = RUNS % ("etcd", 77)
    found = run(
        tmp_path, f"inspect*) echo '{said}'; echo; echo 'Error: No such container: vpn' >&2; exit 1 ;;\n{UNABLE}"
    )
    assert [(c.name, c.state) for c in found.containers] == [("etcd", "running")]
    assert "containers" not in found.troubles


@pytest.mark.parametrize("said", ["Cannot connect to the Docker daemon", "open /run/docker.sock: no such file"])
def test_an_engine_that_does_not_answer_is_told(tmp_path: Path, said: str) -> None:
    found = run(tmp_path, f"inspect*) echo '{said}' >&2; echo 'No such container: vpn' >&2; exit 1 ;;\n{UNABLE}")
    assert "containers" in found.troubles and found.containers == ()
    silent = run(tmp_path, f"inspect*) kill -9 $$ ;;\n{UNABLE}")
    assert silent.troubles["containers"]


def test_routing_is_asked_in_the_namespace_of_the_container_that_was_found(tmp_path: Path) -> None:
    """And of no other: what runs there is not kept to what the container may do."""
    (tmp_path / "nsenter").write_text('#!/bin/sh\necho "nsenter $2"; exit 1\n')
    (tmp_path / "nsenter").chmod(0o755)
    said = "\n".join((RUNS % ("calico-2", 66), RUNS % ("calico", 77), RUNS % ("vpn", 88)))
    assert run(tmp_path, f"inspect*) echo '{said}' ;;\n{UNABLE}").troubles["bgp"] == "nsenter 77"
    ended = RUNS % ("calico", 0)
    found = run(tmp_path, f"inspect*) echo '{ended}' ;;\n*calico*) echo 'not running' >&2; exit 1 ;;\n{UNABLE}")
    assert found.troubles["bgp"] == "not running"


def test_what_hangs_is_told_and_what_needs_it_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = time.monotonic()
    short = status_probe.script(FRONT_END, ["demo"]).replace(f"timeout {status_probe.SECONDS}", "timeout 1")
    monkeypatch.setattr(status_probe, "script", lambda *_: short.replace(FRONT_END.address, "127.0.0.1"))
    found = run(tmp_path, f"inspect*|ps*) exec sleep 30 ;;\n*etcdctl*) echo '[]' ;;\n{UNABLE}")
    assert time.monotonic() - started < 20
    assert {n for n, text in found.troubles.items() if text.startswith("no answer in")} == {
        "containers", "bgp", "slots-demo", "jobs-demo",
    }  # fmt: skip
    assert found.troubles["vpn"] == "no such thing"


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
