"""Changes to files that are checked by the project's own validation before any of them is written."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from components.spec.problems import ConfigError, Problem
from tools.preflight import configuration

from ..terminal import UNABLE, Refused

Changes = Mapping[str, str | None]  # a file's new text by its name, None: it goes


def made_by_up(problem: Problem) -> bool:
    """A key that is missing now and that `up` makes (tools.farm.prepare_keys)."""
    return bool(re.fullmatch(r"pool\.users\.\d+\.ssh_key_files\.\d+", problem.place)) and bool(
        re.fullmatch(r"\$AERIE_HOME/ssh/[^/]+\.pub is missing", problem.what)
    )


def problems_of(root: Path) -> list[Problem]:
    """Everything wrong with all stacks below `root`."""
    try:
        configuration(root)
    except ConfigError as refused:
        return [p for p in refused.problems if not made_by_up(p)]
    return []


def check(root: Path, changes: Changes) -> None:
    """Raises Refused with all that would be wrong afterwards; and for what was wrong before, says so."""
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        for path in [root / "federation.yaml", *root.glob("Pulumi.*.yaml")]:
            if path.is_file():
                shutil.copy(path, there / path.name)
        for name, text in changes.items():
            if text is None:
                (there / name).unlink(missing_ok=True)
            else:
                (there / name).write_text(text)
        found = problems_of(there)
    if not found:
        return
    before = set(problems_of(root)) if (root / "federation.yaml").is_file() else set()
    told = "\n".join(f"  {p}" for p in found)
    head = "the files that are there have problems already" if set(found) <= before else "it would not be valid"
    raise Refused(f"{head}, nothing was written:\n{told}", "mend these in the files, or choose otherwise", UNABLE)


def write(root: Path, changes: Changes) -> None:
    """Each file at once: nobody reads half of one."""
    for name, text in changes.items():
        path = root / name
        if text is None:
            path.unlink()
            continue
        new = path.with_name(f".{name}.{os.getpid()}")
        new.write_text(text)
        if path.exists():
            shutil.copymode(path, new)
        new.replace(path)


def refuse_existing(root: Path, names: list[str]) -> None:
    """Raises Refused if one of the files is there."""
    there = [name for name in names if (root / name).exists()]
    if there:
        raise Refused(
            f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already, nothing was written",
            f"change them by hand, or move them away: mkdir examples && mv {' '.join(there)} examples/",
            UNABLE,
        )
