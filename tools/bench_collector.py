"""The collector's round of Mesos' agents, against simulated agents: one HTTPS server in a process of its own answers for all of them with
what a real agent said, each on a connection of its own, as the real ones are asked."""

from __future__ import annotations

import copy
import json
import multiprocessing
import os
import pickle
import socket
import ssl
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiohttp import web
from rich.console import Console
from rich.table import Table

from components.identity.keys import certificate, certificate_authority

ROOT = Path(__file__).resolve().parent.parent
SIZES = (10, 100, 1000)
ROUNDS = 11  # each machine has had two turns; the first round, over new connections, is told apart
DATA = ROOT / "images" / "collector" / "tests" / "data"
USER, PASSWORD = "operator", "of the simulation"


def simulated_agents(tell: Connection, folder: Path) -> None:
    """Serves until it is ended; tells its port."""
    snapshot = json.loads((DATA / "mesos-agent.json").read_text())
    one = json.loads((DATA / "mesos-statistics.json").read_text())

    async def flags(request: web.Request) -> web.Response:
        return web.json_response({"flags": {"attributes": f"site:here;node:here-agent-{request.match_info['n']}"}})

    async def metrics(_: web.Request) -> web.Response:
        return web.json_response(snapshot)

    async def containers(_: web.Request) -> web.Response:
        now, said = time.time(), copy.deepcopy(one)
        for each in said:
            each["statistics"]["timestamp"] = now
        return web.json_response(said)

    app = web.Application()
    app.add_routes(
        [
            web.get("/{n}/flags", flags),
            web.get("/{n}/metrics/snapshot", metrics),
            web.get("/{n}/monitor/statistics", containers),
        ]
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    tell.send(listening.getsockname()[1])
    web.run_app(app, sock=listening, ssl_context=context, print=None, access_log=None)


def run(console: Console) -> None:
    """A table: seconds and cpu of a round, points, bytes to Graphite, memory."""
    sys.path.insert(0, str(ROOT / "images" / "collector"))
    from collector.graphite import named
    from collector.http import Web
    from collector.sources.mesos import Agents

    table = Table(title=f"the collector's round of Mesos' agents (simulated), medians of {ROUNDS - 1}")
    for column in ("agents", "first round, s", "round, s", "cpu, s", "points", "bytes to Graphite", "memory, MB"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="aerie-bench-") as name:
        folder = Path(name)
        ca = certificate_authority("simulation")
        server = certificate(ca["certificate"], ca["private_key"], "agents", ["127.0.0.1"])
        (folder / "ca.crt").write_text(ca["certificate"])
        (folder / "server.crt").write_text(server["certificate"])
        (folder / "server.key").write_text(server["private_key"])
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=simulated_agents, args=(theirs, folder), daemon=True)
        process.start()
        try:
            base = f"https://127.0.0.1:{ours.recv()}"
            for agents in SIZES:
                machines = [str(number) for number in range(agents)]
                source = Agents(
                    machines.copy, lambda number: Web(f"{base}/{number}", str(folder / "ca.crt"), (USER, PASSWORD))
                )
                took: list[tuple[float, float]] = []
                values: dict[str, float] = {}
                for _ in range(ROUNDS):
                    start, cpu = time.monotonic(), time.process_time()
                    values = source.read()
                    took.append((time.monotonic() - start, time.process_time() - cpu))
                points: Any = [(n, (0, v)) for n, v in named("aerie.simulation.here.", values).items()]
                table.add_row(
                    f"{agents}",
                    f"{took[0][0]:.2f}",
                    f"{statistics.median(t for t, _ in took[1:]):.2f}",
                    f"{statistics.median(c for _, c in took[1:]):.2f}",
                    f"{len(values)}",
                    f"{len(pickle.dumps(points, 2))}",
                    f"{_memory() / 1e6:.0f}",
                )
        finally:
            process.terminate()
            process.join()
    console.print(table)


def _memory() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
