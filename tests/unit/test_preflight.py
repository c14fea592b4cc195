"""What is said before any work starts: of the machine, of its networks, and of a quorum that is not there."""

from __future__ import annotations

from ipaddress import IPv4Network

from components.batch.quorum import quorum_problem
from components.host import networks_of
from tools.preflight import Facts, machine_problems

GOOD = Facts(docker=True, docker_says="", free_gb=50.0, disk="/var/lib/docker", ports_taken=())


def test_a_good_machine_has_no_problem() -> None:
    assert machine_problems(GOOD) == []


def test_all_that_is_wrong_with_a_machine_is_told_at_once() -> None:
    bad = Facts(docker=False, docker_says="no such socket", free_gb=9.4, disk="/", ports_taken=("127.0.0.1:5000",))
    engine, disk, port = machine_problems(bad)
    assert engine.startswith("no Docker engine answers (no such socket)") and "tools/setup.sh" in engine
    assert disk.startswith("9.4 GB are free on /, 10 GB are needed")
    assert port.startswith("port 127.0.0.1:5000 is taken by another program")


def test_a_federation_does_not_stand_in_its_own_way() -> None:
    docker = [
        {"Name": "bridge", "Labels": {}, "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}},
        {"Name": "mine", "Labels": {"aerie.federation": "x"}, "IPAM": {"Config": [{"Subnet": "172.31.1.0/24"}]}},
        {"Name": "six", "Labels": {}, "IPAM": {"Config": [{"Subnet": "fd00::/64"}]}},
        {"Name": "host", "Labels": None, "IPAM": {"Config": None}},
    ]
    routes = [
        {"dst": "default", "dev": "eth0"},
        {"dst": "172.31.1.0/24", "dev": "br-1"},
        {"dst": "172.17.0.0/16", "dev": "docker0"},
        {"dst": "192.0.2.0/24", "dev": "eth0"},
        {"dst": "192.0.2.9", "dev": "eth0"},
    ]
    found = {(n.network, n.owner) for n in networks_of("x", routes, docker)}
    assert found == {
        (IPv4Network("172.17.0.0/16"), "Docker network bridge"),
        (IPv4Network("192.0.2.0/24"), "interface eth0"),
    }


def test_a_quorum_is_a_majority() -> None:
    assert quorum_problem({"torino": True, "cnaf": True, "bari": False}) is None
    assert quorum_problem({"torino": True}) is None


def test_a_missing_quorum_is_told_by_site() -> None:
    one = quorum_problem({"torino": True, "cnaf": False, "bari": False})
    assert one is not None
    assert "2 of 3 sites must be up, torino is; no answer from cnaf, bari" in one
    assert "nothing was changed" in one and "pulumi up -s cnaf" in one
    none = quorum_problem({"torino": False, "cnaf": False, "bari": False})
    assert none is not None and "none is; no answer from torino, cnaf, bari" in none
