"""A pool's dashboard, as a resource of the pool's stack: a file on the front-end that has Grafana, which looks there for new ones."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from ..iaas.machine import Machine
from .dashboards.catalogue import files
from .dashboards.pool import pool
from .grafana import POOLS


def put_script(name: str) -> str:
    """Puts standard input in the file's place at once: Grafana may look at any time."""
    return f"""set -eu
umask 077
mkdir -p {POOLS}
new=$(mktemp {POOLS}/.{name}.XXXXXX)
trap 'rm -f "$new"' EXIT
cat > "$new"
mv "$new" {POOLS}/{name}
"""


def delete_script(name: str) -> str:
    """Grafana takes a dashboard away whose file is gone."""
    return f"rm -f {POOLS}/{name}\n"


@dataclass
class PoolDashboardArgs:
    """`front_end` is the machine that has Grafana."""

    federation: str
    pool: str
    front_end: Machine


class PoolDashboard(pulumi.ComponentResource):
    """Comes and goes with its pool. A preview shows the very lines that change."""

    def __init__(self, name: str, args: PoolDashboardArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:monitoring:PoolDashboard", name, None, opts)
        ((file, text),) = files([pool(args.federation, args.pool)]).items()
        self.command = remote.Command(
            name,
            connection=args.front_end.connection,
            create=put_script(file),
            delete=delete_script(file),
            stdin=text,
            triggers=[args.front_end.identity],
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.register_outputs({})
