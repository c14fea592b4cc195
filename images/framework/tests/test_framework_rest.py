"""The REST interface over real HTTP, with a running scheduler behind it; and over TLS."""

import asyncio
import base64
import json
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from fake_mesos_master import FakeMaster
from framework_helpers import LOGIN, Shell, group, raw_config, raw_policy, with_shell
from htcondor_framework import policy as policies
from htcondor_framework.config import ConfigError, parse
from htcondor_framework.core.model import Phase
from htcondor_framework.health import answers
from htcondor_framework.rest.application import application
from htcondor_framework.rest.common import allowed
from htcondor_framework.service import server_tls


def basic(login: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(login.encode()).decode()} if login else {}


ELASTIC = raw_policy(1, max=4)


def test_ping_needs_no_login_and_tells_who_leads() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        async with aiohttp.ClientSession() as anybody:
            async with anybody.get(f"{s.url}/ping") as r:
                assert (r.status, await r.text()) == (200, "pong")
            m.redirect_to = "127.0.0.1:1"
            m.drop_stream()
            await s.until(lambda: not s.s.leading)
            async with anybody.get(f"{s.url}/ping") as r:
                assert r.status == 503
            shown = await s.call("GET", "/v1/pool", status=200)
            assert not shown["mesos"]["connected"] and shown["mesos"]["master"] is None

    with_shell(test)


def test_everything_else_needs_one() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        for login in ("admin:wrong", "other:open", "admin", ""):
            async with aiohttp.ClientSession(headers=basic(login)) as client:
                for path in ("/", "/v1/pool", "/metrics", "/nowhere"):
                    async with client.get(s.url + path) as r:
                        assert r.status == 401 and "Basic" in r.headers["WWW-Authenticate"]
                        assert "message" in await r.json()

    with_shell(test)


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!", "Bearer YWRtaW46b3Blbg==", "Basic YWRtaW4=", "Basic 4pyT"])
def test_odd_logins(header: str) -> None:
    assert not allowed(header, "admin", "open")
    assert allowed("basic YWRtaW46b3Blbg==", "admin", "open")


def test_errors_are_json() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        assert "message" in await s.call("GET", "/v1/nowhere", status=404)
        async with s.http.delete(f"{s.url}/v1/policy") as r:
            assert r.status == 405 and "PUT" in r.headers["Allow"] and "message" in await r.json()
        async with s.http.put(f"{s.url}/v1/policy", data=b"{") as r:
            assert r.status == 400 and "message" in await r.json()
        assert "message" in await s.call("GET", "/v1/policy", status=404)
        assert "message" in await s.call("POST", "/v1/executors/x/drain", status=404)
        assert "message" in await s.call("POST", "/v1/sites/paris/drain", status=404)
        too_much = await s.call("PUT", "/v1/policy", {"x": "y" * 2_000_000}, status=413)
        assert "message" in too_much
        text = await s.call("GET", "/", status=200)
        assert "curl" in text and "/v1/teardown" in text and "demo" in text

    with_shell(test)


def test_a_policy_takes_effect_is_stored_and_restarts_nothing() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up()
        bad = await s.call("PUT", "/v1/policy", {**ELASTIC, "fixed": -1, "more": 1}, status=422)
        assert len(bad["problems"]) == 2
        put = await s.call("PUT", "/v1/policy", raw_policy(2), status=200)
        assert put == await s.call("GET", "/v1/policy", status=200)
        assert s.store.load().policy == policies.parse(raw_policy(2))
        await s.until(lambda: len(s.running("executor")) == 2)
        tasks = set(m.tasks)
        await s.call("PUT", "/v1/policy", raw_policy(2), status=200)
        written = [key for batch in s.store.writes for key in batch]
        assert written.count(("policy", "current")) == 1  # the same again is no change
        await s.call("PUT", "/v1/policy", raw_policy(3, max=7, batch=2), status=200)
        await s.until(lambda: len(s.running("executor")) == 3)
        assert tasks < set(m.tasks)
        await s.until(lambda: all(t in s.s.memory.idle_since for t in s.running("executor")))
        await s.call("PUT", "/v1/policy", raw_policy(1, max=7), status=200)
        await s.until(lambda: len(s.running("executor")) == 1)
        assert s.running("central-manager")[0] in tasks and s.running("submit-node")[0] in tasks

    with_shell(test)


