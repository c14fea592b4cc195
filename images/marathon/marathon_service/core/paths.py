"""Ids of apps and groups: /group/subgroup/app."""

from __future__ import annotations

import re

_SEGMENT = re.compile(r"^(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])$")
RESERVED = frozenset({"restart", "tasks", "versions"})


def absolute(path: str, base: str = "/") -> str:
    """`path` seen from the group `base`, with . and .. resolved.  Does not check the segments."""
    parts: list[str] = [] if path.startswith("/") else [p for p in base.split("/") if p]
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def problem(path: str) -> str | None:
    """What is wrong with an absolute id of an app or group, or None."""
    parts = [p for p in path.split("/") if p]
    if not parts:
        return "must not be the root"
    bad = next((p for p in parts if not _SEGMENT.match(p)), None)
    if bad is not None:
        return f"'{bad}' is no id: lower case letters, digits, '-' and '.', with a letter or digit at both ends"
    if parts[-1] in RESERVED:
        return f"'{parts[-1]}' is reserved"
    return None


def parent(path: str) -> str:
    return path.rsplit("/", 1)[0] or "/"


def inside(path: str, group: str) -> bool:
    """Whether `path` lies below `group`, at any depth."""
    return path != group and path.startswith(group.rstrip("/") + "/")


def task_prefix(app_id: str) -> str:
    return app_id.strip("/").replace("/", "_")


def parents(path: str) -> list[str]:
    """All groups that hold `path`, without the root; the nearest first."""
    found = []
    while (path := parent(path)) != "/":
        found.append(path)
    return found
