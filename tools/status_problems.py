"""What is wrong with a federation, causes first, each with what to do about it. Pure.

What follows from a cause that is told already is not told again: a machine that is down has no agent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from components.spec.addresses import majority
from components.spec.validate import FEDERATION_STACK

from .status_facts import Container, Facts, Machine
from .status_look import SETTLED, ago, anew, container, listed, logs, on_machine, restarting, running, up
from .status_model import AppLine, Problem, Quorum
from .status_pools import pool_notes, pool_problems
from .status_routing import link_problems, session_problems


def find(facts: Facts, quorums: tuple[Quorum, ...], apps: tuple[AppLine, ...]) -> tuple[Problem, ...]:
    """Everything that is wrong."""
    out = [*_stacks(facts), *_machines(facts), *_services(facts), *_quorums(facts, quorums)]
    out += [*link_problems(facts), *session_problems(facts), *_history(facts)]
    if any(q.name == "Mesos" and q.held for q in quorums):
        out += _agents(facts)
        out += _frameworks(facts, quorums)
    if any(q.name == "Marathon" and q.held for q in quorums):
        out += [*_apps(facts, apps), *pool_problems(facts, apps)]
    return tuple(out)


def _stacks(facts: Facts) -> Iterator[Problem]:
    want = facts.wanted
    if FEDERATION_STACK not in facts.stacks:
        yield Problem("the stack federation is not up", "make up")
        return
    for site in want.sites:
        if site not in facts.stacks:
            here = site in want.agents_in_file
            yield Problem(
                f"{site} is not up", f"pulumi up -s {site}" if here else f"write Pulumi.{site}.yaml, then make up"
            )
        elif not want.of_site(site):
            yield Problem(f"{site}: its pulumi up still runs, or did not finish", "make up")
    mirror = f"{want.federation}-registry-mirror"
    if facts.engine is not None and any(m.container for m in want.machines) and facts.engine.get(mirror) != "running":
        state = facts.engine.get(mirror, "gone")
        yield Problem(
            f"the registry that machines pull from is {state}: nothing new can start there",
            f"docker start {mirror}" if state != "gone" else anew(FEDERATION_STACK),
        )


def _machines(facts: Facts) -> Iterator[Problem]:
    for site in facts.wanted.sites:
        machines = facts.wanted.of_site(site)
        down = [m for m in machines if not up(facts, m)]
        if len(down) > 1 and len(down) == len(machines):
            what = f"{site} is down: none of its {len(machines)} machines answers"
            yield _machine_down(facts, down, what)
        else:
            for machine in down:
                found = facts.machines.get(machine.name)
                said = f" ({found.trouble})" if found and found.trouble else ""
                yield _machine_down(facts, [machine], f"{machine.name} does not answer{said}")


def _machine_down(facts: Facts, machines: list[Machine], what: str) -> Problem:
    """The line for machines that do not answer, by what the operator's Docker engine says of their containers."""
    first = machines[0]
    if not first.container:
        return Problem(what, f"look at the cloud's console for {listed(m.name for m in machines)}; then make up")
    if facts.engine is None:
        return Problem(f"{what}, and no Docker engine does here", "start the Docker engine, then make status")
    by_state: dict[str, list[str]] = defaultdict(list)
    for machine in machines:
        by_state[facts.engine.get(machine.container, "gone")].append(machine.container)
    states = listed(f"{len(names)} {state}" if len(machines) > 1 else state for state, names in by_state.items())
    what = f"{what}; container{'s' if len(machines) > 1 else ''}: {states}"
    if "gone" in by_state:
        return Problem(what, anew(first.site))
    verbs = {"exited": "start", "created": "start", "paused": "unpause", "dead": "start"}
    steps = [f"docker {verbs[s]} {' '.join(names)}" for s, names in by_state.items() if s in verbs]
    return Problem(what, " && ".join(steps) or f"docker logs --tail 20 {first.container}")


def _services(facts: Facts) -> Iterator[Problem]:
    for site in facts.wanted.sites:
        missing: list[tuple[Machine, str]] = []
        for machine in facts.wanted.of_site(site):
            if not up(facts, machine):
                continue
            trouble = facts.machines[machine.name].troubles.get("containers")
            if trouble:
                yield Problem(f"{machine.name}: its Docker engine does not answer ({trouble})", _restart(machine))
                continue
            for service in machine.services:
                one = container(facts, machine, service)
                if one is None:
                    if not (pool := _pool_of(service)) or pool in facts.stacks:
                        missing.append((machine, service))
                elif not running(facts, machine, service):
                    yield Problem(_ended(machine, one), logs(machine, service))
        yield from _missing(facts, site, missing)


