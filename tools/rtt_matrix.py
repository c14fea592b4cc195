"""Round trips between sites' containers: what is asked of a machine, the matrix, and what is wrong with it. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from statistics import median

from components.batch.role_containers import LABEL_PREFIX, POOL_LABEL
from components.spec.policy_rules import TOOLS_POOL

MARK = "@@"
NETWORK = "calico"
POOL = TOOLS_POOL  # the policy of this pool, which is none, lets probes answer each other, and nothing else
LABEL = f"{LABEL_PREFIX}{POOL_LABEL}={POOL}"
INTERVAL = 0.05  # seconds between two pings
WAIT = 2  # seconds that an answer may take
READY = 6  # seconds until a pair that never answered counts as one that does not
LIFE = 900  # seconds after which a probe that nobody removed ends by itself
HEADER = 28  # bytes of IPv4 and ICMP before what ping sends
LEAST = 576  # bytes: no link is below


@dataclass(frozen=True)
class Cell:
    """Round trips in ms from a container of one site to one of another (or the same). `lost` of `sent` had no answer; `why`
    there is no figure at all. `passes`: bytes of the largest packet that arrived whole, None if that was not asked."""

    sent: int = 0
    lost: int = 0
    median: float | None = None
    least: float | None = None
    most: float | None = None
    passes: int | None = None
    why: str = ""


@dataclass(frozen=True)
class Matrix:
    """`cells` by (from, to); `tunnels` likewise, the VPN's own round trips, empty if they were not asked.

    `missing` are sites that could not take part, and why; `mtu` is that of the federation's containers."""

    federation: str
    sites: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    mtu: int
    count: int
    missing: Mapping[str, str]
    tunnels: Mapping[tuple[str, str], float | None] | None = None
    asked_mtu: bool = False

    def cell(self, a: str, b: str) -> Cell:
        """Never fails: what is not there has a reason."""
        for site in (a, b):
            if site in self.missing:
                return Cell(why="not there")
        return self.cells.get((a, b), Cell(why="not asked"))


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong, and what to do."""

    what: str
    do: str


# -- what machines are asked


def start_script(name: str, image: str) -> str:
    """Starts a probe and prints its address. The lock is for `stop_script`: a start that is under way is waited for there."""
    run = (
        f"docker run -d --rm --name {name} --network {NETWORK} --label {shlex.quote(LABEL)} --memory 64m "
        f"{shlex.quote(image)} sleep {LIFE}"
    )
    address = f"docker inspect -f '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' {name}"
    return f"set -e\nflock {_lock(name)} {run} > /dev/null\n{address}\n"


def stop_script(name: str) -> str:
    """Removes the probe, whether it is there or not."""
    return (
        f"flock -w 60 {_lock(name)} sh -c 'docker rm -f {name} > /dev/null 2>&1 || true'\nrm -f {_lock(name)}\n"
        f'if [ -n "$(docker ps -aq --filter name=^{name}$)" ]; then echo "{name} is left over" >&2; exit 1; fi\n'
    )


def _lock(name: str) -> str:
    return f"/run/{name}.lock"


def ping_script(name: str, targets: Mapping[str, str], count: int, mtu: int | None) -> str:
    """Pings each target (address by site) from within the probe, one after the other, from when it first
    answers. With `mtu` also finds the largest packet that passes, up to that size."""
    lines = []
    for site, address in targets.items():
        ping, most = f"docker exec {name} ping -n", ceil(count * INTERVAL) + WAIT
        lines += [
            f"echo '{MARK}{site}'",
            # A new container's policy, and whoever is beside it, take a moment to be found.
            f"timeout {READY + 5} {ping} -q -i 0.2 -c 1 -w {READY} {address} > /dev/null 2>&1",
            # With -c alone it would end twice the longest round trip so far after its last packet, and call lost what a stall
            # of a moment has kept; with -w it goes on until so many are answered.
            f"timeout {most + 5} {ping} -i {INTERVAL} -c {count} -w {most} {address} 2>&1",
        ]
        if mtu is not None:
            lines += [_size_script(name, address, mtu)]
    return "\n".join([*lines, "exit 0", ""])


def _size_script(name: str, address: str, mtu: int) -> str:
    """Full size first; only if that does not pass, by halving."""
    return f"""passes() {{ docker exec {name} ping -n -q -M do -s $(($1 - {HEADER})) -i 0.2 -c 3 -W 1 {address} 2>&1 | grep -q ' [1-3] received'; }}
if passes {mtu}; then echo 'passes {mtu}'; else
  low=0 high={mtu}
  passes {LEAST} && low={LEAST}
  while [ $low -gt 0 ] && [ $((high - low)) -gt 1 ]; do
    middle=$(((low + high) / 2))
    if passes $middle; then low=$middle; else high=$middle; fi
  done
  echo "passes $low"
