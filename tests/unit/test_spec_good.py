"""Configurations that are taken, and helpers of the validation by themselves."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from components.batch.plan import pool_spec
from components.batch.types import PoolRole, ShareSpec, VolumeMount
from components.host import networks_of
from components.spec.loader import read_yaml, stack_values
from components.spec.pool_rules import is_public_key
from components.spec.problems import ConfigError, Problem, line_of
from components.spec.rules import PASSWORDS, HostNetwork, identities
from components.spec.validate import plan, pool_files
from tests.unit.conftest import KEY, Checkout, Graphs

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("stack", ["federation", "torino", "cnaf", "bari", "demo"])
def test_the_base_is_taken(checkout: Checkout, stack: str) -> None:
    the = checkout.plan(stack)
    assert [x is not None for x in (the.own, the.site, the.pool)].count(True) == 1
    assert list(the.sites) == ["torino", "cnaf", "bari"]


def test_the_repositorys_own_files_are_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AERIE_HOME", str(home))
    names = [p.name.split(".")[1] for p in REPOSITORY.glob("Pulumi.*.yaml")]
    assert {"federation", "torino", "cnaf", "bari", "demo"} <= set(names)
    for name in names:
        data, _ = read_yaml(REPOSITORY / f"Pulumi.{name}.yaml")
        plan(REPOSITORY, name, stack_values(data), [], home)


def test_one_site_is_a_federation_too(checkout: Checkout) -> None:
    def change(data: Any) -> None:
        data["sites"] = {"torino": data["sites"]["torino"]}

    checkout.change("federation.yaml", change)
    for other in ("cnaf", "bari", "demo"):
        (checkout.root / f"Pulumi.{other}.yaml").unlink()
    assert checkout.plan("torino").federation.quorum_sites == ["torino"]


def test_other_sites_mistakes_are_told_too(checkout: Checkout) -> None:
    checkout.change("Pulumi.bari.yaml", lambda d: d["config"].update({"aerie:agents": "many"}))
    with pytest.raises(ConfigError, match=r"Pulumi\.bari\.yaml:3: agents"):
        checkout.plan("demo")


def test_another_pools_mistakes_are_its_own(checkout: Checkout) -> None:
    (checkout.root / "Pulumi.theory.yaml").write_text("config: {aerie:pool: {sites: nowhere}}\n")
    assert checkout.plan("demo").pools == {}


def test_other_projects_values_are_let_be(checkout: Checkout) -> None:
    checkout.change("Pulumi.torino.yaml", lambda d: d["config"].update({"docker:host": "unix:///x", "other:key": 1}))
    assert checkout.plan("torino").site is not None


def test_pools_are_told_from_sites_by_their_name(checkout: Checkout) -> None:
    assert pool_files(checkout.root, checkout.plan("torino").federation) == ["demo"]


def test_host_networks_less_ones_own() -> None:
    docker: list[dict[str, Any]] = [
        {
            "Name": "aerie-torino",
            "Labels": {"aerie.federation": "aerie"},
            "IPAM": {"Config": [{"Subnet": "172.31.1.0/24"}]},
        },
        {"Name": "bridge", "Labels": {}, "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}},
        {"Name": "host", "Labels": None, "IPAM": {"Config": None}},
        {"Name": "six", "Labels": {}, "IPAM": {"Config": [{"Subnet": "fd00::/64"}]}},
    ]
    routes = [
        {"dst": "default", "dev": "eth0"},
        {"dst": "192.168.1.0/24", "dev": "eth0"},
        {"dst": "172.31.1.0/24", "dev": "br-1"},
        {"dst": "172.17.0.0/16", "dev": "docker0"},
        {"dst": "10.0.0.1", "dev": "tun0"},
    ]
    assert networks_of("aerie", routes, docker) == [
        HostNetwork(IPv4Network("172.17.0.0/16"), "Docker network bridge"),
        HostNetwork(IPv4Network("192.168.1.0/24"), "interface eth0"),
    ]
    theirs = networks_of("another", routes, docker)
    assert HostNetwork(IPv4Network("172.31.1.0/24"), "Docker network aerie-torino") in theirs


@pytest.mark.parametrize(
    ("line", "good"),
    [
        (KEY, True),
        (" ".join(KEY.split()[:2]), True),
        (KEY.replace("ssh-ed25519", "ssh-rsa", 1), False),
        ("ssh-ed25519 AAAA x", False),
        ("ssh-ed25519", False),
        ("", False),
        ("ssh-ed25519 *** x", False),
        (KEY.replace("AAAAC3", "AAAAD3"), False),
    ],
)
def test_public_keys(line: str, good: bool) -> None:
    assert is_public_key(line) is good


def test_lines() -> None:
    text = "a:\n  - {b: 1}\n  - c:\n      d: 2\n"
    assert line_of(text, ("a", 1, "c", "d")) == 4
    assert line_of(text, ("a", 1, "x")) == 3
    assert line_of(text, ("a", 7)) == 1
    assert line_of(text, ("x",)) is None
    assert line_of("a: [", ("a",)) is None


def test_problems_are_sorted_by_file_and_line() -> None:
    problems = [Problem("b", "x", "w", "m", 2), Problem("b", "y", "w", "m", 1), Problem("a", "z", "w", "m")]
    assert str(ConfigError(problems)) == (
        "3 problems in the configuration, nothing was changed:\n  a: z: w; m\n  b:1: y: w; m\n  b:2: x: w; m"
    )
    assert str(ConfigError(problems[:1])).startswith("1 problem in")


def test_what_can_be_rotated_is_what_the_federation_makes(checkout: Checkout, graphs: Graphs) -> None:
    made = {r.name for r in graphs("federation").resources if "generation" in r.wire}
    assert made == set(identities(checkout.plan("federation").federation))
    assert set(PASSWORDS) <= made


def test_a_pool_by_a_framework_with_every_key(checkout: Checkout, home: Path) -> None:
    def change(data: Any) -> None:
        data["config"]["aerie:pool"].update(
            {
                "via": "framework",
                "number": 2,
                "share": {"cpus": 8, "memory": 8192, "weight": 2, "limit": {"cpus": 12}, "lend": False},
                "central_managers": 2,
                "central_manager": {"ulimits": {"core": 0}, "more_addresses": ["10.66.0.200"]},
                "accounting": {"groups": {"physics": 0.5, "physics.atlas": 10}, "accept_surplus": False},
                "executors": {
                    "count": 1,
                    "network": "calico",
                    "ulimits": {"nofile": "1024:65536", "memlock": -1},
                    "devices": ["/dev/fuse"],
                    "volumes": [
                        {"source": "/cvmfs", "target": "/cvmfs"},
                        {"source": "/data/scratch", "target": "/scratch", "read_only": False},
                    ],
                    "environment": {"OMP_NUM_THREADS": "1"},
                    "condor_config": ["STARTER_UPDATE_INTERVAL = 120"],
                    "attributes": {"site": "cnaf"},
                    "elastic": {
                        "min": 1,
                        "max": 20,
                        "sites": {"cnaf": {"max": 3}},
                        "caps": {"each_user": 16, "users": {"demo": 64}, "groups": {"physics.atlas": 8}},
                    },
                },
            }
        )

    the = checkout.change("Pulumi.demo.yaml", change).plan("demo")
    assert the.pool is not None
    spec = pool_spec("demo", the.federation, the.pool, home)
    assert spec.share == ShareSpec(8, 8192, 2, 12, None, False)
    assert [m.address for m in spec.central_managers] == ["10.66.0.12", "10.66.0.200"]
    assert spec.framework_address == "10.66.0.132"
    assert (spec.accounting.groups, spec.accounting.accept_surplus) == ({"physics": 0.5, "physics.atlas": 10}, False)
    assert spec.container(PoolRole.CENTRAL_MANAGER).ulimits == {"core": "0"}
    own = spec.container(PoolRole.EXECUTOR)
    assert own.ulimits == {"nofile": "1024:65536", "memlock": "-1"}
    assert own.volumes == (VolumeMount("/cvmfs", "/cvmfs"), VolumeMount("/data/scratch", "/scratch", False))
    assert (own.devices, own.environment, own.attributes) == (
        ("/dev/fuse",),
        {"OMP_NUM_THREADS": "1"},
        {"site": "cnaf"},
    )
    elastic = spec.executors.elastic
    assert elastic is not None
    assert (elastic.min, elastic.max, elastic.curb, elastic.max_idle) == (1, 20, 20, 20)
    assert (elastic.sites, elastic.orphan_timeout) == ({"cnaf": (3, 3)}, 1800)
    assert (elastic.each_user, elastic.user_caps, elastic.group_caps) == (16, {"demo": 64}, {"physics.atlas": 8})


def test_shares_are_compared_with_all_machines_only_if_their_files_are_here(checkout: Checkout) -> None:
    """Another site's file may be in another checkout."""

    def change(data: Any) -> None:
        data["config"]["aerie:pool"].update({"via": "framework", "share": {"cpus": 400, "memory": 8192}})

    checkout.change("Pulumi.demo.yaml", change)
    (checkout.root / "Pulumi.bari.yaml").unlink()
    assert checkout.plan("demo").pool is not None
