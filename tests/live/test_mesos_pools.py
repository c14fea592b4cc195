"""Pools side by side on a real master and a real agent, with the credentials and ACLs that the sites get: who may be whom, and what
the role's resource does to quota and weight.

Needs a Docker engine and root. Everything made here has the prefix `mp-`, or is a task of the agent here.
"""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import sys
import threading
import uuid
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engine import image
from test_mesos_image import TERMINAL, basic, certificates, sh, until

from components.batch.mesos_role import Provider
from components.cluster import mesos
from components.iaas.machine import Machine
from components.identity.derived import mesos_secret
from components.spec.machines import PlannedMachine
from components.spec.model import Embedded, Federation, Images, MachineSize, Site

pytestmark = pytest.mark.live

Json = dict[str, Any]
NETWORK, HOST, ZK = "172.28.11.0/24", "172.28.11.1", "172.28.11.21"
MASTERS = (
    "172.28.11.11",
    "172.28.11.12",
)  # their registry is in memory, so that two can be there and one of them redirect
CONTAINERS = ("mp-agent", "mp-master-1", "mp-master-2", "mp-zk")
PASSWORDS = {"mesos-agent": "a", "mesos-marathon": "m", "mesos-operator": "o", "pools": "p"}
FEDERATION = Federation(
    name="pools",
    images=Images(registry="127.0.0.1:5000"),
    embedded=Embedded(),
    sites={
        "here": Site(
            as_number=64513,
            lan=IPv4Network("172.31.1.0/24"),
            containers=IPv4Network("10.65.0.0/18"),
            vpn_endpoint="172.30.0.11:51820",
            quorum=True,
        )
    },
)


def machine(address: str) -> Machine:
    return Machine("node", "here", address, True, None, None, "", None)  # type: ignore[arg-type]


