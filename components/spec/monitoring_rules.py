"""The rules of `monitoring`. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from .model import Federation
from .problems import Problem

FILE = "federation.yaml"


def monitoring_problems(federation: Federation) -> Iterator[Problem]:
    """Whether the site that is to hold Graphite is there, and Graphite where Grafana is to be."""
    if federation.monitoring.grafana is not None and not federation.monitoring.enabled:
        yield Problem(
            FILE, "monitoring.grafana", "has nothing to show without metrics", "take it away, or write enabled: true"
        )
    site = federation.monitoring.site
    if site is not None and site not in federation.sites:
        near = difflib.get_close_matches(site, federation.sites, n=1, cutoff=0.5)
        mend = f"write {near[0]}" if near else f"write one of {', '.join(federation.sites)}"
        yield Problem(FILE, "monitoring.site", f"there is no site {site}", mend)
