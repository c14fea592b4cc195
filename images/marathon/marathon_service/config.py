"""The service's configuration, from MARATHON_* environment variables.  Every problem is reported at once."""

from __future__ import annotations

import difflib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesos_client import Detector, StaticDetector, ZooKeeperDetector, ZooKeeperUrl, ZooKeeperUrlError

PREFIX = "MARATHON_"


class ConfigError(Exception):
    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _number(low: float, high: float = 1e12) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(f"must be from {low:g} to {high:g}")
        return value

    return read


def _port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise ValueError("must be a port from 1 to 65535")
    return value


def _flag(text: str) -> bool:
    if text.lower() in ("", "true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise ValueError("must be true or false")


def _milliseconds(text: str) -> float:
    return _number(1)(text) / 1000.0


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {text}")
    return path


def _word(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


# Name without the prefix -> (field of Config, how to read it)
READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "MASTER": ("master", _word),
    "ZK": ("zk", ZooKeeperUrl.parse),
    "ZK_SESSION_TIMEOUT": ("zk_session_timeout", _milliseconds),
    "ZK_MAX_VERSIONS": ("zk_max_versions", lambda t: int(_number(1, 10000)(t))),
    "ZK_MAX_NODE_SIZE": ("zk_max_node_size", lambda t: int(_number(1024)(t))),
    "HOSTNAME": ("hostname", _word),
    "HTTP_ADDRESS": ("http_address", _word),
    "HTTP_PORT": ("http_port", _port),
    "HTTPS_ADDRESS": ("https_address", _word),
    "HTTPS_PORT": ("https_port", _port),
    "DISABLE_HTTP": ("disable_http", _flag),
    "HTTP_CREDENTIALS": ("credentials", lambda t: _credentials([t])),
    "HTTP_CREDENTIALS_FILE": (
        "credentials",
        lambda t: _credentials(_file(t).read_text("utf-8").splitlines()),
    ),
    "TLS_CERT_FILE": ("tls_cert", _file),
    "TLS_KEY_FILE": ("tls_key", _file),
    "TLS_CA_FILE": ("tls_ca", _file),
    "MESOS_TLS_CA_FILE": ("mesos_tls_ca", _file),
    "MESOS_AUTHENTICATION_PRINCIPAL": ("principal", _word),
    "MESOS_AUTHENTICATION_SECRET": ("secret", _word),
    "MESOS_AUTHENTICATION_SECRET_FILE": ("secret", lambda t: _word(_file(t).read_text("utf-8"))),
    "MESOS_USER": ("mesos_user", _word),
    "MESOS_ROLE": ("mesos_role", _word),
    "FRAMEWORK_NAME": ("framework_name", _word),
    "FAILOVER_TIMEOUT": ("failover_timeout", _number(0)),
    "WEBUI_URL": ("webui_url", _word),
    "TASK_LAUNCH_TIMEOUT": ("task_launch_timeout", _milliseconds),
    "DECLINE_OFFER_DURATION": ("decline_offer_duration", _milliseconds),
    "MIN_REVIVE_OFFERS_INTERVAL": ("min_revive_interval", _milliseconds),
    "RECONCILIATION_INTERVAL": ("reconciliation_interval", _milliseconds),
    "DEFAULT_NETWORK_NAME": ("default_network", _word),
    "ENV_VARS_PREFIX": ("env_prefix", str),
    "LOCAL_PORT_MIN": ("local_port_min", _port),
    "LOCAL_PORT_MAX": ("local_port_max", _port),
    "LOGGING_LEVEL": ("logging_level", lambda t: _word(t).upper()),
}
# Of one pair, one only: both set would leave open which counts.
EITHER = (
    ("HTTP_CREDENTIALS", "HTTP_CREDENTIALS_FILE"),
    ("MESOS_AUTHENTICATION_SECRET", "MESOS_AUTHENTICATION_SECRET_FILE"),
)


def _credentials(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (stripped for x in lines if (stripped := x.strip()) and not stripped.startswith("#")):
        user, colon, password = line.partition(":")
        if not user or not colon or not password:
            raise ValueError("must be user:password")
        found[user] = password
    if not found:
        raise ValueError("holds no user:password")
    return found


@dataclass(frozen=True)
class Config:
    """Times in seconds."""

    master: str
    zk: ZooKeeperUrl
    hostname: str
    zk_session_timeout: float = 10.0
    zk_max_versions: int = 50
    zk_max_node_size: int = 1_000_000
    http_address: str = "0.0.0.0"
    http_port: int = 8080
    https_address: str = "0.0.0.0"
    https_port: int = 8443
    disable_http: bool = False
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    mesos_tls_ca: Path | None = None
    principal: str | None = None
    secret: str | None = field(default=None, repr=False)
    mesos_user: str = "root"
    mesos_role: str = "*"
    framework_name: str = "marathon"
    failover_timeout: float = 604800.0
    webui_url: str | None = None
    task_launch_timeout: float = 300.0
    decline_offer_duration: float = 120.0
    min_revive_interval: float = 0.25
    reconciliation_interval: float = 600.0
    default_network: str | None = None
    env_prefix: str = ""
    local_port_min: int = 10000
    local_port_max: int = 20000
    logging_level: str = "INFO"

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
        return ssl.create_default_context(cafile=str(self.tls_ca)) if self.tls_ca else None

    def mesos_tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=str(self.mesos_tls_ca)) if self.mesos_tls_ca else None

    def detector(self) -> Detector:
        if self.master.startswith(("zk://", "file://")):
            return ZooKeeperDetector(ZooKeeperUrl.parse(self.master), self.zk_session_timeout)
        return StaticDetector([m.strip() for m in self.master.split(",")])


def load(environ: Mapping[str, str]) -> Config:
    """Raises ConfigError with every problem."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        short = name.removeprefix(PREFIX)
        if short not in READERS:
            near = difflib.get_close_matches(short, READERS, 1)
            hint = f" (did you mean {PREFIX}{near[0]}?)" if near else ""
            problems.append(f"{name}: not a setting of this service{hint}")
            continue
        key, read = READERS[short]
        try:
            values[key] = read(text)
        except (ValueError, OSError, UnicodeDecodeError) as e:
            problems.append(f"{name}: {e}")
    for pair in EITHER:
        if all(PREFIX + p in environ for p in pair):
            problems.append(f"{PREFIX}{pair[0]} and {PREFIX}{pair[1]}: give one of them")
    problems += [
        f"{PREFIX}{name}: must be set" for name in ("MASTER", "ZK", "HOSTNAME") if PREFIX + name not in environ
    ]
    problems += _together(values)
    if problems:
        raise ConfigError(problems)
    return Config(**values)


def _together(values: dict[str, Any]) -> list[str]:
    problems = []
    if ("tls_cert" in values) != ("tls_key" in values):
        problems.append("MARATHON_TLS_CERT_FILE and MARATHON_TLS_KEY_FILE: give both or none")
    if values.get("disable_http") and "tls_cert" not in values:
        problems.append("MARATHON_DISABLE_HTTP: without a TLS certificate nothing would listen")
    if "tls_cert" in values and "tls_ca" not in values:
        problems.append("MARATHON_TLS_CA_FILE: is needed to reach the leading instance by TLS")
    if ("principal" in values) != ("secret" in values):
        problems.append("MARATHON_MESOS_AUTHENTICATION_PRINCIPAL and its _SECRET_FILE: give both or none")
    if (master := values.get("master", "")).startswith(("zk://", "file://")):
        try:
            ZooKeeperUrl.parse(master)
        except ZooKeeperUrlError as e:
            problems.append(f"MARATHON_MASTER: {e}")
    if values.get("local_port_min", 10000) >= values.get("local_port_max", 20000):
        problems.append("MARATHON_LOCAL_PORT_MIN: must be below MARATHON_LOCAL_PORT_MAX")
    return problems
