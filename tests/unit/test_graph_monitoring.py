"""The monitoring's part of the stacks: who has a collector, where Graphite is, and what each is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.monitoring.receivers import receivers_text
from components.program import configuration
from components.spec.model import AlertMail, Alerts
from tests.unit.conftest import Checkout, Graphs
from tests.unit.mocks import MARK, Graph, secret_paths
from tests.unit.test_graph_stacks import add_site, files


def services(graph: Graph) -> set[str]:
    return {r.name for r in graph.of("cluster:Service") if r.name.endswith(("-collector", "-graphite"))}


def environment(graph: Graph, name: str) -> dict[str, str]:
    words = graph[name].inputs["create"].partition("docker run ")[2].split()
    given = (words[i + 1] for i, word in enumerate(words) if word == "-e")
    return dict(word.partition("=")[::2] for word in given)


def monitoring(checkout: Checkout, **values: Any) -> Checkout:
    return checkout.change("federation.yaml", lambda d: d.update(monitoring=values))


def test_each_site_has_a_collector_and_the_first_quorum_site_graphite(graphs: Graphs) -> None:
    assert services(graphs("torino")) == {"torino-front-end-collector", "torino-front-end-graphite"}
    assert services(graphs("cnaf")) == {"cnaf-front-end-collector"}
    assert graphs("torino").outputs["graphite_url"] == ("https://172.31.1.10:8444", False)
    assert "graphite_url" not in graphs("cnaf").outputs


def test_graphite_at_another_site(checkout: Checkout) -> None:
    monitoring(checkout, site="bari")
    assert services(checkout.graph("torino")) == {"torino-front-end-collector"}
    there = checkout.graph("bari")
    assert services(there) == {"bari-front-end-collector", "bari-front-end-graphite"}
    assert environment(there, "bari-front-end-graphite") == {"LISTEN": "172.31.3.10"}
    for site in ("torino", "bari"):
        told = environment(checkout.graph(site), f"{site}-front-end-collector")
        assert told["COLLECTOR_GRAPHITE"] == "172.31.3.10:2004"


def test_none_at_all(checkout: Checkout) -> None:
    monitoring(checkout, enabled=False)
    for site in ("torino", "cnaf"):
        graph = checkout.graph(site)
        assert services(graph) == set() and "graphite_url" not in graph.outputs
        assert not graph.of("monitoring:Monitoring")


def test_what_a_collector_is_told_and_given(graphs: Graphs) -> None:
    graph = graphs("torino")
    assert environment(graph, "torino-front-end-collector") == {
        "COLLECTOR_FEDERATION": "aerie",
        "COLLECTOR_SITE": "torino",
        "COLLECTOR_ADDRESS": "172.31.1.10",
        "COLLECTOR_LAN": "172.31.1.0/24",
        "COLLECTOR_QUORUM": "yes",
        "COLLECTOR_GRAPHITE": "172.31.1.10:2004",
        "COLLECTOR_INTERVAL": "10",
        "COLLECTOR_MEMBERS": "172.31.1.10,172.31.2.10,172.31.3.10",
    }
    given = files(graph["torino-front-end-collector"])
    assert set(given) == {"ca.crt", "operator", "admin", "client.crt", "client.key"}
    assert (given["operator"], given["admin"]) == ("TOPSECRET mesos-operator", "TOPSECRET marathon-admin")
    client = next(r for r in graph.of(":Certificate") if r.name == "torino-front-end-collector-client")
    assert client.inputs["common_name"] == "collector", "no user of etcd's, so it sees no key"


RECEIVERS = {
    "webhook": "https://alerts.example.org/aerie",
    "mail": {"to": "ops@x.org", "sender": "farm@x.org", "server": "smtp.x.org:587", "user": "farm"},
}
SECRETS = {"alerts_webhook_token": f"{MARK} token: *x", "alerts_mail_password": f"{MARK} yes"}


def sealed(data: Any) -> None:
    data["config"].update({f"aerie:{name}": {"secure": f"v1:{text}"} for name, text in SECRETS.items()})


def test_the_federation_hands_on_the_secrets_of_receivers_as_secrets(checkout: Checkout) -> None:
    monitoring(checkout, alerts=RECEIVERS).change("Pulumi.federation.yaml", sealed)
    value, secret = checkout.graph("federation").outputs["passwords"]
    assert secret and {name: value[name] for name in SECRETS} == {n: f"v1:{text}" for n, text in SECRETS.items()}


def test_pulumi_hands_secrets_over_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that YAML would take for something else."""
    given = {"alerts_webhook_token": "*x: {", "alerts_mail_password": "12345", "rotate": '{"ca":1}'}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({f"aerie:{k}": v for k, v in given.items()}))
    assert configuration("aerie") == given | {"rotate": {"ca": 1}}


