"""Which of an administrator's own configuration lines would open what a pool keeps shut, or break what it relies on.
Pure."""

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
    (r"STARTD_NOCLAIM_SHUTDOWN|AERIE_\w+", "is the program's own: by it executors end that nobody looks after"),
    (r"MAXJOBRETIREMENTTIME", "would let a drain, and so a scale-in, kill running jobs; a drain waits for them"),
    (
        r"HAD_.*|REPLICATION(_.*)?|MASTER_NEGOTIATOR_CONTROLLER|MASTER_HA.*|COLLECTOR_HOST_FOR_NEGOTIATOR",
        "follows from the pool's `central_managers`: two halves of a pool would each have a negotiator",
    ),
]
# By a framework, that starts executors of many sizes.
_SIZES = re.compile(
    r"NUM_CPUS|MEMORY|DISK|(RESERVED|DETECTED)_\w+|COUNT_HYPERTHREAD_CPUS|NUM_SLOTS(_TYPE_\d+)?|SLOT_TYPE_\d+(_\w+)?"
    r"|MACHINE_RESOURCE_(INVENTORY_)?(CPUS|MEMORY|DISK)"
)
_SIZES_WHY = "contradicts the size that the framework gives each executor"
_SIZES_MEND = "write executors.cpus, memory, disk and slots, or executors.elastic.largest"
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


def _objection(name: str, value: str, framework: bool) -> tuple[str, str] | None:
    """(why, what to do instead)"""
    out = "leave it out"
    if name.startswith("SEC_"):
        if _LEVELS.fullmatch(name) and value.strip().upper() == "REQUIRED":
            return None
        if name == "SEC_TOKEN_REVOCATION_EXPR" or _HARMLESS_SEC.fullmatch(name):
            return None
        return "touches the authentication (by IDTOKENS), encryption and integrity that are required everywhere", out
    if name.startswith("DENY_"):
        return None
    for pattern, why in _FORBIDDEN:
        if re.fullmatch(pattern, name):
            return why, out
    if framework and _SIZES.fullmatch(name):
        return _SIZES_WHY, _SIZES_MEND
    if framework and name == "STARTD_ARGS":
        return "names the socket at which the framework finds an executor when there is no collector", out
    return None


def _metaknob(category: str, names: str, framework: bool) -> tuple[str, str] | None:
    if category in ("security", "role"):
        return f"changes the pool's own {category}", "leave it out"
    if framework and category == "feature" and re.search(r"\b(partitionable|static)slots?\b", names):
        return _SIZES_WHY, _SIZES_MEND
    return None


def dangerous_knobs(text: str, *, framework: bool = False) -> list[str]:
    """One message for each statement of `text` (the pool's `condor_config`, or a role's) that is refused: its line, its
    name, why; and after the last "; " what to do. Empty if there is none. `framework`: the pool is by one. Names are
    compared as HTCondor does: without case, and with any subsystem's prefix."""
    found = []
    for number, statement in _statements(text):
        lower = statement.lower()
        if re.match(r"@?include\b", lower):
            found.append(f"line {number}: include brings in lines that nobody has checked; write them out")
            continue
        if metaknob := re.match(r"use\s+([\w]+)\s*:\s*(.*)", lower):
            if objection := _metaknob(metaknob.group(1), metaknob.group(2), framework):
                found.append(f"line {number}: use {metaknob.group(1)}: {objection[0]}; {objection[1]}")
            continue
        assignment = _ASSIGNMENT.match(statement)
        if not assignment:
            continue
        name = assignment.group(1)
        if objection := _objection(name.rsplit(".", 1)[-1].upper(), assignment.group(2), framework):
            found.append(f"line {number}: {name} {objection[0]}; {objection[1]}")
    return found


def flocking_knobs(text: str) -> list[str]:
    """As `dangerous_knobs`, for a pool with several central managers: HTCondor's manual excludes flocking together with them."""
    found = []
    for number, statement in _statements(text):
        assignment = _ASSIGNMENT.match(statement)
        if assignment and assignment.group(1).rsplit(".", 1)[-1].upper().startswith("FLOCK_"):
            name = assignment.group(1)
            why = "sends jobs to other pools, which a pool with several central managers cannot"
            found.append(f"line {number}: {name} {why}; leave it out, or write central_managers: 1")
    return found
