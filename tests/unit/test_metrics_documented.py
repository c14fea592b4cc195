"""docs/metrics.md has every metric of the collector's table, and no other; Graphite keeps them as the collector sends them."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from collector.config import from_environment
from collector.documentation import renewed
from collector.metrics import table

from components.monitoring.containers import INTERVAL
from components.spec import addresses

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "metrics.md").read_text()


def test_the_tables_are_those_of_the_code() -> None:
    assert renewed(TEXT) == TEXT, "PYTHONPATH=images/collector python3 -m collector.documentation docs/metrics.md"


def test_every_metric_has_a_row() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", TEXT, flags=re.MULTILINE)
    assert [name for name, _ in rows] == [m.name for m in table()]
    assert len({name for name, _ in rows}) == len(rows)


def test_graphite_keeps_points_as_often_as_they_come() -> None:
    schemas = configparser.ConfigParser(interpolation=None)
    schemas.read(ROOT / "images" / "graphite" / "storage-schemas.conf")
    retentions = schemas["all"]["retentions"]
    assert retentions.startswith(f"{INTERVAL}s:")
    assert from_environment({f"COLLECTOR_{k}": "x" for k in ("FEDERATION", "SITE", "ADDRESS")}
        | {"COLLECTOR_LAN": "10.0.0.0/24", "COLLECTOR_GRAPHITE": "x:1"}).interval == INTERVAL  # fmt: skip


def test_counters_are_kept_as_counters() -> None:
    rules = configparser.ConfigParser(interpolation=None)
    rules.read(ROOT / "images" / "graphite" / "storage-aggregation.conf")
    counters = re.compile(rules["counters"]["pattern"])
    assert rules["counters"]["aggregationMethod"] == "last"
    for metric in table():
        name = "aerie.f.s." + re.sub(r"<(\w+)>", r"\1", metric.name)
        counts = metric.unit == "number, since its start" or metric.name.endswith("_bytes") or ".errors." in metric.name
        assert bool(counters.search(name)) == counts, metric.name


def test_graphites_ports_are_those_that_it_is_asked_at() -> None:
    conf = (ROOT / "images" / "graphite" / "carbon.conf").read_text()
    assert f"LINE_RECEIVER_PORT = {addresses.CARBON_LINES}\n" in conf
    assert f"PICKLE_RECEIVER_PORT = {addresses.CARBON_PICKLE}\n" in conf
    for name in ("graphite-run", "graphite-health"):
        assert str(addresses.GRAPHITE) in (ROOT / "images" / "graphite" / name).read_text()