def test_what_the_pool_shows() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        s.condor.idle = [group(2), group(1, cpus=9, key="huge", jobs="7.0")]
        await s.until(lambda: len(s.running("executor")) >= 2)
        await s.until(lambda: all(t.phase is Phase.RUNNING for t in s.s.state.tasks.values()))
        shown = await s.call("GET", "/v1/pool", status=200)
        assert shown["pool"] == "demo" and shown["gone"] is False and shown["paused"] is False
        assert shown["mesos"]["connected"] and shown["mesos"]["framework_id"] == m.framework_id
        assert shown["condor"]["queue_age"] < 5
        roles = {r["name"]: r for r in shown["roles"]}
        assert roles["submit-node"]["healthy"] and roles["submit-node"]["host"] == "127.0.0.1"
        assert roles["central-manager"]["phase"] == "running" and not roles["central-manager"]["outdated"]
        assert shown["executors"]["fixed"]["wanted"] == 1 and shown["executors"]["fixed"]["running"] == 1
        assert shown["executors"]["elastic"]["max"] == 4 and shown["executors"]["elastic"]["running"] >= 1
        assert shown["jobs"] == {"idle": 3, "running": 0, "held": 0}
        assert any("executor" in d["text"] for d in shown["decisions"]) and len(shown["decisions"]) <= 50
        huge = next(w for w in shown["waiting"] if w["jobs"] == "7.0")
        assert huge["never"] and huge["why"] and huge["request"]["cpus"] == 9
        assert shown["share"]["share"] == {"cpus": 8, "memory": 8192} and shown["drained_sites"] == []
        executors = await s.call("GET", "/v1/executors", status=200)
        assert {e["kind"] for e in executors} == {"fixed", "elastic"}
        one = executors[0]
        assert set(one) == {
            "task",
            "name",
            "site",
            "agent",
            "kind",
            "phase",
            "state",
            "cpus",
            "memory",
            "claims",
            "idle_for",
            "drain",
            "launched",
        }
        assert one["phase"] == "running" and one["task"] in m.tasks

    with_shell(test, ELASTIC)


def test_pause_and_resume_are_stored() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        await s.call("POST", "/v1/pause", status=200)
        assert s.store.load().settings.paused
        s.condor.idle = [group(3)]
        manager = s.running("central-manager")[0]
        m.update(manager, "TASK_FAILED")
        await s.until(lambda: s.running("central-manager"), 30)  # what is lost is started again
        assert len(s.running("executor")) == 1
        await s.call("POST", "/v1/resume", status=200)
        await s.until(lambda: len(s.running("executor")) > 1)

    with_shell(test, ELASTIC)


def test_a_site_and_an_executor_are_emptied_also_when_busy() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=3)
        s.condor.claims = dict.fromkeys(s.running("executor"), 1)
        # Where they are is a matter of which offers came first.
        site = m.running("demo.executor.")[0].agent.attributes["site"]
        here = {t.id for t in m.running("demo.executor.") if t.agent.attributes["site"] == site}
        await s.call("POST", f"/v1/sites/{site}/drain", status=202)
        assert (await s.call("GET", "/v1/pool"))["drained_sites"] == [site]
        await s.until(lambda: s.condor.draining == here)
        assert here <= m.tasks.keys()  # their jobs go on
        s.condor.claims |= dict.fromkeys(here, 0)
        await s.until(lambda: not here & m.tasks.keys())
        await s.until(lambda: len(s.running("executor")) == 3)  # elsewhere
        assert not any(t.agent.attributes["site"] == site for t in m.running("demo.executor."))
        await s.call("DELETE", f"/v1/sites/{site}/drain", status=202)
        assert s.store.load().settings.drain_sites == frozenset()
        two = s.running("executor")[0]
        s.condor.claims[two] = 1
        await s.until(lambda: s.s.state.tasks[two].phase is Phase.RUNNING)
        await s.call("POST", f"/v1/executors/{two}/drain", status=202)
        await s.until(lambda: two in s.condor.draining)
        assert s.store.load().settings.drain_tasks == {two}
        await s.call("DELETE", f"/v1/executors/{two}/drain", status=202)
        await s.until(lambda: two not in s.condor.draining)
        assert two in m.tasks

    with_shell(test, raw_policy(3))


def test_teardown_refuses_while_jobs_run_or_nobody_knows() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        s.s.feed.intervals = (60.0, 60.0)
        await s.until(lambda: s.s.feed.queue is not None)
        s.condor.running = 3  # they started after the queue was last looked at
        refused = await s.call("POST", "/v1/teardown", {"running_jobs": False}, status=409)
        assert refused["running"] == 3 and "3 jobs" in refused["message"]
        assert (await s.call("POST", "/v1/teardown", status=409))["running"] == 3
        await s.call("POST", "/v1/teardown", {"force": True}, status=422)
        s.s.feed.queue = None
        s.condor.silent = True
        assert (await s.call("POST", "/v1/teardown", {"running_jobs": False}, status=409))["running"] is None
        assert s.running("executor")
        await s.call("POST", "/v1/teardown", {"running_jobs": True}, status=202)
        await s.until(s.job.done)
        assert not m.tasks and m.framework_id is None and m.subscriptions == 1

    with_shell(test, raw_policy(1))