class Cluster:
    """ZooKeeper, two masters, one agent on the host's network. `leader` is the address of the master that leads."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ca, self.work = folder, folder / "ca.crt", folder / "work"
        self.work.mkdir()
        self.leader = MASTERS[0]
        certificates(folder, [HOST, *MASTERS])
        zookeeper = folder / "zookeeper"
        zookeeper.mkdir()
        (zookeeper / "zoo.cfg").write_text(
            "tickTime=2000\ndataDir=/var/lib/zookeeper\nclientPort=2181\nadmin.enableServer=false\n"
        )
        for name, address in (*((f"master-{a}", a) for a in MASTERS), ("agent", HOST)):
            etc = folder / name
            etc.mkdir()
            (etc / "zk").write_text(f"zk://mesos:secret@{ZK}:2181/mesos\n")
            shutil.copy(self.ca, etc)
            shutil.copy(folder / f"{address}.crt", etc / "server.crt")
            shutil.copy(folder / f"{address}.key", etc / "server.key")
            if name != "agent":
                (etc / "credentials").write_text(mesos.master_credentials(PASSWORDS))
                (etc / "acls").write_text(mesos.acls_text(mesos.master_acls()))
        (folder / "agent/credential").write_text(mesos.credential(mesos.AGENT, PASSWORDS["mesos-agent"]))
        (folder / "agent/http-credentials").write_text(mesos.credentials({mesos.OPERATOR: PASSWORDS["mesos-operator"]}))
        (folder / "agent/acls").write_text(mesos.acls_text(mesos.agent_acls()))
        (folder / "agent/jwt-key").write_text("0123456789abcdef0123456789abcdef")

    def start(self) -> None:
        sh("docker", "run", "-d", "--name", "mp-zk", "--network", "mp-m", "--ip", ZK,
           "-v", f"{self.folder}/zookeeper:/etc/aerie/zookeeper:ro", image("zookeeper"))  # fmt: skip
        for number, address in enumerate(MASTERS, 1):
            env = {**mesos.master_container(FEDERATION, machine(address), "").env, "MESOS_REGISTRY": "in_memory"}
            options = ["--network", "mp-m", "--ip", address]
            folder = f"{self.folder}/master-{address}"
            self._run(f"mp-master-{number}", options, folder, mesos.MASTER_FILES, env, "mesos-master")
        there = machine(HOST)
        planned = PlannedMachine(there.name, 10, "", MachineSize(memory=1024))
        env = dict(mesos.agent_container(FEDERATION, there, planned, image("mesos")).env)
        env |= {
            "MESOS_WORK_DIR": str(self.work),
            "MESOS_DOCKER_KILL_ORPHANS": "false",  # the engine has containers of others
        }
        options = ["--network", "host", "--pid", "host", "-v", "/var/run/docker.sock:/var/run/docker.sock",
                   "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "-v", f"{self.work}:{self.work}"]  # fmt: skip
        # The tasks' executors mount the agent's files from the machine, by the path that the agent has them at.
        here = f"{self.folder}/agent"
        env = {k: v.replace(mesos.AGENT_FILES, here) for k, v in env.items()}
        self._run("mp-agent", options, here, here, env, "mesos-agent")

    def _run(self, name: str, options: list[str], files: str, at: str, env: dict[str, str], program: str) -> None:
        words = [w for k, v in env.items() for w in ("-e", f"{k}={v}")]
        sh("docker", "run", "-d", "--name", name, *options, "-v", f"{files}:{at}:ro", *words, image("mesos"), program)

    def request(
        self, method: str, path: str, body: Json | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = self.connect(10)
        connection.request(method, path, json.dumps(body) if body else None, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def connect(self, timeout: float | None) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection(self.leader, 5050, timeout=timeout, context=context)

    def operator(self, call: Json, principal: str = mesos.OPERATOR, secret: str = "o") -> tuple[int, Json]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", **basic(principal, secret)}
        status, text = self.request("POST", "/api/v1", call, headers)
        return status, json.loads(text) if text[:1] == b"{" else {"said": text.decode()}

    def find_leader(self) -> bool:
        for self.leader in MASTERS:
            status, text = self.request("GET", "/metrics/snapshot", headers=basic(mesos.OPERATOR, "o"))
            if status == 200 and json.loads(text).get("master/elected") == 1:
                return True
        return False

    def agents(self) -> list[Json]:
        status, text = self.request("GET", "/slaves", headers=basic(mesos.OPERATOR, "o"))
        assert status == 200, text
        return [a for a in json.loads(text)["slaves"] if a["active"]]


class Subscriber:
    """A v1 HTTP scheduler of pool `number`: subscribes with `role`, launches one task at a time."""

    def __init__(
        self, cluster: Cluster, number: int, role: str = "", secret: str = "", user: str = "", principal: str = ""
    ) -> None:
        self.cluster, me = cluster, f"pool-{number}"
        self.role, self.user = role or me, user or me
        self.headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            **basic(me, secret or mesos_secret(PASSWORDS["pools"], number)),
        }
        self.principal = principal or me
        self.id: Json | None = None
        self.stream, self.error = "", ""
        self.task: Json | None = None
        self.updates: list[Json] = []
        threading.Thread(target=self._run, daemon=True).start()
        until(lambda: self.id or self.error, 20, "an answer to SUBSCRIBE")

    def _run(self) -> None:
        info = {
            "user": self.user, "name": "pool", "roles": [self.role], "failover_timeout": 60.0, "checkpoint": True,
            "principal": self.principal,
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}],
        }  # fmt: skip
        connection = self.cluster.connect(None)
        connection.request(
            "POST", "/api/v1/scheduler", json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}),
            self.headers,
        )  # fmt: skip
        answer = connection.getresponse()
        if answer.status != 200:
            self.error = f"{answer.status} {answer.read().decode()}"
            return
        self.stream = answer.getheader("Mesos-Stream-Id") or ""
        while line := answer.readline():
            self._event(json.loads(answer.read(int(line))))

    def call(self, kind: str, **body: Any) -> None:
        headers = {**self.headers, "Mesos-Stream-Id": self.stream}
        status, said = self.cluster.request(
            "POST", "/api/v1/scheduler", {"type": kind, "framework_id": self.id, **body}, headers
        )
        assert status == 202, said

    def _event(self, event: Json) -> None:
        if event["type"] == "SUBSCRIBED":
            self.id = event["subscribed"]["framework_id"]
        elif event["type"] == "ERROR":
            self.error = event["error"]["message"]
        elif event["type"] == "OFFERS":
            for offer in event["offers"]["offers"]:
                self._offer(offer)
        elif event["type"] == "UPDATE":
            status = event["update"]["status"]
            self.updates.append(status)
            if "uuid" in status:
                self.call("ACKNOWLEDGE", acknowledge={k: status[k] for k in ("agent_id", "task_id", "uuid")})

    def _offer(self, offer: Json) -> None:
        task, self.task = self.task, None
        filters = {"refuse_seconds": 0.5}
        if task is None:
            return self.call("DECLINE", decline={"offer_ids": [offer["id"]], "filters": filters})
        operations = [{"type": "LAUNCH", "launch": {"task_infos": [{**task, "agent_id": offer["agent_id"]}]}}]
        self.call("ACCEPT", accept={"offer_ids": [offer["id"]], "operations": operations, "filters": filters})

    def run(self, command: str, user: str = "", cpus: float = 0.2) -> Json:
        """The task's last status, once it has ended."""
        name = "t-" + uuid.uuid4().hex[:8]
        resources = [
            {"name": n, "type": "SCALAR", "scalar": {"value": v}, "allocation_info": {"role": self.role}}
            for n, v in (("cpus", cpus), ("mem", 64))
        ]
        self.updates = []
        self.task = {
            "name": name, "task_id": {"value": name}, "resources": resources,
            "container": {"type": "DOCKER", "docker": {"image": image("base"), "network": "HOST"}},
            "command": {"shell": True, "value": command} | ({"user": user} if user else {}),
        }  # fmt: skip
        self.call("REVIVE")

        def ended() -> Json | None:
            return next((u for u in self.updates if u["state"] in TERMINAL), None)

        found: Json = until(ended, 60, "the task's end")
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("pools")

    def clear() -> None:
        sh("docker", "rm", "-f", "-v", *CONTAINERS, check=False)
        for each in sh("docker", "ps", "-aq", "--filter", "name=^mesos-").split():
            if str(folder) in sh("docker", "inspect", "-f", "{{json .Mounts}}", each, check=False):
                sh("docker", "rm", "-f", each, check=False)
        sh("docker", "network", "rm", "mp-m", check=False)

    clear()
    sh("docker", "network", "create", "--subnet", NETWORK, "--gateway", HOST, "mp-m")
    try:
        made = Cluster(folder)
        made.start()
        try:
            until(made.find_leader, 60, "a master leads")
            until(made.agents, 60, "an agent registered")
        except AssertionError as error:
            logs = "".join(sh("docker", "logs", "--tail", "15", n, check=False) for n in CONTAINERS)
            raise AssertionError(f"{error}\n{logs}") from error
        yield made
    finally:
        clear()


