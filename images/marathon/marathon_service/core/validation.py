"""Is this a valid app?  Every problem at once, each with its path in the JSON."""

from __future__ import annotations

from collections.abc import Iterator

from . import paths
from .checks import Invalid, Problem, Unknown
from .schema import APP, READ_ONLY
from .spec import Json

__all__ = ["READ_ONLY", "Invalid", "Problem", "sense", "shape"]
_LONGEST_TASK_ID = 255  # a folder on the agent has this name
_BESIDE_THE_ID = len(".instance-._app.1") + 36
SINGLE_INSTANCE = "MARATHON_SINGLE_INSTANCE_APP"


def shape(app: Json, ignore_unknown: bool = False) -> list[Problem]:
    """Problems of types and of single values.  With `ignore_unknown` fields that nobody knows are taken out of `app`."""
    found = list(APP(app, ""))
    if not ignore_unknown:
        return found
    for problem in found:
        if isinstance(problem, Unknown):
            problem.forget()
    return [p for p in found if not isinstance(p, Unknown)]


def sense(app: Json, default_role: str) -> list[Problem]:
    """Problems of a normalised app as a whole."""
    return [
        p
        for part in (_itself, _roles, _networks, _ports, _checks, _resources, _strategies)
        for p in part(app, default_role)
    ]


def _itself(app: Json, _role: str) -> Iterator[Problem]:
    if wrong := paths.problem(app["id"]):
        yield "/id", wrong
    elif len(paths.task_prefix(app["id"])) + _BESIDE_THE_ID > _LONGEST_TASK_ID:
        yield "/id", f"must not be longer than {_LONGEST_TASK_ID - _BESIDE_THE_ID} characters: tasks are named after it"
    cmd, args, container = app.get("cmd"), app.get("args"), app.get("container") or {}
    if cmd is not None and args:
        yield "/", "must have cmd or args, not both"
    if not cmd and not args and not container.get("docker"):
        yield "/", "must have cmd or args, or a container with an image"
    if container.get("type") == "DOCKER" and not container.get("docker"):
        yield "/container/docker", "is required for a container of type DOCKER"
    if container.get("type") == "DOCKER" and container.get("linuxInfo"):
        yield "/container/linuxInfo", "is only for a container of type MESOS"
    for n, volume in enumerate(container.get("volumes") or ()):
        if bool(volume.get("hostPath")) == bool(volume.get("external")):
            yield f"/container/volumes({n})", "needs hostPath or external (one of them)"
    for n, dependency in enumerate(app["dependencies"]):
        if wrong := paths.problem(dependency):
            yield f"/dependencies({n})", wrong


def _roles(app: Json, role: str) -> Iterator[Problem]:
    if app["role"] != role:
        yield "/role", f"got {app['role']}, expected one of: [{role}]"
    accepted = app.get("acceptedResourceRoles")
    if accepted is not None:
        if not accepted:
            yield "/acceptedResourceRoles", "must not be empty"
        if wrong := sorted(set(accepted) - {"*", role}):
            yield "/acceptedResourceRoles", f"may hold * and the app's role {role}, not {', '.join(wrong)}"


def _networks(app: Json, _role: str) -> Iterator[Problem]:
    networks = app["networks"]
    modes = {n["mode"] for n in networks}
    docker = (app.get("container") or {}).get("type") == "DOCKER"
    if len(modes) > 1 or (modes != {"container"} and len(networks) > 1):
        yield "/networks", "there may be one host network, one bridge network, or one or more container networks"
    names = [n.get("name") for n in networks if n.get("name")]
    if len(set(names)) < len(names):
        yield "/networks", "a network is named twice"
    if docker and len(names) > 1:
        yield "/networks", "a container of type DOCKER can be in one container network only"
    for n, network in enumerate(networks):
        if network["mode"] == "container" and not network.get("name"):
            yield f"/networks({n})/name", "is required: there is no default network (MARATHON_DEFAULT_NETWORK_NAME)"
        if network["mode"] != "container" and network.get("name"):
            yield f"/networks({n})/name", "is only for mode container"
        if network["mode"] == "host" and network.get("labels"):
            yield f"/networks({n})/labels", "are not for mode host"


def _ports(app: Json, _role: str) -> Iterator[Problem]:
    mappings = (app.get("container") or {}).get("portMappings")
    host = {n["mode"] for n in app["networks"]} == {"host"}
    if host and mappings:
        yield "/container/portMappings", "need a container network; the host network has portDefinitions"
    if not host and app.get("portDefinitions"):
        yield "/portDefinitions", "are only for the host network; others have container/portMappings"
    names = {n["name"] for n in app["networks"] if n.get("name")}
    for n, mapping in enumerate(mappings or ()):
        own = mapping.get("networkNames") or []
        if unknown := set(own) - names:
            yield f"/container/portMappings({n})/networkNames", f"no such network: {', '.join(sorted(unknown))}"
        if len(names) > 1 and mapping.get("hostPort") is not None and len(own) != 1:
            yield (
                f"/container/portMappings({n})/networkNames",
                "must name one network: there are several, and a hostPort",
            )
    for field, ports in (("/portDefinitions", app.get("portDefinitions")), ("/container/portMappings", mappings)):
        seen: set[str] = set()
        for n, port in enumerate(ports or ()):
            if port.get("name") in seen:
                yield f"{field}({n})/name", "is used twice"
            if port.get("name"):
                seen.add(port["name"])
    yield from _fixed(app, mappings or ())


