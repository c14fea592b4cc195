"""A site on real virtual machines, from cloud-init to a job. Emulated, all of it is slow: so each layer has tests of its own, which
tell what holds even where a step above takes longer than anybody waits."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from federation import wait_for
from graphite_api import graphite_of
from guest import mirror
from provider import docker_over_ssh
from two_sites import (
    AGENT,
    AGENT_ADDRESS,
    FRONT_END,
    HOME_SITE,
    IMAGE,
    LANS,
    NAME,
    POOL,
    SITE,
    SPOOL_GB,
    UP_SECONDS,
    TwoSites,
)

from components.batch.mesos_client import Mesos
from components.iaas.cloud_init import DOCKER_VOLUMES, METADATA, READY
from tests.openstack.all_in_one import AllInOne
from tests.openstack.fixtures import connect
from tools import jobs
from tools.status_probe import bgp_sessions

pytestmark = pytest.mark.live

MACHINES = (FRONT_END, AGENT)
MTU = 1380  # of containers: federation.yaml's default
SERVICES = {FRONT_END: {"vpn", "calico", "mesos-agent", "collector"}, AGENT: {"calico", "mesos-agent"}}
HOME_FRONT_END = LANS.replace(".0.0/16", ".1.10")
PISA_FRONT_END = LANS.replace(".0.0/16", ".2.10")
SECONDS = 900


def services(sites: TwoSites, machine: str) -> set[str]:
    """The program's containers that run there."""
    return set(sites.on(machine, "docker ps --filter label=aerie.service --format '{{.Names}}'").split())


def reach_home() -> str:
    """For one of pisa's machines: a connection to torino's Mesos master."""
    return f"timeout 60 bash -c '</dev/tcp/{HOME_FRONT_END}/5050'"


# -- cloud-init


@pytest.mark.parametrize("machine", MACHINES)
def test_cloud_init_ran_all_of_the_user_data(machines: TwoSites, machine: str) -> None:
    machines.on(machine, f"test -e {READY}")
    said = machines.on(machine, "hostname; cloud-init status --long || true")
    assert said.splitlines()[0] == machine
    assert "\nextended_status: done\n" in said, said
    assert "ConfigDrive" in said


def test_machines_are_not_each_other(machines: TwoSites) -> None:
    assert len({machines.on(machine, "cat /etc/machine-id") for machine in MACHINES}) == len(MACHINES)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_pinned_host_key_is_the_only_one(machines: TwoSites, machine: str) -> None:
    """That ssh let us in says that it is the right one; no other may be there to be led to."""
    files = machines.on(machine, "ls /etc/ssh/ssh_host_*").split()
    assert files == ["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub"]
    offered = machines.on(machine, "ssh-keyscan -T 60 127.0.0.1 2> /dev/null | grep -v '^#'").splitlines()
    kind, key, *_ = machines.host_key(machine).split()
    assert offered == [f"127.0.0.1 {kind} {key}"]


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_routes_and_filters(machines: TwoSites, machine: str) -> None:
    assert machines.on(machine, "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/rp_filter").split() == [
        "1",
        "2",
    ]
    # Docker's own is DROP, where it was started before forwarding was on: then nothing comes by a front-end.
    assert machines.on(machine, "iptables -S FORWARD").splitlines()[0] == "-P FORWARD ACCEPT"
    assert f"-A PREROUTING -d {METADATA}/32 -j DROP" in machines.on(machine, "iptables -t raw -S PREROUTING")
    assert "nf_tables" in machines.on(machine, "iptables --version")
    assert machines.on(machine, "stat -fc %T /sys/fs/cgroup; docker info -f '{{.CgroupVersion}} {{.CgroupDriver}}'").split() == [
        "cgroup2fs", "2", "systemd",
    ]  # fmt: skip


def test_ways_to_the_other_sites(machines: TwoSites) -> None:
    """The subnet tells an agent to go by the front-end; the front-end is not told to go by itself."""
    assert f"via {PISA_FRONT_END}" in machines.on(AGENT, f"ip route get {HOME_FRONT_END}")
    assert f"via {PISA_FRONT_END}" not in machines.on(FRONT_END, "ip route")


@pytest.mark.parametrize("machine", MACHINES)
def test_containers_have_the_mtu_and_no_metadata(machines: TwoSites, machine: str) -> None:
    """In a container of Docker's own network, from an image that is there anyway."""
    image = "$(docker images -q | head -n 1)"
    assert int(machines.on(machine, f"docker run --rm --entrypoint cat {image} /sys/class/net/eth0/mtu")) == MTU
    counter = "iptables -t raw -L PREROUTING -v -n -x | awk '$9 == \"" + METADATA + "\" { print $1 }'"
    before = int(machines.on(machine, counter))
    machines.on(
        machine, f"docker run --rm --entrypoint bash {image} -c 'timeout 3 bash -c \"</dev/tcp/{METADATA}/80\" || true'"
    )
    assert int(machines.on(machine, counter)) > before


