"""A cloud with real machines and a federation of two sites, brought up once for all tests here, layer on layer: a test asks for the
layer that it is of, so that each is judged even where one above it does not come up."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "live"))
sys.path.insert(0, str(Path(__file__).parent))

import two_sites
import wan
from federation import ROOT, farm_at
from guest import guest_images
from two_sites import HOME_SITE, NAME, POOL, SITE, UP_SECONDS, TwoSites

from tests.openstack.all_in_one import AllInOne, docker
from tests.openstack.fixtures import connect

CLOUD = "aerie-openstack-vm"
TRIES = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep", action="store_true", help="leave cloud and federation up after the tests, to look at them"
    )
    parser.addoption("--at", type=Path, help="go on with what an earlier run kept in this folder")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Tells how long a step took, for docs/openstack.md."""
    began = time.monotonic()
    try:
        yield
    finally:
        print(f"\n{time.strftime('%H:%M:%S')} {what}: {time.monotonic() - began:.0f} s", flush=True)


@pytest.fixture(scope="session")
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The run's own."""
    kept: Path | None = request.config.getoption("--at")
    path = kept or Path(tempfile.mkdtemp(prefix="aerie-vm-", dir="/var/tmp"))
    yield path
    if request.config.getoption("--keep"):
        print(f"all is kept, to go on with --at {path}")
    elif request.session.testsfailed:
        print(f"logs and the sites' keys are kept: {path}")
    else:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def cloud(request: pytest.FixtureRequest, folder: Path) -> Iterator[AllInOne]:
    """An OpenStack whose servers are machines, and whose floating IPs are of the federation's wan."""
    made = AllInOne(folder / "cloud", CLOUD, "qemu")
    try:
        made.images = guest_images(made.build())
        if not request.config.getoption("--at"):
            with timed("OpenStack ready"):
                made.start()
            admin = connect(made, "aio-admin")
            wan.make_external(admin, two_sites.WAN)
            admin.compute.create_flavor(**two_sites.FLAVOR)
        yield made
    finally:
        if not request.config.getoption("--keep"):
            try:
                if request.session.testsfailed:
                    _keep_logs(made)
            finally:
                _remove_federation(made)


def _keep_logs(cloud: AllInOne) -> None:
    """What the machines said on their consoles, and the cloud's services in their logs: both end with its container."""
    logs = cloud.folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    script = 'cd /var/lib/nova/instances && for each in */console.log; do echo "== $each"; cat "$each"; done'
    (logs / "consoles.log").write_text(docker("exec", cloud.name, "sh", "-c", script, check=False))
    docker("cp", f"{cloud.name}:/var/log/aio", str(logs), check=False)


def _remove_federation(cloud: AllInOne) -> None:
    """The machines end with the cloud that they run in; what is embedded goes by its label."""
    cloud.stop()
    script = f"from tools.farm import remove_labelled; print(remove_labelled({NAME!r}))"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def home_site(request: pytest.FixtureRequest, folder: Path, cloud: AllInOne) -> TwoSites:
    """The federation and its embedded site are up, and the cloud is on the wan."""
    base = folder / "farm"
    if request.config.getoption("--at") and (base / "home").exists():
        farm = farm_at(base)
        farm.env["OS_CLIENT_CONFIG_FILE"] = str(cloud.clouds_yaml())
        known = yaml.safe_load((farm.path / "federation.yaml").read_text())
        return TwoSites(farm, known["sites"][SITE]["vpn_endpoint"].partition(":")[0])
    made = two_sites.make_two_sites(base, cloud.clouds_yaml(), connect(cloud, "aio"))
    verbs = " && ".join(f".venv/bin/python -m tools.images {verb}" for verb in ("build", "registry-up", "push"))
    with timed("images built and pushed"):
        made.farm.shell(f"tools/setup.sh && {verbs}", 3600)
    # `check` makes the key of the pool's user as well.
    made.farm.shell(f"tools/stack-init federation {HOME_SITE} {SITE} {POOL} && .venv/bin/python -m tools.farm check")
    with timed("up -s federation"):
        made.farm.up("federation")
    wan.plug_in(cloud, f"{NAME}-wan", two_sites.WAN)
    with timed(f"up -s {HOME_SITE}"):
        made.farm.up(HOME_SITE)
    return made


@pytest.fixture(scope="session")
def machines(home_site: TwoSites) -> TwoSites:
    """After the user's `pulumi up -s pisa`, and whatever came of it."""
    _up(home_site, SITE)
    home_site.write_ssh_config()
    return home_site


@pytest.fixture(scope="session")
def pool(machines: TwoSites) -> TwoSites:
    """After the user's `pulumi up -s demo`, and whatever came of it."""
    _up(machines, POOL)
    return machines


def _up(sites: TwoSites, stack: str) -> None:
    """Emulated, some step may take longer than the program waits for it; the same command goes on from there."""
    for attempt in range(1, TRIES + 1):
        with timed(f"up -s {stack}, number {attempt}"):
            done = sites.farm.shell(
                f"pulumi up -s {stack} --yes --skip-preview --non-interactive --color never", UP_SECONDS, check=False
            )
        with (sites.farm.path.parent / "up.log").open("a") as log:
            log.write(f"{done.stdout}{done.stderr}\n")
        if done.returncode == 0:
            sites.came_up.add(stack)
            return
        print(done.stdout[-3000:], done.stderr[-2000:], flush=True)
