"""What `make status` reads from machines, Mesos and Marathon: recorded answers in, facts out."""

from __future__ import annotations

import json
import shutil
import subprocess
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


def test_the_script_answers_in_sections(tmp_path: Path) -> None:
    """The real script in a real shell, with a `docker` that knows little."""
    docker = tmp_path / "docker"
    docker.write_text(
        '#!/bin/sh\ncase "$*" in *zk-4lw*) echo "Mode: follower" ;; *) echo "no such thing" >&2; exit 1 ;; esac\n'
    )
    docker.chmod(0o755)
    text = status_probe.script(FRONT_END, ["demo"])
    path = f"{tmp_path}:/usr/bin:/bin"
    done = subprocess.run(
        [shutil.which("sh") or "sh", "-s"], input=text, capture_output=True, text=True, env={"PATH": path}
    )
    assert done.returncode == 0, done.stderr
    answers = status_probe.sections(done.stdout)
    assert set(answers) == {"containers", "bgp", "vpn", "etcd", "zookeeper", "slots-demo", "jobs-demo"}
    assert answers["zookeeper"] == (0, "Mode: follower")
    assert answers["etcd"] == (1, "no such thing")


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
