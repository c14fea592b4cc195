"""The Marathon app as a resource: what counts as a change, and the calls it makes to a small server that answers as Marathon does."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.batch.marathon_app import _Provider, changes, projected
from components.batch.marathon_client import Marathon, MarathonError, gone, settled
from components.identity import keys

PASSWORD = "a password"


@pytest.mark.parametrize(
    ("wanted", "live", "seen"),
    [
        ({"a": 1}, {"a": 1, "version": "now"}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": None}),
        ({"cpus": 1}, {"cpus": 1.0}, {"cpus": 1}),
        ({"cpus": 0.2}, {"cpus": 0.3}, {"cpus": 0.3}),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2, "d": 3}], "e": 4}}, {"a": {"b": [1, {"c": 2}]}}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": [1, 2]}),
        ({"a": [1]}, {"a": None}, {"a": None}),
        ({"a": {"b": 1}}, {"a": "text"}, {"a": "text"}),
    ],
)
def test_projected(wanted: Any, live: Any, seen: Any) -> None:
    assert projected(wanted, live) == seen
    assert projected(wanted, wanted) == wanted


def test_changes() -> None:
    old: dict[str, Any] = {"app": {"id": "/a", "instances": 1, "labels": {"x": "y"}}, "env": {"A": "1"}}
    assert changes(old, old) == []
    assert changes(old, {**old, "app": {**old["app"], "instances": 2}}) == ["instances"]
    assert changes(old, {**old, "app": {"id": "/a", "instances": 1}}) == ["labels"]
    assert changes(old, {**old, "env": {"A": "2"}}) == ["env"]
    assert changes({}, old) == ["id", "instances", "labels", "env"]


@pytest.mark.parametrize(
    ("app", "is_settled", "is_gone"),
    [
        (None, False, True),
        ({"instances": 2, "tasksRunning": 2, "deployments": []}, True, False),
        ({"instances": 2, "tasksRunning": 2, "deployments": [{"id": "x"}]}, False, False),
        ({"instances": 2, "tasksRunning": 1}, False, False),
        ({"instances": 1, "tasksRunning": 2}, False, False),
        ({"instances": 1, "tasksRunning": 1, "healthChecks": [{}]}, False, False),
        ({"instances": 1, "tasksRunning": 1, "tasksHealthy": 1, "healthChecks": [{}]}, True, False),
        ({"instances": 0, "tasksRunning": 0}, True, False),
    ],
)
def test_when_to_go_on(app: dict[str, Any] | None, is_settled: bool, is_gone: bool) -> None:
    assert settled(app) is is_settled
    assert gone(app) is is_gone


class Fake(ThreadingHTTPServer):
    """Marathon's /v2/apps. Apps are settled after `polls` looks; `broken` answers every request with a 503."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.apps: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.polls, self.broken, self.refuse = 0, False, False
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Fake

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        fake, (path, _, query) = self.server, self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fake.calls.append(f"{self.command} {path}" + (f"?{query}" if query else ""))
        if fake.broken:
            return self.answer(503, {"message": "no leader"})
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode():
            return self.answer(401, {"message": "Invalid username or password."})
        app_id = path.removeprefix("/v2/apps")
        if self.command == "PUT":
            if fake.refuse:
                return self.answer(
                    422, {"message": "Object is not valid", "details": [{"path": "/cpus", "errors": ["too many"]}]}
                )
            app = json.loads(body)
            fake.bodies.append(app)
            fake.apps[app_id] = {**app, "tasksRunning": 0, "deployments": [{"id": "d"}], "version": "v", "ports": [1]}
            return self.answer(200, {"version": "v", "deploymentId": "d"})
        if app_id not in fake.apps:
            return self.answer(404, {"message": f"App '{app_id}' does not exist"})
        if self.command == "DELETE":
            del fake.apps[app_id]
            return self.answer(200, {"version": "v", "deploymentId": "d"})
        fake.polls -= 1
        if fake.polls < 0:
            count = fake.apps[app_id]["instances"]
            fake.apps[app_id] |= {"deployments": [], "tasksRunning": count, "tasksHealthy": count}
        return self.answer(200, {"app": fake.apps[app_id]})

    do_GET = do_PUT = do_DELETE = handle_any


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def properties(*servers: Fake, instances: int = 2, seconds: int = 10) -> dict[str, Any]:
    app = {"id": "/demo/executors", "instances": instances, "cpus": 1}
    urls = [s.url for s in servers]
    login = {"urls": urls, "user": "admin", "password": PASSWORD, "ca": keys.certificate_authority("x")["certificate"]}
    return {**login, "app": app, "env": {"TOKEN": "t"}, "seconds": seconds}


