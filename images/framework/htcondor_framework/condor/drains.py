"""The command that drains an executor, and what its answers mean. Pure."""

from __future__ import annotations

from .tools import CondorError

_UNDER_WAY = "Draining already in progress"
# Evaluated by the startd for each of its slots, before anything happens: a graceful drain ends jobs whose retirement time is 0.
_NO_JOB_ENDED = '(MaxJobRetirementTime =!= 0) || (State =!= "Claimed")'
_REFUSED = "Draining check expression is false"


def drain_command(cancel: bool) -> tuple[str, ...]:
    """Without what it is to drain. Told twice is as told once.

    It is refused where it would end running jobs: a startd (23.9.6) whose drain is cancelled within seconds after the last job's
    end forgets that jobs may finish (its MaxJobRetirementTime stays 0). A drain without any job puts that right."""
    how = ("-cancel",) if cancel else ("-graceful", "-reason", "framework", "-check", _NO_JOB_ENDED)
    return ("condor_drain", *how)


def was_heard(status: int, output: str, cancel: bool) -> bool:
    """Whether the startd does as it is told. Raises CondorError if it will not."""
    if status == 0 or (_UNDER_WAY in output and not cancel):
        return True
    if _REFUSED in output:
        raise CondorError("it would not let its jobs end; it can be drained when it has none")
    return False
