"""No two members of a quorum go at once, across stacks: a policy of Pulumi's sees the resources of one stack, and of no stack what is
to be done with them. So this is about what `pulumi preview --json` plans for several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .model import Violation
from .quorum import FEDERATION, MEMBERS, PLACE, majority
from .wire import types_of

Step = Mapping[str, Any]
GONE = ("delete", "delete-replaced", "discard", "discard-replaced")
# A changed member is stopped and started anew; a machine is so only when it is replaced.
AWAY = (*GONE, "update", "replace", "create-replacement")
REPLACED = (*GONE, "replace", "create-replacement")
MACHINES = (":Container", ":Instance")


def taken(steps: Sequence[Step], ops: Sequence[str]) -> dict[str, str]:
    """The members of a stack that one of the operations takes: kind to the resource. A front-end takes with it all that it holds."""
    held = {kind: step for step in steps if (kind := _member(str(step["urn"])))}
    front_end = next(
        (str(s["urn"]) for s in steps if _is_front_end(str(s["urn"])) and s["op"] in (set(ops) & set(REPLACED))), ""
    )
    out = {}
    for kind, step in held.items():
        if step["op"] in ops or front_end:
            out[kind] = (front_end or str(step["urn"])).rpartition("::")[2]
    return out


def _member(urn: str) -> str:
    """Which quorum the resource is a member of; "" for none."""
    types, name = types_of(urn), urn.rpartition("::")[2]
    if types[-1] != "command:remote:Command" or not any(t.endswith("cluster:Service") for t in types):
        return ""
    return next((kind for kind in MEMBERS if name.endswith(f"-front-end-{kind}")), "")


def _is_front_end(urn: str) -> bool:
    return types_of(urn)[-1].endswith(MACHINES) and urn.endswith("-front-end")


def together(plans: Mapping[str, Sequence[Step]], members: int, one_by_one: bool = False) -> Iterator[Violation]:
    """Violations of what is planned for several stacks, by their names. `members` is how many the quorums have now; `one_by_one` says
    that the stacks are applied one after the other, each quorum whole again in between: then only what does not come back counts."""
    ops, verb = (GONE, "deletes") if one_by_one else (AWAY, "takes down")
    found = {stack: taken(steps, ops) for stack, steps in plans.items()}
    # What is deleted and made anew comes back.
    if one_by_one:
        found = {
            stack: {k: r for k, r in kinds.items() if not _again(plans[stack], k)} for stack, kinds in found.items()
        }
    for kind in MEMBERS:
        stacks = sorted(stack for stack, kinds in found.items() if kind in kinds)
        if len(stacks) < 2:
            continue
        yield Violation(
            ", ".join(found[stack][kind] for stack in stacks),
            FEDERATION,
            PLACE if one_by_one else "(the change as a whole)",
            f"the change {verb} {len(stacks)} members of {kind} together: {max(members - len(stacks), 0)} of {members} would be left, "
            f"{majority(members)} are needed",
            "take one member away in a change of its own, and wait until the quorum is whole"
            if one_by_one
            else "apply it to one site after the other, and wait in between until the quorum is whole (make status)",
        )


def _again(steps: Sequence[Step], kind: str) -> bool:
    """Whether the member is there after the plan."""
    made = ("same", "create", "create-replacement", "replace", "update", "refresh")
    return any(_member(str(s["urn"])) == kind and s["op"] in made for s in steps)
