"""Book-keeping of health checks: what one result means."""

from __future__ import annotations

import dataclasses

from .model import Health, Instance
from .spec import HealthCheck


def observe(
    instance: Instance, index: int, check: HealthCheck, ok: bool, cause: str | None, now: float
) -> tuple[Instance, bool]:
    """The instance after one result of its check number `index`, and whether it should be killed for it.

    Failures do not count within the grace period of an instance that has never been healthy.
    """
    known = list(instance.health) + [Health()] * (index + 1 - len(instance.health))
    before = known[index]
    if ok:
        known[index] = dataclasses.replace(
            before,
            alive=True,
            consecutive_failures=0,
            last_success=now,
            first_success=before.first_success or now,
        )
    elif before.first_success is None and instance.started_at is not None and now < instance.started_at + check.grace:
        known[index] = dataclasses.replace(before, last_failure=now, last_failure_cause=cause)
    else:
        known[index] = dataclasses.replace(
            before,
            alive=False,
            last_failure=now,
            last_failure_cause=cause,
            consecutive_failures=before.consecutive_failures + 1,
        )
    kill = (
        not ok
        and instance.running
        and not instance.being_killed
        and check.max_failures > 0
        and known[index].consecutive_failures >= check.max_failures
    )
    return instance.but(health=tuple(known)), kill
