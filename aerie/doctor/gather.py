"""Finds the facts for `aerie doctor`: everything at the same time; what does not answer costs some seconds and is told."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from components.spec import addresses
from components.spec.loader import read_federation, read_sites, read_yaml
from components.spec.machines import reached_at
from components.spec.model import Federation, SiteStack
from components.spec.rough import rough
from components.spec.validate import FEDERATION_STACK, read_pools
from tools.login import aerie_home, machine_logins
from tools.reach import Place, ask
from tools.status_stacks import PulumiFailed, known_stacks, outputs

from ..files.changes import problems_of
from . import local, probe
from .facts import Backend, Cloud, Facts, Machine, Port, Wanted

ANSWER = 20  # seconds for a machine
CONNECT = 3.0
Result = TypeVar("Result")
Outputs = dict[str, dict[str, Any]]


def gather(root: Path) -> Facts:
    """All of it. What cannot be found out is told in the facts themselves."""
    start = time.monotonic()
    unasked: list[str] = []
    federation = _federation(root)
    with ThreadPoolExecutor(max_workers=64) as pool:
        here = pool.submit(local.look, root, federation)
        problems = pool.submit(problems_of, root)
        tags = pool.submit(local.image_tags_of, root)
        backend, found = _backend(federation, root, pool)
        sites = read_sites(federation, root)[0] if federation else {}
        clouds = [
            pool.submit(_cloud, s, f, federation, root)
            for s, f in sites.items()
            if f.iaas == "openstack" and federation
        ]
        if federation is None:
            unasked.append("machines, ports and clouds: federation.yaml cannot be read")
        elif not any("machines" in out for out in found.values()):
            unasked.append(
                f"machines and ports: {'the state cannot be read' if backend.says or backend.secrets else 'no site is up'}"
            )
        machines = [pool.submit(_machine, place) for place in _places(federation, found)]
        ports = [pool.submit(_port, *port) for port in _ports(federation, root, sites, found)]
        return Facts(
            _wanted(federation, tuple(map(str, problems.result())), tags.result(), found),
            here.result(),
            backend,
            tuple(c.result() for c in clouds),
            tuple(m.result() for m in machines),
            tuple(p.result() for p in ports),
            tuple(unasked),
            round(time.monotonic() - start, 1),
        )


def _federation(root: Path) -> Federation | None:
    """Also of a file with mistakes in single values: they are told, and the rest is looked at all the same."""
    federation, _ = read_federation(root)
    return federation or rough(Federation, read_yaml(root / "federation.yaml")[0])


def _wanted(federation: Federation | None, problems: tuple[str, ...], tags: dict[str, str], found: Outputs) -> Wanted:
    up = tuple(site for site, out in found.items() if "machines" in out)
    if federation is None:
        return Wanted(configuration=problems, images=tags, up=up)
    net = federation.network
    return Wanted(
        federation.name, problems, net.vpn_mtu, net.mtu, net.wan_mtu, tags, up, local.pulumi_oldest(),
        federation.history_site or "",
    )  # fmt: skip


def _backend(federation: Federation | None, root: Path, pool: ThreadPoolExecutor) -> tuple[Backend, Outputs]:
    """The state, and the outputs of those stacks that can be read."""
    url = os.environ.get("PULUMI_BACKEND_URL", "")
    try:
        stacks = known_stacks(root)
    except PulumiFailed as error:
        return Backend(url, says=str(error).splitlines()[0][:300]), {}
    names = [s for s in (FEDERATION_STACK, *(federation.sites if federation else ())) if s in stacks]
    asked = {s: pool.submit(outputs, s, root) for s in names}
    found: Outputs = {}
    secrets = ""
    for stack, future in asked.items():
        try:
            found[stack] = future.result()
        except PulumiFailed as error:
            secrets = secrets or f"{stack}: {str(error).splitlines()[-1].strip()[:300]}"
    locks = local.locks(aerie_home(federation)) if federation else ()
    return Backend(url, "", secrets, stacks, locks), found


def _places(federation: Federation | None, found: Outputs) -> list[Place]:
    shared = found.get(FEDERATION_STACK, {})
    out = []
    for site in federation.sites if federation else ():
        output = found.get(site, {})
        if federation is None or "machines" not in output or site not in shared.get("ssh_private_keys", {}):
            continue
        front_end = addresses.front_end(federation, site)
        logins = machine_logins(federation, shared, site, output)
        out += [Place(n, site, a, a == front_end, logins[n]) for n, a in output["machines"].items()]
    return out


def _machine(place: Place) -> Machine:
    asked = time.time()
    said = ask(place, probe.script(), ANSWER)
    if said.trouble and not said.text:
        return Machine(place.name, place.site, place.address, False, said.trouble)
    return probe.read(place.name, place.site, place.address, said.text, asked, time.time())


def _ports(
    federation: Federation | None, root: Path, sites: dict[str, SiteStack], found: Outputs
) -> list[tuple[str, str, int]]:
    """What the tools and the program itself connect to, of the sites that are up: (what, host, port)."""
    out: list[tuple[str, str, int]] = []
    if federation is None:
        return out
    up = [site for site in federation.sites if "machines" in found.get(site, {})]
    for site in up:
        host = reached_at(federation, site, sites.get(site))
        out.append((f"SSH of {site}'s front-end", host, addresses.SSH_PORT))
        if site in federation.quorum_sites:
            out.append((f"Mesos' master at {site}", addresses.front_end(federation, site), addresses.MESOS_MASTER))
            out.append((f"Marathon at {site}", addresses.front_end(federation, site), addresses.MARATHON))
    stacks = set(known_stacks(root)) if up else set()
    for name, pool in read_pools(root, federation).items():
        site = pool.submit_node.site
        if name in stacks and site in up:
            host = reached_at(federation, site, sites.get(site))
            out.append((f"log-in of pool {name}", host, pool.submit_node.ssh_port))
            if pool.via == "framework":
                out.append((f"REST of pool {name}", host, addresses.rest_port(pool)))
    return out


def _port(what: str, host: str, port: int) -> Port:
    return Port(what, f"{host}:{port}", _says(lambda: socket.create_connection((host, port), CONNECT).close()))


def _says(work: Callable[[], None]) -> str:
    try:
        work()
    except TimeoutError:
        return f"no answer in {CONNECT:.0f} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def _cloud(site: str, stack: SiteStack, federation: Federation, root: Path) -> Cloud:
    """Names, sizes, MTU and quotas, by one look at the cloud."""
    from components.iaas.openstack.judge import cloud_problems
    from components.iaas.openstack.look import CloudError, connect, look, settings  # the SDK takes a second to import

    if stack.openstack is None:
        return Cloud(site)
    try:
        facts = look(connect(settings(stack.openstack, local.config(site, "openstack", root))), site, stack, federation)
    except CloudError as error:
        return Cloud(site, True, (("openstack", error.what, error.mend),))
    problems = cloud_problems(site, stack, federation, facts)
    return Cloud(site, False, tuple((f"{p.file}: {p.place}", p.what, p.mend) for p in problems))
