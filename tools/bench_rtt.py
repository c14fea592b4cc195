"""Round trips between containers on Calico, each beside the same way without Calico, in one run."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.image_tags import image_tags
from components.spec import addresses
from components.spec.model import Federation

from .rtt_matrix import LABEL

PINGS = 200
NAME = "bench-probe"


@dataclass(frozen=True)
class Way:
    """One line of the table: from a container to an address, and the same without Calico."""

    what: str
    machine: str
    container: str
    target: str
    bare: str
    bare_container: str
    bare_target: str


def run(machine: str, *command: str, check: bool = True) -> str:
    """A command on the machine."""
    done = subprocess.run(["docker", "exec", machine, *command], capture_output=True, text=True, timeout=180)
    if check and done.returncode:
        raise RuntimeError(f"{machine}: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def ping(machine: str, container: str, target: str) -> tuple[float, float]:
    """Median-like middle (average) and minimum round trip, ms."""
    out = run(machine, "docker", "exec", container, "ping", "-q", "-i", "0.01", "-c", str(PINGS), target)
    found = re.search(r"= ([\d.]+)/([\d.]+)/", out)
    if not found:
        raise RuntimeError(f"no answer from {target}: {out}")
    return float(found[2]), float(found[1])


def _start(machine: str, image: str, name: str, network: str) -> str:
    run(machine, "docker", "rm", "-f", name, check=False)
    run(machine, "docker", "run", "-d", "--name", name, "--network", network, "--label", LABEL, image)
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return run(machine, "docker", "inspect", "-f", form, name).strip()


def rtt(console: Console, federation: Federation, root: Path) -> None:
    """Starts probes, measures, removes them."""
    image = f"{federation.images.registry}/aerie/probe:{image_tags(root)['probe']}"
    sites = list(federation.sites)
    first, second = sites[0], sites[1]
    a, b = f"{federation.name}-{first}-front-end", f"{federation.name}-{first}-agent-1"
    c = f"{federation.name}-{second}-front-end"
    address: dict[tuple[str, str], str] = {}
    try:
        for machine, names in ((a, ("calico", "bridge", "host")), (b, ("calico", "host")), (c, ("calico", "host"))):
            for network in names:
                address[machine, network] = _start(machine, image, f"{NAME}-{network}", network)
        twin = _start(a, image, f"{NAME}-twin", "calico")
        bridge = _start(a, image, f"{NAME}-bridge-twin", "bridge")
        lan = str(addresses.lan(federation, first).agent(1))
        other = addresses.front_end(federation, second)
        ways = [
            Way("one node", a, f"{NAME}-calico", twin, "plain Docker bridge", f"{NAME}-bridge", bridge),
            Way("one site", a, f"{NAME}-calico", address[b, "calico"], "machine to machine", f"{NAME}-host", lan),
            Way("two sites", a, f"{NAME}-calico", address[c, "calico"], "bare tunnel", f"{NAME}-host", other),
        ]
        table = Table("way", "containers, ms (avg / min)", "beside", "ms (avg / min)", "ratio of averages", title="RTT")
        for way in ways:
            for _ in range(2):  # the first round warms the neighbour tables up
                mine = ping(way.machine, way.container, way.target)
                bare = ping(way.machine, way.bare_container, way.bare_target)
            table.add_row(
                way.what,
                f"{mine[0]:.3f} / {mine[1]:.3f}",
                way.bare,
                f"{bare[0]:.3f} / {bare[1]:.3f}",
                f"{mine[0] / bare[0]:.2f}",
            )
        console.print(table)
    finally:
        for machine in (a, b, c):
            for name in ("calico", "bridge", "host", "twin", "bridge-twin"):
                run(machine, "docker", "rm", "-f", f"{NAME}-{name}", check=False)
