"""The rules as Pulumi's SDK calls them: what the engine sends goes in, what it is told comes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi_policy.policy
import pytest
from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel

from policy import pack
from policy.rules.table import POLICIES
from policy.rules.wire import SECRET, SIGNATURE

STACK = "urn:pulumi:torino::aerie::"
SERVICE = f"{STACK}aerie:index:Site$aerie:cluster:Service$command:remote:Command::torino-front-end-etcd"
RUN = (
    "docker run -d --name etcd --network host --memory 512m -v etcd-data:/var/lib/etcd -e ETCD_INITIAL_CLUSTER=a=x,b=y,c=z "
    "-e ETCD_LISTEN_PEER_URLS=https://172.31.1.10:2380 -e ETCD_LISTEN_CLIENT_URLS=https://172.31.1.10:2379 r/etcd:0123456789ab"
)


def hidden(value: Any) -> dict[str, Any]:
    return {SIGNATURE: SECRET, "value": value}


class Nothing:
    """A server that serves nobody."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def add_insecure_port(self, address: str) -> int:
        return 0

    def start(self) -> None:
        raise InterruptedError  # the pack would wait for the engine for ever


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The pack as the engine speaks to it."""
    made: list[Any] = []
    monkeypatch.setattr(pulumi_policy.policy, "deserialize_properties", pulumi_policy.policy.deserialize_properties)
    monkeypatch.setattr(pulumi_policy.policy.grpc, "server", Nothing)
    monkeypatch.setattr(
        pulumi_policy.policy.analyzer_pb2_grpc,
        "add_AnalyzerServicer_to_server",
        lambda servicer, _: made.append(servicer),
    )
    with pytest.raises(InterruptedError):
        pack.serve()
    yield made[0]


def struct(properties: dict[str, Any]) -> Any:
    out = struct_pb2.Struct()
    json_format.ParseDict(properties, out)
    return out


def asked(urn: str, properties: dict[str, Any], **options: Any) -> Any:
    return proto.AnalyzeRequest(
        urn=urn,
        type=urn.split("::")[2].rpartition("$")[2],
        name=urn.rpartition("::")[2],
        properties=struct(properties),
        options=proto.AnalyzerResourceOptions(**options),
    )


def said(answer: Any) -> list[tuple[str, str]]:
    return [(d.policyName, d.message.partition("\n")[2]) for d in answer.diagnostics]


def test_the_marks_of_secrets_reach_the_rules(engine: Any) -> None:
    good = {"create": RUN, "stdin": hidden("0600 zoo.cfg AAAA"), "connection": hidden({"privateKey": "hunter2"})}
    assert said(engine.Analyze(asked(SERVICE, good), None)) == []
    ((policy, words),) = said(engine.Analyze(asked(SERVICE, {**good, "stdin": "0600 server.key AAAA"}), None))
    assert policy == "secrets-secret" and words.startswith(
        "torino-front-end-etcd: stdin is not a secret; in components/"
    )


def test_what_is_not_known_yet_is_not_judged(engine: Any) -> None:
    unknown = {"create": RUN, "stdin": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}
    assert said(engine.Analyze(asked(SERVICE, unknown), None)) == []


def test_options_reach_the_rules(engine: Any) -> None:
    urn = f"{STACK}aerie:index:Site$openstack:blockstorage/volume:Volume::torino-front-end-spool"
    assert said(engine.Analyze(asked(urn, {"size": 100}, protect=True), None)) == []
    ((policy, _),) = said(engine.Analyze(asked(urn, {"size": 100}), None))
    assert policy == "spool-protected"
    key = f"{STACK}aerie:index:Site$pulumi-python:dynamic/identity:SshKey::torino-host-key"
    assert said(engine.Analyze(asked(key, {"comment": "x"}, additionalSecretOutputs=["private_key"]), None)) == []
    assert [policy for policy, _ in said(engine.Analyze(asked(key, {"comment": "x"}), None))] == ["secrets-secret"]


def test_a_stack_is_judged_as_a_whole(engine: Any) -> None:
    resources = [
        proto.AnalyzerResource(
            urn=f"{STACK}aerie:index:Site$aerie:fabric:Vpn$command:remote:Command::torino-vpn-cnaf",
            type="command:remote:Command",
            name="torino-vpn-cnaf",
            properties=struct({"stdin": "[Peer]"}),
        )
    ]
    ((policy, words),) = said(engine.AnalyzeStack(proto.AnalyzeStackRequest(resources=resources), None))
    assert policy == "vpn-two-peers" and "torino has 1 VPN peer (cnaf) in a federation of 3 sites" in words
    assert said(engine.AnalyzeStack(proto.AnalyzeStackRequest(resources=[]), None)) == []


def test_all_policies_are_there_and_refuse(engine: Any) -> None:
    info = engine.GetAnalyzerInfo(None, None)
    assert [p.name for p in info.policies] == [policy.name for policy in POLICIES]
    assert {p.enforcementLevel for p in info.policies} == {proto.MANDATORY}


def test_levels_are_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "policy").mkdir()
    file = tmp_path / "policy" / "PulumiPolicy.yaml"
    monkeypatch.setattr(pack, "ROOT", tmp_path)
    file.write_text("levels: {memory-limited: advisory}\n")
    assert pack.levels() == {"memory-limited": EnforcementLevel.ADVISORY}
    file.write_text("levels: {memory: advisory}\n")
    with pytest.raises(ValueError, match=r"levels\.memory: there is no policy memory; write memory-limited"):
        pack.levels()
