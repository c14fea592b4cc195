"""The framework's configuration: AERIE_FRAMEWORK, base64 of JSON. Every problem is reported at once, none with a secret in it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesos_client import ZooKeeperUrl, ZooKeeperUrlError

from . import VARIABLE
from .core.model import Role, Size
from .core.view import ExecutorTemplate, Overhead, RoleTemplate
from .strict import Section

FAILOVER_TIMEOUT = 604800.0  # seconds: so long may the scheduler be away until Mesos ends its tasks
_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS = r"[A-Za-z0-9_.\-\[\]:]+:\d{1,5}"
_PEM = r".*-----BEGIN [A-Z ]+-----.+-----END [A-Z ]+-----.*"


class ConfigError(Exception):
    """`problems`: one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class MesosConfig:
    """`masters`: host:port. `ca`: PEM; "" for plain HTTP."""

    masters: tuple[str, ...]
    principal: str
    secret: str = field(repr=False)
    role: str
    user: str
    ca: str = ""

    def tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cadata=self.ca) if self.ca else None


@dataclass(frozen=True)
class RestConfig:
    """`certificate` (with its chain) and `key`: PEM; both "" for plain HTTP."""

    port: int
    certificate: str
    key: str = field(repr=False)
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class CondorConfig:
    """How to speak to the pool: `collectors` host:port, `config` lines of configuration, `tokens` IDTOKENs, `domain` of identities."""

    collectors: tuple[str, ...]
    config: str
    tokens: tuple[str, ...] = field(repr=False)
    domain: str = ""


@dataclass(frozen=True)
class Container:
    """What one role's tasks are made of. `size`: the container's (for executors that of a fixed one). `kill_grace` in seconds.
    `constraints`: an agent's attribute to the values it may have. `parameters`: of `docker run`, in order."""

    name: str
    role: Role
    size: Size
    network: str
    constraints: Mapping[str, frozenset[str]]
    pinned: bool
    kill_grace: float
    parameters: tuple[tuple[str, str], ...]
    env: Mapping[str, str] = field(repr=False)
    template: str = ""


@dataclass(frozen=True)
class Config:
    pool: str
    number: int
    domain: str
    mesos: MesosConfig
    zookeeper: ZooKeeperUrl
    rest: RestConfig
    condor: CondorConfig
    image: str
    sites: tuple[str, ...]
    overhead: Overhead
    roles: tuple[Container, ...]
    executor: Container

    def role_templates(self) -> tuple[RoleTemplate, ...]:
        return tuple(RoleTemplate(c.name, c.role, c.size, c.constraints, c.template, c.pinned) for c in self.roles)

    def executor_template(self) -> ExecutorTemplate:
        slots = whole_slots(self.overhead.slots(self.executor.size))
        return ExecutorTemplate(slots, self.executor.constraints, self.executor.template, self.overhead)

    def container_of(self, name: str) -> Container | None:
        """By a role's name; None if the pool has no such role."""
        return next((c for c in self.roles if c.name == name), None)


def whole_slots(slots: Size) -> Size:
    """Slots as HTCondor is told them: whole cores and MiB."""
    return Size(*(float(math.floor(x + 1e-6)) for x in (slots.cpus, slots.memory, slots.disk, slots.gpus)))


def load(environ: Mapping[str, str]) -> Config:
    """Raises ConfigError."""
    text = environ.get(VARIABLE)
    if not text:
        raise ConfigError([f"{VARIABLE} must be set: base64 of the framework's configuration"])
    try:
        raw = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError) as e:
        # A JSONDecodeError quotes nothing of the text.
        raise ConfigError([f"{VARIABLE} is not base64 of JSON: {type(e).__name__}"]) from None
    return parse(raw)


def parse(raw: Any) -> Config:
    """Raises ConfigError with every problem."""
    top = Section(raw)
    overhead_section = top.section("overhead")
    overhead = Overhead(overhead_section.number("base"), overhead_section.number("per_core"))
    overhead_section.done()
    image = top.text("image")
    domain = top.text("domain", pattern=r"[a-z0-9.-]+", what="a domain name")
    roles = tuple(_container(s, image, None) for s in top.sections("roles"))
    executor = _container(top.section("executor"), image, Role.EXECUTOR)
    config = Config(
        pool=top.text("pool", pattern=_NAME, what="a name of lower-case letters, digits and -"),
        number=top.integer("number", low=0, high=9999),
        domain=domain,
        mesos=_mesos(top.section("mesos")),
        zookeeper=_zookeeper(top),
        rest=_rest(top.section("rest")),
        condor=_condor(top.section("condor"), domain),
        image=image,
        sites=top.texts("sites", least=1),
        overhead=overhead,
        roles=roles,
        executor=executor,
    )
    top.done()
    _together(top, config)
    if top.problems:
        raise ConfigError(top.problems)
    return config


