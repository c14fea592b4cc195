"""Who may reach what: nothing is open to the world but the VPN's ports and the pools' log-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, ip_address, ip_network
from urllib.parse import urlsplit

from .containers import APP, Container, containers, decoded, known_name
from .model import UNKNOWN, Facts, Ports, Resource, Violation, shown, text

RULE = "SecGroupRule"
# What rules a machine or the cluster, whatever range of ports it is in: SSH, BGP, Docker, etcd, ZooKeeper, Mesos, the registry,
# Marathon, the frameworks' REST, Graphite, Grafana, the status page.
ADMIN = (
    22,
    179,
    2003,
    2004,
    2181,
    2375,
    2376,
    2379,
    2380,
    2888,
    3888,
    5000,
    5050,
    5051,
    8443,
    8444,
    8445,
    8446,
    *range(8601, 8661),
)
SECURITY = "components/iaas/openstack/security.py"
WIDEST = 8  # a network with a shorter prefix is as good as the whole world

# Where a service is told on which address it listens; all of them are on their machine's network.
LISTENS: Mapping[str, tuple[str, ...]] = {
    "etcd": ("ETCD_LISTEN_PEER_URLS", "ETCD_LISTEN_CLIENT_URLS"),
    "mesos-master": ("MESOS_IP",),
    "mesos-agent": ("MESOS_IP",),
    "marathon": ("MARATHON_HTTPS_ADDRESS",),
    "login-": ("LISTEN",),
    "rest-": ("LISTEN",),
    "graphite": ("LISTEN",),
    "grafana": ("GF_SERVER_HTTP_ADDR",),
    "page": ("LISTEN",),
    "registry": ("LISTEN",),
}
ZOOKEEPER = {"quorumListenOnAllIPs": "false", "admin.enableServer": "false"}


def _whole(value: object) -> int | None:
    found = shown(value)
    return int(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def is_world(prefix: str) -> bool:
    """Whether so many addresses may come in that it is as good as all."""
    try:
        network = ip_network(prefix, strict=False)
    except ValueError:
        return True  # what cannot be read is not let in
    return network.prefixlen < WIDEST and not network.is_private


def ports_closed(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """OpenStack's rules, and ports that containers publish."""
    ingress = resource.type.endswith(f":{RULE}") and text(resource.props.get("direction")) != "egress"
    if ingress and (said := _rule(resource, facts)):
        yield Violation(resource.name, *said)
    for container in containers(resource, facts):
        yield from _published(resource, container, facts)


def _rule(resource: Resource, facts: Facts) -> tuple[str, str, str, str] | None:
    props = resource.props
    if UNKNOWN in (props.get("remoteIpPrefix"), props.get("remoteGroupId")):
        return None
    prefix, protocol = text(props.get("remoteIpPrefix")), text(props.get("protocol"))
    if not prefix and text(props.get("remoteGroupId")):
        return None
    if prefix and not is_world(prefix):
        return None
    first, last = _whole(props.get("portRangeMin")), _whole(props.get("portRangeMax"))
    source = prefix or "everybody"
    if first is None or last is None or not protocol:
        what = f"lets {source} in to every {f'{protocol} port' if protocol else 'port'}"
        return SECURITY, "outside_rules", what, "write a protocol, a port, and the networks that may come in"
    admin = [port for port in ADMIN if first <= port <= last] if protocol == "tcp" else []
    if protocol == "udp" and _within(first, last, facts.vpn_ports):
        return None
    login = protocol == "tcp" and _within(first, last, facts.login_ports)
    if login and not admin:
        return None
    what = f"lets {source} in to " + (
        f"{protocol} port {first}" if first == last else f"{protocol} ports {first}-{last}"
    )
    if admin:
        what += f", by which machines or the cluster are ruled ({_some(admin)})"
    if login:
        return facts.file, "openstack.login_ports", what, "write a range without them, such as 2200-2299"
    mend = "write the networks that may come in; only the VPN's ports and the pools' log-in are for everybody"
    if resource.name.startswith((f"{facts.stack}-ssh-", f"{facts.stack}-rest-")):
        return facts.file, "openstack.operators", what, mend
    return SECURITY, "outside_rules", what, mend


