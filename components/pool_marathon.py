"""A pool by Marathon: an app for each role, and a guard against destroying it while jobs run."""

from __future__ import annotations

import pulumi
from pulumi_command import remote

from .batch.apps import APP_NAME, environment, marathon_apps
from .batch.guard import guard_script
from .batch.marathon_app import MarathonApp
from .batch.types import PoolRole
from .pool_parts import NO_SECRETS, PoolParts


def by_marathon(parts: PoolParts) -> dict[str, object]:
    """Registers the pool's own resources; its further outputs, of which there are none.

    In this order, so that the first daemons find their collector; each is created once the one before is healthy."""
    name, spec = parts.name, parts.spec
    before: list[pulumi.Resource] = [parts.network, parts.network.command]
    apps: list[pulumi.Resource] = []
    roles = (PoolRole.CENTRAL_MANAGER, PoolRole.SUBMIT, PoolRole.EXECUTOR)
    for role, app in zip(roles, marathon_apps(spec, parts.args.images["htcondor"], NO_SECRETS), strict=True):
        app.pop("env")
        apps.append(
            MarathonApp(
                f"{name}-{APP_NAME[role]}",
                parts.marathon,
                app,
                parts.secrets.apply(lambda s, role=role: environment(spec, role, s)),  # type: ignore[misc]
                opts=parts.options(before),
            )
        )
        before = [parts.network, parts.network.command, *apps[:1]]
    # Depends on all, so that it goes first: if it fails, nothing was destroyed.
    remote.Command(
        f"{name}-guard",
        connection=parts.front_end.connection,
        create="true",
        delete=guard_script(name, parts.args.pool.destroy_with_jobs),
        add_previous_output_in_env=False,
        opts=parts.options([*apps, parts.login, parts.login.command]),
    )
    return {}
