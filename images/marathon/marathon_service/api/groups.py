"""/v2/groups, as far as apps go: create, change, scale, delete."""

from __future__ import annotations

from aiohttp import web

from ..core import paths, views
from ..core.operations import NotFound
from .common import deployed, error, flag, object_of, reply, scheduler


def _id(request: web.Request) -> str:
    return paths.absolute(request.match_info.get("path", ""))


async def get_group(request: web.Request) -> web.Response:
    group_id, leader = _id(request), scheduler(request)
    if group_id.endswith("/versions"):
        group_id = group_id.removesuffix("/versions") or "/"
        return reply([views.group(leader.state, group_id)["version"]])
    if not leader.operations.group_exists(group_id):
        raise NotFound(f"Group '{group_id}' does not exist")
    return reply(views.group(leader.state, group_id, views.embeds(request.query.getall("embed", []))))


async def post_group(request: web.Request) -> web.Response:
    leader, body = scheduler(request), await object_of(request)
    leader.check_size(body)
    deployment = leader.operations.put_group(body, _id(request), create=True, force=flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment, 201)


async def put_group(request: web.Request) -> web.Response:
    leader, body = scheduler(request), await object_of(request)
    leader.check_size(body)
    if body.get("version") is not None or "/versions/" in _id(request):
        return error(501, "versions of groups are not kept")
    deployment = leader.operations.put_group(body, _id(request), force=flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment)


async def delete_group(request: web.Request) -> web.Response:
    leader = scheduler(request)
    deployment = leader.operations.delete_group(_id(request), flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment)


def add_routes(app: web.Application) -> None:
    for path in ("/v2/groups", "/v2/groups/", "/v2/groups/{path:.+}"):
        app.router.add_get(path, get_group)
        app.router.add_post(path, post_group)
        app.router.add_put(path, put_group)
        app.router.add_delete(path, delete_group)
