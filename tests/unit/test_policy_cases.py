"""Every policy on examples that break it: data/policy/<case>.yaml has the resources, the same ones mended, and the words that
refuse the first.

Values may be `!secret`, `!unknown`, `!files` (a service's standard input), `!json` (as base64), `!token` and `!jwt` (an IDTOKEN: whose it is, and
its scope), `!look` (what looks as what opens something: it is made here, so that no file of ours has any).
After a wanted change: AERIE_WRITE_EXPECTED=1 pytest tests/unit/test_policy_cases.py, and read the diff.
"""

from __future__ import annotations

import base64
import json
import os
import re
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy.levels import level_problems
from policy.rules.model import UNKNOWN, Facts, Resource, Secret
from policy.rules.secrets import LOOKS
from policy.rules.table import POLICIES, judge

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data" / "policy"
CASES = sorted(DATA.glob("*.yaml"))
LANS = tuple(IPv4Network(n) for n in ("172.31.0.0/16", "10.65.0.0/16", "10.66.0.0/24", "172.30.0.0/24"))
COMMAND, SERVICE = "command:remote:Command", "aerie:cluster:Service"
TYPES = {
    "Service": ("aerie:index:Site", SERVICE, COMMAND),
    "Vpn/Service": ("aerie:index:Site", "aerie:fabric:Vpn", SERVICE, COMMAND),
    "Vpn/Command": ("aerie:index:Site", "aerie:fabric:Vpn", COMMAND),
    "Command": ("aerie:index:Site", COMMAND),
    "Local": ("aerie:index:Site", "command:local:Command"),
    "App": ("aerie:index:Pool", "pulumi-python:dynamic/batch:MarathonApp"),
    "docker": ("aerie:index:Federation", "docker:index/container:Container"),
    "Machine": ("aerie:index:Site", "aerie:iaas:DockerMachines", "docker:index/container:Container"),
    "RemoteImage": ("aerie:index:Site", "docker:index/remoteImage:RemoteImage"),
    "SecGroupRule": ("aerie:index:Site", "openstack:networking/secGroupRule:SecGroupRule"),
    "Stack": ("pulumi:pulumi:Stack",),
}
# Put together here, so that nothing looks like a key to whoever searches for one.
BEGIN = " ".join(("-----BEGIN", "EC", "PRIVATE", "KEY-----"))


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def jwt(text: str) -> str:
    whose, *levels = text.split()
    claims = {"sub": f"{whose}@demo", "scope": " ".join(f"condor:/{level}" for level in levels)}
    parts = [json.dumps({"alg": "HS256"}), json.dumps(claims), "not a signature, which nobody asks for"]
    return ".".join(base64.urlsafe_b64encode(p.encode()).rstrip(b"=").decode() for p in parts)


def look(kind: str) -> str:
    return {
        "a private key": f"echo '{BEGIN}' > /key",
        "a token": jwt("executor READ"),
        "a URL with a password": "zk://mesos:" + "hunter2@172.31.1.10:2181/mesos",
        "a WireGuard private key": b64("[Interface]\nPrivateKey" + " = " + "A" * 43 + "=\n"),
    }[kind]


class Loader(yaml.SafeLoader):
    """YAML with the tags above."""


def _deep(loader: Any, node: Any) -> Any:
    match node:
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


TAGS: dict[str, Any] = {
    "!secret": Secret,
    "!unknown": lambda _: UNKNOWN,
    "!files": lambda files: Secret("".join(f"0600 {name} {b64(text)}\n" for name, text in files.items())),
    "!json": lambda value: b64(json.dumps(value)),
    "!jwt": jwt,
    "!token": lambda text: b64(jwt(text)),
    "!look": look,
}
for tag, make in TAGS.items():
    Loader.add_constructor(tag, lambda loader, node, make=make: make(_deep(loader, node)))


def made(given: list[dict[str, Any]]) -> list[Resource]:
    return [
        Resource(
            TYPES.get(r["types"], ("aerie:index:Site", r["types"])),
            r["name"],
            r["props"],
            r.get("protect", False),
            r.get("retain"),
            frozenset(r.get("secret_outputs", [])),
        )
        for r in given
    ]


def about(given: dict[str, Any]) -> Facts:
    values = {"stack": "torino", "sites": 3, "vpn_ports": (51820, 52075), "login_ports": (2200, 2300), **given}
    values["login_ports"], values["admins"] = tuple(values["login_ports"]), frozenset(values.get("admins", []))
    return Facts(lans=LANS, **values)


def read(case: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(case.read_text(), Loader)  # noqa: S506
    return loaded


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_a_broken_example_is_refused_in_words(case: Path) -> None:
    data = read(case)
    found = judge(made(data["resources"]), about(data.get("facts", {})))
    said = {name: [str(v) for v in violations] for name, violations in found.items()}
    if os.environ.get("AERIE_WRITE_EXPECTED"):
        text = yaml.safe_dump(said, sort_keys=True, width=10000, allow_unicode=True)
        head = case.read_text().split("\nviolations:")[0]
        case.write_text(f"{head}\nviolations:\n" + re.sub("(?m)^", "  ", text).rstrip() + "\n")
    assert said == (data["violations"] or {})


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_the_same_mended_is_not(case: Path) -> None:
    data = read(case)
    facts = {k: v for k, v in data.get("facts", {}).items() if k != "login_ports"}
    assert judge(made(data["mended"]), about(facts)) == {}


def test_every_policy_has_an_example_that_breaks_it() -> None:
    broken = {name for case in CASES for name in read(case)["violations"] or {}}
    assert broken == {policy.name for policy in POLICIES}


def test_no_violation_shows_a_secret() -> None:
    assert "hunter" not in "".join(str(read(case)["violations"]) for case in CASES)
    assert all(search.search(look(kind)) or kind.startswith("a Wire") for kind, search in LOOKS.items())


def test_each_policy_is_one_of_the_table_in_the_documentation() -> None:
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \|", (ROOT / "docs" / "policies.md").read_text())
    assert rows == [policy.name for policy in POLICIES]


def test_levels_are_judged_in_words() -> None:
    names = [policy.name for policy in POLICIES]
    assert level_problems({"memory-limited": "advisory", "quorum-odd": "disabled"}, names) == []
    assert level_problems({"memory-limitd": "advisory", "quorum-odd": "off"}, names) == [
        "policy/PulumiPolicy.yaml: levels.memory-limitd: there is no policy memory-limitd; write memory-limited",
        "policy/PulumiPolicy.yaml: levels.quorum-odd: 'off' is no level; write one of mandatory, advisory, disabled",
    ]
    assert "is no block of keys" in level_problems(["quorum-odd"], names)[0]
