"""Pulumi runs this folder for `--policy-pack policy`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]  # in place of this folder, whose modules are those of the package `policy`
# The engine waits for the port on standard output, where the SDK leaves it in a buffer; and not every host runs Python with -u.
sys.stdout = io.TextIOWrapper(io.FileIO(1, "wb", closefd=False), write_through=True)

if __name__ == "__main__":
    from policy.pack import serve

    serve()
