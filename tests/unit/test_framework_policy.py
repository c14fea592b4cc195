"""The policy of a pool's framework as a resource, against a small server that answers as the framework's REST does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from components.batch.framework_client import FrameworkError, Silent, missing, refusal
from components.batch.framework_policy import Provider

WHOLE: dict[str, Any] = {
    "gone": False,
    "paused": False,
    "mesos": {"connected": True},
    "roles": [
        {"name": "central-manager", "phase": "running", "healthy": True, "why": ""},
        {"name": "submit-node", "phase": "running", "healthy": True, "why": ""},
    ],
    "executors": {"fixed": {"wanted": 1, "running": 1}, "elastic": {}},
}


class FakeFramework(ThreadingHTTPServer):
    """The REST of a framework. `polls`: how many looks it takes until the pool is whole, or gone; `away`: how many requests fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[str] = []
        self.policy: dict[str, Any] | None = None
        self.polls = self.away = 0
        self.running: int | None = 0
        self.ending = self.gone = False
        self.problems: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: FakeFramework

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_any(self) -> None:
        fake = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = f"{self.command} {self.path}"
        if fake.away:
            fake.away -= 1
            if fake.away % 2:
                self.close_connection = True
                return
            return self.answer(503, {"message": "this scheduler does not lead (now)"})
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"admin:pw").decode():
            return self.answer(401, {"message": "user and password, please"})
        fake.calls.append(call)
        match call:
            case "PUT /v1/policy":
                if fake.gone:
                    fake.gone = False  # the next one is a framework that was made anew
                    return self.answer(409, {"message": "the pool was torn down", "gone": True})
                if fake.problems:
                    return self.answer(422, {"message": "the policy is not valid", "problems": fake.problems})
                fake.policy = json.loads(body)
                return self.answer(200, fake.policy or {})
            case "GET /v1/policy":
                return self.answer(200, fake.policy) if fake.policy else self.answer(404, {"message": "none yet"})
            case "GET /v1/pool":
                fake.polls -= 1
                if fake.ending and fake.polls < 0:
                    fake.gone = True
                if fake.gone:
                    return self.answer(200, {"gone": True})
                lacks = {"executors": {"fixed": {"wanted": 1, "running": 0}}} if fake.polls >= 0 else {}
                return self.answer(200, {**WHOLE, **lacks})
            case "POST /v1/teardown":
                if not json.loads(body)["running_jobs"] and fake.running != 0:
                    return self.answer(409, {"message": "jobs are running", "running": fake.running})
                fake.ending = True
                return self.answer(202, {"gone": False})
        self.answer(404, {"message": "nothing here"})

    do_GET = do_PUT = do_POST = handle_any


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeFramework]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with FakeFramework() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def properties(fake: FakeFramework, **changes: Any) -> dict[str, Any]:
    login = {"pool": "demo", "url": fake.url, "user": "admin", "password": "pw", "ca": ""}
    policy = {"fixed": 1, "share": {"cpus": 8, "memory": 8192}, "elastic": {"max": 10}}
    return {**login, "policy": policy, "app": "v1", "destroy_with_jobs": False, "seconds": 5, **changes}


def larger(props: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**props, "policy": {**props["policy"], **changes}}


def test_create_waits_until_the_pool_is_whole(fake: FakeFramework) -> None:
    fake.polls, fake.away = 3, 5
    props = properties(fake)
    made = Provider().create(props)
    assert (made.id, made.outs) == ("demo", props)
    assert fake.policy == larger(props, elastic={"max": 10, "caps": {"each_user": None}})["policy"]
    assert fake.calls == ["PUT /v1/policy", *["GET /v1/pool"] * 4]


def test_one_that_was_torn_down_is_waited_for(fake: FakeFramework) -> None:
    fake.gone = True
    Provider().create(properties(fake))
    assert fake.calls[:2] == ["PUT /v1/policy"] * 2


def test_another_maximum_is_put_and_not_waited_for(fake: FakeFramework) -> None:
    old = properties(fake)
    new = larger(old, elastic={"max": 20})
    found = Provider().diff("demo", old, new)
    assert found.changes and not found.replaces
    Provider().update("demo", old, new)
    assert fake.calls == ["PUT /v1/policy"] and fake.policy and fake.policy["elastic"]["max"] == 20


def test_another_app_is_waited_for(fake: FakeFramework) -> None:
    old, fake.polls = properties(fake), 2
    Provider().update("demo", old, {**old, "app": "v2"})
    assert fake.calls == ["PUT /v1/policy", *["GET /v1/pool"] * 3]


def test_what_concerns_the_end_only_is_not_told_before(fake: FakeFramework) -> None:
    old = properties(fake)
    new = {**old, "destroy_with_jobs": True, "password": "another"}
    assert Provider().diff("demo", old, new).changes
    Provider().update("demo", old, new)
    assert fake.calls == []
    assert not Provider().diff("demo", old, old).changes
    assert Provider().diff("demo", old, {**old, "pool": "theory"}).replaces == ["pool"]


