"""Random requests against the service on the fake Mesos master: whatever comes, the answers are the documented ones, and tasks are
still started afterwards.  As a program: `python fuzz_http.py [SECONDS [SEED]]`, for a campaign of any length."""

import asyncio
import json
import logging
import random
import sys
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

if __name__ == "__main__":
    _IMAGES = Path(__file__).parents[2]
    sys.path[:0] = [str(_IMAGES / "marathon"), str(_IMAGES / "mesos-client"), str(Path(__file__).parent)]

import aiohttp
from fake_mesos_master import FakeMaster
from marathon_bodies import ANYTHING, APP, GROUP, IDS, PLAIN_APP
from marathon_helpers import TestService, agents
from marathon_service.core.model import State

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE")
FIXED = (
    *(
        "/ping",
        "/metrics",
        "/metrics/prometheus",
        "/logging",
        "/v2",
        "/v2/",
        "/v3",
        "//v2/apps",
        "/v2/info",
        "/v2/plugins",
        "/v2/plugins/x",
    ),
    *(
        "/v2/leader",
        "/v2/queue",
        "/v2/deployments",
        "/v2/deployments/x",
        "/v2/tasks",
        "/v2/tasks/delete",
        "/v2/pods",
        "/v2/artifacts/x",
    ),
    *(
        "/v2/apps",
        "/v2/apps/",
        "/v2/groups",
        "/v2/groups/",
        "/v2/groups/versions",
        "/v2/queue//a/delay",
        "/v2/queue/a",
        "/v2/events",
    ),
)
QUERIES = (
    *(
        "",
        "",
        "",
        "?force=true",
        "?force=maybe",
        "?partialUpdate=false",
        "?dryRun=true",
        "?scale=true",
        "?wipe=true",
        "?scale=true&wipe=true",
    ),
    *(
        "?embed=apps.tasks&embed=apps.taskStats",
        "?embed=group.apps",
        "?label=a==b",
        "?label=%00((",
        "?label=a%20in%20(b",
        "?id=a",
        "?status=odd",
    ),
    *("?host=*", "?%ff=%fe", "?event_type=x&plan-format=light", "?containerNetworks=*", "?force=true&force=false"),
)
LIKELY = (
    *(
        ("POST", "/v2/apps"),
        ("PUT", "/v2/apps"),
        ("POST", "/v2/groups"),
        ("PUT", "/v2/groups"),
        ("PUT", "/v2/groups/g"),
        ("PUT", "/v2/apps/a"),
    ),
    *(
        ("PATCH", "/v2/apps/b"),
        ("DELETE", "/v2/apps/b"),
        ("POST", "/v2/apps/a/restart"),
        ("GET", "/v2/groups/g/versions"),
    ),
)
KINDS = (
    *(["application/json"] * 8),
    None,
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=latin-1",
    "x",
)
# 501 is for what is not built, 503 for what cannot be now; both are documented.
FINE = {*range(200, 400), 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 501}


def path_of(r: random.Random, known: list[str]) -> str:
    if r.random() < 0.35:
        return r.choice(FIXED)
    base = r.choice(("/v2/apps/", "/v2/apps/", "/v2/groups/"))
    name = r.choice([*known, IDS(r), "%ff%fe", "%00", "a%2Fb", "*", "g/*", "\u4e16"])
    tail = r.choice(
        (
            "",
            "",
            "",
            "",
            "/versions",
            "/versions/x",
            "/tasks",
            "/tasks/x",
            "/restart",
            "/delay",
            "/apps",
            "/versions/2023-01-01T00:00:00.000Z",
        )
    )
    return base + quote(name.lstrip("/"), safe="/%*", errors="replace") + tail


def body_of(r: random.Random, path: str, ids: list[str]) -> bytes | None:
    x = r.random()
    if x < 0.08:
        return r.choice(
            (b"{", b"", b"\xff\xfe", b"[" * 5000, b'{"id":1e999}', b"NaN", b'{"cpus":NaN}', b'"\\ud800"', b"0" * 5000)
        )
    if x < 0.12:
        return None
    if "groups" in path:
        draw = GROUP(r)
    elif path.startswith("/v2/tasks"):
        draw = {"ids": r.sample(ids, min(len(ids), 2)) + r.choice(([], ["x"], ["x.instance-1._app.1"]))}
    elif path.startswith("/logging"):
        draw = {"logger": "fuzzed", "level": r.choice(("info", "odd")), "durationSeconds": r.choice((0, 0.01, -1))}
    elif path.rstrip("/") == "/v2/apps" and r.random() < 0.4:
        draw = [r.choice((PLAIN_APP, APP))(r) for _ in range(r.randint(0, 3))]
    else:
        draw = ANYTHING(r) if x < 0.2 else PLAIN_APP(r) if x < 0.6 else {**PLAIN_APP(r), **APP(r)}
    return json.dumps(draw, ensure_ascii=r.random() < 0.5).encode("utf-8", "surrogatepass")


