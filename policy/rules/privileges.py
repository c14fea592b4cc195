"""What a container may do to its machine: nothing, but for the services that are named here with what each needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from .containers import APP, MACHINE, Container, containers, known_name
from .model import Facts, Resource, Violation

FILES = "/etc/aerie"  # on the machine: one folder a service
# Options that say nothing of rights.
HARMLESS = {
    "detach", "name", "restart", "memory", "memory-swap", "label", "log-opt", "log-driver", "env", "hostname", "ip",
    "ulimit", "stop-timeout", "tmpfs", "read-only", "init", "user", "cpus", "cpu-shares", "pids-limit", "cap-drop",
    "workdir", "rm", "health-cmd", "add-host", "dns", "publish", "publish-all",
}  # fmt: skip
# What single containers have beyond that, and what for. `volume` is a path of the machine; with :ro at its
# end to look at only.
NAMED: dict[str, set[tuple[str, str]]] = {
    # Interfaces of WireGuard, and their routes; with network.ipv6 it turns IPv6 on for them, in /proc/sys.
    "vpn": {("cap-add", "NET_ADMIN"), ("device", "/dev/net/tun"), ("security-opt", "systempaths=unconfined")},
    # Felix and the driver of Docker's networks: routes and rules of the machine, and interfaces in containers' namespaces.
    "calico": {
        ("cap-add", "NET_ADMIN"),
        ("cap-add", "NET_RAW"),
        ("cap-add", "SYS_ADMIN"),
        ("pid", "host"),
        ("security-opt", "systempaths=unconfined"),
        ("volume", "/run/docker.sock"),
        ("volume", "/run/docker/plugins"),
        ("volume", "/run/netns"),
        ("volume", "/lib/modules:ro"),
    },
    # Starts the tasks' containers beside its own, and measures them.
    "mesos-agent": {
        ("pid", "host"),
        ("cgroupns", "host"),
        ("volume", "/run/docker.sock"),
        ("volume", "/sys/fs/cgroup"),
        ("volume", "/var/lib/mesos"),
        ("volume", "/run/mesos"),
    },
    # Asks BIRD and the VPN in their containers, and the engine what services use. It listens to nobody.
    "collector": {("volume", "/run/docker.sock")},
    # Its own files where Grafana looks for them, and the pools' dashboards: all to look at only.
    "grafana": {
        ("volume", "/etc/aerie/grafana/datasource.yaml:ro"),
        ("volume", "/etc/aerie/grafana/dashboards.yaml:ro"),
        ("volume", "/etc/aerie/grafana-pools:ro"),
    },
    # A machine of the embedded IaaS has a Docker engine of its own inside.
    "machine": {
        *(
            ("cap-add", f"CAP_{name}")
            for name in (
                "AUDIT_CONTROL", "AUDIT_WRITE", "DAC_READ_SEARCH", "IPC_LOCK", "LEASE", "LINUX_IMMUTABLE", "MKNOD",
                "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PTRACE", "SYS_TIME",
                "SYSLOG",
            )
        ),
        *(("security-opt", f"{what}=unconfined") for what in ("apparmor", "seccomp", "systempaths")),
        ("device", "/dev/net/tun"),
    },
    "registry": {("network", "host")},
}  # fmt: skip
# Of the machine's directories, and devices, what no pool's file may name.
CLOSED = ("/proc", "/sys", "/dev", "/etc", "/root", "/boot", "/run", "/var/run", "/var/lib/docker", "/var/lib/mesos")
DISKS = ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sd", "/dev/vd", "/dev/xvd", "/dev/nvme", "/dev/dm-",
         "/dev/mapper", "/dev/loop", "/dev/net/tun")  # fmt: skip


def privileges_named(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """No container is privileged, and none has a right that is not named above for it."""
    for container in containers(resource, facts):
        for key, value in container.options:
            if (what := forbidden(container, key, value)) is None:
                continue
            yield Violation(
                resource.name, container.file, container.place, f"{_whose(container)} {what}", _mend(container, key)
            )


def _whose(container: Container) -> str:
    return f"the container {container.name or 'without a name'}"


def _mend(container: Container, key: str) -> str:
    if container.kind == APP:
        return "remove it; a pool's containers get devices and directories of data, nothing of the machine itself"
    if key == "privileged":
        return "remove it, and name the single capabilities that it needs, here and in policy/rules/privileges.py"
    return (
        "remove it, or, if it must be, name it for this container in policy/rules/privileges.py and say there what for"
    )


def forbidden(container: Container, key: str, value: str) -> str | None:
    """What is wrong with one option, or None."""
    if key == "privileged":
        return "is privileged: it may do all that root of the machine may"
    if key in HARMLESS:
        return None
    if key == "volume":
        return _volume(container, value)
    if key == "device":
        return _device(container, value)
    if key == "network":
        return None if container.kind != APP and _host_network(container, value) else f"has the network {value}"
    if (key, value) == ("security-opt", "no-new-privileges") or (key == "sysctl" and value.startswith("net.ipv4.")):
        return None
    if (key, value) in _named(container):
        return None
    names = {
        "cap-add": f"has the capability {value}",
        "pid": f"sees the processes of {value}",
        "security-opt": f"has the security option {value}",
        "sysctl": f"sets {value.partition('=')[0]}",
    }
    return names.get(key, f"has the option --{key} {value}".rstrip())


def _named(container: Container) -> set[tuple[str, str]]:
    if container.kind == APP:
        return set()
    return NAMED.get(known_name(container.name, NAMED) or "", set())


def _host_network(container: Container, value: str) -> bool:
    """Services are on their machine's network; what the embedded IaaS makes is so only if it is named."""
    if value != "host":
        return value in ("bridge", "none", "default") or (
            container.kind == MACHINE and not value.startswith("container:")
        )
    return container.kind != MACHINE or ("network", "host") in _named(container)


def _volume(container: Container, value: str) -> str | None:
    path, _, rest = value.partition(":")
    mode = rest.partition(":")[2]
    if not path.startswith("/"):
        return None  # a volume of Docker's
    if container.kind == APP:
        at = PurePosixPath(path)
        closed = path.endswith("/docker.sock") or any(at.is_relative_to(c) for c in CLOSED) or at == PurePosixPath("/")
        return f"has {path} of its machine" if closed else None
    if path == f"{FILES}/{container.name}":
        return None if "ro" in mode.split(",") else f"may write to {path}, where its own keys are"
    read_only = "ro" in mode.split(",")
    if ("volume", path) in _named(container) or (read_only and ("volume", f"{path}:ro") in _named(container)):
        return None
    return f"has {path} of its machine" + (", with which it rules the machine" if path.endswith("docker.sock") else "")


def _device(container: Container, value: str) -> str | None:
    path = value.partition(":")[0]
    if container.kind == APP:
        closed = path in ("/", "/dev") or path.startswith(DISKS)
        return f"has the device {path} of its machine" if closed else None
    return None if ("device", path) in _named(container) else f"has the device {path} of its machine"
