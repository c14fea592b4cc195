"""Long lists as text: the same as from the bodies, and new wherever something changed."""

import json

from marathon_core_helpers import T0, offer, operations
from marathon_service.core import app_views, rendering, updates, views
from marathon_service.core.planning import plan
from mesos_client import TaskStatus

EMBED = {"tasks", "counts", "deployments"}


def test_the_text_is_that_of_the_bodies_also_after_changes() -> None:
    ops = operations()
    numbers = iter(range(100))
    ops.create({"id": "/a", "cmd": 'say "ä"', "instances": 3, "cpus": 0.1, "healthChecks": [{"protocol": "TCP"}]})
    ops.create({"id": "/b", "cmd": "x", "instances": 0})
    state = ops.state

    def same() -> None:
        bodies = {"apps": [app_views.app(state, s, EMBED, T0) for s in state.apps.values()]}
        assert json.loads(rendering.apps_text(state, state.apps.values(), EMBED, T0)) == bodies
        without = json.loads(rendering.apps_text(state, state.apps.values(), {"counts"}, T0))
        assert without == {"apps": [app_views.app(state, s, {"counts"}, T0) for s in state.apps.values()]}
        every = {"tasks": [views.task(state, i) for i in state.instances.values()]}
        assert json.loads(rendering.tasks_text(state, state.instances.values())) == every
        assert set(state.texts) == set(state.instances)

    same()
    plan(state, [offer("n1")], T0, lambda a: f"{a}.{next(numbers)}")
    same()
    first, second, _ = list(state.instances)
    updates.apply(state, TaskStatus(first, "TASK_RUNNING", "A-n1"), T0 + 1)
    same()
    updates.check_result(state, first, 0, True, None, T0 + 2)
    same()
    updates.check_result(state, first, 0, False, "no", T0 + 3)
    same()
    updates.apply(state, TaskStatus(second, "TASK_FAILED", "A-n1"), T0 + 4)
    same()
