"""The whole interface as one aiohttp application."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiohttp import web

from .. import metrics, policy
from ..scheduler import Scheduler
from . import views
from .common import SERVER, Problem, Server, authentication, body_of, errors, reply, scheduler, server

_MOST_BODY = 1024 * 1024

INDEX = """\
HTCondor pool {pool}: its framework on Mesos. All but /ping wants user and password.

GET    /ping                         "pong" once it is subscribed at Mesos and leads; 503 otherwise
GET    /v1/pool                      what there is, what was decided and why, why jobs wait
GET    /v1/executors                 every executor
GET    /v1/policy                    the policy; PUT the same form to change it, nothing restarts
POST   /v1/pause, /v1/resume         start and take away nothing (but lost daemons); go on
POST   /v1/executors/<task>/drain    empty one executor, then end it; DELETE takes it back
POST   /v1/sites/<site>/drain        the same for a whole site, and start nothing there; DELETE takes it back
POST   /v1/teardown                  end the pool for good; {{"running_jobs": true}} although jobs run
GET    /metrics                      for Prometheus

    curl --cacert ca.pem -u {user} https://HOST:PORT/v1/pool
    curl --cacert ca.pem -u {user} -X PUT -d @policy.json https://HOST:PORT/v1/policy
    curl --cacert ca.pem -u {user} -X POST https://HOST:PORT/v1/sites/{site}/drain
