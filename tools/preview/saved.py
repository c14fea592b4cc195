"""A report as JSON: for programs, and for apply, which is held to what was reviewed. Pure."""

from __future__ import annotations

from pydantic import TypeAdapter

from .model import Report

REPORT = TypeAdapter(Report)
BREAKING = ("replace", "delete")


def dump(report: Report) -> str:
    """The report as JSON. It holds no secret: none is in the model."""
    return REPORT.dump_json(report, indent=1).decode() + "\n"


def load(text: str) -> Report:
    """What `dump` wrote. Raises ValueError."""
    return REPORT.validate_json(text)


def beyond(reviewed: Report, now: Report) -> list[str]:
    """What `now` would replace or remove that `reviewed` did not say, a line each. What only adds or restarts needs no second review."""
    known = {(c.stack, c.op, c.type, c.name) for s in reviewed.stacks for c in s.changes}
    known |= {(stack, "replace", type_, name) for stack, op, type_, name in known if op == "delete"}
    return [
        f"{c.stack}: {c.op} of {c.name} ({c.kind})"
        for s in now.stacks
        for c in s.changes
        if c.op in BREAKING and (c.stack, c.op, c.type, c.name) not in known
    ]
