"""Gathers the facts for `make status`: everything at the same time, and nothing that is down costs more than a few seconds."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from components.fabric.links import linked_sites
from components.spec import addresses
from components.spec.loader import read_sites
from components.spec.machines import login_service, machine_names, rest_service
from components.spec.model import Federation
from components.spec.model import Pool as PoolModel
from components.spec.validate import FEDERATION_STACK, read_pools

from .login import aerie_home, pool_config
from .status_facts import Agent, App, Facts, Framework, Machine, Marathon, Master, OnMachine, PoolWanted, Wanted
from .status_machines import Asking, Machines
from .status_probe import MARK, read
from .status_stacks import Stacks

MOST_AT_ONCE = 128  # questions; a machine is one, and must not wait for others that hang
OPERATOR, ADMIN = "operator", "admin"  # who asks Mesos, and Marathon

Json = dict[str, Any]


def wanted(federation: Federation, root: Path, stacks: Mapping[str, Json], pools: Mapping[str, PoolModel]) -> Wanted:
    """What should be there, by the files below `root` and the sites' outputs."""
    files, _ = read_sites(federation, root)
    machines: list[Machine] = []
    for site, facts in federation.sites.items():
        by_address = sorted(
            stacks.get(site, {}).get("machines", {}).items(), key=lambda m: tuple(map(int, m[1].split(".")))
        )
        embedded = federation.embedded is not None and (site not in files or files[site].iaas == "docker")
        for name, address in by_address:
            front_end = address == addresses.front_end(federation, site)
            services = ["calico", "mesos-agent"]
            if front_end:
                services += ["vpn"] if len(federation.sites) > 1 else []
                services += ["etcd", "zookeeper", "mesos-master", "marathon"] if facts.quorum else []
                services += ["collector"] if federation.monitoring.enabled else []
                services += ["graphite", "page"] if site == federation.graphite_site else []
                grafana = federation.monitoring.grafana is not None
                services += ["grafana"] if grafana and site == federation.graphite_site else []
                services += ["opensearch"] if site == federation.history_site else []
                here = {p: m for p, m in pools.items() if m.submit_node.site == site}
                services += [login_service(p) for p in here]
                services += [rest_service(p) for p, m in here.items() if m.via == "framework"]
            container = f"{federation.name}-{name}" if embedded else ""
            machines.append(Machine(name, site, address, front_end, tuple(services), container))
    return Wanted(
        federation.name,
        tuple(federation.sites),
        tuple(federation.quorum_sites),
        tuple(machines),
        tuple(
            PoolWanted(p, m.submit_node.site, m.executors.count, login_command(federation, p, m), m.via == "framework")
            for p, m in pools.items()
        ),
        {site: len(machine_names(site, stack)) - 1 for site, stack in files.items()},
        federation.network.topology,
        {site: facts.as_number for site, facts in federation.sites.items()},
        {site: (str(facts.lan), str(facts.containers)) for site, facts in federation.sites.items()},
        tuple((site, peer) for site in federation.sites for peer in linked_sites(federation, site)),
        addresses.page_url(federation) or "",
    )


def login_command(federation: Federation, name: str, pool: PoolModel) -> str:
    """How the pool's first user gets in; with the key and host key that `make up` made, if it did."""
    config, user, node = pool_config(aerie_home(federation), name), pool.users[0].name, pool.submit_node
    if config.exists():
        return f"ssh -F {config} {name}"
    return f"ssh -p {node.ssh_port} {user}@{addresses.front_end(federation, node.site)}"


def on_machine(machine: Machine, asking: Asking, pools: list[str], want: Wanted) -> OnMachine:
    """What was found on a machine that is being asked; waits for it."""
    said = asking.answer()
    if not said.reached:
        return OnMachine(False, said.trouble)
    if MARK not in said.text:
        return OnMachine(True, troubles={"containers": said.trouble or "no answer"})
    homes = {site: (want.networks[site], number) for site, number in want.as_numbers.items()}
    return read(machine, pools, said.text, homes)


