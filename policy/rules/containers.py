"""The containers that a resource makes, whatever makes them: a service's `docker run`, a Marathon app, a pool's framework, the
embedded IaaS. All are told as options of `docker run`."""

from __future__ import annotations

import base64
import binascii
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .model import Facts, Resource, block, items, shown, text

# Options of `docker run` that take no value, and the long names of the short ones.
FLAGS = {"detach", "privileged", "rm", "init", "read-only", "interactive", "tty", "publish-all", "oom-kill-disable"}
SHORT = {"d": "detach", "i": "interactive", "t": "tty", "P": "publish-all", "v": "volume", "e": "env", "p": "publish",
         "m": "memory", "l": "label", "h": "hostname", "u": "user", "c": "cpu-shares", "w": "workdir"}  # fmt: skip
SAME = {"net": "network"}
UNITS = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}

SERVICE, APP, MACHINE = "service", "app", "machine"
# Where a service's container is written down, by its name; a name that ends in - is of one for each pool.
SOURCES = {
    "etcd": ("components/cluster/quorum.py", "etcd_container"),
    "zookeeper": ("components/cluster/quorum.py", "zookeeper_container"),
    "mesos-master": ("components/cluster/mesos.py", "master_container"),
    "mesos-agent": ("components/cluster/mesos.py", "agent_container"),
    "marathon": ("components/cluster/marathon.py", "marathon_container"),
    "vpn": ("components/fabric/vpn.py", "vpn_container"),
    "calico": ("components/fabric/calico.py", "calico_container"),
    "login-": ("components/batch/login.py", "login_container"),
    "rest-": ("components/batch/framework.py", "rest_container"),
    "graphite": ("components/monitoring/containers.py", "graphite_container"),
    "grafana": ("components/monitoring/grafana.py", "grafana_container"),
    "collector": ("components/monitoring/containers.py", "collector_container"),
    "page": ("components/monitoring/page.py", "page_container"),
    "registry": ("components/federation.py", "_embedded"),
    "machine": ("components/iaas/docker.py", "DockerMachines"),
}
# The keys of the pool's file that say what a role's containers get.
ROLES = {"central-manager": "central_manager", "submit": "submit_node", "executor": "executors"}


@dataclass(frozen=True)
class Container:
    """`name` is the service's, the role's or what kind of machine it is; `options` are those of `docker run`, in order and by
    their long names; `memory` in bytes, 0 if it has no limit; `env` is None where it is not known."""

    kind: str
    name: str
    image: str
    options: tuple[tuple[str, str], ...]
    memory: int
    env: Mapping[str, str] | None
    file: str
    place: str

    def all(self, option: str) -> list[str]:
        """The values of an option that may be there more than once."""
        return [value for key, value in self.options if key == option]


def containers(resource: Resource, facts: Facts) -> Iterator[Container]:
    """All containers that the resource makes, as far as their values are known."""
    if resource.type.startswith("command:"):
        script = text(resource.props.get("create"))
        for line in script.replace("\\\n", " ").splitlines():
            if line.strip().startswith("docker run "):
                yield _service(line.strip())
    elif resource.type.endswith(":MarathonApp"):
        app = block(resource.props.get("app"))
        env = resource.props.get("env")
        yield _app(app, env, facts)
        yield from _framework(block(env), facts)
    elif resource.type.endswith(":Container") and resource.type.startswith("docker:"):
        yield _embedded(resource)


def known_name(name: str, names: Mapping[str, Any]) -> str | None:
    """Which of `names` the container is meant by; one for each pool has the pool's name behind its own."""
    if name in names:
        return name
    return next((n for n in names if n.endswith("-") and name.startswith(n)), None)


def source(name: str) -> tuple[str, str]:
    """File and place of what says how the container is made."""
    found = known_name(name, SOURCES)
    return SOURCES[found] if found else ("components", f'ContainerSpec(name="{name}")')


def size(value: str) -> int:
    """Bytes of docker's sizes such as 512m; 0 if it is none."""
    digits = value.rstrip("bkmgBKMG").strip()
    return int(digits) * UNITS[(value[len(digits) :] or "b")[0].lower()] if digits.isdigit() else 0


