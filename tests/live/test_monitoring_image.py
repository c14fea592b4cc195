"""The images graphite and collector against each other: points go in by the collector's own sender and come out of the render API,
also when Graphite was killed meanwhile.

Needs a Docker engine.  Images that are missing are built.  Everything made here has the prefix `monimg-`.
"""

from __future__ import annotations

import io
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from collector.buffer import Batch, Buffer
from collector.docker import Asked, Docker
from collector.graphite import Sender
from engine import remove
from test_service_images import certificate, docker, until

from tools.images import image_tags, main

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "monimg-"
SUBNET, ADDRESS = "10.99.63.0/24", "10.99.63.10"
USER = "970"  # _graphite, in images/graphite/Dockerfile
NAME = PREFIX + "graphite"


def files(volume: str, folder: Path, image: str, prefix: str = PREFIX) -> str:
    """A volume with the files of a folder, as root's alone: the option that mounts it is VOLUME:TARGET."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file in sorted(p for p in folder.iterdir() if p.is_file()):
            entry = tarfile.TarInfo(file.name)
            entry.size, entry.mode = file.stat().st_size, 0o600
            tar.addfile(entry, io.BytesIO(file.read_bytes()))
    command = ["docker", "run", "--rm", "-i", "-v", f"{prefix}{volume}:/to", "--entrypoint", "tar", image, "-xC", "/to"]
    subprocess.run(command, input=archive.getvalue(), capture_output=True, check=True)
    return prefix + volume


@dataclass
class Graphite:
    """The container; `start` as components/monitoring/containers.py has it, but on a network of its own."""

    image: str
    files: Path
    prefix: str = PREFIX
    address: str = ADDRESS

    def start(self) -> None:
        volume = files("files", self.files, self.image, self.prefix)
        docker(
            *("run", "-d", "--name", f"{self.prefix}graphite", "--network", f"{self.prefix}net", "--ip", self.address, "--memory", "384m", "--read-only"),
            *("--tmpfs", "/run/graphite:mode=755", "--tmpfs", "/tmp", "-v", f"{self.prefix}data:/var/lib/graphite"),
            *("-v", f"{volume}:/etc/aerie/graphite:ro", "-e", f"LISTEN={self.address}", self.image),
        )  # fmt: skip
        self.wait()

    def wait(self) -> None:
        until(
            lambda: docker("exec", f"{self.prefix}graphite", "graphite-health", check=True) == "",
            60,
            "Graphite is ready",
        )

    def get(self, path: str, auth: tuple[str, str] | None = ("viewer", "password"), **params: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            url = f"https://{self.address}:8444{path}"
            return session.get(url, params=params, auth=auth, verify=str(self.files / "ca.crt"), timeout=10)

    def points(self, target: str, since: int) -> dict[int, float]:
        """What the render API returns of a metric from `since` on: value by time."""
        asked: dict[str, Any] = {"target": target, "format": "json", "from": since - 1}
        answer = self.get("/render", **asked)
        answer.raise_for_status()
        series = answer.json()
        return {int(at): value for each in series for value, at in each["datapoints"] if value is not None}

    def written(self, name: str, since: int) -> dict[int, float]:
        """What is on the disk of a metric, from `since` on."""
        file = f"/var/lib/graphite/whisper/{name.replace('.', '/')}.wsp"
        lines = docker("exec", NAME, "whisper-fetch", f"--from={since - 1}", file).splitlines()
        found = (line.split() for line in lines)
        return {int(at): float(value) for at, value in found if value != "None"}


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    assert main(["build", "base", "graphite", "collector"]) == 0
    tags = image_tags(ROOT)
    return {name: f"aerie/{name}:{tags[name]}" for name in ("graphite", "collector")}


@pytest.fixture(scope="module")
def graphite(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graphite]:
    remove(PREFIX)
    folder = tmp_path_factory.mktemp("graphite")
    certificate(folder, "server", "graphite", (ADDRESS,))
    (folder / "credentials").write_text("viewer:password\n")
    docker("network", "create", "--subnet", SUBNET, PREFIX + "net")
    try:
        found = Graphite(images["graphite"], folder)
        found.start()
        yield found
    finally:
        remove(PREFIX)


@dataclass
class Collector:
    """The collector's own buffer and sender. Its rounds are past ones, so that nobody has to wait for them."""

    buffer: Buffer
    sender: Sender
    now: int

    def rounds(self, name: str, first: int, last: int) -> dict[int, float]:
        """Puts a value a round into the buffer, from `first` to `last` rounds ago; what Graphite should say of them."""
        out = {}
        for ago in range(first, last, -1):
            moment = self.now - 10 * ago
            out[moment] = float(ago)
            self.buffer.put(Batch(moment, {name: float(ago)}))
        return out

    def empty(self) -> None:
        def sent() -> bool:
            self.sender.step(0.05)
            return self.buffer.points == 0

        until(sent, 60, "all points are sent")


