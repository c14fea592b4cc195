"""Alerts of a pool that take minutes by their nature, on real daemons and by the real collector: a spool that fills up, and a schedd
that does not keep up. Each fires, and ends when its cause does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from htcondor_pool import Pool, pool_of, run, small, until
from pool_collector import PoolCollector

pytestmark = [pytest.mark.live, pytest.mark.soak]  # eleven minutes

CENTRAL, SUBMIT, COLLECTOR = "172.27.8.10", "172.27.8.11", "172.27.8.12"
NODE = "ha-submit"
SPOOL, FULL = 64, 60  # MB: its size, and what is used of it when it is nearly full
JOBS, CHANGERS = 12_000, 4
# What keeps a schedd busy: several who change jobs by a condition, for which it looks at each job itself, one condition after the other.
LOAD = """
import time, htcondor2
while True:
    try:
        htcondor2.Schedd().edit('regexp("x.*y", strcat(Owner, Iwd, Cmd, Environment)) && ProcId < 0', "Nothing", "1")
    except Exception as error:
        if "matching constraint" not in str(error):
            time.sleep(1)
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with pool_of("ha", "172.27.8.0/24", tmp_path_factory.mktemp("pool"), small("alerts", "172.27.8")) as pool:
        options = ("type=tmpfs", "device=tmpfs", f"o=size={SPOOL}m")
        run("docker", "volume", "create", *(w for option in options for w in ("--opt", option)), pool.volume)
        pool.start_managers()
        yield pool


@pytest.fixture(scope="module")
def collector(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PoolCollector]:
    found = PoolCollector(pool, COLLECTOR)
    found.start(tmp_path_factory.mktemp("collector"))
    yield found
    found.remove()


def waited(what: str, collector: PoolCollector, rule: str, fires: bool, since: float, seconds: float) -> float:
    """Seconds since `since` until the rule's alert fires, or fires no more."""
    until(what, lambda: bool(collector.fires(rule)) == fires, seconds)
    took = time.monotonic() - since
    print(f"{what}: after {took:.0f} s", flush=True)
    return took


def test_a_full_spool_and_a_busy_schedd_fire_and_end(pool: Pool, collector: PoolCollector) -> None:
    text = f"executable = /bin/sleep\narguments = 600\nrequest_memory = 64\nrequest_disk = 10MB\nhold = true\nqueue {JOBS}\n"
    pool.ssh("cat > many.sub", stdin=text)
    pool.ssh("condor_submit -terse many.sub")
    assert collector.fires("spool_nearly_full") == collector.fires("daemon_overloaded") == []
    pool.ssh("cat > load.py", stdin=LOAD)
    for _ in range(CHANGERS):
        run("docker", "exec", "-d", "-u", "alice", "-e", "HOME=/home/alice", NODE, "python3", "/home/alice/load.py")
    # A duty cycle is that of the last 20 minutes, or of the daemon's life if that is shorter: this one begins anew.
    pool.inside(NODE, "kill -9 $(pidof condor_schedd)")
    busy = time.monotonic()
    used = "$(df -m --output=used /var/spool/condor | tail -n 1)"
    pool.inside(NODE, f"head -c $(({FULL} - {used}))M /dev/zero > /var/spool/condor/fill")
    full = time.monotonic()
    waited("spool_nearly_full fires", collector, "spool_nearly_full", True, full, 120 + 60 + 60)
    (alert,) = collector.fires("spool_nearly_full")
    assert 0.9 < alert["value"] < 1 and alert["labels"] == {"pool": "alerts"}
    assert collector.fires("daemon_overloaded") == []
    pool.inside(NODE, "rm /var/spool/condor/fill")
    empty = time.monotonic()
    waited("daemon_overloaded fires", collector, "daemon_overloaded", True, busy, 300 + 60 + 120)
    (alert,) = collector.fires("daemon_overloaded")
    assert alert["labels"]["kind"] == "schedds" and alert["labels"]["daemon"].startswith("172-27-8-11")
    assert 0.95 < alert["value"] <= 1.01
    waited("spool_nearly_full ends", collector, "spool_nearly_full", False, empty, 120 + 60 + 60)
    pool.inside(NODE, "pkill -u alice python3")
    rest = time.monotonic()
    waited("daemon_overloaded ends", collector, "daemon_overloaded", False, rest, 120 + 60 + 180)
