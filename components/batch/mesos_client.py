"""The few calls to Mesos' operator API (v1) that the program makes, to whichever master leads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from .https import Session

TIMEOUT = (3, 20)  # seconds to connect, and to answer
Json = dict[str, Any]


class MesosError(Exception):
    """Mesos refused, or no leading master answered."""


@dataclass
class Mesos:
    """`masters` are host:port. `ca` is the CA's certificate, PEM. `seconds` bound the search for the leader."""

    masters: Sequence[str]
    user: str
    password: str
    ca: str
    seconds: float = 60
    scheme: str = "https"
    _session: Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._session = Session(self.user, self.password, self.ca)

    def _leader(self, path: str, **body: Any) -> requests.Response:
        """The leading master's answer, by way of whoever knows it. Raises MesosError if nobody does."""
        failures, known = [], list(self.masters)
        for master in known:
            try:
                # A master that does not lead names the leader (307); on the way there `requests` would forget the password.
                response = self._session.post(
                    f"{self.scheme}://{master}{path}", timeout=TIMEOUT, allow_redirects=False,
                    headers={"Accept": "application/json"}, **body,
                )  # fmt: skip
            except requests.RequestException as error:
                failures.append(f"{master}: {type(error).__name__}")
                continue
            if response.status_code in (301, 302, 307, 308):
                leader = urlsplit(response.headers.get("Location", "")).netloc
                if leader in self.masters and known.count(leader) < 2:
                    known.append(leader)  # the loop takes it too; one that is no master of ours gets no password
                failures.append(f"{master}: {leader or 'another'} leads")
            elif response.status_code >= 500:
                failures.append(f"{master}: {response.status_code} {response.text[:200]}")
            else:
                return response
        raise MesosError("no leading Mesos master answers: " + "; ".join(failures))

    def _post(self, what: str, path: str, **body: Any) -> requests.Response:
        """`_leader`, again while no master leads. Raises MesosError with Mesos' own words if it refuses."""
        until = time.monotonic() + self.seconds
        while True:
            try:
                response = self._leader(path, **body)
                break
            except MesosError:
                if time.monotonic() > until:
                    raise
                time.sleep(1)
        if response.status_code >= 400:
            raise MesosError(f"Mesos answered {what} with {response.status_code}: {response.text[:500]}")
        return response

    def call(self, kind: str, **body: Any) -> Json:
        """One call of the operator API."""
        response = self._post(kind, "/api/v1", json={"type": kind, **body})
        found: Json = response.json() if response.content else {}
        return found

    def teardown(self, principal: str) -> list[str]:
        """Ends every framework of `principal` that is still registered, and all its tasks; their ids."""
        known = self.call("GET_FRAMEWORKS").get("get_frameworks", {}).get("frameworks", [])
        infos = [framework["framework_info"] for framework in known]
        ids = [str(info["id"]["value"]) for info in infos if info.get("principal") == principal]
        for framework in ids:
            self._post("teardown", "/teardown", data={"frameworkId": framework})
        return ids

    def quota(self, role: str) -> tuple[Json, Json]:
        """(guarantees, limits) of the role, resource to amount; without a quota both are empty."""
        status = self.call("GET_QUOTA").get("get_quota", {}).get("status", {})
        for config in status.get("configs", []):
            if config.get("role") == role:
                return _amounts(config.get("guarantees", {})), _amounts(config.get("limits", {}))
        return {}, {}

    def set_quota(self, role: str, guarantee: Mapping[str, float], limit: Mapping[str, float]) -> None:
        """The role's quota from now on, also where it is over it already: nothing is taken away from tasks that run."""
        config = {"role": role, "guarantees": _values(guarantee), "limits": _values(limit)}
        # `force`: Mesos need not find room for the guarantee just now.
        self.call("UPDATE_QUOTA", update_quota={"force": True, "quota_configs": [config]})

    def weight(self, role: str) -> float:
        """The role's weight; 1 if nobody set it."""
        infos = self.call("GET_WEIGHTS").get("get_weights", {}).get("weight_infos", [])
        return next((float(i["weight"]) for i in infos if i.get("role") == role), 1.0)

    def set_weight(self, role: str, weight: float) -> None:
        """The role's weight from now on."""
        self.call("UPDATE_WEIGHTS", update_weights={"weight_infos": [{"role": role, "weight": weight}]})


def _values(amounts: Mapping[str, float]) -> Json:
    return {name: {"value": float(amount)} for name, amount in amounts.items()}


def _amounts(values: Mapping[str, Any]) -> Json:
    return {name: float(value["value"]) for name, value in values.items()}
