"""Marathon on real masters, agents and ZooKeepers, in a deployment during which the leader of each, a ZooKeeper member and a whole machine
are killed: it ends as asked, nothing runs twice, and nothing runs that nobody knows of.

Needs a Docker engine and root. Everything made here has the prefix `mf-`, or is a task of the agents here.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engine import image
from mesos_client.silence import GRACE
from test_mesos_image import sh, until

pytestmark = pytest.mark.live

Json = dict[str, Any]
NETWORK, HOST = "172.28.12.0/24", "172.28.12.1"
MEMBERS = {n: f"172.28.12.2{n}" for n in (1, 2, 3)}
MASTERS = {n: f"172.28.12.3{n}" for n in (1, 2, 3)}
MARATHONS = {n: f"172.28.12.4{n}" for n in (1, 2, 3)}
AGENTS = (1, 2, 3)  # on the host's network, on ports of their own
COUNT = 20
APP: Json = {
    "id": "/faults/app",
    "cmd": "sleep 1000",
    "instances": COUNT,
    "cpus": 0.1,
    "mem": 16,
    "backoffSeconds": 1,
    "taskKillGracePeriodSeconds": 1,
    "portDefinitions": [],
}


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


class Cluster:
    """Three ZooKeepers, three masters, three Marathons, three agents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gone: set[str] = set()  # containers that were killed

    def start(self) -> None:
        sh("docker", "network", "create", "--subnet", NETWORK, "--gateway", HOST, "mf-m")
        servers = "\n".join(f"server.{i}={a}:2888:3888" for i, a in MEMBERS.items())
        for n, address in MEMBERS.items():
            etc = self.folder / f"zk-{n}"
            etc.mkdir()
            (etc / "zoo.cfg").write_text(f"clientPort=2181\nclientPortAddress={address}\n{servers}\n")
            (etc / "myid").write_text(f"{n}\n")
            self._run(
                f"mf-zk-{n}",
                ["--network", "mf-m", "--ip", address, "-v", f"{etc}:/etc/aerie/zookeeper:ro"],
                {},
                image("zookeeper"),
            )
        zk = "zk://" + ",".join(f"{a}:2181" for a in MEMBERS.values())
        for n, address in MASTERS.items():
            env = {
                "MESOS_ZK": f"{zk}/mesos",
                "MESOS_QUORUM": "2",
                "MESOS_WORK_DIR": "/var/lib/mesos",
                "MESOS_IP": address,
                "MESOS_HOSTNAME": address,
                "MESOS_ZK_SESSION_TIMEOUT": "5secs",
                "MESOS_AGENT_PING_TIMEOUT": "1secs",
                "MESOS_MAX_AGENT_PING_TIMEOUTS": "5",
            }
            self._run(f"mf-master-{n}", ["--network", "mf-m", "--ip", address], env, image("mesos"), "mesos-master")
        for n, address in MARATHONS.items():
            env = {
                "MARATHON_MASTER": f"{zk}/mesos",
                "MARATHON_ZK": f"{zk}/marathon",
                "MARATHON_HOSTNAME": address,
                "MARATHON_ZK_SESSION_TIMEOUT": "5000",
                # One at a time, so that the deployment lasts as long as there is something to kill.
                "MARATHON_LAUNCH_TOKENS": "1",
                "MARATHON_LAUNCH_TOKEN_REFRESH_INTERVAL": "20000",
            }
            self._run(f"mf-marathon-{n}", ["--network", "mf-m", "--ip", address], env, image("marathon"))
        for n in AGENTS:
            self.agent(n, zk)

    def agent(self, n: int, zk: str) -> None:
        work = self.folder / f"work-{n}"
        work.mkdir(exist_ok=True)
        env = {
            "MESOS_MASTER": f"{zk}/mesos",
            "MESOS_WORK_DIR": str(work),
            "MESOS_RUNTIME_DIR": f"/run/mesos-{n}",
            "MESOS_IP": HOST,
            "MESOS_PORT": str(5060 + n),
            "MESOS_HOSTNAME": f"agent-{n}",
            "MESOS_ZK_SESSION_TIMEOUT": "5secs",
            "MESOS_RESOURCES": f"cpus:4;mem:2048;disk:2000;ports:[{31000 + 100 * n}-{31099 + 100 * n}]",
            "MESOS_LAUNCHER": "posix",
            "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
            "MESOS_SWITCH_USER": "false",
            "MESOS_DOCKER": "/usr/libexec/mesos/docker-for-mesos",
            "MESOS_DOCKER_MESOS_IMAGE": image("mesos"),
            "MESOS_DOCKER_KILL_ORPHANS": "false",  # the engine has containers of others
            "MESOS_DOCKER_REMOVE_DELAY": "5secs",
            "MESOS_EXECUTOR_REGISTRATION_TIMEOUT": "2mins",
        }
        options = ["--network", "host", "--pid", "host", "-v", "/var/run/docker.sock:/var/run/docker.sock",
                   "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "-v", f"{work}:{work}"]  # fmt: skip
        self._run(f"mf-agent-{n}", options, env, image("mesos"), "mesos-agent")

    @staticmethod
    def _run(name: str, options: list[str], env: dict[str, str], reference: str, *command: str) -> None:
        words = [w for k, v in env.items() for w in ("-e", f"{k}={v}")]
        # As whoever supervises them does: a Mesos master ends itself where it cannot go on. What `docker kill` ends stays down.
        sh("docker", "run", "-d", "--restart", "always", "--name", name, *options, *words, reference, *command)

    def kill(self, *names: str) -> None:
        self.gone |= set(names)
        sh("docker", "kill", *names)
        print(f"{time.strftime('%H:%M:%S')} killed {', '.join(names)}")

    def lose_tasks(self, n: int) -> None:
        """What ran on the machine of an agent that is gone."""
        if found := self.of_agent(n):
            sh("docker", "rm", "-f", *found)

    def of_agent(self, n: int | None = None) -> list[str]:
        """Containers of an agent's executors and tasks (None: of any agent here)."""
        mark = str(self.folder / ("work-" if n is None else f"work-{n}/"))
        names = sh("docker", "ps", "-aq", "--filter", "name=^mesos-").split()
        return [c for c in names if mark in sh("docker", "inspect", "-f", "{{json .Mounts}}", c, check=False)]

    def logs(self) -> str:
        names = sh("docker", "ps", "-a", "--format", "{{.Names}}", "--filter", "name=^mf-").split()
        return "".join(f"--- {n}\n" + sh("docker", "logs", "--tail", "25", n, check=False) for n in sorted(names))

    def alive(self, role: str, addresses: dict[int, str]) -> dict[int, str]:
        return {n: a for n, a in addresses.items() if f"mf-{role}-{n}" not in self.gone}

    def marathon(self, path: str, body: Json | None = None) -> Any:
        """Asked of any instance: those that do not lead give it on."""
        last: Exception | None = None
        for address in self.alive("marathon", MARATHONS).values():
            request = urllib.request.Request(f"http://{address}:8080{path}", method="POST" if body else "GET")
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request, json.dumps(body).encode() if body else None, timeout=10) as answer:
                    return json.load(answer)
            except (OSError, ValueError) as error:
                last = error
        raise OSError(f"no Marathon answers: {last}")

    def marathon_leader(self) -> int:
        leader = str(until(lambda: self.marathon("/v2/leader")["leader"], 30, "a Marathon leads")).partition(":")[0]
        return next(n for n, a in MARATHONS.items() if a == leader)

    def master_leader(self) -> int:
        def look() -> int | None:
            for n, address in self.alive("master", MASTERS).items():
                with contextlib.suppress(OSError):
                    if get(f"http://{address}:5050/metrics/snapshot").get("master/elected") == 1:
                        return n
            return None

        return int(until(look, 60, "a master leads"))

    def zookeeper_leader(self) -> int:
        for n, address in MEMBERS.items():
            if "Mode: leader" in sh("docker", "exec", f"mf-zk-{n}", "zk-4lw", "srvr", address, check=False):
                return n
        raise AssertionError("no ZooKeeper leads")

    def running(self) -> dict[str, str]:
        """The tasks that run, as Marathon says: id to host."""
        tasks = until(lambda: self.marathon("/v2/tasks"), 30, "Marathon answers")["tasks"]
        return {t["id"]: t["host"] for t in tasks if t["state"] == "TASK_RUNNING"}

    def in_mesos(self) -> set[str]:
        """Ids of the tasks that run, as the leading master says."""
        tasks = get(f"http://{MASTERS[self.master_leader()]}:5050/tasks?limit=1000")["tasks"]
        return {t["id"] for t in tasks if t["state"] == "TASK_RUNNING"}

    def in_docker(self) -> list[str]:
        """Ids of the tasks whose containers run, one for each container."""
        found = []
        for container in self.of_agent():
            said = json.loads(sh("docker", "inspect", container, check=False) or "[]")
            for each in said:
                env = dict(e.split("=", 1) for e in each["Config"]["Env"] or () if "=" in e)
                if each["State"]["Running"] and env.get("MARATHON_APP_ID") == APP["id"]:
                    found.append(env["MESOS_TASK_ID"])
        return found


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)

    def clear() -> None:
        if found := sh("docker", "ps", "-aq", "--filter", "name=^mf-").split():
            sh("docker", "rm", "-f", "-v", *found)
        if found := made.of_agent():
            sh("docker", "rm", "-f", *found)
        subprocess.run(["docker", "network", "rm", "mf-m"], capture_output=True)

    clear()
    try:
        made.start()
        until(made.master_leader, 60, "a master leads")
        until(
            lambda: len(get(f"http://{MASTERS[made.master_leader()]}:5050/slaves")["slaves"]) == 3, 60, "three agents"
        )
        until(lambda: made.marathon("/v2/info")["frameworkId"], 30, "Marathon is subscribed")
        yield made
    finally:
        clear()


