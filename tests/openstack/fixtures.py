"""One OpenStack for all live tests that need one. In a test file:

from tests.openstack.fixtures import connect, openstack_cloud

__all__ = ["openstack_cloud"]
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from tests.openstack.all_in_one import AllInOne

NAME = "aerie-openstack-test"  # not `make openstack-up`'s: a test run leaves that alone
KEPT = "AERIE_OPENSTACK"  # names a cloud that is up, by --keep or by hand: it is used, and left up
_SHARED = pytest.StashKey[AllInOne]()


@pytest.fixture(scope="session")
def openstack_cloud(request: pytest.FixtureRequest) -> Iterator[AllInOne]:
    """A cloud with Nova's fake driver; removed at the end, whatever happened."""
    # To pytest it is another fixture in each file that imports it. The first one is the last to be torn down.
    stash = request.config.stash
    if _SHARED in stash:
        yield stash[_SHARED]
        return
    # Not one of pytest's own folders, of which it removes all but the last three.
    folder, kept = Path(tempfile.mkdtemp(prefix="aerie-openstack-")), os.environ.get(KEPT)
    cloud = stash[_SHARED] = AllInOne(folder, kept or NAME)
    try:
        if not kept:
            cloud.start()
        yield cloud
    finally:
        if kept:
            pass
        elif request.config.getoption("--keep", default=False):
            print(
                f"left up; again with {KEPT}={NAME}; remove it: python -m tests.openstack.all_in_one down --name {NAME}"
            )
        else:
            cloud.stop()
        shutil.rmtree(folder)


def connect(cloud: AllInOne, name: str) -> Connection:
    """The APIs, as openstacksdk has them: `aio` as project demo's member, `aio-admin` as the administrator."""
    config = OpenStackConfig(config_files=[str(cloud.clouds_yaml())], load_envvars=False)
    return Connection(config=config.get_one(cloud=name))
