"""The status as one screen of text, 80 columns and 24 lines where all is well with a few sites."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from .status_model import AppLine, FrameworkLine, PoolLine, Problem, Quorum, Site, Status
from .status_show_routing import show_routing, summary

MOST_SITES, MOST_APPS, MOST_POOLS, MOST_PROBLEMS, MOST_NOTES = 10, 6, 4, 6, 3
MOST_WAITING, MOST_DECISIONS = 4, 3  # of each pool by a framework
COLOURS = {"good": "green", "wrong": "red", "not up": "yellow"}


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def _of(up: int, wanted: int) -> str:
    """`3 of 3`, red if some are missing."""
    colour = "" if up >= wanted else "red"
    text = f"{up}/{wanted}" if wanted else "-"
    return f"[{colour}]{text}[/]" if colour else text


def _gigabytes(megabytes: float) -> str:
    return f"{megabytes / 1024:.1f}"


def quorum_table(quorums: Iterable[Quorum]) -> Table:
    """Members, leader, and how many more may be lost."""
    table = _table("quorum", "members", "leader", "")
    for q in quorums:
        if not q.held:
            says = f"[red]{'no leader' if q.name == 'Marathon' else 'no quorum'}[/]"
        else:
            says = f"tolerates the loss of {q.tolerates}" if q.tolerates else "[yellow]tolerates no loss[/]"
        members = f"{q.up} of {q.members}"
        table.add_row(q.name, members if q.up == q.members else f"[red]{members}[/]", q.leader or "[red]none[/]", says)
    return table


def site_table(sites: tuple[Site, ...]) -> Table:
    """A row a site, those with trouble first if there are too many, and a row for all."""
    table = _table("site", "machines", "services", "agents", "cpus used", "memory GB", "VPN", "BGP")
    shown = sites
    if len(sites) > MOST_SITES:
        shown = tuple(sorted(sites, key=_site_is_good))[:MOST_SITES]
    for s in shown:
        table.add_row(*_site_row(s))
    if len(shown) < len(sites):
        table.add_row(f"... {len(sites) - len(shown)} more")
    if len(sites) > 1:
        table.add_row(*(f"[dim]{cell}[/]" if "[" not in cell else cell for cell in _site_row(_all(sites))))
    return table


def _site_is_good(s: Site) -> bool:
    pairs = (
        (s.machines, s.machines_up),
        (s.services, s.services_up),
        (s.agents, s.agents_up),
        (s.sessions, s.sessions_up),
    )
    return s.machines > 0 and all(up >= wanted for wanted, up in (*pairs, (s.tunnels, s.tunnels_up)))


def _site_row(s: Site) -> list[str]:
    if not s.machines:
        return [s.name, "[red]not up[/]"]
    age = f" {s.handshake} s" if s.handshake is not None else ""
    return [
        s.name,
        _of(s.machines_up, s.machines),
        _of(s.services_up, s.services),
        _of(s.agents_up, s.agents),
        f"{s.cpus_used:g} of {s.cpus:g}" if s.agents_up else "-",
        f"{_gigabytes(s.memory_used)} of {_gigabytes(s.memory)}" if s.agents_up else "-",
        _of(s.tunnels_up, s.tunnels) + age,
        _of(s.sessions_up, s.sessions),
    ]


def _all(sites: tuple[Site, ...]) -> Site:
    """The sum; of the handshakes the oldest."""
    names = [n for n in Site.__dataclass_fields__ if n not in ("name", "handshake")]
    sums = {n: round(sum(getattr(s, n) for s in sites), 2) for n in names}
    return Site(
        name="all", handshake=max((s.handshake for s in sites if s.handshake is not None), default=None), **sums
    )


def app_table(apps: tuple[AppLine, ...]) -> Table:
    """A row an app, those that are not well first if there are too many."""
    table = _table("app", "running", "state", "where")
    shown = apps if len(apps) <= MOST_APPS else tuple(sorted(apps, key=lambda a: a.good))[:MOST_APPS]
    for a in shown:
        state = a.state if a.good else f"[{'yellow' if a.state == 'in deployment' else 'red'}]{a.state}[/]"
        where = ", ".join(f"{escape(site)} {n}" if n > 1 or len(a.places) > 1 else escape(site) for site, n in a.places)
        table.add_row(escape(a.id), _of(a.running, a.instances), state, where)
    if len(shown) < len(apps):
        rest = [a for a in apps if a not in shown]
        table.add_row(f"... {len(rest)} more", "", "healthy" if all(a.good for a in rest) else "[red]some not well[/]")
    return table


def pool_table(pools: tuple[PoolLine, ...]) -> Table:
    """A row a pool: executors, cores claimed and idle by site, jobs."""
    table = _table("pool", "executors", "slots claimed+idle", "jobs idle", "run", "held", "done")
    table.columns[2].no_wrap = False  # many sites
    for p in pools[:MOST_POOLS]:
        if p.executors is None:
            slots = "[red]unknown[/]"
        else:
            slots = ", ".join(f"{s.site} {s.claimed}+{s.idle}" for s in p.slots) or "none"
        jobs = [str(n) for n in (p.jobs.idle, p.jobs.running, p.jobs.held, p.jobs.done)] if p.jobs else ["?"] * 4
        if p.jobs and p.jobs.held:
            jobs[2] = f"[yellow]{p.jobs.held}[/]"
        table.add_row(p.name, _of(p.executors, p.wanted) if p.executors is not None else "?", slots, *jobs)
    if len(pools) > MOST_POOLS:
        table.add_row(f"... {len(pools) - MOST_POOLS} more")
    return table


def framework_table(frameworks: tuple[FrameworkLine, ...]) -> Table:
    """A row a pool by a framework: its roles, its executors by state, its cores."""
    table = _table("framework", "roles", "fixed", "elastic", "starting", "draining", "cores of share")
    for f in frameworks[:MOST_POOLS]:
        fixed = _of(f.fixed, f.fixed_wanted)
        elastic = f"{f.elastic} (max {f.elastic_max})" if f.elastic_max or f.elastic else "-"
        cores = f"{f.holds:g} of {f.share:g}"
        table.add_row(
            f.name, _of(f.roles_good, f.roles), fixed, elastic, str(f.launching or "-"), str(f.draining or "-"), cores
        )
    if len(frameworks) > MOST_POOLS:
        table.add_row(f"... {len(frameworks) - MOST_POOLS} more")
    return table


def _said(console: Console, frameworks: tuple[FrameworkLine, ...]) -> None:
    """Why jobs wait, and what was decided last."""
    for f in frameworks[:MOST_POOLS]:
        for line in f.waiting[:MOST_WAITING]:
            console.print(_line("[yellow]jobs[/]", f"{f.name}: {line}"))
        if len(f.waiting) > MOST_WAITING:
            console.print(_line("", f"and {len(f.waiting) - MOST_WAITING} more kinds of jobs"))
        for line in f.decisions[-MOST_DECISIONS:]:
            console.print(_line("[dim]did[/]", f"{f.name}: {line}"))


def headline(status: Status) -> str:
    """The verdict in a line."""
    sites, colour = status.sites, COLOURS[status.verdict]
    up, machines = sum(s.machines_up for s in sites), sum(s.machines for s in sites)
    number = len(status.problems)
    verdict = {
        "good": "all is well",
        "wrong": f"{number} thing{'s are' if number > 1 else ' is'} wrong",
        "not up": "is not up",
    }[status.verdict]
    return f"[bold]{status.federation}[/]: [bold {colour}]{verdict}[/]  [dim]{up} of {machines} machines answer, {status.seconds:.1f} s[/]"


def _line(kind: str, text: str) -> Table:
    """A line that goes on indented."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=5)
    grid.add_column()
    grid.add_row(kind, escape(text))
    return grid


