"""Puts the previews of a change together: what concerns more than one stack is said first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from components.spec.model import Federation
from components.spec.validate import FEDERATION_STACK

from .cost import NAMES, Farm, meanwhile, member
from .items import items_of
from .kinds import thing_of
from .model import Change, Report, StackPreview
from .why import NO_EDITS, Edits
from .words import code, plural


def farm_of(federation: Federation, running: Mapping[str, int] | None = None) -> Farm:
    """What the costs need to know; `running` are the running jobs of pools, by name."""
    return Farm(tuple(federation.sites), tuple(federation.quorum_sites), dict(running or {}))


def members_touched(stacks: Sequence[StackPreview], farm: Farm) -> dict[str, set[str]]:
    """Sites whose quorum members a change takes down for a while, each with the services."""
    out: dict[str, set[str]] = {}
    for preview in stacks:
        for change in preview.changes:
            part = member(change, farm)
            if part:
                out.setdefault(preview.stack, set()).update(
                    {"etcd", "zookeeper", "mesos-master", "marathon"} if part == "machine" else {part}
                )
    return out


def _services(names: set[str]) -> str:
    return ", ".join(NAMES[n] for n in NAMES if n in names)


def _quorum(stacks: Sequence[StackPreview], farm: Farm) -> list[str]:
    touched = members_touched(stacks, farm)
    out = []
    common = {n for n in ("etcd", "zookeeper", "mesos-master") if sum(n in parts for parts in touched.values()) > 1}
    if common:
        sites = [s for s, parts in touched.items() if parts & common]
        left = len(farm.quorum) - len(sites)
        lost = left < farm.majority
        out.append(
            f"members of the quorum are touched at {plural(len(sites), 'site')} ({', '.join(sites)}: {_services(common)}). One after the other the "
            f"{meanwhile(farm)}; {'all at once it would be lost' if lost else 'all at once'} ({left} of {len(farm.quorum)}). "
            "Apply does one site after the other and waits for the whole quorum in between; by hand do the same."
        )
    for preview in stacks:
        away = {thing_of(c).on for c in preview.changes if member(c, farm)}
        if len(away) > 1:  # no stack has two machines with a member as yet
            out.append(
                f"{preview.stack} touches {plural(len(away), 'member')} of one quorum at once: {', '.join(sorted(away))}; do one after the other."
            )
    return out


def _membership(stacks: Sequence[StackPreview]) -> list[str]:
    def members(text: str | None) -> str:
        return next((w for w in (text or "").split() if "ETCD_INITIAL_CLUSTER=" in w), "")

    changed = [
        p.stack
        for p in stacks
        for c in p.changes
        for d in c.diffs
        if thing_of(c).part == "etcd" and d.path == "create" and c.op != "create" and members(d.old) != members(d.new)
    ]
    if not changed:
        return []
    return [
        f"who is a member of the quorum changes (etcd at {', '.join(dict.fromkeys(changed))}): etcd members that run already take no notice "
        "of another list at their start. Add or remove the member by hand: docker exec etcd etcdctl member."
    ]


def _volumes(stacks: Sequence[StackPreview]) -> list[str]:
    going = {(p.stack, c.name) for p in stacks for c in p.changes if thing_of(c).role == "machine" and c.op == "delete"}
    lost: list[Change] = [
        c
        for p in stacks
        for c in p.changes
        # Those of a machine that goes are told with it.
        if c.op in ("delete", "replace") and c.kind == "Volume" and (p.stack, thing_of(c).on) not in going
    ]
    return (
        [
            f"data go: {plural(len(lost), 'volume')} ({', '.join(c.name for c in lost[:8])}{', ...' if len(lost) > 8 else ''})."
        ]
        if lost
        else []
    )


def _order(stacks: Sequence[StackPreview]) -> list[str]:
    federation = next((p for p in stacks if p.stack == FEDERATION_STACK), None)
    renewed = [c for c in federation.changes if c.op == "replace"] if federation else []
    if not renewed:
        return []
    return [
        f"the federation renews {', '.join(f'{code(c.name)}' for c in renewed[:6])}{' and more' if len(renewed) > 6 else ''}, which other stacks read: "
        "the previews of the others here were made with the old ones. Apply previews each stack again when its turn comes, and stops where that asks "
        "for more than was reviewed."
    ]


FIRST = "run pulumi up -s federation first"  # how components/site.py says that the federation's stack does not know something yet
WAITS = "previewed once the federation is applied: it needs what is made there"


def in_turn(stacks: Sequence[StackPreview]) -> list[StackPreview]:
    """A stack that fails only because the federation's own change is not applied yet has not failed: its turn comes after."""
    coming = any(p.stack == FEDERATION_STACK and p.changed for p in stacks)
    return [
        replace(p, errors=(), note=WAITS) if coming and p.errors and all(FIRST in e for e in p.errors) else p
        for p in stacks
    ]


def report(
    stacks: Sequence[StackPreview],
    farm: Farm,
    edits: Edits = NO_EDITS,
    untouched: Sequence[str] = (),
    gone: Sequence[str] = (),
) -> Report:
    """Everything that is told. `gone` are stacks whose files the change takes away."""
    stacks = in_turn(stacks)
    items = {p.stack: items_of(p, farm, edits) for p in stacks}
    warnings = [*_quorum(stacks, farm), *_membership(stacks), *_volumes(stacks), *_order(stacks)]
    warnings += [
        f"Pulumi.{name}.yaml is taken away: whatever the stack {name} still has stays up and nobody's. Before the merge: pulumi destroy -s {name}"
        for name in gone
    ]
    if waiting := [p.stack for p in stacks if p.note == WAITS]:
        warnings.append(
            f"{', '.join(waiting)} cannot be previewed before the federation is applied: what is made there is read here. Apply previews them in "
            "their turn, and stops where they replace or remove anything that is not shown here."
        )
    return Report(tuple(stacks), items, tuple(warnings), tuple(untouched), tuple(gone))
