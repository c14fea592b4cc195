"""What a machine answers to `make status`, read. Pure. What it is asked is the program status_machine.pl."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from . import bird
from .status_facts import Container, Etcd, Jobs, Machine, OnMachine, Pool, Session, Slots, Tunnel

MARK = "@@aerie"  # starts the line before each answer: MARK name exit-status
TOO_LATE = 124  # the exit status by which `timeout` says so
SECONDS = 8  # for each question; all are asked at the same time, of a machine that may be busy

_ROUTES = "@@routes"  # the line between sessions and routes in the answer about BGP
_PART = re.compile(r"^@@part (\w+) (\d+)$", flags=re.M)  # a line before each part of a pool's answer


def sections(text: str) -> dict[str, tuple[int, str]]:
    """Each question's exit status and answer."""
    out: dict[str, tuple[int, str]] = {}
    for part in re.split(rf"^{MARK} ", text, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        name, _, status = head.partition(" ")
        out[name] = (int(status) if status.isdigit() else 1, body.strip())
    return out


def _moment(text: str) -> float:
    """Docker's time stamps (nanoseconds, UTC) in seconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})?\d*Z$", r"\1+00:00", text)).timestamp()


def containers(text: str) -> tuple[Container, ...]:
    """The services' containers, with ages by the machine's own clock."""
    *lines, now = filter(None, text.splitlines())  # there are empty ones where something is missing
    out = []
    for line in lines:
        raw: dict[str, Any] = json.loads(line)
        state = raw["state"]
        since = state["StartedAt"] if state["Status"] in ("running", "paused") else state["FinishedAt"]
        out.append(
            Container(
                raw["name"].removeprefix("/"),
                state["Status"],
                raw["restarts"],
                state["ExitCode"],
                state["OOMKilled"],
                max(0.0, float(now) - _moment(since)) if not since.startswith("0001") else 0.0,
            )
        )
    return tuple(sorted(out, key=lambda c: c.name))


def bgp_sessions(text: str) -> tuple[Session, ...]:
    """From the answer about BGP."""
    found = re.search(r"^now (.*)$", text, flags=re.M)
    now = found[1] if found else ""
    return tuple(
        Session(p.peer, p.state, bird.age(p.since, now), p.error)
        for p in bird.protocols(text.partition(f"\n{_ROUTES}\n")[0])
    )


def prefixes(text: str, homes: Mapping[str, tuple[Iterable[str], int]]) -> dict[str, int] | None:
    """How many prefixes of each site are in the answer about BGP, None if it has no routes.

    `homes`: each site's networks, and its AS; by the AS go the addresses that follow their container."""
    _, there, routes = text.partition(f"\n{_ROUTES}\n")
    if not there:
        return None
    networks = [(IPv4Network(n), site) for site, (all_, _) in homes.items() for n in all_]
    by_as = {number: site for site, (_, number) in homes.items()}
    seen: dict[str, set[str]] = {site: set() for site in homes}
    for route in bird.routes(routes):
        site = next((s for n, s in networks if IPv4Network(route.prefix).subnet_of(n)), None)
        if site is None and route.as_path:
            site = by_as.get(route.as_path[-1])
        if site is not None:
            seen[site].add(route.prefix)
    return {site: len(all_) for site, all_ in seen.items()}


def tunnels(text: str) -> tuple[Tunnel, ...]:
    """From `vpn status`. An older one measures no round trip, and watches no link."""
    alive = {"up": True, "down": False}
    return tuple(
        Tunnel(t["peer"], t["handshake_age_s"], t.get("rtt_ms"), alive.get(t.get("link"))) for t in json.loads(text)
    )


def etcd_member(text: str) -> Etcd:
    """From the member's raft status, or where that could not be had from `etcdctl endpoint status -w json` of the member itself."""
    said = json.loads(text)
    if isinstance(said, dict):
        member, leader = int(said["id"], 16), int(said["lead"], 16)
    else:
        member, leader = said[0]["Status"]["header"]["member_id"], said[0]["Status"].get("leader", 0)
    return Etcd(str(member), str(leader) if leader else "")


def zookeeper_mode(text: str) -> str:
    """From the four-letter word `srvr`; "" if the server does not serve."""
    found = re.search(r"^Mode: (\w+)", text, flags=re.M)
    return found[1] if found else ""


def executor_slots(text: str) -> tuple[Slots, ...]:
    """Cores by executor, from slot ads: a partitionable slot holds what is left, a dynamic one what is taken."""
    by_machine: dict[str, tuple[str, int, int]] = {}
    for ad in json.loads(text or "[]"):
        site, claimed, idle = by_machine.get(ad["Machine"], ("?", 0, 0))
        cores = int(ad.get("Cpus", 0))
        taken = not ad.get("PartitionableSlot", False) and ad.get("State") == "Claimed"
        by_machine[ad["Machine"]] = (ad.get("AerieSite", site), claimed + cores * taken, idle + cores * (not taken))
    return tuple(Slots(machine, *rest) for machine, rest in sorted(by_machine.items()))


def jobs(text: str) -> Jobs:
    """From `condor_q -totals -allusers`, and the number of finished jobs on the last line."""
    total = re.findall(r"^Total for (?:all users|query): .*$", text, flags=re.M)
    if not total:
        raise ValueError("no totals in the answer of condor_q")

    def number(state: str) -> int:
        found = re.search(rf"(\d+) {state}", total[-1])
        return int(found[1]) if found else 0

    return Jobs(number("idle"), number("running"), number("held"), int(text.splitlines()[-1]))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "no answer"


def parts(text: str) -> dict[str, tuple[int, str]]:
    """The two answers of a submit node, by one start of a process there: exit status and text of `slots` and `jobs`."""
    _, *rest = _PART.split(text)
    return {
        name: (int(status), body.strip()) for name, status, body in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    }


def read(
    machine: Machine, pools: Iterable[str], text: str, homes: Mapping[str, tuple[Iterable[str], int]] | None = None
) -> OnMachine:
    """The machine's whole answer. What cannot be read is told in `troubles`, and the rest stands. `homes` as in `prefixes`."""
    answers, troubles = sections(text), {}

    def told(name: str, status: int, body: str, parse: Any, default: Any) -> Any:
        if status:
            troubles[name] = f"no answer in {SECONDS} s" if status == TOO_LATE else _last_line(body)
            return default
        try:
            return parse(body)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            troubles[name] = f"cannot read the answer: {error}"
            return default

    def take(name: str, parse: Any, default: Any) -> Any:
        return told(name, *answers[name], parse, default) if name in answers else default

    all_ = take("containers", containers, ())
    # Without the engine nobody knows where the processes are that are to be asked.
    no_engine = troubles.get("containers", "")
    for name, service in (("bgp", "calico"), ("vpn", "vpn"), ("opensearch", "opensearch")):
        if no_engine and service in machine.services:
            troubles[name] = no_engine
    take("opensearch", str, "")  # whether it answers is all that is asked
    found: dict[str, Pool] = {}
    for pool in pools:
        status, body = answers.get(f"pool-{pool}", (1, no_engine or "no submit node runs here"))
        both = dict.fromkeys(("slots", "jobs"), (status, body)) if status else parts(body)
        nothing = (1, "no answer")
        slots = told(f"slots-{pool}", *both.get("slots", nothing), executor_slots, None)
        queue = told(f"jobs-{pool}", *both.get("jobs", nothing), jobs, None)
        found[pool] = Pool(slots, queue, troubles.get(f"slots-{pool}") or troubles.get(f"jobs-{pool}") or "")
    return OnMachine(
        reached=True,
        containers=tuple(c for c in all_ if c.name in machine.services),
        tunnels=take("vpn", tunnels, ()),
        sessions=take("bgp", bgp_sessions, ()),
        prefixes=take("bgp", lambda body: prefixes(body, homes or {}), None),
        etcd=take("etcd", etcd_member, None),
        zookeeper=take("zookeeper", zookeeper_mode, ""),
        pools=found,
        troubles=troubles,
    )
