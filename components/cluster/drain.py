"""A machine's drain, as a Pulumi resource: its end comes before the machine's, and waits until nothing is lost with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import local

from ..iaas.machine import Machine
from ..outputs import secret
from ..spec import addresses
from ..spec.model import Federation
from .mesos import OPERATOR

PYTHON = ".venv/bin/python"  # of the checkout, where Pulumi runs
PROGRAM = f"{PYTHON} -m components.cluster.drain_program"


@dataclass
class DrainArgs:
    """`timeout`, seconds: then the drain fails and nothing was killed; 0 does not wait at all."""

    federation: Federation
    machine: Machine
    password: pulumi.Input[str]
    ca: pulumi.Input[str]
    timeout: int = 3600


def orders(args: DrainArgs, password: str, ca: str) -> str:
    """What the program is told on its standard input. Secret."""
    machine, members = args.machine, addresses.quorum_addresses(args.federation)
    holds_member = machine.front_end and machine.site in members
    return json.dumps(
        {
            "machine": machine.name,
            "site": machine.site,
            "address": machine.address,
            "masters": [f"{address}:{addresses.MESOS_MASTER}" for address in members.values()],
            "agent_port": addresses.MESOS_AGENT,
            "user": OPERATOR,
            "password": password,
            "ca": ca,
            "timeout": args.timeout,
            "members": members if holds_member else {},
        },
        sort_keys=True,
    )


def drain(args: DrainArgs, after: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions) -> local.Command:
    """`after`: the agent's service; and for agents the front-end's drain, so that the site's way out is the last to go.

    It is not deleted with its machine (`deleted_with`), since its deletion is what it is for. It runs where Pulumi runs, as what speaks to
    masters for pools does: a dead machine would let nobody in, and the site's file is here, which says how long to wait."""
    machine = args.machine
    told = pulumi.Output.all(password=args.password, ca=args.ca)
    return local.Command(
        f"{machine.name}-drain",
        create=f"{PROGRAM} back",
        delete=f"{PROGRAM} drain",
        stdin=secret(told.apply(lambda t: orders(args, t["password"], t["ca"]))),
        triggers=[machine.identity],
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions.merge(
            opts,
            pulumi.ResourceOptions(
                depends_on=[*([machine.ready] if machine.ready else []), *after],
                delete_before_replace=True,
            ),
        ),
    )
