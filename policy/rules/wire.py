"""Reads resources as Pulumi's engine sends them: secrets and what is not known yet are marked in the values themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import UNKNOWN, Resource, Secret

SIGNATURE = "4dabf18193072939515e22adb298388d"  # the key by which Pulumi's wire format marks special values
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
# A text, a list, a block, a number, a truth, an asset, an archive that is not known yet.
UNKNOWNS = {
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
}
OWN = "__"  # what Pulumi keeps for itself in the properties of a resource, such as a dynamic one's program, starts so


def values(wire: Any) -> Any:
    """The values off the wire."""
    if isinstance(wire, Mapping):
        match wire.get(SIGNATURE):
            case None:
                return {k: values(v) for k, v in wire.items() if not k.startswith(OWN)}
            case str(mark) if mark == SECRET:
                return Secret(values(wire.get("value")))
            case str(mark) if mark == OUTPUT:
                inner = values(wire["value"]) if "value" in wire else UNKNOWN
                return Secret(inner) if wire.get("secret") else inner
            case _:
                return None  # assets and archives: none of ours has any
    if isinstance(wire, list):
        return [values(v) for v in wire]
    return UNKNOWN if isinstance(wire, str) and wire in UNKNOWNS else wire


def types_of(urn: str) -> tuple[str, ...]:
    """The types in a URN: those of the parents, then its own."""
    return tuple(urn.split("::")[2].split("$"))


def stack_of(urn: str) -> str:
    """The stack that a URN is in."""
    return urn.split("::")[0].removeprefix("urn:pulumi:")


def resource(
    urn: str,
    wire: Mapping[str, Any],
    protect: bool = False,
    retain: bool | None = None,
    secret_outputs: frozenset[str] = frozenset(),
) -> Resource:
    """The resource that the engine means."""
    return Resource(types_of(urn), urn.rpartition("::")[2], values(wire), protect, retain, secret_outputs)
