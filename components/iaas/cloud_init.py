"""What a machine on a cloud is told at its first boot: cloud-init user data. Pure text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

READY = "/var/lib/aerie/ready"  # is there once all of the below went through
METADATA = "169.254.169.254"  # where a cloud gives out the user data, and with it the host key

SYSCTL = """net.ipv4.ip_forward = 1
net.ipv4.tcp_retries2 = 8
# Packets of one connection may come in over the VPN and leave over the LAN.
net.ipv4.conf.all.rp_filter = 2
net.ipv4.conf.default.rp_filter = 2
# A machine routes for others: it neither tells nor believes that there is a shorter way.
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv4.conf.all.accept_redirects = 0
"""

# PREROUTING sees what containers send, not what the machine itself does.
METADATA_GUARD = f"""[Unit]
Description=Keeps containers from the cloud's metadata service
Before=docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/iptables -t raw -I PREROUTING -d {METADATA} -j DROP
ExecStop=/usr/sbin/iptables -t raw -D PREROUTING -d {METADATA} -j DROP
[Install]
WantedBy=multi-user.target
"""

# The status is of cloud-init itself: whether our own commands went through, only the file tells.
WAIT = f"""set -eu
cloud-init status --wait >/dev/null 2>&1 || true
if ! [ -e {READY} ]; then
  echo "cloud-init did not finish on $(hostname); its last words:" >&2
  cloud-init status --long >&2 || true
  tail -n 15 /var/log/cloud-init-output.log >&2
  exit 1
fi
docker version -f '{{{{.Server.Version}}}}'
"""


@dataclass(frozen=True)
class FirstBoot:
    """`authorized_key` lets the operator in as root; `mtu` is of containers, in bytes."""

    hostname: str
    host_private_key: str
    host_public_key: str
    authorized_key: str
    registry: str
    mtu: int


class _Text(str):
    """Is written as a block, line by line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    _Text, lambda dumper, data: dumper.represent_scalar("tag:yaml.org,2002:str", str(data), style="|")
)


def _file(path: str, text: str, permissions: str = "0644") -> dict[str, Any]:
    return {"path": path, "permissions": permissions, "content": _Text(text)}


def daemon_json(registry: str, mtu: int) -> str:
    """Docker's configuration. Of the registry only host:port counts."""
    settings = {
        "insecure-registries": [registry.partition("/")[0]],
        "mtu": mtu,
        "userland-proxy": False,
        "shutdown-timeout": 15,
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m", "max-file": "3"},
    }
    return json.dumps(settings, indent=1, sort_keys=True) + "\n"


def user_data(boot: FirstBoot) -> str:
    """The user data. It holds the machine's SSH host key, so it is a secret."""
    config: dict[str, Any] = {
        "hostname": boot.hostname,
        "manage_etc_hosts": True,
        "disable_root": False,
        "ssh_pwauth": False,
        # The given host key is the only one, so that a client that knows it cannot be led to another.
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": _Text(boot.host_private_key), "ed25519_public": boot.host_public_key},
        "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [boot.authorized_key]}],
        "write_files": [
            _file("/etc/docker/daemon.json", daemon_json(boot.registry, boot.mtu)),
            _file("/etc/sysctl.d/90-aerie.conf", SYSCTL),
            _file("/etc/modules-load.d/aerie.conf", "nf_conntrack\n"),
            _file("/etc/systemd/system/aerie-metadata.service", METADATA_GUARD),
        ],
        "package_update": True,
        "packages": ["docker.io", "iptables"],
        "runcmd": [
            _Text(
                f"""set -eu
modprobe nf_conntrack
sysctl -q --system
systemctl daemon-reload
systemctl enable --now aerie-metadata.service docker.service
docker info > /dev/null
install -D -m 0644 /dev/null {READY}
"""
            )
        ],
    }
    return "#cloud-config\n" + yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=1000)
