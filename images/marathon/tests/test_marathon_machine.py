"""Random sequences of what clients ask for and of what goes wrong end in the state that was asked for.

The decisions only, with a clock of the test's: no HTTP, no ZooKeeper, and a Mesos that is a few lines.
"""

import itertools
import json

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from marathon_helpers import T0, offer, operations
from marathon_service.core import history, updates
from marathon_service.core.groups import Groups
from marathon_service.core.model import State
from marathon_service.core.operations import Conflict, Locked, NotFound
from marathon_service.core.planning import Settings, plan
from marathon_service.core.validation import Invalid
from mesos_client import TaskStatus

AGENTS = ("n1", "n2", "n3")
IDS = ("/a", "/g/b", "/g/c", "/g/h/d")
CPUS = 20.0
TURNS = st.integers(0, 3)  # of the scheduler, before the next thing happens


class Cluster(RuleBasedStateMachine):
    """`want`: what clients asked for last, app by app: (instances, the text that tells configurations apart)."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T0
        self.numbers, self.ids = itertools.count(1), itertools.count(1)
        self.stored: dict[tuple[str, str], str] = {}
        self.tasks: dict[str, tuple[str, str]] = {}  # what runs, as Mesos knows it: task -> (agent, app)
        self.away: set[str] = set()
        self.want: dict[str, tuple[int, str]] = {}
        self._begin(State())

    def _begin(self, state: State) -> None:
        self.ops = operations(state, lambda: self.now)
        self.ops._new_id = lambda: f"d{next(self.ids)}"
        self.groups = Groups(self.ops)

    @property
    def state(self) -> State:
        return self.ops.state

    # -- what clients ask for

    def _ask(self, change) -> bool:
        try:
            change()
        except (Locked, Conflict, NotFound, Invalid):
            return False
        return True

    def _app(self, app_id: str, instances: int, mark: str, **more) -> dict:
        ready = {"readinessChecks": [{"portName": "default"}]} if app_id == "/g/c" else {}
        return {
            "id": app_id,
            "cmd": "x",
            "cpus": 0.1,
            "mem": 1,
            "instances": instances,
            "env": {"MARK": mark},
            "backoffSeconds": 1,
            **ready,
            **more,
        }

    @initialize(counts=st.lists(st.integers(0, 4), min_size=len(IDS), max_size=len(IDS)), turns=TURNS)
    def begin(self, counts: list[int], turns: int) -> None:
        for app_id, instances in zip(IDS, counts, strict=True):
            self.ops.create(self._app(app_id, instances, "x"))
            self.want[app_id] = (instances, "x")
        self._turns(turns)

    def _turns(self, count: int) -> None:
        for _ in range(count):
            self._turn()

    @rule(
        app_id=st.sampled_from(IDS),
        turns=TURNS,
        instances=st.integers(0, 4),
        mark=st.sampled_from("xyz"),
        over=st.sampled_from([0, 0.5, 1]),
        least=st.sampled_from([0, 0.5, 1]),
        force=st.booleans(),
    )
    def put(self, app_id: str, instances: int, mark: str, over: float, least: float, force: bool, turns: int) -> None:
        body = self._app(
            app_id, instances, mark, upgradeStrategy={"minimumHealthCapacity": least, "maximumOverCapacity": over}
        )
        if self._ask(lambda: self.ops.update(app_id, body, partial=False, force=force)):
            self.want[app_id] = (instances, mark)
        self._turns(turns)

    @rule(app_id=st.sampled_from(IDS), instances=st.integers(0, 4), turns=TURNS)
    def scale(self, app_id: str, instances: int, turns: int) -> None:
        if app_id in self.want and self._ask(lambda: self.ops.update(app_id, {"instances": instances}, force=True)):
            self.want[app_id] = (instances, self.want[app_id][1])
        self._turns(turns)

    @rule(app_id=st.sampled_from(IDS), force=st.booleans(), turns=TURNS)
    def restart(self, app_id: str, force: bool, turns: int) -> None:
        self._ask(lambda: self.ops.restart(app_id, force))
        self._turns(turns)

    @rule(app_id=st.sampled_from(IDS))
    def delete(self, app_id: str) -> None:
        if app_id in self.want and self._ask(lambda: self.ops.delete([app_id], True)):
            del self.want[app_id]

    @rule(
        counts=st.dictionaries(st.sampled_from(["b", "c"]), st.integers(0, 3)),
        mark=st.sampled_from("xyz"),
        needs=st.booleans(),
    )
    def put_group(self, counts: dict[str, int], mark: str, needs: bool) -> None:
        """Without "groups", so that what is in /g/h stays."""
        apps = [
            self._app(f"/g/{n}", k, mark, **({"dependencies": ["b"]} if needs and n == "c" else {}))
            for n, k in counts.items()
        ]
        if self._ask(lambda: self.groups.change({"apps": apps}, "/g", True)):
            self.want = {a: w for a, w in self.want.items() if a not in ("/g/b", "/g/c")}
            self.want |= {f"/g/{n}": (k, mark) for n, k in counts.items()}

    @rule(by=st.sampled_from([0, 0.5, 2]))
    def scale_group(self, by: float) -> None:
        if self._ask(lambda: self.groups.change({"scaleBy": by}, "/g", True)):
            self._look()

    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        if versions := history.versions(self.state, "/g"):
            version = data.draw(st.sampled_from(versions))
            if self._ask(lambda: self.groups.change({"version": version}, "/g", True)):
                self._look()

    @rule(force=st.booleans())
    def cancel(self, force: bool) -> None:
        if self.state.deployments:
            self.ops.cancel(next(iter(self.state.deployments)), force)
            self._look()

    @rule(scale=st.booleans(), wipe=st.booleans())
    def kill(self, scale: bool, wipe: bool) -> None:
        chosen = list(self.state.instances.values())[:1]
        if self._ask(lambda: self.ops.kill(chosen, scale=scale and not wipe, wipe=wipe, force=True)) and scale:
            self._look()

    def _look(self) -> None:
        """Such a change is told by what became of the apps' definitions."""
        self.want = {a: (s.instances, s.raw["env"]["MARK"]) for a, s in self.state.apps.items()}

    # -- what happens

    @rule(
        state=st.sampled_from(["TASK_FAILED", "TASK_FINISHED", "TASK_LOST", "TASK_GONE"]),
        which=st.integers(0, 20),
        turns=TURNS,
    )
    def task_ends(self, state: str, which: int, turns: int) -> None:
        if self.tasks:
            task_id = list(self.tasks)[which % len(self.tasks)]
            agent, _ = self.tasks.pop(task_id)
            self._tell(task_id, state, agent)
        self._turns(turns)

    @rule(agent=st.sampled_from(AGENTS), turns=TURNS)
    def agent_goes_or_returns(self, agent: str, turns: int) -> None:
        if agent in self.away:
            self._returns(agent)
            self._turns(turns)
            return
        self.away.add(agent)
        for task_id, (where, _) in list(self.tasks.items()):
            if where == agent:
                self._tell(task_id, "TASK_UNREACHABLE", agent)
        self._turns(turns)

    @rule(turns=TURNS)
    def another_leads(self, turns: int) -> None:
        """What was stored is all that the next leader knows; then it asks Mesos."""
        self._store()
        self._begin(State.load([(k, key, json.loads(text)) for (k, key), text in self.stored.items()]))
        for instance_id, i in list(self.state.instances.items()):
            if instance_id not in self.tasks:
                self._tell(instance_id, "TASK_GONE", i.agent_id)
            else:
                state = "TASK_UNREACHABLE" if i.hostname in self.away else "TASK_RUNNING"
                self._tell(instance_id, state, i.agent_id)
        self._turns(turns)

    @rule(seconds=st.sampled_from([1, 30, 400]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    # -- the world

    def _store(self) -> None:
        for kind, key, value in self.state.take_changes():
            if value is None:
                self.stored.pop((kind, key), None)
            else:
                self.stored[kind, key] = json.dumps(value)

    def _tell(self, task_id: str, state: str, agent: str) -> None:
        outcome = updates.apply(self.state, TaskStatus(task_id, state, agent), self.now)
        for stranger, _ in outcome.kill_strangers:
            self.tasks.pop(stranger, None)

    def _turn(self) -> None:
        self.now += 1
        free = {
            a: CPUS - sum(0.1 for where, _ in self.tasks.values() if where == a) for a in AGENTS if a not in self.away
        }
        offers = [offer(a, cpus=max(0.0, c)) for a, c in free.items()]
        result = plan(
            self.state,
            offers,
            self.now,
            lambda a: f"{a.strip('/').replace('/', '_')}.instance-{next(self.numbers)}._app.1",
            Settings(),
        )
        self._store()
        for launches in result.launches.values():
            for x in launches:
                self.tasks[x.instance.id] = (x.instance.hostname, x.spec.id)
                self._tell(x.instance.id, "TASK_RUNNING", x.instance.agent_id)
        for task_id, _, _ in result.kills:
            agent = self.tasks.get(task_id, ("", ""))[0]
            if agent not in self.away:
                self.tasks.pop(task_id, None)
                self._tell(task_id, "TASK_KILLED", agent)
        for i in list(self.state.instances.values()):
            spec = self.state.spec_of(i)
            for check in spec.readiness if spec and i.running else ():
                updates.readiness_result(self.state, i.id, check, True, None)

    @invariant()
    def what_is_known_is_possible(self) -> None:
        assert self.state.apps.keys() == self.want.keys()
        for i in self.state.instances.values():
            assert i.app_id in IDS
        for app_id, (instances, _) in self.want.items():
            assert self.state.apps[app_id].instances == instances

    def teardown(self) -> None:
        """Everything is well again, and time passes: then exactly what was asked for runs."""
        for agent in list(self.away):
            self._returns(agent)
        for _ in range(60):
            self.now += 30
            self._turn()
            if self._settled():
                break
        assert self._settled(), (self.want, self.state.instances, self.state.deployments)
        self._store()
        again = State.load([(k, key, json.loads(text)) for (k, key), text in self.stored.items()])
        assert again.apps == self.state.apps and again.instances == self.state.instances and not again.deployments

    def _returns(self, agent: str) -> None:
        self.away.discard(agent)
        for task_id, (where, _) in list(self.tasks.items()):
            if where == agent:
                self._tell(task_id, "TASK_RUNNING", agent)

    def _settled(self) -> bool:
        if self.state.deployments or set(self.tasks) != set(self.state.instances):
            return False
        for app_id, (instances, mark) in self.want.items():
            found = self.state.of_app(app_id)
            specs = [self.state.spec_of(i) for i in found]
            if len(found) != instances or not all(i.ready(self.state.apps[app_id]) for i in found):
                return False
            if any(s is None or s.raw["env"]["MARK"] != mark for s in specs):
                return False
        return {i.app_id for i in self.state.instances.values()} <= set(self.want)


TestCluster = Cluster.TestCase
TestCluster.settings = settings(
    max_examples=max(64, settings.default.max_examples if settings.default else 0),
    stateful_step_count=14,
    suppress_health_check=list(HealthCheck),
)
