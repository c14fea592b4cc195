"""Sorts a preview into the lines that are told: what is of one sort together, what only follows from another counted with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from .cost import Farm, costs
from .kinds import FRONT_END, QUORUM, Thing, goes_with, thing_of
from .model import OPS, Change, Item, Op, StackPreview
from .why import NO_EDITS, Edits, why
from .words import code, plural

VERBS: dict[Op, str] = {"create": "creates", "update": "updates", "replace": "replaces", "delete": "removes"}
RANK = (
    "machine",
    "service",
    "app",
    "framework",
    "guard",
    "network-policy",
    "forwarder",
    "peer",
    "identity",
)  # then the rest


def _names(names: Iterable[str], most: int = 6) -> str:
    shown = list(dict.fromkeys(names))
    tail = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(f"{code(n)}" for n in shown[:most]) + tail


def _what(op: Op, changes: Sequence[Change]) -> str:
    """The line's head: the verb, and what of whom."""
    verb, things = VERBS[op], [thing_of(c) for c in changes]
    first, number = things[0], len(changes)
    if first.role == "machine":
        return (
            f"{verb} {plural(number, 'machine')}: {_names(t.on for t in things)}"
            if number > 1
            else f"{verb} the machine {code(first.on)}"
        )
    if first.role == "service":
        verb = {"update": "restarts", "replace": "makes anew"}.get(op, verb)
        where = plural(number, "machine")
        return (
            f"{verb} {code(first.part)} on {where}: {_names(t.on for t in things)}"
            if number > 1
            else f"{verb} {code(first.part)} on {code(first.on)}"
        )
    if first.role == "peer":
        return f"{verb} the VPN peer{'s' if number > 1 else ''} {_names(t.part for t in things)}"
    if first.role == "app":
        return f"{verb} {_names(t.part for t in things)} of pool {code(first.on)}"
    words = {
        "framework": "the policy of the framework of",
        "role": "the Mesos role of",
        "guard": "the guard of",
        "network-policy": "the network policy of",
    }
    if first.role in words:
        return f"{verb} {words[first.role]} pool {code(first.on)}"
    if first.role == "forwarder":
        return f"{verb} the way in ({code(first.part)}) of pool {code(first.on)}"
    kinds = sorted({c.kind for c in changes})
    if len(kinds) == 1 and kinds[0] != "Command":
        head = f"the {kinds[0]}" if number == 1 else f"{plural(number, kinds[0])}:"
        return f"{verb} {head} {_names(c.name for c in changes)}"
    return f"{verb} {_names(c.name for c in changes)}"


def _pool_ends(changes: Sequence[Change]) -> tuple[Change, ...]:
    """If the whole pool goes: what refuses it while there are jobs."""
    guards = [c for c in changes if thing_of(c).role in ("guard", "framework") and c.op == "delete"]
    apps = [c for c in changes if thing_of(c).role == "app"]
    return tuple(guards) if guards and apps and all(c.op == "delete" for c in apps) else ()


def _pool_begins(changes: Sequence[Change]) -> bool:
    apps = [c for c in changes if thing_of(c).role == "app"]
    return bool(apps) and all(c.op == "create" for c in changes)


def _whole_pool(preview: StackPreview, farm: Farm, edits: Edits) -> Item | None:
    changes = preview.changes
    if guards := _pool_ends(changes):
        said = list(dict.fromkeys(s for c in guards for s in costs(c, farm)))
        said.append("its queue stays on its volume; its containers, tokens and keys go")
        others = tuple(c for c in changes if c.op == "delete")
        return Item(
            "delete", f"removes pool {code(preview.stack)}", why(guards[0], edits), tuple(said), others, len(others) - 1
        )
    if _pool_begins(changes):
        files = why(changes[0], edits)
        return Item(
            "create",
            f"creates pool {code(preview.stack)}",
            files,
            ("others are not touched",),
            tuple(changes),
            len(changes) - 1,
        )
    return None