async def one(s: TestService, r: random.Random, seen: Counter) -> None:
    state = s.scheduler.state
    known, ids = [*list(state.apps)[:3], "/a", "/g"], list(state.instances)[:5]
    method, path = r.choice(METHODS[: 5 if r.random() < 0.9 else 8]), path_of(r, known)
    if (method, path) == ("DELETE", "/v2/leader"):
        return
    query, kind = r.choice(QUERIES), r.choice(KINDS)
    if r.random() < 0.4:
        # Much of what is random gets no further than its path: here is what gets further.
        method, path, kind = (
            *r.choice((*LIKELY, ("PUT", f"/v2/apps{r.choice(known)}"), ("GET", f"/v2/apps{r.choice(known)}"))),
            KINDS[0],
        )
        query = r.choice(("", "?force=true", "?force=true", "?partialUpdate=false&force=true"))
    body = body_of(r, path, ids) if method in ("POST", "PUT", "PATCH") or r.random() < 0.1 else None
    headers = {} if kind is None else {"Content-Type": kind}
    headers["Accept"] = r.choice(("*/*", "application/json", "text/plain", "image/png"))
    said = f"{method} {path}{query} {headers} {body!r}"
    if path == "/v2/events" and method == "GET":
        headers["Accept"] = "application/json"
    async with s.http.request(method, s.url + path + query, data=body, headers=headers) as response:
        text = await response.text(errors="replace")
        seen[response.status] += 1
        assert response.status in FINE, (said, response.status, text)
        if method != "HEAD" and response.status >= 400:
            assert "message" in json.loads(text), (said, response.status, text)
        if method != "HEAD" and response.status == 422:
            assert json.loads(text).get("details") or "backup" in text, (said, text)
    if s.job.done():
        s.job.result()
        raise AssertionError(f"the scheduler stopped after {said}")


async def well(s: TestService) -> None:
    """A sensible client is served as ever, and what is stored is what is in memory."""
    for path in (
        "/v2/apps?embed=apps.tasks&embed=apps.failures",
        "/v2/groups",
        "/v2/deployments",
        "/v2/queue",
        "/v2/tasks",
        "/metrics",
    ):
        await s.call("GET", path, status=200)
    for deployment in list(s.scheduler.state.deployments):
        await s.call("DELETE", f"/v2/deployments/{deployment}?force=true")
    await s.call("DELETE", "/v2/groups?force=true", status=200)
    await s.deployed()
    await s.call("POST", "/v2/apps", {"id": "/proof", "cmd": "x", "cpus": 0.1, "mem": 16}, 201)
    await s.until(lambda: any(i.running for i in s.scheduler.state.of_app("/proof")), 60)
    await s.deployed()
    await s.call("DELETE", "/v2/apps/proof", status=200)
    await s.deployed()
    await s.scheduler.commit()
    again = State.load([e for e in s.store.load() if e[0] != "framework"])
    assert again.apps == s.scheduler.state.apps and again.groups == s.scheduler.state.groups


class Wrong(logging.Handler):
    """Gathers the stacks of calls in the log: what nobody was told, but should not be."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.said.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


async def campaign(seed: int, requests: int) -> Counter:
    """The answers by their status."""
    r, seen, wrong = random.Random(seed), Counter(), Wrong()
    master = FakeMaster(agents(2))
    await master.start()
    logging.getLogger().addHandler(wrong)
    try:
        async with TestService(master) as service:
            for _ in range(requests):
                try:
                    await one(service, r, seen)
                except (aiohttp.InvalidURL, aiohttp.ClientResponseError, UnicodeError):
                    continue  # the client itself would not send it
            await well(service)
    finally:
        logging.getLogger().removeHandler(wrong)
        await master.stop()
    assert wrong.said == [], wrong.said[:3]
    return seen


def main(seconds: float = 300, seed: int = 1) -> int:
    """To the end, whatever it finds; how many seeds found something."""
    end, seen, found = time.monotonic() + seconds, Counter(), []
    while time.monotonic() < end:
        said = "400 requests, all well"
        try:
            seen += asyncio.run(campaign(seed, 400))
        except AssertionError as error:
            said = f"FOUND {error}"
            found.append(seed)
        print(f"seed {seed}: {said}; {max(0.0, end - time.monotonic()):.0f} s to go", flush=True)
        seed += 1
    print(
        f"{seen.total()} requests, answered as documented: {dict(sorted(seen.items()))}; seeds that found something: {found or 'none'}"
    )
    return len(found)


if __name__ == "__main__":
    sys.exit(main(*(float(x) for x in sys.argv[1:2]), *(int(x) for x in sys.argv[2:3])) > 0)
