"""What a preview says, read and without secrets: the shapes that the renderers share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Op = Literal["create", "update", "replace", "delete"]
OPS: tuple[Op, ...] = ("replace", "delete", "update", "create")  # what may hurt most comes first


@dataclass(frozen=True)
class Diff:
    """One property. `old` and `new` are texts, None where there is none; `replaces`: because of it the resource is made anew."""

    path: str
    old: str | None
    new: str | None
    replaces: bool = False


@dataclass(frozen=True)
class Change:
    """What happens to one resource. `because`: names of changed resources of the same stack that what changed comes from;
    `outside`: whether some of it comes from another stack; `source` is the file that registers it."""

    stack: str
    op: Op
    type: str
    name: str
    diffs: tuple[Diff, ...] = ()
    because: tuple[str, ...] = ()
    outside: bool = False
    source: str = ""
    urn: str = ""

    @property
    def kind(self) -> str:
        """The last word of the type: Container, Command, Certificate."""
        return self.type.rpartition(":")[2]

    @property
    def local(self) -> bool:
        """A Command that runs where Pulumi runs."""
        return self.type == "command:local:Command"


@dataclass(frozen=True)
class StackPreview:
    """One stack. `counts` are Pulumi's own, by operation, `same` among them. `errors` say why there is no (whole) preview;
    `note` why there is none, which is no error. `seconds` is how long it took. `advice` is what policies say that refuse nothing."""

    stack: str
    counts: dict[str, int] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    errors: tuple[str, ...] = ()
    note: str = ""
    seconds: float = 0.0
    advice: tuple[str, ...] = ()

    def count(self, op: str) -> int:
        return self.counts.get(op, 0)

    @property
    def changed(self) -> bool:
        return any(self.counts.get(op) for op in OPS) or bool(self.changes)


@dataclass(frozen=True)
class Item:
    """One line of a stack's list: changes of one sort, why, and what they cost. `follows` are resources that only go with them."""

    op: Op
    what: str
    why: tuple[str, ...]
    costs: tuple[str, ...]
    changes: tuple[Change, ...]
    follows: int = 0


@dataclass(frozen=True)
class Report:
    """All that is told. `items` by stack; `warnings` concern more than one resource or stack."""

    stacks: tuple[StackPreview, ...]
    items: dict[str, tuple[Item, ...]]
    warnings: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return any(s.errors for s in self.stacks)
