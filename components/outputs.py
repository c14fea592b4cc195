"""Outputs with their types kept."""

from __future__ import annotations

from typing import TypeVar, cast

import pulumi

T = TypeVar("T")


def secret(value: pulumi.Output[T]) -> pulumi.Output[T]:
    """`value` as a secret: encrypted in the state, never shown."""
    return cast("pulumi.Output[T]", pulumi.Output.secret(cast("pulumi.Output[object]", value)))
