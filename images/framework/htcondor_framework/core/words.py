"""How things are said to people: counts, sizes, names."""

from __future__ import annotations

from collections.abc import Iterable

from .model import Task


def number(value: float) -> str:
    """Without a fraction that says nothing: 4, 0.5."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def count(n: int, one: str, many: str = "") -> str:
    return f"{n} {one if n == 1 else many or one + 's'}"


def amount(value: float, unit: str) -> str:
    """With the unit in its number: 1 cpu, 0.5 cpus, 4 cpus."""
    return f"{number(value)} {unit if value == 1 else unit + 's'}"


def listed(names: Iterable[str], last: str = "and") -> str:
    items = list(names)
    return f" {last} ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))


def executor(task: Task) -> str:
    """What an executor is called in a line for people."""
    return f"executor {task.id} on {task.hostname}" if task.hostname else f"executor {task.id}"
