"""Grafana's dashboards of this federation as files, for a Grafana that is there already: docs/dashboards.md says how it takes them.

python -m tools.dashboards --out FOLDER        the federation's, and one for each pool whose file is here
python -m tools.dashboards --out FOLDER --pool NAME    also of a pool whose file is elsewhere; as often as wanted
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from components.monitoring.dashboards.catalogue import everything, files
from components.spec.fields import NAME
from components.spec.loader import read_federation
from components.spec.model import Federation
from components.spec.problems import ConfigError, with_lines
from components.spec.validate import read_pools

from .stacks import ROOT


class NoDashboards(Exception):
    """They cannot be written; the text says why, and what to do."""


def texts(federation: Federation, pools: Iterable[str]) -> dict[str, str]:
    """The JSON of each dashboard by its file's name. Raises NoDashboards for a name that no pool can have."""
    wanted = sorted(set(pools))
    for name in wanted:
        if not re.fullmatch(NAME, name):
            raise NoDashboards(
                f"--pool: {name!r} is no name of a pool; write 1 to 20 of a-z, 0-9 and '-', a letter first"
            )
    if not federation.monitoring.enabled:
        raise NoDashboards(
            "federation.yaml: monitoring.enabled: there are no metrics to show; write true, then aerie up of all sites"
        )
    return files(everything(federation.name, wanted))


def write(folder: Path, wanted: Mapping[str, str]) -> dict[str, str]:
    """Writes each file at once where it differs: what became of each, `new`, `changed` or `as it was`. Raises NoDashboards."""
    done = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in wanted.items():
            path = folder / name
            before = path.read_text() if path.is_file() else None
            if before != text:
                _replace(path, text)
            done[name] = "as it was" if before == text else "new" if before is None else "changed"
    except OSError as error:
        raise NoDashboards(f"--out: {folder} cannot be written: {error.strerror}; name another folder") from error
    return done


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        new.write(text)
    os.chmod(new.name, 0o644)
    os.replace(new.name, path)


def gone(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Dashboards of pools in the folder that are none of those."""
    return sorted(p.name for p in folder.glob("pool-*.json") if p.name not in wanted)


def make(folder: Path, pools: Iterable[str] = (), root: Path = ROOT) -> list[str]:
    """Writes all; what to tell, a line each. Raises ConfigError, NoDashboards."""
    federation, problems = read_federation(root)
    if federation is None:
        raise ConfigError(with_lines(problems, root))
    wanted = texts(federation, [*read_pools(root, federation), *pools])
    lines = [f"{folder / name}: {became}" for name, became in write(folder, wanted).items()]
    lines += [
        f"{folder / name}: of a pool that is not here; delete it if there is none" for name in gone(folder, wanted)
    ]
    return lines


NEXT = "import them: docs/dashboards.md, with the URL of pulumi stack output graphite_url"


def main(argv: list[str] | None = None) -> int:
    """The command line. 0: written; 2: it cannot be, told why."""
    parser = argparse.ArgumentParser(
        prog="dashboards", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True)
    parser.add_argument("--pool", metavar="NAME", action="append", default=[])
    args = parser.parse_args(argv)
    try:
        lines = make(args.out, args.pool)
    except (ConfigError, NoDashboards) as problem:
        print(problem, file=sys.stderr)
        return 2
    print("\n".join([*lines, "", f"Next: {NEXT}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
