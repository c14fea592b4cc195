"""Where a job may run, from its Requirements: which sites, and which clause is to blame if none. Pure; ClassAds are evaluated by
whoever calls (classes.py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from enum import StrEnum


class Truth(StrEnum):
    """What an expression is against a slot. UNDEFINED: it names something that the slot's ad does not have."""

    TRUE = "true"
    FALSE = "false"
    UNDEFINED = "undefined"


# Evaluates an expression for the job against a prospective slot at a site.
Holds = Callable[[str, str], Truth]

_SIZES = re.compile(r"\b(Memory|Cpus|Disk|GPUs)\b", re.IGNORECASE)
_LONG = 160  # characters of a clause in a message


def places(requirements: str, sites: Sequence[str], holds: Holds, known: Callable[[str], bool]) -> frozenset[str]:
    """The sites at which a new executor would satisfy `requirements`.

    `known`: whether a real executor's ad is what a site is judged by. Where none is, nobody knows what executors advertise there,
    and what is undefined has to be tried."""

    def fits(site: str) -> bool:
        truth = holds(requirements, site)
        return truth is Truth.TRUE or (truth is Truth.UNDEFINED and not known(site))

    return frozenset(site for site in sites if fits(site))


def blame(requirements: str, sites: Sequence[str], holds: Holds) -> str:
    """Why `requirements` hold at none of `sites`, in plain words."""
    parts = clauses(requirements)
    culprits = [c for c in parts if all(holds(c, site) is not Truth.TRUE for site in sites)]
    if not culprits:
        return f"requirements: {_cut(' && '.join(parts))} hold each somewhere, but all of them on no site of this pool"
    clause = next((c for c in culprits if not _undefined(c, sites, holds)), culprits[0])
    why = f"requirements: {_cut(clause)} holds on no site of this pool"
    if _undefined(clause, sites, holds):
        why += " (its executors do not advertise all that it names)"
    elif _SIZES.search(clause):
        why += " (executors are as large as request_cpus, request_memory, request_disk and request_gpus say)"
    return why


def _undefined(clause: str, sites: Sequence[str], holds: Holds) -> bool:
    return all(holds(clause, site) is Truth.UNDEFINED for site in sites)


def _cut(clause: str) -> str:
    return clause if len(clause) <= _LONG else clause[:_LONG] + " ..."


def clauses(expression: str) -> list[str]:
    """The parts of a conjunction, without the parentheses around them: `(a && (b || c)) && d` is a, b || c, d."""
    text = _bare(expression.strip())
    parts = _split(text)
    if len(parts) == 1:
        return [text] if text else []
    return [clause for part in parts for clause in clauses(part)]


def _walk(text: str) -> list[tuple[int, int, str]]:
    """Position, depth of brackets and character of everything that is neither in a string nor in a quoted name."""
    found, depth, quote, n = [], 0, "", 0
    while n < len(text):
        c = text[n]
        if quote:
            if c == "\\":
                n += 1
            elif c == quote:
                quote = ""
        elif c in "\"'":
            quote = c
        else:
            if c in "([{":
                depth += 1
            found.append((n, depth, c))
            if c in ")]}":
                depth -= 1
        n += 1
    return found


def _bare(text: str) -> str:
    """Without parentheses around the whole."""
    while text.startswith("(") and text.endswith(")"):
        closing = next((n for n, depth, c in _walk(text) if depth == 1 and c == ")"), -1)
        if closing != len(text) - 1:
            return text
        text = text[1:-1].strip()
    return text


def _split(text: str) -> list[str]:
    """At each && that is in no brackets; not at all if there is a || or ? beside it, which bind less (=?= is no such ?)."""
    top = [n for n, depth, _ in _walk(text) if depth == 0]
    if any(text.startswith("||", n) or (text[n] == "?" and text[n - 1 : n] != "=") for n in top):
        return [text]
    cuts: list[int] = []
    for n in top:
        if text.startswith("&&", n) and (not cuts or n >= cuts[-1] + 2):
            cuts.append(n)
    starts, ends = [0, *(cut + 2 for cut in cuts)], [*cuts, len(text)]
    return [text[a:b].strip() for a, b in zip(starts, ends, strict=True)]
