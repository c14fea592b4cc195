"""Drains a machine's agent before the machine goes, and lets it work again when it is back. A process of its own, beside Pulumi:

    python -m components.cluster.drain_program drain|back      the orders, JSON, on standard input

It asks the masters, never the machine itself, so that a machine that is dead can be taken away too. When a drain has ended the agent is
deactivated (Mesos offers nothing of it any more) and out of the maintenance schedule, which so names nothing that is no more.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import drain_rules as rules
from .drain_masters import NoMaster, Operator, Refused, answers, reachable

Json = dict[str, Any]
# Seconds.
NO_MASTER_AFTER = 30.0
LOOK_EVERY = 1.0  # the operator API tells of no answer to an inverse offer by itself
BACK_WITHIN = 60.0
SAY_AGAIN = 30.0
DEFAULT_TIMEOUT = 3600.0
ZOOKEEPER, ETCD = 2181, 2379
ALL_GO = "AERIE_ALL_GO"  # in the environment: the whole federation is taken down


class Failed(Exception):
    """It was not drained; the text says why, and what to do."""


@dataclass(frozen=True)
class Orders:
    """`members`: the sites of the quorum to their front-ends' addresses, if this machine holds a member of it; else empty."""

    machine: str
    site: str
    address: str
    masters: tuple[str, ...]
    agent_port: int
    user: str
    ca: str
    timeout: float
    members: dict[str, str]
    password: str = field(repr=False, default="")

    @classmethod
    def of(cls, text: str) -> Orders:
        raw = json.loads(text)
        return cls(**{**raw, "masters": tuple(raw["masters"])})

    def operator(self) -> Operator:
        return Operator(self.masters, f"{self.address}:{self.agent_port}", self.user, self.password, self.ca)


def timeout_now(orders: Orders, folder: Path = Path()) -> float:
    """What the site's file says now: Pulumi deletes by what was set when the resource was last updated, and a machine that the program
    knows no more is never updated again. ALL_GO says that everything goes, so that nothing could be anywhere else."""
    if os.environ.get(ALL_GO):
        return 0.0
    import yaml  # not before it is needed: most drains have nothing to wait for

    try:
        said = yaml.safe_load((folder / f"Pulumi.{orders.site}.yaml").read_text())
        return float(said["config"].get("aerie:drain_timeout", DEFAULT_TIMEOUT))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        return orders.timeout


def marker(orders: Orders) -> Path | None:
    """Says that this machine's agent was deactivated, and which one that was."""
    home = os.environ.get("AERIE_HOME")
    return Path(home) / "drained" / f"{orders.machine}.agent" if home else None


def member_trouble(address: str, master_port: int) -> str:
    """What is wrong with one member of the quorum, "" for nothing."""
    if not answers(address, ZOOKEEPER, b"ruok", b"imok"):
        return "ZooKeeper"
    if not reachable(address, ETCD):
        return "etcd"
    return "" if reachable(address, master_port) else "the Mesos master"


