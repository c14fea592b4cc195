"""Which stacks a command is about, and in which order. Pure but for the look at which files there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from components.spec import addresses
from components.spec.validate import FEDERATION_STACK
from tools.stacks import order

from .federation import Here, unknown
from .terminal import UNABLE, Refused

ALL = "all stacks"


def chosen(the: Here, names: Iterable[str], verb: str) -> list[list[str]]:
    """The named stacks (all without names) in steps: those of one step at the same time. Raises Refused for one that is none."""
    steps = order(the.root, the.federation)
    known = [name for step in steps for name in step]
    wanted = list(names) or known
    for name in wanted:
        if name not in known:
            raise Refused(*unknown("stack", name, known), status=UNABLE)
    picked = [[name for name in step if name in wanted] for step in steps]
    if verb == "destroy":
        picked.reverse()
    return [step for step in picked if step]


def standing_on(the: Here, names: Iterable[str], there: Iterable[str]) -> list[str]:
    """What exists and stands on the named stacks, and is not named itself: it has to go first."""
    wanted, exist = set(names), set(there)
    sites, pools = set(the.federation.sites), the.pools
    out: set[str] = set()
    if FEDERATION_STACK in wanted:
        out |= (sites | set(pools)) & exist
    for site in wanted & sites:
        out |= {name for name, pool in pools.items() if site in pool.sites and name in exist}
        if the.federation.monitoring.grafana and site == the.federation.graphite_site:
            out |= set(pools) & exist  # each has its dashboard there
    return sorted(out - wanted)


def next_after(the: Here, verb: str, names: list[str], done: Mapping[str, Mapping[str, Any]]) -> str:
    """What to do once it has ended well."""
    if verb == "preview":
        changed = [name for name, one in done.items() if one["changes"]]
        return f"aerie up {' '.join(changed)}" if changed else "nothing: what is there is what the files say"
    if verb == "destroy":
        return "aerie up brings them back; images and caches are kept" if done else "nothing: they were not there"
    pool = next((n for n in done if n in the.pools), next(iter(the.pools), ""))
    do = f"aerie status; aerie submit {pool} FILE" if pool else "aerie status; aerie pool add NAME"
    url = addresses.page_url(the.federation)
    return f"{do}; look at {url}" if url else do
