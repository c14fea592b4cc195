"""Small questions about the facts, and the words and commands that the lines of `make status` are made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .status_facts import Container, Facts, Machine

STALE = 180  # seconds: WireGuard renews a tunnel's keys every 120 s, and gives them up after 180
BUSY = 5  # load per core
SETTLED = 60  # seconds: a container that started again less than this ago counts as restarting


def container(facts: Facts, machine: Machine, service: str) -> Container | None:
    """The service's container on the machine, if there is one."""
    on = facts.machines.get(machine.name)
    return next((c for c in on.containers if c.name == service), None) if on else None


def restarting(one: Container) -> bool:
    """Whether it ends and is started over and over."""
    return one.state == "restarting" or (one.state == "running" and one.restarts > 0 and one.age < SETTLED)


def running(facts: Facts, machine: Machine, service: str) -> bool:
    """Whether the service runs there, and stays."""
    one = container(facts, machine, service)
    return one is not None and one.state == "running" and not restarting(one)


def up(facts: Facts, machine: Machine | None) -> bool:
    """Whether the machine was reached."""
    return machine is not None and machine.name in facts.machines and facts.machines[machine.name].reached


def on_machine(machine: Machine, command: str) -> str:
    """The operator's command that runs `command` on the machine."""
    if machine.container:
        return f"docker exec {machine.container} {command}"
    return f"ssh -i $AERIE_HOME/ssh/site-{machine.site} root@{machine.address} {command}"


def logs(machine: Machine, service: str) -> str:
    """The command that shows a service's last words."""
    return on_machine(machine, f"docker logs --tail 20 {service}")


def ago(seconds: float) -> str:
    """A span in words."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def listed(names: Iterable[str], most: int = 4) -> str:
    """Names with commas, the end left out if there are many."""
    all_ = list(names)
    return ", ".join(all_[:most]) + (f" and {len(all_) - most} more" if len(all_) > most else "")


def anew(stack: str) -> str:
    """What brings back what is gone from the IaaS though the state has it."""
    return f"pulumi refresh -s {stack} --yes && pulumi up -s {stack}"
