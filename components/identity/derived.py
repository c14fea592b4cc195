"""Secrets that follow from the password `pools`: one for each pool and use, without a stack that has to make them first."""

from __future__ import annotations

import hashlib
import hmac


def _derived(password: str, what: str) -> str:
    """Hex of HMAC-SHA256: who knows one of them learns nothing of the others."""
    return hmac.digest(password.encode(), what.encode(), hashlib.sha256).hex()


def mesos_secret(password: str, number: int) -> str:
    """By which the framework of pool `number` proves to Mesos' masters who it is."""
    return _derived(password, f"mesos pool-{number}")


def zookeeper_secret(password: str, number: int) -> str:
    """By which the framework of pool `number` keeps others from its state in ZooKeeper."""
    return _derived(password, f"zookeeper pool-{number}")
