"""What the collector is told: its environment (COLLECTOR_...) and the files that it may read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path

FILES = Path("/etc/aerie/collector")
STATE = Path("/var/lib/collector")


class Mistake(ValueError):
    """A setting that is missing or wrong; says which, and what to write."""


@dataclass(frozen=True)
class Config:
    """`address`: the front-end's own in the LAN; `interval`: seconds between two rounds; `files`: ca.crt, operator (Mesos' password), and with `quorum` client.crt, client.key (for etcd)
    and admin (Marathon's password); alerts, if somebody is to be told of alerts (receivers.py). `members`: addresses of all sites
    with a quorum member. `state`: a folder that outlives the container. `history`: where the index of finished jobs is, ADDRESS:PORT
    (then there is a file of that name, with the password of its user `writer`); empty without one."""

    federation: str
    site: str
    address: str
    lan: IPv4Network
    quorum: bool
    graphite: tuple[str, int]
    interval: float = 10.0
    files: Path = FILES
    docker: str = "/run/docker.sock"
    members: tuple[str, ...] = ()
    state: Path = STATE
    history: str = ""

    @property
    def prefix(self) -> str:
        """Before every metric's name."""
        return f"aerie.{self.federation}.{self.site}."

    @property
    def ca(self) -> str:
        return str(self.files / "ca.crt")

    def secret(self, name: str) -> str:
        """The content of one of the files. Raises OSError."""
        return (self.files / name).read_text().strip()


def from_environment(environment: Mapping[str, str]) -> Config:
    """Raises Mistake."""

    def text(name: str) -> str:
        value = environment.get(f"COLLECTOR_{name}", "")
        if not value:
            raise Mistake(f"COLLECTOR_{name} is missing in the environment")
        return value

    def flag(name: str) -> bool:
        value = environment.get(f"COLLECTOR_{name}", "no")
        if value not in ("yes", "no"):
            raise Mistake(f"COLLECTOR_{name} is {value!r}; write yes or no")
        return value == "yes"

    host, _, port = text("GRAPHITE").rpartition(":")
    if not host or not port.isdigit():
        raise Mistake(f"COLLECTOR_GRAPHITE is {text('GRAPHITE')!r}; write ADDRESS:PORT")
    try:
        lan = ip_network(text("LAN"))
        interval = float(environment.get("COLLECTOR_INTERVAL", "10"))
    except ValueError as error:
        raise Mistake(f"COLLECTOR_LAN or COLLECTOR_INTERVAL: {error}; write a network, and seconds") from error
    if not isinstance(lan, IPv4Network) or interval < 1:
        raise Mistake("write an IPv4 network as COLLECTOR_LAN, and COLLECTOR_INTERVAL as one second or more")
    members = tuple(text("MEMBERS").split(",")) if flag("QUORUM") else ()
    own = text("ADDRESS")
    if members and own not in members:
        raise Mistake(
            f"COLLECTOR_MEMBERS is {','.join(members)}; write all sites' with a quorum member, {own} among them"
        )
    history = environment.get("COLLECTOR_HISTORY", "")
    if history and not re.fullmatch(r"[^:]+:\d+", history):
        raise Mistake(f"COLLECTOR_HISTORY is {history!r}; write ADDRESS:PORT, or nothing")
    return Config(
        text("FEDERATION"), text("SITE"), own, lan, flag("QUORUM"), (host, int(port)), interval, members=members, history=history
    )  # fmt: skip
