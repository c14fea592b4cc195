"""The image `framework` against the daemons of the image `htcondor`: what its client of HTCondor reads and drives, without any Mesos.

Needs a Docker engine and both images: AERIE_TEST_HTCONDOR_IMAGE and AERIE_TEST_FRAMEWORK_IMAGE, or the newest local ones.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from htcondor_pool import find_image, run, until

from components.batch import tokens
from components.batch.condor_config import framework_config
from components.batch.role_containers import environment
from components.batch.types import (
    CentralManagerSpec,
    ElasticSpec,
    ExecutorsSpec,
    PoolRole,
    PoolSecrets,
    PoolSpec,
    PoolUser,
    SubmitNodeSpec,
)

OPTIONS = ["--security-opt", "no-new-privileges"]
NETWORK, SUBNET = "fwi-net", "172.27.2.0/24"
CENTRAL, SUBMIT = "172.27.2.10", "172.27.2.11"
TORINO, BARI, FIXED = "172-27-2-21.demo.aerie", "172-27-2-22.demo.aerie", "172-27-2-23.demo.aerie"

# Runs in the container: one Condor for as long as its standard input is open; a line of JSON for each answer.
DRIVER = """
import asyncio, base64, json, sys, time
from dataclasses import asdict
from htcondor_framework.condor.keys import executor_key
from htcondor_framework.condor.client import Condor, CondorError
from htcondor_framework.condor import values
from htcondor_framework.config import CondorConfig

