"""The files from which HTCondor's bindings and tools know the pool, and who they are."""

from __future__ import annotations

import os
from pathlib import Path

from ..config import CondorConfig

_CONFIG = "etc/condor/config.d/50-aerie.config"
# As root, the bindings read root's own folder, and the tools the system's.
_TOKENS = ("root/.condor/tokens.d", "etc/condor/tokens.d")


def configure(config: CondorConfig, root: Path = Path("/")) -> None:
    """Writes them, tokens with mode 0600; earlier ones of ours are replaced. Raises OSError."""
    path = root / _CONFIG
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, config.config.rstrip("\n") + "\n", 0o644)
    for name in _TOKENS:
        folder = root / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for old in folder.glob("aerie-*"):
            old.unlink()
        for number, token in enumerate(config.tokens):
            _write(folder / f"aerie-{number}", token.strip() + "\n", 0o600)


def _write(path: Path, content: str, mode: int) -> None:
    """Never readable by others, not even for a moment: a new file with its mode, then put in its place."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as out:
        os.fchmod(out.fileno(), mode)
        out.write(content)
    new.replace(path)
