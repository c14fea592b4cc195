"""What a site's machines are called. No Pulumi here: validation and the tools name machines too."""

from __future__ import annotations


def front_end_name(site: str) -> str:
    """The name of the site's front-end."""
    return f"{site}-front-end"


def machine_names(site: str, agents: int) -> list[str]:
    """The front-end, then the agents, numbered from 1: a machine keeps its name when others come or go."""
    return [front_end_name(site), *(f"{site}-agent-{n}" for n in range(1, agents + 1))]
