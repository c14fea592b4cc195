"""Every target of every dashboard against a real Graphite that has one pool's and three sites' worth of every documented metric:
Graphite understands it, and it brings a curve with values.

Needs a Docker engine.  Images that are missing are built.  Everything made here has the prefix `monimg-`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import requests
from collector.buffer import Batch, Buffer
from collector.graphite import Sender
from collector.metrics import table
from engine import remove
from test_monitoring_image import ADDRESS, PREFIX, SUBNET, Graphite
from test_service_images import certificate, docker, until

from components.monitoring.dashboards import grafana
from components.monitoring.dashboards.catalogue import everything, files
from tools.images import image_tags, main

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
FEDERATION, POOL = "test", "demo"
SITES = ("torino", "cnaf", "bari")
ROUNDS = 30  # the last five minutes
# What there is of each part of a name; every other one is called as the part itself.
PARTS = {
    "pool": (POOL,),
    "role": ("central-manager", "submit", "executor"),
    "machine": ("front-end", "agent-1"),
    "peer": ("other",),
    "service": ("etcd", "graphite"),
    "user": ("alice", "bob"),
    "type": ("Partitionable", "Dynamic"),
    "count_age": ("count_recent", "count_one_hour"),
}
STATES = {"jobs": ("idle", "running", "held"), "slots": ("Claimed", "Unclaimed")}


def instances(name: str) -> Iterator[str]:
    """The metric as the sites send it."""
    places = re.findall(r"<(\w+)>", name)
    states = next((STATES[word] for word in STATES if f".{word}." in name), ())
    for values in product(*({**PARTS, "state": states}.get(place, (place,)) for place in places)):
        given = iter(values)
        own = re.sub(r"<\w+>", lambda _, given=given: next(given), name)  # type: ignore[misc]
        for site in SITES[:1] if name.startswith("condor.") else SITES:  # where the submit node is
            yield f"aerie.{FEDERATION}.{site}.{own.replace('machines.', f'machines.{site}-')}"


@pytest.fixture(scope="module")
def graphite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graphite]:
    """With every metric's samples in it. They grow, so that counters have rates."""
    assert main(["build", "base", "graphite"]) == 0
    remove(PREFIX)
    folder = tmp_path_factory.mktemp("graphite")
    certificate(folder, "server", "graphite", (ADDRESS,))
    (folder / "credentials").write_text("viewer:password\n")
    docker("network", "create", "--subnet", SUBNET, PREFIX + "net")
    try:
        found = Graphite(f"aerie/graphite:{image_tags(ROOT)['graphite']}", folder)
        found.start()
        names = {name for metric in table() for name in instances(metric.name)}
        buffer, now = Buffer(10**6), int(time.time()) // 10 * 10
        for ago in range(ROUNDS, 0, -1):
            buffer.put(Batch(now - 10 * ago, dict.fromkeys(names, 1.0 + ROUNDS - ago)))
        sender = Sender(buffer, (ADDRESS, 2004), pause=0.2)

        def sent() -> bool:
            sender.step(0.05)
            return buffer.points == 0

        until(sent, 60, "all points are sent")
        until(lambda: names <= set(found.get("/metrics/index.json").json()), 120, "each metric has a file")
        yield found
    finally:
        remove(PREFIX)


def asked(target: str, site: str) -> str:
    """As Grafana puts it to Graphite once somebody chose sites."""
    return target.replace("$site", site)


def render(graphite: Graphite, target: str | list[str], since: int | str) -> requests.Response:
    given: dict[str, Any] = {"target": target, "format": "json", "from": since}
    return graphite.get("/render", **given)


@pytest.mark.parametrize("name", files(everything(FEDERATION, [POOL])))
def test_every_target_brings_data(graphite: Graphite, name: str) -> None:
    dashboard = json.loads(files(everything(FEDERATION, [POOL]))[name])
    since = int(time.time()) - 10 * ROUNDS
    without: list[str] = []
    for target in grafana.targets(dashboard):
        for site in ("*", "{torino,cnaf}") if "$site" in target else ("*",):
            answer = render(graphite, asked(target, site), since)
            assert answer.status_code == 200, f"{target}: {answer.text[-500:]}"
            series = answer.json()
            curves = [each for each in series if any(value is not None for value, _ in each["datapoints"])]
            if not curves or len(curves) != len(series):
                without.append(asked(target, site))
            assert len({each["target"] for each in series}) == len(series), f"two curves with one name: {target}"
    assert without == []


@pytest.mark.parametrize(
    ("board", "title", "names"),
    [
        ("network", "Round trips now", {f"{site}.other" for site in SITES}),
        ("overview", "Cores by site", {f"{what} {site}" for what in ("used", "offered") for site in SITES}),
        ("overview", "Active agents", {"agents"}),
        ("pool-demo", "Jobs by user: running", {"alice", "bob"}),
        ("pool-demo", "Slots by state", {f"{k}.{s}" for k in PARTS["type"] for s in STATES["slots"]}),
        ("pool-demo", "Duty cycles now", {f"{kind} name" for kind in ("schedd", "collector", "negotiator")}),
    ],
)
def test_curves_are_called_what_they_are(graphite: Graphite, board: str, title: str, names: set[str]) -> None:
    dashboard = json.loads(files(everything(FEDERATION, [POOL]))[f"{board}.json"])
    panel = next(p for p in dashboard["panels"] if p["title"] == title)
    targets = [asked(each["target"], "*") for each in panel["targets"]]
    answer = render(graphite, targets, "-5min")
    found = {each["target"] for each in answer.json()}
    assert found == names


def test_rates_are_a_minutes_worth(graphite: Graphite) -> None:
    """Each counter grows by one in ten seconds."""
    board = json.loads(files(everything(FEDERATION, [POOL]))["overview.json"])
    panel = next(p for p in board["panels"] if p["title"] == "Tasks that ended")
    answer = render(graphite, panel["targets"][0]["target"], "-5min")
    values = {value for value, _ in answer.json()[0]["datapoints"] if value is not None}
    assert values == {6.0}


def test_what_chooses_the_sites_finds_them(graphite: Graphite) -> None:
    board = json.loads(files(everything(FEDERATION, [POOL]))["network.json"])
    variable = next(v for v in board["templating"]["list"] if v["name"] == "site")
    found = graphite.get("/metrics/find", query=variable["query"]).json()
    assert {each["text"] for each in found} == set(SITES)
