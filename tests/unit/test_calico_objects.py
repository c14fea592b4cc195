"""What a site's nodes apply in Calico: the sessions that its selectors make are the ones that were meant."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.fabric.calico_objects import bgp_objects, border_limit, border_path, calico_objects
from components.spec.loader import read_federation
from components.spec.model import Federation
from tests.unit.conftest import BASE

Labels = dict[str, str]


def federation(tmp_path: Path, **changes: Any) -> Federation:
    """The base's, with more sites and what is changed of each."""
    data = yaml.safe_load((BASE / "federation.yaml").read_text())
    for n, name in enumerate(("pisa", "roma"), 4):
        data["sites"][name] = {
            "as_number": 64512 + n,
            "lan": f"172.31.{n}.0/24",
            "containers": f"10.65.{192 + 4 * n}.0/22",
            "vpn_endpoint": f"172.30.0.{10 + n}:51820",
        }
    for site, links in changes.items():
        data["sites"][site]["links"] = links
    (tmp_path / "federation.yaml").write_text(yaml.safe_dump(data))
    found, problems = read_federation(tmp_path)
    assert found and not problems
    return found


def matches(selector: str, labels: Labels) -> bool:
    """Calico's selectors, as far as ours use them."""
    words = selector.replace("&&", " and ").replace("||", " or ")
    for name in sorted(set(re.findall(r"\b(site|reflector|links)\b(?= (?:==|!=|in))", words))):
        words = re.sub(rf"\b{name}\b(?= (==|!=|in))", repr(labels.get(name, "")), words)
    return bool(eval(words, {"__builtins__": {}}))


def nodes(federation: Federation) -> dict[str, Labels]:
    out = {}
    for name, site in federation.sites.items():
        links = "all" if site.links is None else "named"
        for kind, reflector in (("front-end", "true"), ("agent-1", "false"), ("agent-2", "false")):
            out[f"{name}-{kind}"] = {"site": name, "reflector": reflector, "links": links}
    return out


def sessions(federation: Federation) -> set[frozenset[str]]:
    """Of all BGPPeers of all sites; Calico makes both ends of each."""
    found = set()
    everybody = nodes(federation)
    for site in federation.sites:
        for each in bgp_objects(federation, site):
            if each["kind"] == "BGPPeer":
                spec = each["spec"]
                here = [n for n, labels in everybody.items() if matches(spec["nodeSelector"], labels)]
                there = [n for n, labels in everybody.items() if matches(spec["peerSelector"], labels)]
                found |= {frozenset({a, b}) for a in here for b in there if a != b}
    return found


@pytest.mark.parametrize(
    ("links", "tunnels"),
    [
        ({}, {*combinations(("torino", "cnaf", "bari", "pisa", "roma"), 2)}),
        (
            {"pisa": ["torino"], "roma": ["cnaf", "torino"]},
            {
                ("torino", "cnaf"), ("torino", "bari"), ("cnaf", "bari"),
                ("torino", "pisa"), ("cnaf", "roma"), ("torino", "roma"),
            },
        ),
    ],
)  # fmt: skip
def test_sessions_are_those_of_sites_and_tunnels(
    tmp_path: Path, links: dict[str, list[str]], tunnels: set[tuple[str, str]]
) -> None:
    own = federation(tmp_path, **links)
    wanted = {frozenset({f"{a}-front-end", f"{b}-front-end"}) for a, b in tunnels}
    wanted |= {frozenset({f"{s}-front-end", f"{s}-agent-{n}"}) for s in own.sites for n in (1, 2)}
    assert sessions(own) == wanted


def test_a_new_site_changes_no_other_sites_objects(tmp_path: Path) -> None:
    more = federation(tmp_path)
    fewer = more.model_copy(update={"sites": {k: v for k, v in more.sites.items() if k != "roma"}})
    for site in fewer.sites:
        assert calico_objects(more, site) == calico_objects(fewer, site)
    assert border_limit(more) == border_limit(fewer)
    assert border_path(more) == border_path(fewer)


def test_the_topology_is_the_mesh_or_not_and_nothing_else(tmp_path: Path) -> None:
    mesh = federation(tmp_path)
    network = mesh.network.model_copy(update={"topology": "route-reflectors"})
    reflectors = mesh.model_copy(update={"network": network})
    a, b = calico_objects(mesh, "torino"), calico_objects(reflectors, "torino")
    changed = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    assert [(x["kind"], y["spec"]["nodeToNodeMeshEnabled"]) for x, y in changed] == [("BGPConfiguration", False)]


def test_a_border_takes_all_that_there_is_room_for(tmp_path: Path) -> None:
    own = federation(tmp_path)
    assert border_limit(own) >= 2 * len(own.sites) + own.network.fixed.num_addresses


def test_what_a_site_may_announce_is_its_own(tmp_path: Path) -> None:
    (found,) = [o for o in calico_objects(federation(tmp_path), "cnaf") if o["kind"] == "BGPFilter"]
    # The template of BIRD's configuration reads the AS from the name.
    assert found["metadata"]["name"] == "as-64514-cnaf"
    assert [(r["matchOperator"], r["cidr"]) for r in found["spec"]["importV4"]] == [
        ("Equal", "172.31.2.0/24"),
        ("Equal", "10.65.64.0/18"),
        ("In", "10.65.64.0/18"),
    ]


def test_a_border_takes_paths_that_a_lost_tunnel_makes(tmp_path: Path) -> None:
    assert border_path(federation(tmp_path)) == 4
    names = ("torino", "cnaf", "bari", "pisa", "roma")
    chain = dict(zip(names, ([b] for b in names[1:]), strict=False)) | {"roma": ["pisa"]}
    assert border_path(federation(tmp_path, **chain)) == 8
