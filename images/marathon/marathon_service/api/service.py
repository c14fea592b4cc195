"""Deployments, queue, events, and what the service says of itself."""

from __future__ import annotations

import asyncio
import contextlib
import time

from aiohttp import web

from .. import __version__
from ..core import delays, paths, views
from ..core.events import event
from .common import deployed, error, flag, reply, scheduler, server


async def ping(_request: web.Request) -> web.Response:
    return web.Response(text="pong", content_type="text/plain")


async def list_deployments(request: web.Request) -> web.Response:
    return reply([views.deployment(d) for d in scheduler(request).state.deployments.values()])


async def delete_deployment(request: web.Request) -> web.Response:
    leader = scheduler(request)
    deployment = leader.operations.cancel(request.match_info["id"], flag(request, "force"))
    await leader.commit(deployment)
    return web.Response(status=202) if deployment is None else deployed(deployment)


async def queue(request: web.Request) -> web.Response:
    leader = scheduler(request)
    return reply({"queue": views.queue(leader.state, leader.unplaced, leader.rejections, time.time())})


async def reset_delay(request: web.Request) -> web.Response:
    leader, app_id = scheduler(request), paths.absolute(request.match_info["path"].removesuffix("/delay"))
    if app_id not in leader.unplaced:
        return error(404, f"Application {app_id} not found in tasks queue.")
    delays.reset(leader.state, app_id)
    await leader.commit()
    return web.Response(status=204)


async def leader(request: web.Request) -> web.Response:
    found = server(request).election.leader
    return reply({"leader": found}) if found else error(404, "There is no leader")


async def abdicate(request: web.Request) -> web.Response:
    scheduler(request)
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
            "marathon_config": {
                "master": c.master if c.master.startswith("file://") else _hidden(c.master),
                "hostname": c.hostname,
                "ha": True,
                "checkpoint": True,
                "failover_timeout": int(c.failover_timeout),
                "framework_name": c.framework_name,
                "mesos_role": c.mesos_role,
                "mesos_user": c.mesos_user,
                "default_network_name": c.default_network,
                "env_vars_prefix": c.env_prefix or None,
                "executor": "//cmd",
                "features": [],
                "local_port_min": c.local_port_min,
                "local_port_max": c.local_port_max,
                "task_launch_timeout": int(c.task_launch_timeout * 1000),
                "decline_offer_duration": int(c.decline_offer_duration * 1000),
                "min_revive_offers_interval": int(c.min_revive_interval * 1000),
                "reconciliation_interval": int(c.reconciliation_interval * 1000),
                "mesos_leader_ui_url": f"http://{s.mesos.master}/" if s.mesos.master else None,
                "webui_url": c.webui_url,
            },
            "zookeeper_config": {
                "zk": str(c.zk),
                "zk_session_timeout": int(c.zk_session_timeout * 1000),
                "zk_max_versions": c.zk_max_versions,
                "zk_max_node_size": c.zk_max_node_size,
            },
            "http_config": {
                "http_port": None if c.disable_http else c.http_port,
                "https_port": c.https_port if c.https else None,
            },
        }
    )


def _hidden(master: str) -> str:
    scheme, mark, rest = master.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


async def plugins(_request: web.Request) -> web.Response:
    return reply({"plugins": []})


async def events(request: web.Request) -> web.StreamResponse:
    scheduler(request)
    bus = server(request).bus
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await response.prepare(request)
    subscription = bus.subscribe(request.query.getall("event_type", []))
    remote = request.remote or ""
    bus.publish(event("event_stream_attached", time.time(), remoteAddress=remote))
    try:
        await response.write(b"\r\n")
        while True:
            try:
                async with asyncio.timeout(15.0):
                    text = await subscription.queue.get()
            except TimeoutError:
                text = b"\r\n"  # keeps proxies and clients content
            if text is None:
                break
            await response.write(text)
    except ConnectionError:
        pass
    finally:
        bus.unsubscribe(subscription)
        bus.publish(event("event_stream_detached", time.time(), remoteAddress=remote))
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


async def not_built(_request: web.Request) -> web.Response:
    return error(501, "not built in this service")


def add_routes(app: web.Application) -> None:
    app.router.add_get("/ping", ping)
    app.router.add_get("/v2/deployments", list_deployments)
    app.router.add_delete("/v2/deployments/{id}", delete_deployment)
    app.router.add_get("/v2/queue", queue)
    app.router.add_delete("/v2/queue/{path:.+}", reset_delay)
    app.router.add_get("/v2/leader", leader)
    app.router.add_delete("/v2/leader", abdicate)
    app.router.add_get("/v2/info", info)
    app.router.add_get("/v2/events", events)
    app.router.add_get("/v2/plugins", plugins)
    for path in ("/v2/pods", "/v2/pods/{path:.*}", "/v2/artifacts", "/v2/artifacts/{path:.*}"):
        app.router.add_route("*", path, not_built)