class Drain:
    """`say` shows a line to whoever watches; `wait` passes so many seconds."""

    def __init__(
        self,
        orders: Orders,
        operator: Operator,
        say: Callable[[str], None],
        *,
        timeout: Callable[[], float],
        trouble: Callable[[str, int], str] = member_trouble,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._orders, self._operator, self._say = orders, operator, say
        self._timeout, self._trouble, self._clock, self._wait = timeout, trouble, clock, wait
        self._said = ("", 0.0)

    def run(self) -> None:
        """Until the machine can go. Raises Failed if it must not."""
        orders, began = self._orders, self._clock()
        self._keep_quorum()
        silent_since: float | None = None
        while True:
            try:
                if self._look(self._clock() - began):
                    return
                silent_since = None
            except NoMaster:
                silent_since = self._clock() if silent_since is None else silent_since
                own = self._operator.agents_own_tasks()
                tasks = rules.tasks_on(own, None) if own is not None else None
                if tasks == []:
                    self._say(f"no Mesos master answers, so nothing can be drained; {orders.machine} has no task")
                    return
                if self._timeout() <= 0:
                    self._say(f"no Mesos master answers: {orders.machine} goes with all that runs there")
                    return
                if self._clock() >= silent_since + NO_MASTER_AFTER:
                    raise Failed(rules.no_master(orders.machine, orders.site, tasks)) from None
            self._wait(LOOK_EVERY)

    def _keep_quorum(self) -> None:
        members = {site: a for site, a in self._orders.members.items() if site != self._orders.site}
        if not self._orders.members or os.environ.get(ALL_GO):
            return
        port = int(self._orders.masters[0].rpartition(":")[2])
        trouble = {site: self._trouble(address, port) for site, address in members.items()}
        needed = len(self._orders.members) // 2 + 1
        if sum(not what for what in trouble.values()) >= needed:
            return
        try:
            tasks = rules.tasks_on(self._operator.call("GET_TASKS").get("get_tasks", {}), None)
        except NoMaster:
            return  # there is no quorum to lose
        if tasks:
            raise Failed(rules.quorum_lost(self._orders.machine, trouble, needed, tasks))

    def _look(self, passed: float) -> bool:
        """Whether the machine can go now; if not, it is in maintenance. Raises NoMaster or Failed."""
        orders, call = self._orders, self._operator.call
        agent = rules.agent_of(call("GET_AGENTS").get("get_agents", {}), orders.address)
        # A new master waits for the agents that it does not see yet, and knows none of their tasks.
        own = None if agent is None or agent.there else self._operator.agents_own_tasks()
        if agent is None or (not agent.there and own is None):
            self._say(f"no agent of {orders.machine} is there, so nothing is drained")
            self._unschedule()
            return True
        tasks = self._tasks(agent) if own is None else rules.tasks_on(own, None)
        if not tasks:
            self._deactivate(agent)
            tasks = self._tasks(agent) if agent.there else tasks  # one may just have been launched
        status = call("GET_MAINTENANCE_STATUS").get("get_maintenance_status", {}).get("status", {}) if tasks else {}
        if not tasks or (
            rules.draining(status, orders.address) and not rules.waiting_for(tasks, status, orders.address)
        ):
            self._deactivate(agent)
            self._unschedule()
            left = f"; {rules.names(tasks)} can be nowhere else and ends with it" if tasks else ""
            self._say(f"{orders.machine} is drained{left}")
            return True
        waiting = rules.waiting_for(tasks, status, orders.address)
        timeout = self._timeout()
        if timeout <= 0:
            self._deactivate(agent)
            self._unschedule()
            self._say(
                f"{orders.machine} is not drained (aerie:drain_timeout: 0): {rules.names(tasks)} will end with it"
            )
            return True
        if not rules.draining(status, orders.address):
            self._schedule()
        elif passed >= timeout:
            raise Failed(rules.timed_out(orders.machine, orders.address, orders.site, waiting, passed))
        self._progress(waiting, passed)
        return False

    def _tasks(self, agent: rules.Agent) -> list[rules.Task]:
        return rules.tasks_on(self._operator.call("GET_TASKS").get("get_tasks", {}), agent.id)

    def _progress(self, waiting: list[rules.Task], passed: float) -> None:
        text = f"waiting for {rules.count(waiting)} on {self._orders.machine}: {rules.names(waiting)}"
        if text != self._said[0] or passed >= self._said[1] + SAY_AGAIN:
            self._said = (text, passed)
            self._say(f"{text} ({passed:.0f} s)")

    def _deactivate(self, agent: rules.Agent) -> None:
        if (file := marker(self._orders)) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(agent.id)
        self._operator.call("DEACTIVATE_AGENT", deactivate_agent={"agent_id": {"value": agent.id}})

    def _schedule(self) -> None:
        """Mesos keeps one schedule for all and cannot be told to change a part of it: what another drain overwrites is seen by the next
        look, which puts it back."""
        now = rules.with_machine(schedule_of(self._operator), self._orders.address, time.time())
        self._operator.call("UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": now})

    def _unschedule(self) -> None:
        unschedule(self._operator, self._orders.address, self._wait)


def schedule_of(operator: Operator) -> Json:
    found: Json = operator.call("GET_MAINTENANCE_SCHEDULE").get("get_maintenance_schedule", {}).get("schedule", {})
    return found


def unschedule(operator: Operator, address: str, wait: Callable[[float], None] = time.sleep) -> bool:
    """Takes the machine out of the maintenance schedule; whether it was there. Looks again where others change the schedule too."""
    was = False
    while rules.scheduled(schedule := schedule_of(operator), address):
        was = True
        left = rules.without_machine(schedule, address)
        operator.call("UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": left})
        if left["windows"]:
            wait(LOOK_EVERY)  # whoever had read it before us has written it by then
    return was


def reactivate(operator: Operator, agent: str) -> None:
    """Lets Mesos offer the agent again."""
    try:
        operator.call("REACTIVATE_AGENT", reactivate_agent={"agent_id": {"value": agent}})
    except Refused as refusal:
        # It is active already, or (409) will be as soon as it is registered.
        if refusal.status not in (400, 409):
            raise


def back(orders: Orders, operator: Operator, wait: Callable[[float], None] = time.sleep) -> bool:
    """The machine is there (again): its agent gets tasks. Without a master nothing is done, unless we know that an agent was
    deactivated: then one is waited for. False if none came."""
    file = marker(orders)
    ours = file.read_text().strip() if file is not None and file.is_file() else ""
    until = time.monotonic() + (BACK_WITHIN if ours else 0.0)
    while True:
        try:
            agent = rules.agent_of(operator.call("GET_AGENTS").get("get_agents", {}), orders.address)
            # Only if need be: masters that are not up to date yet know nobody who may.
            for each in {ours, agent.id if agent is not None and agent.deactivated else ""} - {""}:
                reactivate(operator, each)
            unschedule(operator, orders.address, wait)
            break
        except NoMaster:
            if time.monotonic() >= until:
                return not ours
            wait(LOOK_EVERY)
    if file is not None:
        file.unlink(missing_ok=True)
    return True


def main(verb: str) -> int:
    """0: the machine may go (or works again); 1: not, told why."""
    orders = Orders.of(sys.stdin.read())
    operator = orders.operator()

    def say(text: str) -> None:
        print(text, flush=True)

    try:
        if verb == "back":
            if back(orders, operator):
                return 0
            raise Failed(
                f"no Mesos master answered within {BACK_WITHIN:.0f} s: the agent of {orders.machine} gets no task yet. Run pulumi up -s "
                f"{orders.site} again once a quorum of sites is up"
            )
        Drain(orders, operator, say, timeout=lambda: timeout_now(orders)).run()
    except (Failed, Refused) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        raise SystemExit(main(sys.argv[1]))
