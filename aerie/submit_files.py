"""What goes along with a submit file: the local files that it names. Pure."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

LISTS = ("executable", "input", "transfer_input_files")


def named(text: str) -> list[str]:
    """The files that the submit description names and that are to be sent: relative ones without macros, each once.

    What is absolute or an URL is where jobs find it already; of `executable` with `transfer_executable = false` the same is true."""
    values = {key.lower(): value.strip() for key, value in re.findall(r"^\s*(\w+)\s*=\s*(.*)$", text, flags=re.M)}
    keys = [k for k in LISTS if k != "executable" or values.get("transfer_executable", "true").lower() != "false"]
    found: list[str] = []
    for key in keys:
        for name in re.split(r"[,\s]+", values.get(key, "").strip('"')):
            if name and not name.startswith("/") and "$" not in name and "://" not in name:
                found.append(name)
    return list(dict.fromkeys(found))


def outside(name: str) -> bool:
    """Whether a relative name leads out of the folder."""
    return ".." in PurePosixPath(name).parts


def to_send(file: Path, more: list[Path]) -> tuple[list[tuple[Path, str]], list[str]]:
    """(local file, its name there) of everything to be sent, and what the submit file names that is not here."""
    out, missing = [(file, file.name)], []
    for name in named(file.read_text()):
        local = file.parent / name
        if outside(name) or not local.exists():
            missing.append(name)
        else:
            out.append((local, name))
    out += [(path, path.name) for path in more]
    return list(dict.fromkeys(out)), missing
