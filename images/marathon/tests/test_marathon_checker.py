"""The checks that the service makes itself, against servers that answer as they like."""

import asyncio
import random

import pytest
from marathon_core_helpers import T0, spec
from marathon_service.checker import EAGER, Checker, first_wait, next_due
from marathon_service.core.model import Instance, State


def checked(answer: bytes | None, seconds: float = 1.0, **check) -> list[tuple[bool, str | None]]:
    """Results of the checks of one task that answers every request with `answer` (None: never)."""
    found: list[tuple[bool, str | None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        if answer is None:
            await asyncio.sleep(30)
        writer.write(answer or b"")
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        app = spec(healthChecks=[{"port": port, "intervalSeconds": 0.05, "timeoutSeconds": 0.2, **check}])
        state = State()
        state.put_app(app)
        state.put_instance(Instance("t1", app.id, app.version, "A", "127.0.0.1", T0, "TASK_RUNNING"))
        enough = asyncio.Event()

        def report(_id: str, _n: int, ok: bool, cause: str | None) -> None:
            found.append((ok, cause))
            enough.set()

        checker = Checker(state, report)
        checker.sync()
        try:
            async with asyncio.timeout(seconds):
                await enough.wait()
        except TimeoutError:
            pass
        await checker.close()
        server.close()

    asked: list[bytes] = []
    asyncio.run(main())
    assert all(a.startswith(b"GET / HTTP/1.1") for a in asked if a)
    return found


@pytest.mark.parametrize(
    ("answer", "ok", "cause"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True, None),
        (b"HTTP/1.0 302 Found\r\nLocation: /x\r\n\r\n", True, None),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False, "503 Service Unavailable"),
        (b"HTTP/1.1 404\r\n\r\n", False, "404"),
        (b"HTTP/1.1 102 Processing\r\n\r\n", False, "102 Processing"),
        (b"SSH-2.0\r\n", False, "no HTTP answer"),
        (b"", False, "no HTTP answer"),
    ],
)
def test_answers(answer: bytes, ok: bool, cause: str | None) -> None:
    assert checked(answer, 20)[0] == (ok, cause)


def test_an_answer_that_says_nothing_is_no_result() -> None:
    assert checked(b"HTTP/1.1 102 Processing\r\n\r\n", 0.5, ignoreHttp1xx=True) == []


def test_no_answer_within_the_time() -> None:
    ok, cause = checked(None, 20)[0]
    assert not ok and cause is not None and "within 0.2 s" in cause


def test_a_port_that_takes_connections_is_enough_for_tcp() -> None:
    assert checked(b"", 20, protocol="TCP")[0] == (True, None)


def test_checks_are_spread_over_the_interval_and_never_wait_longer() -> None:
    luck = random.Random(1)
    places = []
    for n in range(1000):
        name, due = f"task{n}", luck.random() * 1000
        assert 0 <= first_wait(name, 0, 10) <= EAGER and first_wait(name, 0, 0.5) <= 0.5
        following = next_due(due, name, 0, 10)
        assert due < following <= due + 10
        places.append(following % 10)
    for tenth in range(10):
        assert 60 < sum(tenth <= p < tenth + 1 for p in places) < 140


def test_only_what_runs_and_stays_is_checked() -> None:
    async def main() -> None:
        app = spec(healthChecks=[{"port": 1, "intervalSeconds": 60}])
        state = State()
        state.put_app(app)
        checker = Checker(state, lambda *_: None)

        def jobs(**changes) -> set[str]:
            for key, value in changes.items():
                state.put_instance(state.instances["t1"].but(**{key: value}))
            checker.sync()
            return set(checker._jobs)

        state.put_instance(Instance("t1", app.id, app.version, "A", "127.0.0.1", T0))
        assert jobs() == set()
        assert jobs(state="TASK_RUNNING") == {"t1"}
        assert jobs(kill_reason="asked") == set()
        assert jobs(kill_reason=None) == {"t1"}
        state.drop_instance("t1")
        assert jobs() == set()
        await checker.close()

    asyncio.run(main())