def test_create_puts_the_app_and_waits(fake: Fake) -> None:
    fake.polls = 3
    props = properties(fake)
    made = _Provider().create(props)
    assert (made.id, made.outs) == ("/demo/executors", props)
    assert fake.calls[0] == "PUT /v2/apps/demo/executors?force=true&partialUpdate=false"
    assert fake.calls[1:] == ["GET /v2/apps/demo/executors"] * 4
    assert fake.bodies == [{"id": "/demo/executors", "instances": 2, "cpus": 1, "env": {"TOKEN": "t"}}]


def test_diff_and_update_in_place(fake: Fake) -> None:
    old, new = properties(fake), properties(fake, instances=3)
    provider = _Provider()
    found = provider.diff("/demo/executors", old, new)
    assert found.changes and not found.replaces
    assert not provider.diff("/demo/executors", old, old).changes
    moved = {**new, "app": {**new["app"], "id": "/other"}}
    assert provider.diff("/demo/executors", old, moved).replaces == ["app"]
    provider.update("/demo/executors", old, new)
    assert fake.bodies[-1]["instances"] == 3


def test_a_new_password_is_no_new_deployment(fake: Fake) -> None:
    old = properties(fake)
    new = {**old, "password": "another"}
    provider = _Provider()
    assert provider.diff("/demo/executors", old, new).changes
    provider.update("/demo/executors", old, new)
    assert fake.calls == []


def test_read_shows_what_somebody_changed(fake: Fake) -> None:
    props, provider = properties(fake), _Provider()
    provider.create(props)
    assert provider.read("/demo/executors", props).outs == props, "Marathon's own additions are no change"
    fake.apps["/demo/executors"] |= {"instances": 7, "env": {"TOKEN": "t", "MORE": "x"}}
    seen = provider.read("/demo/executors", props).outs
    assert seen is not None and seen["app"]["instances"] == 7
    found = provider.diff("/demo/executors", seen, props)
    assert found.changes and not found.replaces


def test_read_of_what_is_gone(fake: Fake) -> None:
    assert not _Provider().read("/demo/executors", properties(fake)).id


def test_delete_waits_until_it_is_gone(fake: Fake) -> None:
    props, provider = properties(fake), _Provider()
    provider.create(props)
    fake.calls.clear()
    provider.delete("/demo/executors", props)
    assert fake.apps == {}
    assert fake.calls == ["DELETE /v2/apps/demo/executors?force=true", "GET /v2/apps/demo/executors"]
    provider.delete("/demo/executors", props)


def test_an_instance_without_leader_is_passed_over(fake: Fake) -> None:
    with Fake() as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        other.broken = True
        _Provider().create(properties(other, fake))
        assert len(fake.bodies) == 1 and other.calls
        other.shutdown()


def test_no_instance_answers(fake: Fake) -> None:
    fake.broken = True
    marathon = Marathon([fake.url, "http://127.0.0.1:1"], "admin", PASSWORD, "")
    with pytest.raises(
        MarathonError, match=r"no Marathon instance answers: .*503 .*no leader.*127\.0\.0\.1:1: ConnectionError"
    ):
        marathon.retry("GET", "/v2/apps/x", seconds=0)


def test_a_refusal_says_why(fake: Fake) -> None:
    fake.refuse = True
    with pytest.raises(MarathonError, match=r"422: Object is not valid .*/cpus.*too many"):
        _Provider().create(properties(fake))
    assert len(fake.calls) == 1, "a refusal is not tried again"


def test_a_wrong_password_is_said(fake: Fake) -> None:
    with pytest.raises(MarathonError, match="401: Invalid username or password"):
        _Provider().create({**properties(fake), "password": "another"})


def test_what_does_not_come_up_says_why(fake: Fake) -> None:
    fake.polls = 10**9
    with pytest.raises(MarathonError, match=r"/demo/executors is not there after 0 s: 0 of 2 run, 0 healthy"):
        _Provider().create(properties(fake, seconds=0))


def test_only_a_server_of_the_federations_ca_is_believed(fake: Fake, tmp_path: Path) -> None:
    ca, other = keys.certificate_authority("ours"), keys.certificate_authority("ours")
    made = keys.certificate(ca["certificate"], ca["private_key"], "front-end", ["127.0.0.1"])
    (tmp_path / "crt").write_text(made["certificate"])
    (tmp_path / "key").write_text(made["private_key"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    fake.socket = context.wrap_socket(fake.socket, server_side=True)
    fake.scheme = "https"
    assert Marathon([fake.url], "admin", PASSWORD, ca["certificate"]).app("/x") is None
    with pytest.raises(MarathonError, match="SSLError"):
        Marathon([fake.url], "admin", PASSWORD, other["certificate"]).call("GET", "/v2/apps/x")
