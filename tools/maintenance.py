"""Mesos' maintenance by hand: which machines are on their way out, and how to keep one after all.

python -m tools.maintenance               machines in maintenance, and the tasks that they wait for
python -m tools.maintenance end MACHINE   (or its address) the machine stays: its agent gets tasks again, executors that drained take jobs again
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.cluster import drain_rules as rules
from components.cluster.drain_masters import NoMaster, Operator, Refused
from components.cluster.drain_program import reactivate, schedule_of, unschedule
from components.spec import addresses
from components.spec.loader import read_federation
from components.spec.validate import FEDERATION_STACK

from . import stacks


def operator_of(root: Path) -> tuple[Operator, dict[str, str]]:
    """A client with the federation's own password, and every machine's address. Raises StackFailed."""
    federation, problems = read_federation(root)
    if federation is None:
        raise stacks.StackFailed("; ".join(str(p) for p in problems))
    shared = stacks.outputs(FEDERATION_STACK, root)
    machines: dict[str, str] = {}
    for site in federation.sites:
        machines |= stacks.outputs(site, root).get("machines", {})
    masters = [f"{a}:{addresses.MESOS_MASTER}" for a in addresses.quorum_addresses(federation).values()]
    password = shared["passwords"]["mesos-operator"]
    return Operator(masters, "", "operator", password, shared["ca_certificate"]), machines


def show(operator: Operator, machines: dict[str, str]) -> list[str]:
    """One line for each machine in maintenance."""
    names = {address: name for name, address in machines.items()}
    status = operator.call("GET_MAINTENANCE_STATUS").get("get_maintenance_status", {}).get("status", {})
    agents, tasks = operator.call("GET_AGENTS").get("get_agents", {}), operator.call("GET_TASKS").get("get_tasks", {})
    lines = []
    for address in rules.scheduled_addresses(schedule_of(operator)):
        agent = rules.agent_of(agents, address)
        there = rules.tasks_on(tasks, agent.id) if agent is not None else []
        waiting = rules.waiting_for(there, status, address)
        lines.append(f"{names.get(address, address)}: {'waits for ' + rules.names(waiting) if waiting else 'may go'}")
    return lines or ["no machine is in maintenance"]


def keep(operator: Operator, address: str) -> None:
    """The machine stays."""
    agent = rules.agent_of(operator.call("GET_AGENTS").get("get_agents", {}), address)
    if agent is not None:
        reactivate(operator, agent.id)
    unschedule(operator, address)


def main(argv: list[str] | None = None) -> int:
    """The command line. 0: done; 1: it cannot be, told why."""
    parser = argparse.ArgumentParser(
        prog="maintenance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb")
    verbs.add_parser("end", help="keep a machine").add_argument("machine")
    args = parser.parse_args(argv)
    try:
        operator, machines = operator_of(stacks.ROOT)
        if args.verb is None:
            print("\n".join(show(operator, machines)))
        elif args.machine in machines or args.machine in rules.scheduled_addresses(schedule_of(operator)):
            # One that the site's file names no more is in no output, but still there.
            keep(operator, machines.get(args.machine, args.machine))
        else:
            raise stacks.StackFailed(f"there is no machine {args.machine}: there are {', '.join(sorted(machines))}")
    except NoMaster:
        print("no Mesos master answers", file=sys.stderr)
        return 1
    except (Refused, stacks.StackFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
