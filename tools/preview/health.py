"""Asks the members of the quorums how they do, and waits until they are whole: what stands between one site and the next.

    python -m tools.preview.health [--seconds 300]

Exit status: 0 every quorum has all its members; 1 not within the time, told which.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from components.spec import addresses
from components.spec.loader import read_federation
from components.spec.machines import front_end_name
from components.spec.model import Federation
from components.spec.problems import ConfigError, with_lines
from components.spec.validate import FEDERATION_STACK
from tools.login import Login, machine_logins
from tools.status_http import NO_LEADER, Failed, Service
from tools.status_stacks import PulumiFailed, known_stacks, outputs

from .quorums import Etcd, FrontEnd, Health, Keeper, Master, judge, missing

ROOT = Path(__file__).resolve().parents[2]
EVERY, SECONDS = 1.0, 300.0
CONNECT, ANSWER = 3, 20  # seconds until a front-end counts as down, and for all that it has to say

Json = dict[str, Any]
# Each answer on a line of its own, after its name; an empty one where nothing answers.
SCRIPT = """
etcd() { docker exec etcd etcdctl --dial-timeout=2s --command-timeout=4s "$@" -w json 2>/dev/null | tail -n 1; }
{ echo "status $(etcd endpoint status)"; echo "health $(etcd endpoint health)"; echo "members $(etcd member list)"; } &
{ docker exec zookeeper timeout 4 zk-4lw mntr ADDRESS 2>/dev/null | sed 's/^/mntr /'; } &
wait
"""


def etcd_member(answers: Mapping[str, str]) -> Etcd | None:
    """From the answers of `etcdctl endpoint status`, `endpoint health` and `member list`; None without the first."""
    if not answers.get("status"):
        return None
    status = json.loads(answers["status"])[0]["Status"]
    health = json.loads(answers.get("health") or "[{}]")[0]
    listed = json.loads(answers.get("members") or "{}").get("members", [])
    return Etcd(
        str(status["header"]["member_id"]),
        str(status.get("leader") or ""),
        int(status.get("raftIndex", 0)),
        int(status.get("raftAppliedIndex", 0)),
        bool(health.get("health")),
        tuple(map(str, status.get("errors") or ())),
        tuple(m.get("name", "") for m in listed),
        tuple(m.get("name", "") for m in listed if m.get("isLearner")),
    )


def keeper(text: str) -> Keeper | None:
    """From the four-letter word `mntr`; None if there is no answer."""
    told = dict(re.findall(r"^(zk_\w+)\t(.*)$", text, flags=re.M))
    if not text.strip():
        return None
    synced = told.get("zk_synced_followers")
    return Keeper(told.get("zk_server_state", ""), int(float(synced)) if synced is not None else None)


def read(text: str) -> tuple[Etcd | None, Keeper | None]:
    """What the script said."""
    lines = [line.partition(" ") for line in text.splitlines()]
    one = {name: rest for name, _, rest in lines if name != "mntr"}
    try:
        etcd = etcd_member(one)
    except (ValueError, KeyError, IndexError, TypeError):
        etcd = None
    return etcd, keeper("\n".join(rest for name, _, rest in lines if name == "mntr"))


def ask_machine(login: Login) -> tuple[Etcd | None, Keeper | None, str]:
    """etcd and ZooKeeper by one SSH connection; and why there is no answer at all."""
    ssh, *rest = login.command
    script = SCRIPT.replace("ADDRESS", login.host)
    quick = [ssh, "-o", f"ConnectTimeout={CONNECT}", *rest, "sh -s"]  # of an option given twice ssh takes the first
    try:
        done = subprocess.run(quick, input=script, capture_output=True, text=True, timeout=ANSWER)
    except subprocess.TimeoutExpired:
        return None, None, f"the machine says nothing in {ANSWER} s"
    if done.returncode == 255:
        return None, None, (done.stderr.strip().splitlines() or ["SSH fails"])[-1][:120]
    return *read(done.stdout), ""


def ask_master(address: str, password: str, ca: str) -> Master:
    """A Mesos master: whether it leads, and then who is registered. Raises Failed."""
    with Service(f"https://{address}:{addresses.MESOS_MASTER}", "operator", password, ca) as master:
        metrics = master.get("/metrics/snapshot")
        leads, recovered = metrics.get("master/elected") == 1, metrics.get("registrar/log/recovered", 1) == 1
        found = master.get("/slaves") if leads and recovered else {}
    return Master(leads, recovered, frozenset(a["hostname"] for a in found.get("slaves", []) if a.get("active")))


def ask_marathon(address: str, password: str, ca: str) -> str:
    """Whom this instance takes for the leader, "" for none. Raises Failed."""
    with Service(f"https://{address}:{addresses.MARATHON}", "admin", password, ca) as marathon:
        try:
            named = marathon.get("/v2/leader")["leader"]
        except Failed as error:
            if error.status not in NO_LEADER:
                raise
            return ""
    return str(named).partition(":")[0]


class Watch:
    """Asks the front-ends of a federation, again and again; Pulumi is asked for addresses and keys once, and of a site once more after
    `forget`."""

    def __init__(self, federation: Federation, root: Path = ROOT) -> None:
        self.federation, self.root = federation, root
        self._found: dict[str, Json] = {}

    def forget(self, site: str) -> None:
        """What was known of the site may be another now."""
        self._found.pop(site, None)

    def shared(self) -> Json:
        """The federation's outputs. Raises PulumiFailed."""
        if FEDERATION_STACK not in self._found:
            self._found[FEDERATION_STACK] = outputs(FEDERATION_STACK, self.root)
        return self._found[FEDERATION_STACK]

    def outputs(self) -> dict[str, Json]:
        """The federation's outputs and the sites', by stack; empty ones of what is not up. Raises PulumiFailed."""
        names = [s for s in (FEDERATION_STACK, *self.federation.sites) if s not in self._found]
        with ThreadPoolExecutor(max_workers=len(names) or 1) as pool:
            self._found |= zip(names, pool.map(lambda stack: outputs(stack, self.root), names), strict=True)
        return self._found

    def agents(self) -> frozenset[str]:
        """The addresses of all machines there are, by the sites' outputs."""
        found = self.outputs()
        return frozenset(a for site in self.federation.sites for a in found[site].get("machines", {}).values())

    def __call__(self) -> Health:
        found, sites = self.outputs(), self.federation.quorum_sites
        ca = str(found[FEDERATION_STACK].get("ca_certificate", ""))
        with ThreadPoolExecutor(len(sites) or 1) as pool:
            asked = {site: pool.submit(self._site, site, ca) for site in sites if "machines" in found[site]}
            told = {site: future.result() for site, future in asked.items()}
        return judge(tuple(sites), {s: told.get(s, FrontEnd(trouble=NOT_UP)) for s in sites})

    def _site(self, site: str, ca: str) -> FrontEnd:
        shared, own = self._found[FEDERATION_STACK], self._found[site]
        login = machine_logins(self.federation, shared, site, own)[front_end_name(site)]
        passwords, trouble = shared["passwords"], dict[str, str]()
        with ThreadPoolExecutor(3) as pool:
            machine = pool.submit(ask_machine, login)
            master = pool.submit(ask_master, login.host, passwords["mesos-operator"], ca)
            marathon = pool.submit(ask_marathon, login.host, passwords["marathon-admin"], ca)

            def take(part: str, future: Any) -> Any:
                try:
                    return future.result()
                except (Failed, ValueError, KeyError) as error:
                    trouble[part] = (
                        str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"[:160]
                    )
                    return None

            etcd, zookeeper, why = machine.result()
            if why:
                trouble |= {"etcd": why, "zookeeper": why}
            return FrontEnd(etcd, zookeeper, take("mesos-master", master), take("marathon", marathon), trouble)


NOT_UP = dict.fromkeys(("etcd", "zookeeper", "mesos-master", "marathon"), "its site is not up")


def look(root: Path = ROOT) -> list[str]:
    """What is missing of the quorums now, a line each. Members whose site has never been up are not missed."""
    federation, problems = read_federation(root)
    if federation is None:
        raise ConfigError(with_lines(problems, root))
    there = set(federation.quorum_sites) & set(known_stacks(root))
    if not there:
        return []
    health = Watch(federation, root)()
    return missing(health, dict.fromkeys(health.quorums, there))


def wait(
    seconds: float = SECONDS,
    look: Callable[[], list[str]] = look,
    say: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Until nothing is missing, or the time is over; what is missing then."""
    until, told = clock() + seconds, ""
    while True:
        trouble = look()
        if not trouble or clock() >= until:
            return trouble
        if (text := "; ".join(trouble)) != told:
            told = text
            say(f"waiting for the quorums: {text}")
        pause(EVERY)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="health", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=SECONDS)
    args = parser.parse_args(argv)
    try:
        trouble = wait(args.seconds, say=lambda text: print(text, flush=True))
    except (ConfigError, PulumiFailed) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(trouble) if trouble else "every quorum is whole")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
