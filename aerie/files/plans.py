"""What a command changes in the files, as their new texts. Pure: facts in, texts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network

from components.spec.model import Embedded, Federation, Images, Network, Pool, Site, SiteStack

from . import choose, texts
from .blocks import add_entry, remove_entry

FEDERATION = "federation.yaml"
Texts = dict[str, str | None]


def stack_file(name: str) -> str:
    """The file of a stack."""
    return f"Pulumi.{name}.yaml"


def add_site(
    text: str,
    federation: Federation,
    name: str,
    machines: texts.Machines,
    host: Iterable[IPv4Network] = (),
    endpoint: str = "",
    quorum: bool = False,
    links: Sequence[str] = (),
) -> Texts:
    """`text` is federation.yaml's. Raises NoneFree, NoBlock, or ValueError if there is such a site."""
    new = choose.new_site(federation, host, endpoint)
    return {
        FEDERATION: add_entry(text, "sites", name, texts.site_lines(new, quorum, links)),
        stack_file(name): texts.site_stack(machines),
    }


def remove_site(text: str, name: str, has_file: bool) -> Texts:
    """Raises NoBlock, or ValueError if there is no such site, or no other."""
    out: Texts = {FEDERATION: remove_entry(text, "sites", name)}
    return out | ({stack_file(name): None} if has_file else {})


def pools_of(site: str, pools: Mapping[str, Pool]) -> list[str]:
    """The pools whose files name the site."""
    return [name for name, pool in pools.items() if site in pool.sites]


def add_pool(
    federation: Federation,
    stacks: Mapping[str, SiteStack],
    pools: Mapping[str, Pool],
    name: str,
    user: str,
    sites: Sequence[str] = (),
    submit_site: str = "",
    number: int = 0,
    ssh_port: int = 0,
    keys: Sequence[str] = (),
    executors: int | None = None,
    cpus: float = 1,
    memory: int = 1024,
    share: tuple[float, int] | None = None,
    most: int = 0,
) -> Texts:
    """What is not given is chosen: all sites, the first of them for the submit node, numbers that are free, an executor a site
    (one by a framework). With `share` it is run by a framework. Raises NoneFree."""
    where = list(sites) or list(federation.sites)
    at = submit_site or where[0]
    pool = texts.NewPool(
        where,
        at,
        number or choose.pool_number(federation, pools),
        ssh_port or choose.ssh_port(at, stacks.get(at), pools),
        user,
        choose.uid(user, pools),
        keys,
        () if keys else (f"$AERIE_HOME/ssh/{user}.pub",),
        executors if executors is not None else (1 if share else len(where)),
        cpus,
        memory,
        "framework" if share else "marathon",
        share,
        most,
    )
    return {stack_file(name): texts.pool_stack(pool)}


def first_files(
    name: str,
    sites: Sequence[str],
    machines: texts.Machines,
    host: Iterable[IPv4Network] = (),
    registry: str = "",
    endpoints: Mapping[str, str] | None = None,
    pool: str = "",
    user: str = "demo",
    keys: Sequence[str] = (),
) -> Texts:
    """A whole new federation: all its files. `endpoints` of sites that are not on this machine. Raises NoneFree, ValidationError."""
    networks, embedded = choose.networks(host), machines.cloud is None
    there = registry or f"{networks.wan.network_address + 1}:5000"
    net = Network(lans=networks.lans, containers=networks.containers, fixed=networks.fixed)
    # Not validated, as it has no site yet: they are chosen one after the other, each clear of those before it.
    federation = Federation.model_construct(
        name=name, network=net, images=Images(registry=there), embedded=Embedded(wan=networks.wan), sites={}
    )
    chosen: dict[str, tuple[choose.NewSite, bool]] = {}
    members = choose.quorum(len(sites))
    for i, site in enumerate(sites):
        new = choose.new_site(federation, host, (endpoints or {}).get(site, ""), len(sites))
        chosen[site] = (new, i < members)
        federation = with_site(federation, site, new)
    out: Texts = {
        FEDERATION: texts.federation(name, networks, there, embedded, chosen),
        stack_file("federation"): texts.federation_stack(),
    }
    out |= {stack_file(site): texts.site_stack(machines) for site in sites}
    if pool:
        stacks = {s: SiteStack(iaas="docker") for s in sites} if embedded else {}
        out |= add_pool(federation, stacks, {}, pool, user, keys=keys)
    return out


def with_site(federation: Federation, name: str, new: choose.NewSite) -> Federation:
    """The same federation with one site more."""
    site = Site(as_number=new.as_number, lan=new.lan, containers=new.containers, vpn_endpoint=new.vpn_endpoint)
    return federation.model_copy(update={"sites": {**federation.sites, name: site}})
