"""All policies. docs/policies.md says what each is for; a unit test holds the two together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .images import images_by_content
from .memory import memory_limited
from .model import Facts, Resource, ResourceRule, StackRule, Violation
from .ports import listens_inside, ports_closed
from .privileges import privileges_named
from .quorum import quorum_odd, quorum_one_at_a_time
from .secrets import outputs_secret, secrets_secret
from .spool import spool_protected
from .tokens import tokens_least
from .vpn import vpn_two_peers


@dataclass(frozen=True)
class Policy:
    """One policy: a rule for each resource by itself, or for all of a stack."""

    name: str
    description: str
    each: ResourceRule | None = None
    all: StackRule | None = None


POLICIES = (
    Policy("quorum-odd", "Quorums have an odd number of members, and Mesos the majority of it.", all=quorum_odd),
    Policy(
        "quorum-one-at-a-time",
        "No update takes two members of a quorum: a stack has one of each.",
        all=quorum_one_at_a_time,
    ),
    Policy("vpn-two-peers", "A site has two VPN peers in a federation of three.", all=vpn_two_peers),
    Policy("outputs-secret", "Outputs that open something are secrets.", all=outputs_secret),
    Policy("ports-closed", "Nothing but the VPN and the pools' log-in is open to the world.", ports_closed),
    Policy("listens-inside", "Containers on their machine's network listen on an address of the LAN.", listens_inside),
    Policy("images-by-content", "Images are named by their content.", images_by_content),
    Policy("privileges-named", "No container has rights over its machine but those named for it.", privileges_named),
    Policy("secrets-secret", "Inputs that open something are secrets.", secrets_secret),
    Policy("tokens-least", "IDTOKENS say the least that their bearers need.", tokens_least),
    Policy("memory-limited", "Every container has a memory limit.", memory_limited),
    Policy(
        "spool-protected",
        "Queues, quorums' state and known addresses outlive containers, machines and slips.",
        spool_protected,
    ),
)


def judge(resources: Sequence[Resource], facts: Facts) -> dict[str, list[Violation]]:
    """Every policy's violations, by its name; policies without any are left out."""
    found: dict[str, list[Violation]] = {}
    for policy in POLICIES:
        out = list(policy.all(resources, facts)) if policy.all else []
        if policy.each:
            out += [violation for resource in resources for violation in policy.each(resource, facts)]
        if out:
            found[policy.name] = out
    return found
