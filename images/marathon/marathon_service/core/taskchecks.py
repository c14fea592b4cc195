"""What Mesos is told of an app's check, its limits and its Linux container; and where a readiness check asks."""

from __future__ import annotations

from .model import Instance
from .spec import AppSpec, Json, ReadinessCheck


def port_at(spec: AppSpec, instance: Instance, index: int) -> int:
    """Where the app's port number `index` is listened on by the task itself: in its container, or on the host; 0 for none."""
    if index >= len(spec.ports):
        return 0
    port, host = spec.ports[index], instance.ports[index]
    return (port.container or host or 0) if port.container is not None else (host or 0)


def check_info(spec: AppSpec, instance: Instance) -> Json | None:
    """The app's `check` (Mesos asks, and only tells what it found) in Mesos' form."""
    raw = spec.raw.get("check")
    if not raw:
        return None
    info: Json = {
        "delay_seconds": raw["delaySeconds"],
        "interval_seconds": raw["intervalSeconds"],
        "timeout_seconds": raw["timeoutSeconds"],
    }
    if raw.get("exec"):
        command = raw["exec"]["command"]
        if command.get("shell"):
            said: Json = {"shell": True, "value": command["shell"]}
        else:
            said = {"shell": False, "value": command["argv"][0], "arguments": command["argv"]}
        return {**info, "type": "COMMAND", "command": {"command": said}}
    kind = "http" if raw.get("http") is not None else "tcp"
    asked = raw[kind]
    target: Json = {"port": asked.get("port") or port_at(spec, instance, asked.get("portIndex") or 0)}
    if kind == "http":
        target["path"] = asked.get("path") or "/"
    return {**info, "type": kind.upper(), kind: target}


def check_result(status: Json | None) -> Json | None:
    """What Mesos said of the check, as the API shows it."""
    match (status or {}).get("type"):
        case "HTTP":
            code = ((status or {}).get("http") or {}).get("status_code")
            return {"http": {} if code is None else {"statusCode": code}}
        case "TCP":
            succeeded = ((status or {}).get("tcp") or {}).get("succeeded")
            return {"tcp": {} if succeeded is None else {"succeeded": succeeded}}
        case "COMMAND":
            code = ((status or {}).get("command") or {}).get("exit_code")
            return {"command": {} if code is None else {"exitCode": code}}
    return None


def limits(spec: AppSpec) -> Json | None:
    given = {k: v for k, v in (spec.raw.get("resourceLimits") or {}).items() if v is not None}
    return {k: {"value": "Infinity" if v == "unlimited" else v} for k, v in given.items()} or None


def linux_info(spec: AppSpec) -> Json | None:
    """For containers of type MESOS."""
    raw = (spec.raw.get("container") or {}).get("linuxInfo") or {}
    info: Json = {}
    if seccomp := raw.get("seccomp"):
        info["seccomp"] = {"unconfined": bool(seccomp.get("unconfined"))}
        if seccomp.get("profileName"):
            info["seccomp"]["profile_name"] = seccomp["profileName"]
    if ipc := raw.get("ipcInfo"):
        info["ipc_mode"] = ipc["mode"]
        if ipc.get("shmSize") is not None:
            info["shm_size"] = int(ipc["shmSize"])
    return info or None


def readiness_target(spec: AppSpec, instance: Instance, check: ReadinessCheck) -> tuple[str, int] | None:
    """Address and port that a readiness check asks; None while they are not known."""
    index = next((n for n, p in enumerate(spec.ports) if p.name == check.port_name), None)
    if index is None:
        return None
    if spec.network == "container":
        address = next((a for a in instance.ip_addresses if ":" not in a), None) or next(
            iter(instance.ip_addresses), None
        )
        port = port_at(spec, instance, index)
        return (address, port) if address and port else None
    host = instance.ports[index] if index < len(instance.ports) else None
    return (instance.hostname, host) if host else None
