"""The image `mesos` for real: a master and an agent with TLS, authentication and ACLs, and Docker tasks on them.

Needs a Docker engine and root (the agent shares the engine and the host's /sys/fs/cgroup).  Everything made here has
the prefix `mi-`, or `mesos-` (Mesos' own containers).
"""

import base64
import http.client
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import image

Json = dict[str, Any]

pytestmark = pytest.mark.live

HOST, MASTER, ZK = "172.28.10.1", "172.28.10.11", "172.28.10.21"
ZK_SECRET = "zookeeper-password"
ADMIN = ("admin", "admin-secret")
TERMINAL = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_ERROR", "TASK_GONE", "TASK_DROPPED"}


def sh(*words: str, check: bool = True, timeout: float = 120) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words[:4])} ...: {done.stderr or done.stdout}")
    return done.stdout + ("" if check else done.stderr)


def until(what: Callable[[], Any], seconds: float, why: str) -> Any:
    """Wait until `what` gives something true; what it raises counts as not yet."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if found := what():
                return found
        except (OSError, AssertionError, http.client.HTTPException, KeyError, ValueError) as error:
            last = error
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {why} ({last})")


def openssl(*words: str, cwd: Path) -> None:
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


def certificates(folder: Path, addresses: list[str]) -> None:
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
            "-out", "ca.crt", "-days", "2", "-subj", "/CN=test ca",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=folder)  # fmt: skip
    for a in addresses:
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{a}.key",
                "-out", f"{a}.csr", "-subj", "/CN=mesos", cwd=folder)  # fmt: skip
        (folder / "ext").write_text(f"subjectAltName=IP:{a}\nauthorityKeyIdentifier=keyid\n")
        openssl("x509", "-req", "-in", f"{a}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "ext", "-out", f"{a}.crt", cwd=folder)  # fmt: skip


def acl(principal: str, verb: str, objects: str) -> Json:
    return {verb: [{"principals": {"values": [principal]}, objects: {"type": "ANY"}}]}


VIEWS: Json = {
    "permissive": False,
    **acl("admin", "get_endpoints", "paths"),
    **acl("admin", "view_frameworks", "users"),
    **acl("admin", "view_tasks", "users"),
    **acl("admin", "view_executors", "users"),
    **acl("admin", "view_flags", "flags"),
    **acl("admin", "view_containers", "users"),
    **acl("admin", "access_sandboxes", "users"),
    **acl("admin", "access_mesos_logs", "logs"),
    # The agent asks its own ACLs once more before it runs a task.
    "run_tasks": [{"principals": {"values": ["tester"]}, "users": {"values": ["root"]}}],
}
MASTER_ACLS: Json = {
    **VIEWS,
    **acl("admin", "view_roles", "roles"),
    **acl("agent", "register_agents", "agents"),
    **acl("tester", "register_frameworks", "roles"),
    **acl("tester", "teardown_frameworks", "framework_principals"),
}


def tls(folder: Path) -> dict[str, str]:
    return {
        "LIBPROCESS_SSL_ENABLED": "true",
        "LIBPROCESS_SSL_SUPPORT_DOWNGRADE": "false",
        "LIBPROCESS_SSL_ENABLE_TLS_V1_3": "true",
        "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "true",
        "LIBPROCESS_SSL_VERIFY_IPADD": "true",
        "LIBPROCESS_SSL_CA_FILE": f"{folder}/ca.crt",
        "LIBPROCESS_SSL_CERT_FILE": f"{folder}/server.crt",
        "LIBPROCESS_SSL_KEY_FILE": f"{folder}/server.key",
    }


class Cluster:
    """ZooKeeper, one master on a network of its own, one agent on the host's network."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.work = folder / "work"
        self.work.mkdir()
        certificates(folder, [HOST, MASTER])
        for name, address in (("master", MASTER), ("agent", HOST)):
            etc = folder / name
            etc.mkdir()
            shutil.copy(self.ca, etc)
            shutil.copy(folder / f"{address}.crt", etc / "server.crt")
            shutil.copy(folder / f"{address}.key", etc / "server.key")
            (etc / "zk").write_text(f"zk://mesos:{ZK_SECRET}@{ZK}:2181/mesos\n")
        people = {"agent": "agent-secret", "tester": "tester-secret", "admin": ADMIN[1]}
        credentials = [{"principal": p, "secret": s} for p, s in people.items()]
        (folder / "master/credentials").write_text(json.dumps({"credentials": credentials}))
        (folder / "master/acls").write_text(json.dumps(MASTER_ACLS))
        (folder / "agent/credential").write_text(json.dumps(credentials[0]))
        (folder / "agent/http_credentials").write_text(json.dumps({"credentials": credentials[2:]}))
        (folder / "agent/acls").write_text(json.dumps(VIEWS))
        (folder / "agent/jwt_key").write_text("0123456789abcdef0123456789abcdef")

    def zookeeper(self) -> None:
        etc = self.folder / "zookeeper"
        etc.mkdir()
        (etc / "zoo.cfg").write_text(
            "tickTime=2000\ndataDir=/var/lib/zookeeper\nclientPort=2181\nadmin.enableServer=false\n"
        )
        sh("docker", "run", "-d", "--name", "mi-zk", "--network", "mi-m", "--ip", ZK,
           "-v", f"{etc}:/etc/aerie/zookeeper:ro", image("zookeeper"))  # fmt: skip

    def _start(self, name: str, reference: str, options: list[str], env: dict[str, str], program: str) -> None:
        sh("docker", "rm", "-f", name, check=False)
        words = [w for k, v in env.items() for w in ("-e", f"{k}={v}")]
        sh("docker", "run", "-d", "--name", name, *options, *words, reference, program)

    def master(self) -> None:
        etc = Path("/etc/aerie/mesos-master")
        env = tls(etc) | {
            "MESOS_ZK": f"file://{etc}/zk",
            "MESOS_QUORUM": "1",
            "MESOS_WORK_DIR": "/var/lib/mesos",
            "MESOS_IP": MASTER,
            "MESOS_HOSTNAME": MASTER,
            "MESOS_ZK_SESSION_TIMEOUT": "5secs",
            "MESOS_AUTHENTICATE_AGENTS": "true",
            "MESOS_AUTHENTICATE_FRAMEWORKS": "true",
            "MESOS_AUTHENTICATE_HTTP_FRAMEWORKS": "true",
            "MESOS_HTTP_FRAMEWORK_AUTHENTICATORS": "basic",
            "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
            "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
            "MESOS_CREDENTIALS": f"{etc}/credentials",
            "MESOS_ACLS": f"file://{etc}/acls",
        }
        options = ["--network", "mi-m", "--ip", MASTER, "-v", f"{self.folder}/master:{etc}:ro"]
        self._start("mi-master", image("mesos"), options, env, "mesos-master")

    def agent(self, reference: str) -> None:
        etc = self.folder / "agent"
        env = tls(etc) | {
            "MESOS_MASTER": f"file://{etc}/zk",
            "MESOS_WORK_DIR": str(self.work),
            "MESOS_RUNTIME_DIR": "/run/mesos",
            "MESOS_IP": HOST,
            "MESOS_PORT": "5051",
            "MESOS_HOSTNAME": HOST,
            "MESOS_ZK_SESSION_TIMEOUT": "5secs",
            "MESOS_ATTRIBUTES": "site:torino;node:torino-agent-1",
            "MESOS_RESOURCES": "cpus:2;mem:1024;disk:2000;ports:[31000-31099]",
            "MESOS_LAUNCHER": "posix",
            "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
            "MESOS_SWITCH_USER": "false",
            "MESOS_DOCKER": "/usr/libexec/mesos/docker-for-mesos",
            "MESOS_DOCKER_MESOS_IMAGE": reference,
            "MESOS_DOCKER_KILL_ORPHANS": "false",  # the engine has containers of others
            "MESOS_DOCKER_REMOVE_DELAY": "10secs",
            "MESOS_DOCKER_STOP_TIMEOUT": "10secs",
            "MESOS_CGROUPS_ENABLE_CFS": "true",
            "MESOS_EXECUTOR_REGISTRATION_TIMEOUT": "2mins",
            "MESOS_CREDENTIAL": f"{etc}/credential",
            "MESOS_AUTHENTICATE_HTTP_READONLY": "true",
            "MESOS_AUTHENTICATE_HTTP_READWRITE": "true",
            "MESOS_HTTP_CREDENTIALS": f"{etc}/http_credentials",
            "MESOS_ACLS": f"file://{etc}/acls",
            "MESOS_AUTHENTICATE_HTTP_EXECUTORS": "true",
            "MESOS_JWT_SECRET_KEY": f"{etc}/jwt_key",
        }
        options = ["--network", "host", "--pid", "host", "-v", "/var/run/docker.sock:/var/run/docker.sock",
                   "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "-v", f"{etc}:{etc}:ro",
                   "-v", f"{self.work}:{self.work}"]  # fmt: skip
        self._start("mi-agent", reference, options, env, "mesos-agent")

    def connect(self, where: str, timeout: float | None = 10) -> http.client.HTTPSConnection:
        host, port = where.split(":")
        return http.client.HTTPSConnection(
            host, int(port), timeout=timeout, context=ssl.create_default_context(cafile=str(self.ca))
        )

    def get(self, where: str, path: str, user: tuple[str, str] | None = ADMIN) -> tuple[int, bytes]:
        connection = self.connect(where)
        connection.request("GET", path, headers=basic(*user) if user else {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def agents(self) -> list[Json]:
        status, text = self.get(f"{MASTER}:5050", "/slaves")
        assert status == 200, text
        return [a for a in json.loads(text)["slaves"] if a["active"]]


def basic(user: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


class Framework:
    """A v1 HTTP scheduler, just enough: takes an offer when it has a task to launch, acknowledges updates."""

    def __init__(self, cluster: Cluster, principal: str = "tester", secret: str = "tester-secret") -> None:
        self.cluster = cluster
        self.headers = {"Content-Type": "application/json", "Accept": "application/json", **basic(principal, secret)}
        self.principal = principal
        self.id: Json | None = None
        self.stream = ""
        self.wanted: list[Json] = []
        self.updates: dict[str, list[Json]] = {}
        self.agent_of: dict[str, Json] = {}
        self.error = ""

    def __enter__(self) -> "Framework":
        threading.Thread(target=self._run, daemon=True).start()
        until(lambda: self.id or self.error, 20, "subscribed")
        assert not self.error, self.error
        return self

    def __exit__(self, *_: object) -> None:
        self._call("TEARDOWN")

    def _call(self, kind: str, **body: Any) -> None:
        connection = self.cluster.connect(f"{MASTER}:5050")
        call = {"type": kind, "framework_id": self.id, **body}
        connection.request(
            "POST", "/api/v1/scheduler", json.dumps(call), {**self.headers, "Mesos-Stream-Id": self.stream}
        )
        answer = connection.getresponse()
        assert answer.status == 202, answer.read()

    def _run(self) -> None:
        info = {
            "user": "root", "name": "test", "roles": ["*"], "failover_timeout": 60.0, "checkpoint": True,
            "principal": self.principal,
            "capabilities": [{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}, {"type": "TASK_KILLING_STATE"}],
        }  # fmt: skip
        connection = self.cluster.connect(f"{MASTER}:5050", None)
        body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        connection.request("POST", "/api/v1/scheduler", json.dumps(body), self.headers)
        answer = connection.getresponse()
        if answer.status != 200:
            self.error = f"{answer.status} {answer.read().decode()}"
            return
        self.stream = answer.getheader("Mesos-Stream-Id") or ""
        while line := answer.readline():
            self._event(json.loads(answer.read(int(line))))

    def _event(self, event: Json) -> None:
        if event["type"] == "SUBSCRIBED":
            self.id = event["subscribed"]["framework_id"]
        elif event["type"] == "OFFERS":
            for offer in event["offers"]["offers"]:
                self._offer(offer)
        elif event["type"] == "ERROR":
            self.error = event["error"]["message"]
        elif event["type"] == "UPDATE":
            status = event["update"]["status"]
            self.updates.setdefault(status["task_id"]["value"], []).append(status)
            if "uuid" in status:
                self._call("ACKNOWLEDGE", acknowledge={k: status[k] for k in ("agent_id", "task_id", "uuid")})

    def _offer(self, offer: Json) -> None:
        ids, filters = [offer["id"]], {"refuse_seconds": 0.5}
        if not self.wanted:
            return self._call("DECLINE", decline={"offer_ids": ids, "filters": filters})
        task = self.wanted.pop(0)
        task["agent_id"] = offer["agent_id"]
        self.agent_of[task["task_id"]["value"]] = offer["agent_id"]
        operations = [{"type": "LAUNCH", "launch": {"task_infos": [task]}}]
        self._call("ACCEPT", accept={"offer_ids": ids, "operations": operations, "filters": filters})

    def launch(self, command: str, cpus: float = 0.2, mem: float = 64, **more: Any) -> str:
        name = "t-" + uuid.uuid4().hex[:8]
        resources = [
            {"name": n, "type": "SCALAR", "scalar": {"value": v}, "allocation_info": {"role": "*"}}
            for n, v in (("cpus", cpus), ("mem", mem))
        ]
        docker = {"image": image("base"), "network": "HOST", **more.pop("docker", {})}
        variables = [{"name": k, "value": v} for k, v in more.pop("env", {}).items()]
        task = {
            "name": name, "task_id": {"value": name}, "resources": resources,
            "container": {"type": "DOCKER", "docker": docker},
            "command": {"shell": True, "value": command, "user": more.pop("user", "root"),
                        "environment": {"variables": variables}},
            **more,
        }  # fmt: skip
        self.wanted.append(task)
        self._call("REVIVE")
        return name

    def kill(self, task: str) -> None:
        self._call("KILL", kill={"task_id": {"value": task}, "agent_id": self.agent_of[task]})

    def states(self, task: str) -> list[str]:
        return [u["state"] for u in self.updates.get(task, [])]

    def wait(self, task: str, state: str, seconds: float = 60) -> Json:
        def seen() -> Json | None:
            found = self.updates.get(task, [])
            for u in found:
                if u["state"] == state:
                    return u
            assert not (found and found[-1]["state"] in TERMINAL), f"{found[-1]['state']}: {found[-1].get('message')}"
            return None

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := seen():
                return found
            time.sleep(0.1)
        raise AssertionError(f"{task} is not {state} within {seconds} s: {self.states(task)}")

    def container(self, task: str) -> str:
        """The name of the task's own container."""
        status = self.wait(task, "TASK_RUNNING")
        found: str = json.loads(base64.b64decode(status["data"]))[0]["Name"].lstrip("/")
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("mesos-image")

    def clear() -> None:
        sh("docker", "rm", "-f", "-v", "mi-agent", "mi-master", "mi-zk", check=False)
        for c in sh("docker", "ps", "-aq", "--filter", "name=^mesos-").split():
            if str(folder) in sh("docker", "inspect", "-f", "{{json .Mounts}}", c, check=False):
                sh("docker", "rm", "-f", c, check=False)
        sh("docker", "network", "rm", "mi-m", check=False)
        sh("docker", "rmi", "mi-mesos:next", check=False)

    clear()
    sh("docker", "network", "create", "--subnet", "172.28.10.0/24", "--gateway", HOST, "mi-m")
    try:
        made = Cluster(folder)
        made.zookeeper()
        made.master()
        made.agent(image("mesos"))
        until(made.agents, 40, "an agent registered")
        yield made
    finally:
        clear()


@pytest.fixture(scope="module")
def framework(cluster: Cluster) -> Iterator[Framework]:
    with Framework(cluster) as f:
        yield f


def test_attributes_and_resources(cluster: Cluster) -> None:
    (agent,) = cluster.agents()
    assert agent["attributes"] == {"site": "torino", "node": "torino-agent-1"}
    assert (agent["resources"]["cpus"], agent["resources"]["mem"]) == (2, 1024)


@pytest.mark.parametrize("where", [f"{MASTER}:5050", f"{HOST}:5051"])
def test_endpoints_want_tls_and_a_password(cluster: Cluster, where: str) -> None:
    plain = http.client.HTTPConnection(where, timeout=3)
    with pytest.raises((OSError, http.client.HTTPException)):
        plain.request("GET", "/health")
        plain.getresponse()
    assert cluster.get(where, "/state", None)[0] == 401
    assert cluster.get(where, "/state", ("admin", "wrong"))[0] == 401
    assert cluster.get(where, "/state")[0] == 200
    assert cluster.get(where, "/health", None)[0] == 200  # for balancers and health checks


def broken_off(cluster: Cluster, host: str, port: int, how: str) -> None:
    """One connection that ends as it should not."""
    raw = socket.create_connection((host, port), 5)
    at_once = struct.pack("ii", 1, 0)  # a reset instead of a FIN
    if how == "no TLS":
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.close()
        return
    if how == "half a greeting":
        raw.sendall(b"\x16\x03\x01\x02\x00\x01")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        raw.close()
        return
    tls = ssl.create_default_context(cafile=str(cluster.ca)).wrap_socket(raw, server_hostname=host)
    if how == "no wait for the answer":
        tls.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    tls.close()


@pytest.mark.parametrize("where", [f"{MASTER}:5050", f"{HOST}:5051"])
def test_a_connection_that_breaks_off_takes_no_other_with_it(cluster: Cluster, where: str) -> None:
    """What it left in OpenSSL's error queue was read as the failure of the next connection (launcher/tls.c)."""
    host, port = where.split(":")
    for how in ("no TLS", "half a greeting", "no wait for the answer", "reset") * 25:
        others = [cluster.connect(where) for _ in range(4)]
        for other in others:
            other.request("GET", "/health")
            other.getresponse().read()
        broken_off(cluster, host, int(port), how)
        for other in others:
            other.auto_open = 0  # the same connection, or an error
            other.request("POST", "/api/v1", "x" * 20_000, {"Content-Type": "application/json"})
            assert other.getresponse().status == 401, how
            other.close()


def test_no_password_in_logs_or_flags(cluster: Cluster) -> None:
    for name in ("mi-master", "mi-agent"):
        assert ZK_SECRET not in sh("docker", "logs", name, check=False)
    flags = cluster.get(f"{MASTER}:5050", "/flags")[1].decode()
    assert "zk://mesos:***@" in flags and ZK_SECRET not in flags


def test_acls(cluster: Cluster, framework: Framework) -> None:
    assert '"agent"' not in json.dumps(cluster.get(f"{MASTER}:5050", "/state", ("agent", "agent-secret"))[1].decode())
    with pytest.raises(AssertionError, match="401"), Framework(cluster, "tester", "wrong"):
        pass
    with (
        pytest.raises(AssertionError, match=r"403|not authorized|Not authorized"),
        Framework(cluster, "admin", ADMIN[1]),
    ):
        pass
    task = framework.launch("true", user="nobody")
    until(lambda: framework.states(task), 20, "an answer")
    assert framework.states(task) == ["TASK_ERROR"]


def test_limits_variables_and_output(cluster: Cluster, framework: Framework) -> None:
    secret = f"s3cret-{uuid.uuid4().hex}"
    env = {"TOKEN": secret, "LINES": "one\ntwo", "SPACED": "  a b  ", "EMPTY": ""}
    script = 'echo "[$TOKEN|$LINES|$SPACED|$EMPTY]"; echo wrong >&2; sleep 8; exit 3'
    task = framework.launch(script, cpus=0.5, mem=100, env=env)
    container = framework.container(task)
    lines = sh("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
    assert secret not in lines, "a value is on somebody's command line"
    host = json.loads(sh("docker", "inspect", container))[0]["HostConfig"]
    assert (host["CpuQuota"], host["CpuShares"], host["Memory"]) == (50000, 512, 100 << 20)
    failed = framework.wait(task, "TASK_FAILED")
    assert failed["message"] == "Container exited with status 3"
    (sandbox,) = (p.parent for p in cluster.work.glob(f"slaves/*/frameworks/*/executors/{task}/runs/*/stdout")
                  if not p.parent.is_symlink())  # fmt: skip
    assert (sandbox / "stdout").read_text().endswith(f"[{secret}|one\ntwo|  a b  |]\n")
    assert "wrong\n" in (sandbox / "stderr").read_text()


def test_health_check_and_kill_with_grace(framework: Framework) -> None:
    check = {"type": "COMMAND", "command": {"value": "test -e /tmp/well"}, "delay_seconds": 0, "interval_seconds": 0.5,
             "grace_period_seconds": 5}  # fmt: skip
    script = "trap 'sleep 1; echo end; exit 0' TERM; sleep 1; touch /tmp/well; while :; do sleep 0.2; done"
    task = framework.launch(script, health_check=check, kill_policy={"grace_period": {"nanoseconds": 20_000_000_000}})
    framework.wait(task, "TASK_RUNNING")
    until(lambda: any(u.get("healthy") for u in framework.updates[task]), 20, "healthy")
    framework.kill(task)
    killed = framework.wait(task, "TASK_KILLED")
    assert "TASK_KILLING" in framework.states(task)
    assert killed["message"] == "Container exited with status 0", "SIGTERM came first"


def test_unhealthy_task_is_killed(framework: Framework) -> None:
    check = {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": 0, "interval_seconds": 0.3, "timeout_seconds": 1,
             "grace_period_seconds": 1, "consecutive_failures": 2}  # fmt: skip
    task = framework.launch("exec sleep 100", health_check=check, kill_policy={"grace_period": {"nanoseconds": 0}})
    assert framework.wait(task, "TASK_KILLED")["healthy"] is False


def test_missing_image_fails_the_task(framework: Framework) -> None:
    task = framework.launch("true", docker={"image": "127.0.0.1:1/nothing:1"})
    until(lambda: framework.states(task) and framework.states(task)[-1] in TERMINAL, 60, "an end")
    assert framework.states(task)[-1] == "TASK_FAILED"


def test_task_outlives_the_agent_and_an_upgrade(cluster: Cluster, framework: Framework) -> None:
    sh("docker", "tag", image("mesos"), "mi-mesos:next")
    script = "for i in $(seq 1 400); do echo line $i; sleep 0.1; done"
    task = framework.launch(script)
    container = framework.container(task)
    started = sh("docker", "inspect", "-f", "{{.State.StartedAt}}", container)
    (agent,) = cluster.agents()
    sh("docker", "rm", "-f", "mi-agent")
    cluster.agent("mi-mesos:next")
    again = until(lambda: [a for a in cluster.agents() if a["reregistered_time"] != agent.get("reregistered_time")
                           and "reregistered_time" in a], 60, "registered again")  # fmt: skip
    assert again[0]["id"] == agent["id"]
    assert sh("docker", "inspect", "-f", "{{.State.StartedAt}}", container) == started
    framework.kill(task)  # reaches the old executor through the new agent
    framework.wait(task, "TASK_KILLED", 30)
    # ... and the new agent runs new tasks, with executors of the new image.
    task = framework.launch("exec sleep 30")
    framework.wait(task, "TASK_RUNNING")
    assert "mi-mesos:next" in sh("docker", "ps", "--filter", "name=executor", "--format", "{{.Image}}")
    framework.kill(task)
    framework.wait(task, "TASK_KILLED", 30)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--allocator=mine", "always the hierarchical"),
        ("--role_sorter=random", "dominant resource fairness"),
        ("--authorizers=mine", "by --acls"),
        ("--modules=file:///x", ""),
        ("--zk=", "--zk is required"),
    ],
)
def test_flags_that_would_be_ignored_are_refused(flag: str, words: str) -> None:
    said = sh("docker", "run", "--rm", image("mesos"), "mesos-master", flag, check=False)
    assert words in said and said.strip(), said


def test_agent_refuses_other_containerizers() -> None:
    words = ("mesos-agent", "--master=1.2.3.4:5050", "--containerizers=docker,mesos", "--work_dir=/tmp/work")
    assert "give docker" in sh("docker", "run", "--rm", image("mesos"), *words, check=False)


def test_the_clients_version_is_known_without_the_client() -> None:
    """So the agent hears it in time on a machine of any speed; all else is the client's to answer, a task's own `--version` too."""
    docker = "/usr/libexec/mesos/docker-for-mesos"
    ask = f"""set -e
        {docker} -H unix:///nowhere --version
        mv /usr/bin/docker /usr/bin/away
        {docker} -H unix:///nowhere --version
        {docker} --version
        ! {docker} -H unix:///nowhere run --name x image --version"""
    itself = sh("docker", "run", "--rm", image("mesos"), "docker", "--version")
    assert itself.startswith("Docker version ")
    assert sh("docker", "run", "--rm", image("mesos"), "sh", "-c", ask) == itself * 3
