"""The parts of mesos_client that do no I/O."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesos_client import (
    Backoff,
    Framework,
    Offer,
    TaskStatus,
    Unknown,
    ZooKeeperUrl,
    ZooKeeperUrlError,
    calls,
    parse_event,
)
from mesos_client.client import redirect_target
from mesos_client.detector import leading_node, master_address
from mesos_client.recordio import Decoder, RecordError, encode


# A busy machine is slow, and that is no fault of the decoder.
@given(st.lists(st.binary(max_size=300)), st.data())
def test_records_survive_any_cut(records: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode(r) for r in records)
    decoder, found = Decoder(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += decoder.feed(stream[:cut])
        stream = stream[cut:]
    assert found == records


@pytest.mark.parametrize("bad", [b"abc\n", b"\n", b"-3\nabc", b"1" * 30, b"99999999999\n"])
def test_what_is_no_record_is_refused(bad: bytes) -> None:
    with pytest.raises(RecordError):
        Decoder().feed(bad)


def test_backoff_grows_to_its_limit_and_resets() -> None:
    backoff = Backoff(1, 8, rand=lambda: 1.0)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 8, 8]
    backoff.reset()
    assert backoff.next() == 1
    assert Backoff(1, 8, rand=lambda: 0.0).next() == pytest.approx(0.1)


def test_zookeeper_url_with_login() -> None:
    url = ZooKeeperUrl.parse("zk://us%40er:p%3Ass@a:1,b/x/y/")
    assert (url.hosts, url.path, url.user, url.password) == (("a:1", "b:2181"), "/x/y", "us@er", "p:ss")
    assert "p:ss" not in repr(url) and "p:ss" not in str(url)
    assert url.acl()[0].id.scheme == "auth"


def test_zookeeper_url_from_a_file(tmp_path) -> None:
    (tmp_path / "url").write_text("zk://a:2181/mesos\n")
    assert ZooKeeperUrl.parse(f"file://{tmp_path}/url").hosts == ("a:2181",)


@pytest.mark.parametrize(
    "bad", ["", "http://a", "zk://", "zk:///mesos", "zk://user@a:1/m", "zk://a b:1/m", "file:///nowhere"]
)
def test_bad_zookeeper_urls(bad: str) -> None:
    with pytest.raises(ZooKeeperUrlError):
        ZooKeeperUrl.parse(bad)


def test_the_lowest_sequence_leads() -> None:
    names = ["json.info_0000000012", "log_replicas", "json.info_0000000009", "info_0000000001"]
    assert leading_node(names) == "json.info_0000000009"
    assert leading_node(["log_replicas"]) is None
    assert master_address(json.dumps({"address": {"ip": "10.0.0.1", "port": 5050}}).encode()) == "10.0.0.1:5050"
    assert master_address(b'{"hostname": "m", "port": 5051}') == "m:5051"


def test_redirects() -> None:
    assert redirect_target("//m2:5050/api/v1/scheduler") == "m2:5050"
    assert redirect_target("http://m2:5050/x") == "m2:5050"
    with pytest.raises(ValueError):
        redirect_target("/somewhere")


OFFER = {
    "id": {"value": "O1"},
    "agent_id": {"value": "A1"},
    "hostname": "n1",
    "allocation_info": {"role": "r"},
    "resources": [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2.5}, "allocation_info": {"role": "r"}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 64}, "reservations": [{"type": "STATIC", "role": "r"}]},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 3, "end": 5}]}},
    ],
    "attributes": [
        {"name": "site", "type": "TEXT", "text": {"value": "torino"}},
        {"name": "rack", "type": "SCALAR", "scalar": {"value": 4.0}},
    ],
    "domain": {"fault_domain": {"region": {"name": "it"}, "zone": {"name": "a"}}},
}


def test_an_offer() -> None:
    offer = Offer.from_json(OFFER)
    assert [(r.name, r.role, r.scalar, r.ranges) for r in offer.resources] == [
        ("cpus", "*", 2.5, ()),
        ("mem", "r", 64.0, ()),
        ("ports", "*", None, ((3, 5),)),
    ]
    assert offer.attributes == {"site": "torino", "rack": "4"} and (offer.region, offer.zone) == ("it", "a")


def test_a_status_has_the_containers_address() -> None:
    status = TaskStatus.from_json(
        {
            "task_id": {"value": "t"},
            "state": "TASK_RUNNING",
            "container_status": {
                "network_infos": [{"name": "calico", "ip_addresses": [{"ip_address": "10.65.0.3", "protocol": "IPv4"}]}]
            },
        }
    )
    assert status.ip_addresses == ("10.65.0.3",) and status.healthy is None and status.uuid is None


def test_an_event_of_the_future_is_kept() -> None:
    assert parse_event({"type": "NEWS", "news": 1}) == Unknown("NEWS", {"type": "NEWS", "news": 1})


def test_call_bodies() -> None:
    body = calls.subscribe(Framework("f", roles=("a", "b")), "F1", ["a"])
    assert body["framework_id"] == {"value": "F1"} == body["subscribe"]["framework_info"]["id"]
    assert body["subscribe"]["suppressed_roles"] == ["a"]
    assert calls.kill("t", "a", 2.5)["kill"]["kill_policy"] == {"grace_period": {"nanoseconds": 2500000000}}
    assert calls.reconcile() == {"type": "RECONCILE", "reconcile": {"tasks": []}}
    assert "filters" not in calls.decline(["o"])["decline"]
