"""Many turns of the scheduler's decision against a cluster that does what it likes: what must hold in each of them, and where it ends."""

import dataclasses
import itertools
import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from marathon_core_helpers import T0, offer, operations
from marathon_service.core import deployments, updates
from marathon_service.core.constraints import Place, allowed
from marathon_service.core.model import State
from marathon_service.core.operations import Locked
from marathon_service.core.planning import Plan, plan
from marathon_service.core.scaling import change
from mesos_client import TaskStatus

HOSTS, CPUS = 4, 2.0
CHECK = {"protocol": "COMMAND", "command": {"value": "true"}, "maxConsecutiveFailures": 0}


class Cluster:
    """Machines with room, and tasks that start, become healthy, fail or end as `luck` has it."""

    def __init__(self, luck: random.Random) -> None:
        self.luck, self.now, self.numbers = luck, T0, itertools.count()
        self.ops = operations(State(), lambda: self.now)
        self.tasks: dict[str, tuple[str, float]] = {}  # id -> host, cpus

    @property
    def state(self) -> State:
        return self.ops.state

    def free(self, host: str) -> float:
        return round(CPUS - sum(cpus for h, cpus in self.tasks.values() if h == host), 6)

    def turn(self, offered: int = HOSTS) -> Plan:
        hosts = self.luck.sample([f"n{n}" for n in range(HOSTS)], offered)
        offers = [offer(h, cpus=self.free(h), rack=f"r{int(h[1]) % 2}") for h in hosts if self.free(h) > 0.05]
        before = {a: self._ready(a) for a in self.state.apps}
        total = {a: len(self.state.of_app(a)) for a in self.state.apps}
        killed = {i.id for i in self.state.instances.values() if i.kill_reason}
        where = {a: [self._place(i) for i in self.state.of_app(a) if i.active] for a in self.state.apps}
        result = plan(self.state, offers, self.now, lambda a: f"{a}.{next(self.numbers)}")
        self._check(result, before, total, killed, where)
        for launches in result.launches.values():
            for x in launches:
                self.tasks[x.instance.id] = (x.instance.hostname, x.spec.cpus)
        for host in {h for h, _ in self.tasks.values()}:
            assert self.free(host) >= -1e-6  # never over an offer
        for task, _, _ in result.kills:
            self.say(task, "TASK_KILLING")
        self.now += 1.0
        return result

    @staticmethod
    def _place(i) -> Place:
        return Place(i.hostname, i.attributes)

    def _ready(self, app_id: str) -> int:
        spec = self.state.apps[app_id]
        return sum(i.ready(spec) for i in self.state.of_app(app_id))

    def _check(self, result: Plan, before: dict, total: dict, killed: set, where: dict) -> None:
        for app_id, spec in self.state.apps.items():
            mine = self.state.of_app(app_id)
            # What the indexes say is what looking at everything says.
            wanted = deployments.wanted(self.state, app_id)
            if wanted is not None:
                assert deployments.needed(self.state, wanted) == change(wanted, mine)
            if wanted is not spec:
                continue
            ended = [i for i in mine if i.kill_reason == "surplus" and i.id not in killed and i.running]
            rolling = any(i.version < spec.config_version for i in mine)
            well = sum(dataclasses.replace(i, kill_reason=None).ready(spec) for i in ended)
            if rolling and well:
                assert before[app_id] - well >= spec.min_healthy, "below minimumHealthCapacity"
            launched = [x.instance for xs in result.launches.values() for x in xs if x.spec.id == app_id]
            if launched:
                assert len(mine) <= max(spec.max_total, total[app_id]), "above maximumOverCapacity"
            placed = list(where.get(app_id, ()))
            for i in [i for i in mine if i.id in {x.id for x in launched}]:
                assert allowed(spec.constraints, self._place(i), placed)
                placed.append(self._place(i))
        restless = {i.id for i in self.state.instances.values() if i.restless}
        assert set(self.state.attention) == restless

    def say(self, task: str, state: str, healthy: bool | None = None) -> None:
        updates.apply(self.state, TaskStatus(task, state, "A", healthy=healthy, timestamp=self.now), self.now)
        if task not in self.state.instances:
            self.tasks.pop(task, None)

    def happen(self, kindly: bool) -> None:
        """Each task goes on a step; or, unless `kindly`, does something else."""
        for task in list(self.tasks):
            i = self.state.instances.get(task)
            if i is None:
                self.tasks.pop(task)
            elif i.state == "TASK_KILLING":
                self.say(task, "TASK_KILLED")
            elif not kindly and self.luck.random() < 0.5:
                if self.luck.random() < 0.2:
                    self.say(task, self.luck.choice(["TASK_FAILED", "TASK_LOST", "TASK_FINISHED"]))
                elif i.running:
                    self.say(task, "TASK_RUNNING", self.luck.choice([True, False]))
            elif not i.running:
                self.say(task, "TASK_RUNNING")
            else:
                self.say(task, "TASK_RUNNING", True)


APPS = st.fixed_dictionaries(
    {
        "instances": st.integers(0, 5),
        "cpus": st.sampled_from([0.1, 0.3, 0.5]),
        "constraints": st.sampled_from([[], [["hostname", "MAX_PER", "4"]], [["rack", "GROUP_BY", "2"]]]),
        "healthChecks": st.sampled_from([[], [CHECK]]),
        "env": st.sampled_from([{}, {"A": "1"}, {"A": "2"}]),
        "upgradeStrategy": st.builds(
            lambda low, over: {"minimumHealthCapacity": low, "maximumOverCapacity": over},
            st.sampled_from([0, 0.5, 1]),
            st.sampled_from([0, 0.5, 1]),
        ),
    }
)
STEPS = st.lists(st.one_of(st.none(), st.tuples(st.sampled_from(["/a", "/g/b"]), APPS), st.just("delete")), max_size=8)


def repeated(cluster: Cluster, done: Callable[[], bool], turns: int = 150) -> None:
    for _ in range(turns):
        if done():
            return
        cluster.happen(kindly=True)
        cluster.turn()
        cluster.now += 20.0  # back-off ends
    raise AssertionError(f"never ends: {cluster.state.deployments} {cluster.state.instances}")


@given(st.randoms(use_true_random=False), STEPS)
def test_bounds_hold_in_every_turn_and_it_ends_as_asked(luck: random.Random, steps: list) -> None:
    cluster = Cluster(luck)
    for step in steps:
        force = luck.random() < 0.5
        try:
            if step == "delete":
                cluster.ops.delete(list(cluster.state.apps)[:1], force=force)
            elif step is not None:
                app_id, app = step
                cluster.ops.update(app_id, {"id": app_id, "cmd": "x", **app}, force=force)
        except Locked:
            pass
        for _ in range(luck.randrange(4)):
            cluster.happen(kindly=False)
            cluster.turn(luck.randint(0, HOSTS))
    repeated(cluster, lambda: not cluster.state.deployments)

    def settled() -> bool:
        return all(cluster._ready(a) == s.instances for a, s in cluster.state.apps.items())

    repeated(cluster, settled)
    for app_id, spec in cluster.state.apps.items():
        assert all(i.version >= spec.config_version for i in cluster.state.of_app(app_id) if i.active)
    assert {i.app_id for i in cluster.state.instances.values()} <= set(cluster.state.apps)
