"""A machine's drain as the engine is told of it: when it ends, by what, and with which secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.cluster.drain_program import Orders
from components.cluster.drain_rules import (
    agent_of,
    machine_id,
    scheduled,
    tasks_on,
    with_machine,
    without_machine,
)
from tests.unit.conftest import Checkout, Graphs
from tests.unit.mocks import MARK, UNKNOWN, Graph, texts_in_the_clear

SITES = ("torino", "cnaf", "bari")


def drains(graph: Graph) -> dict[str, Any]:
    return {r.name.removesuffix("-drain"): r for r in graph.of("local:Command")}


@pytest.mark.parametrize("stack", SITES)
def test_every_machine_has_one_that_ends_before_it(graphs: Graphs, stack: str) -> None:
    graph = graphs(stack)
    found = drains(graph)
    machines = {r.name: r for r in graph.of(":Container")}
    assert found.keys() == machines.keys()
    for name, drain in found.items():
        assert drain.deleted_with == "", "its deletion is what it is for"
        assert drain.replace_first
        assert drain.inputs["triggers"] == [f"id of {name}"], "a machine made anew makes it anew"
        assert {graph[f"{name}-ready"].urn, graph[f"{name}-mesos-agent"].urn} <= drain.depends_on
        assert machines[name].urn in graph[f"{name}-ready"].depends_on
        assert machines[name].replace_first, "two machines of one name cannot be"


@pytest.mark.parametrize("stack", SITES)
def test_the_front_end_is_drained_last(graphs: Graphs, stack: str) -> None:
    """What is deleted first depends on what is deleted later."""
    found = drains(graphs(stack))
    front_end = found.pop(f"{stack}-front-end")
    assert found
    for drain in found.values():
        assert front_end.urn in drain.depends_on
        assert drain.urn not in front_end.depends_on


@pytest.mark.parametrize("preview", [False, True])
def test_the_password_goes_by_standard_input_and_is_a_secret(graphs: Graphs, preview: bool) -> None:
    for drain in drains(graphs("torino", preview)).values():
        assert "stdin" in drain.secrets or drain.wire["stdin"] == UNKNOWN
        assert not any(MARK in text for text in texts_in_the_clear(dict(drain.wire)))
        assert MARK not in drain.inputs["create"] + drain.inputs["delete"]


def test_what_the_program_is_told(graphs: Graphs) -> None:
    found = {name: Orders.of(d.inputs["stdin"]) for name, d in drains(graphs("torino")).items()}
    agent, front_end = found["torino-agent-2"], found["torino-front-end"]
    assert (agent.machine, agent.site, agent.timeout, agent.members) == ("torino-agent-2", "torino", 3600, {})
    assert set(front_end.members) == set(SITES), "it holds a member of the quorum"
    assert sorted(agent.masters) == sorted(f"{address}:5050" for address in front_end.members.values())
    assert front_end.address == front_end.members["torino"]
    assert agent.user == "operator" and agent.password == f"{MARK} mesos-operator"
    assert MARK not in repr(agent)


def test_the_program_is_there() -> None:
    """The commands name a module that Python finds from the checkout's folder."""
    from components.cluster import drain, drain_program

    python, flag, module = drain.PROGRAM.split()
    assert (python, flag) == (".venv/bin/python", "-m")
    assert Path(drain_program.__file__).parts[-3:] == tuple(f"{module.replace('.', '/')}.py".split("/"))


def test_the_timeout_is_the_sites_own(checkouts: Callable[[], Checkout]) -> None:
    checkout = checkouts()
    checkout.change("Pulumi.torino.yaml", lambda d: d["config"].update({"aerie:drain_timeout": 7}))
    (one, *_) = drains(checkout.graph("torino")).values()
    assert json.loads(one.inputs["stdin"])["timeout"] == 7


# -- Mesos' answers


def test_the_schedule_keeps_what_others_have_there() -> None:
    both = {
        "windows": [
            {"machine_ids": [machine_id("a"), machine_id("b")], "unavailability": {"start": {"nanoseconds": 1}}},
            {"machine_ids": [machine_id("c")], "unavailability": {"start": {"nanoseconds": 2}}},
        ]
    }
    left = without_machine(both, "a")
    assert [[m["ip"] for m in w["machine_ids"]] for w in left["windows"]] == [["b"], ["c"]]
    assert without_machine(without_machine(left, "b"), "c") == {"windows": []}
    assert scheduled(both, "a") and not scheduled(left, "a") and not scheduled({}, "a")
    again = with_machine(both, "a", 3.0)
    assert [[m["ip"] for m in w["machine_ids"]] for w in again["windows"]] == [["b"], ["c"], ["a"]]
    assert again["windows"][-1]["unavailability"] == {"start": {"nanoseconds": 3_000_000_000}}


def test_tasks_that_ended_are_none() -> None:
    def task(name: str, state: str | None, agent: str = "S1") -> dict[str, Any]:
        found = {"task_id": {"value": name}, "framework_id": {"value": "F"}, "agent_id": {"value": agent}}
        return found if state is None else {**found, "state": state}

    answer = {
        "pending_tasks": [task("pending", None)],
        "tasks": [task("runs", "TASK_RUNNING"), task("done", "TASK_FINISHED"), task("other", "TASK_RUNNING", "S2")],
        "completed_tasks": [task("old", "TASK_RUNNING")],
    }
    assert [t.id for t in tasks_on(answer, "S1")] == ["pending", "runs"]
    assert [t.id for t in tasks_on(answer, None)] == ["other", "pending", "runs"]


def test_an_agent_is_known_by_its_address() -> None:
    info = {"id": {"value": "S1"}, "hostname": "172.31.1.11"}
    assert agent_of({}, "172.31.1.11") is None
    found = agent_of({"agents": [{"agent_info": info}]}, "172.31.1.11")
    assert found is not None and found.there
    waited_for = agent_of({"recovered_agents": [info]}, "172.31.1.11")
    assert waited_for is not None and not waited_for.there
