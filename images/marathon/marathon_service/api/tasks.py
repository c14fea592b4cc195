"""/v2/tasks and the tasks of one app."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from ..core import views
from ..core.model import Instance
from ..core.operations import NotFound
from ..core.validation import Invalid
from .common import deployed, flag, object_of, reply, scheduler

_STATUS = {"running": ("TASK_RUNNING",), "staging": ("TASK_STAGING", "TASK_STARTING")}


def app_tasks(request: web.Request, app_id: str) -> web.Response:
    state = scheduler(request).state
    return _list(request, state.of_app(app_id))


async def list_tasks(request: web.Request) -> web.Response:
    wanted = {w for w in (*request.query.getall("status", []), *request.query.getall("status[]", [])) if w}
    if unknown := wanted - set(_STATUS):
        raise Invalid([("?status", f"must be running or staging, not {', '.join(sorted(unknown))}")], 400)
    states = {s for w in wanted for s in _STATUS[w]}
    found = [i for i in scheduler(request).state.instances.values() if not states or i.state in states]
    return _list(request, found)


def _list(request: web.Request, instances: Iterable[Instance]) -> web.Response:
    state = scheduler(request).state
    if "text/plain" in request.headers.get("Accept", ""):
        lines = (
            f"{i.app_id.strip('/').replace('/', '_')}\t{port}\t{i.hostname}:{host}"
            for i in instances
            for port, host in zip(views.task(state, i)["servicePorts"], i.host_ports, strict=False)
        )
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")
    return reply({"tasks": [views.task(state, i) for i in instances]})


async def kill_app_tasks(request: web.Request, app_id: str) -> web.Response:
    host = request.query.get("host")
    instances = [i for i in scheduler(request).state.of_app(app_id) if not host or i.hostname == host]
    return await _kill(request, instances, "tasks")


async def kill_app_task(request: web.Request, app_id: str, task_id: str) -> web.Response:
    instances = [i for i in scheduler(request).state.of_app(app_id) if i.id == task_id]
    if not instances:
        raise NotFound(f"Task '{task_id}' does not exist")
    return await _kill(request, instances, "task")


async def delete_tasks(request: web.Request) -> web.Response:
    body = await object_of(request)
    ids = body.get("ids")
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise Invalid([("/ids", "must be a list of task ids")])
    return await _kill(request, scheduler(request).operations.tasks(ids), "tasks")


async def _kill(request: web.Request, instances: list[Instance], key: str) -> web.Response:
    leader = scheduler(request)
    shown = [views.task(leader.state, i) for i in instances]
    deployment = leader.operations.kill(
        instances, scale=flag(request, "scale"), force=flag(request, "force"), wipe=flag(request, "wipe")
    )
    await leader.commit(deployment)
    if deployment is not None:
        return deployed(deployment)
    return reply({key: shown[0] if key == "task" else shown})


def add_routes(app: web.Application) -> None:
    app.router.add_get("/v2/tasks", list_tasks)
    app.router.add_post("/v2/tasks/delete", delete_tasks)
