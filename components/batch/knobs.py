"""Which of an administrator's own configuration lines would open what a pool keeps shut. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEREDOC = re.compile(r"^\s*([\w.]+)\s*@=\s*(\S+)\s*$")
_ASSIGNMENT = re.compile(r"^\s*([\w.]+)\s*(?:[:+?-])?=\s*(.*)$")

# Knob (upper case, no subsystem prefix) to why it is not the administrator's to set. The pool's file has
# fields for these.
_FORBIDDEN = [
    (r"(HOST)?ALLOW_.*", "grants rights, which follow from the pool's `users` and roles"),
    (r"ENABLE_(RUNTIME|PERSISTENT)_CONFIG|SETTABLE_ATTRS.*", "lets configuration be changed from outside"),
    (
        r"(UID|TRUST|DEFAULT)_DOMAIN(_NAME)?|(TRUST|SOFT)_UID_DOMAIN",
        "decides what users and tokens are called",
    ),
    (
        r"QUEUE_SUPER_USER.*|QUEUE_ALL_USERS_TRUSTED|IMMUTABLE_JOB_ATTRS|PROTECTED_JOB_ATTRS",
        "lets users change others' jobs",
    ),
    (
        r"(CERTIFICATE|UNIFIED)_MAPFILE|AUTH_.*|CLASSAD_USER_MAP.*",
        "maps foreign identities to the pool's users",
    ),
    (
        r"STARTER_ALLOW_RUNAS_OWNER|SLOT\w*_USER|NOBODY_SLOT_USER|CONDOR_IDS|ALLOW_RUNAS_.*",
        "changes whom jobs run as",
    ),
    (
        r"LOCAL_CONFIG_(FILE|DIR)|REQUIRE_LOCAL_CONFIG_FILE|USER_CONFIG_FILE",
        "brings in lines that nobody has checked",
    ),
    (
        r"(CONDOR|COLLECTOR)_HOST|DAEMON_LIST|NO_DNS|NETWORK_INTERFACE|USE_SHARED_PORT|SHARED_PORT_PORT",
        "is set for each role",
    ),
    (
        r"LEGACY_ALLOW_SEMANTICS|DISABLE_AUTHENTICATION_IP_CHECK|USE_.*_AUTHENTICATION",
        "weakens the authentication of peers",
    ),
]
# SEC_* knobs that close nothing and open nothing.
_HARMLESS_SEC = re.compile(
    r"SEC_(\w+_)?(SESSION_DURATION|SESSION_LEASE|TCP_SESSION_(TIMEOUT|DEADLINE)|AUTHENTICATION_TIMEOUT)"
)
_LEVELS = re.compile(r"SEC_\w+_(AUTHENTICATION|ENCRYPTION|INTEGRITY|NEGOTIATION)")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(number of the first line, statement): backslashes join lines, comments are left out, here-documents
    are one line."""
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        first, line = number + 1, lines[number]
        number += 1
        if line.lstrip().startswith("#"):
            continue
        if heredoc := _HEREDOC.match(line):
            name, end = heredoc.groups()
            body = []
            while number < len(lines) and lines[number].strip() != f"@{end}":
                body.append(lines[number])
                number += 1
            number += 1
            yield first, f"{name} = {' '.join(body)}"
            continue
        while line.endswith("\\") and number < len(lines):
            line = line[:-1] + lines[number]
            number += 1
        if line.strip():
            yield first, line.strip()


def _objection(name: str, value: str) -> str | None:
    if name.startswith("SEC_"):
        if _LEVELS.fullmatch(name) and value.strip().upper() == "REQUIRED":
            return None
        if name == "SEC_TOKEN_REVOCATION_EXPR" or _HARMLESS_SEC.fullmatch(name):
            return None
        return "touches the authentication (by IDTOKENS), encryption and integrity that are required everywhere"
    if name.startswith("DENY_"):
        return None
    for pattern, why in _FORBIDDEN:
        if re.fullmatch(pattern, name):
            return why
    return None


def dangerous_knobs(text: str) -> list[str]:
    """One message for each statement of `text` (the pool's `condor_config`) that is refused: its line, its
    name, why. Empty if there is none. Names are compared as HTCondor does: without case, and with any
    subsystem's prefix."""
    found = []
    for number, statement in _statements(text):
        lower = statement.lower()
        if re.match(r"@?include\b", lower):
            found.append(f"line {number}: include brings in lines that nobody has checked; write them out")
            continue
        if metaknob := re.match(r"use\s+([\w]+)\s*:\s*(.*)", lower):
            if metaknob.group(1) in ("security", "role"):
                found.append(
                    f"line {number}: use {metaknob.group(1)}: changes the pool's own {metaknob.group(1)}; leave it out"
                )
            continue
        assignment = _ASSIGNMENT.match(statement)
        if not assignment:
            continue
        name = assignment.group(1)
        why = _objection(name.rsplit(".", 1)[-1].upper(), assignment.group(2))
        if why:
            found.append(f"line {number}: {name} {why}; leave it out")
    return found
