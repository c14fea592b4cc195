"""What a machine is asked about the way to an address, and how its answer is read. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from . import bird

MARK = "@@"
SECONDS = 8  # for BIRD's answer

Kind = Literal["via", "link", "container", "local", "blackhole", "none"]


@dataclass(frozen=True)
class Kernel:
    """What the kernel does with a packet: sends it to `gateway` by `device`, or straight to the address on that link, into a
    container, up to itself, away (`blackhole`), or it knows no way (`none`)."""

    kind: Kind
    device: str = ""
    gateway: str = ""


@dataclass(frozen=True)
class Answer:
    """A machine's. `routes` are BIRD's for the address, `sessions` all of its own; if they are missing `trouble` says why."""

    kernel: Kernel
    source: Kernel | None = None  # the way back to where the packet comes from, if that was asked
    routes: tuple[bird.Route, ...] = ()
    sessions: tuple[bird.Protocol, ...] = ()
    now: str = ""
    trouble: str = ""

    @property
    def best(self) -> bird.Route | None:
        """The route that BIRD uses."""
        return next((r for r in self.routes if r.best), None)


@dataclass(frozen=True)
class Container:
    """A running one on a machine. `addresses` by Docker network, without those that share the machine's own network."""

    machine: str
    name: str
    pool: str = ""
    role: str = ""
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The one that other sites reach: on a network of Calico's."""
        return next((a for n, a in self.addresses.items() if n not in ("bridge", "docker0")), "")


def script(address: str, source: str = "") -> str:
    """What to run on a machine: the kernel's decision, and BIRD's; one start of a process in the container."""
    birdc = (
        f'date "+now %Y-%m-%d %H:%M:%S"; echo {MARK}routes; {bird.BIRDC} show route for {address} all; '
        f"echo {MARK}sessions; {bird.BIRDC} show protocols"
    )
    lines = [f"echo {MARK}kernel", f"ip -j route get {shlex.quote(address)} 2>&1"]
    if source:
        lines += [f"echo {MARK}source", f"ip -j route get {shlex.quote(source)} 2>&1"]
    lines += [f"echo {MARK}bird", f"timeout {SECONDS} docker exec calico sh -c {shlex.quote(birdc)} 2>&1"]
    return "\n".join([*lines, "exit 0", ""])


def kernel(text: str) -> Kernel:
    """From `ip -j route get`, or from what it says instead: a blackhole is an invalid argument to it."""
    try:
        route = json.loads(text.strip() or "null")[0]
    except (ValueError, TypeError, IndexError, KeyError):
        blackhole = re.search(r"Invalid argument|Permission denied|No route to host", text)
        return Kernel("blackhole" if blackhole else "none")
    device, gateway = str(route.get("dev", "")), str(route.get("gateway", ""))
    if route.get("type") in ("blackhole", "unreachable", "prohibit"):
        return Kernel("blackhole")
    if route.get("type") == "local":
        return Kernel("local", device)
    if gateway:
        return Kernel("via", device, gateway)
    return Kernel("container" if device.startswith("cali") else "link", device)


def read(text: str) -> Answer:
    """The machine's whole answer."""
    parts = {}
    for part in re.split(rf"^{MARK}", text, flags=re.M)[1:]:
        name, _, body = part.partition("\n")
        parts[name] = body
    now = re.search(r"^now (.*)$", parts.get("bird", ""), flags=re.M)
    found = bird.protocols(parts.get("sessions", ""))
    trouble = ""
    if "sessions" not in parts or "Name" not in parts["sessions"]:
        said = [
            line for key in ("bird", "routes", "sessions") for line in parts.get(key, "").splitlines() if line.strip()
        ]
        said = [line for line in said if not line.startswith("now ")]
        trouble = said[-1].strip()[:160] if said else f"BIRD gives no answer in {SECONDS} s"
    return Answer(
        kernel(parts.get("kernel", "")),
        kernel(parts["source"]) if "source" in parts else None,
        bird.routes(parts.get("routes", "")),
        found,
        now[1] if now else "",
        trouble,
    )


_ENVIRONMENT = '{{range .Config.Env}}{{$k := printf "%.11s" .}}{{if or (eq $k "AERIE_POOL=") (eq $k "AERIE_ROLE=")}} {{.}}{{end}}{{end}}'
_ADDRESSES = "{{range $n, $c := .NetworkSettings.Networks}}{{if $c.IPAddress}} {{$n}}={{$c.IPAddress}}{{end}}{{end}}"
# Of a container's environment nothing else is asked, since that holds secrets.
INVENTORY = f"docker ps -q | xargs -r docker inspect -f {shlex.quote('{{.Name}}' + _ENVIRONMENT + _ADDRESSES)}\n"


def inventory(machine: str, text: str) -> tuple[Container, ...]:
    """The containers that run on the machine, from its answer to INVENTORY."""
    out = []
    for name, *words in (line.split() for line in text.splitlines() if line.startswith("/")):
        values = dict(word.split("=", 1) for word in words if "=" in word)
        pool, role = values.pop("AERIE_POOL", ""), values.pop("AERIE_ROLE", "")
        out.append(Container(machine, name.removeprefix("/"), pool, role, values))
    return tuple(out)


def with_address(containers: Iterable[Container], address: str) -> Container | None:
    """The one that has it."""
    return next((c for c in containers if address in c.addresses.values()), None)
