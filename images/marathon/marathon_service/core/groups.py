"""What clients ask for of groups: trees of apps that are changed as one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import history, paths
from .checks import Problem, flag, list_of, number, record, refused, some_text, text
from .model import Deployment
from .operations import Change, Conflict, NotFound, Operations, Wish
from .spec import Json
from .stamps import is_stamp
from .validation import Invalid

_PODS = refused("pods are not built")
_UPDATE = record(
    {
        "id": some_text(),
        "apps": list_of(lambda _value, _path: iter(())),
        "groups": list_of(lambda _value, _path: iter(())),
        "dependencies": list_of(some_text()),
        "scaleBy": number(0, 1e6),
        "version": text,
        "enforceRole": flag,
        "pods": _PODS,
    }
)
_PATCH = record({"enforceRole": flag})
DEEPEST = 50


@dataclass
class _Tree:
    """What a body says: the apps and groups that shall be, those that shall go, and what is wrong."""

    apps: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, Json | None] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class Groups:
    """The operations on groups of one service."""

    def __init__(self, operations: Operations) -> None:
        self._do, self._state = operations, operations.state

    def apps_of(self, group_id: str) -> list[str]:
        return [a for a in self._state.apps if paths.inside(a, group_id)]

    def subgroups(self, group_id: str) -> list[str]:
        return [g for g in self._state.groups if g == group_id or paths.inside(g, group_id)]

    def exists(self, group_id: str) -> bool:
        return (
            group_id == "/"
            or any(paths.inside(a, group_id) for a in self._state.apps)
            or any(g == group_id or paths.inside(g, group_id) for g in self._state.groups)
        )

    def must_exist(self, group_id: str) -> None:
        if not self.exists(group_id):
            raise NotFound(f"Group '{group_id}' does not exist")

    def create(self, body: Json, path: str, force: bool = False) -> Deployment:
        own = self._own(body, path)
        if self.exists(own):
            raise Conflict(f"Group {own} is already created. Use PUT to change this group.")
        if own in self._state.apps:
            raise Conflict(f"An app with the path {own} already exists.")
        return self._do.apply(self._prepare(body, own, force))

    def change(self, body: Json, path: str, force: bool = False) -> Deployment:
        """Make the group what `body` says (where it lists apps or groups, those that it leaves out are deleted), go back to a version of
        it, or scale all that it holds."""
        return self._do.apply(self._prepare(body, self._own(body, path), force))

    def steps(self, body: Json, path: str) -> Change:
        """What `change` would do; nothing is done."""
        return self._prepare(body, self._own(body, path), force=True)

    def delete(self, group_id: str, force: bool = False) -> Deployment:
        self.must_exist(group_id)
        return self._do.delete(self.apps_of(group_id), force, self.subgroups(group_id))

    def patch(self, body: Json, group_id: str) -> None:
        """Settings of a group, without a deployment."""
        if problems := list(_PATCH(body, "")):
            raise Invalid(problems)
        if group_id == "/" or paths.parent(group_id) != "/":
            raise Invalid([("/id", f"{group_id} is not at the top: only such groups have settings")])
        self.must_exist(group_id)
        self._state.put_group(
            group_id, {"dependencies": [], **self._state.groups.get(group_id, {}), **self._role(body, group_id)}
        )

    def _role(self, body: Json, group_id: str, path: str = "") -> Json:
        enforce = body.get("enforceRole")
        if enforce is None:
            return {}
        if enforce and (group_id == "/" or paths.parent(group_id) != "/"):
            raise Invalid([(f"{path}/enforceRole", f"is only for groups at the top, and {group_id} is not there")])
        if enforce and group_id.strip("/") != self._do.rules.role:
            why = f"this service has one role, {self._do.rules.role} (MARATHON_MESOS_ROLE): tasks of role {group_id.strip('/')} would not start"
            raise Invalid([(f"{path}/enforceRole", why)])
        return {"enforceRole": enforce} if paths.parent(group_id) == "/" and group_id != "/" else {}

    @staticmethod
    def _own(body: Json, path: str) -> str:
        if problems := list(_UPDATE(body, "")):
            raise Invalid(problems)
        own = paths.absolute(body.get("id") or path, path)
        if own != "/" and (wrong := paths.problem(own)):
            raise Invalid([("/id", wrong)])
        if own != path and not paths.inside(own, path):
            raise Invalid([("/id", f"identifier {own} is not child of {path}. Hint: use relative paths.")])
        return own

    def _prepare(self, body: Json, own: str, force: bool) -> Change:
        # With apps or groups beside it, it is the version of a group that was shown, and is now sent back.
        if body.get("version") is not None and all(body.get(k) is None for k in ("apps", "groups", "dependencies")):
            return self._go_back(body, own, force)
        if body.get("scaleBy") is not None:
            return self._scale(body, own, force)
        tree = _Tree()
        self._read(body, own, tree, "", 1)
        if tree.problems:
            raise Invalid(tree.problems)
        gone = {a: None for a in tree.gone if a in self._state.apps and a not in tree.apps}
        tree.groups.update({g: None for g in tree.gone if g in self._state.groups and g not in tree.groups})
        return self._do.prepare(Wish({**gone, **tree.apps}, tree.groups, force))

    def _go_back(self, body: Json, own: str, force: bool) -> Change:
        version = body["version"]
        self.must_exist(own)
        found = history.at(self._state, own, version) if is_stamp(version) else None
        if found is None:
            raise Invalid([("/version", f"Group {own} not available in version {version}")])
        apps, groups = found
        target: dict[str, Json | None] = {**dict.fromkeys(self.apps_of(own)), **apps}
        metas: dict[str, Json | None] = {**dict.fromkeys(self.subgroups(own)), **groups}
        return self._do.prepare(Wish(target, metas, force))

    def _scale(self, body: Json, own: str, force: bool) -> Change:
        if rest := sorted(k for k in body if k not in ("id", "scaleBy", "pods", "version") and body[k] is not None):
            raise Invalid([("/scaleBy", f"scales what is there, and can only be alone: without {', '.join(rest)}")])
        self.must_exist(own)
        by = float(body["scaleBy"])
        target: dict[str, Json | None] = {}
        for app_id in self.apps_of(own):
            raw = self._state.apps[app_id].raw
            target[app_id] = {**raw, "instances": min(1_000_000, math.ceil(round(raw["instances"] * by, 6)))}
        return self._do.prepare(Wish(target, force=force))

    def _read(self, body: Json, own: str, tree: _Tree, path: str, depth: int) -> None:
        """One group of the body, with what it holds."""
        if depth > DEEPEST:
            tree.problems.append((f"{path}/groups", f"groups may be in one another {DEEPEST} times at the most"))
            return
        meta = dict(self._state.groups.get(own, {"dependencies": []}))
        if body.get("dependencies") is not None:
            meta["dependencies"] = list(dict.fromkeys(paths.absolute(d, own) for d in body["dependencies"]))
        try:
            meta |= self._role(body, own, path)
        except Invalid as e:
            tree.problems += e.problems
        tree.groups[own] = meta
        if body.get("apps") is not None:
            tree.gone.update({a: None for a in self.apps_of(own) if paths.parent(a) == own})
            for n, app in enumerate(body["apps"]):
                self._app(app, own, tree, f"{path}/apps({n})")
        if body.get("groups") is not None:
            tree.gone.update({a: None for a in self.apps_of(own) if paths.parent(a) != own})
            tree.gone.update({g: None for g in self.subgroups(own) if g != own})
            for n, group in enumerate(body["groups"]):
                self._group(group, own, tree, f"{path}/groups({n})", depth)

    def _child(self, raw: object, own: str, tree: _Tree, path: str) -> str | None:
        """The absolute id of an app or group inside the group `own`; None (and a problem) where it is none."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("id"), str):
            tree.problems.append((f"{path}/id" if isinstance(raw, Mapping) else path, "is required"))
            return None
        child = paths.absolute(raw["id"], own)
        if paths.parent(child) != own:
            tree.problems.append((f"{path}/id", f"identifier {child} is not child of {own}. Hint: use relative paths."))
            return None
        return child

    def _app(self, raw: Json, own: str, tree: _Tree, path: str) -> None:
        if (app_id := self._child(raw, own, tree, path)) is None:
            return
        if app_id in tree.apps:
            tree.problems.append((f"{path}/id", f"{app_id} is there twice"))
            return
        try:
            tree.apps[app_id] = self._do.normal(raw, app_id, beside=tree.apps.values())
        except Invalid as e:
            tree.problems += [(path if p == "/" else path + p, message) for p, message in e.problems]

    def _group(self, raw: Json, own: str, tree: _Tree, path: str, depth: int) -> None:
        if (group_id := self._child(raw, own, tree, path)) is None:
            return
        wrong = paths.problem(group_id)
        problems = [(f"{path}/id", wrong)] if wrong else list(_UPDATE(raw, path))
        if group_id in tree.groups:
            problems.append((f"{path}/id", f"{group_id} is there twice"))
        if problems:
            tree.problems += problems
            return
        self._read(raw, group_id, tree, path, depth + 1)
