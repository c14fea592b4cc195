"""Executors as a framework starts them: of any size, with their task's name, ending by themselves when nobody cares; and
the framework's own identity, which watches and drains."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator

import pytest
from htcondor_pool import Pool, pool_of, run, until

from components.batch.condor_config import framework_config
from components.batch.types import (
    Accounting,
    CentralManagerSpec,
    ContainerPolicy,
    ElasticSpec,
    ExecutorsSpec,
    PoolRole,
    PoolSpec,
    SubmitNodeSpec,
    VolumeMount,
)

ORPHAN = 12  # seconds
SIZE = {"AERIE_SLOT_CPUS": "2", "AERIE_SLOT_MEMORY": "640", "AERIE_SLOT_DISK": "1500"}
ELASTIC = {**SIZE, "AERIE_ELASTIC": "1"}
FIRST, SECOND, THIRD = (f"172-27-2-2{number}.demo.aerie" for number in (1, 2, 3))

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    policy = ContainerPolicy(
        ulimits={"memlock": "123456:123456"},
        devices=("/dev/fuse",) if run("sh", "-c", "ls /dev/fuse || true").strip() == "/dev/fuse" else (),
        volumes=(VolumeMount("/usr/share", "/opt/shared"),),
        environment={"SITE_CACHE": "http://cache.example:3128"},
        condor_config=('AerieFlavour = "sweet"', "STARTD_ATTRS = $(STARTD_ATTRS) AerieFlavour"),
    )
    spec = PoolSpec(
        name="demo",
        sites=("torino",),
        via="framework",
        central_manager=CentralManagerSpec("172.27.2.10"),
        submit_node=SubmitNodeSpec("172.27.2.11", "torino", "front"),
        executors=ExecutorsSpec(count=1, cpus=2, memory=1024, grace=40, elastic=ElasticSpec(orphan_timeout=ORPHAN)),
        site_networks={"torino": "172.27.2.0/24"},
        accounting=Accounting({"physics": 0.5, "physics.top": 0.5, "astro": 1}),
        containers={PoolRole.EXECUTOR: policy},
        framework_address="172.27.2.14",
    )
    with pool_of("hc-el", "172.27.2.0/24", tmp_path_factory.mktemp("pool"), spec) as pool:
        pool.start_central_manager()
        pool.start_submit()
        pool.start_executor(1, "-v", "/usr/share:/opt/shared:ro", env={**SIZE, "AERIE_TASK": "demo.executor.1"})
        until("sshd", lambda: "ready" in pool.ssh("echo ready", check=False))
        until("schedd", lambda: "Total" in pool.ssh("condor_q", check=False))
        until("executor", lambda: FIRST in pool.ssh("condor_status -af Machine", check=False))
        start_framework(pool)
        yield pool


def start_framework(pool: Pool) -> None:
    """A container with the framework's configuration and tokens, in which its queries are made with HTCondor's bindings."""
    run("docker", "run", "-d", "-i", "--name", "hc-el-framework", "--network", pool.network, "--ip", "172.27.2.14",
        "--entrypoint", "sh", pool.image, "-c", "cat")  # fmt: skip
    own = pool.secrets.framework
    files = {
        "/etc/condor/config.d/50-aerie.config": framework_config(pool.spec),
        "/root/.condor/tokens.d/pool": own.token + "\n",
        "/root/.condor/tokens.d/submit": own.admin_token + "\n",
        "/etc/condor/tokens.d/pool": own.token + "\n",
        "/etc/condor/tokens.d/submit": own.admin_token + "\n",
    }
    for path, text in files.items():
        script = (
            f"umask 077; mkdir -p $(dirname {path}); cat > {path}; chmod 644 /etc/condor/config.d/* 2>/dev/null; true"
        )
        run("docker", "exec", "-i", "hc-el-framework", "sh", "-c", script, stdin=text)


def framework(pool: Pool, script: str) -> object:
    """What a Python script prints as JSON in the framework's container. `collector` and `schedd` are there."""
    head = (
        "import htcondor2, json\n"
        "collector = htcondor2.Collector()\n"
        "schedd = htcondor2.Schedd(collector.locate(htcondor2.DaemonType.Schedd, '172-27-2-11.demo.aerie'))\n"
    )
    return json.loads(run("docker", "exec", "-i", "hc-el-framework", "python3", "-", stdin=head + script))


def ad(pool: Pool, machine: str, *attributes: str) -> list[str]:
    return pool.ssh(f"condor_status {machine} -af {' '.join(attributes)}").split()


def running(name: str) -> bool:
    return run("docker", "inspect", "-f", "{{.State.Running}}", name).strip() == "true"


def test_the_ad_says_what_was_given(pool: Pool) -> None:
    found = ad(pool, FIRST, "Cpus", "Memory", "Disk", "AerieTask", "AerieElastic", "AerieFlavour")
    assert found == ["2", "640", str(1500 * 1024), "demo.executor.1", "undefined", "sweet"]