def _problem(console: Console, problem: Problem) -> None:
    console.print(_line("[red]wrong[/]", problem.what))
    # A command stays in one piece, so that it can be copied.
    console.print(f"       [cyan]-> {escape(problem.do)}[/]", soft_wrap=True, highlight=False)


def show(status: Status, console: Console, routing: bool = False) -> None:
    """Prints everything, or of the tables those about routing only."""
    console.print(headline(status), highlight=False)
    if status.verdict != "not up" and routing:
        show_routing(status.routing, console)
    elif status.verdict != "not up":
        tables = [quorum_table(status.quorums), site_table(status.sites)]
        tables += [app_table(status.apps)] if status.apps else []
        tables += [pool_table(status.pools)] if status.pools else []
        tables += [framework_table(status.frameworks)] if status.frameworks else []
        for number, table in enumerate(tables):
            console.print(Padding(table, (1, 0, 0, 0)))
            if number == 1:  # below the sites
                console.print(summary(status.routing), highlight=False)
        if any(f.waiting or f.decisions for f in status.frameworks):
            console.print()
            _said(console, status.frameworks)
    if status.problems or status.notes:
        console.print()
    for problem in status.problems[:MOST_PROBLEMS]:
        _problem(console, problem)
    if len(status.problems) > MOST_PROBLEMS:
        console.print(
            f"       and {len(status.problems) - MOST_PROBLEMS} more: python -m tools.status --json shows them",
            highlight=False,
        )
    for note in status.notes[:MOST_NOTES]:
        console.print(_line("[yellow]note[/]", note))
    console.print(f"[dim]Page:[/] {status.page} (user admin)" if status.page else "", highlight=False)
    console.print(f"[bold]Next:[/] {escape(status.next)}", soft_wrap=True, highlight=False)
