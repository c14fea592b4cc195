"""The image that the machines boot: made by make-guest, once, kept by the recipe's hash."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

from tools.image_build import cache_dir

RECIPE = Path(__file__).parent / "make-guest"
AS_ROOT: list[str] = [] if os.geteuid() == 0 else ["sudo", "--"]


def _run(*command: str, timeout: float = 3600) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def guest_images(tools_image: str) -> Path:
    """The folder with vmlinuz, initrd and root.qcow2; `tools_image` is a Docker image that has qemu-img."""
    folder = cache_dir() / "openstack-vm" / hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:12]
    if folder.exists():
        return folder
    began = time.monotonic()
    new = folder.with_name(f".new-{folder.name}-{os.getpid()}")
    new.mkdir(parents=True)
    try:
        _run(*AS_ROOT, "nice", "-n", "10", str(RECIPE), str(new))
        _run(
            *("docker", "run", "--rm", "--network", "none", "--volume", f"{new}:/w", "--entrypoint", "qemu-img"),
            *(tools_image, "convert", "-O", "qcow2", "/w/root.raw", "/w/root.qcow2"),
        )
        _run(*AS_ROOT, "rm", str(new / "root.raw"))
        _run(*AS_ROOT, "chmod", "-R", "a+rX", str(new))
        new.rename(folder)
    finally:
        if new.exists():
            _run(*AS_ROOT, "rm", "-rf", str(new))
    print(f"\nguest image made in {time.monotonic() - began:.0f} s: {folder}", flush=True)
    return folder
