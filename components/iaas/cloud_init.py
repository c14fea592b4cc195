"""What a machine on a cloud is told at its first boot: cloud-init user data. Pure text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

STATE = "/var/lib/aerie"
SPOOL, QUORUM = "spool", "quorum"  # the data volumes: their labels are aerie-<this>, their mounts STATE/<this>
# What is kept where: Docker's named volumes, among them the pools' spools; and those of the quorums' members by themselves.
DOCKER_VOLUMES = "/var/lib/docker/volumes"
QUORUM_VOLUMES = ("etcd-data", "zookeeper-data", "mesos-master")

# A volume that holds anything at all is never formatted. Docker does not start without what it is to keep.
VOLUMES = f"""#!/bin/sh
# aerie-volumes NAME ID DIRECTORY=TARGET...: mounts the volume ID below {STATE}/NAME, and its directories where they belong.
set -eu
name=$1 id=$2
shift 2
find_device() {{
  udevadm settle 2>/dev/null || true
  # A bus may cut what it tells of the volume's id down to 20 characters.
  for device in /dev/disk/by-id/*"$(printf %.20s "$id")"*; do
    case $device in *-part*) ;; *) [ -b "$device" ] && readlink -f "$device" && return ;; esac
  done
  return 1
}}
tries=0
until device=$(find_device); do
  tries=$((tries + 1))
  if [ "$tries" -ge 120 ]; then
    echo "the volume $id ($name) is not attached after 120 s; there are: $(ls /dev/disk/by-id 2>/dev/null | tr '\\n' ' ')" >&2
    exit 1
  fi
  sleep 1
done
found=0
blkid -p "$device" >/dev/null || found=$?
case $found in
  0) ;;
  2) mkfs.ext4 -q -L "aerie-$name" "$device" ;;  # nothing at all is on it
  *) echo "what is on $device ($name) cannot be told: blkid says $found" >&2; exit 1 ;;
esac
at={STATE}/$name
mkdir -p "$at"
order=x-systemd.before=docker.service,x-systemd.required-by=docker.service
grep -q "^LABEL=aerie-$name " /etc/fstab || echo "LABEL=aerie-$name $at ext4 defaults,noatime,$order 0 2" >> /etc/fstab
mountpoint -q "$at" || mount "$device" "$at"
for pair in "$@"; do
  from=$at/${{pair%%=*}} to=${{pair#*=}}
  mkdir -p "$from" "$to"
  grep -q "^$from " /etc/fstab || echo "$from $to none bind,x-systemd.requires-mounts-for=$at,$order 0 0" >> /etc/fstab
  mountpoint -q "$to" || mount --bind "$from" "$to"
done
"""

# Docker of the image's distribution, unless the image brings it along.
INSTALL = """#!/bin/sh
set -eu
missing=
command -v dockerd >/dev/null || missing="docker.io"
command -v iptables >/dev/null || missing="$missing iptables"
if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null; then
    echo "this image has no Docker, and no apt to install it with: use Debian or Ubuntu, or an image with Docker" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -y -q $missing
fi
# Debian 13 has the client in a package of its own, which is only recommended.
command -v docker >/dev/null || apt-get install -y -q docker-cli
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
    """`authorized_key` lets the operator in as root; `mtu` is of containers, in bytes; `volumes`: SPOOL and QUORUM to the id of the
    attached data volume; `route`: (network, gateway), where the LAN's subnet does not tell it."""

    hostname: str
    host_private_key: str
    host_public_key: str
    authorized_key: str
    registry: str
    mtu: int
    volumes: Mapping[str, str] = field(default_factory=dict)
    route: tuple[str, str] | None = None


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


def _volume_commands(volumes: Mapping[str, str]) -> Iterator[str]:
    """The spool's first: what the quorum's members have is mounted into it."""
    places = {
        SPOOL: [f"volumes={DOCKER_VOLUMES}"],
        QUORUM: [f"{name}={DOCKER_VOLUMES}/{name}/_data" for name in QUORUM_VOLUMES],
    }
    for name, pairs in places.items():
        if name in volumes:
            yield " ".join(["/usr/local/sbin/aerie-volumes", name, volumes[name], *pairs])


def _route_unit(network: str, gateway: str) -> str:
    return f"""[Unit]
Description=The way to the other sites
Wants=network-online.target
After=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c "exec ip route replace {network} via {gateway}"
[Install]
WantedBy=multi-user.target
"""


def first_commands(boot: FirstBoot) -> str:
    """What is run once all files are written. The data volumes are mounted before Docker has seen their place."""
    units = ["aerie-metadata.service", *(["aerie-route.service"] if boot.route else []), "docker.service"]
    lines = [
        "set -eu",
        # An image with Docker has started it already.
        "systemctl stop docker.socket docker.service 2>/dev/null || true",
        *_volume_commands(boot.volumes),
        "/usr/local/sbin/aerie-docker",
        "modprobe nf_conntrack",
        "sysctl -q --system",
        # A Docker that is started before forwarding is on lets nothing but its own containers' packets through. Where it is on
        # already, as at every later boot, it leaves that as it is.
        "iptables -P FORWARD ACCEPT",
        "systemctl daemon-reload",
        f"systemctl enable --now {' '.join(units)}",
        "docker info > /dev/null",
        f"install -D -m 0644 /dev/null {READY}",
    ]
    return "\n".join(lines) + "\n"


def user_data(boot: FirstBoot) -> str:
    """The user data. It holds the machine's SSH host key, so it is a secret."""
    files = [
        _file("/etc/docker/daemon.json", daemon_json(boot.registry, boot.mtu)),
        _file("/etc/sysctl.d/90-aerie.conf", SYSCTL),
        _file("/etc/modules-load.d/aerie.conf", "nf_conntrack\n"),
        _file("/etc/systemd/system/aerie-metadata.service", METADATA_GUARD),
        _file("/usr/local/sbin/aerie-docker", INSTALL, "0755"),
    ]
    if boot.volumes:
        files.append(_file("/usr/local/sbin/aerie-volumes", VOLUMES, "0755"))
    if boot.route:
        files.append(_file("/etc/systemd/system/aerie-route.service", _route_unit(*boot.route)))
    config: dict[str, Any] = {
        "hostname": boot.hostname,
        "manage_etc_hosts": True,
        "disable_root": False,
        "ssh_pwauth": False,
        # The given host key is the only one, so that a client that knows it cannot be led to another: where some are given,
        # cloud-init makes none.
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": _Text(boot.host_private_key), "ed25519_public": boot.host_public_key},
        "users": [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [boot.authorized_key]}],
        "write_files": files,
        "runcmd": [_Text(first_commands(boot))],
    }
    return "#cloud-config\n" + yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=1000)
