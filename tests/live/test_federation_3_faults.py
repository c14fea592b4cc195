"""Faults: what runs goes on, what is lost comes back, nothing of the user's is lost."""

from __future__ import annotations

import time

from federation import Farm, docker, machines, wait_for


def test_a_job_outlives_the_restart_of_its_agent(farm: Farm) -> None:
    cluster = farm.submit("agent", 40, 6)
    wait_for("the jobs run", lambda: len(farm.running(cluster)) == 6)
    for machine in ("torino-agent-1", "torino-agent-2", "cnaf-agent-1", "bari-agent-1"):
        farm.on(machine, "docker", "restart", "-t", "2", "mesos-agent")
    farm.wait_jobs("agent", 180)
    assert farm.history(cluster, "NumJobStarts", "ExitCode") == [["1", "0"]] * 6


def test_the_control_plane_moves_on_without_its_leader(farm: Farm) -> None:
    cluster = farm.submit("leader", 25, 4)
    wait_for("the jobs run", lambda: len(farm.running(cluster)) == 4)
    for service in ("mesos-master", "marathon"):
        farm.on("torino-front-end", "docker", "kill", service)
        farm.on("torino-front-end", "docker", "start", service)
    farm.wait_jobs("leader", 120)
    assert farm.history(cluster, "NumJobStarts") == [["1"]] * 4


def central_manager_machine(farm: Farm) -> str:
    """Where the central manager runs: the machine whose container has its address."""
    for machine in machines():
        out = farm.on(
            machine,
            "sh",
            "-c",
            "docker ps -q | xargs -r docker inspect -f '{{.Config.Hostname}} {{.State.Running}}'",
            check=False,
        )
        if "central-manager." in out:
            return machine
    return ""


def test_loss_of_a_whole_site(farm: Farm) -> None:
    """A site vanishes without a word, with jobs on it, and comes back. Another one than the submit node's."""
    where = central_manager_machine(farm)
    site = where.rsplit("-front-end", 1)[0].rsplit("-agent", 1)[0] if where else "bari"
    site = site if site != "torino" else "bari"
    lost = [m for m in machines() if m.startswith(site)]
    cluster = farm.submit("site", 30, 12)
    wait_for("jobs run", lambda: len(farm.running(cluster)) >= 4)
    start = time.monotonic()
    docker("kill", *[farm.machine(m) for m in lost])
    try:
        farm.wait_jobs("site", 420)
        print(f"site {site} lost (central manager on {where}); 12 jobs done {time.monotonic() - start:.0f} s later")
        codes = [row[0] for row in farm.history(cluster, "ExitCode")]
        assert codes == ["0"] * 12
        assert farm.preview("demo") == {}
        status = farm.run("make", "status", check=False)
        assert status.returncode != 0
        assert site in status.stdout
        two_front_ends_down_refuse_a_pool(farm, site)
    finally:
        docker("start", *[farm.machine(m) for m in lost])
    wait_for("the site is back", lambda: farm.run("make", "status", check=False).returncode == 0, 360, 3)
    cluster = farm.submit("after", 1, 6)
    farm.wait_jobs("after", 120)
    assert len(farm.history(cluster, "ExitCode")) == 6


def two_front_ends_down_refuse_a_pool(farm: Farm, lost: str) -> None:
    """Without a quorum a pool's `up` says which sites are up, soon, and changes nothing."""
    other = "cnaf" if lost != "cnaf" else "bari"
    docker("pause", farm.machine(f"{other}-front-end"))
    try:
        start = time.monotonic()
        done = farm.shell("pulumi up -s demo --yes --skip-preview --non-interactive", check=False)
        took = time.monotonic() - start
    finally:
        docker("unpause", farm.machine(f"{other}-front-end"))
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert took < 30, took
    assert "2 of 3 sites must be up" in text, text
    assert "nothing was changed" in text, text


def test_bad_input_is_refused_before_anything_is_created(farm: Farm) -> None:
    file = farm.path / "Pulumi.demo.yaml"
    kept = file.read_text()
    file.write_text(
        kept.replace("name: demo", "name: Demo!").replace("uid: 2001", "uid: 1").replace("[torino,", "[turin,")
    )
    try:
        done = farm.shell("pulumi up -s demo --yes --skip-preview --non-interactive", check=False)
    finally:
        file.write_text(kept)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    for word in ("4 problems", "turin", "'Demo!' is no POSIX user name", "nothing was changed"):
        assert word in text, text
    assert farm.preview("demo") == {}