"""


def application(here: Server) -> web.Application:
    app = web.Application(middlewares=[errors, authentication(here.config.rest)], client_max_size=_MOST_BODY)
    app[SERVER] = here
    app.router.add_get("/", index)
    app.router.add_get("/ping", ping)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/v1/pool", show_pool)
    app.router.add_get("/v1/executors", show_executors)
    app.router.add_get("/v1/policy", show_policy)
    app.router.add_put("/v1/policy", put_policy)
    app.router.add_post("/v1/pause", pause)
    app.router.add_post("/v1/resume", resume)
    app.router.add_post("/v1/executors/{task}/drain", drain_executor)
    app.router.add_delete("/v1/executors/{task}/drain", drain_executor)
    app.router.add_post("/v1/sites/{site}/drain", drain_site)
    app.router.add_delete("/v1/sites/{site}/drain", drain_site)
    app.router.add_post("/v1/teardown", teardown)
    return app


async def index(request: web.Request) -> web.Response:
    config = server(request).config
    return web.Response(text=INDEX.format(pool=config.pool, user=config.rest.user, site=config.sites[0]))


async def ping(request: web.Request) -> web.Response:
    here = server(request)
    if here.scheduler is not None and here.scheduler.leading and not here.gone:
        return web.Response(text="pong")
    why = (
        "the pool was torn down"
        if here.gone
        else "not leading"
        if here.scheduler is None
        else "not subscribed at Mesos"
    )
    return web.Response(text=why + "\n", status=503)


async def show_pool(request: web.Request) -> web.Response:
    here = server(request)
    if here.gone:
        return reply(views.gone(here.config))
    s = scheduler(request)
    mesos = {
        "connected": s.leading,
        "master": s.mesos.master,
        "framework_id": s.mesos.framework_id,
        "role": s.config.mesos.role,
    }
    lines = s.history.last(views.DECISIONS)
    return reply(
        views.pool(s.config, s.state, s.plan, s.neighbours, s.feed.queue, s.feed.pool, lines, mesos, s.clock())
    )


async def show_executors(request: web.Request) -> web.Response:
    s = scheduler(request)
    return reply(views.executors(s.state.tasks, s.feed.pool, s.memory, s.clock()))


async def show_metrics(request: web.Request) -> web.Response:
    s = scheduler(request)
    found = metrics.samples(
        now=s.clock(),
        connected=s.leading,
        paused=s.state.settings.paused,
        tasks=s.state.tasks.values(),
        plan=s.plan,
        queue=s.feed.queue,
        pool=s.feed.pool,
        counters=s.counters,
        failures=s.inbox.failures,
        drains=(s.feed.drains, s.feed.drains_failed),
    )
    return web.Response(
        text=metrics.render(s.config.pool, found), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def show_policy(request: web.Request) -> web.Response:
    s = scheduler(request)
    if s.state.policy is None:
        raise Problem(404, "there is no policy yet: PUT one")
    return reply(policy.to_json(s.state.policy))


async def put_policy(request: web.Request) -> web.Response:
    s = _changeable(request)
    raw = await body_of(request)
    try:
        found = policy.parse(raw, s.config.sites)
    except policy.PolicyError as e:
        raise Problem(422, f"the policy is not valid: {e}", problems=e.problems) from None
    await s.set_policy(found)
    return reply(policy.to_json(found))


async def pause(request: web.Request) -> web.Response:
    s = _changeable(request)
    await s.set_settings(replace(s.state.settings, paused=True), "the administrator paused the pool")
    return reply({"paused": True})


async def resume(request: web.Request) -> web.Response:
    s = _changeable(request)
    await s.set_settings(replace(s.state.settings, paused=False), "the administrator let the pool go on")
    return reply({"paused": False})


async def drain_executor(request: web.Request) -> web.Response:
    s, task_id = _changeable(request), request.match_info["task"]
    task = s.state.tasks.get(task_id)
    if task is None or not task.is_executor:
        raise Problem(404, f"there is no executor {task_id}")
    cancel = request.method == "DELETE"
    tasks = s.state.settings.drain_tasks
    after = tasks - {task_id} if cancel else tasks | {task_id}
    text = f"the administrator {'takes back' if cancel else 'empties'} executor {task_id}"
    await s.set_settings(replace(s.state.settings, drain_tasks=after), text)
    return reply({"task": task_id, "drain": not cancel}, 202)


async def drain_site(request: web.Request) -> web.Response:
    s, site = _changeable(request), request.match_info["site"]
    if site not in s.config.sites and site not in s.state.settings.drain_sites:
        raise Problem(404, f"the pool has no site {site}: it has {', '.join(s.config.sites)}")
    cancel = request.method == "DELETE"
    sites = s.state.settings.drain_sites
    after = sites - {site} if cancel else sites | {site}
    text = f"the administrator {'takes back' if cancel else 'empties'} the site {site}"
    await s.set_settings(replace(s.state.settings, drain_sites=after), text)
    return reply({"drained_sites": sorted(after)}, 202)


async def teardown(request: web.Request) -> web.Response:
    here = server(request)
    if here.gone:
        return reply({**views.gone(here.config)}, 202)
    s = scheduler(request)
    forced = await _running_jobs_too(request)
    if not forced and not s.state.settings.teardown:
        await _refuse_with_jobs(s)
    await s.set_settings(replace(s.state.settings, teardown=True), "the administrator tears the pool down")
    return reply({"pool": s.config.pool, "gone": False, "teardown": True}, 202)


async def _refuse_with_jobs(s: Scheduler) -> None:
    """Raises Problem if jobs run, or nobody can tell. Without an executor none can."""
    if not any(t.is_executor for t in s.state.tasks.values()):
        return
    queue = await s.feed.queue_now()
    if queue is None:
        raise Problem(
            409, 'the submit node does not say whether jobs run: wait, or send {"running_jobs": true}', running=None
        )
    if running := queue.usage.running:
        what = "1 job is running" if running == 1 else f"{running} jobs are running"
        raise Problem(409, f'{what}: wait, or send {{"running_jobs": true}} to end them', running=running)


async def _running_jobs_too(request: web.Request) -> bool:
    if not request.can_read_body:
        return False
    body: Any = await body_of(request)
    flag = body.get("running_jobs", False) if isinstance(body, dict) else None
    if not isinstance(flag, bool) or set(body) - {"running_jobs"}:
        raise Problem(422, 'the body must be {"running_jobs": true} or {"running_jobs": false}')
    return flag


def _changeable(request: web.Request) -> Scheduler:
    s = scheduler(request)
    if s.state.settings.teardown:
        raise Problem(409, "the pool is being torn down")
    return s
