"""The few calls to Marathon's API that the program makes. Whatever Marathon answers, the way to it may fail: each URL is tried."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from .https import Session

TIMEOUT = (3, 20)  # seconds to connect, and to answer


class MarathonError(Exception):
    """Marathon refused, or none of its instances answered."""


@dataclass
class Marathon:
    """`urls` are the instances; any passes a request on to the leader. `ca` is the CA's certificate, PEM."""

    urls: Sequence[str]
    user: str
    password: str
    ca: str
    _session: Session = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._session = Session(self.user, self.password, self.ca)

    def call(self, method: str, path: str, body: Any = None, params: dict[str, str] | None = None) -> requests.Response:
        """The first answer that is one. A 5xx is none: the instance may have lost its leader just now."""
        failures = []
        for url in self.urls:
            try:
                response = self._session.request(method, url + path, json=body, params=params, timeout=TIMEOUT)
            except requests.RequestException as error:
                failures.append(f"{url}: {type(error).__name__}")
                continue
            if response.status_code < 500:
                return response
            failures.append(f"{url}: {response.status_code} {response.text[:200]}")
        raise MarathonError("no Marathon instance answers: " + "; ".join(failures))

    def retry(
        self, method: str, path: str, body: Any = None, params: dict[str, str] | None = None, seconds: float = 60
    ) -> requests.Response:
        """`call`, again while no instance answers, for at most `seconds`."""
        until = time.monotonic() + seconds
        while True:
            try:
                return self.call(method, path, body, params)
            except MarathonError:
                if time.monotonic() > until:
                    raise
                time.sleep(1)

    def app(self, app_id: str) -> dict[str, Any] | None:
        """The app, or None if there is none."""
        response = self.retry("GET", f"/v2/apps{app_id}")
        if response.status_code == 404:
            return None
        _check(response)
        app: dict[str, Any] = response.json()["app"]
        return app

    def put(self, app: dict[str, Any]) -> None:
        """Creates or updates the app, in place of whatever deployment holds it now."""
        _check(self.retry("PUT", f"/v2/apps{app['id']}", app, {"force": "true", "partialUpdate": "false"}))

    def delete(self, app_id: str) -> None:
        """Deletes the app; it is no error if it is gone."""
        response = self.retry("DELETE", f"/v2/apps{app_id}", params={"force": "true"})
        if response.status_code != 404:
            _check(response)

    def wait(self, app_id: str, done: Callable[[dict[str, Any] | None], bool], seconds: float) -> dict[str, Any] | None:
        """The app as soon as it is `done`. Raises with what Marathon says of it after `seconds`."""
        until = time.monotonic() + seconds
        while True:
            app = self.app(app_id)
            if done(app):
                return app
            if time.monotonic() > until:
                raise MarathonError(f"{app_id} is not there after {seconds:.0f} s: {_why(app)}")
            time.sleep(0.5)


def settled(app: dict[str, Any] | None) -> bool:
    """Whether all instances run, are healthy, and no deployment is under way."""
    if app is None or app.get("deployments"):
        return False
    wanted = app["instances"]
    healthy = app.get("tasksHealthy", 0) if app.get("healthChecks") else app.get("tasksRunning", 0)
    return bool(app.get("tasksRunning", 0) == wanted and healthy == wanted)


def gone(app: dict[str, Any] | None) -> bool:
    """Whether the app and its tasks are no more."""
    return app is None


def _why(app: dict[str, Any] | None) -> str:
    if app is None:
        return "Marathon does not know it"
    counts = f"{app.get('tasksRunning', 0)} of {app['instances']} run, {app.get('tasksHealthy', 0)} healthy"
    failure = (app.get("lastTaskFailure") or {}).get("message")
    return f"{counts}; last failure: {failure}" if failure else counts


def _check(response: requests.Response) -> None:
    if response.status_code >= 400:
        try:
            body = response.json()
            said = body.get("message", "") + (" " + json.dumps(body["details"]) if body.get("details") else "")
        except ValueError:
            said = response.text[:500]
        raise MarathonError(f"Marathon answered {response.status_code}: {said}")
