"""Long lists as JSON text: the text of a task is kept until the task changes, so that a list of ten thousand costs as much as is new."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from . import app_views, views
from .model import Instance, State
from .spec import AppSpec

_encode = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps would make another encoder for each task


def task_text(state: State, instance: Instance) -> str:
    known = state.texts.get(instance.id)
    if known is None or known[0] is not instance:
        text = _encode(views.task(state, instance))
        known = state.texts[instance.id] = (instance, text)
    return known[1]


def tasks_text(state: State, instances: Iterable[Instance]) -> str:
    """{"tasks": [...]}"""
    return f'{{"tasks":[{",".join(task_text(state, i) for i in instances)}]}}'


def apps_text(state: State, specs: Iterable[AppSpec], embed: Collection[str], now: float) -> str:
    """{"apps": [...]}, each as app_views.app has it."""
    return f'{{"apps":[{",".join(_app_text(state, s, embed, now) for s in specs)}]}}'


def _app_text(state: State, spec: AppSpec, embed: Collection[str], now: float) -> str:
    body = app_views.app(state, spec, frozenset(embed) - {"tasks"}, now)
    text = _encode(body)
    if "tasks" not in embed:
        return text
    return f'{text[:-1]},"tasks":[{",".join(task_text(state, i) for i in state.of_app(spec.id))}]}}'