def test_read_shows_what_somebody_changed(fake: FakeFramework) -> None:
    props, provider = properties(fake), Provider()
    props["policy"]["elastic"]["caps"] = {"users": {}}
    provider.create(props)
    caps: dict[str, Any] = {"each_user": None, "users": {}}
    fake.policy = {**props["policy"], "elastic": {"max": 10.0, "min": 0, "caps": caps}}
    assert provider.read("demo", props).outs == props, "defaults and 10.0 for 10 are no change"
    fixed_only = {k: v for k, v in props["policy"].items() if k != "elastic"}
    seen = provider.read("demo", {**props, "policy": fixed_only}).outs
    assert seen is not None and "elastic" in seen["policy"], "somebody added elastic executors"
    fake.policy = larger(props, fixed=4)["policy"]
    seen = provider.read("demo", props).outs
    assert seen is not None and seen["policy"]["fixed"] == 4
    assert provider.diff("demo", seen, props).changes
    fake.policy = None
    seen = provider.read("demo", props).outs
    assert seen is not None and provider.diff("demo", seen, props).changes


def test_a_policy_that_is_refused_is_told(fake: FakeFramework) -> None:
    fake.problems = ["elastic.min: must not be over max (1)", "fixed: too many"]
    with pytest.raises(FrameworkError, match=r"422: elastic\.min: must not be over max \(1\); fixed: too many"):
        Provider().create(properties(fake))
    assert len(fake.calls) == 1


def test_what_is_missing_is_told(fake: FakeFramework) -> None:
    fake.polls = 10**9
    with pytest.raises(FrameworkError, match="pool demo is not whole after 0 s: 0 of 1 fixed executors run"):
        Provider().create(properties(fake, seconds=0))


def test_a_framework_that_is_away_is_told(fake: FakeFramework) -> None:
    fake.away = 10**9
    with pytest.raises(Silent, match=r"the framework of pool demo did not answer at .* within 0 s"):
        Provider().create(properties(fake, seconds=0))


def test_a_wrong_password_is_told(fake: FakeFramework) -> None:
    with pytest.raises(FrameworkError, match="does not take our password"):
        Provider().create(properties(fake, password="x"))


def test_delete_waits_until_it_is_gone(fake: FakeFramework) -> None:
    fake.polls = 2
    Provider().delete("demo", properties(fake))
    assert fake.gone and fake.calls == ["POST /v1/teardown", *["GET /v1/pool"] * 3]


@pytest.mark.parametrize("running", [1, 14, None])
def test_delete_is_refused_while_jobs_run(fake: FakeFramework, running: int | None) -> None:
    fake.running = running
    with pytest.raises(FrameworkError) as refused:
        Provider().delete("demo", properties(fake))
    assert str(refused.value) == f"nothing of pool demo was destroyed: {refusal('demo', running)}"
    assert not fake.ending
    Provider().delete("demo", properties(fake, destroy_with_jobs=True))
    assert fake.gone


def test_the_words_of_a_refusal() -> None:
    how = "wait for them, or write pool.destroy_with_jobs: true, run pulumi up -s x, and destroy again"
    assert refusal("x", 14) == f"14 jobs run in pool x: {how}"
    assert refusal("x", 1) == f"1 job runs in pool x: {how}"


def test_a_framework_that_is_away_is_not_destroyed_behind_its_back(
    fake: FakeFramework, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.away = 10**9
    monkeypatch.setattr("components.batch.framework_policy.AWAY", 0.0)
    with pytest.raises(FrameworkError, match=r"nothing of pool demo was destroyed: .* did not answer"):
        Provider().delete("demo", properties(fake, seconds=0))
    Provider().delete("demo", properties(fake, seconds=0, destroy_with_jobs=True))


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({}, []),
        ({"gone": True}, ["it was torn down, and its framework is not made anew yet"]),
        ({"mesos": {"connected": False}}, ["its framework is not subscribed at Mesos"]),
        ({"roles": []}, ["no role is known"]),
        (
            {"roles": [{"name": "submit-node", "phase": "launching", "healthy": False, "why": "it is starting"}]},
            ["submit-node (it is starting)"],
        ),
        (
            {"roles": [{"name": "submit-node", "phase": "running", "healthy": True, "why": "", "outdated": True}]},
            ["submit-node (it is made anew)"],
        ),
        (
            {"executors": {"fixed": {"wanted": 1, "running": 0}}, "paused": True},
            ["0 of 1 fixed executors run", "it is paused"],
        ),
        ({"executors": {"fixed": {"wanted": 0, "running": 0}}}, ["0 of 1 fixed executors run"]),
    ],
)
def test_what_a_whole_pool_has(changes: dict[str, Any], lacks: list[str]) -> None:
    assert missing({**WHOLE, **changes}, 1) == lacks