def test_the_roles_policy_reaches_the_job(pool: Pool) -> None:
    pool.submit(
        "policy",
        "echo cache=$SITE_CACHE; ulimit -l; ls /opt/shared | wc -l; touch /opt/shared/x; env | grep -c AERIE_; id -u",
    )
    pool.wait("policy")
    lines = pool.ssh("cat policy.0.out").split()
    assert lines[0] == "cache=http://cache.example:3128"
    assert lines[1] == str(123456 // 1024)
    assert int(lines[2]) > 0
    assert lines[3:] == ["0", "1500"]
    assert "Read-only file system" in pool.ssh("cat policy.0.err")


def test_the_framework_reads_queue_and_pool(pool: Pool) -> None:
    pool.submit("waiting", "true", 3, extra="request_cpus = 64")
    script = (
        "ads = schedd.query('true', ['JobStatus', 'RequestCpus', 'Owner'], opts=htcondor2.QueryOpts.GroupBy)\n"
        "startds = collector.query(htcondor2.AdType.Startd, 'true', ['Name', 'Cpus', 'AerieTask'])\n"
        "print(json.dumps([[int(a['JobCount']) for a in ads], [[a['Name'], a['Cpus'], a['AerieTask']] for a in startds]]))"
    )
    assert framework(pool, script) == [[3], [[f"slot1@{FIRST}", 2, "demo.executor.1"]]]
    pool.ssh("condor_rm -all")


def test_the_framework_writes_no_queue(pool: Pool) -> None:
    cluster = pool.submit("kept", "true", extra="request_cpus = 64")
    script = (
        "try:\n"
        f"    schedd.act(htcondor2.JobAction.Remove, '{cluster}.0')\n    said = 'removed'\n"
        "except Exception as error:\n    said = 'refused'\n"
        "print(json.dumps(said))"
    )
    assert framework(pool, script) == "refused"
    assert pool.ssh(f"condor_q {cluster} -af JobStatus").strip() == "1"
    pool.ssh(f"condor_rm {cluster}")


def test_the_framework_drains_and_cancels(pool: Pool) -> None:
    pool.submit("drained", "sleep 12; echo whole")
    until("running", lambda: pool.events("drained", "001") == 1)
    framework_tool = ("docker", "exec", "hc-el-framework", "condor_drain")
    run(*framework_tool, "-graceful", FIRST)
    # The partitionable slot says so at once, the job's own slot stays claimed to its end.
    until("draining", lambda: sorted(ad(pool, FIRST, "State")) == ["Claimed", "Drained"], 20)
    pool.wait("drained")
    assert pool.ssh("cat drained.0.out").strip() == "whole"
    until("drained", lambda: ad(pool, FIRST, "State") == ["Drained"], 30)
    run(*framework_tool, "-cancel", FIRST)
    until("not drained", lambda: ad(pool, FIRST, "State") == ["Unclaimed"], 30)


def test_accounting_groups(pool: Pool) -> None:
    """As users set them, on top of `group`'s quotas."""
    pool.submit("top", "sleep 15", extra="accounting_group = physics.top\naccounting_group_user = alice")
    until("running", lambda: pool.events("top", "001") == 1)
    pool.submit("astro", "true", extra="accounting_group = astro\naccounting_group_user = alice")
    pool.wait("astro")
    claimed = pool.ssh(f"condor_status {FIRST} -constraint 'State == \"Claimed\"' -af AccountingGroup")
    assert "physics.top.alice@demo.aerie" in claimed.split()
    # The names come in whatever case HTCondor keeps them.
    known = pool.inside("hc-el-cm", "condor_userprio -all -allusers -grouporder")
    for group in ("physics.top", "astro"):
        assert group in known, known
    quotas = pool.inside("hc-el-cm", "condor_config_val GROUP_NAMES GROUP_QUOTA_DYNAMIC_physics.top")
    assert quotas.split()[-1] == "0.5"
    pool.ssh("condor_rm -all")


def test_an_elastic_executor_ends_when_nobody_claims_it(pool: Pool) -> None:
    start = time.monotonic()
    pool.start_executor(2, env=ELASTIC)
    until("there", lambda: SECOND in pool.ssh("condor_status -af Machine"))
    assert "true" in ad(pool, SECOND, "AerieElastic")
    until("ended", lambda: not running("hc-el-exec2"), 60)
    took = time.monotonic() - start
    print(f"ended by itself {took:.1f} s after its start (no claim for {ORPHAN} s)")
    assert took > ORPHAN
    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", "hc-el-exec2").strip() == "0"
    until("its ad gone", lambda: SECOND not in pool.ssh("condor_status -af Machine"), 10)


def test_it_does_not_end_under_a_long_job(pool: Pool) -> None:
    pool.start_executor(3, env=ELASTIC)
    pool.submit("long", f"sleep {3 * ORPHAN}; echo whole", extra=f'requirements = Machine == "{THIRD}"')
    pool.wait("long")
    assert pool.ssh("cat long.0.out").strip() == "whole"
    assert pool.events("long", "001") == 1
    start = time.monotonic()
    until("ended", lambda: not running("hc-el-exec3"), 60)
    print(f"ended by itself {time.monotonic() - start:.1f} s after its job")


def test_what_the_size_must_be(pool: Pool) -> None:
    config = base64.b64encode(b"CONDOR_HOST = 127.0.0.1\nDEFAULT_DOMAIN_NAME = x\nAERIE_AD_MAX_AGE = 60\n").decode()

    def said(**env: str) -> str:
        options = [part for name, value in env.items() for part in ("-e", f"{name}={value}")]
        return run(
            "docker",
            "run",
            "--rm",
            "-e",
            "AERIE_ROLE=executor",
            "-e",
            f"AERIE_CONDOR_CONFIG={config}",
            *options,
            pool.image,
            check=False,
        )

    assert "AERIE_CONDOR_CONFIG does not set NUM_CPUS" in said()
    assert "AERIE_SLOT_CPUS is '1.5', not a whole number" in said(AERIE_SLOT_CPUS="1.5")
    size = {"AERIE_SLOT_CPUS": "1", "AERIE_SLOT_MEMORY": "100"}
    assert "no task's id" in said(**size, AERIE_TASK='x"')
    assert "does not set AERIE_ORPHAN_TIMEOUT" in said(**size, AERIE_ELASTIC="1")
    names = base64.b64encode(b'["LD_PRELOAD"]').decode()
    assert "not the pool file's to set" in said(**size, AERIE_TOKEN=names, AERIE_ENVIRONMENT=names)