def _within(first: int, last: int, ports: Ports | None) -> bool:
    return ports is not None and ports[0] <= first <= last <= ports[1]


def _some(ports: list[int]) -> str:
    return ", ".join(map(str, ports[:3])) + (" and more" if len(ports) > 3 else "")


def _published(resource: Resource, container: Container, facts: Facts) -> Iterator[Violation]:
    for key, value in container.options:
        if key == "publish-all":
            yield Violation(
                resource.name, container.file, container.place, "publishes all its ports on the host", "remove it"
            )
        elif key == "publish":
            address = value.rpartition(":")[0].rpartition(":")[0].strip("[]")
            if not inside(address, facts):
                mend = "remove it; a pool's containers have addresses of their own"
                if container.kind != APP:
                    mend = "write the address in front, such as 127.0.0.1:5000:5000"
                yield Violation(
                    resource.name,
                    container.file,
                    container.place,
                    f"publishes port {value} {f'on {address}' if address else 'on every address of the host'}",
                    mend,
                )


def inside(address: str, facts: Facts) -> bool:
    """Whether who listens there is reached by the federation's own machines and containers only."""
    try:
        found = ip_address(address)
    except ValueError:
        return address == "localhost"
    if found.is_loopback:
        return True
    return isinstance(found, IPv4Address) and any(found in network for network in facts.lans)


def listens_inside(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """A container on its machine's network listens on one address of the LAN (or the wan of the embedded IaaS)."""
    for container in containers(resource, facts):
        if ("network", "host") not in container.options:
            continue
        own = LISTENS.get(known_name(container.name, LISTENS) or "", ())
        env = container.env or {}
        more = [key for key in env if key not in own and (key == "LISTEN" or "_LISTEN_" in key)]
        for key in [*own, *more]:
            for address in _addresses(env.get(key, "")):
                if not inside(address, facts):
                    yield _open(resource, container, key, address, facts)
        if container.name == "zookeeper":
            yield from _zookeeper(resource, container, facts)


def _open(resource: Resource, container: Container, key: str, address: str, facts: Facts) -> Violation:
    where = f"on {address}" if address not in ("", "0.0.0.0", "::") else "on every address of the machine"
    return Violation(
        resource.name,
        container.file,
        f"{container.place}, {key}",
        f"the container {container.name} listens {where}",
        f"write the machine's own address, which is in {', '.join(map(str, facts.lans)) or 'the LAN'}",
    )


def _addresses(value: str) -> list[str]:
    """The addresses in a list of URLs, of host:port or of hosts; one empty one if there is none."""
    out = []
    for one in value.split(","):
        host = urlsplit(one if "//" in one else f"//{one}").hostname
        out.append(host or "")
    return out


def files(resource: Resource) -> dict[str, str] | None:
    """What a service gets on standard input, by name; None where it is not known."""
    stdin = shown(resource.props.get("stdin"))
    if not isinstance(stdin, str):
        return None
    rows = [line.split(" ", 2) for line in stdin.splitlines()]
    return {row[1]: decoded(row[2]) for row in rows if len(row) == 3}


def _zookeeper(resource: Resource, container: Container, facts: Facts) -> Iterator[Violation]:
    told = files(resource)
    if told is None:
        return
    settings = dict(line.partition("=")[::2] for line in told.get("zoo.cfg", "").splitlines())
    address = settings.get("clientPortAddress", "")
    if not inside(address, facts):
        yield _open(resource, container, "clientPortAddress in zoo.cfg", address, facts)
    for key, value in ZOOKEEPER.items():
        if settings.get(key) != value:
            yield Violation(
                resource.name,
                container.file,
                f"zookeeper_configuration, {key} in zoo.cfg",
                "ZooKeeper listens for members or administrators on every address of the machine",
                f"write {key}={value}",
            )
