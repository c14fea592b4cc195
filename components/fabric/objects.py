"""An object as Calico's API has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

API = "projectcalico.org/v3"


def calico_object(kind: str, name: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None) -> Object:
    """`labels` are the object's own, by which others select it."""
    metadata: dict[str, Any] = {"name": name}
    if labels:
        metadata["labels"] = dict(labels)
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": dict(spec)}
