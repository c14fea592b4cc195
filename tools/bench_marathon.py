"""How quick our Marathon is: the service in a process of its own, a real ZooKeeper, and a fake Mesos master in another process.

Launch rates, the list of apps at 10,000 tasks with the service's memory, the event stream, health checks of 2,500 tasks, and the time until
another instance leads after the leader was killed. Figures of the original are what its makers published. The fake cluster and whatever
else runs on the machine take their share of it: the load is told with the figures.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components.image_tags import image_tags

ROOT = Path(__file__).resolve().parents[1]
ZOOKEEPER = "aerie-bench-marathon-zk"
PUBLISHED = {1: 35, 4: 52, 16: 18}  # launches a second, of the original
INSTANCES = 500  # of each app
TASKS = 10_000
CHECKED = 2500
CHECK_INTERVAL = 10.0  # seconds
SESSION = 4.0  # seconds, of ZooKeeper
Json = dict[str, Any]


@dataclass
class Instance:
    """One process of the service."""

    port: int
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: Json | None = None, method: str | None = None) -> Any:
        """The JSON that it answers with. Raises OSError."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method or ("POST" if body else "GET")
        )
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, json.dumps(body).encode() if body else None, timeout=60) as answer:
            return json.load(answer)

    def memory(self) -> float:
        """MiB of it that are in memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(x.split()[1] for x in status.splitlines() if x.startswith("VmRSS"))) / 1024


def until(what: Callable[[], Any], seconds: float, why: str, pause: float = 0.02) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := what():
                return found
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(pause)
    raise RuntimeError(f"not within {seconds:g} s: {why}")


@contextmanager
def zookeeper() -> Iterator[str]:
    """host:port of a fresh ZooKeeper in a container."""
    subprocess.run(["docker", "rm", "-f", "-v", ZOOKEEPER], capture_output=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "zoo.cfg").write_text(
            "tickTime=2000\ndataDir=/var/lib/zookeeper\nclientPort=2181\nadmin.enableServer=false\n"
        )
        os.chmod(folder, 0o755)
        image = f"aerie/zookeeper:{image_tags(ROOT)['zookeeper']}"
        command = ["docker", "run", "-d", "--name", ZOOKEEPER, "-v", f"{folder}:/etc/aerie/zookeeper:ro", image]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(
                f"no ZooKeeper: {done.stderr.strip()}. Build it first: python -m tools.images build zookeeper"
            )
        try:
            form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
            address = subprocess.check_output(["docker", "inspect", "-f", form, ZOOKEEPER], text=True).strip()
            yield f"{address}:2181"
        finally:
            subprocess.run(["docker", "rm", "-f", "-v", ZOOKEEPER], capture_output=True)


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(str(ROOT / "images" / x) for x in ("mesos-client", "marathon"))
    return {**os.environ, "PYTHONPATH": path, "PYTHONOPTIMIZE": "1", "MALLOC_ARENA_MAX": "2", **more}


@contextmanager
def fake_master(port: int, *options: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "fake_mesos_master", str(port), *options], env=environment(), stdout=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Bench:
    """One fake cluster and any number of instances on free ports from `first` on."""

    def __init__(self, zk: str, name: str, first: int, log: Path) -> None:
        self._zk, self._name, self._first, self._log = zk, name, first, log
        self.instances: list[Instance] = []

    def start(self, master: int, **more: str) -> Instance:
        port = self._first + len(self.instances)
        env = {
            "MARATHON_MASTER": f"127.0.0.1:{master}",
            "MARATHON_ZK": f"zk://{self._zk}/{self._name}",
            "MARATHON_HOSTNAME": "127.0.0.1",
            "MARATHON_HTTP_ADDRESS": "127.0.0.1",
            "MARATHON_HTTP_PORT": str(port),
            "MARATHON_ZK_SESSION_TIMEOUT": str(int(SESSION * 1000)),
            "MARATHON_LAUNCH_TOKENS": "100000",
            "MARATHON_LOGGING_LEVEL": "WARNING",
            **more,
        }
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "marathon_service"], env=environment(**env), stdout=log, stderr=log
            )
        instance = Instance(port, process)
        self.instances.append(instance)
        return instance

    def leader(self) -> Instance:
        """The instance that leads and is subscribed."""

        def look() -> Instance | None:
            for i in self.instances:
                if i.process.poll() is None:
                    info = i.ask("/v2/info")
                    if info["frameworkId"]:
                        return next(x for x in self.instances if info["leader"].endswith(f":{x.port}"))
            return None

        found: Instance = until(look, 240, f"an instance leads (see {self._log})")
        return found

    def close(self) -> None:
        for i in self.instances:
            i.process.kill()
            i.process.wait()


@contextmanager
def bench(zk: str, name: str, port: int, *options: str) -> Iterator[tuple[Bench, int]]:
    """A Bench with its fake master, which listens on `port`."""
    with tempfile.TemporaryDirectory() as folder, fake_master(port, *options):
        made = Bench(zk, name, port + 1, Path(folder) / "marathon.log")
        try:
            yield made, port
        finally:
            made.close()


def app(app_id: str, instances: int, **more: Any) -> Json:
    return {
        "id": app_id,
        "cmd": "sleep 1000",
        "cpus": 0.1,
        "mem": 16,
        "instances": instances,
        "portDefinitions": [],
        **more,
    }


def launch_rate(zk: str, apps: int, port: int) -> tuple[float, float]:
    """Tasks a second from the first request until the last task runs, and the CPU seconds of the service for 1000 tasks."""
    with bench(zk, f"rate{apps}", port) as (made, master):
        made.start(master)
        leader = made.leader()
        before = _cpu(leader.process.pid)
        began = time.monotonic()
        for n in range(apps):
            leader.ask("/v2/apps", app(f"/rate/app{n}", INSTANCES))
        until(lambda: not leader.ask("/v2/deployments"), 600, "all tasks run", pause=0.1)
        seconds = time.monotonic() - began
        # The last updates are acknowledged; that is part of what a task costs.
        until(lambda: _rests(leader.process.pid), 60, "the service has nothing left to do")
        count = apps * INSTANCES
        return count / seconds, (_cpu(leader.process.pid) - before) / count * 1000


def _rests(pid: int) -> bool:
    """Whether it needs less than a twentieth of a CPU for half a second."""
    before, began = _cpu(pid), time.monotonic()
    time.sleep(0.5)
    return _cpu(pid) - before < 0.05 * (time.monotonic() - began)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many_tasks(zk: str, port: int) -> tuple[float, float, float, float, float]:
    """With TASKS of them: ms of the first list with tasks and of the median of ten more, MB of its text, MiB of the service's memory, ms
    of an event's way."""
    with bench(zk, "many", port) as (made, master):
        made.start(master)
        leader = made.leader()
        for n in range(20):
            leader.ask("/v2/apps", app(f"/many/app{n}", TASKS // 20))
        until(lambda: not leader.ask("/v2/deployments"), 900, "all tasks run")
        times, size = [], 0
        for _ in range(11):
            began = time.monotonic()
            with urllib.request.urlopen(
                f"http://127.0.0.1:{leader.port}/v2/apps?embed=apps.tasks", timeout=60
            ) as answer:
                size = len(answer.read())
            times.append((time.monotonic() - began) * 1000)
        return times[0], statistics.median(times[1:]), size / 1e6, leader.memory(), event_latency(leader)


def event_latency(leader: Instance, times: int = 20) -> float:
    """Median ms from the sending of a request to its event's arrival at a client of /v2/events."""
    arrived: list[float] = []
    stream = urllib.request.urlopen(f"http://127.0.0.1:{leader.port}/v2/events?event_type=deployment_info", timeout=60)

    def read() -> None:
        for line in stream:
            if line.startswith(b"data: "):
                arrived.append(time.monotonic())

    threading.Thread(target=read, daemon=True).start()
    found = []
    for n in range(times):
        sent = time.monotonic()
        leader.ask("/v2/apps", app(f"/event/app{n}", 0))

        def there(n: int = n) -> bool:
            return len(arrived) > n

        until(there, 30, "the event")
        found.append((arrived[n] - sent) * 1000)
    return statistics.median(found)


def failover(zk: str, port: int, times: int = 3) -> list[float]:
    """Seconds from the leader's death by signal 9 until another instance answers with all tasks."""
    with bench(zk, "failover", port) as (made, master):
        for _ in range(3):
            made.start(master)
        leader = made.leader()
        leader.ask("/v2/apps", app("/failover/app", 1000))
        until(lambda: not leader.ask("/v2/deployments"), 300, "all tasks run")
        found = []
        for _ in range(times):
            leader = made.leader()
            leader.process.kill()
            leader.process.wait()
            began = time.monotonic()
            others = [i for i in made.instances if i.process.poll() is None]

            def there(others: list[Instance] = others) -> bool:
                shown = others[0].ask("/v2/apps//failover/app")["app"]
                return bool(shown["tasksRunning"] == 1000)

            until(there, 60, "another leads")
            found.append(time.monotonic() - began)
            made.start(master)
        return found


def health_checks(zk: str, port: int) -> tuple[float, float, float]:
    """Seconds of deviation from the interval of CHECKED tasks' checks, as the tasks see them (median, 99 of 100), and the part of a CPU
    that the service needs for them."""
    checked = port + 1000
    options = ("--answer-checks", str(checked), "--agents", str(CHECKED))
    with bench(zk, "health", port, *options) as (made, master):
        made.start(master)
        leader = made.leader()
        check = {
            "protocol": "HTTP", "path": "/", "port": checked, "intervalSeconds": CHECK_INTERVAL, "gracePeriodSeconds": 60,
            "timeoutSeconds": 5, "maxConsecutiveFailures": 3,
        }  # fmt: skip
        # One on each machine, by whose address the checked side tells them from each other.
        one_each = [["hostname", "UNIQUE"]]
        leader.ask("/v2/apps", app("/health/app", CHECKED, healthChecks=[check], constraints=one_each))
        until(lambda: not leader.ask("/v2/deployments"), 300, "all tasks are healthy")
        # Each check has come to its own place in the interval once it has been made again.
        healthy = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

        def again() -> bool:
            tasks = leader.ask("/v2/apps//health/app")["app"]["tasks"]
            return all(r["lastSuccess"] > healthy for t in tasks for r in t["healthCheckResults"])

        until(again, 10 * CHECK_INTERVAL, "each task is checked again", pause=0.5)
        before, began = _cpu(leader.process.pid), time.monotonic()
        with urllib.request.urlopen(
            f"http://127.0.0.1:{checked}/deviations?seconds={CHECK_INTERVAL * 3:g}&interval={CHECK_INTERVAL:g}",
            timeout=120,
        ) as answer:
            deviations: list[float] = json.load(answer)
        share = (_cpu(leader.process.pid) - before) / (time.monotonic() - began)
        if len(deviations) < CHECKED:
            raise RuntimeError(f"only {len(deviations)} checks were seen of {CHECKED} tasks")
        found = sorted(abs(d) for d in deviations)
        return statistics.median(found), found[int(len(found) * 0.99)], share


def marathon(console: Console) -> None:
    """All of it, about three minutes on an idle machine."""
    table = Table("what", "measured", "goal", title="our Marathon, against a fake Mesos master in another process")
    console.print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    with zookeeper() as zk:
        for n, apps in enumerate(PUBLISHED):
            rate, cpu = launch_rate(zk, apps, 24100 + 100 * n)
            console.print(f"{apps} apps: {rate:.0f} a second")
            table.add_row(
                f"launches a second, {apps} app(s) of {INSTANCES} (CPU for 1000; the original: {PUBLISHED[apps]} a second)",
                f"{rate:.0f} ({cpu:.2f} s)", "500",
            )  # fmt: skip
        first, again, size, memory, event = many_tasks(zk, 24500)
        table.add_row(
            f"/v2/apps?embed=apps.tasks, {TASKS} tasks ({size:.1f} MB): first / again",
            f"{first:.0f} / {again:.0f} ms",
            "300 ms",
        )
        table.add_row("memory of the service with them", f"{memory:.0f} MiB", "300 MB")
        table.add_row("request to its event at a client", f"{event:.1f} ms", "")
        times = failover(zk, 24600)
        table.add_row(
            f"leader killed to the next one's answer, session {SESSION:g} s",
            f"{max(times):.1f} s (worst of 3)",
            f"{SESSION + 5:g} s",
        )
        middle, worst, share = health_checks(zk, 24700)
        table.add_row(f"deviation of {CHECKED} tasks' checks, every {CHECK_INTERVAL:g} s: median / 99 %",
                      f"{middle * 1000:.0f} / {worst * 1000:.0f} ms", "100 ms")  # fmt: skip
        table.add_row("the part of a CPU that they take", f"{share * 100:.0f} %", "")
    console.print(table)
    console.print(f"load of the machine after: {os.getloadavg()[0]:.1f}")
