"""Deployments, queue, and what the service says of itself."""

from __future__ import annotations

import time

from aiohttp import web

from .. import __version__
from ..config import Config
from ..core import delays, paths, queue_views, views
from ..core.spec import Json
from .common import deployed, error, flag, reply, scheduler, server


async def list_deployments(request: web.Request) -> web.Response:
    state = scheduler(request).state
    return reply([views.deployment(d, state) for d in state.deployments.values()])


async def delete_deployment(request: web.Request) -> web.Response:
    leader = scheduler(request)
    deployment = leader.operations.cancel(request.match_info["id"], flag(request, "force"))
    await leader.commit(deployment)
    return web.Response(status=202) if deployment is None else deployed(deployment)


async def queue(request: web.Request) -> web.Response:
    leader = scheduler(request)
    offers = "lastUnusedOffers" in request.query.getall("embed", [])
    items = queue_views.queue(leader.state, leader.unplaced, leader.rejections, time.time(), offers)
    return reply({"queue": items})


async def reset_delay(request: web.Request) -> web.Response:
    path = request.match_info["path"]
    if not path.rstrip("/").endswith("/delay"):
        raise web.HTTPNotFound
    leader, app_id = scheduler(request), paths.absolute(path.rstrip("/").removesuffix("/delay"))
    if app_id not in leader.unplaced:
        return error(404, f"Application {app_id} not found in tasks queue.")
    delays.reset(leader.state, app_id)
    leader.state.touch(app_id)
    await leader.commit()
    return web.Response(status=204)


async def leader(request: web.Request) -> web.Response:
    found = server(request).election.leader
    return reply({"leader": found}) if found else error(404, "There is no leader")


async def abdicate(request: web.Request) -> web.Response:
    scheduler(request)
    for name in ("backup", "restore"):
        if name in request.query:
            return error(422, f"{name} is not built: copy ZooKeeper's data, all below the path of MARATHON_ZK")
    server(request).abdicate()
    return reply({"message": "Leadership abdicated"})


async def info(request: web.Request) -> web.Response:
    here = server(request)
    c, s = here.config, scheduler(request)
    return reply(
        {
            "name": c.framework_name,
            "version": __version__,
            "buildref": "aerie",
            "elected": True,
            "leader": here.election.leader,
            "frameworkId": s.mesos.framework_id,
            "marathon_config": _marathon_config(c, s.mesos.master),
            "zookeeper_config": {
                "zk": str(c.zk),
                "zk_timeout": _ms(c.zk_timeout),
                "zk_connection_timeout": _ms(c.zk_connection_timeout),
                "zk_session_timeout": _ms(c.zk_session_timeout),
                "zk_max_versions": c.zk_max_versions,
                "zk_max_node_size": c.zk_max_node_size,
                "zk_compression": False,
                "zk_compression_threshold": 0,
            },
            "http_config": {
                "http_port": None if c.disable_http else c.http_port,
                "https_port": c.https_port if c.https else None,
            },
        }
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _marathon_config(c: Config, master: str | None) -> Json:
    """No more than Marathon shows: the public Python client fails at fields that it does not know."""
    return {
        "access_control_allow_origin": list(c.allow_origin) or None,
        "checkpoint": c.checkpoint,
        "decline_offer_duration": _ms(c.decline_offer_duration),
        "default_network_name": c.default_network,
        "env_vars_prefix": c.env_prefix or None,
        "executor": "//cmd",
        "failover_timeout": int(c.failover_timeout),
        "features": list(c.features),
        "framework_name": c.framework_name,
        "ha": True,
        "hostname": c.hostname,
        "launch_token": c.launch_tokens,
        "launch_token_refresh_interval": _ms(c.launch_token_refresh_interval),
        "leader_proxy_connection_timeout_ms": _ms(c.proxy_connect_timeout),
        "leader_proxy_read_timeout_ms": _ms(c.proxy_read_timeout),
        "local_port_min": c.local_port_min,
        "local_port_max": c.local_port_max,
        "master": c.master if c.master.startswith("file://") else _hidden(c.master),
        "mesos_bridge_name": c.mesos_bridge_name,
        "mesos_leader_ui_url": c.mesos_leader_ui_url or (f"http://{master}/" if master else None),
        "mesos_role": c.mesos_role,
        "mesos_user": c.mesos_user,
        "min_revive_offers_interval": _ms(c.min_revive_interval),
        "new_group_enforce_role": "off",
        "reconciliation_interval": _ms(c.reconciliation_interval),
        "task_launch_timeout": _ms(c.task_launch_timeout),
        "webui_url": c.webui_url,
    }


def _hidden(master: str) -> str:
    scheme, mark, rest = master.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


async def plugins(_request: web.Request) -> web.Response:
    return reply({"plugins": []})


async def no_plugin(request: web.Request) -> web.Response:
    return error(404, f"Plugin {request.match_info['path'].partition('/')[0]} does not exist: none is loaded")


async def not_built(request: web.Request) -> web.Response:
    what = "pods are" if request.path.startswith("/v2/pods") else "artifacts are"
    return error(501, f"{what} not built in this service")


def add_routes(app: web.Application) -> None:
    app.router.add_get("/v2/deployments", list_deployments)
    app.router.add_delete("/v2/deployments/{id}", delete_deployment)
    app.router.add_get("/v2/queue", queue)
    app.router.add_delete("/v2/queue/{path:.+}", reset_delay)
    app.router.add_get("/v2/leader", leader)
    app.router.add_delete("/v2/leader", abdicate)
    app.router.add_get("/v2/info", info)
    app.router.add_get("/v2/plugins", plugins)
    app.router.add_route("*", "/v2/plugins/{path:.+}", no_plugin)
    for path in ("/v2/pods", "/v2/pods/{path:.*}", "/v2/artifacts", "/v2/artifacts/{path:.*}"):
        app.router.add_route("*", path, not_built)
