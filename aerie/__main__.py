"""The command `aerie`. Exit status: 0 all is well; 1 something is wrong, or was refused; 2 it could not be asked for so, or could not be
asked; 130 interrupted."""

from __future__ import annotations

import sys

from . import quick


def main() -> None:
    """The console script."""
    ended = quick.status(sys.argv[1:])
    if ended is not None:
        sys.exit(ended)
    from .application import application

    application()(prog_name="aerie")


if __name__ == "__main__":
    main()
