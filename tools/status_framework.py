"""What a pool's framework says of itself: its REST asked, and its answer read."""

from __future__ import annotations

import time
from typing import Any

from .status_facts import Count, Decision, Framework, Role, WaitingJobs
from .status_http import Failed, Service

Json = dict[str, Any]
DECISIONS, WAITING = 5, 20  # the most that are kept


def ask_framework(stack: Json, ca: str) -> Framework:
    """GET /v1/pool, by the address and password that the outputs of the pool's stack tell. `ca` is the CA's certificate."""
    if "rest" not in stack:
        return Framework(False, "its stack does not tell its address: its pulumi up still runs, or did not finish")
    url = str(stack["rest"])
    try:
        with Service(url, stack["rest_user"], stack["rest_password"], ca) as rest:
            return read(rest.get("/v1/pool"), url)
    except Failed as error:
        return Framework(False, str(error), url)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return Framework(False, f"{type(error).__name__}: {error}"[:160], url)


def read(body: Json, url: str = "") -> Framework:
    """The answer of GET /v1/pool."""
    if body.get("gone"):
        return Framework(True, url=url, gone=True)
    executors, jobs, share = body["executors"], body["jobs"], body.get("share") or {}
    return Framework(
        True,
        url=url,
        connected=bool(body["mesos"].get("connected")),
        paused=bool(body.get("paused")),
        roles=tuple(Role(r["name"], r["phase"], bool(r["healthy"]), r.get("why") or "") for r in body["roles"]),
        fixed_wanted=int(executors["fixed"].get("wanted", 0)),
        fixed=_count(executors["fixed"]),
        elastic_max=int(executors["elastic"].get("max", 0)),
        elastic=_count(executors["elastic"]),
        data_age=(body.get("condor") or {}).get("queue_age"),
        idle=jobs.get("idle"),
        running=jobs.get("running"),
        held=jobs.get("held"),
        holds=float((share.get("holds") or {}).get("cpus", 0)),
        share=float((share.get("share") or {}).get("cpus", 0)),
        waiting=tuple(
            WaitingJobs(
                str(w.get("jobs", "")), int(w["count"]), str(w.get("owner", "")), w["why"], bool(w.get("never"))
            )
            for w in body.get("waiting", [])[:WAITING]
        ),
        decisions=tuple(Decision(_clock(d["when"]), str(d["text"])) for d in body.get("decisions", [])[-DECISIONS:]),
        drained_sites=tuple(body.get("drained_sites", [])),
    )


def _count(raw: Json) -> Count:
    return Count(*(int(raw.get(what, 0)) for what in ("running", "launching", "draining", "unreachable")))


def _clock(when: float | str) -> str:
    """A Unix time as this machine's clock shows it; a text as it is."""
    return time.strftime("%H:%M:%S", time.localtime(when)) if isinstance(when, int | float) else str(when)
