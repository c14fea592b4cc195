"""Grafana's part of the stacks: where it is, what it is given, and each pool's dashboard by the pool's own stack."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.cluster.container import FILES
from components.monitoring import pool_dashboard
from components.monitoring.dashboards.catalogue import files as dashboard_files
from components.monitoring.dashboards.catalogue import of_federation
from components.monitoring.dashboards.pool import pool
from components.monitoring.grafana import POOLS, datasource, providers
from components.spec.rules import GRAFANA_PASSWORD, identities
from components.spec.site_rules import site_identities
from policy.facts import facts
from tests.unit.conftest import Checkout, Graphs
from tests.unit.mocks import MARK, texts_in_the_clear
from tests.unit.test_graph_monitoring import environment
from tests.unit.test_graph_stacks import files
from tests.unit.test_policy_graphs import violations

IMAGE = "registry.example/grafana/grafana:11.6.0@sha256:" + "a" * 64
STACKS = ("federation", "torino", "cnaf", "bari", "demo")


@pytest.fixture
def grafana(checkout: Checkout) -> Checkout:
    return checkout.change("federation.yaml", lambda d: d.update(monitoring={"grafana": {"image": IMAGE}}))


def test_what_it_adds_to_each_stack_and_that_it_changes_nothing_else(grafana: Checkout, graphs: Graphs) -> None:
    expected = {
        "federation": {"grafana-admin"},
        "torino": {"torino-front-end-grafana-key", "torino-front-end-grafana"},
        "demo": {"demo-dashboard"},
    }
    for stack in STACKS:
        before, after = graphs(stack), grafana.graph(stack)
        assert {name for _, name in after.keys - before.keys} == expected.get(stack, set())
        assert not before.keys - after.keys
        for key in before.keys:
            assert after.by_key[key].inputs == before.by_key[key].inputs, key


def test_what_can_be_rotated_is_what_is_made(grafana: Checkout) -> None:
    the = grafana.plan("torino")
    assert the.site is not None
    made = {r.name for r in grafana.graph("torino").resources if "generation" in r.wire}
    assert made == set(site_identities("torino", the.site, quorum=True, monitoring=True, grafana=True))
    shared = {r.name for r in grafana.graph("federation").resources if "generation" in r.wire}
    assert shared == set(identities(the.federation)) and GRAFANA_PASSWORD in shared


def test_grafana_is_where_graphite_is(grafana: Checkout) -> None:
    grafana.change("federation.yaml", lambda d: d["monitoring"].update(site="bari"))
    assert "bari-front-end-grafana" in {r.name for r in grafana.graph("bari").of("cluster:Service")}
    assert "torino-front-end-grafana" not in {r.name for r in grafana.graph("torino").of("cluster:Service")}
    host = grafana.graph("demo")["demo-dashboard"].inputs["connection"]
    assert (host["host"], host["hostKey"]) == ("172.31.3.10", "ssh-ed25519 AAAA bari-front-end")


def test_its_url(grafana: Checkout, graphs: Graphs) -> None:
    assert grafana.graph("torino").outputs["grafana_url"] == ("https://172.31.1.10:8445", False)
    assert "grafana_url" not in grafana.graph("cnaf").outputs
    assert "grafana_url" not in graphs("torino").outputs


def test_it_listens_on_the_lan_by_tls_and_asks_for_a_password(grafana: Checkout) -> None:
    told = environment(grafana.graph("torino"), "torino-front-end-grafana")
    assert told["GF_SERVER_PROTOCOL"] == "https"
    assert (told["GF_SERVER_HTTP_ADDR"], told["GF_SERVER_HTTP_PORT"]) == ("172.31.1.10", "8445")
    assert told["GF_AUTH_ANONYMOUS_ENABLED"] == "false" and told["GF_USERS_ALLOW_SIGN_UP"] == "false"
    assert told["GF_SECURITY_COOKIE_SECURE"] == "true"
    assert not [value for name, value in told.items() if "PASSWORD" in name and not name.endswith("__FILE")]


def test_it_has_limits_and_no_rights(grafana: Checkout) -> None:
    script = grafana.graph("torino")["torino-front-end-grafana"].inputs["create"]
    run = script.partition("docker run ")[2]
    for words in ("--cap-drop ALL", "no-new-privileges", "--read-only", "--memory 512m", IMAGE):
        assert words in run
    assert "--cap-add" not in run and "--privileged" not in run and "docker.sock" not in run


def test_every_file_that_it_is_told_of_is_there(grafana: Checkout) -> None:
    graph = grafana.graph("torino")
    given, told = files(graph["torino-front-end-grafana"]), environment(graph, "torino-front-end-grafana")
    run = graph["torino-front-end-grafana"].inputs["create"].partition("docker run ")[2].split()
    mounted = [run[i + 1].partition(":")[0] for i, word in enumerate(run) if word == "-v"]
    for path in [*told.values(), *mounted]:
        if path.startswith(f"{FILES}/grafana/"):
            assert path.removeprefix(f"{FILES}/grafana/") in given, path
    assert given["admin-password"] == f"{MARK} grafana-admin" and given["secret-key"].startswith(MARK)


def test_its_dashboards_are_the_federations(grafana: Checkout) -> None:
    given = files(grafana.graph("torino")["torino-front-end-grafana"])
    boards = {name: text for name, text in given.items() if name.endswith(".json")}
    assert boards == dashboard_files(of_federation("aerie"))


def test_its_data_source_is_graphite_by_tls_and_a_password(grafana: Checkout) -> None:
    source: dict[str, Any]
    (source,) = json.loads(files(grafana.graph("torino")["torino-front-end-grafana"])["datasource.yaml"])["datasources"]
    assert (source["type"], source["url"]) == ("graphite", "https://172.31.1.10:8444")
    assert (source["basicAuth"], source["basicAuthUser"]) == (True, "viewer")
    assert source["jsonData"]["tlsAuthWithCACert"] is True and "tlsSkipVerify" not in source["jsonData"]
    assert source["secureJsonData"] == {"basicAuthPassword": f"{MARK} graphite", "tlsCACert": "certificate of ca"}


def test_a_dollar_is_no_variable(checkout: Checkout) -> None:
    federation = checkout.plan("torino").federation
    (source,) = json.loads(datasource(federation, "192.0.2.1", "a$b", "c"))["datasources"]
    assert source["secureJsonData"]["basicAuthPassword"] == "a$$b"


def test_providers_look_where_the_files_are() -> None:
    paths = [each["options"]["path"] for each in json.loads(providers())["providers"]]
    assert paths == [f"{FILES}/grafana", POOLS]


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_is_in_the_clear(grafana: Checkout, stack: str, preview: bool) -> None:
    for resource in grafana.graph(stack, preview).resources:
        inputs = {k: v for k, v in resource.wire.items() if k != "__provider"}
        assert not [text for text in texts_in_the_clear(inputs) if MARK in text], resource.key


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_registers_what_up_does_and_up_again_changes_nothing(grafana: Checkout, stack: str) -> None:
    preview, up, again = grafana.graph(stack, True), grafana.graph(stack), grafana.made_anew(stack)
    assert preview.keys == up.keys == again.keys
    for key, resource in up.by_key.items():
        assert again.by_key[key].inputs == resource.inputs, key


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("preview", [False, True])
def test_it_keeps_to_every_policy(grafana: Checkout, stack: str, preview: bool) -> None:
    assert violations(grafana.graph(stack, preview), facts(grafana.root, stack)) == []


def test_another_version_is_another_container_and_nothing_else(grafana: Checkout) -> None:
    before = grafana.graph("torino")
    grafana.change("federation.yaml", lambda d: d["monitoring"]["grafana"].update(image=IMAGE.replace("aaaa", "bbbb")))
    after = grafana.graph("torino")
    changed = {key[1] for key in before.keys if before.by_key[key].inputs != after.by_key[key].inputs}
    assert changed == {"torino-front-end-grafana"}


def test_the_pools_dashboard_comes_from_the_pools_stack(grafana: Checkout) -> None:
    command = grafana.graph("demo")["demo-dashboard"]
    assert command.inputs["stdin"] == dashboard_files([pool("aerie", "demo")])["pool-demo.json"]
    assert command.inputs["connection"]["host"] == "172.31.1.10"
    assert command.parent.endswith("aerie:monitoring:PoolDashboard::demo-dashboard")


def test_the_file_is_put_in_its_place_at_once_and_taken_away(tmp_path: Path) -> None:
    def run(script: str, text: str) -> None:
        there = script.replace(POOLS, str(tmp_path / "pools"))
        subprocess.run(["sh", "-c", there], input=text, text=True, check=True)

    for text in ("first", "second"):
        run(pool_dashboard.put_script("pool-demo.json"), text)
        assert {p.name: p.read_text() for p in (tmp_path / "pools").iterdir()} == {"pool-demo.json": text}
    for _ in range(2):
        run(pool_dashboard.delete_script("pool-demo.json"), "")
        assert list((tmp_path / "pools").iterdir()) == []


def test_a_federation_without_its_password_says_what_to_do(grafana: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit import conftest

    state = conftest.federation_state

    def older(sites: list[str]) -> tuple[dict[str, Any], list[str]]:
        known, secrets = state(sites)
        return {**known, "passwords": {k: v for k, v in known["passwords"].items() if k != "grafana-admin"}}, secrets

    monkeypatch.setattr(conftest, "federation_state", older)
    with pytest.raises(ValueError, match="no password grafana-admin yet: run pulumi up -s federation first"):
        grafana.graph("torino")


def test_a_site_that_has_grafana_goes_after_every_pool(grafana: Checkout, graphs: Graphs) -> None:
    from aerie.federation import Here
    from aerie.ordering import standing_on

    the = grafana.plan("demo")
    assert the.pool is not None
    elsewhere = the.pool.model_copy(update={"sites": ["cnaf"]})
    here = Here(grafana.root, the.federation, {"demo": elsewhere})
    assert standing_on(here, ["torino"], {"demo", "torino"}) == ["demo"]
    assert standing_on(here, ["bari"], {"demo", "bari"}) == []
    plain = replace(
        here, federation=the.federation.model_copy(update={"monitoring": type(the.federation.monitoring)()})
    )
    assert standing_on(plain, ["torino"], {"demo", "torino"}) == []
