"""What a rule sees and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any


@dataclass(frozen=True)
class Violation:
    """One thing to mend: which `resource` of the stack ("" is the stack), the `file` and the `place` in it to change, `what` is
    wrong, and the `mend`. Never holds a value that is a secret."""

    resource: str
    file: str
    place: str
    what: str
    mend: str

    def __str__(self) -> str:
        whose = f"{self.resource}: " if self.resource else ""
        return f"{whose}{self.what}; in {self.file}, {self.place}: {self.mend}"


@dataclass(frozen=True)
class Secret:
    """A value that Pulumi keeps encrypted and shows to nobody."""

    value: Any = field(repr=False)


class Unknown:
    """A value that only `pulumi up` will tell."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Resource:
    """One resource. `types` are its own type and before it those of its parents; `props` hold `Secret` and UNKNOWN where the
    engine says so. `retain` is None where nobody tells: the engine does not tell policies of `retain_on_delete`."""

    types: tuple[str, ...]
    name: str
    props: Mapping[str, Any]
    protect: bool = False
    retain: bool | None = None
    secret_outputs: frozenset[str] = frozenset()

    @property
    def type(self) -> str:
        return self.types[-1]

    def within(self, component: str) -> bool:
        """Whether it is part of a component of ours, such as `cluster:Service`."""
        return any(t.endswith(component) for t in self.types[:-1])


Ports = tuple[int, int]


@dataclass(frozen=True)
class Facts:
    """What the configuration says: `stack` is the name, `sites` how many the federation has, `lans` where machines and their
    containers are (LANs, containers, fixed addresses, the embedded wan). `vpn_ports` (UDP), `login_ports` (TCP) and `protect` are of
    a site's stack, `admins` and `managers` (how many central managers) of a pool's."""

    stack: str
    sites: int
    lans: tuple[IPv4Network, ...] = ()
    vpn_ports: Ports | None = None
    login_ports: Ports | None = None
    protect: bool = True
    admins: frozenset[str] = frozenset()
    managers: int = 1

    @property
    def file(self) -> str:
        """The stack's own file."""
        return f"Pulumi.{self.stack}.yaml"


ResourceRule = Callable[[Resource, Facts], Iterator[Violation]]
StackRule = Callable[[Sequence[Resource], Facts], Iterator[Violation]]


def shown(value: Any) -> Any:
    """The value behind a secret, or itself."""
    return shown(value.value) if isinstance(value, Secret) else value


def text(value: Any) -> str:
    """A text, secret or not; "" if it is none or not known."""
    found = shown(value)
    return found if isinstance(found, str) else ""


def items(value: Any) -> list[Any]:
    """A list, secret or not; empty if it is none or not known."""
    found = shown(value)
    return list(found) if isinstance(found, list | tuple) else []


def block(value: Any) -> Mapping[str, Any]:
    """A block of keys, secret or not; empty if it is none or not known."""
    found = shown(value)
    return found if isinstance(found, Mapping) else {}
