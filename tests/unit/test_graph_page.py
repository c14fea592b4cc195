"""The status page's part of a site's stack: where it is, what it is told and given, and what it may not do."""

from __future__ import annotations

import json

import pytest

from components.monitoring.dashboards.catalogue import everything
from components.monitoring.dashboards.catalogue import files as dashboards
from components.monitoring.dashboards.grafana import targets
from components.spec import addresses
from policy.facts import facts
from policy.rules.ports import ADMIN
from tests.unit.conftest import Checkout, Graphs
from tests.unit.mocks import MARK, Graph, secret_paths, texts_in_the_clear
from tests.unit.test_graph_monitoring import environment, monitoring
from tests.unit.test_graph_stacks import add_site, files
from tests.unit.test_policy_graphs import violations

NAME = "torino-front-end-page"


def pages(graph: Graph) -> set[str]:
    return {r.name for r in graph.of("cluster:Service") if r.name.endswith("-page")}


def test_it_is_where_graphite_is(graphs: Graphs, checkout: Checkout) -> None:
    assert pages(graphs("torino")) == {NAME} and pages(graphs("cnaf")) == set()
    assert graphs("torino").outputs["page_url"] == ("https://172.31.1.10:8446", False)
    assert "page_url" not in graphs("cnaf").outputs
    monitoring(checkout, site="bari")
    assert pages(checkout.graph("torino")) == set() and pages(checkout.graph("bari")) == {"bari-front-end-page"}
    assert checkout.graph("bari").outputs["page_url"] == ("https://172.31.3.10:8446", False)
    assert addresses.page_url(checkout.plan("torino").federation) == "https://172.31.3.10:8446"


def test_every_panel_of_every_dashboard_is_there(graphs: Graphs) -> None:
    """What the page's own code makes of the file that is deployed is what Grafana gets: the same boards, sections, panels, questions."""
    from status_page.panels import Choice, Panels

    panels = Panels(files(graphs("torino")[NAME])["panels.json"])
    shown = {board["name"]: board for board in panels.shown["boards"]}
    boards = {"pool" if b.name == "pool-demo" else b.name: b for b in everything("aerie", ["demo"])}
    assert set(shown) == set(boards)
    for name, board in boards.items():
        wanted = [(s.title, [(p.title, p.kind, p.grafana_unit, p.stacked) for p in s.panels]) for s in board.sections]
        found = [
            (s["title"], [(p["title"], p["kind"], p["unit"], p.get("stacked", False)) for p in s["panels"]])
            for s in shown[name]["sections"]
        ]
        assert found == wanted
        asked = [
            target
            for number in range(len(board.sections))
            for target in panels.targets(Choice(name, number, "1h", pool="demo"))
        ]
        dashboard = json.loads(dashboards([board])[f"{board.name}.json"])
        grafanas = [target.replace("$site", "*") for target in targets(dashboard)]
        assert [a.partition("(")[2].rpartition(',"^"')[0] for a in asked] == grafanas
        assert all(p.text.replace("`", "") for p in board.panels)
        for section, own in zip(shown[name]["sections"], board.sections, strict=True):
            for panel, mine in zip(section["panels"], own.panels, strict=True):
                assert panel.get("limits") == (list(mine.limits) if mine.limits else None)
                assert panel.get("words", {}) == dict(mine.words)


def test_without_monitoring_there_is_none(checkout: Checkout) -> None:
    monitoring(checkout, enabled=False)
    graph = checkout.graph("torino")
    assert pages(graph) == set() and "page_url" not in graph.outputs
    assert addresses.page_url(checkout.plan("torino").federation) is None


def test_what_it_is_told(graphs: Graphs) -> None:
    assert environment(graphs("torino"), NAME) == {
        "LISTEN": "172.31.1.10",
        "PAGE_FEDERATION": "aerie",
        "PAGE_SITES": "torino,cnaf,bari",
        "PAGE_QUORUM": "torino,cnaf,bari",
        "PAGE_KEEPER": "torino",
        "PAGE_GRAPHITE": "172.31.1.10:8444",
        "PAGE_MARATHONS": "172.31.1.10:8443,172.31.2.10:8443,172.31.3.10:8443",
    }


def test_what_its_server_takes_is_what_it_is_told(graphs: Graphs) -> None:
    from status_page.config import PORT, from_environment

    found = from_environment(environment(graphs("torino"), NAME))
    assert found.quorum == ("torino", "cnaf", "bari") and (found.port, addresses.PAGE) == (PORT, PORT)
    assert addresses.PAGE in ADMIN


def test_its_passwords_come_as_files_and_nowhere_else(graphs: Graphs) -> None:
    service = graphs("torino")[NAME]
    given = files(service)
    assert set(given) == {"ca.crt", "server.crt", "server.key", "admin", "viewer", "panels.json"}
    assert (given["admin"], given["viewer"]) == (f"{MARK} marathon-admin", f"{MARK} graphite")
    assert given["server.crt"] == files(graphs("torino")["torino-front-end-graphite"])["server.crt"]
    assert MARK not in service.inputs["create"] and "stdin" in secret_paths(service.wire)


@pytest.mark.parametrize("preview", [False, True])
def test_no_secret_is_in_the_clear(graphs: Graphs, preview: bool) -> None:
    inputs = {k: v for k, v in graphs("torino", preview)[NAME].wire.items() if k != "__provider"}
    assert not [text for text in texts_in_the_clear(inputs) if MARK in text]


def test_it_has_limits_and_no_rights(graphs: Graphs) -> None:
    run = graphs("torino")[NAME].inputs["create"].partition("docker run ")[2]
    for words in ("--cap-drop ALL", "no-new-privileges", "--read-only", "--memory 128m"):
        assert words in run
    assert "--cap-add" not in run and "--privileged" not in run and "docker.sock" not in run


def test_it_keeps_to_every_policy(checkout: Checkout) -> None:
    for preview in (False, True):
        assert violations(checkout.graph("torino", preview), facts(checkout.root, "torino")) == []


def test_another_site_is_one_more_on_the_page_and_another_agent_is_none(graphs: Graphs, checkout: Checkout) -> None:
    checkout.change("Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 5}))
    assert checkout.graph("torino")[NAME].inputs == graphs("torino")[NAME].inputs
    (checkout.root / "Pulumi.pisa.yaml").write_text("config: {aerie:iaas: docker, aerie:agents: 0}\n")
    checkout.change("federation.yaml", add_site)
    told = environment(checkout.graph("torino"), NAME)
    assert (told["PAGE_SITES"], told["PAGE_QUORUM"]) == ("torino,cnaf,bari,pisa", "torino,cnaf,bari")


def test_up_again_changes_nothing(checkout: Checkout) -> None:
    first, again = checkout.graph("torino"), checkout.graph("torino")
    assert first[NAME].inputs == again[NAME].inputs