def cpu(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100

async def main():
    given = json.loads(sys.stdin.readline())
    condor = Condor(CondorConfig(tuple(given["collectors"]), given["config"], tuple(given["tokens"]), "demo.aerie"), given["sites"])
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        what, *rest = json.loads(line)
        start, answer = time.monotonic(), None
        if what == "queue":
            answer = (found := await condor.queue()) and values.queue_to_json(found)
        elif what == "pool":
            answer = (found := await condor.pool()) and values.pool_to_json(found)
        elif what == "drain":
            try:
                await condor.drain(*rest)
            except CondorError as e:
                answer = str(e)
        elif what == "drain by itself":
            try:
                await condor.drain_directly(*rest)
            except CondorError as e:
                answer = str(e)
        elif what == "executor":
            answer = (found := await condor.executor(*rest)) and asdict(found)
        elif what == "key":
            answer = base64.b64encode(executor_key(given["tokens"], rest[0])).decode()
        elif what == "reschedule":
            await condor.reschedule()
        elif what == "cycles":
            await condor.pool()
            await condor.queue()
            pids = [child._process.pid for child in (condor._for_collector, condor._for_schedd)]
            before = sum(map(cpu, pids)), time.process_time()
            for _ in range(rest[0]):
                await asyncio.gather(condor.queue(), condor.pool())
            answer = [(sum(map(cpu, pids)) - before[0]) / rest[0], (time.process_time() - before[1]) / rest[0]]
        print(json.dumps({"answer": answer, "took": time.monotonic() - start}), flush=True)
    await condor.close()

asyncio.run(main())
"""


def framework_image() -> str:
    if named := os.environ.get("AERIE_TEST_FRAMEWORK_IMAGE"):
        return named
    found = run("docker", "image", "ls", "aerie/framework", "--format", "{{.Repository}}:{{.Tag}}").split()
    return found[0] if found else pytest.skip("no image aerie/framework here; build the images first")


class Framework:
    """The container of the framework's image, with the driver in it."""

    def __init__(
        self, spec: PoolSpec, secrets: PoolSecrets, collectors: list[str], name: str = "fwi-framework"
    ) -> None:
        self.process = subprocess.Popen(
            ["docker", "run", "-i", "--rm", "--name", name, "--network", NETWORK, "--dns", "192.0.2.1", *OPTIONS, framework_image(),
             "python3", "-c", DRIVER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        given = {
            "collectors": collectors,
            "config": framework_config(spec),
            "tokens": [secrets.framework.token, secrets.framework.admin_token],
            "sites": list(spec.sites),
        }
        self._send(given)
        self.took = 0.0

    def _send(self, what: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def ask(self, what: str, *rest: Any) -> Any:
        assert self.process.stdout
        self._send([what, *rest])
        line = self.process.stdout.readline()
        assert line, "the driver ended"
        found = json.loads(line)
        self.took = found["took"]
        return found["answer"]

    def startd(self, name: str) -> dict[str, Any]:
        pool = self.ask("pool") or {"startds": []}
        return next((s for s in pool["startds"] if s["name"] == name), {"state": "none", "claims": -1})

    def becomes(self, name: str, state: str, seconds: float = 15) -> float:
        """Until the collector says so; the seconds it took."""
        return until(f"{name} is {state}", lambda: self.startd(name)["state"] == state, seconds)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(20)


class Pool:
    def __init__(self, folder: Path, image: str, spec: PoolSpec, secrets: PoolSecrets) -> None:
        self.folder, self.image, self.spec, self.secrets = folder, image, spec, secrets

    def start(self, role: PoolRole, name: str, address: str, spec: PoolSpec | None = None, **more: str) -> None:
        file = self.folder / f"{name}.env"
        file.touch(mode=0o600)
        values = environment(spec or self.spec, role, self.secrets) | {"HOST": f"node-{name}"} | more
        file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        run(
            "docker", "run", "-d", "--name", name, "--network", NETWORK, "--ip", address, "--dns", "192.0.2.1",
            "--env-file", str(file), *OPTIONS, self.image,
        )  # fmt: skip

    def start_executor(self, number: int, cpus: int = 2, spec: PoolSpec | None = None, key: str = "") -> None:
        """`key`: as the framework gives each its own; without one it cannot be spoken to but by a collector."""
        more = {"AERIE_SLOT_CPUS": str(cpus), "AERIE_SLOT_MEMORY": "800", "AERIE_SLOT_DISK": "2000"}
        if key:
            more["AERIE_SIGNING_KEY"] = key
        self.start(
            PoolRole.EXECUTOR,
            f"fwi-exec{number}",
            f"172.27.2.{20 + number}",
            spec,
            AERIE_TASK=f"demo.executor.{number}",
            **more,
        )

    def submit(self, text: str, user: str = "alice") -> str:
        """The cluster's number."""
        command = ["docker", "exec", "-i", "-u", user, "-e", f"HOME=/home/{user}", "fwi-submit", "sh", "-c"]
        out = run(
            *command, "cd; cat > j; condor_submit -terse j", stdin=f"executable=/bin/sleep\nrequest_disk=10MB\n{text}"
        )
        return out.split(".")[0]

    def remove_jobs(self) -> None:
        run("docker", "exec", "fwi-submit", "condor_rm", "-all", check=False)

    def status(self, cluster: str) -> str:
        """JobStatus and how often the job was started; of one that is over, from the history."""
        script = f"condor_q -all {cluster} -af JobStatus NumShadowStarts; condor_history {cluster} -af JobStatus NumShadowStarts"
        return run("docker", "exec", "fwi-submit", "sh", "-c", script).strip()

    def executes(self, cluster: str) -> None:
        """Until its job does. JobStatus says so too early: a drain takes back a claim on which nothing was started yet."""
        script = f"condor_q -all {cluster} -af JobCurrentStartExecutingDate"
        until("it executes", lambda: run("docker", "exec", "fwi-submit", "sh", "-c", script).strip().isdigit(), 30)


pytestmark = pytest.mark.live


def clear() -> None:
    for name in ("cm", "cm2", "submit", "exec1", "exec2", "exec3", "framework", "framework2"):
        run("docker", "rm", "-f", "-v", f"fwi-{name}", check=False)
    run("docker", "network", "rm", NETWORK, check=False)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    image = find_image()
    framework_image()
    folder = tmp_path_factory.mktemp("pool")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "host"))
    spec = PoolSpec(
        name="demo",
        sites=("torino", "bari", "cnaf"),
        central_manager=CentralManagerSpec(CENTRAL),
        submit_node=SubmitNodeSpec(SUBMIT, "torino", "front"),
        executors=ExecutorsSpec(count=1, cpus=2, memory=1024, grace=40, elastic=ElasticSpec()),
        users=(PoolUser("alice", 1500, ()), PoolUser("bob", 1501, ())),
        site_networks={"torino": "172.27.2.21/32", "bari": "172.27.2.22/31"},
        via="framework",
    )
    host_key = (folder / "host").read_text()
    secrets = tokens.pool_secrets(
        spec, tokens.generate_signing_key(), tokens.generate_signing_key(), host_key, iat=1700000000
    )
    clear()
    run("docker", "network", "create", "--subnet", SUBNET, NETWORK)
    try:
        yield Pool(folder, image, spec, secrets)
    finally:
        if not os.environ.get("AERIE_TEST_KEEP"):
            clear()


@pytest.fixture(scope="module")
def framework(pool: Pool) -> Iterator[Framework]:
    found = Framework(pool.spec, pool.secrets, [f"{CENTRAL}:9618"])
    yield found
    found.close()


@pytest.fixture(autouse=True)
def _no_jobs(pool: Pool) -> Iterator[None]:
    yield
    pool.remove_jobs()


def groups(framework: Framework, condition: Callable[[list[dict[str, Any]]], bool], seconds: float = 20) -> Any:
    """The queue's, once `condition` is true of its idle groups."""
    queue: Any = None

    def asked() -> bool:
        nonlocal queue
        queue = framework.ask("queue")
        return queue is not None and condition(queue["idle"])

    until("the queue", asked, seconds)
    return queue


def test_no_pool_is_no_data(framework: Framework) -> None:
    """Nothing is there yet: that is None, not an empty queue."""
    assert framework.ask("pool") is None
    assert framework.ask("queue") is None


def test_the_image(framework: Framework) -> None:
    """tini is process 1, and no daemon of HTCondor's runs."""
    names = run("docker", "exec", "fwi-framework", "sh", "-c", "cat /proc/[0-9]*/comm").split()
    assert run("docker", "exec", "fwi-framework", "cat", "/proc/1/comm").strip() == "tini"
    assert not [name for name in names if name.startswith("condor")]
    run(
        "docker",
        "exec",
        "fwi-framework",
        "python3",
        "-c",
        "import aiohttp.web, kazoo.client, mesos_client, ssl, classad2, htcondor2",
    )
    modes = run(
        "docker", "exec", "fwi-framework", "sh", "-c", "stat -c %a /root/.condor/tokens.d/* /etc/condor/tokens.d/*"
    )
    assert modes.split() == ["600"] * 4


def test_the_pool_comes_up(pool: Pool, framework: Framework) -> None:
    pool.start(PoolRole.CENTRAL_MANAGER, "fwi-cm", CENTRAL)
    until("a negotiator", lambda: (framework.ask("pool") or {}).get("negotiator"), 20)
    assert framework.ask("pool")["schedd"] is False
    assert framework.ask("queue") is None
    pool.start(PoolRole.SUBMIT, "fwi-submit", SUBMIT)
    until("a schedd", lambda: framework.ask("pool")["schedd"], 20)
    queue = framework.ask("queue")
    assert (queue["idle"], queue["held"], queue["usage"]["running"]) == ([], 0, 0)
    assert abs(queue["seen"] - time.time()) < 5


def test_demand_before_there_is_any_executor(pool: Pool, framework: Framework) -> None:
    pool.submit('arguments=600\nrequest_cpus=3\nrequest_memory=300\nrequirements=AerieSite=="bari"\nqueue 4')
    pool.submit("arguments=600\naccounting_group=physics.cms\nrequest_memory=ImageSize/1024*2+500\nqueue 2", "bob")
    pool.submit('arguments=600\n+Wanted="napoli"\nrequirements=AerieSite == MY.Wanted\nqueue 1')
    pool.submit("arguments=600\nuniverse=local\nqueue 1")
    pool.submit("arguments=600\nrequirements=HasGpfs\nqueue 1")
    pool.submit('arguments=600\nrequirements=Machine != "x" && OpSys == "WINDOWS"\nqueue 1')
    pool.submit("arguments=600\nhold=true\nqueue 5")
    queue = groups(framework, lambda idle: len(idle) == 5)
    assert queue["held"] == 5
    assert queue["usage"]["running"] == 0  # the one of the local universe runs, on the submit node
    four = next(g for g in queue["idle"] if g["count"] == 4)
    assert (
        four["places"] == ["bari"]
        and four["waits_for"] == ""
        and four["owner"] == "alice"
        and "0.3" not in four["jobs"]
    )
    # A slot is cut to whole steps of memory, and to 1 MiB more of disk than is asked for.
    assert (four["request"]["cpus"], four["request"]["memory"] >= 300, four["request"]["disk"]) == (3, True, 11)
    cms = next(g for g in queue["idle"] if g["owner"] == "bob")
    assert (cms["group"], cms["count"], sorted(cms["places"])) == ("physics.cms", 2, ["bari", "cnaf", "torino"])
    assert cms["request"]["memory"] >= 500
    lost = {g["waits_for"]: g["places"] for g in queue["idle"] if g["waits_for"]}
    assert lost == {
        "requirements: AerieSite == MY.Wanted holds on no site of this pool": [],
        'requirements: OpSys == "WINDOWS" holds on no site of this pool': [],
    }
    # Nobody knows yet whether executors have it; once there is one, it is known that they have not.
    gpfs = next(g for g in queue["idle"] if g not in (four, cms) and not g["waits_for"])
    assert len(gpfs["places"]) == 3


def test_executors_and_usage(pool: Pool, framework: Framework) -> None:
    pool.start_executor(1, key=framework.ask("key", "demo.executor.1"))
    took = framework.becomes(TORINO, "free", 20)
    print(f"docker run to the ad in the collector: {took:.1f} s")
    pool.start_executor(2, key=framework.ask("key", "demo.executor.2"))
    framework.becomes(BARI, "free", 20)
    seen = framework.startd(BARI)
    assert (seen["address"], seen["task"], seen["site"], seen["claims"]) == (
        "172.27.2.22",
        "demo.executor.2",
        "bari",
        0,
    )
    assert seen["total"] == seen["free"] == {"cpus": 2.0, "memory": 800.0, "disk": 2000.0, "gpus": 0.0}
    assert abs(seen["heard"] - time.time()) < 25

    pool.submit("arguments=600\naccounting_group=physics.cms\nrequest_memory=128\nrequirements=HasGpfs\nqueue 1")
    pool.submit(
        'arguments=600\naccounting_group=physics.cms\nrequest_memory=128\nrequirements=AerieSite=="bari"\nqueue 3'
    )
    framework.becomes(BARI, "claimed", 20)
    until("both cores", lambda: framework.startd(BARI)["claims"] == 2, 20)
    assert framework.startd(BARI)["free"]["cpus"] == 0
    until("usage", lambda: framework.ask("queue")["usage"]["running"] == 2, 20)
    queue = framework.ask("queue")
    assert queue["usage"]["by_owner"] == {"alice": 2}
    assert queue["usage"]["by_group"] == {"physics": 2, "physics.cms": 2}
    assert [(g["count"], g["places"]) for g in queue["idle"] if g["places"]] == [(1, ["bari"])]
    (why,) = [g["waits_for"] for g in queue["idle"] if not g["places"]]
    assert (
        why == "requirements: HasGpfs holds on no site of this pool (its executors do not advertise all that it names)"
    )


def test_places_say_what_negotiation_does(pool: Pool, framework: Framework) -> None:
    """What the framework believes of requirements is what HTCondor then does: the free executors take exactly the jobs with a place."""
    cases = {
        'AerieSite == "torino"': True, 'regexp("^ba", AerieSite)': True, 'AerieSite != "cnaf" && Machine != "x"': True,
        "OpSysMajorVer >= 10": True, 'AerieSite == "cnaf" || HasFileTransfer': True, 'member(AerieSite, {"a", "bari"})': True,
        'AerieSite =?= "bari" ? true : false': True, "HasJava": False, 'Arch == "ARM64"': False, 'AerieSite == "napoli"': False,
        'State == "Owner"': False, "!HasFileTransfer": False,
    }  # fmt: skip
    for name in (TORINO, BARI):  # nothing is matched before it was looked at
        framework.ask("drain", name, False)
        framework.becomes(name, "drained", 20)
    clusters = {requirement: pool.submit(f"arguments=1\nrequirements={requirement}\nqueue") for requirement in cases}
    told = {g["jobs"].split(".")[0]: bool(g["places"]) for g in framework.ask("queue")["idle"]}
    assert {r: told[cluster] for r, cluster in clusters.items()} == cases
    for name in (TORINO, BARI):
        framework.ask("drain", name, True)
    until(
        "all jobs that can run ran",
        lambda: all(pool.status(clusters[r]).startswith("4 ") for r, ok in cases.items() if ok),
        90,
    )
    assert {r: pool.status(clusters[r])[:2] for r, ok in cases.items() if not ok} == {
        r: "1 " for r, ok in cases.items() if not ok
    }


def test_a_drain_of_a_free_executor(pool: Pool, framework: Framework) -> None:
    assert framework.ask("drain", TORINO, False) is None
    took = framework.becomes(TORINO, "drained")
    print(f"drain to the ad that says so: {took:.1f} s")
    assert framework.startd(TORINO)["claims"] == 0
    assert framework.ask("drain", TORINO, False) is None  # told twice is as told once
    # Nobody can claim it any more.
    cluster = pool.submit('arguments=1\nrequirements=AerieSite=="torino"\nqueue')
    end = time.monotonic() + 12  # two cycles of the negotiator
    while time.monotonic() < end:
        assert framework.startd(TORINO)["state"] == "drained"
        assert pool.status(cluster).startswith("1 ")
    assert framework.ask("drain", TORINO, True) is None
    until("not drained", lambda: framework.startd(TORINO)["state"] in ("free", "claimed"), 15)
    assert framework.ask("reschedule") is None
    until("the job ran", lambda: pool.status(cluster).startswith("4 1"), 30)


def test_a_drain_lets_the_job_end(pool: Pool, framework: Framework) -> None:
    cluster = pool.submit('arguments=14\nrequirements=AerieSite=="torino"\nqueue')
    pool.executes(cluster)
    assert framework.ask("drain", TORINO, False) is None
    framework.becomes(TORINO, "draining")
    assert framework.startd(TORINO)["claims"] == 1
    assert pool.status(cluster) == "2 1"
    took = framework.becomes(TORINO, "drained", 40)
    print(f"draining to drained: {took:.1f} s")
    until("the job is over", lambda: pool.status(cluster) == "4 1", 10)  # completed, started once
    # A cancel while a job runs leaves the job alone, too.
    assert framework.ask("drain", TORINO, True) is None
    framework.becomes(TORINO, "free")
    cluster = pool.submit('arguments=20\nrequirements=AerieSite=="torino"\nqueue')
    pool.executes(cluster)
    assert framework.ask("drain", TORINO, False) is None
    framework.becomes(TORINO, "draining")
    assert framework.ask("drain", TORINO, True) is None
    framework.becomes(TORINO, "claimed")
    until("the job is over", lambda: pool.status(cluster) == "4 1", 40)


def test_fixed_slots(pool: Pool, framework: Framework) -> None:
    fixed = dataclasses.replace(pool.spec, executors=dataclasses.replace(pool.spec.executors, slots="fixed"))
    pool.start_executor(3, spec=fixed)
    framework.becomes(FIXED, "free", 20)
    assert framework.startd(FIXED)["total"] == {"cpus": 2.0, "memory": 800.0, "disk": 2000.0, "gpus": 0.0}
    pool.executes(pool.submit('arguments=12\nrequirements=AerieTask=="demo.executor.3"\nqueue'))
    framework.becomes(FIXED, "claimed", 30)
    assert (framework.startd(FIXED)["claims"], framework.startd(FIXED)["free"]["cpus"]) == (1, 1)
    assert framework.ask("drain", FIXED, False) is None
    framework.becomes(FIXED, "draining")
    framework.becomes(FIXED, "drained", 40)


@pytest.mark.soak  # a minute and a half
def test_a_cancel_just_after_the_last_job(pool: Pool, framework: Framework) -> None:
    """Trap of 23.9.6: a startd whose drain is cancelled between the end of its last job and its next look at itself lets no job end
    any more. The next drain would kill what runs: it has to be refused, until there is nothing to kill."""
    run("docker", "rm", "-f", "-v", "fwi-exec3")
    until("the old one is gone", lambda: framework.startd(FIXED)["state"] == "none", 90)
    spec = dataclasses.replace(pool.spec, condor_config=("POLLING_INTERVAL = 30",))
    pool.start_executor(3, spec=spec)
    framework.becomes(FIXED, "free", 20)
    here = 'requirements=AerieTask=="demo.executor.3"\nqueue'
    pool.executes(pool.submit(f"arguments=5\n{here}"))
    assert framework.ask("drain", FIXED, False) is None
    until("the job is over", lambda: framework.startd(FIXED)["claims"] == 0, 30)
    assert framework.startd(FIXED)["state"] == "draining"
    assert framework.ask("drain", FIXED, True) is None
    framework.becomes(FIXED, "free")

    cluster = pool.submit(f"arguments=15\n{here}")
    pool.executes(cluster)
    assert "it would not let its jobs end" in framework.ask("drain", FIXED, False)
    until("the job is over", lambda: pool.status(cluster) == "4 1", 30)
    framework.becomes(FIXED, "free", 30)
    assert framework.ask("drain", FIXED, False) is None
    framework.becomes(FIXED, "drained", 40)
    assert framework.ask("drain", FIXED, True) is None
    framework.becomes(FIXED, "free")
    cluster = pool.submit(f"arguments=10\n{here}")
    pool.executes(cluster)
    assert framework.ask("drain", FIXED, False) is None
    framework.becomes(FIXED, "draining")
    until("the job is over", lambda: pool.status(cluster) == "4 1", 30)


def test_drains_that_fail_say_so_soon(pool: Pool, framework: Framework) -> None:
    assert "Can't find address" in framework.ask("drain", "172-27-2-99.demo.aerie", False)
    run("docker", "pause", "fwi-exec3")
    try:
        assert framework.ask("drain", FIXED, False)
    finally:
        run("docker", "unpause", "fwi-exec3")


def test_what_a_cycle_costs(framework: Framework) -> None:
    child, own = framework.ask("cycles", 100)
    print(
        f"CPU of one cycle: {child * 1000:.1f} ms in the processes that ask HTCondor, {own * 1000:.1f} ms in the framework's"
    )
    assert 0 < child + own < 0.03  # of CPU: no process is started for it


def test_the_framework_may_read_and_drain_and_no_more(pool: Pool, framework: Framework) -> None:
    cluster = pool.submit("arguments=600\nhold=true\nqueue")
    name = "172-27-2-11.demo.aerie"
    out = run("docker", "exec", "fwi-framework", "condor_rm", "-name", name, cluster, check=False)
    assert pool.status(cluster).startswith("5 "), out
    ad = 'MyType="Machine"\\nName="evil"\\nMachine="evil"\\nMyAddress="<172.27.2.21:9618>"\\n'
    script = f"printf '{ad}' > /tmp/ad; condor_advertise UPDATE_STARTD_AD /tmp/ad"
    assert "Sent 0 of 1" in run("docker", "exec", "fwi-framework", "sh", "-c", script, check=False)


def test_another_collector_answers(pool: Pool) -> None:
    """The first is at an address that nobody has."""
    other = Framework(pool.spec, pool.secrets, ["172.27.2.98:9618", f"{CENTRAL}:9618"], "fwi-framework2")
    try:
        assert other.ask("pool")["negotiator"]
        first = other.took
        assert other.ask("pool")["negotiator"]
        assert other.took < first / 2, (
            first
        )  # whoever answered is asked first from then on: nobody is waited for in vain
        assert other.ask("drain", BARI, True) is None
    finally:
        other.close()


def test_a_collector_that_says_nothing_is_no_data(pool: Pool, framework: Framework) -> None:
    run("docker", "pause", "fwi-cm")
    try:
        assert framework.ask("pool") is None
        # The schedd is known, and answers by itself; though not while it waits in vain for the collector to take its own ad.
        until("the queue all the same", lambda: framework.ask("queue") is not None, 60)
    finally:
        run("docker", "unpause", "fwi-cm")
    until("data again", lambda: framework.ask("pool"), 20)
    run("docker", "stop", "-t", "1", "fwi-cm")
    assert framework.ask("pool") is None
    run("docker", "start", "fwi-cm")
    until("data again", lambda: (framework.ask("pool") or {}).get("negotiator"), 40)


def test_without_a_collector_executors_are_drained_by_themselves(pool: Pool, framework: Framework) -> None:
    """A startd that waits in vain for the collector to take its ad may keep us waiting: as the framework does, we ask again."""
    task, address = "demo.executor.1", "172.27.2.21"

    def says(state: str, claims: int) -> float:
        def said() -> bool:
            found = framework.ask("executor", task, address)
            return found is not None and (found["state"], found["claims"], found["task"]) == (state, claims, task)

        return until(f"it says {state}", said, 60)

    def told(cancel: bool) -> float:
        return until("it is told", lambda: framework.ask("drain by itself", task, address, cancel) is None, 60)

    framework.becomes(TORINO, "free", 40)
    cluster = pool.submit('arguments=30\nrequirements=AerieSite=="torino"\nqueue')
    pool.executes(cluster)
    run("docker", "stop", "-t", "1", "fwi-cm")
    try:
        assert framework.ask("pool") is None
        print(
            f"an executor that tells of its claim: {says('claimed', 1):.1f} s, the answer itself {framework.took:.2f} s"
        )
        print(f"told to drain: {told(False):.1f} s, itself {framework.took:.2f} s")
        print(f"drained, with the end of its job: {says('drained', 0):.1f} s")
        until("the job is over", lambda: pool.status(cluster) == "4 1", 30)  # completed, started once
        told(True)
        says("free", 0)
        # The key of one opens no other; who has none opens to nobody.
        assert framework.ask("executor", task, "172.27.2.22") is None
        assert framework.ask("drain by itself", task, "172.27.2.22", False)
        until("the other says so", lambda: framework.ask("executor", "demo.executor.2", "172.27.2.22"), 60)
        assert framework.ask("executor", "demo.executor.2", "172.27.2.22")["state"] == "free"
        assert framework.ask("executor", "demo.executor.3", "172.27.2.23") is None
        assert framework.ask("executor", task, "172.27.2.97") is None
        assert framework.took < 12
    finally:
        run("docker", "start", "fwi-cm")
    until("data again", lambda: (framework.ask("pool") or {}).get("negotiator"), 60)


def test_a_submit_node_that_is_gone(pool: Pool, framework: Framework) -> None:
    until("it is known", lambda: framework.ask("pool")["schedd"] and framework.ask("queue") is not None, 40)
    run("docker", "kill", "fwi-submit")
    assert framework.ask("queue") is None
    assert framework.ask("pool") is not None
    took = until("its ad is no longer believed", lambda: framework.ask("pool")["schedd"] is False, 90)
    print(f"submit node killed to its ad gone: {took:.0f} s")
    run("docker", "start", "fwi-submit")
    until("it is there again", lambda: framework.ask("pool")["schedd"] and framework.ask("queue") is not None, 40)