def test_a_collector_gets_its_receivers_in_a_file_and_nowhere_else(checkout: Checkout) -> None:
    monitoring(checkout, alerts=RECEIVERS)
    graph = checkout.graph("cnaf", more_passwords=SECRETS)
    service = graph["cnaf-front-end-collector"]
    assert json.loads(files(service)["alerts"]) == {
        "webhook": {"url": RECEIVERS["webhook"], "token": SECRETS["alerts_webhook_token"]},
        "mail": {**RECEIVERS["mail"], "tls": "starttls", "password": SECRETS["alerts_mail_password"]},  # type: ignore[dict-item]
    }
    assert MARK not in service.inputs["create"] and "stdin" in secret_paths(service.wire)


def test_without_receivers_there_is_no_file_of_them(checkout: Checkout, graphs: Graphs) -> None:
    assert "alerts" not in files(graphs("torino")["torino-front-end-collector"])
    monitoring(checkout, alerts={"webhook": "http://10.0.0.5:9000/"})
    given = json.loads(files(checkout.graph("torino")["torino-front-end-collector"])["alerts"])
    assert given == {"webhook": {"url": "http://10.0.0.5:9000/"}}


@pytest.mark.parametrize(
    ("alerts", "said"),
    [
        (Alerts(mail=AlertMail(**RECEIVERS["mail"])), "--secret alerts_mail_password, then"),  # type: ignore[arg-type]
        (Alerts(webhook="https://x.org/{token}"), "--secret alerts_webhook_token, then"),
    ],
)
def test_a_secret_that_is_missing_is_asked_for(alerts: Alerts, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        receivers_text(alerts, {})


def test_what_fires_outlives_the_container(graphs: Graphs) -> None:
    script = graphs("cnaf")["cnaf-front-end-collector"].inputs["create"]
    assert "-v collector-state:/var/lib/collector " in script


def test_graphites_files(graphs: Graphs) -> None:
    given = files(graphs("torino")["torino-front-end-graphite"])
    assert set(given) == {"server.crt", "server.key", "credentials"}
    assert given["credentials"] == "viewer:TOPSECRET graphite"


def test_a_site_without_quorum_gets_no_password_of_marathon(checkout: Checkout) -> None:
    (checkout.root / "Pulumi.pisa.yaml").write_text("config: {aerie:iaas: docker, aerie:agents: 0}\n")
    checkout.change("federation.yaml", add_site)
    graph = checkout.graph("pisa")
    assert services(graph) == {"pisa-front-end-collector"}
    assert set(files(graph["pisa-front-end-collector"])) == {"ca.crt", "operator"}
    assert environment(graph, "pisa-front-end-collector")["COLLECTOR_QUORUM"] == "no"
    assert not [r for r in graph.of(":Certificate") if "collector" in r.name]


def test_another_agent_and_another_site_leave_the_collector_as_it_is(graphs: Graphs, checkout: Checkout) -> None:
    (checkout.root / "Pulumi.pisa.yaml").write_text("config: {aerie:iaas: docker, aerie:agents: 0}\n")
    checkout.change("federation.yaml", add_site)
    checkout.change("Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 5}))
    after = checkout.graph("torino")
    for name in ("torino-front-end-collector", "torino-front-end-graphite"):
        assert after[name].inputs == graphs("torino")[name].inputs


def test_its_certificate_can_be_rotated(checkout: Checkout) -> None:
    checkout.change(
        "Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:rotate": {"torino-front-end-collector-client": 3}})
    )
    graph = checkout.graph("torino")
    client = next(r for r in graph.of(":Certificate") if r.name == "torino-front-end-collector-client")
    assert client.inputs["generation"] == 3


@pytest.mark.parametrize("name", ["graphite", "collector"])
def test_both_have_limits_and_no_rights(graphs: Graphs, name: str) -> None:
    script = graphs("torino")[f"torino-front-end-{name}"].inputs["create"]
    assert (
        "--cap-add" not in script and "--privileged" not in script and "--memory " in script and "--read-only" in script
    )


def test_points_outlive_the_container(graphs: Graphs) -> None:
    command = graphs("torino")["torino-front-end-graphite"].inputs
    assert "-v graphite-data:/var/lib/graphite " in command["create"]
    assert "volume" not in command["delete"]
