"""The campaign: plans, propagation, losses and the hunt for a lost site, at several sizes; its figures as data, tables and pictures."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from components.fabric.topology import NodePlan, Plan, Topology, plan
from components.fabric.topology_counts import path_limit, prefixes, totals

from .bgp import Propagation
from .charts import Chart, Curve, svg
from .forwarding import NOTHING, Checked, check_borders, check_ways
from .generate import Shape, Tunnels, federation
from .network import Network, Policy

NODES = 5  # of each site: 1,000 sites have 5,000
FIXED = 50
BOUND = 4  # ASes on a path, where all sites have tunnels to each other: components/fabric/calico_objects.py
TUNNELS: tuple[Tunnels, ...] = ("all", "random", "hubs")
Figures = dict[str, list[dict[str, Any]]]
Say = Callable[[str], None]


def campaign(
    sizes: Sequence[int] = (3, 10, 30, 100, 300, 1000),
    hunts: Sequence[int] = (3, 10, 30, 100),
    losses: int = 10,
    say: Say = print,
) -> Figures:
    """Every figure. `sizes` in sites; `losses`: how many reflectors are lost, one after the other, for each prefix of a large federation
    (of one up to 100 sites all are)."""
    return {
        "plans": [row for sites in sizes for row in _plans(sites, say)],
        "settled": [_settled(Shape(sites, NODES, 1, tunnels), say) for sites in sizes for tunnels in TUNNELS],
        "losses": [_losses(Shape(sites, NODES, 2, tunnels), losses, say) for sites in sizes for tunnels in TUNNELS],
        "hunts": [_hunt(sites, longest, say) for sites in hunts for longest in (None, BOUND)],
    }


# -- plans


def _plans(sites: int, say: Say) -> Iterable[dict[str, Any]]:
    topologies: tuple[Topology, ...] = ("full-mesh", "route-reflectors")
    for topology in topologies:
        for tunnels in TUNNELS if topology == "route-reflectors" else TUNNELS[:1]:
            shape = Shape(sites, NODES, 1, tunnels)
            say(f"plan: {topology}, {shape}")
            made_of = federation(shape)
            start = time.process_time()
            made = plan(made_of, topology)
            sums = totals(made)
            seconds = time.process_time() - start
            client, reflector = _one_of_each(made)
            tracemalloc.start()
            plan(made_of, topology)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            yield {
                "sites": sites,
                "nodes": sums.nodes,
                "topology": topology,
                "tunnels": tunnels,
                "sessions": sums.sessions,
                "sessions_node": sums.most_client_sessions,
                "sessions_front_end": sums.most_sessions,
                "tunnels_in_all": sums.tunnels,
                "tunnels_front_end": sums.most_tunnels,
                "prefixes_node": prefixes(made, client, 1, FIXED).total,
                "prefixes_front_end": prefixes(made, reflector, 1, FIXED).total,
                "path_limit": path_limit(made.tunnels),
                "seconds": round(seconds, 3),
                "megabytes": round(peak / 1e6, 1),
            }


def _one_of_each(made: Plan) -> tuple[NodePlan, NodePlan]:
    nodes = made.nodes.values()
    return next(n for n in nodes if not n.reflector), next(n for n in nodes if n.reflector)


# -- propagation


def _settled(shape: Shape, say: Say) -> dict[str, Any]:
    """Every site's containers as one, told to everybody; the LAN goes the same way. And of every hundredth node, but at least ten, the block."""
    say(f"settle: {shape}")
    net = Network(plan(federation(shape), "route-reflectors"), one_client=True)
    start = time.process_time()
    checked, rounds, messages, paths = NOTHING, 0, 0, 0
    busiest = max(range(len(net)), key=lambda router: len(net.borders[router]))
    for site in range(shape.sites):
        prop = Propagation(net, net.whole(site))
        prop.run()
        checked += check_ways(prop) + Checked(0, 0, tuple(check_borders(prop)))
        rounds, messages = max(rounds, prop.rounds), messages + prop.messages
        paths += prop.paths_from_borders(busiest)
    blocks = range(0, len(net), max(1, len(net) // max(10, len(net) // 100)))
    for router in blocks:
        prop = Propagation(net, net.block(router))
        prop.run()
        checked += check_ways(prop, net.routers_of[net.site[router]])
        checked += Checked(0, 0, tuple(check_borders(prop)))
    return {
        "sites": shape.sites,
        "tunnels": shape.tunnels,
        "ways": checked.ways,
        "longest": checked.longest,
        "findings": len(checked.findings),
        "rounds": rounds,
        "messages": messages,
        "paths_front_end": 2 * paths,  # the LANs likewise
        "seconds": round(time.process_time() - start, 1),
    }


def _losses(shape: Shape, most: int, say: Say) -> dict[str, Any]:
    """Two reflectors a site: one is lost, all is checked, it comes back, and all is as it was. For every site's prefix."""
    say(f"losses: {shape}")
    net = Network(plan(federation(shape), "route-reflectors"), one_client=True)
    reflectors = [router for router in range(len(net)) if net.reflector[router]]
    lot = random.Random(shape.seed)
    everybody = shape.sites <= 100
    sites = range(shape.sites) if shape.sites <= 100 else sorted(lot.sample(range(shape.sites), 20))
    start = time.process_time()
    checked, cases, rounds, not_restored = NOTHING, 0, 0, 0
    for site in sites:
        prop = Propagation(net, net.whole(site))
        prop.run()
        before = list(prop.best)
        # The site's own always: that is the loss which everybody notices.
        lost = reflectors if everybody else [*net.reflectors_of[site], *lot.sample(reflectors, most)]
        for router in lost:
            prop.reset_counts()
            net.down.add(router)
            prop.fail([router])
            prop.run()
            checked += check_ways(prop) + Checked(0, 0, tuple(check_borders(prop)))
            rounds = max(rounds, prop.rounds)
            net.mend()
            prop.back([router])
            prop.run()
            not_restored += prop.best != before
            cases += 1
    return {
        "sites": shape.sites,
        "tunnels": shape.tunnels,
        "cases": cases,
        "ways": checked.ways,
        "longest": checked.longest,
        "findings": len(checked.findings) + not_restored,
        "rounds": rounds,
        "seconds": round(time.process_time() - start, 1),
    }


def _hunt(sites: int, longest: int | None, say: Say) -> dict[str, Any]:
    """Tunnels between all, one site is gone: what is said until everybody has given it up."""
    say(f"hunt: {sites} sites, paths of at most {longest}")
    net = Network(plan(federation(Shape(sites, 1)), "route-reflectors"))
    prop = Propagation(net, net.whole(0), Policy(longest_path=longest))
    prop.run()
    came = prop.messages
    prop.reset_counts()
    net.down.add(0)
    prop.fail([0])
    prop.run()
    assert not any(prop.best)
    return {"sites": sites, "longest_path": longest, "coming": came, "going": prop.messages, "rounds": prop.rounds}


# -- what comes of it


def write(figures: Figures, data: Path, pictures: Path) -> None:
    """The figures as JSON, and the pictures."""
    data.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join(
        f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in table) + "\n]" for name, table in figures.items()
    )
    data.write_text("{\n" + rows + "\n}\n")
    for name, chart in charts(figures).items():
        (pictures / f"scaling-{name}.svg").write_text(svg(chart))


def _curve(name: str, rows: Iterable[dict[str, Any]], key: str, **only: Any) -> Curve:
    kept = [row for row in rows if all(row[k] == v for k, v in only.items()) and row[key] > 0]
    return Curve(name, [(row["sites"], row[key]) for row in kept])


def charts(figures: Figures) -> dict[str, Chart]:
    """The pictures of docs/scaling.md by name."""
    plans, settled, hunts = figures["plans"], figures["settled"], figures["hunts"]
    x = f"sites, of {NODES} nodes each"
    mesh, reflected = {"topology": "full-mesh"}, {"topology": "route-reflectors"}
    return {
        "sessions": Chart(
            "BGP sessions of one node",
            x,
            "sessions; the node that has most",
            [
                _curve("full mesh, any node", plans, "sessions_node", **mesh),
                _curve("front-end, all tunnels", plans, "sessions_front_end", tunnels="all", **reflected),
                _curve("front-end, some tunnels", plans, "sessions_front_end", tunnels="random", **reflected),
                _curve("other node", plans, "sessions_node", tunnels="all", **reflected),
            ],
        ),
        "prefixes": Chart(
            "Prefixes in one node's table",
            x,
            f"prefixes, with one block a node and {FIXED} fixed addresses",
            [
                _curve("full mesh, node", plans, "prefixes_node", **mesh),
                _curve("reflectors, front-end", plans, "prefixes_front_end", tunnels="all", **reflected),
                _curve("reflectors, node", plans, "prefixes_node", tunnels="all", **reflected),
            ],
        ),
        "paths": Chart(
            "Ways that a front-end keeps of what other sites tell it",
            x,
            "paths (prefix and peer), at the front-end with most tunnels",
            [
                _curve("tunnels between all", settled, "paths_front_end", tunnels="all"),
                _curve("two hubs", settled, "paths_front_end", tunnels="hubs"),
                _curve("ring and 3 by lot", settled, "paths_front_end", tunnels="random"),
            ],
        ),
        "hunt": Chart(
            "Messages until a lost site is given up, tunnels between all",
            "sites",
            "announcements and withdrawals of one prefix, in the whole federation",
            [
                _curve("paths of any length", hunts, "going", longest_path=None),
                _curve(f"at most {BOUND} ASes", hunts, "going", longest_path=BOUND),
                _curve("when it came", hunts, "coming", longest_path=None),
            ],
        ),
    }


def _table(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> str:
    lines = ["| " + " | ".join(c.replace("_", " ") for c in columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = [
            f"{v:,}" if isinstance(v, int | float) and not isinstance(v, bool) else str(v)
            for v in (row[c] for c in columns)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tables(figures: Figures) -> str:
    """The figures in Markdown."""
    return "\n\n".join(_table(rows, list(rows[0])) for rows in figures.values() if rows)
