"""Instances that leave machines which go into maintenance.

They are replaced as in a rolling change, within upgradeStrategy: where it lets more run than wanted the new one comes first, else the old
one goes first, and then only if an offer in hand has room for the new one. What a constraint ties to its machine stays.
Apps with a fixed address are no special case: the last container to start has the address, so two at once would each serve half of the
callers. Such apps say so themselves (one instance, capacities 0 and 0): the old one ends, then the new one starts.
"""

from __future__ import annotations

from collections.abc import Set

from .constraints import Place, pinned
from .model import Instance, State
from .spec import AppSpec, Constraint

RELAX_AFTER = 10.0  # seconds that an even distribution (GROUP_BY) is insisted on while machines are to go


def place_of(instance: Instance) -> Place:
    return Place(instance.hostname, instance.attributes, instance.region, instance.zone)


def stays(state: State, instance: Instance) -> bool:
    """Whether it can be nowhere else."""
    spec = state.apps.get(instance.app_id)
    return spec is not None and pinned(spec.constraints, place_of(instance))


def mark(state: State, leaving: Set[str]) -> None:
    """Notes what has to move off the agents `leaving`. It is stored, for the next who leads."""
    for i in list(state.instances.values()) if leaving else state.restless():
        if i.being_killed or i.unreachable_since is not None:
            continue
        moving = i.agent_id in leaving and i.app_id in state.apps and not stays(state, i)
        if moving != i.moving:
            state.put_instance(i.but(moving=moving))


def busy_agents(state: State) -> frozenset[str]:
    """Agents that something of ours has still to leave before their machines can go. What is unreachable counts: an agent of which Mesos
    speaks is back, and will say the same of its tasks in a moment."""
    return frozenset(i.agent_id for i in state.instances.values() if i.being_killed or not stays(state, i))


def remembered(state: State) -> frozenset[str]:
    """Agents of which it is stored that something was to leave them."""
    return frozenset(i.agent_id for i in state.restless() if i.moving)


def constraints(spec: AppSpec, leaving: Set[str], waits: float) -> tuple[Constraint, ...]:
    """What holds for a new instance of `spec`, for which it has waited so many seconds. Evenness gives way to maintenance: with a whole
    site on its way out its group would stay the emptiest for ever."""
    if leaving and waits >= RELAX_AFTER:
        return tuple(c for c in spec.constraints if c.operator != "GROUP_BY")
    return spec.constraints