def test_a_pool_is_let_in_as_itself_only(cluster: Cluster) -> None:
    assert Subscriber(cluster, 1).error == ""
    assert Subscriber(cluster, 60).error == ""
    for role in ("pool-2", "*", "pool-1/sub"):
        assert "not authorized" in Subscriber(cluster, 1, role=role).error.lower(), role
    assert Subscriber(cluster, 1, secret=mesos_secret(PASSWORDS["pools"], 2)).error.startswith("401")
    assert "principal" in Subscriber(cluster, 1, principal="pool-2").error.lower()
    assert Subscriber(cluster, 61).error.startswith("401")


def test_tasks_run_as_a_user_that_no_machine_knows(cluster: Cluster) -> None:
    pool = Subscriber(cluster, 1)
    assert pool.error == ""
    done = pool.run("id -u; exit 0")
    assert done["state"] == "TASK_FINISHED", done
    for user in ("root", "pool-2"):
        refused = pool.run("true", user=user)
        assert (refused["state"], refused["reason"]) == ("TASK_ERROR", "REASON_TASK_UNAUTHORIZED"), refused
    pool.call("TEARDOWN")


def properties(**changes: Any) -> Json:
    login = {
        "masters": ["127.0.0.1:1", *(f"{m}:5050" for m in reversed(MASTERS))],
        "user": mesos.OPERATOR,
        "password": "o",
    }
    return {**login, "role": "pool-7", "weight": 1.0, "guarantee": {}, "limit": {}, "seconds": 10, **changes}


