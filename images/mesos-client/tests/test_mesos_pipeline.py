"""Many calls in a row on one connection."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from mesos_client.pipeline import Pipeline, PipelineError


def served(handler, test: Callable[[Pipeline], Awaitable[None]], timeout: float = 20) -> None:
    async def main() -> None:
        app = web.Application()
        app.router.add_post("/x", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipeline = Pipeline(f"127.0.0.1:{runner.addresses[0][1]}", "/x", None, timeout)
        try:
            await test(pipeline)
        finally:
            pipeline.close()
            await runner.cleanup()

    asyncio.run(main())


def test_in_order_with_each_ones_own_answer_on_one_connection() -> None:
    seen, ports = [], set()

    async def handler(request: web.Request) -> web.Response:
        body = await request.text()
        seen.append(body)
        ports.add(request.transport.get_extra_info("peername")[1])
        assert request.headers["X-Who"] == "me"
        return web.Response(status=400, text=f"no {body}") if body.endswith("7") else web.Response(status=202)

    async def test(pipeline: Pipeline) -> None:
        bodies = [str(n) for n in range(250)]
        answers = await pipeline.post({"X-Who": "me"}, [b.encode() for b in bodies])
        assert seen == bodies and len(ports) == 1
        assert answers == [(400, f"no {b}") if b.endswith("7") else (202, "") for b in bodies]
        assert await pipeline.post({"X-Who": "me"}, [b"x"]) == [(202, "")] and len(ports) == 1

    served(handler, test)


def test_answers_in_chunks() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=403)
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"not ")
        await response.write(b"now")
        return response

    async def test(pipeline: Pipeline) -> None:
        assert await pipeline.post({}, [b"a", b"b"]) == [(403, "not now")] * 2

    served(handler, test)


def test_a_connection_that_breaks_is_made_anew_by_the_next_call() -> None:
    broken = [True]

    async def handler(request: web.Request) -> web.Response:
        if broken and request.transport is not None:
            broken.clear()
            request.transport.abort()
        return web.Response(status=202)

    async def test(pipeline: Pipeline) -> None:
        with pytest.raises(PipelineError):
            await pipeline.post({}, [b"a", b"b"])
        assert await pipeline.post({}, [b"a", b"b"]) == [(202, "")] * 2

    served(handler, test)


def test_no_answer_in_time_is_an_error_and_what_comes_late_is_nobodys() -> None:
    slow = [1.0]

    async def handler(request: web.Request) -> web.Response:
        if slow:
            await asyncio.sleep(slow.pop())
        return web.Response(status=202)

    async def test(pipeline: Pipeline) -> None:
        with pytest.raises(PipelineError, match="TimeoutError"):
            await pipeline.post({}, [b"a"])
        pipeline._timeout = 20
        assert await pipeline.post({}, [b"b"]) == [(202, "")]

    served(handler, test, timeout=0.2)
