"""Machines that go while jobs run on them: what can move has moved before, and no job is ended for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from federation import Farm, docker, wait_for
from framework_pool import FrameworkPool

from components.batch.marathon_client import Marathon
from components.cluster.drain_masters import Operator

SITES = ("torino", "cnaf", "bari")
LENGTH = 35  # seconds that a job takes; less than the grace of an executor that Marathon ends
ELASTIC = {
    "max": 6,
    "batch": 6,
    "idle_timeout": 300,
    "wait_cycles": 0,
    "placement": "spread",
    "largest": {"cpus": 1, "memory": 400, "disk": 4000},
}


@pytest.fixture(scope="module")
def moving(farm: Farm) -> Iterator[FrameworkPool]:
    """A pool by the framework with executors on every machine."""
    changes = {"executors": {"count": 0, "elastic": ELASTIC}, "destroy_with_jobs": True}
    pool = FrameworkPool(farm, "moving", 3, 2224, changes)
    pool.create()
    yield pool
    done = pool.destroy(check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pool.remove()


@pytest.fixture(scope="module")
def operator(farm: Farm) -> Operator:
    shared = farm.outputs("federation")
    masters = [f"{address_of(farm, f'{site}-front-end')}:5050" for site in SITES]
    return Operator(masters, masters[0], "operator", shared["passwords"]["mesos-operator"], shared["ca_certificate"])


ADDRESSES: dict[str, str] = {}  # they do not change, and each question costs a second


def address_of(farm: Farm, machine: str) -> str:
    if machine not in ADDRESSES:
        ADDRESSES.update(farm.outputs(machine.split("-")[0])["machines"])
    return ADDRESSES[machine]


def urn(farm: Farm, stack: str, machine: str) -> str:
    listed = farm.shell(f"pulumi stack -s {stack} --show-urns").stdout.split()
    (found,) = {word for word in listed if word.endswith(f":Container::{machine}")}
    return found


def active(operator: Operator, address: str) -> bool:
    agents = operator.call("GET_AGENTS")["get_agents"].get("agents", [])
    return any(a["active"] and a["agent_info"]["hostname"] == address for a in agents)


def nobody_is_in_maintenance(operator: Operator) -> bool:
    schedule = operator.call("GET_MAINTENANCE_SCHEDULE")["get_maintenance_schedule"]["schedule"]
    return not schedule.get("windows")


def takes_tasks(farm: Farm, machine: str) -> None:
    """Marathon can start something on just this machine."""
    shared = farm.outputs("federation")
    urls = [farm.outputs(site)["marathon_url"] for site in SITES]
    marathon = Marathon(urls, "admin", shared["passwords"]["marathon-admin"], shared["ca_certificate"])
    image = next(
        c
        for c in farm.on("bari-front-end", "docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
        if "/mesos:" in c
    )
    app = {
        "id": "/tests/there",
        "cmd": "sleep 1000",
        "cpus": 0.1,
        "mem": 16,
        "container": {"type": "DOCKER", "docker": {"image": image}},
        "constraints": [["node", "LIKE", machine]],
    }
    assert marathon.call("PUT", "/v2/apps//tests/there", app).status_code < 300

    def runs() -> bool:
        return bool(marathon.call("GET", "/v2/apps//tests/there").json()["app"]["tasksRunning"])

    try:
        wait_for(f"a task on {machine}", runs, 40)
    finally:
        marathon.call("DELETE", "/v2/apps//tests/there?force=true")


def busy(pool: FrameworkPool) -> dict[str, set[str]]:
    """The pool's executors with jobs, by the last agent of a site that they are on."""
    last = ("torino-agent-2", "cnaf-agent-1", "bari-agent-1")
    names = {address_of(pool.farm, machine): machine for machine in last}
    found: dict[str, set[str]] = {}
    for executor in pool.executors():
        if executor["claims"] and executor["agent"] in names:
            found.setdefault(names[executor["agent"]], set()).add(executor["task"])
    return found


def all_ran_once(rows: list[list[str]], count: int) -> None:
    assert rows == [["1", "0"]] * count


