"""The server: who may look, what comes with every answer, and what it does without Graphite or Marathon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from page_helpers import AT, DATA, PANELS, Graphite, Marathon, answer, config
from status_page import watch as watch_module
from status_page.ask import words
from status_page.curves import Curves
from status_page.panels import Panels
from status_page.watch import Watch
from status_page.web import HEADERS, allowed, application, read

PASSWORD = "a:password ä"
CASE = json.loads((DATA / "now" / "well.json").read_text())
Client = TestClient[Any, Any]


class Stage:
    def __init__(self) -> None:
        self.graphite, self.marathon = Graphite(answer(CASE["points"])), Marathon(CASE["apps"])
        self.time = AT
        self.watch = Watch(config(interval=3600), self.graphite, self.marathon, lambda: self.time)  # type: ignore[arg-type]
        curves = Curves(config(), self.graphite, Panels(PANELS))  # type: ignore[arg-type]
        self.client: Client = TestClient(TestServer(application(self.watch, curves, PASSWORD)))

    async def get(self, path: str, status: int = 200, auth: bool = True, **headers: str) -> aiohttp.ClientResponse:
        login = aiohttp.BasicAuth("admin", PASSWORD, "utf-8") if auth else None
        found = await self.client.get(path, auth=login, headers=headers)
        assert found.status == status, await found.text()
        return found

    async def now(self) -> dict[str, Any]:
        found: dict[str, Any] = await (await self.get("/api/now")).json()
        return found

    async def ask(self) -> None:
        await self.watch.ask_graphite()
        await self.watch.ask_marathon()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    found = Stage()
    await found.client.start_server()
    yield found
    await found.watch.stop()
    await found.client.close()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def questions(stage: Stage) -> list[str]:
    """What was asked: now, or history and since when."""
    return [
        f"since {since}" if targets[0].startswith("consolidateBy(") else "now"
        for targets, since, _ in stage.graphite.asked
    ]


async def test_it_asks_nothing_while_nobody_looks_and_at_once_when_somebody_does(stage: Stage) -> None:
    """An interval of an hour: what is asked is asked because of a look."""
    await stage.watch.start()
    await until(lambda: len(stage.graphite.asked) == 1)
    assert not stage.watch.watched and stage.watch.alive
    stage.watch.event("deployment_success", {})
    await asyncio.sleep(0.05)
    assert questions(stage) == ["now"] and stage.marathon.asked == 1, "nor by what Marathon tells"
    assert (await stage.now())["sources"]["graphite"]["state"] == "answers"
    assert stage.watch.watched and questions(stage)[:2] == ["now", "now"], "new values are waited for"
    await until(lambda: questions(stage) == ["now", "now", f"since {int(AT - 86400)}", f"since {int(AT - 2880)}"])
    await stage.now()
    assert len(stage.graphite.asked) == 4, "who goes on looking gets what came last"
    await until(lambda: stage.marathon.asked == 2)


async def test_the_first_look_after_a_pause_has_the_apps_of_now(stage: Stage) -> None:
    stage.marathon.says, there = [], stage.marathon.says
    await stage.watch.start()
    await until(lambda: stage.marathon.asked == 1)
    stage.marathon.says = there
    assert {app["id"] for app in (await stage.now())["apps"]} == {app["id"] for app in there}


async def test_what_happened_while_nobody_looked_comes_from_graphites_history(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "WATCHED", 0.05)
    await stage.watch.start()
    await stage.now()
    await until(lambda: len(questions(stage)) == 4 and not stage.watch.watched)
    stage.time += 2000
    stage.graphite.says = answer(CASE["points"], at=stage.time)
    flags = {0: 1, 600: 0, 900: 1, 1900: 1}
    stage.graphite.history = [
        {"target": f'consolidateBy(aerie.aerie.torino.{name},"min")',
         "datapoints": [[value if name == "vpn.cnaf.up" else 1, int(AT + ago)] for ago, value in flags.items()]}
        for name in ("vpn.cnaf.up", "collector.connected")
    ]  # fmt: skip
    await stage.now()
    await until(lambda: questions(stage)[5:] == [f"since {int(AT)}"])
    await until(lambda: "hears cnaf" in json.dumps(stage.watch.body.decode()))
    told = [(e["at"] - AT, e["text"]) for e in (await stage.now())["events"] if "cnaf through" in e["text"]]
    assert told[:2] == [
        (900, "torino hears cnaf through the tunnel again"),
        (600, "torino does not hear cnaf through the tunnel any more"),
    ]


async def test_without_its_history_what_is_otherwise_now_is_told_as_of_now(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.ask()
    await stage.watch.catch_up()
    stage.time += 3600
    down = json.loads((DATA / "now" / "link-down.json").read_text())["points"]
    stage.graphite.says, stage.graphite.history = answer(down, at=stage.time), [{"target": "no series"}]
    await stage.ask()
    assert stage.watch.behind and "any more" not in stage.watch.body.decode()
    await stage.watch.catch_up()
    assert not stage.watch.behind and "through the tunnel any more" in stage.watch.body.decode()


async def test_it_starts_without_graphite_and_goes_on_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    stage.watch = Watch(config(interval=0.02), stage.graphite, stage.marathon, lambda: stage.time)  # type: ignore[arg-type]
    stage.graphite.says, well = OSError("refused"), stage.graphite.says
    await stage.watch.start()
    try:
        await stage.watch.look()
        await until(lambda: len(stage.graphite.asked) > 3)
        assert '"state":"away"' in stage.watch.body.decode()
        stage.graphite.says = well
        await until(lambda: '"state":"away"' not in stage.watch.body.decode())
    finally:
        await stage.watch.stop()


async def test_a_loop_that_ends_of_a_fault_of_ours_is_told(stage: Stage) -> None:
    stage.graphite.says = MemoryError("none that is expected")
    await stage.watch.start()
    with pytest.raises(MemoryError):
        async with asyncio.timeout(10):
            await stage.watch.broken()


PATHS = ("/", "/main.js", "/api/now", "/api/pool/demo", "/api/panels", "/api/panels/services/0", "/api/none", "/none")


@pytest.mark.parametrize("path", PATHS)
async def test_nobody_gets_in_without_the_password(stage: Stage, path: str) -> None:
    await stage.ask()
    for login in (None, ("admin", "wrong"), ("viewer", PASSWORD), ("admin", ""), ("", "")):
        auth = aiohttp.BasicAuth(*login, encoding="utf-8") if login else None
        found = await stage.client.get(path, auth=auth)
        assert found.status == 401 and found.headers["WWW-Authenticate"].startswith("Basic ")
        assert "torino" not in await found.text()
        assert {name: found.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic !", "Basic YWRtaW4=", "Bearer x", "Basic YWRtaW46", "Basic \xe9"]
)
def test_headers_that_are_no_login(header: str) -> None:
    assert not allowed(header, b"admin:secret")
    assert allowed("basic YWRtaW46c2VjcmV0", b"admin:secret")
    assert not allowed("Basic " + "", b"")


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_its_headers(stage: Stage, path: str) -> None:
    found = await stage.client.get(path, auth=aiohttp.BasicAuth("admin", PASSWORD, "utf-8"))
    assert {name: found.headers.get(name) for name in HEADERS} == HEADERS
    policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self';") and "unsafe" not in policy and "Cache-Control" in found.headers


async def test_what_changes_nothing_is_not_sent_twice(stage: Stage) -> None:
    await stage.ask()
    first = await stage.get("/api/now")
    tag = first.headers["ETag"]
    await stage.get("/api/now", 304, **{"If-None-Match": tag})
    stage.time += 10
    await stage.ask()
    await stage.get("/api/now", 200, **{"If-None-Match": tag})
    for name in read():
        page = await stage.get(f"/{name}")
        await stage.get(f"/{name}", 304, **{"If-None-Match": page.headers["ETag"]})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_can_be_changed(stage: Stage, method: str) -> None:
    for path in ("/", "/api/now"):
        found = await stage.client.request(method, path, auth=aiohttp.BasicAuth("admin", PASSWORD, "utf-8"))
        assert found.status == 405 and "GET" in found.headers["Allow"]


@pytest.mark.parametrize("path", ["/..%2fconfig.py", "/%2e%2e/config.py", "/etc/passwd", "/vdom.jsx", "/package.json"])
async def test_nothing_but_its_files(stage: Stage, path: str) -> None:
    from yarl import URL

    found = await stage.client.get(URL(path, encoded=True), auth=aiohttp.BasicAuth("admin", PASSWORD, "utf-8"))
    assert found.status == 404


async def test_what_there_is(stage: Stage) -> None:
    assert (await stage.now())["summary"]["state"] == "starting"
    await stage.ask()
    found = await stage.now()
    assert found["summary"]["state"] == "well" and [s["name"] for s in found["sites"]] == ["torino", "cnaf", "bari"]
    assert "not for browsers" not in json.dumps(found) and PASSWORD not in json.dumps(found)


async def test_without_graphite_it_says_since_when_what_it_shows_is_old(stage: Stage) -> None:
    await stage.ask()
    stage.graphite.says = OSError("refused")
    stage.time += 60
    await stage.ask()
    found = await stage.now()
    source = found["sources"]["graphite"]
    assert (source["state"], source["since"], source["why"]) == ("away", AT, "no connection")
    assert [s["state"] for s in found["sites"]] == ["bad", "well", "well"], "as they were, but for Graphite itself"
    assert found["summary"]["state"] == "bad" and "Graphite does not answer" in found["problems"][0]["text"]
    assert found["events"][0]["text"] == "Graphite does not answer"
    stage.graphite.says = answer(CASE["points"], at=stage.time)
    await stage.ask()
    assert (await stage.now())["events"][0]["text"] == "Graphite answers again"


@pytest.mark.parametrize(
    "says", [ValueError("x"), [{"target": 1}], ["no"], TimeoutError(), aiohttp.ClientPayloadError()]
)
async def test_graphite_that_talks_nonsense_is_away(stage: Stage, says: Any) -> None:
    stage.graphite.says = says
    await stage.ask()
    assert (await stage.now())["sources"]["graphite"]["state"] == "away"


@pytest.mark.parametrize("says", [OSError("x"), [{"no": "id"}], [1], None])
async def test_marathon_that_talks_nonsense_is_away(stage: Stage, says: Any) -> None:
    stage.marathon.says = says
    await stage.ask()
    found = await stage.now()
    assert found["sources"]["marathon"]["state"] == "away" and found["sources"]["graphite"]["state"] == "answers"


async def test_curves_are_asked_for_once_however_many_look(stage: Stage) -> None:
    await stage.ask()
    stage.graphite.asked.clear()
    stage.graphite.says = [
        {"target": "idle", "datapoints": [[1, 10], [None, 20]]},
        {"target": "held", "datapoints": [[3, 20]]},
    ]
    answers = await asyncio.gather(*(stage.get("/api/pool/demo?range=6h") for _ in range(5)))
    bodies = [await each.json() for each in answers]
    assert all(b["times"] == [10, 20] and b["series"] == {"idle": [1, None], "held": [None, 3]} for b in bodies)
    assert [(since, points) for _, since, points in stage.graphite.asked] == [("-6h", 240)]
    await stage.get("/api/pool/demo?range=week")
    assert len(stage.graphite.asked) == 2


async def test_curves_that_cannot_be_had(stage: Stage) -> None:
    await stage.get("/api/pool/demo", 404)
    await stage.ask()
    assert "write one of hour" in (await (await stage.get("/api/pool/demo?range=year", 400)).json())["message"]
    await stage.get("/api/pool/demo%22)", 404)
    stage.graphite.says = OSError("refused")
    assert (await (await stage.get("/api/pool/demo", 502)).json())["message"] == "Graphite: no connection"
    stage.graphite.says = []
    await stage.get("/api/pool/demo", 200)


async def test_a_section_is_asked_for_by_its_name_and_never_by_a_target(stage: Stage) -> None:
    await stage.ask()
    stage.graphite.asked.clear()
    stage.graphite.says = [{"target": "0.0:fsync torino", "datapoints": [[1.5, 10], [None, 20]]}]
    answers = await asyncio.gather(*(stage.get("/api/panels/services/0?range=6h&site=torino") for _ in range(5)))
    assert [await each.json() for each in answers] == [
        {"panels": [[{"name": "fsync torino", "start": 10, "step": 10, "values": [1.5, None]}], []]}
    ] * 5
    ((asked, since, points),) = stage.graphite.asked
    assert (since, points) == ("-6h", 240) and all("aerie.aerie.torino.etcd" in target for target in asked)
    for wrong in ("services/9", "services/-1", "services/x", "none/0", "services/0?range=2h", "services/0?site=*",
                  "services/0?site=x", "pool/0", "pool/0?pool=none", "pool/0?pool=*", "services/%3A"):  # fmt: skip
        said = await (await stage.get(f"/api/panels/{wrong}", 400)).json()
        assert (
            "there is no" in said["message"] or "write one of" in said["message"] or "has sections" in said["message"]
        )
    assert len(stage.graphite.asked) == 1, "nothing of it came to Graphite"
    stage.graphite.says = OSError("refused")
    assert "no connection" in (await (await stage.get("/api/panels/services/0", 502)).json())["message"]


async def test_what_panels_there_are_is_told_without_targets(stage: Stage) -> None:
    found = await stage.get("/api/panels")
    text = await found.text()
    assert "etcd: writes" in text and "aliasByNode" not in text and "aerie.aerie" not in text
    await stage.get("/api/panels", 304, **{"If-None-Match": found.headers["ETag"]})


async def test_marathons_events_are_heard_again_after_a_cut(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "LONGEST_WAIT", 0.01)
    await stage.watch.start()
    await until(lambda: stage.marathon.streams == 1)
    told = (
        "status_update_event",
        {"appId": "/a", "taskStatus": "TASK_FAILED", "message": "exit 1", "timestamp": "2025-11-28T17:14:59Z"},
    )
    stage.marathon.told.put_nowait(told)
    stage.marathon.told.put_nowait(None)
    await until(lambda: stage.marathon.streams == 2)
    assert [e["text"] for e in (await stage.now())["events"]] == ["a task of /a failed: exit 1"]


async def test_health(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await (await stage.get("/health", auth=False)).text() == "ok\n"
    monkeypatch.setattr(watch_module, "DEAD", -1.0)
    await stage.get("/health", auth=False)  # nobody looks, so nothing need have been asked
    await stage.now()
    await stage.get("/health", 503, auth=False)


def test_why_somebody_does_not_answer_names_no_address() -> None:
    for error in (
        OSError("172.31.1.10"),
        TimeoutError("172.31.1.10"),
        ValueError("172.31.1.10"),
        aiohttp.ClientPayloadError("172.31.1.10"),
    ):
        assert words(error) and "172" not in words(error)