@pytest.fixture
def collector() -> Collector:
    buffer = Buffer(60000)
    return Collector(buffer, Sender(buffer, (ADDRESS, 2004), pause=0.2), int(time.time()) // 10 * 10)


def test_points_come_back(graphite: Graphite, collector: Collector) -> None:
    sent = collector.rounds("aerie.test.torino.first", 60, 0)
    collector.empty()
    until(
        lambda: graphite.points("aerie.test.torino.first", min(sent)) == sent, 20, "the points that were sent come back"
    )
    found = graphite.get("/metrics/find", query="aerie.test.*").json()
    assert [each["text"] for each in found] == ["torino"]
    assert graphite.get("/render", target="aerie.test.torino.first", width="300").content.startswith(b"\x89PNG")


def test_graphite_is_killed_and_nothing_is_lost_that_the_buffer_holds(graphite: Graphite, collector: Collector) -> None:
    name = "aerie.test.torino.killed"
    sent = collector.rounds(name, 60, 40)
    collector.empty()
    docker("kill", NAME)  # at once: with what it held in memory and in its sockets
    sent |= collector.rounds(name, 40, 20)
    for _ in range(3):
        collector.sender.step(0.05)
    assert not collector.sender.connected and collector.buffer.points >= 20
    docker("start", NAME)
    graphite.wait()
    sent |= collector.rounds(name, 20, 0)
    collector.empty()
    until(lambda: graphite.points(name, min(sent)) == sent, 20, "every round is there")
    assert collector.buffer.dropped == 0


def test_nobody_asks_without_the_password(graphite: Graphite) -> None:
    for auth in (None, ("viewer", "wrong"), ("viewer", ""), ("admin", "password")):
        assert graphite.get("/render", auth, target="aerie.*", format="json").status_code == 401
    assert graphite.get("/metrics/index.json").status_code == 200
    for path in ("/", "/admin/", "/dashboard/", "/account/login", "/composer", "/events/", "/tags", "/renderer"):
        assert graphite.get(path).status_code == 404, path
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{ADDRESS}:8444/render", timeout=10)


def test_its_programs_are_nobody(graphite: Graphite) -> None:
    lines = [line.split(None, 2) for line in docker("top", NAME, "-o", "uid,pid,args").splitlines()[1:]]
    programs = {word: uid for uid, _, args in lines for word in ("carbon-cache", "gunicorn") if word in args}
    assert programs == {"carbon-cache": USER, "gunicorn": USER}
    sets = docker("exec", NAME, "sh", "-c", "cat /proc/$(cat /run/graphite/carbon-cache-a.pid)/status").splitlines()
    rights = {line.split()[0]: line.split()[1] for line in sets if line.startswith("Cap")}
    assert rights["CapEff:"] == rights["CapBnd:"] == "0000000000000000", "nothing, and nothing that it may ever become"


def test_many_new_metrics_at_once_are_all_kept(graphite: Graphite, collector: Collector) -> None:
    wanted = {f"aerie.test.many.m{n}": float(n) for n in range(800)}
    collector.buffer.put(Batch(collector.now, wanted))
    collector.empty()

    def there() -> bool:
        names = graphite.get("/metrics/index.json").json()
        return wanted.keys() <= set(names)

    until(there, 60, "each has a file")


def test_points_outlive_the_container(graphite: Graphite, collector: Collector) -> None:
    sent = collector.rounds("aerie.test.torino.kept", 30, 0)
    collector.empty()
    until(lambda: graphite.written("aerie.test.torino.kept", min(sent)) == sent, 20, "the points are on the disk")
    docker("stop", "-t", "30", NAME)
    assert docker("inspect", "-f", "{{.State.ExitCode}}", NAME).strip() == "0"
    docker("rm", NAME)
    graphite.start()
    assert graphite.points("aerie.test.torino.kept", min(sent)) == sent


def test_when_a_program_ends_so_does_the_container(graphite: Graphite) -> None:
    docker("exec", "-u", "0", NAME, "sh", "-c", "kill -9 $(cat /run/graphite/carbon-cache-a.pid)")
    until(lambda: docker("inspect", "-f", "{{.State.Status}}", NAME).strip() == "exited", 30, "the container ends")
    assert docker("inspect", "-f", "{{.State.ExitCode}}", NAME).strip() == "1"
    docker("start", NAME)
    graphite.wait()


def test_a_collector_that_nobody_answers_tells_so(graphite: Graphite, images: dict[str, str], tmp_path: Path) -> None:
    """Alone on its network, with an engine that hangs: each of its sources fails, and Graphite hears of that every second."""
    certificate(tmp_path, "client", "collector")
    for secret in ("operator", "admin"):
        (tmp_path / secret).write_text("x\n")
    name = PREFIX + "collector"
    told = {"FEDERATION": "test", "SITE": "alone", "ADDRESS": "10.99.63.20", "LAN": SUBNET, "QUORUM": "yes",
            "MEMBERS": "10.99.63.20", "GRAPHITE": f"{ADDRESS}:2004", "INTERVAL": "1"}  # fmt: skip
    volume = files("collector-files", tmp_path, images["collector"])
    hangs = tmp_path / "docker.sock"
    engine = socket.socket(socket.AF_UNIX)
    engine.bind(str(hangs))
    engine.listen(128)
    hangs.chmod(0o666)
    docker(
        *("run", "-d", "--name", name, "--network", PREFIX + "net", "--ip", told["ADDRESS"], "--memory", "128m"),
        *("-v", f"{hangs}:/run/docker.sock"),
        *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
        *("-v", f"{volume}:/etc/aerie/collector:ro", "--tmpfs", "/var/lib/collector"),
        *(word for key, value in told.items() for word in ("-e", f"COLLECTOR_{key}={value}")),
        images["collector"],
    )
    until(lambda: docker("exec", name, "collector-health", check=True) == "", 30, "the collector ends a round")
    since = int(time.time()) - 60
    for source in (
        "bgp",
        "vpn",
        "etcd",
        "zookeeper",
        "mesos_master",
        "mesos_agent",
        "marathon",
        "containers",
        "condor",
    ):
        target = f"aerie.test.alone.collector.errors.{source}"
        until(lambda t=target: max(graphite.points(t, since).values(), default=0) > 0, 30, f"{source} has errors")  # type: ignore[misc]
    assert graphite.points("aerie.test.alone.collector.errors.collector", since).popitem()[1] == 0
    docker("stop", "-t", "15", name)  # it does not wait for what it asked last
    engine.close()
    assert docker("inspect", "-f", "{{.State.ExitCode}}", name).strip() == "0"


def test_a_question_is_not_asked_beside_one_that_has_not_ended() -> None:
    """By the real engine: a process that hangs, is killed, or went with its container."""
    assert main(["build", "base"]) == 0
    name = PREFIX + "asked"
    docker("run", "-d", "--name", name, "--init", f"aerie/base:{image_tags(ROOT)['base']}", "sleep", "infinity")
    try:
        asked = Asked(Docker("/run/docker.sock"), name, "exec sleep 600", 0.5)

        def asked_in_vain() -> bool:
            """Whether it was started, and did not answer."""
            try:
                asked.ask()
            except TimeoutError:
                return True
            except (OSError, ValueError):
                return False
            raise AssertionError("it answered")

        until(asked_in_vain, 10, "it is asked")
        for _ in range(3):
            with pytest.raises(ValueError, match="has not ended yet"):
                asked.ask()
        there = [line.split()[0] for line in docker("top", name, "-eo", "pid,args").splitlines() if "sleep 600" in line]
        assert len(there) == 1
        end = "for s in /proc/[0-9]*; do grep -q 600 $s/cmdline 2> /dev/null && [ $s != /proc/$$ ] && kill ${s#/proc/}; done; true"
        docker("exec", name, "sh", "-c", end)
        until(asked_in_vain, 10, "it is asked anew once that was killed")
        docker("kill", name)
        docker("start", name)
        until(asked_in_vain, 10, "it is asked anew in the container that was started anew")
    finally:
        docker("rm", "-f", name)
