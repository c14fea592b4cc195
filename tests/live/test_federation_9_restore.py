"""All machines and the operator's state are lost; `aerie restore` brings the federation back from one file. Runs last: it is the
federation's end, and `make down` after it that of the restored one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from federation import NAME, Farm, docker, wait_for

from components.batch.marathon_client import Marathon

STACKS = ("federation", "torino", "cnaf", "bari", "demo")
SITES = STACKS[1:4]
pytestmark = [pytest.mark.live, pytest.mark.soak]  # seven minutes

AERIE = ".venv/bin/python -m aerie"
LABELLED = ("--filter", f"label=aerie.federation={NAME}")
# What says what Calico is to do; endpoints and addresses are those of containers.
OBJECTS = ("ippools", "bgpconfigurations", "bgppeers", "globalnetworkpolicies", "globalnetworksets", "nodes")
DEFINED = ("version", "instances", "cpus", "mem", "disk", "env", "container", "constraints", "labels", "healthChecks")


@dataclass(frozen=True)
class Seen:
    """A federation, as far as it has to be the same again."""

    shared: dict[str, Any]
    host_keys: dict[str, str]
    apps: dict[str, dict[str, Any]]
    calico: dict[str, list[tuple[str, str]]]


def apps(farm: Farm, shared: dict[str, Any], urls: list[str]) -> dict[str, dict[str, Any]]:
    marathon = Marathon(urls, "admin", shared["passwords"]["marathon-admin"], shared["ca_certificate"])
    found = marathon.call("GET", "/v2/apps").json()["apps"]
    return {app["id"]: {key: app.get(key) for key in DEFINED} for app in found}


def objects(farm: Farm, kind: str) -> list[tuple[str, str]]:
    """Names and identities: what was made anew has another."""
    told = farm.on(
        "torino-front-end",
        "docker",
        "exec",
        "calico",
        "calicoctl",
        "get",
        kind,
        "-o",
        "json",
        "--allow-version-mismatch",
    )
    return sorted((item["metadata"]["name"], item["metadata"]["uid"]) for item in json.loads(told)["items"])


def see(farm: Farm) -> Seen:
    with ThreadPoolExecutor(3) as at_once:
        shared, *rest = at_once.map(farm.outputs, STACKS)
    keys = {name: key for site in rest[:3] for name, key in site["host_keys"].items()} | {
        "demo": rest[3]["ssh_host_key"]
    }
    urls = [site["marathon_url"] for site in rest[:3]]
    return Seen(shared, keys, apps(farm, shared, urls), {kind: objects(farm, kind) for kind in OBJECTS})


@dataclass
class Kept:
    """The archive, what opens it, and how the federation was."""

    file: Path
    key: Path
    before: Seen
    idle: str
    told: dict[str, Any]


@pytest.fixture(scope="module")
def kept(farm: Farm) -> Iterator[Kept]:
    """A backup of a federation with finished and with idle jobs, all on another "machine"."""
    idle = farm.ssh(
        "mkdir -p idle && cd idle && printf 'executable=/bin/sleep\\narguments=1\\nrequirements=AerieSite==\"nowhere\"\\nqueue 2\\n' > j"
        " && condor_submit -terse j"
    ).split(".")[0]
    away = farm.path.parent / "away"
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir()
    shutil.copy(farm.home / "passphrase", away / "passphrase")
    start = time.monotonic()
    told = json.loads(farm.shell(f"{AERIE} backup {away}/farm.aerie --spool --json").stdout)
    print(f"backup: {time.monotonic() - start:.0f} s, {(away / 'farm.aerie').stat().st_size} bytes")
    yield Kept(away / "farm.aerie", away / "passphrase", see(farm), idle, told)


def test_a_backup_holds_everything(farm: Farm, kept: Kept) -> None:
    assert kept.file.stat().st_mode & 0o777 == 0o600
    names = {part["name"] for part in kept.told["parts"]}
    wanted = {f"stacks/{s}.json" for s in STACKS} | {f"files/Pulumi.{s}.yaml" for s in STACKS}
    wanted |= {"files/federation.yaml", "home/passphrase", "home/ssh/demo", "home/ssh/demo.pub"}
    assert wanted | {"etcd/snapshot.db", "zookeeper/tree.json", "spool/demo.tar.gz"} <= names
    told = {part["name"]: part["about"] for part in kept.told["parts"]}
    assert told["zookeeper/tree.json"]["apps"] == ", ".join(sorted(kept.before.apps))
    private = json.dumps(kept.before.shared["passwords"]["marathon-admin"]).encode()[1:-1]
    assert private not in kept.file.read_bytes()


def test_it_is_not_restored_over_a_living_federation(farm: Farm, kept: Kept) -> None:
    running = docker("ps", "-q", *LABELLED).stdout
    done = farm.shell(f"{AERIE} restore {kept.file} --yes", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "nothing was changed:\n  it is there: container" in done.stderr and "Next: aerie destroy" in done.stderr
    assert docker("ps", "-q", *LABELLED).stdout == running


@pytest.fixture(scope="module")
def restored(farm: Farm, kept: Kept) -> Seen:
    """Everything is lost but the clone, the archive and the passphrase; then restored."""
    # Minutes, on a disk with much else to do.
    docker("rm", "-f", "-v", *docker("ps", "-aq", *LABELLED).stdout.split(), timeout=600)
    docker("volume", "rm", *docker("volume", "ls", "-q", *LABELLED).stdout.split(), timeout=600)
    lost = farm.home.with_name("home-lost")
    shutil.rmtree(lost, ignore_errors=True)
    farm.home.rename(lost)
    start = time.monotonic()
    done = farm.run(
        "bash", "-c", f"{AERIE} restore {kept.file} --key {kept.key} --yes --json", timeout=600, check=False
    )
    print(f"{done.stderr}restore: {time.monotonic() - start:.0f} s, {json.loads(done.stdout or '{}').get('seconds')}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["stacks"] == list(STACKS)
    return see(farm)


def test_keys_and_passwords_are_the_same(kept: Kept, restored: Seen) -> None:
    assert restored.shared == kept.before.shared
    assert restored.host_keys == kept.before.host_keys


def test_marathon_has_its_apps(kept: Kept, restored: Seen) -> None:
    assert len(restored.apps) >= 3 and restored.apps == kept.before.apps


@pytest.mark.parametrize("kind", OBJECTS)
def test_calico_has_its_objects(kept: Kept, restored: Seen, kind: str) -> None:
    assert restored.calico[kind] == kept.before.calico[kind] and restored.calico[kind]


def test_the_user_finds_queue_and_home_and_runs_a_job(farm: Farm, kept: Kept, restored: Seen) -> None:
    """By the key of before, on a submit node with the host key of before."""
    assert farm.ssh(f"condor_q {kept.idle} -af JobStatus").split() == ["1", "1"]
    assert farm.ssh("cat first-jobs/out.0; stat -c %U first-jobs/out.0").split()[-1] == "demo"
    cluster = farm.submit("after", 1, 3)
    farm.wait_jobs("after", 120)
    assert farm.history(cluster, "ExitCode", "NumJobStarts") == [["0", "1"]] * 3
    farm.ssh(f"condor_rm {kept.idle}")  # nothing is destroyed while jobs are in the queue


def test_nothing_is_left_to_change(farm: Farm, restored: Seen) -> None:
    with ThreadPoolExecutor(3) as at_once:
        assert list(at_once.map(farm.preview, STACKS)) == [{}] * len(STACKS)
    assert farm.run("git", "status", "--porcelain").stdout == ""


def test_every_quorum_is_whole(farm: Farm, restored: Seen) -> None:
    members = farm.on("torino-front-end", "docker", "exec", "etcd", "etcdctl", "member", "list")
    assert {line.split(", ")[2] for line in members.splitlines()} == set(SITES)
    healthy = farm.on(
        "bari-front-end", "docker", "exec", "etcd", "etcdctl", "endpoint", "health", "--cluster", "-w", "json"
    )
    assert [e["health"] for e in json.loads(healthy)] == [True] * 3
    ask = "zk-4lw srvr $(sed -n s/^clientPortAddress=//p /etc/aerie/zookeeper/zoo.cfg)"

    def modes() -> list[str]:
        said = [farm.on(f"{site}-front-end", "docker", "exec", "zookeeper", "sh", "-c", ask) for site in SITES]
        return sorted(line.split()[1] for text in said for line in text.splitlines() if line.startswith("Mode:"))

    wait_for("ZooKeeper is whole", lambda: modes() == ["follower", "follower", "leader"], 30)
