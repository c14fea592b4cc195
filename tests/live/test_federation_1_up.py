"""After `make up`: what a user sees, and that nothing is left to change."""

from __future__ import annotations

import json
import re
import time

import pytest
from federation import Farm, docker, wait_for

SITES = ("torino", "cnaf", "bari")
STACKS = ("federation", *SITES, "demo")


def test_jobs_ran_on_every_site(farm: Farm) -> None:
    ran = {site: int(n) for site, n in re.findall(r"│ (\w+) +│ \S+ +│ +(\d+)", farm.up_output)}
    assert set(ran) == set(SITES), farm.up_output[-3000:]
    assert sum(ran.values()) == 24


def test_up_says_where_things_are_and_what_to_do_next(farm: Farm) -> None:
    for word in (
        "Mesos https://",
        "Marathon https://",
        "log in",
        "submit a job",
        "make status",
        "make down",
        "elapsed",
    ):
        assert word in farm.up_output


def test_git_status_is_clean(farm: Farm) -> None:
    assert farm.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_to_change_straight_after_up_and_no_policy_is_broken(farm: Farm, stack: str) -> None:
    farm.shell(f"pulumi preview -s {stack} --policy-pack policy --expect-no-changes --non-interactive")


def test_secrets_are_encrypted_in_the_state(farm: Farm) -> None:
    private = farm.outputs("federation")
    words = [*private["passwords"].values(), *private["wireguard_private_keys"].values()]
    words += [key.splitlines()[1] for key in private["ssh_private_keys"].values()]
    states = list(farm.home.rglob("state/.pulumi/stacks/**/*.json"))
    assert len(states) >= len(STACKS)
    for file in states:
        text = file.read_text()
        assert not [w for w in words if w in text], file
        assert "PRIVATE KEY" not in text, file


def test_no_secret_is_on_a_command_line(farm: Farm) -> None:
    shared, seen = farm.outputs("federation"), []
    for machine in ("torino-front-end", "cnaf-front-end", "torino-agent-1"):
        lines = farm.on(machine, "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
        assert "dockerd" in lines
        seen += [w for w in shared["passwords"].values() if w in lines]
    assert seen == []


def test_jobs_run_as_their_user_who_owns_the_output(farm: Farm) -> None:
    out = farm.ssh("cd first-jobs && cat out.0 && stat -c %U:%u out.0 && id -un")
    assert out.split()[0] == "demo"
    assert out.split()[-2:] == ["demo:2001", "demo"]


def test_make_up_again_changes_nothing(farm: Farm) -> None:
    ids = docker("ps", "-q", "--no-trunc", "--filter", "label=aerie.federation=aerie-test").stdout
    inside = {s: farm.on(f"{s}-front-end", "docker", "ps", "-q") for s in SITES}
    start = time.monotonic()
    done = farm.run("make", "up", timeout=600)
    print(f"make up again: {time.monotonic() - start:.1f} s")
    assert len(re.findall(r"\(no change\)", done.stdout)) == len(STACKS), done.stdout
    assert docker("ps", "-q", "--no-trunc", "--filter", "label=aerie.federation=aerie-test").stdout == ids
    assert {s: farm.on(f"{s}-front-end", "docker", "ps", "-q") for s in SITES} == inside


def test_status_is_one_screen_and_good(farm: Farm) -> None:
    done = farm.run("make", "status", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("etcd", "ZooKeeper", "Mesos", "Marathon", "BGP", "demo", *SITES):
        assert word in done.stdout
    assert len(done.stdout.splitlines()) <= 48


def test_every_pair_of_sites_has_bgp_and_a_vpn(farm: Farm) -> None:
    for site in SITES:
        peers = json.loads(farm.on(f"{site}-front-end", "docker", "exec", "vpn", "vpn", "status"))
        assert {p["peer"] for p in peers} == set(SITES) - {site}
        assert all(p["applied"] and p["handshake_age_s"] is not None for p in peers)


def test_an_anonymous_client_gets_nothing(farm: Farm) -> None:
    address = farm.outputs("torino")["machines"]["torino-front-end"]
    for url, refused in (
        (f"https://{address}:5050/state", "401"),
        (f"https://{address}:8443/v2/apps", "401"),
        (f"https://{address}:5051/state", "401"),
    ):
        code = farm.run("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", url).stdout
        assert code == refused, url
    etcd = farm.run("curl", "-sk", f"https://{address}:2379/version", check=False)
    assert etcd.returncode != 0


def test_the_queue_survives_the_submit_node(farm: Farm) -> None:
    farm.ssh(
        "mkdir -p kept && cd kept && printf 'executable=/bin/true\\nhold=true\\nlog=l\\nqueue 3\\n' > j && condor_submit j"
    )
    container = submit_container(farm)
    farm.on("torino-front-end", "docker", "kill", container)
    wait_for("the submit node is back", lambda: submit_container(farm) not in ("", container), 120)
    queue = wait_for("the queue answers", lambda: farm.ssh("condor_q -allusers -totals"), 120)
    assert "3 held" in queue
    farm.ssh("condor_rm -all")


def submit_container(farm: Farm) -> str:
    """The container of the submit node: the one that has the spool."""
    return farm.on("torino-front-end", "docker", "ps", "-q", "--filter", "volume=aerie-demo-spool").strip()
