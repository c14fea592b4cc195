"""The history's part of the stacks: where the index is, what it is given, and what collectors are told."""

from __future__ import annotations

from typing import Any

import pytest

from components.spec.rules import HISTORY_PASSWORDS, identities
from policy.facts import facts
from tests.unit.conftest import Checkout, Graphs
from tests.unit.mocks import MARK, secret_paths, texts_in_the_clear
from tests.unit.test_graph_monitoring import environment
from tests.unit.test_graph_stacks import files
from tests.unit.test_policy_graphs import violations

STACKS = ("federation", "torino", "cnaf", "bari", "demo")
SERVICE = "cnaf-front-end-opensearch"


def with_history(checkout: Checkout, **values: Any) -> Checkout:
    return checkout.change("federation.yaml", lambda d: d.update(monitoring={"history": values}))


@pytest.fixture
def history(checkout: Checkout) -> Checkout:
    return with_history(checkout, site="cnaf", keep_days=90, memory=2048)


def test_what_it_adds_to_each_stack_and_that_it_changes_collectors_only(history: Checkout, graphs: Graphs) -> None:
    added = {"federation": set(HISTORY_PASSWORDS), "cnaf": {SERVICE}}
    for stack in STACKS:
        before, after = graphs(stack), history.graph(stack)
        assert {name for _, name in after.keys - before.keys} == added.get(stack, set())
        assert not before.keys - after.keys
        changed = {key[1] for key in before.keys if after.by_key[key].inputs != before.by_key[key].inputs}
        collector = f"{stack}-front-end-collector"
        assert changed == ({collector} if stack in ("torino", "cnaf", "bari") else set())


def test_each_collector_is_told_where_it_is_and_has_the_writers_password(history: Checkout, graphs: Graphs) -> None:
    for site in ("torino", "cnaf", "bari"):
        graph, name = history.graph(site), f"{site}-front-end-collector"
        assert environment(graph, name)["COLLECTOR_HISTORY"] == "172.31.2.10:9200"
        assert files(graph[name])["history"] == f"{MARK} history-writer"
        assert "COLLECTOR_HISTORY" not in environment(graphs(site), name)


def test_its_files_and_that_they_are_secret(history: Checkout) -> None:
    graph = history.graph("cnaf")
    given = files(graph[SERVICE])
    assert set(given) == {"server.crt", "server.key", "viewer", "writer"}
    assert (given["viewer"], given["writer"]) == (f"{MARK} history", f"{MARK} history-writer")
    assert MARK not in graph[SERVICE].inputs["create"] and "stdin" in secret_paths(graph[SERVICE].wire)
    for resource in graph.resources:
        assert not [text for text in texts_in_the_clear(resource.wire) if MARK in text], resource.name


def test_it_listens_on_the_lan_has_limits_no_rights_and_a_volume(history: Checkout) -> None:
    graph = history.graph("cnaf")
    script = graph[SERVICE].inputs["create"]
    assert environment(graph, SERVICE) == {"LISTEN": "172.31.2.10", "HEAP": "1024", "KEEP_DAYS": "90"}
    for word in ("--memory 2048m ", "--read-only", "-v opensearch-data:/var/lib/opensearch "):
        assert word in script
    assert "--cap-add" not in script and "--privileged" not in script and "docker.sock" not in script
    assert "volume" not in graph[SERVICE].inputs["delete"], "what was kept outlives the container"


def test_its_url(history: Checkout, graphs: Graphs) -> None:
    assert history.graph("cnaf").outputs["history_url"] == ("https://172.31.2.10:9200", False)
    for graph in (history.graph("torino"), graphs("cnaf")):
        assert "history_url" not in graph.outputs


def test_by_default_it_is_where_graphite_is(checkout: Checkout) -> None:
    graph = with_history(checkout).graph("torino")
    assert environment(graph, "torino-front-end-opensearch") == {
        "LISTEN": "172.31.1.10",
        "HEAP": "512",
        "KEEP_DAYS": "365",
    }


def test_its_passwords_can_be_rotated(history: Checkout, graphs: Graphs) -> None:
    the = history.plan("torino")
    assert set(HISTORY_PASSWORDS) <= set(identities(the.federation))
    history.change("Pulumi.federation.yaml", lambda d: d["config"].update({"aerie:rotate": {"history-writer": 2}}))
    assert history.graph("federation")["history-writer"].inputs["generation"] == 2


def test_the_policy_pack_agrees(history: Checkout) -> None:
    for stack in ("federation", "cnaf"):
        assert violations(history.graph(stack), facts(history.root, stack)) == []