# -- the data volume


def test_docker_keeps_its_volumes_on_the_data_volume(machines: TwoSites) -> None:
    found = machines.on(
        FRONT_END,
        f"findmnt -n -o SOURCE,FSTYPE {DOCKER_VOLUMES}; blkid -L aerie-spool; df -B1M --output=size {DOCKER_VOLUMES} | tail -n 1",
    )
    source, kind, device, size = found.split()
    assert source == f"{device}[/volumes]" and kind == "ext4", found
    assert SPOOL_GB * 900 < int(size) <= SPOOL_GB * 1024
    assert device != "/dev/vda"
    root = machines.on(FRONT_END, "df -B1M --output=size / | tail -n 1")
    assert int(root) > 10_000, "the root file system has not grown to the flavor's disk"


# -- what a program of Pulumi's Docker provider would do


def test_a_docker_provider_gets_through_the_jump_host(machines: TwoSites) -> None:
    made = docker_over_ssh(machines, AGENT)
    assert made in machines.on(AGENT, "docker volume ls -q").split()
    docker_over_ssh(machines, AGENT, destroy=True)
    assert made not in machines.on(AGENT, "docker volume ls -q").split()


# -- the site's services


def test_up_of_the_site_came_to_its_end(machines: TwoSites) -> None:
    assert SITE in machines.came_up


@pytest.mark.parametrize("machine", MACHINES)
def test_services_run(machines: TwoSites, machine: str) -> None:
    assert services(machines, machine) == SERVICES[machine]


@pytest.mark.parametrize("machine", MACHINES)
def test_felix_programs_nftables(machines: TwoSites, machine: str) -> None:
    """It has something to do once it has heard of etcd, at the other site."""
    count = "iptables-save -t filter | grep -c -- '-A cali-' || true"
    wait_for("Felix's rules", lambda: int(machines.on(machine, count)) > 10, SECONDS, 5)


def test_the_tunnel_is_up(machines: TwoSites) -> None:
    said = machines.on(FRONT_END, "docker exec vpn vpn status")
    print(said)
    for machine in MACHINES:
        machines.on(machine, reach_home())


@pytest.mark.parametrize("machine", MACHINES)
def test_bgp_sessions_are_established(machines: TwoSites, machine: str) -> None:
    ask = "docker exec calico sh -c 'birdc -r -s /run/calico/bird.ctl show protocols || birdc -r show protocols'"
    peers = {HOME_FRONT_END, *({PISA_FRONT_END} if machine == AGENT else {AGENT_ADDRESS})}

    def established() -> bool:
        sessions = bgp_sessions(machines.on(machine, ask))
        return {s.peer for s in sessions if s.state.startswith("Established")} == peers

    wait_for(f"BGP sessions of {machine}", established, SECONDS, 5)


def test_mesos_knows_both_agents(machines: TwoSites) -> None:
    shared = machines.farm.outputs("federation")
    mesos = Mesos(
        [f"{HOME_FRONT_END}:5050"], "operator", shared["passwords"]["mesos-operator"], shared["ca_certificate"]
    )

    def of_pisa() -> list[str]:
        agents: list[dict[str, Any]] = mesos.call("GET_AGENTS")["get_agents"].get("agents", [])
        return sorted(
            a["agent_info"]["hostname"] for a in agents if a["active"] and SITE in str(a["agent_info"]["attributes"])
        )

    wait_for("both agents", lambda: of_pisa() == [PISA_FRONT_END, AGENT_ADDRESS], SECONDS, 5)


# -- what is measured


def test_what_pisa_measures_is_kept_at_torino(machines: TwoSites, tmp_path: Path) -> None:
    wanted = {
        "collector.connected",
        f"vpn.{HOME_SITE}.up",
        *(f"bgp.peers.{peer.replace('.', '_')}.up" for peer in (HOME_FRONT_END, AGENT_ADDRESS)),
        *(f"machines.{machine}.registered" for machine in MACHINES),
    }
    with contextmanager(graphite_of)(machines.farm, tmp_path, NAME) as graphite:

        def all_well() -> bool:
            last = {name: graphite.last(f"{SITE}.{name}").get(f"{SITE}.{name}") for name in wanted}
            assert set(last.values()) == {1.0}, last
            return True

        wait_for("the site's metrics", all_well, SECONDS, 5)
        for pattern in ("collector.*", "collector.errors.*", "machines.*.load"):
            for name, value in graphite.last(f"{SITE}.{pattern}").items():
                print(name, value)


def test_no_process_is_left_over_in_a_container(machines: TwoSites) -> None:
    """The collector has one in each that it asks, however slow the machine."""
    count = "docker inspect -f '{{.Name}} {{len .ExecIDs}}' $(docker ps -q --filter label=aerie.service)"
    for machine in MACHINES:
        started = {name: int(number) for name, number in map(str.split, machines.on(machine, count).splitlines())}
        assert started.keys() == {f"/{name}" for name in SERVICES[machine]}
        assert max(started.values()) <= 1, started


