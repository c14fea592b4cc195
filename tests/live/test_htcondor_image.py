"""The image `htcondor` as a pool of three or four containers on a plain Docker network: real daemons, real jobs, real faults."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from htcondor_pool import Pool, pool_of, run, until

from components.batch import tokens
from components.batch.types import CentralManagerSpec, ExecutorsSpec, PoolSpec, SubmitNodeSpec

CENTRAL, SUBMIT = "172.27.0.10", "172.27.0.11"
SUBMIT_NAME = "172-27-0-11.demo.aerie"

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    spec = PoolSpec(
        name="demo",
        sites=("torino", "bari"),
        central_manager=CentralManagerSpec(CENTRAL),
        submit_node=SubmitNodeSpec(SUBMIT, "torino", "front"),
        executors=ExecutorsSpec(count=2, cpus=2, memory=1024, grace=40),
        site_networks={"torino": "172.27.0.21/32", "bari": "172.27.0.22/32"},
    )
    with pool_of("hc", "172.27.0.0/24", tmp_path_factory.mktemp("pool"), spec) as pool:
        yield pool


def test_first_job_soon(pool: Pool) -> None:
    start = time.monotonic()
    pool.start_central_manager()
    pool.start_submit()
    pool.start_executor(1)
    until("sshd", lambda: "ready" in pool.ssh("echo ready", check=False))
    until("schedd", lambda: "Total" in pool.ssh("condor_q", check=False))
    pool.submit("first", "sleep 1; echo done")
    pool.wait("first")
    took = time.monotonic() - start
    print(f"docker run to first finished job: {took:.1f} s")
    for name in ("hc-cm", "hc-submit", "hc-exec1"):
        until(f"health of {name}", lambda name=name: pool.healthy(name), 10)  # type: ignore[misc]


def test_jobs_run_as_their_user(pool: Pool) -> None:
    pool.start_executor(2)
    until("two executors", lambda: len(pool.ssh("condor_status -af AerieSite").split()) >= 2)
    pool.submit("six", "id -u; id -un; cat /etc/condor/tokens.d/* 2>&1; sleep 4; hostname > made.$1", 6)
    pool.wait("six")
    for number in range(6):
        assert pool.ssh(f"head -2 six.{number}.out").split() == ["1500", "alice"]
        assert pool.ssh(f"stat -c %U:%u six.{number}.out made.{number}").split() == ["alice:1500"] * 2
        assert "Permission denied" in pool.ssh(f"cat six.{number}.out")
    history = "condor_history -limit 6 -af LastRemoteHost"
    assert len(set(pool.ssh(history).split())) > 1, "all on one executor"
    assert set(pool.ssh("condor_status -af AerieSite AerieNode").split()) == {
        "torino",
        "bari",
        "node-hc-exec1",
        "node-hc-exec2",
    }


def test_no_secret_in_an_environment(pool: Pool) -> None:
    script = "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c AERIE_TOKEN; echo"
    for name in ("hc-cm", "hc-submit", "hc-exec1"):
        # Of its children not even root of the container can read it. (An exec of Docker has the container's environment.)
        count = pool.inside(name, "tr '\\0' '\\n' < /proc/1/environ | grep -c ^AERIE_ || true")
        assert count.strip() == "0"
    pool.submit("env", script)
    pool.wait("env")
    assert pool.ssh("cat env.0.out").split() == ["0"]
    assert (
        pool.ssh("cat /etc/condor/tokens.d/* /etc/condor/passwords.d/* /proc/1/environ", check=False).count("denied")
        == 3
    )


def test_logins_are_by_key_only(pool: Pool) -> None:
    assert "Permission denied (publickey)" in pool.ssh("true", user="root", check=False)
    options = pool.inside("hc-submit", "sshd -T -C user=alice,host=x,addr=1.2.3.4")
    for line in ("passwordauthentication no", "permitrootlogin no", "allowagentforwarding no", "allowtcpforwarding no"):
        assert line in options


def test_an_executors_token_is_no_more_than_that(pool: Pool) -> None:
    ad = 'MyType="Scheduler"\\nName="evil"\\nMachine="evil"\\nMyAddress="<172.27.0.21:9618>"\\n'
    script = f"printf '{ad}' > /tmp/ad; condor_advertise UPDATE_SCHEDD_AD /tmp/ad; condor_advertise UPDATE_NEGOTIATOR_AD /tmp/ad"
    assert "Sent 0 of 1" in pool.inside("hc-exec1", script, check=False)
    assert "evil" not in pool.inside("hc-cm", "condor_status -any -af Name")
    job = "printf 'executable=/bin/true\\nqueue\\n' > /tmp/s; condor_submit -remote " + SUBMIT_NAME + " /tmp/s"
    assert "ERROR: Failed to connect to queue manager" in pool.inside("hc-exec1", job, check=False)
    for command in (
        "condor_off -name 172-27-0-22.demo.aerie",
        "condor_drain 172-27-0-22.demo.aerie",
        "condor_reconfig -pool $(condor_config_val COLLECTOR_HOST) -all",
    ):
        out = pool.inside("hc-exec1", command, check=False)
        assert "ERROR" in out or "failed" in out, out
    denied = pool.inside("hc-cm", "grep -c 'limited authorization\\|DENIED to executor@' /var/log/condor/CollectorLog")
    assert int(denied) > 0


def test_an_executors_token_advertises_executors(pool: Pool) -> None:
    """So the refusals above are not for want of a working token."""
    assert "demo.aerie" in pool.inside("hc-exec1", "condor_status -af Name")


def test_nobody_without_a_token(pool: Pool) -> None:
    out = run(
        "docker", "run", "--rm", "--name", "hc-intruder", "--network", pool.network, "--entrypoint", "sh", pool.image, "-c",
        f"condor_status -pool {CENTRAL}:9618; condor_q -pool {CENTRAL}:9618 -name {SUBMIT_NAME}; echo; "
        f"_CONDOR_SEC_CLIENT_AUTHENTICATION=NEVER condor_status -pool {CENTRAL}:9618",
        check=False,
    )  # fmt: skip
    assert "slot1" not in out
    assert "AUTHENTICATE" in out or "SECMAN" in out


def test_a_users_token_is_for_users(pool: Pool) -> None:
    assert "slot1@" in pool.ssh("condor_status -af Name")
    for command in ("condor_off -name 172-27-0-21.demo.aerie", "condor_drain 172-27-0-21.demo.aerie"):
        out = pool.ssh(command, check=False)
        assert "ERROR" in out or "Failed" in out, out
    assert "slot1@172-27-0-21" in pool.ssh("condor_status -af Name")
    out = pool.inside("hc-exec1", "condor_status", user="alice", check=False)
    assert "slot1@" not in out  # a job finds no token on an executor


def test_tokens_agree_with_htcondors_own(pool: Pool) -> None:
    theirs = pool.inside("hc-cm", "condor_token_create -identity bob@demo.aerie -authz READ -lifetime 600 -key POOL")
    checked = tokens.verify(theirs.strip(), pool.pool_key)
    assert (checked.identity, checked.authz, checked.key_id) == ("bob@demo.aerie", ("READ",), "POOL")


def test_administration_from_central_manager_and_submit_node(pool: Pool) -> None:
    assert "Total for" in pool.inside("hc-cm", f"condor_q -name {SUBMIT_NAME} -all")
    target = "172-27-0-22.demo.aerie"

    def drained() -> bool:
        return "Drained" in pool.inside("hc-cm", f"condor_status {target} -af State")

    for container, user in (("hc-cm", "root"), ("hc-submit", "boss")):
        pool.inside(container, f"condor_drain {target}", user=user)
        until("drained", drained, 30)
        pool.inside(container, f"condor_drain -cancel {target}", user=user)
        until("not drained", lambda: not drained(), 30)
        assert "Sent" in pool.inside(container, f"condor_off -peaceful -daemon startd -name {target}", user=user)
        until("gone", lambda: target not in pool.inside("hc-cm", "condor_status -af Name"), 30)
        assert "Sent" in pool.inside(container, f"condor_on -daemon startd -name {target}", user=user)
        until("back", lambda: target in pool.inside("hc-cm", "condor_status -af Name"), 30)


def test_a_drain_waits_for_the_job(pool: Pool) -> None:
    pool.submit("drained", "sleep 8; echo whole", extra='requirements = AerieSite == "bari"')
    until("running", lambda: pool.events("drained", "001") == 1)
    pool.inside("hc-cm", "condor_drain -graceful 172-27-0-22.demo.aerie")
    pool.wait("drained")
    assert pool.ssh("cat drained.0.out").strip() == "whole"
    assert pool.events("drained", "004") == 0
    pool.inside("hc-cm", "condor_drain -cancel 172-27-0-22.demo.aerie")


def test_ssh_to_job(pool: Pool) -> None:
    cluster = pool.submit("inner", "sleep 40")
    until("running", lambda: pool.events("inner", "001") == 1)
    out = ""

    def answered() -> bool:
        nonlocal out
        out = pool.ssh(f"condor_ssh_to_job {cluster}.0 'id -un; pwd'", check=False)
        return "alice" in out

    until(f"ssh to the job: {out}", answered, 20)
    assert "/var/lib/condor/execute/dir_" in out
    pool.ssh(f"condor_rm {cluster}")


def test_submit_node_restarts_with_queue_and_running_job(pool: Pool) -> None:
    pool.submit("before", "date +%s.%N; sleep 25; echo whole")
    until("running", lambda: pool.events("before", "001") == 1)
    pool.submit("queued", "echo later", 3, extra='requirements = AerieSite == "nowhere"\n+Note = "kept"')
    run("docker", "stop", "-t", "20", "hc-submit")
    run("docker", "rm", "hc-submit")
    pool.start_submit()
    took = until("schedd", lambda: "3 idle" in pool.ssh("condor_q", check=False))
    print(f"submit node back with its queue: {took:.1f} s")
    pool.wait("before")
    assert pool.events("before", "001") == 1, "it was started twice"
    assert len(pool.ssh("cat before.0.out").split()) == 2
    assert pool.events("before", "023") == 1, "it did not reconnect"
    pool.ssh("condor_rm -all")


def test_submit_node_killed_with_running_job(pool: Pool) -> None:
    pool.submit("killed", "date +%s.%N; sleep 20; echo whole")
    until("running", lambda: pool.events("killed", "001") == 1)
    run("docker", "rm", "-f", "hc-submit")
    pool.start_submit()
    until("schedd", lambda: "Total" in pool.ssh("condor_q", check=False))
    pool.wait("killed")
    assert pool.events("killed", "001") == 1
    assert len(pool.ssh("cat killed.0.out").split()) == 2


def test_central_manager_restarts_at_its_address(pool: Pool) -> None:
    pool.submit("through", "sleep 20; echo whole")
    until("running", lambda: pool.events("through", "001") == 1)
    for name in ("hc-submit", "hc-exec1", "hc-exec2"):
        until(f"health of {name}", lambda name=name: pool.healthy(name), 30)  # type: ignore[misc]
    run("docker", "rm", "-f", "hc-cm")
    # Nobody else is to blame, and a kill of the executor would cost the job.
    assert pool.healthy("hc-exec1")
    assert pool.healthy("hc-submit")
    pool.start_central_manager()

    # The new one does not know its executors for a while; they stay healthy all the time.
    until("collector", lambda: "Total" in pool.inside("hc-cm", "condor_status -total", check=False), 20)

    def back() -> bool:
        assert pool.healthy("hc-exec1")
        return pool.inside("hc-cm", "condor_status -af Name", check=False).count("slot1@") >= 2

    took = until("executors back", back, 90)
    print(f"central manager knows its executors again after {took:.1f} s")
    pool.wait("through")
    assert pool.events("through", "001") == 1
    until("health", lambda: pool.healthy("hc-cm"), 30)
    pool.submit("after", "echo again")
    pool.wait("after")


def test_lost_executor(pool: Pool) -> None:
    pool.submit("lost", "sleep 8; echo whole", extra='rank = AerieSite == "bari"')
    until("running", lambda: pool.events("lost", "001") == 1)
    host = "hc-exec2" if "172.27.0.22" in pool.ssh("grep '^001' lost.log") else "hc-exec1"
    other = "hc-exec1" if host == "hc-exec2" else "hc-exec2"
    run("docker", "rm", "-f", host)
    until("health of the other", lambda: pool.healthy(other), 30)
    # The lease, and up to five vain connections of 20 s, which HTCondor makes one after the other.
    took = until("started elsewhere", lambda: pool.events("lost", "001") == 2, 150)
    print(f"job of a lost executor runs elsewhere after {took:.1f} s")
    pool.wait("lost")
    assert pool.ssh("cat lost.0.out").strip() == "whole"
    pool.start_executor(int(host[-1]))


def test_a_stopped_executor_lets_its_job_finish(pool: Pool) -> None:
    until("two executors", lambda: len(set(pool.ssh("condor_status -af AerieSite").split())) == 2)
    pool.submit("grace", "sleep 8; echo whole")
    until("running", lambda: pool.events("grace", "001") == 1)
    host = "hc-exec2" if "172.27.0.22" in pool.ssh("grep '^001' grace.log") else "hc-exec1"
    start = time.monotonic()
    run("docker", "stop", "-t", "40", host)
    print(f"executor with a job of 8 s stopped in {time.monotonic() - start:.1f} s")
    pool.wait("grace")
    assert pool.events("grace", "001") == 1
    run("docker", "start", host)


@pytest.mark.parametrize("name", ["hc-exec1", "hc-submit", "hc-cm"])
def test_idle_containers_stop_at_once(pool: Pool, name: str) -> None:
    until("no claim left", lambda: "Claimed" not in pool.inside("hc-cm", "condor_status -af State", check=False), 60)
    run("docker", "stop", "-t", "10", name)
    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", name).strip() == "0"  # not killed
    run("docker", "start", name)


def test_the_container_ends_when_a_server_does(pool: Pool) -> None:
    until("submit node", lambda: "ready" in pool.ssh("echo ready", check=False))
    pool.inside("hc-submit", "kill $(cat /run/sshd.pid)")
    took = until(
        "end", lambda: run("docker", "inspect", "-f", "{{.State.Running}}", "hc-submit").strip() == "false", 30
    )
    print(f"ended {took:.1f} s after sshd")
    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", "hc-submit").strip() == "1"


def test_a_missing_variable_is_named(pool: Pool) -> None:
    out = run("docker", "run", "--rm", "-e", "AERIE_ROLE=executor", pool.image, check=False)
    assert "AERIE_CONDOR_CONFIG is not set" in out
    out = run("docker", "run", "--rm", "-e", "AERIE_ROLE=worker", pool.image, check=False)
    assert "it must be one of central-manager, submit, executor" in out
