"""One site on a host that has cgroup v2 only, brought up once for all tests here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import one_site
import vm
from one_site import Site

from components.image_tags import image_tags

# `mesos-client` is only what Marathon's image is made from.
IMAGES = ("calico", "etcd", "htcondor", "login", "machine", "marathon", "mesos", "registry", "vpn", "zookeeper")
UP_SECONDS = 5400  # emulated, on two cores that others use as well
TRIES = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep", action="store_true", help="leave the host running after the tests, to look at it")
    parser.addoption("--host", type=Path, help="use the host that an earlier run kept in this folder")


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest) -> Iterator[vm.VirtualMachine]:
    """The host: its Docker engine answers, its push registry holds this checkout's images."""
    vm.install_packages()
    vm.base_disk()
    kept: Path | None = request.config.getoption("--host")
    # A short name: a socket's path has at most 107 characters.
    folder = kept or Path(tempfile.mkdtemp(prefix="aerie-cgroup2-", dir="/var/tmp"))
    clone = folder / "clone"
    if not kept:
        one_site.clone_to(clone)
        # With this host's own engine, which emulates nothing.
        for verb in ("build", "registry-up", "push"):
            subprocess.run([sys.executable, "-m", "tools.images", verb], cwd=clone, check=True)
    tags = image_tags(clone)
    made = vm.VirtualMachine(
        folder, [(f"aerie/{n}", tags[n]) for n in IMAGES], f"aerie/registry:{tags['registry']}", [one_site.FRONT_END]
    )
    start, good = time.monotonic(), False
    try:
        if not kept:
            made.start()
            print(f"\nhost up after {time.monotonic() - start:.0f} s; its files are in {folder}", flush=True)
        yield made
        good = not request.session.testsfailed
    finally:
        if request.config.getoption("--keep"):
            print(f"the host is kept, to go on with --host {folder}; to look at it: {' '.join(made.ssh())}")
        else:
            made.stop()
            if good:
                shutil.rmtree(folder)
            else:
                print(f"logs and the site's keys are kept: {folder}")


@pytest.fixture(scope="session")
def site(machine: vm.VirtualMachine) -> Site:
    """The site and its pool, after two finished jobs: what `make up` does, with the host's engine as Docker's."""
    made = Site(machine.folder / "clone", machine.folder / "home", f"unix://{machine.docker_socket}")
    start = time.monotonic()
    # Emulated, some step may take longer than the program waits for it; the same command goes on from there.
    for attempt in range(1, TRIES + 1):
        done = made.shell(".venv/bin/python -m aerie up --images --jobs 2", UP_SECONDS, check=attempt == TRIES)
        print(done.stdout)
        print(f"`up` number {attempt}: status {done.returncode} after {time.monotonic() - start:.0f} s", flush=True)
        if done.returncode == 0:
            break
    return made
