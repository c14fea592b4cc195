"""A Marathon app as a Pulumi resource: made, updated in place, deleted, and read back as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from .marathon_client import Marathon, MarathonError, gone, settled


def projected(wanted: Any, live: Any) -> Any:
    """What `live` says where `wanted` says anything: Marathon's defaults and counters are nobody's change."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        return {key: projected(value, live.get(key)) for key, value in wanted.items()}
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        return [projected(a, b) for a, b in zip(wanted, live, strict=True)]
    if isinstance(wanted, int | float) and isinstance(live, int | float) and float(wanted) == float(live):
        return wanted
    return live


def changes(olds: Mapping[str, Any], news: Mapping[str, Any]) -> list[str]:
    """The app's top-level keys that differ, the environment as one of them."""
    old, new = olds.get("app", {}), news.get("app", {})
    out = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return out + (["env"] if olds.get("env") != news.get("env") else [])


class _Provider(ResourceProvider):
    """Talks to Marathon with what the resource's own properties say; pickled, so that it keeps nothing."""

    def _marathon(self, props: Mapping[str, Any]) -> Marathon:
        return Marathon(list(props["urls"]), props["user"], props["password"], props["ca"])

    def _put(self, props: dict[str, Any]) -> None:
        marathon = self._marathon(props)
        marathon.put({**props["app"], "env": props["env"]})
        marathon.wait(props["app"]["id"], settled, float(props["seconds"]))

    def create(self, props: dict[str, Any]) -> CreateResult:
        self._put(props)
        return CreateResult(id_=props["app"]["id"], outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        if changes(_olds, news):
            self._put(news)
        return UpdateResult(outs=news)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        other = any(olds.get(key) != news.get(key) for key in ("urls", "user", "password", "ca"))
        moved = olds.get("app", {}).get("id") != news.get("app", {}).get("id")
        return DiffResult(
            changes=bool(changes(olds, news)) or other, replaces=["app"] if moved else [], delete_before_replace=True
        )

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        live = self._marathon(props).app(id_)
        if live is None:
            return ReadResult(id_="", outs={})  # gone: the next `up` makes it again
        env = projected(props["env"], live.get("env", {}))
        return ReadResult(id_=id_, outs={**props, "app": projected(props["app"], live), "env": env})

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        marathon = self._marathon(props)
        try:
            marathon.delete(id_)
            marathon.wait(id_, gone, float(props["seconds"]))
        except MarathonError as error:
            raise MarathonError(f"{id_} was not deleted: {error}") from error


@dataclass
class MarathonLogin:
    """Where Marathon is and how to get in."""

    urls: Sequence[str]
    user: pulumi.Input[str]
    password: pulumi.Input[str]
    ca: pulumi.Input[str]


class MarathonApp(Resource, module="batch", name="MarathonApp"):
    """One app: `app` is its JSON without the environment, which is a secret of its own. `seconds` bound each wait."""

    app: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        login: MarathonLogin,
        app: Mapping[str, Any],
        env: pulumi.Input[Mapping[str, str]],
        seconds: int = 300,
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            "urls": list(login.urls),
            "user": login.user,
            "password": pulumi.Output.secret(login.password),
            "ca": login.ca,
            "app": dict(app),
            "env": pulumi.Output.secret(env),
            "seconds": seconds,
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password", "env"])
        super().__init__(_Provider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
