"""The service's configuration: MARATHON_* variables and the command line's flags.  Every problem is reported at once."""

from __future__ import annotations

import difflib
import logging
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesos_client import Detector, StaticDetector, ZooKeeperDetector, ZooKeeperUrl, ZooKeeperUrlError

from .core.definition import Rules
from .readers import flag as _flag
from .settings import ALIASES, EITHER, ONLY, READ, REFUSED, TOGGLES, WITHOUT_EFFECT, known

PREFIX = "MARATHON_"
# Set in every task that Marathon starts, and so also where this service is one.
_OF_TASKS = re.compile(r"APP_(ID|VERSION|DOCKER_IMAGE|LABELS|LABEL_.*|RESOURCE_.*)")


class ConfigError(Exception):
    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Config:
    """Times in seconds."""

    master: str
    zk: ZooKeeperUrl
    hostname: str
    zk_session_timeout: float = 10.0
    zk_timeout: float = 10.0
    zk_connection_timeout: float = 10.0
    zk_max_versions: int = 50
    zk_max_node_size: int = 1_000_000
    http_address: str = "0.0.0.0"
    http_port: int = 8080
    https_address: str = "0.0.0.0"
    https_port: int = 8443
    disable_http: bool = False
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    http_realm: str = "Mesosphere"
    http_max_concurrent_requests: int | None = None
    http_compression: bool = True
    allow_origin: tuple[str, ...] = ()
    proxy_connect_timeout: float = 5.0
    proxy_read_timeout: float = 10.0
    proxy_max_connections: int = 64
    proxy_ignore_hostname: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    mesos_tls_ca: Path | None = None
    principal: str | None = None
    secret: str | None = field(default=None, repr=False)
    mesos_user: str = "root"
    mesos_role: str = "*"
    mesos_bridge_name: str = "mesos-bridge"
    mesos_leader_ui_url: str | None = None
    mesos_authentication: bool = True
    accepted_roles: str = "any"
    framework_name: str = "marathon"
    failover_timeout: float = 604800.0
    checkpoint: bool = True
    suppress_offers: bool = True
    webui_url: str | None = None
    task_launch_timeout: float = 300.0
    launch_tokens: int = 1000
    launch_token_refresh_interval: float = 30.0
    decline_offer_duration: float = 120.0
    min_revive_interval: float = 0.25
    reconciliation_interval: float = 600.0
    default_network: str | None = None
    env_prefix: str = ""
    local_port_min: int = 10000
    local_port_max: int = 20000
    max_apps: int | None = None
    max_running_deployments: int = 100
    features: tuple[str, ...] = ()
    deprecated_features: tuple[str, ...] = ()
    metrics_prefix: str = "marathon"
    metrics_prometheus: bool = True
    logging_level: int = logging.INFO
    logstash: str | None = None
    tracing: bool = False
    without_effect: Mapping[str, str] = field(default_factory=dict)  # settings that are given for nothing, and why

    @property
    def rules(self) -> Rules:
        return Rules(
            role=self.mesos_role,
            default_network=self.default_network,
            service_ports=(self.local_port_min, self.local_port_max),
            bridge=self.mesos_bridge_name,
            accepted_roles=self.accepted_roles,
            drop_wrong_roles="sanitize_accepted_resource_roles" in self.deprecated_features,
            ignore_unknown="ignore_unknown_fields" in self.deprecated_features,
            max_apps=self.max_apps,
            max_deployments=self.max_running_deployments,
            max_versions=self.zk_max_versions,
        )

    @property
    def login(self) -> tuple[str, str] | None:
        """Principal and secret to authenticate with at the master."""
        return (self.principal, self.secret) if self.principal and self.secret and self.mesos_authentication else None

    @property
    def https(self) -> bool:
        return self.tls_cert is not None

    @property
    def identity(self) -> str:
        """host:port, as /v2/leader shows it."""
        return f"{self.hostname}:{self.https_port if self.https else self.http_port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.https else 'http'}://{self.identity}"

    def server_tls(self) -> ssl.SSLContext | None:
        if self.tls_cert is None or self.tls_key is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.tls_cert, self.tls_key)
        return context

    def client_tls(self) -> ssl.SSLContext | None:
        """For calls to the other instances: their certificates must come from our CA."""
        if self.tls_ca is None:
            return None
        context = ssl.create_default_context(cafile=str(self.tls_ca))
        context.check_hostname = not self.proxy_ignore_hostname
        return context

    def mesos_tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=str(self.mesos_tls_ca)) if self.mesos_tls_ca else None

    def detector(self) -> Detector:
        if self.master.startswith(("zk://", "file://")):
            return ZooKeeperDetector(ZooKeeperUrl.parse(self.master), self.zk_session_timeout)
        return StaticDetector([m.strip().removeprefix("http://").rstrip("/") for m in self.master.split(",")])