def _fixed(app: Json, mappings: tuple[Json, ...] | list[Json]) -> Iterator[Problem]:
    """Ports of one's own choice, each once."""
    asked = [p["port"] for p in app.get("portDefinitions") or () if p.get("port")]
    if len(set(asked)) < len(asked):
        yield "/portDefinitions", "a port is given twice"
    fixed = [(m["hostPort"], p) for m in mappings if m.get("hostPort") for p in m.get("protocol", "tcp").split(",")]
    if len(set(fixed)) < len(fixed):
        yield "/container/portMappings", "a hostPort is given twice"


def _checks(app: Json, _role: str) -> Iterator[Problem]:
    ports = app.get("portDefinitions") or (app.get("container") or {}).get("portMappings") or ()
    docker = (app.get("container") or {}).get("type") == "DOCKER"
    by_mesos = 0
    for n, check in enumerate(app["healthChecks"]):
        path, protocol = f"/healthChecks({n})", check["protocol"]
        by_mesos += protocol not in ("HTTP", "HTTPS", "TCP")
        if protocol == "COMMAND" and not check.get("command"):
            yield f"{path}/command", "is required"
        if protocol == "COMMAND" and check.get("port") is not None:
            yield f"{path}/port", "a command has no port"
        if protocol != "COMMAND" and check.get("command"):
            yield f"{path}/command", f"is not for protocol {protocol}"
        if protocol != "COMMAND" and check.get("port") is None and check["portIndex"] >= len(ports):
            yield f"{path}/portIndex", f"there is no port number {check['portIndex']}"
        if check["ipProtocol"] == "IPv6" and not (docker and protocol.startswith("MESOS_")):
            yield f"{path}/ipProtocol", "IPv6 is for MESOS_ checks of a container of type DOCKER"
    if by_mesos > 1:
        yield "/healthChecks", "Mesos does one health check a task: at most one COMMAND or MESOS_ check"
    names = {p.get("name") for p in ports}
    for n, ready in enumerate(app["readinessChecks"]):
        if ready["portName"] not in names:
            yield f"/readinessChecks({n})/portName", f"there is no port with the name {ready['portName']}"
        if ready["timeoutSeconds"] >= ready["intervalSeconds"]:
            yield f"/readinessChecks({n})/timeoutSeconds", "must be less than intervalSeconds"
    yield from _check(app.get("check"), len(ports))


def _check(check: Json | None, ports: int) -> Iterator[Problem]:
    if check is None:
        return
    kinds = [k for k in ("http", "tcp", "exec") if check.get(k) is not None]
    if len(kinds) != 1:
        yield "/check", "needs one of http, tcp and exec"
    for kind in kinds:
        if kind == "exec":
            command = check["exec"]["command"]
            if bool(command.get("shell")) == bool(command.get("argv")):
                yield "/check/exec/command", "needs shell or argv (one of them)"
        elif check[kind].get("port") is None and check[kind].get("portIndex", 0) >= ports:
            yield f"/check/{kind}/portIndex", f"there is no port number {check[kind].get('portIndex', 0)}"


def _resources(app: Json, _role: str) -> Iterator[Problem]:
    if app["gpus"] and (app.get("container") or {}).get("type") == "DOCKER":
        yield "/gpus", "are only for a container of type MESOS: Mesos gives Docker containers none"
    for what, limit in (app.get("resourceLimits") or {}).items():
        if limit is not None and limit != "unlimited" and limit < app[what]:
            yield f"/resourceLimits/{what}", f"must be at least what the app asks for, {app[what]:g}"


def _strategies(app: Json, _role: str) -> Iterator[Problem]:
    strategy = app["unreachableStrategy"]
    if strategy != "disabled" and strategy["expungeAfterSeconds"] < strategy["inactiveAfterSeconds"]:
        yield "/unreachableStrategy/expungeAfterSeconds", "must not be less than inactiveAfterSeconds"
    if app["labels"].get(SINGLE_INSTANCE) == "true":
        if app["instances"] > 1:
            yield "/instances", f"must not be above 1: the label {SINGLE_INSTANCE} says so"
        for field, value in app["upgradeStrategy"].items():
            if value != 0:
                yield f"/upgradeStrategy/{field}", f"must be 0 with the label {SINGLE_INSTANCE}"
