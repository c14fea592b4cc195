"""Hand variables to `docker run` without showing them on its command line, where every user of the
machine could read them.

Single-line values go into an env-file that exists only in memory (memfd).  Docker's env-file has no
way to write a line break, and reads at most 64 KB a line; such values are set in the docker client's
own environment and only named by `-e NAME`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 60_000  # bytes of one line; Docker's scanner stops at 64 KB
# Set in the client's environment, these would change the client itself.
_STEERING = ("DOCKER_", "LD_", "SSL_", "GO", "BUILDKIT_", "OTEL_")
_STEERING_NAMES = frozenset({"PATH", "HOME", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"})


@dataclass(frozen=True)
class Passing:
    """How a set of variables reaches the container."""

    lines: str  # content of the env-file
    client: dict[str, str]  # additions to the docker client's environment, each with `-e NAME`


def split(variables: Mapping[str, str]) -> Passing:
    """Divide the variables between env-file and client; ValueError for those that fit neither."""
    lines: list[str] = []
    client: dict[str, str] = {}
    for name, value in variables.items():
        if not name or name.startswith("#") or any(c.isspace() or c in "=\0" for c in name) or "\0" in value:
            raise ValueError(f"environment variable {name!r} cannot be given to a container")
        if "\n" in value or "\r" in value or len(value.encode()) + len(name) > LONGEST:
            if name.upper() in _STEERING_NAMES or name.upper().startswith(_STEERING):
                raise ValueError(f"environment variable {name} must be one line of at most {LONGEST} bytes")
            client[name] = value
        else:
            lines.append(f"{name}={value}\n")
    return Passing("".join(lines), client)


def memory_file(text: str) -> int:
    """An inheritable descriptor of a file without a name that holds `text`."""
    descriptor = os.memfd_create("env", 0)
    with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def options(passing: Passing, descriptor: int | None) -> list[str]:
    """The `docker run` options; Docker opens the env-file anew by its path, so from its beginning."""
    named = [word for name in passing.client for word in ("-e", name)]
    return ([f"--env-file=/proc/self/fd/{descriptor}"] if descriptor is not None else []) + named