def engine_containers() -> dict[str, str] | None:
    """The state of each container on this machine's Docker engine, by name; None if it does not answer."""
    command = ["docker", "ps", "-a", "--format", "{{.Names}} {{.State}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if line)


def mesos_agents(body: Json) -> tuple[Agent, ...]:
    """The agents in a leading master's /slaves."""
    out = []
    for raw in body.get("slaves", []):
        attributes, all_, used = raw.get("attributes", {}), raw.get("resources", {}), raw.get("used_resources", {})
        out.append(
            Agent(
                str(attributes.get("node", raw.get("hostname", "?"))),
                str(attributes.get("site", "?")),
                bool(raw.get("active", False)),
                *(float(group.get(what, 0)) for what in ("cpus", "mem") for group in (all_, used)),
            )
        )
    return tuple(sorted(out, key=lambda a: a.node))


def ask_master(address: str, password: str, ca: str) -> Master:
    """A Mesos master: whether it leads, and then what it knows."""
    from .status_http import Failed, Service  # while the machines answer: it takes as long

    with Service(f"https://{address}:{addresses.MESOS_MASTER}", OPERATOR, password, ca) as master:
        try:
            metrics = master.get("/metrics/snapshot")
        except Failed as error:
            return Master(False, str(error))
        if metrics.get("master/elected", 0) != 1:
            return Master(True)
        if metrics.get("registrar/log/recovered", 1) != 1:
            return Master(True, "its replicated log waits for a quorum of masters", True)
        frameworks = int(metrics.get("master/frameworks_active", 0))
        try:
            return Master(True, "", True, mesos_agents(master.get("/slaves")), frameworks)
        except (Failed, ValueError) as error:
            return Master(True, str(error)[:160], True, None, frameworks)


def marathon_apps(body: Json) -> tuple[App, ...]:
    """The apps of /v2/apps, with counts, deployments, tasks and the last failure embedded."""
    out = []
    for raw in body.get("apps", []):
        tasks = [t for t in raw.get("tasks", []) if t.get("state") == "TASK_RUNNING"]
        failure = raw.get("lastTaskFailure") or {}
        out.append(
            App(
                raw["id"],
                raw.get("instances", 1),
                raw.get("tasksRunning", 0),
                raw.get("tasksHealthy", 0),
                bool(raw.get("healthChecks")),
                bool(raw.get("deployments")),
                tuple(sorted(t.get("host", "?") for t in tasks)),
                f"{failure.get('state', '')} {failure.get('message', '')}".strip()[:160],
            )
        )
    return tuple(sorted(out, key=lambda a: a.id))


APPS = "/v2/apps?" + "&".join(f"embed=apps.{what}" for what in ("counts", "deployments", "tasks", "lastTaskFailure"))


def ask_marathon(address: str, password: str, ca: str) -> Marathon:
    """A Marathon instance: whom it takes for the leader, and the apps if that is itself."""
    from .status_http import NO_LEADER, Failed, Service

    leader, apps = "", None
    with Service(f"https://{address}:{addresses.MARATHON}", ADMIN, password, ca) as marathon:
        try:
            try:
                leader = str(marathon.get("/v2/leader")["leader"]).partition(":")[0]
            except Failed as error:
                if error.status not in NO_LEADER:
                    raise
            if leader == address:
                apps = marathon_apps(marathon.get(APPS))
        except Failed as error:
            return Marathon(False, str(error))
        except (ValueError, KeyError, TypeError) as error:
            return Marathon(False, f"{type(error).__name__}: {error}"[:160])
    return Marathon(True, "", leader, apps)


def _ask_framework(stacks: Stacks, pool: str, ca: str) -> Framework:
    from .status_framework import ask_framework

    return ask_framework(stacks.outputs(pool), ca)


def gather(
    federation: Federation, stacks: Stacks, asked: Machines, meanwhile: Callable[[], None] = lambda: None
) -> Facts:
    """All of it. `asked` are the machines that are being asked; those that are not yet are asked here. `meanwhile` is done while they
    answer. Raises PulumiFailed if Pulumi itself does not work."""
    root = stacks.root
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
        there = pool.submit(stacks.known)
        sites = {site: pool.submit(stacks.outputs, site) for site in federation.sites}
        pools = read_pools(root, federation)
        shared: Json = stacks.outputs(FEDERATION_STACK)
        found = {site: future.result() for site, future in sites.items()}
        for site, output in found.items():
            asked.ask(aerie_home(federation), shared, site, output)
        want = wanted(federation, root, found, pools)
        machines: dict[str, Future[OnMachine]] = {}
        for machine in want.machines:
            if machine.name in asked.asked:
                here = [p.name for p in want.pools if machine.front_end and p.submit_site == machine.site]
                machines[machine.name] = pool.submit(on_machine, machine, asked.asked[machine.name], here, want)
        engine = pool.submit(engine_containers)
        masters: dict[str, Future[Master]] = {}
        marathons: dict[str, Future[Marathon]] = {}
        frameworks: dict[str, Future[Framework]] = {}
        if "ca_certificate" in shared:
            ca, passwords = shared["ca_certificate"], shared["passwords"]
            for site, address in addresses.quorum_addresses(federation).items():
                masters[site] = pool.submit(ask_master, address, passwords["mesos-operator"], ca)
                marathons[site] = pool.submit(ask_marathon, address, passwords["marathon-admin"], ca)
            frameworks = {
                name: pool.submit(_ask_framework, stacks, name, ca)
                for name, one in pools.items()
                if one.via == "framework" and name in there.result()
            }
        meanwhile()
        engine_says = engine.result()
        ours = {m.container for m in want.machines} | {f"{federation.name}-registry-mirror"}
        # Also of stacks that this state does not know: somebody else's, or another AERIE_HOME's.
        ours |= {f"{federation.name}-{site}-front-end" for site in federation.sites if federation.embedded}
        return Facts(
            want,
            there.result(),
            None if engine_says is None else {name: state for name, state in engine_says.items() if name in ours},
            {name: future.result() for name, future in machines.items()},
            {site: future.result() for site, future in masters.items()},
            {site: future.result() for site, future in marathons.items()},
            {name: future.result() for name, future in frameworks.items()},
            round(time.monotonic() - asked.since, 2),
            round(os.getloadavg()[0] / (os.cpu_count() or 1), 1),
        )
