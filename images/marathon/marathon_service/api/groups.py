"""/v2/groups: ids hold slashes, so one route takes the rest of the path and its last parts say what is meant."""

from __future__ import annotations

from aiohttp import web

from ..core import app_views, group_views, history, paths, views
from ..core.operations import NotFound
from .common import deployed, flag, object_of, reply, scheduler


def _path(request: web.Request) -> str:
    return paths.absolute(request.match_info.get("path", ""))


def split(path: str) -> tuple[str, str | None, str | None]:
    """(group id, "apps" | "versions" | None, version) of an absolute path below /v2/groups."""
    parts = [p for p in path.split("/") if p]
    if parts and parts[-1] in ("apps", "versions"):
        return "/" + "/".join(parts[:-1]), parts[-1], None
    if len(parts) > 1 and parts[-2] == "versions":
        return "/" + "/".join(parts[:-2]), "versions", parts[-1]
    return path, None, None


async def get_group(request: web.Request) -> web.Response:
    leader, (group_id, what, version) = scheduler(request), split(_path(request))
    embed = group_views.embeds(request.query.getall("embed", []))
    leader.groups.must_exist(group_id)
    match what:
        case "apps":
            found = [s for a, s in sorted(leader.state.apps.items()) if paths.inside(a, group_id)]
            return reply([app_views.app(leader.state, s, embed.of_apps) for s in found])
        case "versions" if version is None:
            return reply(history.versions(leader.state, group_id))
        case "versions":
            then = history.at(leader.state, group_id, str(version))
            if then is None:
                raise NotFound(f"Group '{group_id}' does not exist in version {version}")
            return reply(group_views.group_at(group_id, *then, str(version), embed))
    return reply(group_views.group(leader.state, group_id, embed))


async def post_group(request: web.Request) -> web.Response:
    leader, body = scheduler(request), await object_of(request)
    leader.check_size(body)
    deployment = leader.groups.create(body, _path(request), flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment, 201, f"/v2/groups{paths.absolute(body.get('id') or '', _path(request))}")


async def put_group(request: web.Request) -> web.Response:
    leader = scheduler(request)
    group_id, _, version = split(_path(request))
    if version is not None:
        # How the public Python client goes back to a version.
        deployment = leader.groups.change({"version": version}, group_id, flag(request, "force"))
        await leader.commit(deployment)
        return deployed(deployment)
    body = await object_of(request)
    leader.check_size(body)
    if flag(request, "dryRun"):
        return reply({"steps": views.steps(leader.groups.steps(body, _path(request)).deployment)})
    deployment = leader.groups.change(body, _path(request), flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment)


async def patch_group(request: web.Request) -> web.Response:
    leader, body = scheduler(request), await object_of(request)
    leader.groups.patch(body, _path(request))
    await leader.commit()
    return web.Response()


async def delete_group(request: web.Request) -> web.Response:
    leader = scheduler(request)
    deployment = leader.groups.delete(_path(request), flag(request, "force"))
    await leader.commit(deployment)
    return deployed(deployment)


def add_routes(app: web.Application) -> None:
    for path in ("/v2/groups", "/v2/groups/", "/v2/groups/{path:.+}"):
        app.router.add_get(path, get_group)
        app.router.add_post(path, post_group)
        app.router.add_put(path, put_group)
        app.router.add_patch(path, patch_group)
        app.router.add_delete(path, delete_group)
