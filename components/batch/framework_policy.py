"""The policy of a pool's framework as a Pulumi resource: changed in place while jobs run, and the pool's end when it is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from .framework import with_nulls, without_nulls
from .framework_client import Framework, FrameworkError, Silent
from .marathon_app import projected

FIELDS = ("policy", "app", "destroy_with_jobs", "url", "user", "password", "ca")
AWAY = 60.0  # seconds: a framework that does not answer for so long is not waited for when its jobs do not matter


class Provider(ResourceProvider):
    """Talks to the framework with what the resource's own properties say; pickled, so that it keeps nothing."""

    def _framework(self, props: Mapping[str, Any]) -> Framework:
        return Framework(
            props["pool"], props["url"], props["user"], props["password"], props["ca"], float(props["seconds"])
        )

    def _put(self, props: Mapping[str, Any], wait: bool) -> None:
        framework = self._framework(props)
        framework.put_policy(with_nulls(props["policy"]))
        if wait:
            framework.wait(int(props["policy"]["fixed"]))

    def create(self, props: dict[str, Any]) -> CreateResult:
        self._put(props, wait=True)
        return CreateResult(id_=props["pool"], outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        app = _olds.get("app") != news.get("app")
        fixed = (_olds.get("policy") or {}).get("fixed") != news["policy"]["fixed"]
        if app or _olds.get("policy") != news["policy"]:
            self._put(news, wait=app or fixed)
        return UpdateResult(outs=news)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = olds.get("pool") != news.get("pool")
        changed = any(olds.get(key) != news.get(key) for key in FIELDS)
        return DiffResult(changes=changed or moved, replaces=["pool"] if moved else [], delete_before_replace=True)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        live = self._framework(props).policy()
        seen = without_nulls(projected(with_nulls(props["policy"]), live or {}))
        return ReadResult(id_=id_, outs={**props, "policy": seen})

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        jobs_too, framework = bool(props["destroy_with_jobs"]), self._framework(props)
        if jobs_too:
            try:
                framework.call("GET", "/v1/pool", seconds=AWAY)
            except Silent:
                return  # what it leaves behind ends with its role
        try:
            framework.teardown(jobs_too)
        except FrameworkError as error:
            raise FrameworkError(f"nothing of pool {id_} was destroyed: {error}") from error


@dataclass
class FrameworkLogin:
    """Where the pool's framework answers and how to get in."""

    pool: str
    url: str
    user: str
    password: pulumi.Input[str]
    ca: pulumi.Input[str]


class FrameworkPolicy(Resource, module="batch", name="FrameworkPolicy"):
    """The policy of one pool. `app` changes with the framework's own container, which is then waited for; `seconds` bound each wait."""

    policy: pulumi.Output[dict[str, Any]]

    def __init__(
        self,
        name: str,
        login: FrameworkLogin,
        policy: Mapping[str, Any],
        app: pulumi.Input[str],
        destroy_with_jobs: bool,
        seconds: int = 300,
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            "pool": login.pool,
            "url": login.url,
            "user": login.user,
            "password": pulumi.Output.secret(login.password),
            "ca": login.ca,
            "policy": dict(policy),
            "app": app,
            "destroy_with_jobs": destroy_with_jobs,
            "seconds": seconds,
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        super().__init__(Provider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
