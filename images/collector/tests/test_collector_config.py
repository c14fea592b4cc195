"""What the collector is told, and what it says of a mistake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from collector.__main__ import exporter, sources, until_next
from collector.config import Config, Mistake, from_environment
from collector.sources import containers, pools

GIVEN = {
    "COLLECTOR_FEDERATION": "aerie",
    "COLLECTOR_SITE": "torino",
    "COLLECTOR_ADDRESS": "172.31.1.10",
    "COLLECTOR_LAN": "172.31.1.0/24",
    "COLLECTOR_QUORUM": "yes",
    "COLLECTOR_MEMBERS": "172.31.1.10,172.31.2.10,172.31.3.10",
    "COLLECTOR_GRAPHITE": "172.31.1.10:2004",
}


def test_settings() -> None:
    config = from_environment(GIVEN)
    assert config.prefix == "aerie.aerie.torino." and config.graphite == ("172.31.1.10", 2004)
    assert config.quorum and config.interval == 10 and len(config.members) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"COLLECTOR_SITE": ""}, "COLLECTOR_SITE is missing"),
        ({"COLLECTOR_QUORUM": "true"}, "write yes or no"),
        ({"COLLECTOR_MEMBERS": ""}, "COLLECTOR_MEMBERS is missing"),
        ({"COLLECTOR_MEMBERS": "172.31.2.10"}, "172.31.1.10 among them"),
        ({"COLLECTOR_GRAPHITE": "here"}, "write ADDRESS:PORT"),
        ({"COLLECTOR_LAN": "172.31.1.10/24"}, "COLLECTOR_LAN"),
        ({"COLLECTOR_INTERVAL": "0.1"}, "one second or more"),
        ({"COLLECTOR_HISTORY": "here"}, "COLLECTOR_HISTORY is 'here'; write ADDRESS:PORT"),
    ],
)
def test_mistakes(change: dict[str, str], said: str) -> None:
    with pytest.raises(Mistake, match=said):
        from_environment(GIVEN | change)


def test_a_history_is_sent_where_there_is_one(tmp_path: Path) -> None:
    assert exporter(replace(from_environment(GIVEN), files=tmp_path)) is None
    config = replace(
        from_environment(GIVEN | {"COLLECTOR_HISTORY": "172.31.2.10:9200"}), files=tmp_path, state=tmp_path
    )
    with pytest.raises(OSError, match="history"):
        exporter(config)
    (tmp_path / "history").write_text("password\n")
    assert exporter(config) is not None


def with_files(folder: Path, quorum: bool) -> Config:
    for name in ("operator", "admin"):
        (folder / name).write_text("x\n")
    return Config("f", "s", "10.0.0.1", from_environment(GIVEN).lan, quorum, ("10.0.0.1", 2004), files=folder)


def test_a_site_without_quorum_asks_for_no_quorum_member(tmp_path: Path) -> None:
    here = {s.name for s in sources(with_files(tmp_path, False))}
    assert here == {"collector", "containers", "bgp", "vpn", "mesos_agent", "condor"}
    assert {s.name for s in sources(with_files(tmp_path, True))} - here == {
        "etcd",
        "zookeeper",
        "mesos_master",
        "marathon",
    }


def test_no_two_sources_share_a_connection(tmp_path: Path) -> None:
    """They are asked at the same time, each in a thread of its own."""
    kept = [
        s._docker for s in sources(with_files(tmp_path, True)) if isinstance(s, containers.Containers | pools.Pools)
    ]
    assert len(kept) == 2 and kept[0] is not kept[1]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="operator"):
        sources(Config("f", "s", "10.0.0.1", from_environment(GIVEN).lan, False, ("10.0.0.1", 2004), files=tmp_path))


@pytest.mark.parametrize("now", [100.0, 104.2, 109.9999, 110.0])
def test_the_next_round_is_another_one(now: float) -> None:
    then = now + until_next(now, 10.0)
    assert then // 10 == now // 10 + 1 and then % 10 < 0.1
