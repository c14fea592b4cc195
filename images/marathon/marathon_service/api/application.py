"""The whole HTTP surface as one aiohttp application."""

from aiohttp import web

from . import apps, groups, service, tasks
from .common import SERVER, Server, authentication, errors
from .proxy import Proxy

_MOST_BODY = 4 * 1024 * 1024


def application(server: Server, proxy: Proxy) -> web.Application:
    # From outside to inside: error bodies, authentication (also before anything is given on), the leader.
    app = web.Application(
        middlewares=[errors, authentication(server.config), proxy.middleware()], client_max_size=_MOST_BODY
    )
    app[SERVER] = server
    for module in (apps, tasks, groups, service):
        module.add_routes(app)
    return app
