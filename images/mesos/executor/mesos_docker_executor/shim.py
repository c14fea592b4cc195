"""`docker` as the Mesos agent calls it (--docker=/usr/libexec/mesos/docker-for-mesos): Docker's own client, but

- `docker inspect IMAGE` gets back the field ContainerConfig, which Mesos 1.11 reads and Docker dropped in version 26;
- `docker run -e NAME=VALUE`: the values leave the command line, where all users of the machine can read them;
- an executor that runs in a container of its own gets what it needs to talk to an agent with TLS.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from . import environment

DOCKER = "/usr/bin/docker"


def complete_images(text: bytes) -> bytes:
    """`docker inspect`'s answer with ContainerConfig in every image; anything else unchanged."""
    try:
        found: list[dict[str, Any]] = json.loads(text)
        for thing in found:
            if "RootFS" in thing:  # an image, not a container
                config = thing.get("ContainerConfig") or thing.get("Config") or {}
                for key in ("Entrypoint", "Cmd", "Env"):
                    config.setdefault(key, None)
                thing["ContainerConfig"] = config
        return json.dumps(found).encode()
    except (ValueError, TypeError, AttributeError):
        return text


def take_variables(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """`docker run` arguments without their `-e NAME=VALUE` pairs, and those variables.

    Mesos writes them before --name; what follows --name may be the task's own command line.
    """
    kept: list[str] = []
    variables: dict[str, str] = {}
    words = list(arguments)
    end = words.index("--name") if "--name" in words else len(words)
    i = 0
    while i < len(words):
        if i + 1 < end and words[i] == "-e" and "=" in words[i + 1]:
            name, value = words[i + 1].split("=", 1)
            variables[name] = value
            i += 2
        else:
            kept.append(words[i])
            i += 1
    return kept, variables


def executor_options(arguments: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Options that tell a containerized executor of the agent's TLS: only for Mesos' own containers of executors.

    Mesos hands LIBPROCESS_* to no executor, and mounts nothing but the sandbox and Docker's socket.
    """
    name = arguments[arguments.index("--name") + 1] if "--name" in arguments[:-1] else ""
    if not (name.startswith("mesos-") and name.endswith(".executor")):
        return []
    options = [
        w for n in ("LIBPROCESS_SSL_ENABLED", "LIBPROCESS_SSL_CA_FILE") if n in env for w in ("-e", f"{n}={env[n]}")
    ]
    ca = env.get("LIBPROCESS_SSL_CA_FILE")
    return [*options, "-v", f"{ca}:{ca}:ro"] if ca else options


def main(arguments: list[str]) -> None:
    if "run" in arguments[:4]:
        at = arguments.index("run") + 1
        kept, variables = take_variables(arguments[at:])
        passing = environment.split(variables)
        descriptor = environment.memory_file(passing.lines)
        added = environment.options(passing, descriptor) + executor_options(kept, os.environ)
        os.execve(DOCKER, [DOCKER, *arguments[:at], *added, *kept], os.environ | passing.client)
    if "inspect" not in arguments[:4]:
        os.execv(DOCKER, [DOCKER, *arguments])
    done = subprocess.run([DOCKER, *arguments], stdout=subprocess.PIPE, check=False)
    sys.stdout.buffer.write(complete_images(done.stdout))
    sys.stdout.flush()
    sys.exit(done.returncode)