def _together(top: Section, config: Config) -> None:
    names = [c.name for c in config.roles]
    for name in sorted({n for n in names if names.count(n) > 1}):
        top.wrong("roles", f"{name} is there twice")
    for role in (Role.CENTRAL_MANAGER, Role.SUBMIT):
        if config.roles and not any(c.role is role for c in config.roles):
            top.wrong("roles", f"has no {role.value}")
    if top.problems:
        return
    slots = whole_slots(config.overhead.slots(config.executor.size))
    if slots.cpus < 1:
        top.wrong("executor.cpus", "must be 1 at least: slots have whole cores")
    if slots.memory < 1:
        top.wrong("executor.memory", "is not enough for the executor's own daemons (overhead)")


def _mesos(s: Section) -> MesosConfig:
    found = MesosConfig(
        masters=s.texts("masters", least=1),
        principal=s.text("principal"),
        secret=s.text("secret"),
        role=s.text("role", pattern=r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", what="a role of Mesos other than *"),
        user=s.text("user"),
        ca=s.text("ca", "", pattern=rf"|{_PEM}", what="a certificate in PEM"),
    )
    for n, master in enumerate(found.masters):
        _address(s, f"masters.{n}", master)
    if found.ca:
        try:
            found.tls()
        except (ssl.SSLError, ValueError):
            s.wrong("ca", "is no certificate that can be read")
    s.done()
    return found


def _address(s: Section, key: str, text: str) -> None:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        s.wrong(key, "must be host:port")


def _zookeeper(top: Section) -> ZooKeeperUrl:
    text = top.text("zookeeper", pattern=r"zk://.+", what="zk://user:password@host:port,.../path")
    try:
        url = ZooKeeperUrl.parse(text)
    except ZooKeeperUrlError as e:
        if text:
            top.wrong("zookeeper", str(e))
        return ZooKeeperUrl((), "/")
    if url.path == "/":
        top.wrong("zookeeper", "must have a path below which the state is kept")
    return url


def _rest(s: Section) -> RestConfig:
    found = RestConfig(
        port=s.integer("port", low=1, high=65535),
        certificate=s.text("certificate", pattern=_PEM, what="a certificate in PEM"),
        key=s.text("key", pattern=_PEM, what="a private key in PEM"),
        user=s.text("user", pattern=r"[^:]+", what="a name without a colon"),
        password=s.text("password"),
    )
    s.done()
    return found


def _condor(s: Section, domain: str) -> CondorConfig:
    found = CondorConfig(
        collectors=s.texts("collectors", least=1),
        config=s.text("config", "", pattern=r".*"),
        tokens=s.texts("tokens"),
        domain=domain,
    )
    for n, collector in enumerate(found.collectors):
        _address(s, f"collectors.{n}", collector)
    s.done()
    return found


def _container(s: Section, image: str, role: Role | None) -> Container:
    if role is None:
        name = s.text("name", pattern=_NAME, what="a name of lower-case letters, digits and -")
        word = s.text("role", pattern="central-manager|submit", what="central-manager or submit")
        role = Role(word) if word else Role.SUBMIT
    else:
        name = s.text("name", role.value, pattern=role.value, what=role.value)
        s.text("role", role.value, pattern=role.value, what=role.value)
    wanted = s.section("constraints", {})
    found = Container(
        name=name,
        role=role,
        size=Size(
            s.number("cpus", low=0.01), s.number("memory", low=1), s.number("disk", 0), s.number("gpus", 0, whole=True)
        ),
        network=s.text("network"),
        constraints={key: frozenset(wanted.texts(key)) for key in wanted.names()},
        pinned=s.flag("pinned", False),
        kill_grace=s.number("kill_grace", high=86400),
        parameters=s.pairs("parameters"),
        env=s.text_map("env"),
    )
    wanted.done()
    s.done()
    made_of = [
        image,
        role.value,
        [found.size.cpus, found.size.memory, found.size.disk, found.size.gpus],
        found.network,
        {k: sorted(v) for k, v in found.constraints.items()},
        found.kill_grace,
        found.parameters,
        dict(found.env),
    ]
    text = json.dumps(made_of, sort_keys=True, separators=(",", ":"))
    return Container(**{**found.__dict__, "template": hashlib.sha256(text.encode()).hexdigest()[:16]})
