"""What the commands that edit files have in common: refusals, the check, and the writing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from components.spec.model import Pool
from components.spec.pool_rules import is_public_key

from .federation import Here
from .files.blocks import NoBlock
from .files.changes import Changes, check, write
from .files.choose import NoneFree
from .files.plans import FEDERATION, pools_of
from .terminal import UNABLE, Refused

Result = TypeVar("Result")


def federation_text(the: Here) -> str:
    """federation.yaml as it is."""
    return (the.root / FEDERATION).read_text()


def planned(work: Callable[[], Result]) -> Result:
    """What a plan says. Raises Refused for what cannot be planned."""
    try:
        return work()
    except (NoneFree, NoBlock) as error:
        raise Refused(str(error), f"edit {FEDERATION}", UNABLE) from error
    except ValueError as error:
        raise Refused(str(error), "aerie status shows what there is", UNABLE) from error


def apply(root: Path, changes: Changes) -> None:
    """Checks, then writes."""
    check(root, changes)
    write(root, changes)


def public_keys(files: Iterable[Path]) -> list[str]:
    """The one line of each. Raises Refused for a file that is no public key, such as the private one."""
    out = []
    for file in files:
        line = file.read_text(errors="replace").strip()
        if "\n" in line or not is_public_key(line):
            raise Refused(f"{file} holds no SSH public key", "name the .pub file of ssh-keygen", UNABLE)
        out.append(line)
    return out


def refuse_site(name: str, pools: Mapping[str, Pool], there: Iterable[str]) -> None:
    """Raises Refused with which stacks go first, in their order."""
    exist, using = set(there), pools_of(name, pools)
    first = [pool for pool in using if pool in exist]
    if first or name in exist:
        stacks = [*first, *([name] if name in exist else [])]
        others = f" (or take {name} out of their sites, and aerie up {' '.join(first)})" if first else ""
        raise Refused(
            f"the stack{'s' * (len(stacks) > 1)} {', '.join(stacks)} still exist{'s' * (len(stacks) == 1)}, nothing was changed",
            f"aerie destroy {' '.join(stacks)}{others}",
        )
    if using:
        files = ", ".join(f"Pulumi.{pool}.yaml" for pool in using)
        raise Refused(
            f"{files} {'names' if len(using) == 1 else 'name'} {name}, nothing was changed",
            f"take {name} out of pool.sites, or aerie pool remove {using[0]}",
        )


def refuse_pool(name: str, there: Iterable[str]) -> None:
    """Raises Refused while its stack exists."""
    if name in set(there):
        raise Refused(f"the stack {name} still exists, nothing was changed", f"aerie destroy {name}")
