"""This checkout with two small sites: torino embedded, the whole quorum; pisa on the cloud, a front-end and one agent."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml
from federation import Farm, clone_to, farm_at
from openstack.connection import Connection

from tools.login import Login

NAME, HOME_SITE, SITE, POOL = "aerie-vm", "torino", "pisa", "demo"
FRONT_END, AGENT = f"{SITE}-front-end", f"{SITE}-agent-1"
# Other networks than those of a federation that is up, and of the other tests.
LANS, WAN, CONTAINERS, FIXED = "10.101.0.0/16", IPv4Network("10.102.0.0/24"), "10.103.0.0/16", "10.104.0.0/24"
LAN, AGENT_ADDRESS = "10.101.2.0/24", "10.101.2.11"
IMAGE = "debian-13"
UP_SECONDS = 5400  # emulated, on two cores that others use as well
FLAVOR = {"name": "vm.test", "vcpus": 2, "ram": 1536, "disk": 12}
SPOOL_GB, SSH_PORT = 3, 2222
# Limits of time that an emulated machine does not keep, in the clone only: file, text, text instead.
SLOW = (
    # The VPN's container is asked whether it is ready with a `docker exec` that takes long by itself.
    ("components/cluster/container.py", "ready_seconds: int = 60", "ready_seconds: int = 600"),
    # A check asks HTCondor, which it gives 6 s: too few at times, but hardly ever thirty times in a row.
    ("components/batch/apps.py", 'Health("aerie-health", 20, 15, 3)', 'Health("aerie-health", 20, 15, 30)'),
    ("components/batch/marathon_app.py", "seconds: int = 300,", "seconds: int = 1200,"),
)


def federation_file(endpoint: str) -> dict[str, Any]:
    """federation.yaml; `endpoint` is pisa's floating IP."""

    def site(number: int, address: str, quorum: bool) -> dict[str, Any]:
        return {
            "as_number": 64512 + number,
            "lan": LANS.replace(".0.0/16", f".{number}.0/24"),
            "containers": CONTAINERS.replace(".0.0/16", f".{64 * (number - 1)}.0/18"),
            "vpn_endpoint": f"{address}:51820",
            "quorum": quorum,
        }

    return {
        "name": NAME,
        "network": {"lans": LANS, "containers": CONTAINERS, "fixed": FIXED},
        "images": {"registry": f"{WAN[1]}:5000"},
        "embedded": {"wan": str(WAN)},
        "sites": {HOME_SITE: site(1, str(WAN[11]), True), SITE: site(2, endpoint, False)},
    }


def stack_files() -> dict[str, dict[str, Any]]:
    """The stacks' configuration, by stack, keys without their prefix."""
    cloud = {
        "cloud": "aio",
        "image": IMAGE,
        "flavor": FLAVOR["name"],
        "external_network": "public",
        "operators": [str(WAN)],
        "volume_size": FLAVOR["disk"],
        "spool_volume": SPOOL_GB,
        "anti_affinity": "none",
    }
    pool = {
        "sites": [HOME_SITE, SITE],
        "via": "marathon",
        "central_manager": {"attributes": {"site": HOME_SITE}},
        "submit_node": {"site": HOME_SITE, "ssh_port": SSH_PORT},
        "executors": {"count": 1, "cpus": 1, "memory": 512, "attributes": {"site": SITE}},
        "users": [{"name": "demo", "uid": 2001, "ssh_key_files": ["$AERIE_HOME/ssh/demo.pub"]}],
    }
    return {
        "federation": {},
        HOME_SITE: {"iaas": "docker", "agents": 0, "machine": {"cpus": 2, "memory": 2048, "disk": 10000}},
        SITE: {
            "iaas": "openstack",
            "agents": 1,
            "machine": {"cpus": 1, "memory": 768, "disk": 6000},
            "openstack": cloud,
        },
        POOL: {"pool": pool},
    }


