"""The policy between its JSON (PUT /v1/policy, and as it is stored) and `core.model.Policy`. Every problem is reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .core.model import Caps, Elastic, Limit, Placement, Policy, Share, Size
from .strict import Section

Json = dict[str, Any]
_MOST = 100_000  # executors


class PolicyError(Exception):
    """`problems`: one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def parse(raw: Any, sites: Sequence[str] | None = None) -> Policy:
    """`sites` are the pool's; without them names of sites are not checked. Raises PolicyError with every problem."""
    top = Section(raw)
    share = top.section("share")
    policy = Policy(
        fixed=top.integer("fixed", high=_MOST),
        share=Share(share.number("cpus"), share.number("memory")),
        elastic=None if top.is_null("elastic") else _elastic(top.section("elastic"), sites),
    )
    share.done()
    top.done()
    if top.problems:
        raise PolicyError(top.problems)
    return policy


def _limit(s: Section) -> Limit:
    return Limit(s.integer("max", high=_MOST), s.integer("curb", high=_MOST))


def _elastic(s: Section, sites: Sequence[str] | None) -> Elastic:
    largest = s.section("largest")
    preference = s.texts("site_preference", ())
    of_sites = s.section("sites", {})
    limits = {}
    for name in of_sites.names():
        one = of_sites.section(name)
        limits[name] = _limit(one)
        one.done()
    found = Elastic(
        min=s.integer("min", high=_MOST),
        total=_limit(s),
        batch=s.integer("batch", low=1, high=_MOST),
        wait_cycles=s.integer("wait_cycles", high=10_000),
        idle_timeout=s.number("idle_timeout", high=31_536_000),
        max_idle=s.integer("max_idle", high=_MOST),
        largest=Size(
            largest.number("cpus", low=1, whole=True),
            largest.number("memory", low=1),
            largest.number("disk", 0),
            largest.number("gpus", 0, whole=True),
        ),
        placement=Placement(
            s.text("placement", "pack", pattern="pack|spread", what="pack or spread") or Placement.PACK.value
        ),
        site_preference=preference,
        sites=limits,
        caps=_caps(s.section("caps", {})),
    )
    largest.done()
    s.done()
    if found.min > found.total.max:
        s.wrong("min", f"must not be over max ({found.total.max})")
    if sites is not None:
        for key, names in (("site_preference", preference), ("sites", tuple(limits))):
            for name in names:
                if name not in sites:
                    s.wrong(key, f"the pool has no site {name} (it has {', '.join(sites)})")
    return found


def _caps(s: Section) -> Caps:
    each = s.optional_number("each_user")
    tables = []
    for key in ("users", "groups"):
        table = s.section(key, {})
        tables.append({name: table.number(name) for name in table.names()})
        table.done()
    s.done()
    return Caps(each, tables[0], tables[1])


def to_json(policy: Policy) -> Json:
    """What `parse` reads."""
    share: Json = {"cpus": policy.share.cpus, "memory": policy.share.memory}
    e = policy.elastic
    if e is None:
        return {"fixed": policy.fixed, "share": share, "elastic": None}
    elastic: Json = {
        "min": e.min,
        "max": e.total.max,
        "curb": e.total.curb,
        "batch": e.batch,
        "wait_cycles": e.wait_cycles,
        "idle_timeout": e.idle_timeout,
        "max_idle": e.max_idle,
        "largest": {
            "cpus": e.largest.cpus,
            "memory": e.largest.memory,
            "disk": e.largest.disk,
            "gpus": e.largest.gpus,
        },
        "placement": e.placement.value,
        "site_preference": list(e.site_preference),
        "sites": {name: {"max": limit.max, "curb": limit.curb} for name, limit in e.sites.items()},
        "caps": {"each_user": e.caps.each_user, "users": dict(e.caps.users), "groups": dict(e.caps.groups)},
    }
    return {"fixed": policy.fixed, "share": share, "elastic": elastic}
