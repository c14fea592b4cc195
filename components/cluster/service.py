"""A service on a machine, as a Pulumi resource: its container and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_command import remote

from ..iaas.machine import Machine
from ..outputs import secret
from .container import ContainerSpec, file_lines, start_script, stop_script


@dataclass
class ServiceArgs:
    """`files` are the service's configuration and secrets, by name; they reach the machine over SSH's standard input."""

    machine: Machine
    container: ContainerSpec
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)


class Service(pulumi.ComponentResource):
    """One container on one machine, driven over SSH: one plugin process for any number of machines."""

    def __init__(
        self,
        name: str,
        args: ServiceArgs,
        opts: pulumi.ResourceOptions | None = None,
        after: Sequence[pulumi.Resource] = (),
    ):
        super().__init__("aerie:cluster:Service", name, None, opts)
        spec, modes = args.container, dict(args.modes)
        # Output.all() without names gives a list.
        texts = pulumi.Output.all(**args.files) if args.files else pulumi.Output.from_input({})
        files = secret(texts.apply(lambda t: file_lines(t, modes)))
        self.command = remote.Command(
            name,
            connection=args.machine.connection,
            create=start_script(spec),
            delete=stop_script(spec.name, spec.stop_seconds),
            stdin=files,
            triggers=[args.machine.identity],
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*([args.machine.ready] if args.machine.ready else []), *after],
                deleted_with=args.machine.resource,
                delete_before_replace=True,
            ),
        )
        self.register_outputs({})
