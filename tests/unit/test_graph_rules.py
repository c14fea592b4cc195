"""What holds for the graph of every stack, in `up` and in `preview`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]

from components.spec.rules import PASSWORDS
from tests.unit.conftest import Checkout, Graphs, federation_state
from tests.unit.mocks import MARK, SIGNATURE, STACK, UNKNOWN, Graph, plain, texts_in_the_clear

TOP = {
    "federation": "aerie:index:Federation",
    "torino": "aerie:index:Site",
    "cnaf": "aerie:index:Site",
    "bari": "aerie:index:Site",
    "demo": "aerie:index:Pool",
}
STACKS = [
    pytest.param(stack, preview, id=f"{stack}-{'preview' if preview else 'up'}")
    for stack in TOP
    for preview in (False, True)
]


@pytest.mark.parametrize(("stack", "preview"), STACKS)
def test_names_are_unique_in_a_type(graphs: Graphs, stack: str, preview: bool) -> None:
    counts = Counter(r.key for r in graphs(stack, preview).resources)
    assert [key for key, n in counts.items() if n > 1] == []


@pytest.mark.parametrize(("stack", "preview"), STACKS)
def test_all_but_the_top_component_have_a_parent(graphs: Graphs, stack: str, preview: bool) -> None:
    graph = graphs(stack, preview)
    known = {r.urn for r in graph.resources}
    orphans = [r for r in graph.resources if r.parent not in known]
    assert [r.type for r in orphans] == [TOP[stack]]
    assert STACK in orphans[0].parent


@pytest.mark.parametrize(("stack", "preview"), STACKS)
def test_components_are_of_this_project(graphs: Graphs, stack: str, preview: bool) -> None:
    graph = graphs(stack, preview)
    for resource in graph.resources:
        assert resource.type.startswith("aerie:") != resource.custom, resource.type
    parents = {r.parent for r in graph.resources}
    assert all(r.urn in parents for r in graph.resources if not r.custom), "a component without a child"


@pytest.mark.parametrize("stack", TOP)
def test_preview_and_up_register_the_same(graphs: Graphs, stack: str) -> None:
    preview, up = graphs(stack, True), graphs(stack, False)
    assert preview.keys == up.keys
    for key, resource in up.by_key.items():
        before = preview.by_key[key]
        assert resource.inputs.keys() == before.inputs.keys()
        assert resource.depends_on == before.depends_on
        for name, value in before.inputs.items():
            if UNKNOWN not in json.dumps(value):
                assert value == resource.inputs[name], f"{resource.name}: {name} is another in preview"


@pytest.mark.parametrize("stack", TOP)
def test_the_same_configuration_gives_the_same_graph(checkouts: Callable[[], Checkout], stack: str) -> None:
    first, second = checkouts().graph(stack), checkouts().made_anew(stack)
    assert {k: r.wire for k, r in first.by_key.items()} == {k: r.wire for k, r in second.by_key.items()}


@pytest.mark.parametrize(("stack", "preview"), STACKS)
def test_no_secret_is_in_the_clear(graphs: Graphs, stack: str, preview: bool) -> None:
    graph = graphs(stack, preview)
    for resource in graph.resources:
        for text in texts_in_the_clear({k: v for k, v in resource.wire.items() if k != "__provider"}):
            assert MARK not in text, f"{resource.name} shows {text[:60]}"
    for name, (value, secret) in graph.outputs.items():
        assert secret or MARK not in str(value), f"output {name} is no secret"


def _is_secret(graph: Graph, name: str, field: str) -> bool:
    """Whether the field is a secret, or (in preview) not known yet."""
    resource = graph[name]
    return field in resource.secrets or resource.wire.get(field) == UNKNOWN


@pytest.mark.parametrize(("stack", "preview"), STACKS)
def test_what_carries_secrets_is_secret(graphs: Graphs, stack: str, preview: bool) -> None:
    graph = graphs(stack, preview)
    for command in graph.of("remote:Command"):
        assert _is_secret(graph, command.name, "connection")
        if command.parent.split("::")[-2].endswith("cluster:Service"):
            assert _is_secret(graph, command.name, "stdin")
    for app in graph.of("MarathonApp"):
        assert _is_secret(graph, app.name, "env") and _is_secret(graph, app.name, "password")
        assert {"env", "password"} <= app.secret_outputs
    for kind in ("CertificateAuthority", "Certificate", "SshKey", "WireGuardKey"):
        assert all("private_key" in r.secret_outputs for r in graph.of(f":{kind}"))
    for kind in ("Password", "SigningKey"):
        assert all("value" in r.secret_outputs for r in graph.of(f":{kind}"))
    for certificate in graph.of(":Certificate"):
        assert _is_secret(graph, certificate.name, "ca_private_key")


def test_every_connection_pins_its_host_key(graphs: Graphs) -> None:
    for stack in TOP:
        for command in graphs(stack).of("remote:Command"):
            assert command.inputs["connection"]["hostKey"].startswith("ssh-ed25519 "), command.name


def test_federation_gives_what_the_other_stacks_read(graphs: Graphs) -> None:
    state, secret = federation_state(["torino", "cnaf", "bari"])
    state["passwords"] = {
        p: v for p, v in state["passwords"].items() if p in PASSWORDS
    }  # others are there if the file wants them
    outputs = graphs("federation").outputs
    assert outputs.keys() == state.keys()
    assert [name for name, (_, is_secret) in outputs.items() if is_secret] == secret
    for name, value in state.items():
        given = outputs[name][0]
        assert type(given) is type(value)
        if isinstance(value, dict):
            assert given.keys() == value.keys()


def test_sites_give_what_pools_read(graphs: Graphs) -> None:
    keys = graphs("torino").outputs["host_keys"][0]
    assert keys == {
        m: f"ssh-ed25519 AAAA {m}-host-key" for m in ("torino-front-end", "torino-agent-1", "torino-agent-2")
    }


def test_the_scan_finds_secrets() -> None:
    struct = struct_pb2.Struct()
    json_format.ParseDict(
        {"a": [{"b": f"x {MARK}"}], "c": {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": MARK}}, struct
    )
    wire = json_format.MessageToDict(struct)
    assert [t for t in texts_in_the_clear(wire) if MARK in t] == [f"x {MARK}"]
    assert plain(wire)["c"] == MARK
