"""The machines of a federation that is up, and one question to one of them by the operator's SSH."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from components.spec import addresses
from components.spec.loader import read_federation
from components.spec.model import Federation
from components.spec.problems import ConfigError, with_lines
from components.spec.validate import FEDERATION_STACK

from .login import Login, machine_logins
from .status_stacks import ROOT, outputs

CONNECT = 3  # seconds until a machine counts as down
MOST_AT_ONCE = 64
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Place:
    """A machine, by its site's stack."""

    name: str
    site: str
    address: str
    front_end: bool
    login: Login


@dataclass(frozen=True)
class Said:
    """A machine's answer. If there is none, or the script failed, `trouble` says why in a line."""

    text: str
    trouble: str = ""


class NotUp(Exception):
    """There is no federation to ask; the text says what to do."""


def federation_here(root: Path = ROOT) -> Federation:
    """What federation.yaml says. Raises ConfigError."""
    federation, problems = read_federation(root)
    if federation is None:
        raise ConfigError(with_lines(problems, root))
    return federation


def places(federation: Federation, root: Path = ROOT, sites: Iterable[str] | None = None) -> dict[str, list[Place]]:
    """The machines of each site, the front-end first, then by address; none of a site that is not up.

    Raises NotUp if nothing is, and PulumiFailed."""
    names = list(federation.sites if sites is None else sites)
    shared, *each = at_once(lambda stack: outputs(stack, root), [FEDERATION_STACK, *names])
    found = dict(zip(names, each, strict=True))
    out: dict[str, list[Place]] = {}
    for site, output in found.items():
        out[site] = []
        if "machines" not in output or site not in shared.get("ssh_private_keys", {}):
            continue
        logins, front_end = machine_logins(federation, shared, site, output), addresses.front_end(federation, site)
        ordered = sorted(output["machines"].items(), key=lambda m: (m[1] != front_end, IPv4Address(m[1])))
        out[site] = [Place(name, site, a, a == front_end, logins[name]) for name, a in ordered]
    if not any(out.values()):
        raise NotUp(f"the federation {federation.name} is not up: make up")
    return out


_asking: set[subprocess.Popen[str]] = set()


def ask(place: Place, script: str, seconds: float, new_session: bool = False) -> Said:
    """Runs the script there. With `new_session` an interrupt at the terminal does not reach it."""
    ssh, *rest = place.login.command
    command = [ssh, "-o", f"ConnectTimeout={CONNECT}", *rest, "sh -s"]  # of an option given twice ssh takes the first
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=new_session)
    if not new_session:
        _asking.add(process)
    try:
        out, err = process.communicate(script, timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Said("", f"no answer in {seconds:.0f} s")
    finally:
        _asking.discard(process)
    if process.returncode:
        # Docker ends what it has to say with a hint at its help.
        lines = [line.strip() for line in err.splitlines() if line.strip() and not line.startswith("See 'docker")]
        return Said(out, (lines or ["SSH fails" if process.returncode == 255 else "it failed"])[-1][:200])
    return Said(out)


def at_once(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` on all of them at the same time, the results in their order. An interrupt ends what is asked of machines."""
    pool = ThreadPoolExecutor(max_workers=MOST_AT_ONCE)
    try:
        futures = [pool.submit(work, item) for item in items]
        return [future.result() for future in futures]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(_asking):
            process.kill()
        raise
    finally:
        pool.shutdown()
