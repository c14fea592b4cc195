"""Health checks of every kind on bridge and container networks, with real Mesos and Docker: they see that a task is well, and that it no longer is.

Needs a Docker engine and root. Everything made here has the prefix `mk-`, or is a task of the agent here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engine import image
from test_mesos_image import sh, until

pytestmark = pytest.mark.live

Json = dict[str, Any]
NETWORK, HOST = "172.28.13.0/24", "172.28.13.1"
# Tasks take addresses by themselves, from this part of the network.
OF_TASKS, ZOOKEEPER, MASTER, MARATHON = "172.28.13.128/25", "172.28.13.21", "172.28.13.31", "172.28.13.41"
KINDS = ("HTTP", "HTTPS", "TCP", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP")
MODES = ("bridge", "container")
# A bridged task's port on its host is listened on by Docker's proxy, whatever becomes of the task: a TCP check from outside sees no more.
APPS = [(kind, mode) for kind in KINDS for mode in MODES if (kind, mode) != ("TCP", "bridge")]

# Listens while the file that is named after it is not there.
SERVER = """
import http.server, os, ssl, sys, threading, time
name, tls = sys.argv[1], sys.argv[2] == "tls"
sick = "/here/sick"
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/well" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
while True:
    while os.path.exists(sick):
        time.sleep(0.2)
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Answer)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/here/certificate", "/here/key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    while not os.path.exists(sick):
        time.sleep(0.2)
    server.shutdown()
    server.server_close()
