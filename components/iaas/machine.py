"""A machine, wherever it came from: an address, an SSH login with a pinned host key, and a Docker engine behind it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_command import remote


@dataclass(frozen=True)
class Machine:
    """What the rest of the program knows of a machine.

    `resource` is what the machine's end is: whatever runs on it needs no deletion of its own then. It and `ready` are
    None for a machine of another stack.
    `identity` changes when the machine is made anew; `ready` is there once its Docker engine answers.
    """

    name: str
    site: str
    address: str
    front_end: bool
    connection: remote.ConnectionArgs
    resource: pulumi.Resource | None
    identity: pulumi.Output[str]
    ready: pulumi.Resource | None


DOCKER_ANSWERS = """set -eu
tries=0
until docker info >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge 240 ]; then
    echo "the Docker engine of $(hostname) does not answer after 60 s" >&2
    exit 1
  fi
  sleep 0.25
done
docker version -f '{{.Server.Version}}'
"""


def docker_answers(
    name: str, connection: remote.ConnectionArgs, resource: pulumi.CustomResource, opts: pulumi.ResourceOptions
) -> remote.Command:
    """Waits until the machine lets us in and its Docker engine answers; made anew with the machine."""
    return remote.Command(
        f"{name}-ready",
        connection=connection,
        create=DOCKER_ANSWERS,
        triggers=[resource.id],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[resource], deleted_with=resource)),
    )