def _pool_of(service: str) -> str:
    """The pool that a front-end's forwarder belongs to; "" of other services."""
    kind, _, pool = service.partition("-")
    return pool if kind in ("login", "rest") else ""


def _restart(machine: Machine) -> str:
    if machine.container:
        return f"docker restart {machine.container}"
    return on_machine(machine, "systemctl restart docker")


def _ended(machine: Machine, one: Container) -> str:
    memory = ", out of memory" if one.out_of_memory else ""
    if restarting(one) and one.state == "running":
        return (
            f"{one.name} on {machine.name} ended and was started again {ago(one.age)} ago "
            f"({one.restarts} restart{'s' if one.restarts > 1 else ''}{memory})"
        )
    if restarting(one):
        return (
            f"{one.name} on {machine.name} keeps restarting ({one.restarts} times, last exit {one.exit_code}{memory})"
        )
    return f"{one.name} on {machine.name} is {one.state} for {ago(one.age)} (exit {one.exit_code}{memory})"


def _missing(facts: Facts, site: str, missing: list[tuple[Machine, str]]) -> Iterator[Problem]:
    """Services without a container: few were removed by hand, many or all of a kind were never made."""
    by_service: dict[str, list[Machine]] = defaultdict(list)
    for machine, service in missing:
        by_service[service].append(machine)
    everywhere = any(len(machines) == len(facts.wanted.of_site(site)) > 1 for machines in by_service.values())
    if len(missing) > 2 or everywhere:
        machines, verb = {m.name for m, _ in missing}, "are" if len(by_service) > 1 else "is"
        on = f"{len(machines)} machines" if len(machines) > 1 else next(iter(machines))
        yield Problem(f"{site}: {listed(by_service, 6)} {verb} not there on {on}", f"pulumi up -s {site}")
        return
    for machine, service in missing:
        pool = _pool_of(service)
        resource = (
            f"{pool}-{service.partition('-')[0]}"
            if pool
            else f"{site}-vpn"
            if service == "vpn"
            else f"{machine.name}-{service}"
        )
        yield Problem(
            f"{service} on {machine.name} is gone",
            f"pulumi up -s {pool or site} --replace '**remote:Command::{resource}'",
        )


_SERVICE = {"etcd": "etcd", "ZooKeeper": "zookeeper", "Mesos": "mesos-master", "Marathon": "marathon"}


def _member_trouble(facts: Facts, name: str, site: str, machine: Machine) -> str | None:
    """Why a member is no good; None if it is."""
    on = facts.machines[machine.name]
    if name == "etcd":
        return None if on.etcd and on.etcd.leader else on.troubles.get("etcd") or "knows no leader"
    if name == "ZooKeeper":
        return None if on.zookeeper else on.troubles.get("zookeeper") or "does not serve"
    one = facts.masters.get(site) if name == "Mesos" else facts.marathons.get(site)
    return None if one and one.answers else (one.trouble if one else "was not asked")


def _quorums(facts: Facts, quorums: tuple[Quorum, ...]) -> Iterator[Problem]:
    lost = [q for q in quorums if not q.held]
    for quorum in quorums:
        service = _SERVICE[quorum.name]
        needed = 1 if quorum.name == "Marathon" else majority(quorum.members)
        sick = []
        for site in facts.wanted.quorum_sites:
            machine = facts.wanted.front_end(site)
            if machine and up(facts, machine) and running(facts, machine, service):
                trouble = _member_trouble(facts, quorum.name, site, machine)
                if trouble:
                    sick.append((machine, trouble))
        if quorum.held:
            for machine, trouble in sick:
                yield Problem(
                    f"{service} on {machine.name} runs but does not do its work: {trouble}", logs(machine, service)
                )
            continue
        cause = next((q.name for q in lost if q.name == "ZooKeeper"), "")
        if cause and quorum.name in ("Mesos", "Marathon"):
            yield Problem(f"{quorum.name} has no leader, for want of ZooKeeper", "mend ZooKeeper first")
        elif quorum.up >= needed:
            asked = sick[0][0] if sick else facts.wanted.front_end(facts.wanted.quorum_sites[0])
            yield Problem(
                f"{quorum.name} has no leader, though {quorum.up} of {quorum.members} answer",
                logs(asked, service) if asked else "make up",
            )
        else:
            down = sum(not up(facts, facts.wanted.front_end(s)) for s in facts.wanted.quorum_sites)
            # Where too many machines are down, what is left cannot work: its logs tell nothing new.
            do = (
                logs(sick[0][0], service) if sick and quorum.members - down >= needed else "see above, then make status"
            )
            why = f" ({sick[0][0].name}: {sick[0][1]})" if sick else ""
            what = f"{quorum.name} has no quorum: {quorum.up} of {quorum.members} work, {needed} are needed{why}"
            yield Problem(f"none of {quorum.members} instances of Marathon works{why}" if needed == 1 else what, do)


