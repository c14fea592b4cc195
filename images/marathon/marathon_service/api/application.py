"""The whole HTTP surface as one aiohttp application."""

from aiohttp import web

from . import apps, events, groups, service, system, tasks
from .common import SERVER, Server
from .middlewares import authentication, counting, errors, shaping
from .proxy import Proxy
from .web import named_origins, pages

_MOST_BODY = 4 * 1024 * 1024


def application(server: Server, proxy: Proxy) -> web.Application:
    config = server.config
    # From outside to inside: headers, counting, error bodies, authentication (also before anything is given on), the page, the leader.
    app = web.Application(
        middlewares=[
            shaping(config),
            counting(config.http_max_concurrent_requests),
            errors,
            authentication(config),
            pages(named_origins(config)),
            proxy.middleware(),
        ],
        client_max_size=_MOST_BODY,
    )
    app[SERVER] = server
    for module in (apps, tasks, groups, service, events, system):
        module.add_routes(app)
    return app
