"""This checkout with one site on an OpenStack whose servers are rows in a database: everything of the cloud, nothing on the machines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from openstack.connection import Connection

sys.path.insert(0, str(Path(__file__).parents[1] / "live"))

from federation import Farm, clone_to, farm_at

NAME, SITE = "aerie-clouds", "torino"
LAN = "172.27.1.0/24"
# What is done on machines over SSH has nobody to talk to here: Nova's fake driver runs none.
NO_MACHINES = "--exclude '**command:remote:Command::**' --exclude-dependents"
PREFIX = f"{NAME}-{SITE}"


def federation(endpoint: str) -> dict[str, Any]:
    """federation.yaml: Torino in the cloud, and two more sites that it is to know of. No embedded IaaS."""

    def site(number: int, address: str, quorum: bool) -> dict[str, Any]:
        return {
            "as_number": 64512 + number,
            "lan": f"172.27.{number}.0/24",
            "containers": f"10.77.{64 * (number - 1)}.0/18",
            "vpn_endpoint": f"{address}:51820",
            "quorum": quorum,
        }

    return {
        "name": NAME,
        "network": {"lans": "172.27.0.0/16", "containers": "10.77.0.0/16", "fixed": "10.78.0.0/24"},
        "images": {"registry": "registry.example.org:5000"},
        "sites": {
            SITE: site(1, endpoint, True),
            "cnaf": site(2, "198.51.100.2", False),
            "bari": site(3, "198.51.100.3", False),
        },
    }


def stack_file(**cloud: Any) -> dict[str, Any]:
    """Pulumi.torino.yaml, with the all-in-one cloud's names."""
    block = {
        "cloud": "aio",
        "image": "aerie-test-image",
        "flavor": "m1.medium",
        "external_network": "public",
        "operators": ["192.0.2.0/24"],
        "users": ["198.51.100.0/24"],
        "volume_size": 2,
        "spool_volume": 3,
        "quorum_volume": 1,
        "tags": {"experiment": "tests of aerie"},
    }
    return {
        "config": {
            "aerie:iaas": "openstack",
            "aerie:agents": 1,
            "aerie:machine": {"cpus": 1, "memory": 1024, "disk": 1500},
            "aerie:openstack": block | cloud,
        }
    }


@dataclass
class CloudSite:
    """The clone, the cloud as its project sees it, and its administrator."""

    farm: Farm
    project: Connection
    admin: Connection
    endpoint: str

    def config(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Changes the site's configuration, keys without their prefix: `c["openstack"]["image"]`."""

        def edit(data: dict[str, Any]) -> None:
            config = {k.removeprefix("aerie:"): v for k, v in data["config"].items()}
            change(config)
            data["config"] = {f"aerie:{k}": v for k, v in config.items()}

        self.farm.edit(f"Pulumi.{SITE}.yaml", edit)

    def cloud(self, **changes: Any) -> None:
        self.config(lambda c: c["openstack"].update(changes))

    def up(self, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.pulumi(f"up --yes --skip-preview {NO_MACHINES}", check)

    def pulumi(self, what: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.farm.shell(f"pulumi {what} -s {SITE} --non-interactive --color never", timeout=300, check=check)

    def preview(self) -> dict[str, list[str]]:
        """What `up` would do: operation -> names of resources."""
        done = self.pulumi(f"preview --json {NO_MACHINES}")
        found: dict[str, list[str]] = {}
        for step in json.loads(done.stdout)["steps"]:
            kind, name = step["urn"].rsplit("::", 2)[-2:]
            # What is excluded is told as left alone.
            if step["op"] not in ("same", "read"):
                found.setdefault(step["op"], []).append(f"{kind.rsplit(':', 1)[-1]} {name}")
        return {op: sorted(names) for op, names in found.items()}

    def state(self) -> str:
        """Everything that the stack's state says, as it lies on the disk."""
        return (self.farm.home / "state" / ".pulumi" / "stacks" / "aerie" / f"{SITE}.json").read_text()

    def refusal(self) -> list[str]:
        """The problems that a preview ends with."""
        done = self.pulumi(f"preview {NO_MACHINES}", check=False)
        assert done.returncode, done.stdout
        text = done.stdout + done.stderr
        _, found, told = text.partition("nothing was changed:\n")
        assert found, text[-3000:]
        lines = [line.strip() for line in told.splitlines() if line.strip().startswith(("Pulumi.", "federation.yaml"))]
        assert all(re.match(r"[\w.]+:\d+: ", line) for line in lines), lines
        return sorted(re.sub(r"^([\w.]+):\d+: ", r"\1: ", line) for line in lines)

    def servers(self) -> dict[str, Any]:
        return {s.name.removeprefix(f"{PREFIX}-"): s for s in self.project.compute.servers()}

    def volumes(self) -> dict[str, Any]:
        """Those with a name: a server's boot volume has none."""
        return {v.name.removeprefix(f"{PREFIX}-"): v for v in self.project.block_storage.volumes() if v.name}


def make_site(base: Path, clouds_yaml: Path, project: Connection, admin: Connection) -> CloudSite:
    """The clone below `base` with the site's files; the federation's stack is up, and the project has the site's address."""
    farm = farm_at(base)
    farm.path.mkdir(parents=True)
    clone_to(farm.path)
    public = project.network.find_network("public", ignore_missing=False)
    endpoint = str(project.network.create_ip(floating_network_id=public.id).floating_ip_address)
    farm.env["OS_CLIENT_CONFIG_FILE"] = str(clouds_yaml)
    for stack in farm.path.glob("Pulumi.*.yaml"):
        stack.unlink()
    write(farm.path / "federation.yaml", federation(endpoint))
    write(farm.path / "Pulumi.federation.yaml", {"config": {}})
    write(farm.path / f"Pulumi.{SITE}.yaml", stack_file())
    farm.shell(f"tools/setup.sh && tools/stack-init federation {SITE}", timeout=1200)
    farm.up("federation")
    return CloudSite(farm, project, admin, endpoint)


def write(path: Path, data: Any) -> None:
    path.write_text(yaml.safe_dump(data, sort_keys=False))
