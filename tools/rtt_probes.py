"""Probes on the sites' machines: started, asked, and removed whatever happens."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from . import rtt_matrix as rtt
from .reach import Place, ask, at_once
from .rtt_matrix import Cell

START = 180  # seconds: the image may have to be pulled
STOP = 90

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Probe:
    """A container that pings and answers. `address` is "" before it runs."""

    name: str
    place: Place
    address: str = ""


def wanted(sites: Mapping[str, list[Place]]) -> dict[str, tuple[Probe, Probe]]:
    """Two probes a site: on an agent, as jobs are, and on the front-end; on one machine if there is no other."""
    run = secrets.token_hex(3)
    out = {}
    for site, machines in sites.items():
        if machines:
            first = next((m for m in machines if not m.front_end), machines[0])
            second = next((m for m in machines if m is not first), first)
            out[site] = (Probe(f"{rtt.POOL}-{run}-{site}-1", first), Probe(f"{rtt.POOL}-{run}-{site}-2", second))
    return out


@contextmanager
def running(
    probes: Mapping[str, tuple[Probe, Probe]], image: str, tell: Tell, left: list[str]
) -> Iterator[tuple[dict[str, tuple[Probe, Probe]], dict[str, str]]]:
    """The probes that run, by site, and why the others do not. In the end none is left, or else it is told in `left`; while
    they are removed, an interrupt has to wait."""
    started: dict[str, tuple[str, str]] = {}
    all_ = [probe for both in probes.values() for probe in both]

    def start(probe: Probe) -> tuple[str, str]:
        said = ask(probe.place, rtt.start_script(probe.name, image), START)
        lines = said.text.split()
        return (lines[-1], "") if not said.trouble and lines else ("", said.trouble or "Docker gave it no address")

    try:
        started |= dict(zip([p.name for p in all_], at_once(start, all_), strict=True))
        there: dict[str, tuple[Probe, Probe]] = {}
        missing: dict[str, str] = {}
        for site, both in probes.items():
            answers = [started[p.name] for p in both]
            trouble = next((f"{p.place.name}: {why}" for p, (_, why) in zip(both, answers, strict=True) if why), "")
            if trouble:
                missing[site] = trouble
            else:
                first, second = (Probe(p.name, p.place, a) for p, (a, _) in zip(both, answers, strict=True))
                there[site] = (first, second)
        yield there, missing
    finally:
        # All of them: one whose start was interrupted may come up yet. But of one that its machine never told of, and that
        # cannot be asked for now, there is nothing to say.
        for probe, trouble in _remove(all_, tell).items():
            if not started or started[probe.name][0] or probe.name in trouble:
                left.append(f"{probe.name} on {probe.place.name} ({trouble})")


def _remove(probes: list[Probe], tell: Tell) -> dict[Probe, str]:
    """What could not be removed, and why."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        tell("removing the probes")
        done = at_once(lambda p: ask(p.place, rtt.stop_script(p.name), STOP, new_session=True), probes)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return {probe: said.trouble for probe, said in zip(probes, done, strict=True) if said.trouble}


def measure(
    probes: Mapping[str, tuple[Probe, Probe]], count: int, mtu: int | None, tell: Tell
) -> dict[tuple[str, str], Cell]:
    """Every site's probe pings all the others', one after the other; the sites do so at the same time."""

    def one(site: str) -> dict[tuple[str, str], Cell]:
        mine, beside = probes[site]
        targets = {other: (beside if other == site else probes[other][0]).address for other in probes}
        seconds = len(targets) * (count * rtt.INTERVAL + 10 + (60 if mtu else 0)) + 15
        said = ask(mine.place, rtt.ping_script(mine.name, targets, count, mtu), seconds)
        found = rtt.read_pings(said.text, count)
        tell(f"{site}: {len(found)} of {len(targets)} ways measured" + (f" ({said.trouble})" if said.trouble else ""))
        return {(site, other): found.get(other, Cell(count, count, why="not asked")) for other in targets}

    out: dict[tuple[str, str], Cell] = {}
    for part in at_once(one, probes):
        out |= part
    return out


def tunnels(front_ends: Mapping[str, Place]) -> dict[tuple[str, str], float | None]:
    """Round trips of the VPN, ms, as each front-end tells them; None of one that is dead, or that nobody measures."""

    def one(site: str) -> dict[tuple[str, str], float | None]:
        said = ask(front_ends[site], "exec docker exec vpn vpn status", 15)
        try:
            return {(site, peer["peer"]): peer.get("rtt_ms") for peer in json.loads(said.text)}
        except (ValueError, KeyError, TypeError):
            return {(site, other): None for other in front_ends if other != site}

    out: dict[tuple[str, str], float | None] = {}
    for part in at_once(one, front_ends):
        out |= {(a, b): ms for (a, b), ms in part.items() if b in front_ends}
    return out
