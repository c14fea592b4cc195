"""The images that the machines boot: made by make-guest, once, kept by the recipe's hash. `root` has Docker; `plain` installs it
with apt from a mirror on the wan, which is served from here."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from two_sites import WAN

from tools.image_build import cache_dir

RECIPE = Path(__file__).parent / "make-guest"
MIRROR = (str(WAN[1]), 8079)  # the host's address on the wan
URL = f"http://{MIRROR[0]}:{MIRROR[1]}/"
AS_ROOT: list[str] = [] if os.geteuid() == 0 else ["sudo", "--"]


def _run(*command: str, timeout: float = 3600) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def guest_images(tools_image: str) -> Path:
    """The folder with vmlinuz, initrd, root.qcow2, plain.qcow2 and mirror/; `tools_image` is a Docker image that has qemu-img."""
    recipe = hashlib.sha256(RECIPE.read_bytes() + URL.encode()).hexdigest()[:12]
    folder = cache_dir() / "openstack-vm" / recipe
    if folder.exists():
        return folder
    began = time.monotonic()
    new = folder.with_name(f".new-{folder.name}-{os.getpid()}")
    new.mkdir(parents=True)
    try:
        _run(*AS_ROOT, "nice", "-n", "10", str(RECIPE), str(new), URL)
        for name in ("root", "plain"):
            _run(
                *("docker", "run", "--rm", "--network", "none", "--volume", f"{new}:/w", "--entrypoint", "qemu-img"),
                *(tools_image, "convert", "-O", "qcow2", f"/w/{name}.raw", f"/w/{name}.qcow2"),
            )
            _run(*AS_ROOT, "rm", str(new / f"{name}.raw"))
        _run(*AS_ROOT, "chown", "-R", f"{os.getuid()}:{os.getgid()}", str(new))
        _index(new / "mirror")
        new.rename(folder)
    finally:
        if new.exists():
            _run(*AS_ROOT, "rm", "-rf", str(new))
    print(f"\nguest images made in {time.monotonic() - began:.0f} s: {folder}", flush=True)
    return folder


def _index(mirror: Path) -> None:
    """The file Packages, by which apt knows what is there (https://wiki.debian.org/DebianRepository/Format)."""
    stanzas = []
    for package in sorted(mirror.glob("*.deb")):
        control = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True, check=True).stdout
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        stanzas.append(
            f"{control.rstrip()}\nFilename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n"
        )
    (mirror / "Packages").write_text("\n".join(stanzas))


@contextmanager
def mirror(folder: Path) -> Iterator[set[str]]:
    """Serves the mirror to the machines of the cloud; yields the names of the files that were fetched."""
    fetched: set[str] = set()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: object) -> None:
            pass  # not on the terminal

        def log_request(self, code: object = "-", size: object = "-") -> None:
            if code == HTTPStatus.OK:
                fetched.add(self.path.rpartition("/")[2])

    with ThreadingHTTPServer(MIRROR, functools.partial(Handler, directory=str(folder / "mirror"))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield fetched
        finally:
            server.shutdown()
            thread.join()
