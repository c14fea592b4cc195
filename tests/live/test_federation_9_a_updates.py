"""Updates of what the federation stands on: one site after the other, refused where a quorum would be lost, and no more than reviewed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from federation import Farm, wait_for

SITES = ("torino", "cnaf", "bari")
STACKS = ("federation", *SITES, "demo")
AERIE = ".venv/bin/aerie"
WRITER = Path(__file__).with_name("etcd_writer.py")
IMAGES = ("images/etcd/etcd-run", "images/zookeeper/zookeeper")


def born(farm: Farm, site: str, service: str) -> str:
    """When the service's container was made."""
    return farm.on(f"{site}-front-end", "docker", "inspect", "-f", "{{.Created}}", service).strip()


def other_content(farm: Farm) -> None:
    """Images that do the same and are others."""
    for file in IMAGES:
        with (farm.path / file).open("a") as script:
            script.write("# the same\n")


@contextmanager
def writing(farm: Farm, folder: Path) -> Iterator[dict[str, Any]]:
    """A client writes into etcd meanwhile; then the dictionary has what it tells."""
    for name, there in (("ca.crt", "ca.crt"), ("client.crt", "root.crt"), ("client.key", "root.key")):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(farm.on("torino-front-end", "cat", f"/etc/aerie/etcd/{there}"))
    members = [f"{farm.outputs(site)['machines'][f'{site}-front-end']}:2379" for site in SITES]
    client = subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), *members], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    told: dict[str, Any] = {}
    try:
        yield told
        out, _ = client.communicate(timeout=90)
        told.update(json.loads(out))
    finally:
        client.kill()
        client.wait()


@pytest.fixture
def restored(farm: Farm) -> Iterator[Farm]:
    """The farm; the clone's files are as committed again afterwards."""
    yield farm
    farm.run("git", "checkout", "-q", "--", ".")
    farm.shell("true")  # tools/env gives the stack files their salt back


def test_members_are_updated_one_site_after_the_other_and_no_write_is_lost(farm: Farm, tmp_path: Path) -> None:
    before = {
        (site, service): born(farm, site, service) for site in SITES for service in ("etcd", "zookeeper", "calico")
    }
    other_content(farm)
    with writing(farm, tmp_path) as told:
        said = farm.run(AERIE, "up", "--images", *SITES).stdout
    print(f"etcd and ZooKeeper made anew at three sites: {told}")
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    farm.run("git", *identity, "commit", "-q", "-m", "Other images", *IMAGES)
    assert told["lost"] == []
    assert told["acknowledged"] > 100 and told["longest_gap"] < 20, told
    assert "one site after the other: torino, cnaf, bari" in said, said
    assert re.findall(r"(\w+): done in \S+ s \(2 update\)", said) == list(SITES), said
    for service in ("etcd", "zookeeper"):
        after = [born(farm, site, service) for site in SITES]
        assert after == sorted(after) and after[0] > max(t for (_, name), t in before.items() if name == service)
    assert [born(farm, site, "calico") for site in SITES] == [before[site, "calico"] for site in SITES]
    whole = farm.shell(".venv/bin/python -m tools.preview.health").stdout
    assert whole.splitlines()[-1] == "every quorum is whole"


def test_a_quorum_is_not_lost_by_an_update(restored: Farm) -> None:
    farm, kept = restored, born(restored, "torino", "etcd")
    other_content(farm)
    farm.on("cnaf-front-end", "docker", "stop", "-t", "5", "etcd")
    try:
        done = farm.run(AERIE, "up", "--images", "torino", check=False)
    finally:
        farm.on("cnaf-front-end", "docker", "start", "etcd")
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    for words in (
        "etcd: 2 of 3 members answer (cnaf-front-end does not); replacing torino's leaves 1, below the quorum of 2",
        "Mend cnaf first: aerie doctor",
        "nothing was changed",
    ):
        assert words in said, said
    assert born(farm, "torino", "etcd") == kept
    whole = farm.shell(".venv/bin/python -m tools.preview.health --seconds 60")
    assert "every quorum is whole" in whole.stdout


