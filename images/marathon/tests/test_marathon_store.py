"""The stored state: its format and older ones, and what is broken in it."""

import asyncio
import json
from pathlib import Path

import pytest
from fake_zookeeper import FakeZooKeeper
from marathon_core_helpers import T0, offer, operations
from marathon_service.core.definition import DEFAULTS
from marathon_service.core.migration import FORMAT, upgrade
from marathon_service.core.model import State
from marathon_service.core.planning import plan
from marathon_service.service import read
from mesos_client.store import Broken, Store, TooLarge

RECORDED = Path(__file__).parent / "data" / "state_format_1.json"
KINDS = ("app", "version", "instance", "deployment", "group", "history", "framework")


def store(zk: FakeZooKeeper, **more) -> Store:
    options = {"nested": ("version",), "format": FORMAT, "upgrade": upgrade, "compress_above": 2000, **more}
    made = Store(zk, "/m", KINDS, **options)
    zk.put("/m/leader/node", b"")
    return made


def load(zk: FakeZooKeeper, **more):
    return asyncio.run(store(zk, **more).load("/m/leader/node"))


def recorded(zk: FakeZooKeeper) -> list:
    """As a service of format 1 left it."""
    entries = [tuple(e) for e in json.loads(RECORDED.read_text())]
    made = Store(zk, "/m", KINDS, nested=("version",))
    zk.put("/m/format", b'{"format":1}')
    for kind, key, value in entries:
        zk.put(made.path(kind, key), json.dumps(value).encode())
    return entries


def test_an_empty_place_gets_the_present_format() -> None:
    zk = FakeZooKeeper()
    assert load(zk) == [] and json.loads(zk.nodes["/m/format"]) == {"format": FORMAT}
    assert load(zk) == []


def test_a_recorded_state_of_format_1_is_brought_up_to_date_once() -> None:
    zk = FakeZooKeeper()
    entries = recorded(zk)
    state, framework = read(store(zk), load(zk))
    assert framework == "F1" and len(state.instances) == sum(kind == "instance" for kind, _, _ in entries) == 3
    assert set(state.apps) == {"/shop/db", "/shop/web"} and len(state.deployments) == 1
    wanted = {k for k, v in DEFAULTS.items() if v is not None}
    for versions in state.versions.values():
        for raw in versions.values():
            assert wanted <= set(raw)
    assert json.loads(zk.nodes["/m/format"]) == {"format": FORMAT}
    before = dict(zk.nodes)
    load(zk)
    assert zk.nodes == before
    # Nothing is started or stopped for it: the tasks are those that were wanted.
    assert not plan(state, [offer("n9")], T0, lambda _a: "new").kills


def test_an_upgrade_that_was_cut_short_is_done_again() -> None:
    entries = [tuple(e) for e in json.loads(RECORDED.read_text())]
    changes = upgrade(1, entries)
    assert changes
    half = {(k, key): v for k, key, v in entries} | {(k, key): v for k, key, v in changes[:1]}
    again = upgrade(1, [(k, key, v) for (k, key), v in half.items()])
    assert [c[:2] for c in again] == [c[:2] for c in changes[1:]]
    done = half | {(k, key): v for k, key, v in again}
    assert upgrade(1, [(k, key, v) for (k, key), v in done.items()]) == []


def test_a_newer_format_is_refused_in_plain_words() -> None:
    zk = FakeZooKeeper()
    zk.put("/m/format", b'{"format":99}')
    with pytest.raises(Broken, match=r"/m/format.*newer version.*format 99.*Start that version again"):
        load(zk)
    assert json.loads(zk.nodes["/m/format"]) == {"format": 99}


@pytest.mark.parametrize(
    ("path", "data", "says"),
    [
        ("/m/format", b"rubbish", "/m/format"),
        ("/m/format", b'{"format":"1"}', "set /m/format"),
        ("/m/instance/{instance}", b"\x00\xff rubbish", "delete /m/instance/"),
        ("/m/instance/{instance}", b"[1]", "not an object"),
        ("/m/instance/{instance}", b'{"id":"x"}', "is not complete"),
        ("/m/deployment/{deployment}", b"{}", "is not complete"),
        ("/m/app/%2Fshop%2Fweb", b"{}", "/m/app/%2Fshop%2Fweb"),
        ("/m/version/%2Fshop%2Fweb/{version}", b'{"id":"/shop/web"}', "is not complete"),
        ("/m/version/%2Fshop%2Fweb/{version}", None, "is missing"),
        ("/m/framework/id", None, r'create /m/framework/id \{"value":"ID"\}'),
    ],
)
def test_what_is_broken_is_named_with_what_to_do(path: str, data: bytes | None, says: str) -> None:
    zk = FakeZooKeeper()
    recorded(zk)
    load(zk)  # in the present format, in which a missing node is damage
    names = {k: next(n for n in zk.nodes if f"/{k}/" in n).rsplit("/", 1)[1] for k in ("instance", "deployment")}
    version = json.loads(zk.nodes["/m/app/%2Fshop%2Fweb"])["version"]
    node = path.format(**names, version=version)
    assert node in zk.nodes
    if data is None:
        del zk.nodes[node]
    else:
        zk.nodes[node] = data
    with pytest.raises(Broken, match=says) as found:
        read(store(zk), load(zk))
    assert node in str(found.value)


def test_large_values_are_compressed_and_too_large_ones_refused_before_anything_is_written() -> None:
    zk = FakeZooKeeper()
    made = store(zk, max_node_size=5000)

    async def main() -> None:
        await made.load("/m/leader/node")
        value = {"text": "many times the same " * 1000}
        made.check_size(value)
        await made.write([("group", "/g", value)])
        assert len(zk.nodes["/m/group/%2Fg"]) < 1000
        assert ("group", "/g", value) in await made.load("/m/leader/node")
        import random

        noise = {"text": random.Random(1).randbytes(6000).hex()}
        with pytest.raises(TooLarge):
            made.check_size(noise)
        with pytest.raises(TooLarge, match=r"/m/group/%2Fh"):
            await made.write([("group", "/a", {}), ("group", "/h", noise)])
        assert "/m/group/%2Fa" not in zk.nodes

    asyncio.run(main())


def test_who_does_not_lead_any_more_cannot_write() -> None:
    zk = FakeZooKeeper()
    made = store(zk)

    async def main() -> None:
        await made.load("/m/leader/node")
        del zk.nodes["/m/leader/node"]
        with pytest.raises(Exception, match="cannot write the state"):
            await made.write([("group", "/g", {})])
        assert "/m/group/%2Fg" not in zk.nodes

    asyncio.run(main())


def test_a_deletion_that_was_cut_short_leaves_no_damage() -> None:
    ops = operations()
    ops.create({"id": "/app", "cmd": "x"})
    plan(ops.state, [offer("n1")], T0, lambda _a: "t1")
    stored = {(k, key): v for k, key, v in ops.state.take_changes()}
    ops.delete(["/app"], force=True)
    first = next(c for c in ops.state.take_changes() if c[0] in ("app", "version"))
    assert first[0] == "app"
    del stored[first[:2]]
    again = State.load([(k, key, v) for (k, key), v in stored.items()])
    assert not again.apps and set(again.instances) == {"t1"}