def with_jobs(farm: Farm, pool: FrameworkPool, folder: str, act: Callable[[str, set[str]], None]) -> str:
    """`act` on a machine while jobs of both pools run and executors of the framework's pool there have some; the machine. All jobs end
    well, started once."""
    # Its executors first: they take longer to come than the jobs run.
    first = pool.submit_sleeps(f"{folder}-first", 6, 25)
    wait_for("it has six executors", lambda: len(pool.running(first)) == 6, 120)
    pool.wait_jobs(f"{folder}-first", 60)
    mine, theirs = pool.submit_sleeps(folder, 6, LENGTH), farm.submit(folder, LENGTH, 6)
    wait_for("the jobs run", lambda: len(pool.running(mine)) == 6 and len(farm.running(theirs)) == 6, 90)
    machine, executors = next(iter(wait_for("a job runs on an agent", lambda: busy(pool), 20).items()))
    act(machine, executors)
    pool.wait_jobs(folder, 180)
    farm.wait_jobs(folder, 180)
    all_ran_once(pool.history([mine], "NumJobStarts", "ExitCode"), 6)
    all_ran_once(farm.history(theirs, "NumJobStarts", "ExitCode"), 6)
    assert not executors & {e["task"] for e in pool.executors()}
    return str(machine)


def test_a_machine_is_made_anew_while_jobs_run(farm: Farm, moving: FrameworkPool, operator: Operator) -> None:
    def born(machine: str) -> str:
        return docker("inspect", "-f", "{{.Created}}", farm.machine(machine)).stdout

    before = {m: born(m) for m in ("torino-agent-2", "cnaf-agent-1", "bari-agent-1")}
    kept = {site: (farm.path / f"Pulumi.{site}.yaml").read_text() for site in SITES}
    said = ""

    def replace(machine: str, executors: set[str]) -> None:
        nonlocal said
        site = machine.split("-")[0]
        # Long enough for the jobs; when it is over, the drain says what it still waits for.
        farm.edit(f"Pulumi.{site}.yaml", lambda d: d["config"].update({"aerie:drain_timeout": 240}))
        start = time.monotonic()
        said = farm.shell(
            f"pulumi up -s {site} --yes --skip-preview --non-interactive --replace '{urn(farm, site, machine)}'"
        ).stdout
        print(
            f"{machine}, {len(executors)} executors at work on it, was made anew within {time.monotonic() - start:.0f} s"
        )

    try:
        machine = with_jobs(farm, moving, "anew", replace)
    finally:
        for name, text in kept.items():
            (farm.path / f"Pulumi.{name}.yaml").write_text(text)
    assert "waiting for" in said and f"{machine} is drained" in said, said
    assert born(machine) != before[machine]
    address = address_of(farm, machine)
    wait_for("its agent is active", lambda: active(operator, address), 30)
    assert nobody_is_in_maintenance(operator)
    takes_tasks(farm, machine)
    farm.up(machine.split("-")[0])
    assert farm.preview(machine.split("-")[0]) == {}


@pytest.mark.soak  # the other drain of a machine is in every run
def test_a_machine_is_taken_away_though_the_time_for_it_was_too_short(
    farm: Farm, moving: FrameworkPool, operator: Operator
) -> None:
    addresses = {m: address_of(farm, m) for m in ("torino-agent-2", "cnaf-agent-1", "bari-agent-1")}
    kept = {site: (farm.path / f"Pulumi.{site}.yaml").read_text() for site in SITES}

    def take_away(machine: str, _executors: set[str]) -> None:
        site, _, number = machine.rpartition("-agent-")
        file = f"Pulumi.{site}.yaml"
        farm.edit(file, lambda d: d["config"].update({"aerie:agents": int(number) - 1, "aerie:drain_timeout": 2}))
        refused = farm.shell(f"pulumi up -s {site} --yes --skip-preview --non-interactive", check=False)
        text = refused.stdout + refused.stderr
        assert refused.returncode != 0
        for words in (f"{machine} is not drained after", "Nothing was killed", "aerie:drain_timeout: 0"):
            assert words in text, text
        farm.edit(file, lambda d: d["config"].update({"aerie:drain_timeout": 300}))
        farm.up(site)

    site = "torino"
    try:
        machine = with_jobs(farm, moving, "away", take_away)
        site = machine.rpartition("-agent-")[0]
        assert not active(operator, addresses[machine])
        assert nobody_is_in_maintenance(operator)
        assert farm.preview(site) == {}
    finally:
        for name, text in kept.items():
            (farm.path / f"Pulumi.{name}.yaml").write_text(text)
        farm.up(site)
    wait_for("its agent is active", lambda: active(operator, addresses[machine]), 30)
    assert farm.preview(site) == {}
