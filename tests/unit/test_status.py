"""The verdicts, lines and the screen of `make status`, from whole federations' facts."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tools import status_framework
from tools.status_facts import (
    App,
    Container,
    Count,
    Facts,
    Framework,
    Marathon,
    Master,
    OnMachine,
    Role,
    Tunnel,
)
from tools.status_json import FACTS, STATUS
from tools.status_judge import judge
from tools.status_model import Status
from tools.status_show import show

DATA = Path(__file__).parent / "data" / "status"


def facts(name: str) -> Facts:
    return FACTS.validate_json((DATA / f"{name}.json").read_text())


def screen(status: Status, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    show(status, console)
    return console.export_text()


def on(found: Facts, machine: str, **changes: object) -> Facts:
    """The facts with other values of a machine."""
    changed = dataclasses.replace(found.machines[machine], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(found, machines={**found.machines, machine: changed})


def with_container(found: Facts, machine: str, new: Container) -> Facts:
    old = found.machines[machine].containers
    return on(found, machine, containers=tuple(new if c.name == new.name else c for c in old))


def without(found: Facts, machine: str, service: str) -> Facts:
    return on(found, machine, containers=tuple(c for c in found.machines[machine].containers if c.name != service))


def told(status: Status) -> list[str]:
    return [p.what for p in status.problems]


def test_all_is_well_on_one_screen() -> None:
    status = judge(facts("healthy"))
    assert (status.verdict, status.exit_code, status.problems) == ("good", 0, ())
    text = screen(status)
    assert len(text.splitlines()) <= 24
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "all is well" in text
    assert "tolerates the loss of 1" in text
    assert "torino 1+1, cnaf 2+0, bari 0+2" in text
    assert text.splitlines()[-1].startswith("Next: ssh -p 2222 demo@172.31.1.10")
    leaders = {q.name: q.leader for q in status.quorums}
    assert leaders == {"etcd": "cnaf", "ZooKeeper": "bari", "Mesos": "cnaf", "Marathon": "bari"}
    assert sum(s.sessions_up for s in status.sites) == 42
    assert STATUS.validate_json(STATUS.dump_json(status)) == status


def test_the_status_page_is_named_where_there_is_one() -> None:
    found = facts("healthy")
    assert "Page:" not in screen(judge(found))
    found = dataclasses.replace(found, wanted=dataclasses.replace(found.wanted, page="https://172.31.1.10:8446"))
    text = screen(judge(found))
    assert "Page: https://172.31.1.10:8446 (user admin)" in [line.strip() for line in text.splitlines()]
    assert len(text.splitlines()) <= 24
    down = screen(judge(dataclasses.replace(found, machines={})))
    assert "Page:" not in down, "nobody serves it"


def test_a_lost_site_is_one_line_and_its_consequences_are_not() -> None:
    status = judge(facts("site-down"))
    assert status.exit_code == 1
    assert [q.held for q in status.quorums] == [True] * 4
    assert "tolerates no loss" in screen(status)
    first, second = status.problems
    assert first.what.startswith("cnaf is down: none of its 2 machines answers")
    assert first.do == status.next == "docker start aerie-cnaf-front-end aerie-cnaf-agent-1"
    assert second.what == "/demo/executors: 2 of 3 run; its last failure: TASK_LOST Agent 172.31.2.11 unreachable"


def test_a_lost_quorum_is_told_with_its_numbers() -> None:
    status = judge(facts("no-quorum"))
    assert status.exit_code == 1
    assert not any(q.held for q in status.quorums)
    assert any(line.startswith("etcd has no quorum: 0 of 3 work, 2 are needed") for line in told(status))
    assert "Mesos has no leader, for want of ZooKeeper" in told(status)
    assert status.next == "docker start aerie-cnaf-front-end aerie-cnaf-agent-1"
    assert len(screen(status).splitlines()) <= 40


def test_nothing_up() -> None:
    status = judge(facts("nothing-up"))
    assert (status.verdict, status.exit_code, status.next) == ("not up", 2, "make up")
    assert told(status) == ["the federation aerie is not up"]
    assert "is not up" in screen(status)


def test_machines_of_another_state_are_not_passed_over() -> None:
    status = judge(dataclasses.replace(facts("nothing-up"), engine={"aerie-torino-front-end": "running"}))
    assert (status.exit_code, status.next) == (2, "set AERIE_HOME as it was when they were made, or: make down")


def test_all_machines_stopped_is_not_up_but_not_gone() -> None:
    found = facts("healthy")
    stopped = {m.container: "exited" for m in found.wanted.machines} | {"aerie-registry-mirror": "running"}
    status = judge(
        dataclasses.replace(
            found,
            engine=stopped,
            machines={m: OnMachine(False, "no route") for m in found.machines},
            masters={s: Master(False, "no connection") for s in found.masters},
            marathons={s: Marathon(False, "no connection") for s in found.marathons},
        )
    )
    assert (status.verdict, status.exit_code) == ("not up", 2)
    assert status.next.startswith("docker start aerie-torino-front-end")


def test_one_machine_down_by_its_state() -> None:
    found = facts("healthy")
    found = dataclasses.replace(
        found,
        machines={**found.machines, "bari-agent-1": OnMachine(False, "timed out")},
        engine={**(found.engine or {}), "aerie-bari-agent-1": "paused"},
    )
    status = judge(found)
    assert status.problems[0].do == "docker unpause aerie-bari-agent-1"
    gone = dataclasses.replace(found, engine={k: v for k, v in (found.engine or {}).items() if "bari-agent" not in k})
    assert judge(gone).problems[0].do == "pulumi refresh -s bari --yes && pulumi up -s bari"


def test_services_that_ended_restart_or_are_gone() -> None:
    found = facts("healthy")
    ended = judge(with_container(found, "cnaf-agent-1", Container("calico", "exited", 0, 137, True, 240.0)))
    assert told(ended) == ["calico on cnaf-agent-1 is exited for 4 min (exit 137, out of memory)"]
    assert ended.next == "docker exec aerie-cnaf-agent-1 docker logs --tail 20 calico"
    again = judge(with_container(found, "cnaf-front-end", Container("marathon", "restarting", 7, 1)))
    assert "marathon on cnaf-front-end keeps restarting (7 times, last exit 1)" in told(again)
    young = judge(with_container(found, "cnaf-front-end", Container("marathon", "running", 7, 0, False, 5.0)))
    assert "marathon on cnaf-front-end ended and was started again 5 s ago (7 restarts)" in told(young)
    since = judge(with_container(found, "cnaf-front-end", Container("marathon", "running", 7, 0, False, 500.0)))
    assert since.exit_code == 0
    assert since.notes == ("restarted, and up since: marathon on cnaf-front-end 7 times",)
    gone = judge(without(found, "bari-front-end", "vpn"))
    assert gone.next == "pulumi up -s bari --replace '**remote:Command::bari-vpn'"


def test_an_index_of_jobs_that_does_not_answer_is_told_with_what_becomes_of_the_jobs() -> None:
    found = facts("healthy")
    machines = tuple(
        dataclasses.replace(m, services=(*m.services, "opensearch")) if m.name == "cnaf-front-end" else m
        for m in found.wanted.machines
    )
    found = dataclasses.replace(found, wanted=dataclasses.replace(found.wanted, machines=machines))
    own = found.machines["cnaf-front-end"].containers
    runs = on(found, "cnaf-front-end", containers=(*own, Container("opensearch", "running", 0, 0, False, 500.0)))
    assert judge(runs).problems == ()
    status = judge(on(runs, "cnaf-front-end", troubles={"opensearch": "no answer in 8 s"}))
    assert told(status) == [
        "the index of finished jobs on cnaf-front-end does not answer (no answer in 8 s); "
        "jobs wait in HTCondor's own files, and come once it does"
    ]
    assert status.next == "docker exec aerie-cnaf-front-end docker logs --tail 20 opensearch"
    ended = on(found, "cnaf-front-end", containers=(*own, Container("opensearch", "exited", 0, 1, False, 60.0)),
               troubles={"opensearch": "Container x is not running"})  # fmt: skip
    assert told(judge(ended)) == ["opensearch on cnaf-front-end is exited for 1 min (exit 1)"], "told once"


def test_services_that_were_never_made_are_one_line() -> None:
    found = facts("healthy")
    for machine in ("cnaf-front-end", "cnaf-agent-1"):
        found = without(found, machine, "calico")
    status = judge(found)
    assert told(status) == ["cnaf: calico is not there on 2 machines"]
    assert status.next == "pulumi up -s cnaf"


def test_a_dead_tunnel_is_told_once_and_its_sessions_are_not() -> None:
    found = facts("healthy")
    for here, there, live in (("torino", "bari", "cnaf"), ("bari", "torino", "cnaf")):
        found = on(found, f"{here}-front-end", tunnels=(Tunnel(there, 700), Tunnel(live, 20)))
    for machine, one in found.machines.items():
        peer = {"torino": "172.31.3.", "bari": "172.31.1."}.get(machine.split("-")[0], "none")
        sessions = tuple(
            dataclasses.replace(s, state="Connect") if s.peer.startswith(peer) else s for s in one.sessions
        )
        found = on(found, machine, sessions=sessions)
    status = judge(found)
    assert told(status) == [
        "the VPN between torino and bari had its last handshake 12 min ago: is UDP open between their front-ends?"
    ]


def test_a_lost_session_between_healthy_machines_is_told() -> None:
    found = facts("healthy")
    sessions = found.machines["torino-agent-1"].sessions
    found = on(found, "torino-agent-1", sessions=tuple(s for s in sessions if s.peer != "172.31.1.12"))
    status = judge(found)
    assert told(status) == ["1 BGP session is down: iBGP torino-agent-1 -> torino-agent-2: BIRD does not know it"]


def test_agents_and_frameworks() -> None:
    found = facts("healthy")
    leader = found.masters["cnaf"]
    assert leader.agents
    fewer = tuple(a for a in leader.agents if a.site != "bari")
    lost = dataclasses.replace(found, masters={**found.masters, "cnaf": dataclasses.replace(leader, agents=fewer)})
    assert told(judge(lost)) == ["mesos-agent on bari-front-end, bari-agent-1 run but are not registered with Mesos"]
    alone = dataclasses.replace(found, masters={**found.masters, "cnaf": dataclasses.replace(leader, frameworks=0)})
    assert told(judge(alone)) == ["Marathon leads but is not registered with Mesos: no task can start"]
    recovering = Master(True, "no answer in time", True, None)
    waits = judge(dataclasses.replace(found, masters={**found.masters, "cnaf": recovering}))
    assert told(waits) == [
        "the leading Mesos master, at cnaf, does not tell its agents (no answer in time): is it recovering still?"
    ]


def test_a_pool_that_is_not_up_and_one_whose_apps_are_gone() -> None:
    found = facts("healthy")
    status = judge(dataclasses.replace(found, stacks=tuple(s for s in found.stacks if s != "demo")))
    assert "the pool demo is not up" in told(status)
    assert status.pools == ()
    bari = dataclasses.replace(found.marathons["bari"], apps=())
    status = judge(dataclasses.replace(found, marathons={**found.marathons, "bari": bari}))
    assert told(status) == ["demo: Marathon has no app central-manager, submit-node, executors"]


def test_held_jobs_and_other_numbers_of_agents_are_notes() -> None:
    found = facts("healthy")
    pool = found.machines["torino-front-end"].pools["demo"]
    assert pool.jobs
    held = dataclasses.replace(pool, jobs=dataclasses.replace(pool.jobs, held=2))
    found = on(found, "torino-front-end", pools={"demo": held})
    found = dataclasses.replace(
        found, wanted=dataclasses.replace(found.wanted, agents_in_file={"torino": 3, "cnaf": 1, "bari": 1})
    )
    status = judge(found)
    assert status.exit_code == 0
    assert [n.split(":")[0] for n in status.notes] == ["Pulumi.torino.yaml asks for 3 agents, 2 are up", "demo"]


def test_a_busy_machine_is_a_doubt_only_where_something_is_wrong() -> None:
    well, down = facts("healthy"), facts("site-down")
    assert judge(dataclasses.replace(well, load=9)).notes == ()
    assert "busy" in judge(dataclasses.replace(down, load=9)).notes[-1]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_commands_are_never_broken(width: int) -> None:
    status = judge(facts("site-down"))
    assert "-> docker start aerie-cnaf-front-end aerie-cnaf-agent-1\n" in screen(status, width)


def test_many_sites_still_fit() -> None:
    found = facts("healthy")
    names = tuple(f"site-{n}" for n in range(40))
    wanted = dataclasses.replace(found.wanted, sites=(*found.wanted.sites, *names))
    status = judge(dataclasses.replace(found, wanted=wanted))
    text = screen(status)
    assert "... 33 more" in text
    assert "more: python -m tools.status --json shows them" in text
    assert len(text.splitlines()) <= 48


def by_framework(found: Facts, framework: Framework) -> Facts:
    """The facts of the healthy federation, its pool by a framework."""
    pools = tuple(dataclasses.replace(p, framework=True, executors=1) for p in found.wanted.pools)
    app = App("/demo/framework", 1, 1, 1, True, hosts=("172.31.2.11",))
    marathons = {
        s: dataclasses.replace(m, apps=(app,)) if m.apps is not None else m for s, m in found.marathons.items()
    }
    machines = tuple(
        dataclasses.replace(m, services=(*m.services, "rest-demo")) if m.name == "torino-front-end" else m
        for m in found.wanted.machines
    )
    old = found.machines["torino-front-end"]
    forwarder = Container("rest-demo", "running", age=600.0)
    found = on(found, "torino-front-end", containers=(*old.containers, forwarder))
    masters = {s: dataclasses.replace(m, frameworks=m.frameworks + 1) for s, m in found.masters.items()}
    return dataclasses.replace(
        found,
        wanted=dataclasses.replace(found.wanted, pools=pools, machines=machines),
        marathons=marathons,
        masters=masters,
        frameworks={"demo": framework},
    )


def framework(**changes: Any) -> Framework:
    body = json.loads((DATA / "framework.json").read_text())
    return dataclasses.replace(status_framework.read(body, "https://172.31.1.10:8601"), **changes)


def test_a_pool_by_a_framework_is_shown() -> None:
    status = judge(by_framework(facts("healthy"), framework()))
    assert (status.verdict, status.problems) == ("good", ())
    text = screen(status)
    assert all(len(line) <= 80 for line in text.splitlines())
    (row,) = [line.split() for line in text.splitlines() if line.startswith("demo ") and "max" in line]
    assert row == ["demo", "2/2", "1/1", "2", "(max", "10)", "1", "1", "9", "of", "8"]
    assert "3 of alice (7.0 ... 7.2): they want 16 cpus, no machine of the pool has more" in " ".join(text.split())
    assert "starts 1 executor at bari" in text
    assert status.notes == (
        "demo: 3 jobs can never run as they are (see above)",
        "demo: its administrator keeps it off cnaf",
    )
    assert status.pools[0].wanted == 4
    assert STATUS.validate_json(STATUS.dump_json(status)) == status


@pytest.mark.parametrize(
    ("changes", "what", "do"),
    [
        (
            {"answers": False, "trouble": "no connection"},
            "demo: its framework does not answer (no connection)",
            "rest-demo",
        ),
        ({"gone": True}, "demo: it was torn down, and its framework still stands", "pulumi destroy -s demo"),
        ({"connected": False}, "demo: its framework is not subscribed at Mesos", "https://172.31.1.10:8601/v1/pool"),
        (
            {"roles": (Role("submit-node", "launching", False, "it is starting"),)},
            "demo: submit-node is launching (it is starting)",
            "wait, then make status",
        ),
        (
            {"roles": (Role("submit-node", "running", False, "its health check fails"),)},
            "demo: submit-node is not healthy (its health check fails)",
            "/v1/pool",
        ),
        ({"fixed": Count(0)}, "demo: 0 of 1 fixed executors run", "/v1/pool"),
        ({"fixed": Count(0, 1)}, "demo: 0 of 1 fixed executors run, 1 start or are replaced", "wait"),
        ({"paused": True}, "demo is paused: its framework starts nothing and takes nothing away", "-X POST"),
        (
            {"data_age": 90.0},
            "demo: its framework has heard nothing for 90 s of the queue, and so starts nothing",
            "curl",
        ),
        ({"data_age": None}, "demo: its framework has no data of the queue, and so starts nothing", "curl"),
    ],
)
def test_what_is_wrong_with_a_pool_by_a_framework(changes: dict[str, Any], what: str, do: str) -> None:
    status = judge(by_framework(facts("healthy"), framework(**changes)))
    assert told(status) == [what]
    assert do in status.next
    assert "-k" not in status.next.split() and "admin:" not in status.next


def test_a_framework_whose_app_or_forwarder_is_gone_is_told_once() -> None:
    found = by_framework(facts("healthy"), framework(answers=False, trouble="no connection"))
    bari = dataclasses.replace(found.marathons["bari"], apps=())
    assert told(judge(dataclasses.replace(found, marathons={**found.marathons, "bari": bari}))) == [
        "demo: Marathon has no app framework"
    ]
    gone = judge(without(found, "torino-front-end", "rest-demo"))
    assert gone.next == "pulumi up -s demo --replace '**remote:Command::demo-rest'"


def test_frameworks_of_pools_are_not_marathons() -> None:
    found = by_framework(facts("healthy"), framework())
    masters = {s: dataclasses.replace(m, frameworks=1) for s, m in found.masters.items()}
    assert told(judge(dataclasses.replace(found, masters=masters))) == [
        "Marathon leads but is not registered with Mesos: no task can start"
    ]