def test_a_reviewed_plan_is_applied_and_nothing_else(farm: Farm, tmp_path: Path) -> None:
    review, tool = tmp_path / "review.json", ".venv/bin/python -m tools.preview"
    files = {name: (farm.path / name).read_text() for name in ("Pulumi.bari.yaml", "Pulumi.demo.yaml")}
    executors = [t for t in tasks(farm) if t.startswith("demo_executors")]
    farm.edit("Pulumi.bari.yaml", lambda d: d["config"].update({"aerie:drain_timeout": 123}))
    farm.edit("Pulumi.demo.yaml", lambda d: d["config"]["aerie:pool"]["executors"].update({"count": 2}))
    try:
        farm.shell(f"{tool} -s bari -s demo --policy-pack policy --save {review}")
        # What was not reviewed stops it, whatever else is good.
        farm.edit("Pulumi.bari.yaml", lambda d: d["config"].update({"aerie:agents": 0}))
        refused = farm.shell(f"{tool}.apply -s bari -s demo --reviewed {review}", check=False)
        assert refused.returncode == 1 and "bari would do more than was reviewed" in refused.stderr, refused.stderr
        farm.edit("Pulumi.bari.yaml", lambda d: d["config"].update({"aerie:agents": 1}))
        done = farm.shell(f"{tool}.apply -s bari -s demo --policy-pack policy --reviewed {review}").stdout
        assert done.splitlines()[-1] == "applied: bari, demo", done
        assert len([t for t in tasks(farm) if t.startswith("demo_executors")]) == len(executors) - 1
    finally:
        for name, text in files.items():
            (farm.path / name).write_text(text)
        farm.run(AERIE, "up", "bari", "demo")


def tasks(farm: Farm) -> list[str]:
    """Marathon's tasks, by the names of their apps."""
    shared, url = farm.outputs("federation"), farm.outputs("torino")["marathon_url"]
    ca = farm.home / "ca.crt"
    ca.write_text(shared["ca_certificate"])
    words = ["curl", "-sS", "--cacert", str(ca), "-K", "-", f"{url}/v2/tasks"]
    login = f'user = "admin:{shared["passwords"]["marathon-admin"]}"\nheader = "Accept: application/json"\n'
    said = subprocess.run(words, input=login, capture_output=True, text=True, check=True).stdout
    return [t["appId"].strip("/").replace("/", "_") for t in json.loads(said)["tasks"]]


def test_a_pool_is_added_and_taken_away_by_the_command(farm: Farm) -> None:
    words = ["--sites", "torino", "--executors", "1", "--memory", "256", "--submit-site", "torino"]
    assert "Next: aerie up extra" in farm.run(AERIE, "pool", "add", "extra", *words).stdout
    try:
        said = farm.run(AERIE, "up", "extra").stdout
        assert (
            re.search(r"extra: done in \S+ s \(\d+ create\)", said)
            and "Next: aerie status; aerie submit extra FILE" in said
        )
        there = wait_for("its apps run", lambda: [t for t in tasks(farm) if t.startswith("extra_")])
        assert {"extra_central-manager", "extra_submit-node", "extra_executors"} <= set(there)
        refused = farm.run(AERIE, "destroy", "torino", "--yes", check=False)
        assert refused.returncode == 1 and "demo, extra stand on torino, nothing was changed" in refused.stderr
    finally:
        done = farm.run(AERIE, "destroy", "extra", "--yes")
    assert re.search(r"extra: done in \S+ s \(\d+ delete\b", done.stdout)
    assert not [t for t in tasks(farm) if t.startswith("extra_")]
    asked = farm.run(AERIE, "pool", "remove", "extra", check=False)
    assert asked.returncode == 2 and "Next: the same with --yes" in asked.stderr
    assert "Pulumi.extra.yaml is deleted" in farm.run(AERIE, "pool", "remove", "extra", "--yes").stdout
    assert farm.run("git", "status", "--porcelain").stdout == ""


def test_nothing_is_left_to_change_and_no_policy_is_broken(farm: Farm) -> None:
    previews = "xargs -P 2 -I STACK pulumi preview -s STACK --policy-pack policy --expect-no-changes --non-interactive"
    farm.shell(f"printf '%s\\n' {' '.join(STACKS)} | {previews}")
