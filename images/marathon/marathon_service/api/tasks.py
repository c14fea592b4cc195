"""/v2/tasks and the tasks of one app."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from ..core import rendering, views
from ..core.model import Instance
from ..core.operations import NotFound
from ..core.validation import Invalid
from .common import body_of, deployed, error, flag, reply, scheduler

_STATUS = {"running": ("TASK_RUNNING",), "staging": ("TASK_STAGING", "TASK_STARTING")}


def app_tasks(request: web.Request, *app_ids: str) -> web.Response:
    state = scheduler(request).state
    return _list(request, [i for a in app_ids for i in state.of_app(a)])


async def list_tasks(request: web.Request) -> web.Response:
    wanted = {w.lower() for w in (*request.query.getall("status", []), *request.query.getall("status[]", [])) if w}
    if unknown := wanted - set(_STATUS):
        raise Invalid([("?status", f"must be running or staging, not {', '.join(sorted(unknown))}")], 400)
    states = {s for w in wanted for s in _STATUS[w]}
    found = [i for i in scheduler(request).state.instances.values() if not states or i.state in states]
    return _list(request, found)


def plain(accept: str) -> bool:
    """Whether text is asked for rather than JSON."""
    kinds = [part.partition(";")[0].strip() for part in accept.lower().split(",")]
    return "text/plain" in kinds and "application/json" not in kinds


def _list(request: web.Request, instances: Iterable[Instance]) -> web.Response:
    state = scheduler(request).state
    if plain(request.headers.get("Accept", "")):
        networks = {n for n in request.query.get("containerNetworks", "").split(",") if n}
        return web.Response(text=views.tasks_text(state, instances, networks), content_type="text/plain")
    return web.Response(text=rendering.tasks_text(state, instances), content_type="application/json")


async def kill_app_tasks(request: web.Request, app_id: str) -> web.Response:
    host = request.query.get("host")
    found = [i for i in scheduler(request).state.of_app(app_id) if host in (None, "", "*", i.hostname)]
    return await _kill(request, found, "tasks")


async def kill_app_task(request: web.Request, app_id: str, task_id: str) -> web.Response:
    instances = [i for i in scheduler(request).state.of_app(app_id) if i.id == task_id]
    if not instances:
        raise NotFound(f"Task '{task_id}' does not exist")
    return await _kill(request, instances, "task")


async def delete_tasks(request: web.Request) -> web.Response:
    body = await body_of(request)
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise Invalid([("/ids", "must be a list of task ids")])
    if wrong := [i for i in ids if ".instance-" not in i and ".marathon-" not in i]:
        return error(400, f"Invalid task id '{wrong[0]}'.")
    return await _kill(request, scheduler(request).operations.tasks(ids), "tasks")


async def _kill(request: web.Request, instances: list[Instance], key: str) -> web.Response:
    leader = scheduler(request)
    scale, wipe = flag(request, "scale"), flag(request, "wipe")
    if scale and wipe:
        return error(400, "You cannot use scale and wipe at the same time.")
    shown = [views.task(leader.state, i) for i in instances]
    deployment = leader.operations.kill(instances, scale=scale, force=flag(request, "force"), wipe=wipe)
    await leader.commit(deployment)
    if deployment is not None:
        return deployed(deployment)
    return reply({key: shown[0] if key == "task" else shown})


def add_routes(app: web.Application) -> None:
    app.router.add_get("/v2/tasks", list_tasks)
    app.router.add_post("/v2/tasks/delete", delete_tasks)
