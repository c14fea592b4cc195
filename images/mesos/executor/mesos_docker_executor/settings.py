"""What the agent tells its executor: command line flags and MESOS_* variables, as one typed value."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86400.0,
    "weeks": 604800.0,
}


def seconds(text: str | None, default: float) -> float:
    """A duration as Mesos writes it ("1.5mins") in seconds; `default` if absent or not one."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ns|us|ms|secs|mins|hrs|days|weeks)", text or "")
    return float(found[1]) * _UNITS[found[2]] if found else default


@dataclass(frozen=True)
class Settings:
    """One executor's surroundings.  Durations in seconds, paths absolute."""

    container: str  # name of the task's container
    docker: str  # the docker client
    docker_socket: str
    sandbox: str  # the sandbox on the host, and in this executor's container
    mapped: str  # where the task sees the sandbox
    stop_timeout: float  # what `docker stop` gives a task that has no grace period of its own
    cfs: bool  # limit cpu by quota, not only by shares
    task_environment: str  # JSON, from the agent's hooks
    agent: str  # host:port
    api: str  # path of the executor API
    tls: bool
    ca_file: str | None
    token: str | None  # JWT, when the agent authenticates executors
    framework_id: str
    executor_id: str
    checkpoint: bool  # outlive the agent
    recovery_timeout: float
    shutdown_grace: float


def load(arguments: Sequence[str], env: Mapping[str, str]) -> Settings:
    """Settings from `arguments` (without argv[0]) and the environment; KeyError names what is missing."""
    flags = dict(a[2:].split("=", 1) for a in arguments if a.startswith("--") and "=" in a)
    shutdown_grace = seconds(env.get("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"), 5)
    return Settings(
        container=flags["container"],
        docker=flags.get("docker", "docker"),
        docker_socket=flags.get("docker_socket", "/var/run/docker.sock").removeprefix("unix://"),
        sandbox=flags["sandbox_directory"],
        mapped=flags["mapped_directory"],
        stop_timeout=seconds(flags.get("stop_timeout"), shutdown_grace),
        cfs=flags.get("cgroups_enable_cfs") == "true",
        task_environment=flags.get("task_environment") or "{}",
        agent=env["MESOS_AGENT_ENDPOINT"],
        api="/" + env["MESOS_SLAVE_PID"].split("@")[0] + "/api/v1/executor",
        tls=env.get("LIBPROCESS_SSL_ENABLED", "").lower() in ("1", "true"),
        ca_file=env.get("LIBPROCESS_SSL_CA_FILE"),
        token=env.get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"),
        framework_id=env["MESOS_FRAMEWORK_ID"],
        executor_id=env["MESOS_EXECUTOR_ID"],
        checkpoint=env.get("MESOS_CHECKPOINT") == "1",
        recovery_timeout=seconds(env.get("MESOS_RECOVERY_TIMEOUT"), 900),
        shutdown_grace=shutdown_grace,
    )
