"""docs/configuration.md has every key of the model, no other, and the right defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from components.spec.loader import _block_of
from components.spec.model import Federation, FederationStack, PoolStack, SiteStack

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
ROWS = {
    cells[1].strip(" `"): cells[3].strip()
    for cells in (re.split(r"(?<!\\)\|", r) for r in TEXT.splitlines() if r.startswith("| `"))
}
STEP = {"sites": ".<site>", "users": ".N", "volumes": ".N", "agent_groups": ".<group>"}
STEP |= dict.fromkeys(("allow_to", "allow_from", "deny_to", "deny_from"), ".N")


def keys(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, Any]]:
    """(key, default or Undefined) of all fields, however deep."""
    for name, field in model.model_fields.items():
        key = prefix + name
        yield key, field.get_default(call_default_factory=True)
        block = _block_of(field.annotation)
        if isinstance(block, type) and issubclass(block, BaseModel):
            yield from keys(block, key + STEP.get(name, "") + ".")


EXPECTED = dict(
    [*keys(Federation, ""), *keys(FederationStack, "aerie:"), *keys(SiteStack, "aerie:"), *keys(PoolStack, "")]
)


def test_every_key_and_no_other() -> None:
    assert sorted(ROWS) == sorted(EXPECTED)


def test_defaults() -> None:
    for key, default in EXPECTED.items():
        said = ROWS[key]
        if default is PydanticUndefined:
            assert said.startswith("*required*"), key
        elif isinstance(default, BaseModel):
            assert said == "as below", key
        elif default is None:
            assert not said.startswith(("`", "*")), key
        else:
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            assert said == f"`{shown}`", key
