"""What `aerie doctor` found out, before anybody judges it. Plain values, so that all of it fits in a JSON file."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Here:
    """This machine. `docker`: its engine's version, "" if none answers, and then `docker_says` why. `ports_taken` are those that the
    federation needs and another program has; `open_files`, in AERIE_HOME, are secrets that others may read. `packages`: those that
    requirements.txt pins and the environment has in another version, or not (""), as (name, wanted, there)."""

    docker: str = ""
    docker_says: str = ""
    disk: str = "/"
    disk_free_gb: float = 0.0
    home: str = ""
    home_free_gb: float = 0.0
    memory_gb: float = 0.0
    ports_taken: tuple[str, ...] = ()
    commands_missing: tuple[str, ...] = ()
    open_files: tuple[str, ...] = ()
    python: str = ""
    packages: tuple[tuple[str, str, str], ...] = ()
    pulumi: str = ""
    plugins_missing: tuple[str, ...] = ()
    embedded: bool = True  # whether machines are made by this machine's own Docker engine


@dataclass(frozen=True)
class Backend:
    """Where Pulumi's state is. `says` is why its stacks cannot be listed; `secrets` why secrets cannot be read; "" if they can.
    `locks` are (stack, who holds it, whether that process is known to have ended) of stacks that are being changed."""

    url: str = ""
    says: str = ""
    secrets: str = ""
    stacks: tuple[str, ...] = ()
    locks: tuple[tuple[str, str, bool], ...] = ()


@dataclass(frozen=True)
class Cloud:
    """What is wrong with an OpenStack site in view of its cloud, each as (key of its file, what, mend). `credentials`: it could not
    be asked at all."""

    site: str
    credentials: bool = False
    problems: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Machine:
    """One machine, as it told. If it was not `reached`, `trouble` says why and the rest is empty.

    `offset`: seconds that its clock is ahead of this machine's, give or take `unsure`. `mtus` by interface, `images` by container.
    `index`: why the index of finished jobs that runs there does not answer, "" if it does, None if none runs there."""

    name: str
    site: str
    address: str
    reached: bool
    trouble: str = ""
    offset: float | None = None
    unsure: float = 0.0
    docker: str = ""
    docker_says: str = ""
    disk_free_gb: float | None = None
    memory_free_mb: int | None = None
    mtus: dict[str, int] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    index: str | None = None


@dataclass(frozen=True)
class Port:
    """A TCP port that this machine has to reach. `says` is why it does not, "" if it does."""

    what: str
    address: str
    says: str = ""


@dataclass(frozen=True)
class Wanted:
    """What the files and this checkout say. `images`: the tag of each image; MTUs in bytes; `up`: sites whose stack is up; `history`: the site
    that is to have the index of finished jobs, "" for none."""

    federation: str = ""
    configuration: tuple[str, ...] = ()
    vpn_mtu: int = 1420
    mtu: int = 1380
    wan_mtu: int = 1500
    images: dict[str, str] = field(default_factory=dict)
    up: tuple[str, ...] = ()
    pulumi_oldest: str = "0"
    history: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything. `unasked`: parts that were left out, and why."""

    wanted: Wanted = Wanted()
    here: Here = Here()
    backend: Backend = Backend()
    clouds: tuple[Cloud, ...] = ()
    machines: tuple[Machine, ...] = ()
    ports: tuple[Port, ...] = ()
    unasked: tuple[str, ...] = ()
    seconds: float = 0.0


FACTS = TypeAdapter(Facts)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or (`bad` is False) only good to know: where, what, and what mends it."""

    check: str
    where: str
    what: str
    mend: str
    bad: bool = True
