"""The facts and the verdict as JSON, and back. By itself, since to make this takes longer than to read all stacks."""

from __future__ import annotations

from pydantic import TypeAdapter

from .status_facts import Facts
from .status_model import Status

FACTS = TypeAdapter(Facts)
STATUS = TypeAdapter(Status)