"""


def app(kind: str, mode: str, folder: Path) -> Json:
    name = f"{kind.lower().replace('_', '-')}-{mode}"
    check: Json = {
        "protocol": kind, "portIndex": 0, "gracePeriodSeconds": 60, "intervalSeconds": 1, "timeoutSeconds": 5, "maxConsecutiveFailures": 0,
    }  # fmt: skip
    if "TCP" not in kind:
        check["path"] = "/well"
    return {
        "id": f"/checks/{name}",
        "cmd": f"exec python3 /here/server.py {name} {'tls' if kind.endswith('HTTPS') else 'plain'}",
        "instances": 1,
        "cpus": 0.1,
        "mem": 64,
        "taskKillGracePeriodSeconds": 1,
        "networks": [{"mode": "container/bridge"} if mode == "bridge" else {"mode": "container", "name": "mk-m"}],
        "container": {
            "type": "DOCKER",
            "docker": {"image": image("marathon")},
            "portMappings": [{"containerPort": 8000, **({"hostPort": 0} if mode == "bridge" else {})}],
            "volumes": [{"hostPath": str(folder), "containerPath": "/here", "mode": "RO"}],
        },
        "healthChecks": [check],
    }


def run(name: str, options: list[str], env: dict[str, str], reference: str, *command: str) -> None:
    words = [w for k, v in env.items() for w in ("-e", f"{k}={v}")]
    sh("docker", "run", "-d", "--restart", "always", "--name", name, *options, *words, reference, *command)


def start(folder: Path) -> None:
    sh("docker", "network", "create", "--subnet", NETWORK, "--gateway", HOST, "--ip-range", OF_TASKS, "mk-m")
    on = ["--network", "mk-m", "--ip"]
    etc = folder / "zookeeper"
    etc.mkdir()
    (etc / "zoo.cfg").write_text(f"clientPort=2181\nclientPortAddress={ZOOKEEPER}\n")
    (etc / "myid").write_text("1\n")
    run("mk-zk", [*on, ZOOKEEPER, "-v", f"{etc}:/etc/aerie/zookeeper:ro"], {}, image("zookeeper"))
    zk = f"zk://{ZOOKEEPER}:2181"
    env = {
        "MESOS_ZK": f"{zk}/mesos", "MESOS_QUORUM": "1", "MESOS_WORK_DIR": "/var/lib/mesos", "MESOS_IP": MASTER, "MESOS_HOSTNAME": MASTER,
    }  # fmt: skip
    run("mk-master", [*on, MASTER], env, image("mesos"), "mesos-master")
    env = {"MARATHON_MASTER": f"{zk}/mesos", "MARATHON_ZK": f"{zk}/marathon", "MARATHON_HOSTNAME": MARATHON}
    run("mk-marathon", [*on, MARATHON], env, image("marathon"))
    work = folder / "work"
    work.mkdir()
    env = {
        "MESOS_MASTER": f"{zk}/mesos",
        "MESOS_WORK_DIR": str(work),
        "MESOS_RUNTIME_DIR": "/run/mesos-checks",
        "MESOS_IP": HOST,
        "MESOS_PORT": "5071",
        "MESOS_HOSTNAME": HOST,
        "MESOS_RESOURCES": "cpus:8;mem:4096;disk:2000;ports:[31700-31799]",
        "MESOS_LAUNCHER": "posix",
        "MESOS_SYSTEMD_ENABLE_SUPPORT": "false",
        "MESOS_SWITCH_USER": "false",
        "MESOS_DOCKER": "/usr/libexec/mesos/docker-for-mesos",
        "MESOS_DOCKER_MESOS_IMAGE": image("mesos"),
        "MESOS_DOCKER_KILL_ORPHANS": "false",  # the engine has containers of others
        "MESOS_DOCKER_REMOVE_DELAY": "1secs",
    }
    options = ["--network", "host", "--pid", "host", "-v", "/var/run/docker.sock:/var/run/docker.sock",
               "-v", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "-v", f"{work}:{work}"]  # fmt: skip
    run("mk-agent", options, env, image("mesos"), "mesos-agent")


def marathon(path: str, body: Any = None) -> Any:
    request = urllib.request.Request(f"http://{MARATHON}:8080{path}", method="PUT" if body else "GET")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, json.dumps(body).encode() if body else None, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """With Marathon on it, and a folder that tasks see."""
    work = str(tmp_path / "work")

    def clear() -> None:
        if found := sh("docker", "ps", "-aq", "--filter", "name=^mk-").split():
            sh("docker", "rm", "-f", "-v", *found)
        ours = [
            c
            for c in sh("docker", "ps", "-aq", "--filter", "name=^mesos-").split()
            if work in sh("docker", "inspect", "-f", "{{json .Mounts}}", c, check=False)
        ]
        if ours:
            sh("docker", "rm", "-f", *ours)
        subprocess.run(["docker", "network", "rm", "mk-m"], capture_output=True)

    clear()
    here = tmp_path / "here"
    here.mkdir()
    (here / "server.py").write_text(SERVER)
    sh(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=checks"),
        *("-keyout", str(here / "key"), "-out", str(here / "certificate")),
    )
    for path in (tmp_path, here, *here.iterdir()):
        path.chmod(0o755)
    try:
        start(tmp_path)
        until(lambda: marathon("/v2/info")["frameworkId"], 60, "Marathon is subscribed")
        yield here
    finally:
        clear()


def alive() -> dict[str, list[bool]]:
    """By app: what each of its tasks' checks found last."""
    tasks = marathon("/v2/tasks")["tasks"]
    return {t["appId"]: [r["alive"] for r in t["healthCheckResults"]] for t in tasks}


def test_every_kind_on_both_networks_sees_both(folder: Path) -> None:
    apps = [app(kind, mode, folder) for kind, mode in APPS]
    marathon("/v2/apps", apps)

    def all_are(well: bool) -> bool:
        return alive() == {a["id"]: [well] for a in apps}

    try:
        until(lambda: all_are(True), 90, "all tasks are well")
        (folder / "sick").touch()
        until(lambda: all_are(False), 60, "none is")
        (folder / "sick").unlink()
        until(lambda: all_are(True), 60, "all are again")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{alive()}\n{sh('docker', 'logs', '--tail', '20', 'mk-marathon')}") from error