def test_a_deployment_outlives_leaders_a_member_and_a_machine(cluster: Cluster) -> None:
    try:
        outlive(cluster)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cluster.logs()}") from error


def outlive(cluster: Cluster) -> None:
    framework = cluster.marathon("/v2/info")["frameworkId"]
    container = {"type": "DOCKER", "docker": {"image": image("base")}}  # the agents have no other containerizer
    cluster.marathon("/v2/apps", {**APP, "container": container})

    def at_least(count: int) -> None:
        # While a master is new, agents may be away for as long as it waits for them.
        until(lambda: len(cluster.running()) >= count, GRACE + 60, f"{count} tasks run")

    at_least(3)
    cluster.kill(f"mf-marathon-{cluster.marathon_leader()}", f"mf-zk-{cluster.zookeeper_leader()}")
    at_least(6)
    master, before = cluster.master_leader(), cluster.running()
    # Together: the next master has never heard of the machine, and says nothing of its tasks.
    cluster.kill(f"mf-master-{master}", "mf-agent-1")
    cluster.lose_tasks(1)
    print(f"{len(before)} ran then")
    assert len(before) < COUNT, "the deployment was over before everything was killed"

    began = time.monotonic()
    until(lambda: not cluster.marathon("/v2/deployments"), 120, "the deployment is done")
    print(f"done {time.monotonic() - began:.0f} s after the last kill")

    def as_asked() -> bool:
        ids = cluster.running()
        tasks = cluster.marathon(f"/v2/apps{APP['id']}")["app"]["tasks"]
        lost = [t["id"] for t in tasks if t["host"] == "agent-1"]
        assert not lost, f"{len(ids)} run, on the machine that is gone: {lost}"
        return len(ids) == COUNT == len(tasks)

    # The deployment may be done at once, with tasks that the new master says nothing of: they count as running for GRACE seconds.
    until(as_asked, GRACE + 60, f"{COUNT} tasks run, none on the machine that is gone")
    ids = set(cluster.running())
    # No duplicate and no orphan: Marathon, Mesos and Docker say the same.
    until(lambda: cluster.in_mesos() == ids, 30, "Mesos runs what Marathon knows, and nothing else")
    until(lambda: sorted(cluster.in_docker()) == sorted(ids), 30, "there is one container for each task, and no other")
    # What was on the other machines was left alone.
    assert {task for task, host in before.items() if host != "agent-1"} <= ids
    assert cluster.marathon("/v2/info")["frameworkId"] == framework
