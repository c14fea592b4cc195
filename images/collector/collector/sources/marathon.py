"""Marathon by its v2 API, of this site's own instance. Only the leader counts: another would pass the question on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..http import Web

Json = Mapping[str, Any]


def counts(apps: Sequence[Json], deployments: Sequence[Json], queue: Sequence[Json]) -> dict[str, float]:
    """From the answers of /v2/apps, /v2/deployments and /v2/queue."""

    def total(key: str) -> float:
        return float(sum(app.get(key, 0) for app in apps))

    return {
        "marathon.apps": float(len(apps)),
        "marathon.instances": total("instances"),
        "marathon.tasks.running": total("tasksRunning"),
        "marathon.tasks.staged": total("tasksStaged"),
        "marathon.tasks.healthy": total("tasksHealthy"),
        "marathon.tasks.unhealthy": total("tasksUnhealthy"),
        "marathon.deployments": float(len(deployments)),
        "marathon.queue.apps": float(len(queue)),
        "marathon.queue.instances": float(sum(each.get("count", 0) for each in queue)),
        "marathon.queue.delayed": float(sum(not each.get("delay", {}).get("overdue", True) for each in queue)),
    }


class Marathon:
    name = "marathon"

    def __init__(self, web: Web, own: str) -> None:
        """`own` is what the leader is called if it is this one: ADDRESS:PORT."""
        self._web, self._own = web, own

    def read(self) -> dict[str, float]:
        leads = self._web.json("/v2/leader")["leader"] == self._own
        out = {"marathon.leader": float(leads)}
        if leads:
            out |= counts(
                self._web.json("/v2/apps")["apps"],
                self._web.json("/v2/deployments"),
                self._web.json("/v2/queue")["queue"],
            )
        return out
