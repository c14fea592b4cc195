"""A limit of memory for each container: what leaks then ends by itself, and not the machine's other services."""

from __future__ import annotations

from collections.abc import Iterator

from .containers import APP, SERVICE, containers
from .model import Facts, Resource, Violation

UNLIMITED = ("machine",)  # a container that stands for a machine has the memory of the machine that it is on


def memory_limited(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """Every container but the embedded machines has a limit that docker enforces."""
    for container in containers(resource, facts):
        if container.name in UNLIMITED and container.kind not in (APP, SERVICE):
            continue
        killed = not any(key == "oom-kill-disable" for key, _ in container.options)
        if container.memory > 0 and killed:
            continue
        what = "has no memory limit" if killed else "has a memory limit that nothing enforces (oom-kill-disable)"
        mend = "write memory=256 (MB), or what it needs" if killed else "remove the option"
        yield Violation(
            resource.name,
            container.file,
            f"{container.place}.memory" if container.kind == APP else f"{container.place}, memory",
            f"the container {container.name or 'without a name'} {what}",
            mend,
        )