def _by_name(preview: StackPreview) -> dict[str, Change]:
    return {c.name: c for c in preview.changes}


def _machines(
    preview: StackPreview, farm: Farm, edits: Edits, others: Mapping[str, Change]
) -> tuple[list[Item], set[str]]:
    """An item for each sort of machine that comes, goes or is made anew, with all that does so with it."""
    mine = [c for c in preview.changes if thing_of(c).role == "machine" and c.op != "update"]
    taken: set[str] = set()
    groups: dict[tuple[object, ...], list[tuple[Change, list[Change]]]] = {}
    for change in mine:
        parts = [
            c for c in preview.changes if c is not change and goes_with(thing_of(c), c.name, change.name, preview.stack)
        ]
        # What is told by itself stays by itself: a volume that is lost, a key that is renewed under a machine that stays.
        parts = [
            c
            for c in parts
            if c.op == change.op or (change.op == "replace" and thing_of(c).role not in ("volume", "identity"))
        ]
        taken |= {_key(c) for c in (change, *parts)}
        key = (change.op, why(change, edits, others), _shape(change, costs(change, farm)))
        groups.setdefault(key, []).append((change, parts))
    items = []
    for group in groups.values():
        heads, parts = [head for head, _ in group], [c for _, more in group for c in more]
        items.append(_item(heads, farm, edits, others, parts))
    return items, taken


def _shape(change: Change, said: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(s.replace(thing_of(change).on, "*") for s in said) if not change.name.endswith(FRONT_END) else said


def _key(change: Change) -> str:
    return f"{change.type}::{change.name}"


def _item(
    changes: Sequence[Change], farm: Farm, edits: Edits, others: Mapping[str, Change], parts: Sequence[Change] = ()
) -> Item:
    said = tuple(dict.fromkeys(s for c in changes for s in costs(c, farm)))
    reasons = tuple(dict.fromkeys(s for c in changes[:1] for s in why(c, edits, others)))
    return Item(changes[0].op, _what(changes[0].op, changes), reasons, said, (*changes, *parts), len(parts))


def items_of(preview: StackPreview, farm: Farm, edits: Edits = NO_EDITS) -> tuple[Item, ...]:
    """The lines of one stack, what may hurt most first."""
    others = _by_name(preview)
    whole = _whole_pool(preview, farm, edits)
    if whole is not None:
        left = [c for c in preview.changes if c not in whole.changes]
        return (whole, *_sorted([_item([c], farm, edits, others) for c in left]))
    items, taken = _machines(preview, farm, edits, others)
    groups: dict[tuple[object, ...], list[Change]] = {}
    for change in preview.changes:
        if _key(change) in taken:
            continue
        thing = thing_of(change)
        alone: object = "" if thing.role not in ("other",) else change.name
        reason = _reason(change, thing, edits, others)
        groups.setdefault((change.op, thing.role, _sort(thing), alone, reason), []).append(change)
    items += [_item(changes, farm, edits, others) for changes in groups.values()]
    return _sorted(items)


def _reason(change: Change, thing: Thing, edits: Edits, others: Mapping[str, Change]) -> object:
    """Changes of one sort are told apart by why, but for names: the certificate of each machine is its own."""
    if change.op in ("create", "delete") and thing.role != "machine":
        return ""
    return tuple(r.replace(f"{thing.on}-", "*-") if thing.on else r for r in why(change, edits, others))


def _sort(thing: Thing) -> str:
    return "" if thing.role == "peer" else thing.part


def _sorted(items: Iterable[Item]) -> tuple[Item, ...]:
    def place(item: Item) -> tuple[int, int, int, str]:
        thing = thing_of(item.changes[0])
        role = RANK.index(thing.role) if thing.role in RANK else len(RANK)
        return OPS.index(item.op), role, 0 if thing.part in QUORUM else 1, item.what

    ordered: Callable[[Item], tuple[int, int, int, str]] = place
    return tuple(sorted(items, key=ordered))
