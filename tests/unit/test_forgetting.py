"""What Calico is told to forget of a site that has gone for good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aerie import forgetting
from aerie.terminal import Refused
from components.spec.loader import read_federation
from components.spec.model import Federation
from tests.unit.conftest import BASE
from tools.login import Login
from tools.reach import Place, Said


@pytest.fixture(scope="module")
def federation() -> Federation:
    found, problems = read_federation(BASE)
    assert found is not None and problems == []
    return found


PLACES = [
    Place(f"{site}-front-end", site, f"172.31.{n}.10", True, Login("root", site, 22, Path("key"), Path("known")))
    for n, site in ((1, "torino"), (2, "cnaf"))
]
NODES = json.dumps(
    {
        "items": [
            {"metadata": {"name": "bari-front-end", "labels": {"site": "bari"}}},
            {"metadata": {"name": "bari-agent-1", "labels": {"site": "bari"}}},
            {"metadata": {"name": "torino-front-end", "labels": {"site": "torino"}}},
            {"metadata": {"name": "bari-like"}},
        ]
    }
)


def test_only_its_own_are_named(federation: Federation) -> None:
    own = forgetting.own_objects(federation, "bari")
    assert sorted(own) == sorted(
        [
            ("BGPFilter", f"as-{federation.sites['bari'].as_number}-bari"),
            ("BGPPeer", "bari-borders"),
            ("BGPPeer", "bari-nodes"),
            *(("GlobalNetworkSet", f"{what}-bari") for what in ("front-end", "lan", "wan")),
            ("IPPool", "site-bari"),
        ]
    )


def test_nodes_are_known_by_their_label() -> None:
    assert forgetting.nodes_of("bari", NODES) == ["bari-front-end", "bari-agent-1"]


def test_pools_go_last_and_sessions_first() -> None:
    lines = forgetting.script(
        [("IPPool", "p"), ("Node", "n"), ("GlobalNetworkSet", "s"), ("BGPFilter", "f"), ("BGPPeer", "b")]
    )
    deleted = [line.split()[6:8] for line in lines.splitlines() if "delete" in line]
    assert deleted == [["BGPPeer", "b"], ["BGPFilter", "f"], ["GlobalNetworkSet", "s"], ["Node", "n"], ["IPPool", "p"]]


def test_the_next_front_end_is_asked_if_one_is_silent(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(place: Place, text: str, seconds: float) -> Said:
        asked.append((place.site, "get" if "get nodes" in text else "delete"))
        return Said("", "no answer in 60 s") if place.site == "torino" else Said(NODES)

    monkeypatch.setattr(forgetting, "ask", ask)
    assert forgetting.forget(federation, "bari", PLACES) == 7 + 2
    assert asked == [("torino", "get"), ("cnaf", "get"), ("cnaf", "delete")]


@pytest.mark.parametrize("silent", ["get nodes", "delete"])
def test_what_cannot_be_forgotten_is_told(federation: Federation, monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    def ask(place: Place, text: str, seconds: float) -> Said:
        return Said("", "etcd does not answer") if silent in text else Said(NODES)

    monkeypatch.setattr(forgetting, "ask", ask)
    with pytest.raises(Refused, match=r"Calico still knows bari.*etcd does not answer") as told:
        forgetting.forget(federation, "bari", PLACES)
    assert told.value.do == "aerie status, mend that, then aerie site remove bari again"
