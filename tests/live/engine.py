"""What the live tests of images share: the image to test, commands, and a machine that is a container with a Docker engine of its own."""

from __future__ import annotations

import functools
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.images import image_tags, main

ROOT = Path(__file__).resolve().parents[2]
# As components/iaas/docker.py gives them to a machine, and what Docker itself would add; see docs/images.md.
CAPABILITIES = (
    "AUDIT_CONTROL", "AUDIT_WRITE", "DAC_READ_SEARCH", "IPC_LOCK", "LEASE", "LINUX_IMMUTABLE", "MKNOD", "NET_ADMIN",
    "NET_RAW", "SYS_ADMIN", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PTRACE", "SYS_TIME", "SYSLOG",
)  # fmt: skip


@functools.cache
def image(name: str) -> str:
    """The image to test: AERIE_TEST_<NAME>, or the one of this checkout, built if it is missing."""
    if given := os.environ.get(f"AERIE_TEST_{name.upper()}"):
        return given
    assert main(["build", name]) == 0
    return f"aerie/{name}:{image_tags(ROOT)[name]}"


def sh(*words: str, check: bool = True, timeout: float = 180) -> str:
    """What a command prints. AssertionError with what it said, if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words[:6])} ...: {done.stderr or done.stdout}")
    return done.stdout.strip()


def ok(*words: str) -> bool:
    """Whether a command ends well within 10 s."""
    try:
        return subprocess.run(words, capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def until(what: Callable[[], Any], seconds: float, why: str, pause: float = 0.1) -> float:
    """Wait until `what()` is true; seconds it took."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        try:
            if what():
                return time.monotonic() - start
        except (AssertionError, ValueError, KeyError):
            pass
        time.sleep(pause)
    raise AssertionError(f"not within {seconds} s: {why}")


def remove(prefix: str) -> None:
    """Containers, networks and volumes of this machine's engine whose names begin so."""
    listings = {"container": ("ps", "-aq"), "network": ("network", "ls", "-q"), "volume": ("volume", "ls", "-q")}
    for kind, listing in listings.items():
        if found := sh("docker", *listing, "--filter", f"name=^{prefix}").split():
            sh("docker", kind, "rm", "--force", *(["--volumes"] if kind == "container" else []), *found)


class EngineHost:
    """One machine with its own Docker engine, on a network that is there. `folder` holds `machine/`, `calico/` and `images.tar`."""

    def __init__(self, name: str, address: str, network: str, folder: Path) -> None:
        self.name, self.address, self.network, self.folder = name, address, network, folder

    def up(self) -> None:
        caps = [w for c in CAPABILITIES for w in ("--cap-add", c)]
        sh("docker", "run", "-d", "--name", self.name, "--hostname", self.name, *caps,
           "--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined",
           "--security-opt", "systempaths=unconfined", "--cgroupns", "private", "--device", "/dev/net/tun",
           "-v", f"{self.name}-docker:/var/lib/docker", "-v", f"{self.folder}/machine:/etc/aerie/machine",
           "-v", f"{self.folder}/calico:/etc/aerie/calico:ro", "-v", f"{self.folder}/images.tar:/images.tar:ro",
           "--tmpfs", "/run:exec", "--network", self.network, "--ip", self.address, image("machine"))  # fmt: skip
        self.engine_up()
        self.d("load", "-q", "-i", "/images.tar")

    def engine_up(self) -> None:
        until(lambda: ok("docker", "exec", self.name, "docker", "info"), 60, f"dockerd on {self.name}")

    def on(self, *words: str, check: bool = True) -> str:
        """On the machine."""
        return sh("docker", "exec", self.name, *words, check=check)

    def d(self, *words: str, check: bool = True) -> str:
        """Of its engine."""
        return self.on("docker", *words, check=check)

    def pings(self, container: str, address: str) -> bool:
        return ok("docker", "exec", self.name, "docker", "exec", container, "ping", "-n", "-c1", "-W1", address)
