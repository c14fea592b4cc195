"""The way of packets between two containers, machine by machine, and the BGP route behind each step.

    python -m tools.path FROM TO [--json]          (after: eval "$(tools/env)")

FROM and TO: a container as MACHINE/CONTAINER, a pool's role as POOL/ROLE (demo/submit-node; of several executors the first), an
address, or a machine. Asks the machines on the way only, and changes nothing. The way back may be another: ask for it too.
Policy is not looked at: a way that arrives may still be closed to these two.

Exit status: 0 it arrives; 1 it does not, and why; 2 it could not be told what FROM or TO is, or the federation is not up.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from pydantic import TypeAdapter
from rich.console import Console
from rich.markup import escape

from components.spec.model import Federation
from components.spec.problems import ConfigError

from . import path_answer
from .path_answer import Answer
from .path_ends import End, Unknown, is_address, machines_to_ask, resolve
from .path_walk import Hop, Map, Node, Path, Silent, walk
from .reach import NotUp, Place, ask, at_once, federation_here, places
from .status_stacks import PulumiFailed

SECONDS = 15  # for a machine's answer
JSON = TypeAdapter(dict[str, End | Path | None])


def map_of(federation: Federation, found: Mapping[str, list[Place]]) -> Map:
    """The federation as packets see it."""
    nodes = {p.name: Node(p.name, p.site, p.address, p.front_end) for all_ in found.values() for p in all_}
    return Map(
        nodes,
        {name: site.lan for name, site in federation.sites.items()},
        {name: site.containers for name, site in federation.sites.items()},
        federation.network.fixed,
    )


def ends(there: Map, machines: Mapping[str, Place], source: str, target: str) -> tuple[End, End]:
    """What FROM and TO are; asks each machine whose containers matter, once. Raises Unknown."""
    wanted = sorted({*machines_to_ask(source, there), *([] if is_address(target) else machines_to_ask(target, there))})
    said = at_once(lambda name: ask(machines[name], path_answer.INVENTORY, SECONDS), wanted)
    answers = dict(zip(wanted, said, strict=True))
    silent = [name for name, one in answers.items() if one.trouble and not one.text]
    containers = [c for name, one in answers.items() for c in path_answer.inventory(name, one.text)]
    start = resolve(source, there, containers, silent)
    if not start.machine:
        unasked = f" ({', '.join(silent)} did not answer)" if silent else ""
        raise Unknown(f"no container that runs has {source}{unasked}, and a path has to begin somewhere")
    return start, resolve(target, there, containers, silent)


def trace(there: Map, machines: Mapping[str, Place], start: End, target: str) -> Path:
    """Asks machine after machine."""
    first = there.nodes[start.machine]

    def one(node: Node) -> Answer:
        inside = node is first and start.address != first.address
        said = ask(machines[node.name], path_answer.script(target, start.address if inside else ""), SECONDS)
        if said.trouble:
            raise Silent(said.trouble)
        return path_answer.read(said.text)

    return walk(there, first, target, one)


def show(start: End, end: End, path: Path, console: Console) -> None:
    """Two lines a machine, and how it ends."""
    console.print(f"from  {escape(start.name)}  [dim]{start.address}[/]")
    console.print(f"to    {escape(end.name)}  [dim]{end.address}[/]\n")
    width = max(len(hop.machine) for hop in path.hops)
    for number, hop in enumerate(path.hops, 1):
        there = f"  to {hop.next}" if hop.next else ""
        line = f"{number:2}  [bold]{hop.machine.ljust(width)}[/]  {hop.enters or '-'} -> {hop.leaves or '-'}{there}"
        console.print(line, soft_wrap=True)
        if behind := route_of(hop):
            console.print(f"    [dim]{escape(behind)}[/]", soft_wrap=True)
        if hop.note:
            console.print(f"    [yellow]{escape(hop.note)}[/]", soft_wrap=True)
    console.print(f"\n[{'green' if path.good else 'red'}]{path.verdict}[/]: {escape(path.said)}", soft_wrap=True)
    if path.do:
        console.print(f"  [cyan]-> {escape(path.do)}[/]", soft_wrap=True)


def route_of(hop: Hop) -> str:
    """The route behind a hop in words; "" without one."""
    if not hop.prefix:
        return ""
    if hop.as_path is None:
        return f"{hop.prefix}, {hop.learned_from}"
    way = f"AS path {' '.join(map(str, hop.as_path))}" if hop.as_path else "of this AS"
    return f"{hop.prefix} from {hop.learned_from}, {way}"


def main(argv: list[str] | None = None) -> int:
    """The command line; the exit status is the verdict."""
    parser = argparse.ArgumentParser(
        prog="path", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", metavar="FROM")
    parser.add_argument("target", metavar="TO")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    args = parser.parse_args(argv)
    try:
        federation = federation_here()
        found = places(federation)
        there, machines = map_of(federation, found), {p.name: p for all_ in found.values() for p in all_}
        start, end = ends(there, machines, args.source, args.target)
        path = trace(there, machines, start, end.address)
    except (ConfigError, PulumiFailed, NotUp, Unknown, OSError) as error:
        Console(stderr=True, highlight=False).print(str(error), style="red", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        return 130
    if args.json:
        sys.stdout.write(JSON.dump_json({"from": start, "to": end, "path": path}, indent=1).decode() + "\n")
    else:
        console = Console(highlight=False)
        show(start, end, path, console)
    return 0 if path.good else 1


if __name__ == "__main__":
    sys.exit(main())
