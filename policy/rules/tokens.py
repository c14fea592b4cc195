"""IDTOKENS: each says the least that its bearer needs. Their content is signed, not hidden, so who sees a token sees what it is for."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .containers import decoded, framework_configuration
from .model import Facts, Resource, Violation, block, text

FILE = "components/batch/tokens.py"
USER = {"READ", "WRITE"}
ADMIN = {*USER, "ADMINISTRATOR"}
# The most that the daemons of a role may ask for. DAEMON is for central managers that stand in for each other.
ROLES: Mapping[str, set[str]] = {
    "central-manager": {"READ", "ADVERTISE_MASTER", "NEGOTIATOR"},
    "submit": {"READ", "ADVERTISE_MASTER", "ADVERTISE_SCHEDD"},
    "executor": {"READ", "ADVERTISE_MASTER", "ADVERTISE_STARTD"},
    "framework": {"READ", "ADMINISTRATOR"},
    "admin": ADMIN,  # of the central manager's own tools at the submit node
}


def claims(token: str) -> Mapping[str, Any] | None:
    """What the token says, unchecked; None if it is none."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return found if isinstance(found, dict) else None


def tokens_least(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """The tokens in the environment of a pool's containers, as far as they are known: at a pool's first preview they are not."""
    if not resource.type.endswith(":MarathonApp"):
        return
    env = block(resource.props.get("env"))
    told = framework_configuration(env)
    bags = [env, *(r.get("env", {}) for r in told.get("roles", [])), told.get("executor", {}).get("env", {})]
    for bag in bags:
        yield from _of(resource.name, bag, facts)
    for token in told.get("condor", {}).get("tokens", []):
        yield from _judged(resource.name, "framework", token, facts)


def _of(name: str, env: Mapping[str, Any], facts: Facts) -> Iterator[Violation]:
    role = text(env.get("AERIE_ROLE"))
    for key, whose in (("AERIE_TOKEN", role), ("AERIE_ADMIN_TOKEN", "admin")):
        if token := decoded(text(env.get(key))):
            yield from _judged(name, whose, token, facts)
    try:
        users = json.loads(decoded(text(env.get("AERIE_USERS"))) or "[]")
    except ValueError:
        return
    for user in users:
        for token in user.get("tokens", ()):
            yield from _judged(name, str(user.get("name", "")), token, facts)


def _judged(resource: str, whose: str, token: str, facts: Facts) -> Iterator[Violation]:
    found = claims(token)
    if found is None:
        return
    most = ROLES.get(whose, ADMIN if whose in facts.admins else USER)
    if whose == "central-manager" and facts.managers > 1:
        most = most | {"DAEMON"}
    scope = {part.removeprefix("condor:/") for part in str(found.get("scope", "")).split()}
    place = "ROLE_AUTHZ" if whose in ROLES else "USER_AUTHZ"
    if not scope:
        yield Violation(
            resource,
            FILE,
            place,
            f"the token of {whose} has no scope, so it is good for all that its identity may do",
            f"write authz={_list(most)}",
        )
    elif scope - most:
        yield Violation(
            resource,
            FILE,
            place,
            f"the token of {whose} is good for {_list(scope - most)}, which it does not need",
            f"write {_list(most)} at most",
        )
    subject = str(found.get("sub", "")).partition("@")[0]
    if subject != whose:
        yield Violation(
            resource,
            FILE,
            "pool_secrets",
            f"the token of {whose} is made out to {subject or 'nobody'}",
            f"make it out to {whose}",
        )


def _list(levels: set[str]) -> str:
    return ", ".join(sorted(levels))
