"""The status page's image with a real Graphite that three sites' collectors tell, and a Marathon of which a test decides what it says.

All containers, volumes and the network have the prefix `pg-`.
"""

from __future__ import annotations

import base64
import json
import math
import queue
import re
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import requests
from collector.alert_rules import RULES
from collector.buffer import Batch, Buffer
from collector.graphite import Sender
from collector.metrics import Metric, known, table
from engine import remove
from test_monitoring_image import Graphite, files
from test_service_images import certificate, docker, until

from components.monitoring.dashboards.panels import text as panels_text
from tools.images import image_tags, main

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "pg-"
SUBNET, GATEWAY, GRAPHITE, PAGE = "10.99.64.0/24", "10.99.64.1", "10.99.64.10", "10.99.64.11"
MARATHON = 18443
PASSWORD = "a password, of Marathon's"
INPUT = ROOT / "images" / "page" / "tests" / "data" / "now" / "well.json"
HOUR = 360  # rounds


class Marathon(ThreadingHTTPServer):
    """TLS, a password, /v2/apps and /v2/events; `tell` is an event for whoever listens. It may be made to refuse."""

    daemon_threads = True

    def __init__(self, folder: Path, apps: list[dict[str, Any]]) -> None:
        super().__init__((GATEWAY, MARATHON), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.apps, self.refuses = apps, False
        self.listeners: list[queue.Queue[str]] = []
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def tell(self, kind: str, **data: Any) -> None:
        until(lambda: self.listeners, 30, "the page listens to Marathon's events")
        for listener in list(self.listeners):
            listener.put(f"event: {kind}\r\ndata: {json.dumps(data)}\r\n\r\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Marathon

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        if self.server.refuses or self.headers.get("Authorization") != wanted:
            self.send_error(401)
        elif self.path.startswith("/v2/events"):
            self._events()
        else:
            body = json.dumps({"apps": self.server.apps}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _events(self) -> None:
        mine: queue.Queue[str] = queue.Queue()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.flush()
        self.server.listeners.append(mine)
        try:
            while True:
                try:
                    text = mine.get(timeout=5)
                except queue.Empty:
                    text = "\r\n"
                self.wfile.write(text.encode())
                self.wfile.flush()
        except OSError:
            self.server.listeners.remove(mine)


# What there is of each part of a name where the case does not say it.
PARTS = {"role": ("central-manager", "submit", "executor"), "user": ("ann", "ben"), "type": ("Partitionable", "Dynamic"),
         "count_age": ("count_recent", "count_one_hour"), "source": ("etcd", "condor"), "address": ("172_31_1_11", "172_31_2_10"),
         "rule": tuple(rule.name for rule in RULES), "pool": ("demo",), "name": ("demo",), "domain": ("aerie",), "group": ("none",)}  # fmt: skip
STATES = {"jobs": ("idle", "running", "held"), "slots": ("Claimed", "Unclaimed")}
SIZES = {
    "bytes": 3e8,
    "MB": 6000.0,
    "KB": 9e5,
    "ms": 4.0,
    "s": 90.0,
    "part of 1": 0.4,
    "% of a core": 3.0,
    "cores": 1.5,
}


def every_metric(points: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, Metric]]:
    """Of each site, what of the table the case does not have, with the machines, peers and services that the case has."""
    out: dict[str, dict[str, Metric]] = {}
    for site, there in points.items():
        parts = {
            **{what: sorted({n.split(".")[1] for n in there if n.startswith(f"{at}.")}) for what, at in
               (("machine", "machines"), ("peer", "vpn"), ("service", "containers"))},
            **PARTS,
        }  # fmt: skip
        found = out.setdefault(site, {})
        for metric in table():
            if metric.name.startswith("condor.") and site != "torino":
                continue
            states = next((STATES[word] for word in STATES if f".{word}." in metric.name), ())
            places = re.findall(r"<(\w+)>", metric.name)
            for values in product(*(states if p == "state" else parts[p] for p in places)):
                given = iter(values)
                name = re.sub(r"<\w+>", lambda _, given=given: next(given), metric.name)  # type: ignore[misc]
                if name not in there and known(name):
                    found[name] = metric
    return out


def wave(name: str, metric: Metric, at: int) -> float:
    """A value that goes up and down, or up only where it is a counter; nothing that anybody would have to look at."""
    if metric.unit == "0 or 1":
        return float(not name.startswith("alerts."))
    if ".waiting." in name or ("_total" in name and "history" in name) or ".errors." in name:
        return 0.0
    seed = zlib.crc32(name.encode()) % 1000 / 1000
    if metric.unit.endswith("since its start") or name.endswith("_bytes"):
        return float(at % 10**7) * (0.05 + seed) * (2000 if name.endswith("_bytes") else 1)
    size = SIZES.get(metric.unit, 8.0) * (0.4 + seed)
    return min(metric.high, round(size * (1 + 0.35 * math.sin(seed * 6 + at / 500) + 0.08 * math.sin(at / 37)), 3))


class Collectors(threading.Thread):
    """Sends what `points` says, as the collectors of all sites do, every ten seconds and after each change: {site: {name: value}}.
    `more` are metrics beside these, with values of their own."""

    def __init__(self, points: dict[str, dict[str, float]], more: Mapping[str, Mapping[str, Metric]] = {}) -> None:
        super().__init__(name="collectors", daemon=True)
        self.points, self._more, self._end = points, more, threading.Event()
        self._buffer = Buffer(10**6)
        self._sender = Sender(self._buffer, (GRAPHITE, 2004), pause=0.2)

    def put(self, at: int) -> None:
        named = {
            f"aerie.aerie.{s}.{name}": value for s, values in self.points.items() for name, value in values.items()
        }
        told = {
            s: names for s, names in self._more.items() if s in self.points
        }  # a site that is silent tells nothing at all
        more = {f"aerie.aerie.{s}.{n}": wave(n, m, at) for s, names in told.items() for n, m in names.items()}
        self._buffer.put(Batch(at, {**more, **named}))

    def send(self) -> bool:
        self._sender.step(0.05)
        return self._buffer.points == 0

    def history(self) -> None:
        """An hour of a pool that fills and empties."""
        now, was = int(time.time()) // 10 * 10, self.points
        at = "condor.demo"
        for ago in range(HOUR, 0, -1):
            part = 1 - ago / HOUR
            running = round(3 * min(1, part * 2))
            wave = abs((part * 6) % 2 - 1)
            told = {
                **{f"{at}.jobs.totals.running.totals.count": running, f"{at}.executors.count": min(3, 1 + running)},
                **{f"{at}.jobs.totals.idle.totals.count": round(30 * wave * (1 - part) + 12 * part)},
                **{f"{at}.jobs.totals.held.totals.count": 1 if part > 0.7 else 0},
                f"{at}.slots.Partitionable.totals.TotalSlotCpus": 2 + 2 * (part > 0.3),
                f"{at}.slots.Dynamic.totals.Cpus": running,
            }
            self.points = {**was, "torino": {**was["torino"], **{name: float(value) for name, value in told.items()}}}
            self.put(now - 10 * ago)
        self.points = was
        until(self.send, 120, "an hour of points is sent")

    def run(self) -> None:
        told, when = self.points, 0
        while not self._end.wait(0.5):
            at = int(time.time()) // 10 * 10
            if at != when or told is not self.points:
                told, when = self.points, at
                self.put(at)
            with suppress(OSError):
                for _ in range(50):  # what waited while Graphite was away comes before what is new
                    if self.send():
                        break

    def stop(self) -> None:
        self._end.set()
        self.join()


class Stage:
    """`collectors.points` and `marathon` may be changed; `get` asks the page as a program does."""

    def __init__(self, folder: Path, everything: bool) -> None:
        tags = image_tags(ROOT)
        self.folder, self.image = folder, f"aerie/page:{tags['page']}"
        case = json.loads(INPUT.read_text())
        certificate(folder, "server", "test", (GRAPHITE, PAGE, GATEWAY))
        (folder / "credentials").write_text("viewer:password of graphite\n")
        (folder / "admin").write_text(PASSWORD + "\n")
        (folder / "viewer").write_text("password of graphite\n")
        (folder / "panels.json").write_text(panels_text("aerie"))
        self.graphite = Graphite(f"aerie/graphite:{tags['graphite']}", folder, PREFIX, GRAPHITE)
        self.collectors = Collectors(case["points"], every_metric(case["points"]) if everything else {})
        for name, value in (("slots.Dynamic.totals.Cpus", 3.0), ("slots.Static.totals.Cpus", 0.0)):
            self.collectors.points["torino"][f"condor.demo.{name}"] = value
        self.apps = case["apps"]

    def start(self) -> None:
        docker("network", "create", "--subnet", SUBNET, "--gateway", GATEWAY, PREFIX + "net")
        self.graphite.start()
        self.collectors.history()
        self.collectors.start()
        self.marathon = Marathon(self.folder, self.apps)
        self.start_page()

    def start_page(self) -> None:
        """As components/monitoring/page.py has it, but on a network of its own."""
        volume = files("page", self.folder, self.image, PREFIX)
        env = {
            "LISTEN": PAGE,
            "PAGE_FEDERATION": "aerie",
            "PAGE_SITES": "torino,cnaf,bari",
            "PAGE_QUORUM": "torino,cnaf,bari",
            "PAGE_KEEPER": "torino",
            "PAGE_GRAPHITE": f"{GRAPHITE}:8444",
            "PAGE_MARATHONS": f"{GATEWAY}:1,{GATEWAY}:{MARATHON}",  # the first one is never there
        }
        docker(
            *("run", "-d", "--name", PREFIX + "page", "--network", PREFIX + "net", "--ip", PAGE, "--memory", "128m"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
            *(
                "-v",
                f"{volume}:/etc/aerie/page:ro",
                *(w for k, v in env.items() for w in ("-e", f"{k}={v}")),
                self.image,
            ),
        )
        until(lambda: docker("exec", PREFIX + "page", "page-health") == "", 60, "the page is ready")

    def get(self, path: str, auth: tuple[str, str] | None = ("admin", PASSWORD), **headers: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            url = f"https://{PAGE}:8446{path}"
            return session.get(url, auth=auth, headers=headers, verify=str(self.folder / "ca.crt"), timeout=20)

    def now(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/api/now").json()
        return found

    def asks(self) -> bool:
        """Whether the page has a connection with Graphite, which gives one up some 2 s after an answer."""
        there = ":".join((bytes(map(int, GRAPHITE.split(".")))[::-1].hex().upper(), f"{8444:04X}"))
        lines = [line.split() for line in docker("exec", PREFIX + "page", "cat", "/proc/net/tcp").splitlines()[1:]]
        return any((remote, state) == (there, "01") for _, _, remote, state, *_ in lines)

    def values(self, target: str) -> list[float]:
        """The last five minutes' values of one series."""
        asked: dict[str, Any] = {"target": target, "format": "json", "from": "-5min"}
        (found,) = self.graphite.get("/render", ("viewer", "password of graphite"), **asked).json()
        return [value for value, _ in found["datapoints"] if value is not None]

    def change(self, site: str, **values: float) -> None:
        """From now on; in names __ stands for a dot."""
        told = {name.replace("__", "."): float(value) for name, value in values.items()}
        self.collectors.points = {**self.collectors.points, site: {**self.collectors.points[site], **told}}

    def stop(self) -> None:
        self.collectors.stop()
        self.marathon.shutdown()
        self.marathon.server_close()


@contextmanager
def stage(folder: Path, everything: bool = False) -> Iterator[Stage]:
    """`everything`: the sites send every metric that there is, and have done so for an hour."""
    assert main(["build", "page", "graphite"]) == 0
    remove(PREFIX)
    found = Stage(folder, everything)
    try:
        found.start()
        yield found
    finally:
        with suppress(AttributeError, RuntimeError):
            found.stop()
        remove(PREFIX)
