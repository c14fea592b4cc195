"""/v2/apps: ids hold slashes, so one route takes the rest of the path and its last parts say what is meant."""

from __future__ import annotations

import re

from aiohttp import web

from ..core import paths, views
from ..core.operations import NotFound
from ..core.spec import AppSpec, Json
from ..core.validation import Invalid
from .common import body_of, deployed, flag, object_of, reply, scheduler
from .tasks import app_tasks, kill_app_task, kill_app_tasks

_SHAPE = re.compile(r"^(?P<app>.*?)/(?P<what>restart|versions|tasks)(/(?P<item>[^/]+))?/?$")
_LIST_EMBEDS = frozenset({"counts", "deployments"})
_APP_EMBEDS = frozenset({"counts", "tasks", "lastTaskFailure", "deployments"})


def split(path: str) -> tuple[str, str | None, str | None]:
    """(app id, "restart" | "versions" | "tasks" | None, item) of what follows /v2/apps/."""
    if m := _SHAPE.match("/" + path):
        return paths.absolute(m["app"]), m["what"], m["item"]
    return paths.absolute(path), None, None


async def list_apps(request: web.Request) -> web.Response:
    state = scheduler(request).state
    embed = views.embeds(request.query.getall("embed", [])) | _LIST_EMBEDS
    found = [s for s in state.apps.values() if _passes(request, s)]
    return reply({"apps": [views.app(state, s, embed) for s in sorted(found, key=lambda s: s.id)]})


def _passes(request: web.Request, spec: AppSpec) -> bool:
    cmd, wanted, label = (request.query.get(k) for k in ("cmd", "id", "label"))
    if cmd and cmd not in (spec.raw.get("cmd") or ""):
        return False
    if wanted and wanted not in spec.id:
        return False
    try:
        return not label or views.label_filter(label)(spec.raw["labels"])
    except ValueError as e:
        raise Invalid([("?label", str(e))], 400) from None


async def create_app(request: web.Request) -> web.Response:
    leader, body = scheduler(request), await object_of(request)
    leader.check_size(body)
    spec, deployment = leader.operations.create(body)
    await leader.commit(deployment)
    shown = views.app(leader.state, spec, _APP_EMBEDS | {"tasks"})
    return reply(shown, 201, {"Location": f"/v2/apps{spec.id}", "Marathon-Deployment-Id": deployment.id})


async def put_apps(request: web.Request) -> web.Response:
    """PUT and PATCH of a list: all as one deployment."""
    leader, body = scheduler(request), await body_of(request)
    if not isinstance(body, list) or not all(isinstance(a, dict) and isinstance(a.get("id"), str) for a in body):
        raise Invalid([("/", "must be a list of apps, each with an id")])
    leader.check_size({"apps": body})
    must_exist = request.method == "PATCH"
    partial = must_exist or flag(request, "partialUpdate", True)
    target: dict[str, Json | None] = {}
    for app in body:
        app_id = paths.absolute(app["id"])
        if must_exist:
            leader.operations.app(app_id)
        target[app_id] = leader.operations.normal(app, app_id, partial)
    deployment = leader.operations.change(target, force=flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment)


async def get_app(request: web.Request) -> web.Response:
    app_id, what, item = split(request.match_info["path"])
    leader = scheduler(request)
    if app_id.endswith("/*") or app_id == "/*":
        group = app_id[:-1]
        found = [s for a, s in sorted(leader.state.apps.items()) if a.startswith(group)]
        return reply({"*": [views.app(leader.state, s, _APP_EMBEDS) for s in found]})
    spec = leader.operations.app(app_id)
    match what:
        case "versions" if item is None:
            return reply({"versions": sorted(leader.state.versions.get(app_id, {}), reverse=True)})
        case "versions":
            return reply(leader.operations.of_version(app_id, item))
        case "tasks" if item is None:
            return app_tasks(request, app_id)
        case None:
            embed = views.embeds(request.query.getall("embed", [])) | _APP_EMBEDS
            return reply({"app": views.app(leader.state, spec, embed)})
    raise web.HTTPMethodNotAllowed(request.method, ["POST"])


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
    await leader.commit(deployment)
    return deployed(deployment, 200 if exists else 201)


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
    leader.operations.app(app_id)
    if what == "tasks":
        return await (kill_app_tasks(request, app_id) if item is None else kill_app_task(request, app_id, item))
    if what is not None:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"])
    deployment = leader.operations.delete([app_id], flag(request, "force"))
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
