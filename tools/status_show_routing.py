"""Routing on the screen: one line for `make status`, and tables for `--routing`."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from .status_look import listed
from .status_model import Link, Routing, SiteRouting

MOST_COLUMNS = 8  # sites beside each other; --json has all
MOST_ROWS = 40


def numbers(all_: Iterable[int]) -> str:
    """AS numbers in a few words: 64513-64515, 64600."""
    runs: list[list[int]] = []
    for n in sorted(set(all_)):
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return listed((f"{a}-{b}" if a != b else str(a) for a, b in runs), 3)


def missing(routing: Routing) -> list[str]:
    """Sites of which another one has no route."""
    asked = [s for s in routing.sites if s.prefixes is not None]
    return [s.name for s in routing.sites if any(not (o.prefixes or {}).get(s.name) for o in asked if o.name != s.name)]


def summary(routing: Routing) -> str:
    """The line below the sites, with markup."""
    known = [s.as_number for s in routing.sites if s.as_number is not None]
    parts = [escape(routing.topology) + (f", AS {numbers(known)}" if known else "")]
    if routing.links:
        good = [link for link in routing.links if link.up]
        trips = sorted(link.rtt for link in good if link.rtt is not None)
        text = f"{len(good)}/{len(routing.links)} links"
        if trips:
            low, high = f"{trips[0]:.1f}", f"{trips[-1]:.1f}"
            text += f" {low if low == high else f'{low}-{high}'} ms"
        parts.append(text if len(good) == len(routing.links) else f"[red]{text}[/]")
    if any(s.prefixes is not None for s in routing.sites) and len(routing.sites) > 1:
        gone = missing(routing)
        parts.append(f"[red]no routes of {escape(listed(gone, 3))} somewhere[/]" if gone else "routes complete")
    if routing.down:
        parts.append(f"[red]{len(routing.down)} session{'s' if len(routing.down) > 1 else ''} down[/]")
    return "[dim]BGP[/] " + "; ".join(parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    return table


def _row(site: SiteRouting, columns: list[str]) -> list[str]:
    sessions = f"{site.sessions_up}/{site.sessions}"
    if site.sessions_up < site.sessions:
        sessions = f"[red]{sessions}[/]"
    cells = []
    for other in columns:
        if site.prefixes is None:
            cells.append("?")
        else:
            count = site.prefixes.get(other, 0)
            cells.append(str(count) if count or other == site.name else "[red]0[/]")
    return [site.name, str(site.as_number or "?"), sessions, *cells]


def site_routing(routing: Routing) -> Table:
    """A row a site: its AS, its sessions, and how many prefixes BGP told its front-end of each site."""
    columns = [s.name for s in routing.sites][:MOST_COLUMNS]
    heads = [f"from {columns[0]}", *columns[1:]] if columns else []
    table = _table("site", "AS", "sessions", *heads)
    rows = sorted(routing.sites, key=lambda s: s.sessions_up >= s.sessions)[:MOST_ROWS]
    for site in rows if len(rows) < len(routing.sites) else routing.sites:
        table.add_row(*_row(site, columns))
    if len(routing.sites) > min(MOST_COLUMNS, len(rows)):
        table.add_row("...", "", "", "the rest: --json")
    return table


def link_table(links: tuple[Link, ...]) -> Table:
    """A row a tunnel, those that are dead first if there are many."""
    table = _table("tunnel", "state", "RTT ms", "handshake")
    shown = sorted(links, key=lambda link: link.up)[:MOST_ROWS] if len(links) > MOST_ROWS else links
    for link in shown:
        table.add_row(
            f"{link.a} - {link.b}",
            "up" if link.up else "[red]down[/]",
            "-" if link.rtt is None else f"{link.rtt:.2f}",
            "never" if link.handshake is None else f"{link.handshake} s ago",
        )
    if len(shown) < len(links):
        table.add_row(f"... {len(links) - len(shown)} more")
    return table


def show_routing(routing: Routing, console: Console) -> None:
    """All of it."""
    tables = [site_routing(routing)] + ([link_table(routing.links)] if routing.links else [])
    console.print(Padding(summary(routing), (1, 0, 0, 0)), highlight=False)
    for table in tables:
        console.print(Padding(table, (1, 0, 0, 0)))
    if routing.down:
        console.print()
    for line in routing.down[:MOST_ROWS]:
        console.print(f"[red]down[/]  {escape(line)}", highlight=False, soft_wrap=True)
    if len(routing.down) > MOST_ROWS:
        console.print(f"      and {len(routing.down) - MOST_ROWS} more: --json shows them", highlight=False)