def load(environ: Mapping[str, str], arguments: Sequence[str] = ()) -> Config:
    """From variables, and the words of a command line.  Raises ConfigError with every problem."""
    problems: list[str] = []
    given = _variables(environ)
    for name, text in _flags(arguments, problems).items():
        if name in given:
            problems.append(f"--{name.lower()}: is given as {given[name][0]} too; give one of them")
        given[name] = (f"--{name.lower()}", text)
    values: dict[str, Any] = {}
    without: dict[str, str] = {}
    for name, (shown, text) in sorted(given.items()):
        try:
            _read(name, text, values, without)
        except (ValueError, OSError, UnicodeDecodeError) as e:
            problems.append(f"{shown}: {e}")
    for pair in EITHER:
        if all(p in given for p in pair):
            problems.append(f"{given[pair[0]][0]} and {given[pair[1]][0]}: give one of them")
    if "MASTER" not in given:
        problems.append(f"{PREFIX}MASTER: must be set: zk://host:port,.../mesos, file:///path or host:port")
    values.setdefault("hostname", socket.gethostname())
    if "ZK" not in given:
        values["zk"] = ZooKeeperUrl.parse("zk://localhost:2181/marathon")
    problems += _together(values)
    if problems:
        raise ConfigError(problems)
    return Config(**values, without_effect=without)


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name without the prefix -> (as it was given, its text)."""
    found = {
        name.removeprefix(PREFIX): (name, text)
        for name, text in environ.items()
        if name.startswith(PREFIX) and not _OF_TASKS.fullmatch(name.removeprefix(PREFIX))
    }
    for other, name in ALIASES.items():
        if other in environ and name not in found:
            found[name] = (other, environ[other])
    return found


def _flags(arguments: Sequence[str], problems: list[str]) -> dict[str, str]:
    """--name value, --name=value; a flag that is on or off has no value."""
    found: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            problems.append(f"{word}: flags begin with --")
            continue
        text, equals, value = word[2:].partition("=")
        name = text.replace("-", "_").upper()
        short = name.removeprefix("DISABLE_")
        alone = name == "DISABLE_HTTP" or (short in TOGGLES or short in ("HA", "MAINTENANCE_MODE", "ZK_COMPRESSION"))
        if not equals and not alone:
            if not words:
                problems.append(f"--{text}: needs a value")
                continue
            value = words.pop(0)
        if name in found:
            problems.append(f"--{text}: is given twice")
        found[name] = value
    return found


def _read(name: str, text: str, values: dict[str, Any], without: dict[str, str]) -> None:
    """Puts a setting where it belongs.  Raises ValueError or OSError."""
    short = name.removeprefix("DISABLE_")
    if name in READ:
        key, read = READ[name]
        values[key] = read(text)
    elif short in TOGGLES:
        on = _flag(text)
        key, value = TOGGLES[short], on if name == short else not on
        if values.get(key, value) is not value:
            raise ValueError(f"contradicts {PREFIX}{short}: give one of them")
        values[key] = value
    elif name in REFUSED:
        raise ValueError(REFUSED[name])
    elif short in REFUSED and name != short:
        return  # what is refused is off anyhow
    elif name in ONLY:
        allowed, why = ONLY[name]
        if text not in allowed:
            raise ValueError(f"{text!r} cannot be had: {why}")
    elif short in WITHOUT_EFFECT:
        without[name] = WITHOUT_EFFECT[short]
    else:
        near = difflib.get_close_matches(name, known(), 1)
        hint = f" (did you mean {PREFIX}{near[0]}?)" if near else ""
        raise ValueError(f"not a setting of this service{hint}")


def _together(values: dict[str, Any]) -> list[str]:
    problems = []
    if ("tls_cert" in values) != ("tls_key" in values):
        problems.append("MARATHON_TLS_CERT_FILE and MARATHON_TLS_KEY_FILE: give both or none")
    if values.get("disable_http") and "tls_cert" not in values:
        problems.append("MARATHON_DISABLE_HTTP: without a TLS certificate nothing would listen")
    if "tls_cert" in values and "tls_ca" not in values:
        problems.append("MARATHON_TLS_CA_FILE: is needed to reach the leading instance by TLS")
    if "secret" in values and "principal" not in values:
        problems.append("MARATHON_MESOS_AUTHENTICATION_PRINCIPAL: is needed with a secret")
    if values.get("mesos_authentication") and "secret" not in values:
        problems.append(
            "MARATHON_MESOS_AUTHENTICATION: needs MARATHON_MESOS_AUTHENTICATION_PRINCIPAL and its _SECRET_FILE"
        )
    if (master := values.get("master", "")).startswith(("zk://", "file://")):
        try:
            ZooKeeperUrl.parse(master)
        except ZooKeeperUrlError as e:
            problems.append(f"MARATHON_MASTER: {e}")
    if values.get("local_port_min", 10000) >= values.get("local_port_max", 20000):
        problems.append("MARATHON_LOCAL_PORT_MIN: must be below MARATHON_LOCAL_PORT_MAX")
    return problems
