"""Launch back-off: an app whose tasks fail waits longer and longer before the next one."""

from __future__ import annotations

from .model import Delay, State
from .spec import AppSpec


def left(state: State, spec: AppSpec, now: float) -> float:
    """Seconds until the app may launch again; 0 for now."""
    delay = state.delays.get(spec.id)
    if delay is None or delay.config_version != spec.config_version:
        return 0.0
    return max(0.0, delay.until - now)


def failed(state: State, spec: AppSpec, now: float) -> Delay:
    """A task of this app ended without being asked to."""
    before = state.delays.get(spec.id)
    if before is None or before.config_version != spec.config_version:
        seconds = spec.backoff
    elif before.until > now:
        return before  # one of several that died together: counted once
    else:
        seconds = before.seconds * spec.backoff_factor
    seconds = min(seconds, spec.max_launch_delay)
    state.delays[spec.id] = Delay(spec.config_version, seconds, now + seconds)
    return state.delays[spec.id]


def settle(state: State, spec: AppSpec, now: float) -> None:
    """Forget the delay once an instance has been ready for longer than it, with a minute at the least."""
    delay = state.delays.get(spec.id)
    if delay is None or delay.until > now:
        return
    calm = max(60.0, delay.seconds)
    if now - delay.until >= calm and any(
        i.ready(spec) and i.started_at is not None and now - i.started_at >= calm
        for i in state.of_app(spec.id)
        if i.version >= spec.config_version
    ):
        del state.delays[spec.id]


def reset(state: State, app_id: str) -> bool:
    """Drop the delay of an app.  False when it had none."""
    return state.delays.pop(app_id, None) is not None
