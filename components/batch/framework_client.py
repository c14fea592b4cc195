"""The few calls to a pool's framework that the program makes. A framework that restarts or moves answers again soon."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import requests

from .https import Session

TIMEOUT = (3, 20)  # seconds to connect, and to answer
Json = dict[str, Any]


class FrameworkError(Exception):
    """The framework refused, or did not answer; the text says what and what to do."""


class Silent(FrameworkError):
    """The framework did not answer in time."""


@dataclass
class Framework:
    """`url` is where the forwarder listens. `ca` is the CA's certificate, PEM. `seconds` bound each wait."""

    pool: str
    url: str
    user: str
    password: str
    ca: str
    seconds: float = 300
    _session: Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._session = Session(self.user, self.password, self.ca)

    def _once(self, method: str, path: str, body: Any) -> requests.Response | str:
        """The answer, or why there is none. A 5xx is none: it does not lead now."""
        try:
            response = self._session.request(method, self.url + path, json=body, timeout=TIMEOUT)
        except requests.RequestException as error:
            return f"{type(error).__name__}"
        return f"{response.status_code} {_said(response)}" if response.status_code >= 500 else response

    def call(self, method: str, path: str, body: Any = None, seconds: float | None = None) -> requests.Response:
        """One request, again until it is answered. Raises Silent after `seconds`."""
        limit = self.seconds if seconds is None else seconds
        until = time.monotonic() + limit
        while isinstance(answer := self._once(method, path, body), str):
            if time.monotonic() > until:
                raise Silent(
                    f"the framework of pool {self.pool} did not answer at {self.url} within {limit:.0f} s ({answer}): see make status"
                )
            time.sleep(1)
        if answer.status_code == 401:
            raise FrameworkError(
                f"the framework of pool {self.pool} does not take our password: run pulumi up -s {self.pool}"
            )
        return answer

    def put_policy(self, policy: Json) -> None:
        """Gives it the policy. One that was torn down and is not yet replaced is waited for."""
        until = time.monotonic() + self.seconds
        while (response := self.call("PUT", "/v1/policy", policy)).status_code == 409 and time.monotonic() < until:
            time.sleep(1)
        self._check(response)

    def policy(self) -> Json | None:
        """The policy that it has; None if it has none."""
        response = self.call("GET", "/v1/policy", seconds=60)
        if response.status_code in (404, 409):
            return None
        self._check(response)
        found: Json = response.json()
        return found

    def wait(self, fixed: int) -> None:
        """Until the pool is whole. Raises FrameworkError with what is missing after `seconds`."""
        until = time.monotonic() + self.seconds
        while missing := self._missing(fixed):
            if time.monotonic() > until:
                raise FrameworkError(
                    f"pool {self.pool} is not whole after {self.seconds:.0f} s: {'; '.join(missing)}. See make status"
                )
            time.sleep(0.5)

    def _missing(self, fixed: int) -> list[str]:
        response = self.call("GET", "/v1/pool")
        self._check(response)
        return missing(response.json(), fixed)

    def teardown(self, jobs_too: bool) -> None:
        """Ends the pool for good, and waits until it is gone. Raises FrameworkError if jobs run and are not to be ended."""
        response = self.call("POST", "/v1/teardown", {"running_jobs": jobs_too})
        if response.status_code == 409 and not _json(response).get("gone"):
            raise FrameworkError(refusal(self.pool, _json(response).get("running")))
        if response.status_code != 409:
            self._check(response)
        until = time.monotonic() + self.seconds
        while True:
            state = _json(self.call("GET", "/v1/pool"))
            if state.get("gone"):
                return
            if time.monotonic() > until:
                left = state.get("executors", {})
                raise FrameworkError(f"pool {self.pool} is not gone after {self.seconds:.0f} s; its executors: {left}")
            time.sleep(0.5)

    def _check(self, response: requests.Response) -> None:
        if response.status_code >= 400:
            raise FrameworkError(
                f"the framework of pool {self.pool} answered {response.status_code}: {_said(response)}"
            )


def refusal(pool: str, running: int | None) -> str:
    """Why a pool is not destroyed, and what to do."""
    if running is None:
        what = f"its submit node does not say whether jobs run in pool {pool}"
    else:
        what = f"1 job runs in pool {pool}" if running == 1 else f"{running} jobs run in pool {pool}"
    return f"{what}: wait for them, or write pool.destroy_with_jobs: true, run pulumi up -s {pool}, and destroy again"


def missing(state: Json, fixed: int) -> list[str]:
    """What GET /v1/pool says is not there yet of a pool with `fixed` fixed executors; empty if it is whole."""
    if state.get("gone"):
        return ["it was torn down, and its framework is not made anew yet"]
    out = []
    if not state.get("mesos", {}).get("connected"):
        out.append("its framework is not subscribed at Mesos")
    roles = state.get("roles", [])
    if not roles:
        out.append("no role is known")
    for role in roles:
        if role.get("phase") != "running" or not role.get("healthy") or role.get("outdated"):
            why = role.get("why") or ("it is made anew" if role.get("outdated") else "not healthy")
            out.append(f"{role.get('name')} ({why})")
    there = state.get("executors", {}).get("fixed", {})
    if there.get("wanted") != fixed or there.get("running", 0) < fixed:
        out.append(f"{there.get('running', 0)} of {fixed} fixed executors run")
    if out and state.get("paused"):
        out.append("it is paused")
    return out


def _json(response: requests.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(response: requests.Response) -> str:
    body = _json(response)
    problems = body.get("problems")
    return "; ".join(map(str, problems)) if problems else str(body.get("message") or response.text[:300]).strip()
