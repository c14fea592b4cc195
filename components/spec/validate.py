"""What a stack's program and the tools call first: the whole configuration read and judged, or refused at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .loader import parse, read_federation, read_sites, read_yaml, stack_values
from .model import Federation, FederationStack, Pool, PoolStack, SiteStack
from .monitoring_rules import plain_problems
from .problems import ConfigError, Problem, with_lines
from .rough import beyond, rough
from .routing_rules import routing_problems
from .rules import (
    HostNetworks,
    federation_problems,
    own_problems,
    placeholder_problems,
)
from .site_rules import site_problems

FEDERATION_STACK = "federation"


@dataclass(frozen=True)
class Plan:
    """A configuration without problems. Exactly one of `own`, `site` and `pool` is what the stack is."""

    stack: str
    federation: Federation
    sites: dict[str, SiteStack]
    own: FederationStack | None = None
    site: SiteStack | None = None
    pool: Pool | None = None
    pools: dict[str, Pool] = field(default_factory=dict)


def pool_files(root: Path, federation: Federation) -> list[str]:
    """The names of stacks whose file is neither the federation's nor a site's."""
    names = (p.name.removeprefix("Pulumi.").removesuffix(".yaml") for p in sorted(root.glob("Pulumi.*.yaml")))
    return [n for n in names if n != FEDERATION_STACK and n not in federation.sites]


def read_pools(root: Path, federation: Federation, but: str = "") -> dict[str, Pool]:
    """The pools whose files are here and readable; another pool's mistakes are its own stack's to tell."""
    pools = {}
    for name in pool_files(root, federation):
        if name != but:
            data, _ = read_yaml(root / f"Pulumi.{name}.yaml")
            stack, _ = parse(PoolStack, stack_values(data), f"Pulumi.{name}.yaml")
            if stack:
                pools[name] = stack.pool
    return pools


def plan(root: Path, stack: str, values: dict[str, Any], host: HostNetworks = (), home: Path | None = None) -> Plan:
    """The stack's plan from the files below `root` and its own `values` (without the project's prefix).

    Raises ConfigError with every problem at once.
    """
    federation, problems = read_federation(root)
    file = f"Pulumi.{stack}.yaml"
    if federation is None:
        federation = rough(Federation, read_yaml(root / "federation.yaml")[0])
    if federation is None:
        problems += placeholder_problems(file, values) + _alone(stack, values, file)
        raise ConfigError(with_lines(problems, root))
    problems += beyond(federation_problems(federation, host), problems)
    problems += placeholder_problems(file, values)
    sites, found = read_sites(federation, root)
    problems += [p for p in found if p.file != file]
    problems += beyond(routing_problems(federation, sites), problems)
    pools = read_pools(root, federation, but=stack)
    result = Plan(stack, federation, sites, pools=pools)
    if stack == FEDERATION_STACK:
        own, found = parse(FederationStack, values, file)
        if own:
            found = own_problems(own, federation, file)
        plain = list(plain_problems(stack_values(read_yaml(root / file)[0]), file))
        found = [
            *(p for p in found if p.place not in {each.place for each in plain}),
            *plain,
        ]  # which may show the secret
        result = Plan(stack, federation, sites, own=own, pools=pools)
    elif not (root / file).is_file():
        found = [Problem(file, "(whole file)", "the file is missing", f"write it beside Pulumi.yaml, in {root}")]
    elif stack in federation.sites:
        site, found = parse(SiteStack, values, file)
        if site_like := site or rough(SiteStack, values):
            found += beyond(site_problems(stack, site_like, federation, pools), found)
        result = Plan(stack, federation, sites, site=site, pools=pools)
    elif "pool" in values:
        own_pool, found = parse(PoolStack, values, file)
        if like := own_pool or rough(PoolStack, values):
            from .pool_rules import pool_problems  # with what makes tokens, which no other stack needs, nor the tools

            more = pool_problems(stack, like.pool, federation, sites, pools, home or Path.home())
            found += beyond(more, found)
        result = Plan(stack, federation, sites, pool=own_pool.pool if own_pool else None, pools=pools)
    else:
        known = ", ".join([FEDERATION_STACK, *federation.sites])
        found = [
            Problem(
                file, "pool", f"is missing, and stack {stack!r} is none of {known}", "write aerie:pool, or name a site"
            )
        ]
    problems += found
    if problems:
        raise ConfigError(with_lines(sorted(set(problems)), root))
    return result


def _alone(stack: str, values: dict[str, Any], file: str) -> list[Problem]:
    """What is wrong with the stack's own values, as far as that can be told without the federation's file."""
    if stack == FEDERATION_STACK:
        return parse(FederationStack, values, file)[1]
    if "pool" in values:
        return parse(PoolStack, values, file)[1]
    return parse(SiteStack, values, file)[1] if "iaas" in values else []