fi"""


def read_pings(text: str, count: int) -> dict[str, Cell]:
    """A probe's answer to `ping_script`, by site."""
    out = {}
    for part in re.split(rf"^{MARK}", text, flags=re.M)[1:]:
        site, _, body = part.partition("\n")
        trips = {int(n): float(ms) for n, ms in re.findall(r"icmp_seq=(\d+) .*?time=([\d.]+) ms(?! \(DUP!\))", body)}
        size = re.search(r"^passes (\d+)$", body, flags=re.M)
        passes = int(size[1]) if size else None
        if not trips:
            out[site] = Cell(count, count, passes=passes, why=_why(body))
            continue
        # It sends more than `count` where one was not answered in time: those only replace what is missing.
        values = [ms for number, ms in trips.items() if number <= count] or list(trips.values())
        told = re.search(r"^(\d+) packets transmitted", body, flags=re.M)
        sent = min(count, int(told[1])) if told else count
        lost = max(0, sent - sum(number <= count for number in trips))
        out[site] = Cell(sent, lost, round(median(values), 3), min(values), max(values), passes)
    return out


def _why(body: str) -> str:
    """Why there is no answer, in a word or two."""
    for pattern, says in (
        (r"Destination Host Unreachable", "no host"),
        (r"Destination Net Unreachable|Network is unreachable", "no route"),
        (r"prohibited|filtered", "forbidden"),
        (r"Time to live exceeded", "loop"),
        (r"No such container|is not running", "probe gone"),
    ):
        if re.search(pattern, body):
            return says
    return "no answer" if "packets transmitted" in body else "ping failed"


# -- what is wrong


def troubles(matrix: Matrix, machines: Mapping[str, str]) -> list[Trouble]:
    """Causes first. `machines`: where each site's probe was, for commands."""
    out = [Trouble(f"{site} is not in it: {why}", "make status") for site, why in matrix.missing.items()]
    there = [s for s in matrix.sites if s not in matrix.missing]
    for a in there:
        for b in there:
            cell = matrix.cell(a, b)
            way = _path(machines, a, b)
            between = f"within {a}" if a == b else f"from {a} to {b}"
            if cell.median is None:
                out.append(Trouble(f"{between}: {cell.why} ({cell.lost} of {cell.sent} pings lost)", way))
            elif cell.lost:
                out.append(Trouble(f"{between}: {cell.lost} of {cell.sent} pings lost", way))
            if cell.median is not None and cell.passes is not None and cell.passes < matrix.mtu:
                most = f"{cell.passes} bytes at most" if cell.passes else f"not even {LEAST} bytes"
                out.append(
                    Trouble(
                        f"{between}: packets of {matrix.mtu} bytes, the containers' MTU, do not pass ({most})",
                        "look at the MTU on the way (ip link on both front-ends), or lower network.mtu in federation.yaml; then make up",
                    )
                )
    silent = [(a, b) for (a, b), ms in (matrix.tunnels or {}).items() if ms is None and a in there and b in there]
    if silent and len(silent) == len(matrix.tunnels or {}):
        out.append(
            Trouble("no tunnel tells its round trip: the VPN's containers are older than these tools", "make up")
        )
    else:
        do = "python -m tools.status --routing"
        out += [Trouble(f"the tunnel from {a} to {b} tells no round trip: is it dead?", do) for a, b in silent]
    return out


def _path(machines: Mapping[str, str], a: str, b: str) -> str:
    return f"python -m tools.path {machines.get(a, a)} {machines.get(b, b)}" if a != b else "make status"


# -- words


def trip(ms: float | None) -> str:
    """Three digits that mean something: 0.593, 10.8, 118."""
    if ms is None:
        return "-"
    return f"{ms:.3f}" if ms < 1 else f"{ms:.2f}" if ms < 10 else f"{ms:.1f}" if ms < 100 else f"{ms:.0f}"


def text(matrix: Matrix) -> str:
    """The tables, as plain text: sites by sites, from the row's to the column's."""

    def mid(a: str, b: str) -> str:
        cell = matrix.cell(a, b)
        return trip(cell.median) + ("!" if cell.lost else "") if cell.median is not None else cell.why

    def spread(a: str, b: str) -> str:
        cell = matrix.cell(a, b)
        return f"{trip(cell.least)}-{trip(cell.most)}" if cell.median is not None else cell.why

    def size(a: str, b: str) -> str:
        cell = matrix.cell(a, b)
        if cell.passes is None or cell.median is None:
            return cell.why or "-"
        return f"{cell.passes} ok" if cell.passes >= matrix.mtu else f"{cell.passes or 'none'}!"

    def tunnel(a: str, b: str) -> str:
        return "" if a == b else trip((matrix.tunnels or {}).get((a, b)))

    parts = [
        f"container to container, ms, median of {matrix.count}",
        table(matrix.sites, mid),
        "least and most",
        table(matrix.sites, spread),
    ]
    if matrix.tunnels is not None:
        parts += ["the VPN's own, front-end to front-end, ms", table(matrix.sites, tunnel)]
    if matrix.asked_mtu:
        parts += [
            f"largest packet that passes whole, bytes (the containers' MTU is {matrix.mtu})",
            table(matrix.sites, size),
        ]
    return "\n".join(f"{part}\n" if "\n" in part else part for part in parts)


def table(sites: Iterable[str], value: object) -> str:
    """Rows and columns named after the sites."""
    names = list(sites)
    assert callable(value)
    rows = [["", *names], *([a, *(str(value(a, b)) for b in names)] for a in names)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(names) + 1)]
    return "\n".join(
        "  "
        + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in rows
    )
