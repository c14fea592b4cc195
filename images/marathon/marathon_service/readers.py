"""How the text of a setting is read.  Each raises ValueError or OSError with what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

FEATURES = frozenset({"vips", "task_killing", "external_volumes", "maintenance_mode", "gpu_resources"})
DEPRECATED = frozenset(
    {"text_plain_tasks", "sanitize_accepted_resource_roles", "api_heavy_events", "ignore_unknown_fields"}
)
_LEVELS = {
    "OFF": logging.CRITICAL + 10,
    "FATAL": logging.CRITICAL,
    "CRITICAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": logging.DEBUG,
    "ALL": logging.NOTSET + 1,
}


def number(low: float, high: float = 1e12) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(f"must be from {low:g} to {high:g}")
        return value

    return read


def whole(low: int, high: int = 10**12) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return read


def port(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 65535:
        raise ValueError("must be a port from 1 to 65535")
    return value


def flag(text: str) -> bool:
    if text.lower() in ("", "true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise ValueError("must be true or false (or empty, for true)")


def milliseconds(text: str) -> float:
    return number(1)(text) / 1000.0


def file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {text}")
    return path


def word(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return read


def words(text: str) -> tuple[str, ...]:
    return tuple(part for x in text.split(",") if (part := x.strip()))


def level(text: str) -> int:
    if text.strip().upper() not in _LEVELS:
        raise ValueError(f"must be one of {', '.join(x.lower() for x in _LEVELS)}")
    return _LEVELS[text.strip().upper()]


def features(text: str) -> tuple[str, ...]:
    found = words(text)
    if "secrets" in found:
        raise ValueError("secrets are not built: leave 'secrets' out, and give values in env")
    if unknown := sorted(set(found) - FEATURES):
        raise ValueError(f"there is no feature {', '.join(unknown)}: it may hold {', '.join(sorted(FEATURES))}")
    return found


def deprecated(text: str) -> tuple[str, ...]:
    found = words(text)
    if unknown := sorted(set(found) - DEPRECATED):
        raise ValueError(f"{', '.join(unknown)} cannot be had any more: it may hold {', '.join(sorted(DEPRECATED))}")
    return found


def logstash(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in ("udp", "tcp", "ssl") or not url.hostname or not url.port:
        raise ValueError("must be udp://host:port, tcp://host:port or ssl://host:port")
    return text


def credentials(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (stripped for x in lines if (stripped := x.strip()) and not stripped.startswith("#")):
        user, colon, password = line.partition(":")
        if not user or not colon or not password:
            raise ValueError("must be user:password")
        found[user] = password
    if not found:
        raise ValueError("holds no user:password")
    return found
