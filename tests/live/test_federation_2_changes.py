"""Diffs that mean something: each change shows exactly what it is about, and does just that."""

from __future__ import annotations

import collections
import collections.abc
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from federation import Farm, docker, wait_for

# The client from PyPI (0.13) was written for a Python that had this name here.
collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]

from marathon import MarathonClient  # noqa: E402

AGENT = "torino-agent-3"


@pytest.fixture
def restored(farm: Farm) -> Iterator[Farm]:
    """The farm; the clone's files are as committed again afterwards."""
    yield farm
    farm.run("git", "checkout", "-q", "--", ".")
    farm.shell("true")  # tools/env gives the stack files their salt back


def test_one_agent_more_and_one_less(restored: Farm) -> None:
    farm = restored
    farm.edit("Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 3}))
    steps = farm.preview("torino")
    assert set(steps) <= {"create", "update"}, steps
    assert all(AGENT in name for name in steps["create"]), steps
    assert all(name.startswith("Stack") for name in steps.get("update", [])), steps
    before = farm.on("torino-agent-1", "docker", "ps", "-q", "--no-trunc")
    cluster = farm.submit("long", 30, 4)
    cut_off(farm)
    print(farm.run(".venv/bin/aerie", "up", "torino").stdout[-1500:])
    assert farm.preview("torino") == {}
    assert farm.on("torino-agent-1", "docker", "ps", "-q", "--no-trunc") == before
    farm.wait_jobs("long", 120)
    assert farm.history(cluster, "NumJobStarts") == [["1"]] * 4
    farm.edit("Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:agents": 2}))
    steps = farm.preview("torino")
    assert all(AGENT in name for name in steps["delete"]), steps
    farm.up("torino")
    assert farm.preview("torino") == {}
    assert docker("ps", "-aq", "--filter", f"name={farm.machine(AGENT)}").stdout == ""


def cut_off(farm: Farm) -> None:
    """`aerie up torino`, killed without mercy in the midst of making the machine."""
    process = subprocess.Popen(
        ["bash", "-c", 'eval "$(tools/env)" && exec .venv/bin/aerie up torino'],
        cwd=farm.path,
        env=farm.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(
            "the new machine is there",
            lambda: docker("ps", "-aq", "--filter", f"name={farm.machine(AGENT)}").stdout,
            240,
            every=0.05,
        )
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_changed_image_changes_its_containers_only(restored: Farm) -> None:
    farm = restored
    (farm.path / "images" / "etcd" / "etcd-run").open("a").write("# a change\n")
    for site in ("torino", "cnaf", "bari"):
        assert farm.preview(site) == {"update": [f"Command {site}-front-end-etcd"]}
    assert farm.preview("demo") == {}
    assert farm.preview("federation") == {}


def test_more_executors_are_one_app_updated_in_place(restored: Farm) -> None:
    farm = restored
    before = {m["id"]: m for m in marathon_tasks(farm)}
    farm.edit("Pulumi.demo.yaml", lambda d: d["config"]["aerie:pool"]["executors"].update({"count": 4}))
    assert farm.preview("demo") == {"update": ["MarathonApp demo-executors"]}
    farm.up("demo")
    after = {m["id"] for m in marathon_tasks(farm)}
    assert set(before) < after
    assert len(after) == len(before) + 1
    farm.edit("Pulumi.demo.yaml", lambda d: d["config"]["aerie:pool"]["executors"].update({"count": 3}))
    farm.up("demo")
    assert farm.preview("demo") == {}


def test_a_new_site_is_a_new_peer_for_the_others(restored: Farm) -> None:
    farm = restored
    block = {
        "as_number": 64516,
        "lan": "172.24.4.0/24",
        "containers": "10.75.192.0/18",
        "vpn_endpoint": "172.25.0.14:51820",
    }
    farm.edit("federation.yaml", lambda d: d["sites"].update({"napoli": block}))
    (farm.path / "Pulumi.napoli.yaml").write_text("config:\n  aerie:iaas: docker\n  aerie:agents: 0\n")
    steps = farm.preview("federation")
    assert all("napoli" in name for name in steps["create"]), steps
    farm.up("federation")
    for site in ("torino", "cnaf", "bari"):
        steps = farm.preview(site)
        shows = (
            {"update": ["Command torino-front-end-page"]} if site == "torino" else {}
        )  # the status page has one more
        assert steps == {"create": [f"Command {site}-vpn-napoli"], **shows}
    farm.run("git", "checkout", "-q", "--", "federation.yaml")
    (farm.path / "Pulumi.napoli.yaml").unlink()
    farm.shell("true")
    farm.up("federation")
    assert farm.preview("torino") == {}


def test_refresh_shows_what_somebody_changed_by_hand(farm: Farm) -> None:
    client = marathon(farm)
    client.scale_app("/demo/executors", instances=2, force=True)
    farm.shell("pulumi refresh -s demo --yes --non-interactive --skip-preview")
    assert farm.preview("demo") == {"update": ["MarathonApp demo-executors"]}
    farm.up("demo")
    assert farm.preview("demo") == {}
    assert client.get_app("/demo/executors").instances == 3


@pytest.mark.soak  # the unit tests do so on a fake master
def test_the_public_client_drives_marathon(farm: Farm) -> None:
    from marathon.models import MarathonApp, MarathonHealthCheck
    from marathon.models.container import MarathonContainer, MarathonDockerContainer

    client = marathon(farm)
    assert client.ping() == b'"pong"'  # it asks for JSON
    assert client.get_info().framework_id
    assert client.get_leader()["leader"]
    image = client.get_app("/demo/executors").container.docker.image
    app = MarathonApp(
        cmd="while :; do sleep 1; done",
        cpus=0.1,
        mem=32,
        instances=1,
        container=MarathonContainer(docker=MarathonDockerContainer(image=image)),
        health_checks=[
            MarathonHealthCheck(
                protocol="COMMAND", command={"value": "true"}, interval_seconds=2, grace_period_seconds=5
            )
        ],
    )

    def idle() -> bool:
        return not client.get_app("/tests/sleeper").deployments

    client.create_app("/tests/sleeper", app)
    try:
        wait_for("one task", lambda: client.get_app("/tests/sleeper").tasks_running == 1)
        wait_for("the deployment is done", idle)
        client.scale_app("/tests/sleeper", instances=3)
        wait_for("three tasks", lambda: client.get_app("/tests/sleeper").tasks_running == 3)
        wait_for("three healthy", lambda: client.get_app("/tests/sleeper").tasks_healthy == 3)
        wait_for("the scaling is done", idle)
        client.restart_app("/tests/sleeper")
        wait_for("the restart is done", idle)
        wait_for("three tasks again", lambda: len(client.list_tasks("/tests/sleeper")) == 3)
    finally:
        client.delete_app("/tests/sleeper", force=True)
    wait_for("its end", lambda: "/tests/sleeper" not in [a.id for a in client.list_apps()])


def marathon(farm: Farm) -> MarathonClient:
    """The client from PyPI, with the federation's CA."""
    shared = farm.outputs("federation")
    ca = farm.home / "ca.crt"
    ca.write_text(shared["ca_certificate"])
    urls = [v["marathon_url"] for v in (farm.outputs(s) for s in ("torino", "cnaf", "bari"))]
    return MarathonClient(
        urls, username="admin", password=shared["passwords"]["marathon-admin"], verify=str(ca), timeout=20
    )


def marathon_tasks(farm: Farm) -> list[dict[str, str]]:
    return [{"id": t.id, "host": t.host} for t in marathon(farm).list_tasks() if t.app_id.startswith("/demo/")]
