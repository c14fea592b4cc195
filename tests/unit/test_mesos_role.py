"""A pool's role at Mesos as a resource: what it asks of masters of which one leads."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from components.batch import mesos_role
from components.batch.mesos_client import Mesos, MesosError
from components.batch.mesos_role import Provider, settings
from components.batch.types import ShareSpec


class FakeMaster(ThreadingHTTPServer):
    """Of the operator API what the role's resource uses. `leader`: where it redirects to; None if it leads itself."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[Any] = []
        self.leader: str | None = None
        self.broken = 0
        self.quotas: dict[str, Any] = {}
        self.weights: dict[str, float] = {}
        self.frameworks: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def answer(self, call: dict[str, Any]) -> dict[str, Any]:
        match call["type"]:
            case "UPDATE_QUOTA":
                for config in call["update_quota"]["quota_configs"]:
                    self.quotas[config["role"]] = config
            case "GET_QUOTA":
                return {"get_quota": {"status": {"configs": list(self.quotas.values())}}}
            case "UPDATE_WEIGHTS":
                for info in call["update_weights"]["weight_infos"]:
                    self.weights[info["role"]] = info["weight"]
            case "GET_WEIGHTS":
                infos = [{"role": r, "weight": w} for r, w in self.weights.items()]
                return {"get_weights": {"weight_infos": infos}}
            case "GET_FRAMEWORKS":
                return {"get_frameworks": {"frameworks": [{"framework_info": f} for f in self.frameworks]}}
        return {}


class Handler(BaseHTTPRequestHandler):
    server: FakeMaster

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        master = self.server
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if master.broken:
            master.broken -= 1
            return self.send_error(503)
        if master.leader:
            self.send_response(307)
            self.send_header("Location", f"//{master.leader}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        assert self.headers.get("Authorization", "").startswith("Basic ")
        if self.path == "/teardown":
            master.calls.append(text)
            master.frameworks = [f for f in master.frameworks if f["id"]["value"] != text.partition("=")[2]]
            body = b""
        else:
            call = json.loads(text)
            master.calls.append(call["type"])
            found = master.answer(call)
            body = json.dumps(found).encode() if found else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def masters(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeMaster]]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(mesos_role, "Mesos", functools.partial(Mesos, scheme="http"))
    found = [FakeMaster() for _ in range(3)]
    for master in found:
        threading.Thread(target=master.serve_forever, args=(0.01,), daemon=True).start()
    for master in found[:2]:
        master.leader = found[2].address
    yield found
    for master in found:
        master.shutdown()
        master.server_close()


def properties(masters: list[FakeMaster], **changes: Any) -> dict[str, Any]:
    login = {"masters": [m.address for m in masters], "user": "operator", "password": "x", "ca": ""}
    return {**login, "role": "pool-1", **settings(ShareSpec(8, 4096)), "seconds": 5, **changes}


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (ShareSpec(8, 4096), {"weight": 1.0, "guarantee": {}, "limit": {}}),
        (
            ShareSpec(8, 4096, weight=2, lend=False),
            {"weight": 2.0, "guarantee": {"cpus": 8.0, "mem": 4096.0}, "limit": {}},
        ),
        (ShareSpec(8, 4096, limit_cpus=12), {"weight": 1.0, "guarantee": {}, "limit": {"cpus": 12.0}}),
        (
            ShareSpec(8, 4096, limit_cpus=12, limit_memory=8192),
            {"weight": 1.0, "guarantee": {}, "limit": {"cpus": 12.0, "mem": 8192.0}},
        ),
    ],
)
def test_what_mesos_is_told(share: ShareSpec, told: dict[str, Any]) -> None:
    assert settings(share) == told


def test_create_update_read_delete(masters: list[FakeMaster]) -> None:
    provider, leader = Provider(), masters[2]
    first = properties(masters, limit={"cpus": 4.0})
    made = provider.create(first)
    assert (made.id, made.outs) == ("pool-1", first)
    assert leader.quotas["pool-1"] == {"role": "pool-1", "guarantees": {}, "limits": {"cpus": {"value": 4.0}}}
    assert provider.read("pool-1", first).outs == first
    second = {**first, "limit": {}, "weight": 3.0}
    provider.update("pool-1", first, second)
    assert provider.read("pool-1", first).outs == second
    leader.frameworks = [
        {"id": {"value": "F-1"}, "principal": "pool-1"},
        {"id": {"value": "F-2"}, "principal": "marathon"},
    ]
    leader.calls.clear()
    provider.delete("pool-1", second)
    assert leader.calls == ["GET_FRAMEWORKS", "frameworkId=F-1", "UPDATE_QUOTA", "UPDATE_WEIGHTS"]
    assert leader.quotas["pool-1"] == {"role": "pool-1", "guarantees": {}, "limits": {}}
    assert leader.weights == {"pool-1": 1.0}
    assert [m.calls for m in masters[:2]] == [[], []], "a password for a master that does not lead"


def test_a_new_password_is_no_new_quota(masters: list[FakeMaster]) -> None:
    provider = Provider()
    old = properties(masters)
    new = {**old, "password": "another"}
    assert provider.diff("pool-1", old, new).changes and not provider.diff("pool-1", old, new).replaces
    assert not provider.diff("pool-1", old, old).changes
    provider.update("pool-1", old, new)
    assert masters[2].calls == []
    with pytest.raises(MesosError, match=r"pool\.number cannot change while the pool stands"):
        provider.diff("pool-1", old, {**old, "role": "pool-2"})


def test_it_waits_for_a_leader(masters: list[FakeMaster]) -> None:
    masters[2].broken = 2
    Provider().create(properties(masters))
    assert masters[2].calls == ["UPDATE_QUOTA", "UPDATE_WEIGHTS"]


def test_no_leader_is_said(masters: list[FakeMaster]) -> None:
    masters[2].broken = 10**9
    with pytest.raises(MesosError, match=r"no leading Mesos master answers: .* leads; .*503"):
        Provider().create(properties(masters, seconds=0))


def test_a_stranger_gets_no_password(masters: list[FakeMaster]) -> None:
    with FakeMaster() as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        masters[0].leader = other.address
        with pytest.raises(MesosError, match="leads"):
            Provider().create(properties(masters[:1], seconds=0))
        assert other.calls == []
        other.shutdown()