def test_a_roles_quota_and_weight(cluster: Cluster) -> None:
    provider, ca = Provider(), cluster.ca.read_text()

    def live() -> Json:
        found = provider.read(
            "pool-7", properties(ca=ca, weight=0.0, limit={"cpus": 0.5}, guarantee={"cpus": 0.5})
        ).outs
        assert found is not None
        return {k: found[k] for k in ("weight", "guarantee", "limit")}

    first = properties(ca=ca, weight=2.5, limit={"cpus": 3.0, "mem": 900.0})
    assert provider.create(first).id == "pool-7"
    assert live() == {"weight": 2.5, "limit": {"cpus": 3.0, "mem": 900.0}, "guarantee": {}}
    assert provider.read("pool-7", first).outs == first
    second = properties(ca=ca, guarantee={"cpus": 1.0, "mem": 200.0}, limit={"cpus": 2.0})
    assert provider.diff("pool-7", first, second).changes
    provider.update("pool-7", first, second)
    assert live() == {"weight": 1.0, "limit": {"cpus": 2.0}, "guarantee": {"cpus": 1.0, "mem": 200.0}}
    provider.delete("pool-7", second)
    assert live() == {"weight": 1.0, "limit": {}, "guarantee": {}}


def test_a_limit_is_kept(cluster: Cluster) -> None:
    provider = Provider()
    props = properties(ca=cluster.ca.read_text(), role="pool-3", limit={"cpus": 0.5})
    provider.create(props)
    pool = Subscriber(cluster, 3)
    assert pool.run("true", cpus=0.4)["state"] == "TASK_FINISHED"
    with pytest.raises(AssertionError, match=r"the task's end|TASK_ERROR"):
        done = pool.run("true", cpus=0.6)
        raise AssertionError(done["state"])
    pool.call("TEARDOWN")
    provider.delete("pool-3", props)


def test_quotas_are_the_operators_business(cluster: Cluster) -> None:
    config = {"role": "pool-9", "limits": {"cpus": {"value": 1}}}
    call = {"type": "UPDATE_QUOTA", "update_quota": {"force": True, "quota_configs": [config]}}
    for principal, secret in (("pool-9", mesos_secret("p", 9)), ("marathon", "m"), ("agent", "a")):
        assert cluster.operator(call, principal, secret)[0] == 403
        weights = {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "pool-9", "weight": 2}]}}
        assert cluster.operator(weights, principal, secret)[0] == 403
        assert "pool-1" not in json.dumps(cluster.operator({"type": "GET_FRAMEWORKS"}, principal, secret)[1])


def test_the_roles_end_is_the_end_of_its_framework(cluster: Cluster) -> None:
    provider, props = Provider(), properties(ca=cluster.ca.read_text(), role="pool-5")
    provider.create(props)
    ours, other = Subscriber(cluster, 5), Subscriber(cluster, 6)
    provider.delete("pool-5", props)
    known = json.dumps(cluster.operator({"type": "GET_FRAMEWORKS"})[1]["get_frameworks"].get("frameworks", []))
    assert other.id and other.id["value"] in known
    assert ours.id and ours.id["value"] not in known
    other.call("TEARDOWN")
