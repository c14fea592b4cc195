"""A pool's Mesos role as a Pulumi resource: its quota and its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from .mesos_client import Mesos, MesosError
from .types import ShareSpec

SETTINGS = ("weight", "guarantee", "limit")  # what the role is; the rest is how to get at it
ACCESS = ("masters", "user", "password", "ca")


def settings(share: ShareSpec) -> dict[str, Any]:
    """What Mesos is told of the role. Resources as Mesos calls them: cpus in cores, mem in MB.

    A guarantee in Mesos is kept free even while nobody wants it, so it is one only if the pool does not lend. Without a limit
    of its own the role has none: what the pool starts is bounded by its executors' number, and a limit that follows from
    that would only refuse it, without a word, the offers for its last one."""
    limit = {"cpus": share.limit_cpus, "mem": share.limit_memory}
    return {
        "weight": float(share.weight),
        "guarantee": {} if share.lend else {"cpus": float(share.cpus), "mem": float(share.memory)},
        "limit": {name: float(value) for name, value in limit.items() if value is not None},
    }


class Provider(ResourceProvider):
    """Talks to the masters with what the resource's own properties say; pickled, so that it keeps nothing."""

    def _mesos(self, props: Mapping[str, Any]) -> Mesos:
        return Mesos(list(props["masters"]), props["user"], props["password"], props["ca"], float(props["seconds"]))

    def _set(self, props: Mapping[str, Any]) -> None:
        mesos = self._mesos(props)
        mesos.set_quota(props["role"], props["guarantee"], props["limit"])
        mesos.set_weight(props["role"], props["weight"])

    def create(self, props: dict[str, Any]) -> CreateResult:
        self._set(props)
        return CreateResult(id_=props["role"], outs=props)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        if any(_olds.get(key) != news.get(key) for key in SETTINGS):
            self._set(news)
        return UpdateResult(outs=news)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = any(olds.get(key) != news.get(key) for key in (*SETTINGS, *ACCESS))
        if olds.get("role") != news.get("role"):
            # The old role's end would be that of all its tasks, whatever jobs run in them.
            raise MesosError(
                f"pool.number cannot change while the pool stands (role {olds.get('role')}, wanted {news.get('role')}): "
                "write the old number, destroy the pool, then write the new one"
            )
        return DiffResult(changes=changed)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        mesos = self._mesos(props)
        guarantee, limit = mesos.quota(id_)
        live = {"weight": mesos.weight(id_), "guarantee": guarantee, "limit": limit}
        return ReadResult(id_=id_, outs={**props, **live})

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        """As if nobody had ever said anything of the role. A framework that could not end itself is ended here: without a
        scheduler its tasks would run on for a week."""
        mesos = self._mesos(props)
        mesos.teardown(id_)
        mesos.set_quota(id_, {}, {})
        mesos.set_weight(id_, 1.0)


@dataclass
class MesosLogin:
    """Where the masters are (host:port) and how the operator gets in."""

    masters: Sequence[str]
    user: pulumi.Input[str]
    password: pulumi.Input[str]
    ca: pulumi.Input[str]


class MesosRole(Resource, module="batch", name="MesosRole"):
    """One role: `settings` are those above. `seconds` bound the search for the leading master."""

    role: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        login: MesosLogin,
        role: str,
        settings: Mapping[str, Any],
        seconds: int = 60,
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            "masters": list(login.masters),
            "user": login.user,
            "password": pulumi.Output.secret(login.password),
            "ca": login.ca,
            "role": role,
            **settings,
            "seconds": seconds,
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["password"])
        super().__init__(Provider(), name, props, pulumi.ResourceOptions.merge(opts, secret))
