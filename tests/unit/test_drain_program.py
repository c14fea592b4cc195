"""The drain of a machine against a stand-in for Mesos' operator API, over HTTP as the real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from components.cluster import drain_rules as rules
from components.cluster.drain_masters import NoMaster, Operator, Refused
from components.cluster.drain_program import ALL_GO, Drain, Failed, Orders, back, timeout_now
from tools import maintenance

ADDRESS = "172.31.1.12"
AUTH = "Basic b3BlcmF0b3I6c2VjcmV0"  # operator:secret
Json = dict[str, Any]


@dataclass
class Cluster:
    """One master and one agent's API. `tasks`: task to framework, on the machine's agent; `agreed`: frameworks that accept."""

    tasks: dict[str, str] = field(default_factory=dict)
    agreed: set[str] = field(default_factory=set)
    schedule: Json = field(default_factory=lambda: {"windows": []})
    registered: bool = True
    recovered: bool = False
    deactivated: bool = False
    agent_answers: bool = True
    calls: list[str] = field(default_factory=list)
    on_call: Callable[[str], None] = lambda kind: None
    redirect: str = ""
    port: int = 0

    def _tasks(self) -> list[Json]:
        return [
            {
                "task_id": {"value": t},
                "framework_id": {"value": f},
                "agent_id": {"value": "S1"},
                "state": "TASK_RUNNING",
            }
            for t, f in self.tasks.items()
        ]

    def answer(self, body: Json) -> tuple[int, Json | str]:
        kind = body["type"]
        self.calls.append(kind)
        self.on_call(kind)
        info = {"id": {"value": "S1"}, "hostname": ADDRESS}
        match kind:
            case "GET_AGENTS":
                found = {
                    "agents": [{"agent_info": info, "deactivated": self.deactivated}] if self.registered else [],
                    "recovered_agents": [info] if self.recovered else [],
                }
                return 200, {"get_agents": found}
            case "GET_TASKS":
                ended = {"task_id": {"value": "old"}, "framework_id": {"value": "F"}, "state": "TASK_FINISHED"}
                other = {**ended, "agent_id": {"value": "S2"}, "state": "TASK_RUNNING", "task_id": {"value": "other"}}
                return 200, {"get_tasks": {"tasks": [*self._tasks(), {**ended, "agent_id": {"value": "S1"}}, other]}}
            case "GET_MAINTENANCE_SCHEDULE":
                return 200, {"get_maintenance_schedule": {"schedule": self.schedule}}
            case "UPDATE_MAINTENANCE_SCHEDULE":
                self.schedule = body["update_maintenance_schedule"]["schedule"]
                return 200, ""
            case "GET_MAINTENANCE_STATUS":
                answers = [{"framework_id": {"value": f}, "status": "ACCEPT"} for f in self.agreed]
                machines = [m for w in self.schedule["windows"] for m in w["machine_ids"]]
                draining = [{"id": m, "statuses": answers} for m in machines]
                return 200, {"get_maintenance_status": {"status": {"draining_machines": draining}}}
            case "DEACTIVATE_AGENT":
                self.deactivated = True
                return 200, ""
            case "REACTIVATE_AGENT":
                if not self.deactivated:
                    return 400, "Agent is not deactivated"
                self.deactivated = False
                return 200, ""
        return 501, kind


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Authorization"] == AUTH
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = found.answer(body)
            text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


def orders(**changes: Any) -> Orders:
    given: Json = {
        "machine": "torino-agent-2",
        "site": "torino",
        "address": ADDRESS,
        "masters": ["172.31.1.10:5050", "172.31.2.10:5050"],
        "agent_port": 5051,
        "user": "operator",
        "password": "secret",
        "ca": "",
        "timeout": 100,
        "members": {},
    }
    return Orders.of(json.dumps({**given, **changes}))


@dataclass
class Run:
    """A drain in a time of its own: each wait passes at once. `on_wait` is what happens meanwhile."""

    cluster: Cluster
    orders: Orders = field(default_factory=orders)
    timeout: float = 100
    masters: bool = True
    said: list[str] = field(default_factory=list)
    now: float = 0.0
    on_wait: Callable[[], None] = lambda: None
    trouble: Callable[[str, int], str] = lambda address, port: ""

    @property
    def operator(self) -> Operator:
        here = f"127.0.0.1:{self.cluster.port}"
        agent = here if self.cluster.agent_answers else "127.0.0.1:1"
        return Operator([here if self.masters else "127.0.0.1:1"], agent, "operator", "secret")

    def wait(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 1000
        self.on_wait()

    def __call__(self) -> None:
        Drain(
            self.orders,
            self.operator,
            self.said.append,
            timeout=lambda: self.timeout,
            trouble=self.trouble,
            clock=lambda: self.now,
            wait=self.wait,
        ).run()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AERIE_HOME", str(tmp_path))
    return tmp_path


def test_an_agent_without_a_task_is_drained_at_once(cluster: Cluster) -> None:
    run = Run(cluster)
    run()
    assert cluster.deactivated and run.now == 0
    assert "UPDATE_MAINTENANCE_SCHEDULE" not in cluster.calls
    assert run.said == ["torino-agent-2 is drained"]


def test_it_waits_until_every_framework_with_a_task_there_agrees(cluster: Cluster) -> None:
    cluster.tasks = {"demo.executor.1": "F1", "submit": "F1", "marathon.x": "F2"}
    run = Run(cluster)
    steps: list[tuple[bool, bool]] = []

    def meanwhile() -> None:
        steps.append((rules.scheduled(cluster.schedule, ADDRESS), cluster.deactivated))
        if run.now == 3:
            del cluster.tasks["marathon.x"]
        if run.now == 5:
            del cluster.tasks["demo.executor.1"]
            cluster.agreed.add("F1")

    run.on_wait = meanwhile
    run()
    assert steps == [(True, False)] * 5
    assert run.said == [
        "waiting for 3 tasks on torino-agent-2: demo.executor.1, marathon.x, submit (0 s)",
        "waiting for 2 tasks on torino-agent-2: demo.executor.1, submit (3 s)",
        "torino-agent-2 is drained; submit can be nowhere else and ends with it",
    ]
    assert cluster.deactivated and cluster.schedule == {"windows": []}
    assert cluster.calls.index("DEACTIVATE_AGENT") < len(cluster.calls) - 1 - cluster.calls[::-1].index(
        "UPDATE_MAINTENANCE_SCHEDULE"
    ), "the agent must get no task between the end of its maintenance and its own"


def test_a_task_that_is_launched_in_the_last_moment_is_waited_for(cluster: Cluster) -> None:
    def launched(kind: str) -> None:
        if kind == "DEACTIVATE_AGENT":
            cluster.tasks = {"late": "F1"}
            cluster.on_call = lambda kind: None

    cluster.on_call = launched
    run = Run(cluster)
    run.on_wait = lambda: cluster.tasks.clear()
    run()
    assert run.said[0].startswith("waiting for 1 task on torino-agent-2: late")


def test_what_another_drain_overwrites_is_put_back(cluster: Cluster) -> None:
    cluster.tasks = {"t": "F1"}
    run = Run(cluster)
    other = {"machine_ids": [rules.machine_id("172.31.3.11")], "unavailability": {"start": {"nanoseconds": 1}}}

    def meanwhile() -> None:
        if run.now == 2:
            cluster.schedule = {"windows": [other]}
        if run.now == 4:
            assert rules.scheduled(cluster.schedule, ADDRESS)
            cluster.agreed.add("F1")

    run.on_wait = meanwhile
    run()
    assert cluster.schedule == {"windows": [other]}, "the other's window stays"


def test_too_late_says_what_is_there_and_what_to_do(cluster: Cluster) -> None:
    cluster.tasks = {"demo.executor.1": "F1"}
    run = Run(cluster, timeout=10)
    with pytest.raises(Failed) as failure:
        run()
    for words in (
        "torino-agent-2 is not drained after 10 s: demo.executor.1 still there. Nothing was killed",
        "The same `pulumi up -s torino` goes on waiting",
        "aerie:drain_timeout: 0 in Pulumi.torino.yaml",
        "python -m tools.maintenance end 172.31.1.12",
    ):
        assert words in str(failure.value)
    assert rules.scheduled(cluster.schedule, ADDRESS) and not cluster.deactivated
    cluster.agreed.add("F1")
    Run(cluster, timeout=10)()
    assert cluster.schedule == {"windows": []}, "the same command goes on from there"


def test_nothing_is_waited_for_with_a_timeout_of_0(cluster: Cluster) -> None:
    cluster.tasks = {"demo.executor.1": "F1"}
    run = Run(cluster, timeout=0)
    run()
    assert run.now == 0 and cluster.deactivated
    assert "demo.executor.1 will end with it" in run.said[0]


def test_an_agent_that_is_gone_keeps_nobody(cluster: Cluster) -> None:
    cluster.registered, cluster.tasks = False, {"t": "F1"}
    run = Run(cluster)
    run()
    assert run.said == ["no agent of torino-agent-2 is there, so nothing is drained"]


def test_a_new_master_is_given_time_to_see_the_agent(cluster: Cluster) -> None:
    cluster.registered, cluster.recovered, cluster.tasks = False, True, {"t": "F1"}
    run = Run(cluster)

    def meanwhile() -> None:
        if run.now == 2:
            cluster.registered, cluster.recovered = True, False
        if run.now == 4:
            cluster.agreed.add("F1")

    run.on_wait = meanwhile
    run()
    assert run.now == 4 and cluster.deactivated
    dead = Cluster(registered=False, recovered=True, agent_answers=False, port=cluster.port)
    cluster.registered, cluster.recovered = False, True
    run = Run(cluster)
    cluster.agent_answers = dead.agent_answers
    run()
    assert run.said == ["no agent of torino-agent-2 is there, so nothing is drained"]


def test_without_a_master_only_an_empty_machine_goes(cluster: Cluster) -> None:
    # The stand-in answers as the agent too: GET_TASKS tells all that it has.
    run = Run(cluster, masters=False)
    cluster.tasks = {"t": "F1"}
    with pytest.raises(Failed, match=r"no Mesos master answers, so nothing can be drained: .*still there"):
        run()
    assert run.now == 30 and cluster.calls == ["GET_TASKS"] * len(cluster.calls)
    cluster.agent_answers = False
    with pytest.raises(Failed, match="its agent does not answer either"):
        Run(cluster, masters=False)()
    given_up = Run(cluster, masters=False, timeout=0)
    given_up()
    assert given_up.now == 0 and "goes with all that runs there" in given_up.said[0]


MEMBERS = {"torino": "172.31.1.10", "cnaf": "172.31.2.10", "bari": "172.31.3.10"}


def test_the_quorum_is_not_lost_while_tasks_run(cluster: Cluster) -> None:
    run = Run(cluster, orders(members=MEMBERS), trouble=lambda a, _: "ZooKeeper" if a == "172.31.2.10" else "")
    with pytest.raises(Failed, match=r"cnaf's member does not answer \(ZooKeeper\), 2 must be left") as failure:
        run()
    assert "1 task of the cluster" in str(failure.value)
    assert cluster.calls == ["GET_TASKS"] and not cluster.deactivated
    asked: list[str] = []

    def all_well(address: str, port: int) -> str:
        asked.append(f"{address}:{port}")
        return ""

    Run(cluster, orders(members=MEMBERS), trouble=all_well)()
    assert asked == ["172.31.2.10:5050", "172.31.3.10:5050"]
    assert cluster.deactivated


def test_the_quorum_goes_with_the_whole_federation(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALL_GO, "yes")
    Run(cluster, orders(members=MEMBERS, timeout=0), trouble=lambda a, _: "ZooKeeper")()
    assert cluster.deactivated


def test_a_whole_federation_without_tasks_goes_down(cluster: Cluster) -> None:
    nothing = cluster.answer

    def answer(body: Json) -> tuple[int, Json | str]:
        return (200, {"get_tasks": {}}) if body["type"] == "GET_TASKS" else nothing(body)

    cluster.answer = answer  # type: ignore[method-assign]
    Run(cluster, orders(members=MEMBERS), trouble=lambda a, _: "ZooKeeper")()
    run = Run(cluster, orders(members=MEMBERS), masters=False, trouble=lambda a, _: "ZooKeeper")
    run()
    assert run.said == ["no Mesos master answers, so nothing can be drained; torino-agent-2 has no task"]


def test_a_machine_that_is_back_works_again(cluster: Cluster, home: Path) -> None:
    cluster.tasks = {"t": "F1"}
    run = Run(cluster, timeout=0)
    run()
    cluster.schedule = rules.with_machine(cluster.schedule, ADDRESS, 1.0)
    file = home / "drained" / "torino-agent-2.agent"
    assert file.read_text() == "S1"
    assert back(run.orders, run.operator, run.wait)
    assert not cluster.deactivated and cluster.schedule == {"windows": []} and not file.exists()
    cluster.calls.clear()
    assert back(run.orders, run.operator, run.wait)
    assert cluster.calls == ["GET_AGENTS", "GET_MAINTENANCE_SCHEDULE"], "nothing is to be done"
    cluster.deactivated = True  # by another's Pulumi, elsewhere
    assert back(run.orders, run.operator, run.wait) and not cluster.deactivated


def test_a_new_machine_does_not_wait_for_a_master(cluster: Cluster) -> None:
    def never(_: float) -> None:
        raise AssertionError("it waited")

    assert back(orders(), Run(cluster, masters=False).operator, never)


def test_the_password_goes_to_masters_only(cluster: Cluster) -> None:
    operator = Operator(["127.0.0.1:1"], "127.0.0.1:1", "operator", "secret")
    with pytest.raises(NoMaster):
        operator.call("GET_AGENTS")
    assert "secret" not in repr(operator) and "secret" not in repr(orders())
    with pytest.raises(Refused, match="400: Agent is not deactivated"):
        Run(cluster).operator.call("REACTIVATE_AGENT", reactivate_agent={})


def test_the_timeout_is_what_the_sites_file_says_now(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.torino.yaml"
    assert timeout_now(orders(), tmp_path) == 100, "there is no such file"
    file.write_text("config:\n  aerie:drain_timeout: 0\n")
    assert timeout_now(orders(), tmp_path) == 0
    file.write_text("config:\n  aerie:agents: 2\n")
    assert timeout_now(orders(), tmp_path) == 3600


def test_nothing_is_waited_for_where_everything_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALL_GO, "yes")
    assert timeout_now(orders(), tmp_path) == 0


def test_by_hand_one_sees_who_goes_and_keeps_one(cluster: Cluster) -> None:
    cluster.tasks = {"submit": "F1", "demo.executor.1": "F2"}
    cluster.agreed = {"F1"}
    operator, machines = Run(cluster).operator, {"torino-agent-2": ADDRESS}
    assert maintenance.show(operator, machines) == ["no machine is in maintenance"]
    cluster.schedule, cluster.deactivated = rules.with_machine(cluster.schedule, ADDRESS, 1.0), True
    assert maintenance.show(operator, machines) == ["torino-agent-2: waits for demo.executor.1"]
    cluster.agreed.add("F2")
    assert maintenance.show(operator, {}) == [f"{ADDRESS}: may go"]
    maintenance.keep(operator, ADDRESS)
    assert cluster.schedule == {"windows": []} and not cluster.deactivated
