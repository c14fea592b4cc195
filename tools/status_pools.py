"""What is wrong with pools, by Marathon or by a framework of their own. Pure. The causes below them are in `status_problems`."""

from __future__ import annotations

from collections.abc import Iterator

from components.spec.machines import rest_service

from .status_facts import Facts, Framework, PoolWanted
from .status_look import anew, listed, logs, up
from .status_model import AppLine, Problem

FRESH = 60  # seconds: with older data of the queue the framework decides nothing


def pool_problems(facts: Facts, apps: tuple[AppLine, ...]) -> Iterator[Problem]:
    """Everything that is wrong with them while Marathon works."""
    by_id = {app.id: app for app in apps}
    for pool in facts.wanted.pools:
        if pool.name not in facts.stacks:
            yield Problem(f"the pool {pool.name} is not up", f"pulumi up -s {pool.name}")
            continue
        names = ("framework",) if pool.framework else ("central-manager", "submit-node", "executors")
        gone = [n for n in names if f"/{pool.name}/{n}" not in by_id]
        if gone and any(a.state == "in deployment" for i, a in by_id.items() if i.startswith(f"/{pool.name}/")):
            continue  # the pool's up goes on: an app comes once the one before is healthy
        if gone:
            yield Problem(f"{pool.name}: Marathon has no app {listed(gone)}", anew(pool.name))
        elif pool.framework:
            if by_id[f"/{pool.name}/framework"].good:
                yield from _by_framework(facts, pool)
        else:
            yield from _by_marathon(facts, pool, by_id)


def _by_marathon(facts: Facts, pool: PoolWanted, by_id: dict[str, AppLine]) -> Iterator[Problem]:
    end = facts.wanted.front_end(pool.submit_site)
    submit, executors = by_id[f"/{pool.name}/submit-node"], by_id[f"/{pool.name}/executors"]
    if end is None or not up(facts, end) or not submit.good:
        return
    said = facts.machines[end.name].pools.get(pool.name)
    if said is None or said.trouble:
        why = said.trouble if said else "nobody asked it"
        yield Problem(f"{pool.name}: its submit node does not say how it does ({why})", pool.login)
    elif executors.good and said.slots is not None and len(said.slots) < executors.running:
        yield Problem(
            f"{pool.name}: {executors.running} executors run, the central manager knows {len(said.slots)}",
            "wait half a minute, then make status",
        )


def _by_framework(facts: Facts, pool: PoolWanted) -> Iterator[Problem]:
    name, end, found = pool.name, facts.wanted.front_end(pool.submit_site), facts.frameworks.get(pool.name)
    if end is None or not up(facts, end):
        return  # the way to it leads over that machine
    if found is None or not found.answers:
        why = found.trouble if found else "nobody asked it"
        yield Problem(f"{name}: its framework does not answer ({why})", logs(end, rest_service(name)))
        return
    if found.gone:
        yield Problem(f"{name}: it was torn down, and its framework still stands", f"pulumi destroy -s {name}")
        return
    if not found.connected:
        yield Problem(f"{name}: its framework is not subscribed at Mesos", _tells_more(name, found))
        return
    sick = [role for role in found.roles if not role.healthy or role.phase != "running"]
    for role in sick:
        wait = role.phase in ("launching", "waiting", "killing")
        why = f" ({role.why})" if role.why else ""
        yield Problem(
            f"{name}: {role.name} is {role.phase if role.phase != 'running' else 'not healthy'}{why}",
            "wait, then make status" if wait else _tells_more(name, found),
        )
    missing = found.fixed_wanted - found.fixed.running
    if missing > 0 and not sick:
        there = f"{found.fixed.running} of {found.fixed_wanted} fixed executors run"
        on_the_way = found.fixed.launching + found.fixed.draining
        more = f", {on_the_way} start or are replaced" if on_the_way else ""
        yield Problem(f"{name}: {there}{more}", "wait, then make status" if on_the_way else _tells_more(name, found))
    if not sick and (found.data_age is None or found.data_age > FRESH):
        since = "has no data" if found.data_age is None else f"has heard nothing for {found.data_age:.0f} s"
        yield Problem(f"{name}: its framework {since} of the queue, and so starts nothing", _tells_more(name, found))
    if found.paused:
        yield Problem(
            f"{name} is paused: its framework starts nothing and takes nothing away",
            _ask(name, found, "-X POST ", "resume"),
        )


def _tells_more(name: str, found: Framework) -> str:
    return _ask(name, found, "", "pool")


def _ask(name: str, found: Framework, how: str, what: str) -> str:
    """The operator's command; it asks for the password, which is on no command line then."""
    ca = "--cacert <(pulumi stack output -s federation ca_certificate)"
    password = f"pulumi stack output -s {name} rest_password --show-secrets"
    return f"curl {ca} -u admin {how}{found.url}/v1/{what}   (password: {password})"


def pool_notes(facts: Facts) -> list[str]:
    """What is no fault of the pools, but good to know."""
    out = []
    for pool in facts.wanted.pools:
        end = facts.wanted.front_end(pool.submit_site)
        said = facts.machines[end.name].pools.get(pool.name) if end and end.name in facts.machines else None
        if said and said.jobs and said.jobs.held:
            out.append(f"{pool.name}: {said.jobs.held} jobs are held; why: condor_q -held -allusers on the submit node")
        found = facts.frameworks.get(pool.name)
        if found and (never := [w for w in found.waiting if w.never]):
            out.append(f"{pool.name}: {sum(w.count for w in never)} jobs can never run as they are (see above)")
        if found and found.drained_sites:
            out.append(f"{pool.name}: its administrator keeps it off {listed(found.drained_sites)}")
    return out
