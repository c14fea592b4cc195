#!/usr/bin/env python3
"""stdlib.py ROOT: copy into ROOT the files of the standard library that the programs in this image load.

Debian's python3-minimal lacks http, ssl and their like, and the package that has them brings 30 MB.
Run with the whole library installed and the programs' package on PYTHONPATH.
"""

import importlib
import importlib.machinery
import shutil
import ssl
import sys
from pathlib import Path

PROGRAMS = ("mesos_docker_executor.executor", "mesos_docker_executor.shim")
LATER = ("encodings.idna", "stringprep", "unicodedata", "argparse", "gzip", "select", "signal")  # imported at run time


def main(root: Path) -> None:
    for name in (*PROGRAMS, *LATER):
        importlib.import_module(name)
    ssl.create_default_context()
    library = Path(ssl.__file__).parent
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(library):
            target = root / Path(file).relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
