"""/v2/apps: ids hold slashes, so one route takes the rest of the path and its last parts say what is meant."""

from __future__ import annotations

import re
import time

from aiohttp import web

from ..core import app_views, paths, rendering, selectors
from ..core.operations import NotFound
from ..core.spec import AppSpec
from ..core.validation import Invalid
from ..scheduler import Scheduler
from .common import body_of, deployed, flag, object_of, reply, scheduler
from .tasks import app_tasks, kill_app_task, kill_app_tasks

_SHAPE = re.compile(r"(?P<app>.*?)/(?P<what>restart|versions|tasks)(/(?P<item>[^/]+))?/?")
_LIST_EMBEDS = frozenset({"counts", "deployments"})
_APP_EMBEDS = frozenset({"counts", "tasks", "lastTaskFailure", "deployments"})


def split(path: str) -> tuple[str, str | None, str | None]:
    """(app id, "restart" | "versions" | "tasks" | None, item) of what follows /v2/apps/."""
    if m := _SHAPE.fullmatch("/" + path):
        return paths.absolute(m["app"]), m["what"], m["item"]
    return paths.absolute(path), None, None


def _posted(request: web.Request, leader: Scheduler, app_id: str, spec: AppSpec | None) -> None:
    if spec is not None:
        leader.operations.posted(app_id, spec.raw, request.path, request.remote or "")


async def list_apps(request: web.Request) -> web.Response:
    state = scheduler(request).state
    embed = app_views.embeds(request.query.getall("embed", [])) | _LIST_EMBEDS
    try:
        passes = selectors.apps(*(request.query.get(k) for k in ("cmd", "id", "label")))
    except ValueError as e:
        raise Invalid([("?label", str(e))], 422) from None
    found = [s for s in state.apps.values() if passes(s)]
    text = rendering.apps_text(state, sorted(found, key=lambda s: s.id), embed, time.time())
    return web.Response(text=text, content_type="application/json")


async def create_app(request: web.Request) -> web.Response:
    leader, body = scheduler(request), await object_of(request)
    leader.check_size(body)
    spec, deployment = leader.operations.create(body, flag(request, "force"))
    _posted(request, leader, spec.id, spec)
    await leader.commit(deployment)
    shown = app_views.app(leader.state, spec, _APP_EMBEDS)
    return reply(shown, 201, {"Location": f"/v2/apps{spec.id}", "Marathon-Deployment-Id": deployment.id})


async def put_apps(request: web.Request) -> web.Response:
    """PUT and PATCH of a list: all as one deployment."""
    leader, body = scheduler(request), await body_of(request)
    if not isinstance(body, list):
        raise Invalid([("/", "must be a list of apps")])
    if wrong := [n for n, a in enumerate(body) if not isinstance(a, dict) or not isinstance(a.get("id"), str)]:
        raise Invalid([(f"({n})/id", "is required") for n in wrong])
    leader.check_size({"apps": body})
    must_exist = request.method == "PATCH"
    partial = must_exist or flag(request, "partialUpdate", True)
    deployment = leader.operations.update_all(
        body, must_exist=must_exist, partial=partial, force=flag(request, "force")
    )
    for app_id in deployment.target:
        _posted(request, leader, app_id, leader.state.apps.get(app_id))
    await leader.commit(deployment)
    return deployed(deployment)


async def get_app(request: web.Request) -> web.Response:
    app_id, what, item = split(request.match_info["path"])
    leader = scheduler(request)
    if app_id.endswith("/*"):
        return _all_below(request, leader, app_id.removesuffix("/*") or "/", what)
    spec = leader.operations.app(app_id)
    match what:
        case "versions" if item is None:
            return reply({"versions": sorted(leader.state.versions.get(app_id, {}), reverse=True)})
        case "versions":
            return reply(leader.operations.of_version(app_id, item))
        case "tasks" if item is None:
            return app_tasks(request, app_id)
        case None:
            embed = app_views.embeds(request.query.getall("embed", [])) | _APP_EMBEDS
            return reply({"app": app_views.app(leader.state, spec, embed, time.time())})
    raise web.HTTPMethodNotAllowed(request.method, ["POST"] if what == "restart" else ["DELETE"])


def _all_below(request: web.Request, leader: Scheduler, group_id: str, what: str | None) -> web.Response:
    """The apps of a group, or (as /v2/apps/<group>/*/tasks) their tasks."""
    leader.groups.must_exist(group_id)
    found = [s for a, s in sorted(leader.state.apps.items()) if paths.inside(a, group_id)]
    if what == "tasks":
        return app_tasks(request, *(s.id for s in found))
    if what is not None:
        raise web.HTTPMethodNotAllowed(request.method, [])
    return reply({"*": [app_views.app(leader.state, s, _APP_EMBEDS) for s in found]})


async def put_app(request: web.Request) -> web.Response:
    """PUT creates or changes; PATCH changes."""
    app_id, what, _ = split(request.match_info["path"])
    if what is not None:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    leader, body = scheduler(request), await object_of(request)
    leader.check_size(body)
    exists = app_id in leader.state.apps
    if request.method == "PATCH" and not exists:
        raise NotFound(f"App '{app_id}' does not exist")
    partial = request.method == "PATCH" or flag(request, "partialUpdate", True)
    deployment = leader.operations.update(app_id, body, partial=partial, force=flag(request, "force"))
    _posted(request, leader, app_id, leader.state.apps.get(app_id))
    await leader.commit(deployment)
    return deployed(deployment) if exists else deployed(deployment, 201, f"/v2/apps{app_id}")


async def post_app(request: web.Request) -> web.Response:
    app_id, what, item = split(request.match_info["path"])
    if what != "restart" or item is not None:
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "PUT", "PATCH", "DELETE"])
    leader = scheduler(request)
    deployment = leader.operations.restart(app_id, flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment)


async def delete_app(request: web.Request) -> web.Response:
    app_id, what, item = split(request.match_info["path"])
    leader = scheduler(request)
    spec = leader.operations.app(app_id)
    if what == "tasks":
        return await (kill_app_tasks(request, app_id) if item is None else kill_app_task(request, app_id, item))
    if what is not None:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    # Unlike for all other changes, the default is to take an app away from the deployment that has it in hand.
    deployment = leader.operations.delete([app_id], flag(request, "force", True))
    _posted(request, leader, app_id, spec)
    await leader.commit(deployment)
    return deployed(deployment)


def add_routes(app: web.Application) -> None:
    for path in ("/v2/apps", "/v2/apps/"):
        app.router.add_get(path, list_apps)
        app.router.add_post(path, create_app)
        app.router.add_put(path, put_apps)
        app.router.add_patch(path, put_apps)
    app.router.add_get("/v2/apps/{path:.+}", get_app)
    app.router.add_put("/v2/apps/{path:.+}", put_app)
    app.router.add_patch("/v2/apps/{path:.+}", put_app)
    app.router.add_post("/v2/apps/{path:.+}", post_app)
    app.router.add_delete("/v2/apps/{path:.+}", delete_app)