def write_files(farm: Farm, endpoint: str) -> None:
    """Makes the clone one of these two sites, on a slow cloud."""
    for name, usual, patient in SLOW:
        file = farm.path / name
        text = file.read_text()
        assert usual in text, f"{name} has no {usual!r} any more: see SLOW in {__file__}"
        file.write_text(text.replace(usual, patient))
    for stack in farm.path.glob("Pulumi.*.yaml"):
        stack.unlink()
    _write(farm.path / "federation.yaml", federation_file(endpoint))
    for stack_name, config in stack_files().items():
        _write(
            farm.path / f"Pulumi.{stack_name}.yaml",
            {"config": {f"aerie:{key}": value for key, value in config.items()}},
        )


def _write(path: Path, data: Any) -> None:
    path.write_text(yaml.safe_dump(data, sort_keys=False))


@dataclass
class TwoSites:
    """The clone, and what an operator does with its machines."""

    farm: Farm
    endpoint: str
    came_up: set[str] = field(default_factory=set)  # the stacks whose `up` came to its end

    @property
    def ssh_config(self) -> Path:
        """How OpenSSH reaches pisa's machines: pinned keys, the agent by way of the front-end."""
        return self.farm.home / "pisa.ssh"

    def write_ssh_config(self) -> None:
        """By what the stacks' state says, which it does even where an `up` did not come to its end."""
        key, known = self.farm.home / "pisa.key", self.farm.home / "pisa.known_hosts"
        key.touch(0o600)
        key.write_text(self.farm.outputs("federation")["ssh_private_keys"][SITE])
        hosts = {FRONT_END: self.endpoint, AGENT: AGENT_ADDRESS}
        known.write_text("".join(f"{address} {self.host_key(name)}\n" for name, address in hosts.items()))
        text = ""
        for name, address in hosts.items():
            text += f"Host {name}\n  HostName {address}\n" + (f"  ProxyJump {FRONT_END}\n" if name == AGENT else "")
        text += (
            f"Host *\n  User root\n  IdentityFile {key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {known}\n"
            "  StrictHostKeyChecking yes\n  BatchMode yes\n  LogLevel ERROR\n  ConnectTimeout 60\n"
        )
        self.ssh_config.write_text(text)

    def host_key(self, machine: str) -> str:
        """The public host key that the program made for a machine."""
        done = self.farm.shell(f"pulumi stack export -s {SITE}")
        for resource in json.loads(done.stdout)["deployment"]["resources"]:
            if resource["urn"].endswith(f"::{machine}-host-key"):
                return str(resource["outputs"]["public_key"])
        raise AssertionError(f"the state of {SITE} has no host key of {machine}")

    def try_on(self, machine: str, script: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """A shell script, as root on one of pisa's machines."""
        return subprocess.run(
            ["ssh", "-F", str(self.ssh_config), machine, "bash -euo pipefail -s"],
            input=script,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def on(self, machine: str, script: str, timeout: float = 300) -> str:
        """Its standard output; raises AssertionError if it fails."""
        done = self.try_on(machine, script, timeout)
        assert done.returncode == 0, (
            f"{machine}: {script}: {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return done.stdout

    def user(self) -> Login:
        """Into the pool's submit node."""
        home, own = self.farm.home, self.farm.outputs(POOL)
        known = home / "demo.known_hosts"
        known.write_text(f"[{own['login_host']}]:{SSH_PORT} {own['ssh_host_key']}\n")
        return Login("demo", str(own["login_host"]), SSH_PORT, home / "ssh" / "demo", known)


def make_two_sites(base: Path, clouds_yaml: Path, project: Connection) -> TwoSites:
    """The clone below `base`; the project gets pisa's address, as docs/openstack.md tells an operator. No stack is up yet."""
    farm = farm_at(base)
    farm.path.mkdir(parents=True)
    clone_to(farm.path)
    public = project.network.find_network("public", ignore_missing=False)
    endpoint = str(project.network.create_ip(floating_network_id=public.id).floating_ip_address)
    farm.env["OS_CLIENT_CONFIG_FILE"] = str(clouds_yaml)
    write_files(farm, endpoint)
    return TwoSites(farm, endpoint)