# -- a pool


def test_a_job_runs_on_a_machine_of_the_cloud(pool: TwoSites) -> None:
    assert POOL in pool.came_up
    user = pool.user()
    cluster = jobs.submit(user, 1, 5, "on-a-cloud")
    (ran,) = jobs.wait(user, cluster, 1, SECONDS, lambda done: None)
    site = jobs.sites_of(user)[ran.host]
    print(f"job {cluster}: {ran} at {site}")
    assert (ran.exit_code, site) == (0, SITE)


def test_nothing_is_left_to_change(pool: TwoSites) -> None:
    for stack in ("federation", HOME_SITE, SITE, POOL):
        assert pool.farm.preview(stack) == {}, stack


# -- a machine that starts again


def test_the_data_volume_is_there_before_docker_after_a_reboot(machines: TwoSites) -> None:
    machines.on(
        FRONT_END,
        "docker volume create kept > /dev/null; echo data > $(docker volume inspect -f '{{.Mountpoint}}' kept)/file; sync",
    )
    before = machines.on(FRONT_END, "cat /proc/sys/kernel/random/boot_id")
    machines.try_on(FRONT_END, "systemctl --no-block reboot")

    def back() -> bool:
        done = machines.try_on(FRONT_END, "cat /proc/sys/kernel/random/boot_id && docker info > /dev/null")
        return done.returncode == 0 and done.stdout.strip() not in ("", before.strip())

    wait_for(f"{FRONT_END} is back", back, SECONDS, 5)
    found = machines.on(FRONT_END, f"findmnt -n -o SOURCE {DOCKER_VOLUMES}; cat {DOCKER_VOLUMES}/kept/_data/file")
    assert re.fullmatch(r"/dev/\w+\[/volumes\]\s+data\s+", found), found
    monotonic = "systemctl show -P ActiveEnterTimestampMonotonic"
    mounted = f"$({monotonic} $(systemd-escape -p --suffix=mount {DOCKER_VOLUMES}))"
    started = "$(systemctl show -P ExecMainStartTimestampMonotonic docker.service)"
    machines.on(FRONT_END, f"test {mounted} -gt 0 && test {mounted} -le {started}")
    # Nobody mends them: Docker starts the services' containers, the units set up the rest, and the agent has its way again.
    wait_for("the services", lambda: services(machines, FRONT_END) == SERVICES[FRONT_END], SECONDS, 5)
    assert f"-A PREROUTING -d {METADATA}/32 -j DROP" in machines.on(FRONT_END, "iptables -t raw -S PREROUTING")
    wait_for("the agent's way", lambda: machines.try_on(AGENT, reach_home()).returncode == 0, SECONDS, 5)


# -- a machine that is made anew


def newer_image(cloud: AllInOne) -> None:
    """The next release of the image that the file names: Docker is not in it, but in the package source that it has."""
    project, folder = connect(cloud, "aio"), cloud.images
    assert folder is not None
    before = next(project.image.images(name=IMAGE))
    project.create_image(
        IMAGE,
        filename=str(folder / "plain.qcow2"),
        disk_format="qcow2",
        container_format="bare",
        wait=True,
        allow_duplicates=True,
        meta={name: getattr(before, name) for name in ("kernel_id", "ramdisk_id", "os_command_line")},
    )


def test_a_front_end_made_anew_has_its_data_and_the_newer_image(pool: TwoSites, cloud: AllInOne) -> None:
    pool.on(
        FRONT_END,
        "docker volume create moves > /dev/null; echo mine > $(docker volume inspect -f '{{.Mountpoint}}' moves)/file",
    )
    before, agent = (pool.on(each, "cat /etc/machine-id") for each in MACHINES)
    newer_image(cloud)
    assert pool.farm.preview(SITE) == {}, "a newer image alone makes no machine anew"
    assert cloud.images is not None
    with mirror(cloud.images) as fetched:
        pool.farm.shell(
            f"pulumi up -s {SITE} --yes --skip-preview --non-interactive --color never --replace '**:Instance::{FRONT_END}'",
            UP_SECONDS,
        )
    assert any(name.startswith("docker.io_") for name in fetched), fetched
    assert pool.on(FRONT_END, "cat /etc/machine-id") != before
    assert pool.on(AGENT, "cat /etc/machine-id") == agent
    assert pool.on(FRONT_END, f"cat {DOCKER_VOLUMES}/moves/_data/file") == "mine\n"
    assert services(pool, FRONT_END) == SERVICES[FRONT_END]
    assert pool.farm.preview(SITE) == {}
    # The agent, that had lost its way to the masters meanwhile, works on.
    user = pool.user()
    (ran,) = jobs.wait(user, jobs.submit(user, 1, 5, "after-the-front-end"), 1, SECONDS, lambda done: None)
    assert (ran.exit_code, jobs.sites_of(user)[ran.host]) == (0, SITE)