def run_options(words: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The options of `docker run`, and the image with its command."""
    options: list[tuple[str, str]] = []
    rest = list(words)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        key, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--"):
            letters, equals, value = word[1], "", word[2:]
            if SHORT.get(letters, "") in FLAGS:
                options += [(SHORT.get(c, c), "") for c in word[1:]]
                continue
            key, equals = SHORT.get(letters, letters), value
        key = SAME.get(key, key)
        if key in FLAGS:
            if value != "false":
                options.append((key, ""))
        elif equals:
            options.append((key, value))
        else:
            options.append((key, rest.pop(0) if rest else ""))
    return options, rest


def _service(line: str) -> Container:
    words = shlex.split(line.partition(" >")[0])[2:]
    options, rest = run_options(words)
    given = dict(options)
    name = given.get("name", "")
    env = dict(v.partition("=")[::2] for k, v in options if k == "env")
    at = source(name)
    return Container(SERVICE, name, rest[0] if rest else "", tuple(options), size(given.get("memory", "")), env, *at)


def _number(value: Any) -> float:
    found = shown(value)
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else 0.0


def _app(app: Mapping[str, Any], env: Any, facts: Facts) -> Container:
    docker = block(block(app.get("container")).get("docker"))
    role = text(block(app.get("labels")).get("aerie.role"))
    given = [(text(p["key"]), text(p["value"])) for p in map(block, items(docker.get("parameters"))) if "key" in p]
    options = [(SAME.get(key, key), value) for key, value in given]
    if shown(docker.get("privileged")):
        options.append(("privileged", ""))
    for mount in map(block, items(block(app.get("container")).get("volumes"))):
        options.append(("volume", f"{text(mount.get('hostPath'))}:{text(mount.get('containerPath'))}"))
    mode = text(docker.get("network")).lower() or next(
        (text(n.get("mode")) for n in map(block, items(app.get("networks")))), ""
    )
    if mode == "host":
        options.append(("network", "host"))
    for mapping in map(block, items(docker.get("portMappings"))):
        if mapping.get("hostPort") is not None:
            options.append(("publish", f"{mapping['hostPort']}:{mapping.get('containerPort')}"))
    known = {k: text(v) for k, v in block(env).items()} if isinstance(shown(env), Mapping) else None
    memory = int(_number(app.get("mem")) * UNITS["m"])
    return Container(APP, role, text(docker.get("image")), tuple(options), memory, known, *pool_place(role, facts))


def pool_place(role: str, facts: Facts) -> tuple[str, str]:
    """Where it is said what the containers of a role get."""
    if role in ROLES:
        return facts.file, f"pool.{ROLES[role]}"
    return "components/batch/framework.py", "framework_app"


def decoded(value: str) -> str:
    """The text behind base64; "" if there is none."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def framework_configuration(env: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a pool's framework is told; empty if this is none, or nothing of it is known."""
    try:
        found = json.loads(decoded(text(env.get("AERIE_FRAMEWORK"))) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _framework(env: Mapping[str, Any], facts: Facts) -> Iterator[Container]:
    """The containers that the framework starts by itself."""
    told = framework_configuration(env)
    executor = {"role": "executor", **told["executor"]} if "executor" in told else None
    for one in [*told.get("roles", []), *([executor] if executor else [])]:
        options = tuple((SAME.get(key, key), value) for key, value in one.get("parameters", []))
        memory = int(_number(one.get("memory")) * UNITS["m"])
        role = str(one.get("role", ""))
        yield Container(
            APP, role, str(told.get("image", "")), options, memory, one.get("env"), *pool_place(role, facts)
        )


def _embedded(resource: Resource) -> Container:
    props = resource.props
    name = "machine" if resource.within("iaas:DockerMachines") else resource.name
    options = [("cap-add", text(c)) for c in items(block(props.get("capabilities")).get("adds"))]
    options += [("security-opt", text(o)) for o in items(props.get("securityOpts"))]
    options += [("device", text(d.get("hostPath"))) for d in map(block, items(props.get("devices")))]
    for mount in map(block, items(props.get("volumes"))):
        # A named volume whose name is not known yet is still none of the host's directories.
        host = text(mount.get("hostPath")) or text(mount.get("volumeName")) or "volume"
        options.append(("volume", f"{host}:{text(mount.get('containerPath'))}"))
    for port in map(block, items(props.get("ports"))):
        own = text(port.get("ip"))
        options.append(("publish", f"{own + ':' if own else ''}{port.get('external', '')}:{port.get('internal')}"))
    for key, option in (("networkMode", "network"), ("pidMode", "pid"), ("ipcMode", "ipc"), ("usernsMode", "userns")):
        if text(props.get(key)):
            options.append((option, text(props.get(key))))
    if shown(props.get("privileged")):
        options.append(("privileged", ""))
    if shown(props.get("publishAllPorts")):
        options.append(("publish-all", ""))
    env = dict(text(e).partition("=")[::2] for e in items(props.get("envs")))
    memory = int(_number(props.get("memory")) * UNITS["m"])
    return Container(MACHINE, name, text(props.get("image")), tuple(options), memory, env, *source(name))
