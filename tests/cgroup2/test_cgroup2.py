"""A host with cgroup v2 only: a site comes up on it, runs jobs, and limits are those that were asked for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from one_site import MACHINE, Site
from vm import VirtualMachine

pytestmark = pytest.mark.live


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 600) -> None:
    """Until it holds; emulated hosts are slow."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {seconds} s"
        time.sleep(2)


def on(machine: VirtualMachine, command: str) -> str:
    """In the container that acts as the site's machine."""
    return machine.sh(f"docker exec -i {MACHINE} bash -euo pipefail <<'SCRIPT'\n{command}\nSCRIPT\n")


def executor(machine: VirtualMachine) -> str:
    """The id of the container, on the site's machine, that is the pool's executor."""
    ids = on(
        machine,
        "for id in $(docker ps -q --no-trunc); do docker inspect -f '{{.Id}} {{range .Config.Env}}{{println .}}{{end}}' $id"
        " | grep -q '^AERIE_ROLE=executor' && echo $id || true; done",
    ).split()
    assert len(ids) == 1, ids
    return ids[0]


def test_there_is_version_2_alone(machine: VirtualMachine) -> None:
    assert machine.sh("stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs"
    assert machine.sh("awk '$3 == \"cgroup\"' /proc/mounts") == ""
    assert machine.sh("docker info -f '{{.CgroupVersion}} {{.CgroupDriver}}'").strip() == "2 systemd"


def test_jobs_ran(site: Site) -> None:
    codes = site.user("condor_history -af ExitCode Owner").splitlines()
    assert len(codes) >= 2
    assert set(codes) == {"0 demo"}


def test_machine_and_containers_see_version_2(site: Site, machine: VirtualMachine) -> None:
    assert on(machine, "stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs"
    assert on(machine, "docker info -f '{{.CgroupVersion}}'").strip() == "2"
    assert on(machine, f"docker exec {executor(machine)} stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs"


def test_limits_are_applied(site: Site, machine: VirtualMachine) -> None:
    """What the pool's file says: 1 cpu, 512 MB."""
    read = "cd /sys/fs/cgroup && cat memory.max cpu.max cpu.weight"
    seen = on(machine, f"docker exec {executor(machine)} sh -c '{read}'").split()
    memory, quota, period, weight = (int(v) for v in seen)
    print(f"memory.max {memory}, cpu.max {quota} {period}, cpu.weight {weight}")
    assert memory == 512 * 1024 * 1024
    assert quota == period
    assert weight > 1


def test_services_are_limited(site: Site, machine: VirtualMachine) -> None:
    for service, megabytes in (("mesos-agent", 384), ("calico", 512), ("etcd", 512)):
        path = f"/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$(docker inspect -f '{{{{.State.Pid}}}}' {service})/cgroup)"
        assert int(on(machine, f"cat {path}/memory.max")) == megabytes * 1024 * 1024, service


def test_felix_programmed_nftables(site: Site, machine: VirtualMachine) -> None:
    assert "nf_tables" in on(machine, "iptables --version")
    rules = on(machine, "iptables-save -t filter | grep -c -- '-A cali-'")
    print(f"{rules.strip()} rules of Felix in the filter table")
    assert int(rules) > 10


def test_an_agent_started_again_keeps_its_tasks(site: Site, machine: VirtualMachine) -> None:
    before = executor(machine)
    site.user(
        "mkdir -p keep && cd keep && rm -f l && printf 'executable=/bin/sleep\\narguments=150\\ntransfer_executable=false\\n"
        "log=l\\nrequest_memory=64MB\\nrequest_disk=1MB\\nqueue\\n' > s && condor_submit -terse s"
    )
    wait_for("the job runs", lambda: "Job executing" in site.user("cat keep/l"))
    on(machine, "docker restart mesos-agent")
    since = '"$(docker inspect -f {{.State.StartedAt}} mesos-agent)"'
    log = f"docker logs --since {since} mesos-agent 2>&1 | grep -c 'Re-registered with master' || true"
    wait_for("the agent is back", lambda: on(machine, log).strip() != "0")
    assert "Job terminated" not in site.user("cat keep/l"), "the job ended before the agent was back"
    site.user("condor_wait -wait 600 keep/l", timeout=660)
    assert executor(machine) == before
    ended = site.user("condor_history -limit 1 -af ExitCode NumJobStarts Args").split()
    assert ended == ["0", "1", "150"]


def test_nothing_is_left_to_change(site: Site) -> None:
    for stack in ("federation", "torino", "demo"):
        assert site.preview(stack) == [], stack