def test_after_a_teardown_nothing_is_left() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=2)
        asked = await s.call("POST", "/v1/teardown", {"running_jobs": False}, status=202)
        assert asked["teardown"]
        async with asyncio.timeout(20):
            await s.job
        assert not m.tasks and [c for c in m.calls if c["type"] == "TEARDOWN"]
        kills = [c["kill"]["task_id"]["value"] for c in m.calls if c["type"] == "KILL"]
        assert sorted(kills) == sorted(t.id for t in m.history)  # each told to end, with its grace
        assert all(".executor." in k for k in kills[:2])  # while they still have a collector to take leave of
        assert {k for k, _ in s.store.values} == {"settings"}
        assert s.store.load().settings.gone == ""
        s.gone, s.scheduler = True, None
        assert await s.call("GET", "/v1/pool", status=200) == {"pool": "demo", "gone": True}
        await s.call("PUT", "/v1/policy", raw_policy(1), status=409)
        await s.call("POST", "/v1/teardown", status=202)
        await s.call("GET", "/ping", status=503)

    with_shell(test, raw_policy(2))


def test_without_a_term_it_says_so() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        s.scheduler = None
        for method, path in (("GET", "/v1/pool"), ("PUT", "/v1/policy"), ("POST", "/v1/pause"), ("GET", "/metrics")):
            assert "message" in await s.call(method, path, status=503)

    async def keep(s: Shell, m: FakeMaster) -> None:
        kept = s.scheduler
        try:
            await test(s, m)
        finally:
            s.scheduler = kept

    with_shell(keep)


def test_metrics() -> None:
    async def test(s: Shell, m: FakeMaster) -> None:
        await s.up(executors=1)
        s.condor.idle = [group(2)]
        await s.until(lambda: s.s.feed.queue.idle)
        async with s.http.get(f"{s.url}/metrics") as r:
            assert r.status == 200 and r.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = await r.text()
        lines = text.splitlines()
        assert 'htcondor_framework_jobs{pool="demo",state="idle"} 2' in lines
        assert 'htcondor_framework_mesos_connected{pool="demo"} 1' in lines
        assert any(x.startswith("htcondor_framework_launches_total{") for x in lines)
        names = [x.split()[2] for x in lines if x.startswith("# TYPE")]
        assert len(names) == len(set(names))
        for line in lines:
            assert line.startswith("#") or float(line.rpartition(" ")[2]) >= 0

    with_shell(test, raw_policy(1))


def certificate(folder: Path) -> tuple[str, str]:
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(folder / "key.pem"),
            "-out",
            str(folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return (folder / "cert.pem").read_text(), (folder / "key.pem").read_text()


class Idle:
    """A server that does not lead."""

    def __init__(self, raw: dict) -> None:
        self.config, self.scheduler, self.gone = parse(raw), None, False


def with_tls(tmp_path: Path, test: Callable[[int, str], Awaitable[None]]) -> None:
    cert, key = certificate(tmp_path)
    raw = raw_config()
    raw["rest"] |= {"certificate": cert, "key": key}

    async def main() -> None:
        here = Idle(raw)
        runner = web.AppRunner(application(here), shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls(here.config.rest)).start()
        try:
            await test(runner.addresses[0][1], cert)
        finally:
            await runner.cleanup()

    asyncio.run(main())


def test_tls_of_today_only(tmp_path: Path) -> None:
    async def test(port: int, cert: str) -> None:
        context = ssl.create_default_context(cadata=cert)
        async with (
            aiohttp.ClientSession(headers=LOGIN) as client,
            client.get(f"https://127.0.0.1:{port}/v1/pool", ssl=context) as r,
        ):
            assert r.status == 503 and json.loads(await r.text())["message"]
        assert server_tls(Idle(raw_config() | {"rest": rest(tmp_path)}).config.rest).minimum_version >= (
            ssl.TLSVersion.TLSv1_2
        )

    def rest(folder: Path) -> dict:
        return raw_config()["rest"] | {
            "certificate": (folder / "cert.pem").read_text(),
            "key": (folder / "key.pem").read_text(),
        }

    with_tls(tmp_path, test)


def test_a_scheduler_that_does_not_lead_is_healthy_all_the_same(tmp_path: Path) -> None:
    async def test(port: int, _cert: str) -> None:
        assert await asyncio.to_thread(answers, port) == ""

    with_tls(tmp_path, test)
    assert "no answer" in answers(1)


def test_a_key_that_is_of_another_certificate(tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)
    _, key = certificate(tmp_path)
    raw = raw_config()
    raw["rest"] |= {"certificate": cert, "key": key}
    with pytest.raises(ConfigError, match="certificate"):
        server_tls(parse(raw).rest)