def _history(facts: Facts) -> Iterator[Problem]:
    """The index of finished jobs where it runs and does not answer."""
    for machine in facts.wanted.machines:
        runs = "opensearch" in machine.services and up(facts, machine) and running(facts, machine, "opensearch")
        if runs and (trouble := facts.machines[machine.name].troubles.get("opensearch")):
            yield Problem(
                f"the index of finished jobs on {machine.name} does not answer ({trouble}); jobs wait in HTCondor's own files, "
                "and come once it does",
                logs(machine, "opensearch"),
            )


def _agents(facts: Facts) -> Iterator[Problem]:
    site, leader = next((s, m) for s, m in facts.masters.items() if m.leads)
    if leader.agents is None:
        machine = facts.wanted.front_end(site)
        yield Problem(
            f"the leading Mesos master, at {site}, does not tell its agents ({leader.trouble}): is it recovering still?",
            logs(machine, "mesos-master") if machine else "make status",
        )
        return
    active = {a.node for a in leader.agents if a.active}
    here = [m for m in facts.wanted.machines if up(facts, m) and running(facts, m, "mesos-agent")]
    lost = [m for m in here if m.name not in active]
    if lost:
        verb = "runs but is not registered" if len(lost) == 1 else "run but are not registered"
        yield Problem(f"mesos-agent on {listed(m.name for m in lost)} {verb} with Mesos", logs(lost[0], "mesos-agent"))


def _frameworks(facts: Facts, quorums: tuple[Quorum, ...]) -> Iterator[Problem]:
    leader = next(m for m in facts.masters.values() if m.leads)
    marathon = next(q for q in quorums if q.name == "Marathon")
    machine = facts.wanted.front_end(marathon.leader) if marathon.held else None
    others = sum(framework.connected for framework in facts.frameworks.values())
    if machine and leader.agents is not None and leader.frameworks - others <= 0:
        yield Problem("Marathon leads but is not registered with Mesos: no task can start", logs(machine, "marathon"))


def _apps(facts: Facts, apps: tuple[AppLine, ...]) -> Iterator[Problem]:
    by_id = {app.id: app for m in facts.marathons.values() for app in m.apps or ()}
    leader = next((s for s, m in facts.marathons.items() if m.apps is not None), "")
    machine = facts.wanted.front_end(leader) if leader else None
    look = logs(machine, "marathon") if machine else "make status"
    for app in apps:
        if app.good:
            continue
        if app.state == "in deployment":
            yield Problem(f"{app.id} is in deployment: {app.running} of {app.instances} run", "wait, then make status")
            continue
        failure = by_id[app.id].failure
        said = f"; its last failure: {failure}" if failure else ""
        enough = (
            "; no agent has room for it, or its constraints leave none"
            if not failure and app.running < app.instances
            else ""
        )
        how = app.state if app.running == app.instances else f"{app.running} of {app.instances} run"
        yield Problem(f"{app.id}: {how}{said}{enough}", look)


def notes(facts: Facts) -> tuple[str, ...]:
    """What is no fault, but good to know."""
    out = []
    want = facts.wanted
    for site, agents in want.agents_in_file.items():
        there = len(want.of_site(site)) - 1
        if site in facts.stacks and there >= 0 and there != agents:
            out.append(f"Pulumi.{site}.yaml asks for {agents} agents, {there} are up: pulumi up -s {site}")
    out += pool_notes(facts)
    again = [
        f"{c.name} on {m.name} {c.restarts} times"
        for m in want.machines
        for c in (facts.machines[m.name].containers if m.name in facts.machines else ())
        if c.restarts and c.state == "running" and SETTLED <= c.age < 3600
    ]
    if again:
        out.append(f"restarted, and up since: {listed(again, 2)}")
    return tuple(out)
