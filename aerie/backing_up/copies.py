"""Copies of what a running federation keeps on its machines: etcd, ZooKeeper, and the pools' spools."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from components.cluster.mesos import POOL_NUMBERS
from components.identity.derived import zookeeper_secret
from components.spec import addresses
from components.spec.machines import front_end_name
from components.spec.model import Federation
from tools.reach import Place

from ..terminal import Refused
from . import machines

About = dict[str, str | int]
T = TypeVar("T")


def members(federation: Federation, places: Mapping[str, list[Place]]) -> list[Place]:
    """The machines that hold members of the quorums, as far as there are any."""
    return [p for site in federation.quorum_sites for p in places.get(site, []) if p.front_end]


def front_end(places: Mapping[str, list[Place]], site: str) -> Place:
    """Raises Refused where the site is not up."""
    for place in places.get(site, []):
        if place.front_end:
            return place
    raise Refused(f"{front_end_name(site)} is not up", f"aerie up {site}")


def zookeeper_users(passwords: Mapping[str, str]) -> dict[str, str]:
    """Everybody whom a node of ours may belong to, by name; passwords."""
    own = {name: passwords[f"zookeeper-{name}"] for name in ("mesos", "marathon")}
    return own | {addresses.principal(n): zookeeper_secret(passwords["pools"], n) for n in POOL_NUMBERS}


def znodes(place: Place, federation: Federation, users: Mapping[str, str], nodes: list[Any] | None = None) -> Any:
    """Reads ZooKeeper's tree, or puts `nodes` back; what the program on the machine says."""
    told: dict[str, Any] = {"hosts": addresses.zookeeper_hosts(federation), "users": users}
    if nodes is not None:
        told["nodes"] = nodes
    program = (Path(__file__).parent / "znodes.py").read_text()
    return json.loads(machines.run(place, machines.zookeeper(program), 300, json.dumps(told).encode()))


def first_that_works(places: list[Place], work: Callable[[Place], T], what: str) -> T:
    """`work` at one after the other until one does it. Raises Refused with the last one's words."""
    trouble = "no site with a member of the quorums is up"
    for place in places:
        try:
            return work(place)
        except Refused as error:
            trouble = str(error)
    raise Refused(f"no copy of {what}: {trouble}", "aerie status; or --state-only: files and states, no services")


def etcd(place: Place, target: Path) -> About:
    """A snapshot from the place's member, verified by etcd's own tool there."""
    said = machines.run(place, machines.ETCD_SAVE, 120)
    status = json.loads(said.strip().splitlines()[-1])
    machines.run(place, machines.ETCD_TAKE, 300, into=target)
    return {"member": place.site, "keys": status["totalKey"], "revision": status["revision"], "hash": status["hash"]}


def zookeeper(place: Place, federation: Federation, users: Mapping[str, str], target: Path) -> About:
    """The tree of lasting nodes with their ACLs."""
    nodes = znodes(place, federation, users)["nodes"]
    target.write_text(json.dumps({"format": 1, "nodes": nodes}))
    return {"nodes": len(nodes), "apps": ", ".join(apps_of(nodes)) or "none"}


def apps_of(nodes: list[Any]) -> list[str]:
    """Marathon's apps among the nodes, by name."""
    found = (re.fullmatch(r"/marathon/app/([^/]+)", n["path"]) for n in nodes)
    return sorted(unquote(m[1]) for m in found if m)


def spool_volume(pool: str) -> str:
    """The submit node's, on the front-end of its site (see components/batch/role_containers.py)."""
    return f"aerie-{pool}-spool"


def spool(place: Place, volume: str, target: Path) -> About:
    """The queue and the homes of a pool's submit node."""
    machines.run(place, machines.spool_save(volume), machines.COPY, into=target)
    return {"machine": place.name, "volume": volume}
