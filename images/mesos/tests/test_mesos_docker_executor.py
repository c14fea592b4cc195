"""The pure functions of the Docker executor and of the agent's docker client."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "executor"))

from mesos_docker_executor import dockerargs, environment, health, recordio, settings, shim, status

Json = dict[str, Any]
ENV = {
    "MESOS_AGENT_ENDPOINT": "172.31.1.11:5051",
    "MESOS_SLAVE_PID": "slave(1)@172.31.1.11:5051",
    "MESOS_FRAMEWORK_ID": "f-1",
    "MESOS_EXECUTOR_ID": "t-1",
    "MESOS_CHECKPOINT": "1",
    "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "15secs",
}
FLAGS = ["--container=mesos-c1", "--sandbox_directory=/var/lib/s", "--mapped_directory=/mnt/mesos/sandbox",
         "--docker=/usr/libexec/mesos/docker-for-mesos", "--docker_socket=/var/run/docker.sock",
         "--cgroups_enable_cfs=true", "--launcher_dir=/usr/libexec/mesos"]  # fmt: skip


def made(*more: str, **env: str) -> settings.Settings:
    return settings.load([*FLAGS, *more], {**ENV, **env})


def task(**changes: Any) -> Json:
    return {
        "task_id": {"value": "t-1"},
        "resources": [
            {"name": "cpus", "scalar": {"value": 0.5}, "allocation_info": {"role": "farm"}},
            {"name": "mem", "scalar": {"value": 100.0}},
            {"name": "ports", "ranges": {"range": [{"begin": "31000", "end": "31001"}]}},
        ],
        "container": {"type": "DOCKER", "docker": {"image": "img:1", "network": "HOST"}},
        "command": {"shell": True, "value": "echo hi"},
        **changes,
    }


def option(run: dockerargs.Run, name: str) -> list[str]:
    return [b for a, b in zip(run.options, run.options[1:], strict=False) if a == name]


# ---- settings


@pytest.mark.parametrize(
    ("text", "value"),
    [("5secs", 5), ("1.5mins", 90), ("250ms", 0.25), ("2weeks", 1209600), (None, 7), ("soon", 7), ("1.2.3secs", 7)],
)
def test_durations(text: str | None, value: float) -> None:
    assert settings.seconds(text, 7) == value


def test_settings() -> None:
    s = made()
    assert (s.container, s.api, s.checkpoint, s.cfs, s.tls) == (
        "mesos-c1",
        "/slave(1)/api/v1/executor",
        True,
        True,
        False,
    )
    assert s.shutdown_grace == s.stop_timeout == 15
    s = made("--stop_timeout=3secs", LIBPROCESS_SSL_ENABLED="true", LIBPROCESS_SSL_CA_FILE="/ca")
    assert (s.stop_timeout, s.tls, s.ca_file) == (3, True, "/ca")
    with pytest.raises(KeyError, match="container"):
        settings.load([], ENV)


# ---- docker run


def test_limits_and_shell() -> None:
    run = dockerargs.plan(task(), made())
    assert option(run, "--cpu-shares") == ["512"]
    assert option(run, "--cpu-quota") == ["50000"]
    assert option(run, "--memory") == ["100m"]
    assert option(run, "--net") == ["host"]
    assert option(run, "--name") == ["mesos-c1"]
    assert option(run, "--entrypoint") == ["/bin/sh"]
    assert option(run, "-v") == ["/var/lib/s:/mnt/mesos/sandbox"]
    assert (run.image, run.command) == ("img:1", ["-c", "echo hi"])
    assert run.variables["MESOS_ALLOCATION_ROLE"] == "farm"


def test_own_limits_and_their_absence() -> None:
    limits = {"cpus": {"value": "Infinity"}, "mem": {"value": 200.0}}
    run = dockerargs.plan(task(limits=limits), made())
    assert option(run, "--cpu-quota") == []
    assert (option(run, "--memory"), option(run, "--memory-reservation")) == (["200m"], ["100m"])
    assert option(dockerargs.plan(task(), made("--cgroups_enable_cfs=false")), "--cpu-quota") == []


def test_arguments_without_shell() -> None:
    run = dockerargs.plan(task(command={"shell": False, "arguments": ["-e", "X=1"]}), made())
    assert (run.command, option(run, "--entrypoint")) == (["-e", "X=1"], [])
    run = dockerargs.plan(task(command={"shell": False, "value": "/bin/x", "arguments": ["a"]}), made())
    assert run.command == ["/bin/x", "a"]


def test_network_volumes_ports_parameters() -> None:
    docker = {
        "image": "img", "network": "USER", "privileged": True,
        "parameters": [{"key": "ip", "value": "10.66.0.5"}, {"key": "env", "value": "A=b=c"}],
        "port_mappings": [{"host_port": 31001, "container_port": 80, "protocol": "TCP"}],
    }  # fmt: skip
    container = {
        "docker": docker, "network_infos": [{"name": "fixed"}], "hostname": "cm",
        "volumes": [{"container_path": "/data", "host_path": "/srv", "mode": "RO"}, {"container_path": "x", "host_path": "y"}],
    }  # fmt: skip
    run = dockerargs.plan(task(container=container), made())
    assert "--privileged" in run.options and "--ip=10.66.0.5" in run.options
    assert (option(run, "--net"), option(run, "--hostname"), option(run, "-p")) == (["fixed"], ["cm"], ["31001:80/tcp"])
    assert option(run, "-v")[:2] == ["/srv:/data:ro", "/var/lib/s/y:/mnt/mesos/sandbox/x:rw"]
    assert run.variables["A"] == "b=c" and not any("A=b" in o for o in run.options)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"command": {"shell": True}}, "no command value"),
        ({"container": {"type": "MESOS"}}, "no Docker container"),
        ({"container": {"docker": {"image": "i", "network": "USER"}}}, "network_infos"),
        ({"container": {"docker": {"image": "i", "port_mappings": [{"host_port": 1, "container_port": 1}]}}}, "Port"),
        ({"container": {"docker": {"image": "i"}, "volumes": [{"container_path": "/x"}]}}, "neither"),
    ],
)
def test_tasks_that_cannot_run(changes: Json, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        dockerargs.plan(task(**changes), made())


# ---- variables


def test_variables_leave_the_command_line() -> None:
    passing = environment.split({"A": "1", "B": "x\ny", "EMPTY": "", "C": " #keep "})
    assert passing.lines == "A=1\nEMPTY=\nC= #keep \n"
    assert passing.client == {"B": "x\ny"}
    assert environment.options(passing, 7) == ["--env-file=/proc/self/fd/7", "-e", "B"]


def test_variables_that_would_steer_the_client() -> None:
    assert environment.split({"LD_PRELOAD": "/x.so", "PATH": "/bin"}).client == {}
    for name in ("LD_PRELOAD", "DOCKER_HOST", "PATH", "https_proxy"):
        with pytest.raises(ValueError, match=name):
            environment.split({name: "a\nb"})


@pytest.mark.parametrize("name", ["", "A B", "A=B", "#A", "A\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be given"):
        environment.split({name: "x"})


def test_memory_file_can_be_opened_again() -> None:
    descriptor = environment.memory_file("A=ü\n")
    try:
        for _ in range(2):
            assert Path(f"/proc/self/fd/{descriptor}").read_text(encoding="utf-8") == "A=ü\n"
    finally:
        os.close(descriptor)


# ---- the agent's docker client


def test_docker_run_of_the_agent() -> None:
    words = ["--cpu-shares", "10", "-e", "TOKEN=abc", "-e", "B=", "-v", "/x:/x", "--net", "host", "--name",
             "mesos-1.executor", "img", "-c", "run -e C=d"]  # fmt: skip
    kept, variables = shim.take_variables(words)
    assert variables == {"TOKEN": "abc", "B": ""}
    assert kept == ["--cpu-shares", "10", "-v", "/x:/x", "--net", "host", *words[10:]]
    # What follows --name is the task's own.
    assert shim.take_variables(["--name", "n", "img", "-e", "A=b"])[1] == {}


def test_executor_gets_the_ca() -> None:
    env = {"LIBPROCESS_SSL_ENABLED": "true", "LIBPROCESS_SSL_CA_FILE": "/e/ca.crt"}
    assert shim.executor_options(["--name", "mesos-1.executor", "img"], env) == [
        "-e", "LIBPROCESS_SSL_ENABLED=true", "-e", "LIBPROCESS_SSL_CA_FILE=/e/ca.crt", "-v", "/e/ca.crt:/e/ca.crt:ro"]  # fmt: skip
    assert shim.executor_options(["--name", "mesos-1", "img"], env) == []
    assert shim.executor_options(["--name", "mesos-1.executor", "img"], {}) == []
    assert shim.executor_options([], env) == []


def test_images_get_back_what_docker_dropped() -> None:
    image = {"RootFS": {}, "Config": {"Entrypoint": ["x"], "Env": ["A=1"]}}
    (found,) = json.loads(shim.complete_images(json.dumps([image]).encode()))
    assert found["ContainerConfig"] == {"Entrypoint": ["x"], "Env": ["A=1"], "Cmd": None}
    container = b'[{"State": {}}]'
    assert json.loads(shim.complete_images(container)) == json.loads(container)
    assert shim.complete_images(b"no json") == b"no json"


# ---- RecordIO


def test_records() -> None:
    stream = io.BytesIO(b'13\n{"type": "A"}13\n{"type": "B"}')
    assert [r["type"] for r in recordio.records(stream)] == ["A", "B"]


@pytest.mark.parametrize("broken", [b"1", b'20\n{"type"', b"12345678901234567890"])
def test_broken_streams(broken: bytes) -> None:
    with pytest.raises(ConnectionError):
        list(recordio.records(io.BytesIO(broken)))


@pytest.mark.parametrize("wrong", [b"x\n", b"-5\n", b"999999999999\n"])
def test_what_is_no_recordio(wrong: bytes) -> None:
    with pytest.raises(ValueError):
        list(recordio.records(io.BytesIO(wrong)))


# ---- health and status


def test_grace_period_ends_with_the_first_success() -> None:
    t = health.Tracker(grace=10, tolerated=2)
    assert t.result(False, age=1) == health.Verdict()
    assert t.result(True, age=2) == health.Verdict(report=True)
    assert t.result(True, age=3) == health.Verdict()
    assert t.result(False, age=4) == health.Verdict(report=False)
    assert t.result(False, age=5) == health.Verdict(report=False, kill=True)


def test_failures_after_the_grace_period() -> None:
    t = health.Tracker(grace=10, tolerated=1)
    assert t.result(False, age=9).kill is False
    assert t.result(False, age=10).kill is True
    assert health.Tracker(grace=0, tolerated=0).result(False, 1) == health.Verdict(report=False)


def test_check_commands() -> None:
    assert health.command({"command": {"value": "true"}}) == ["/bin/sh", "-c", "true"]
    assert health.command({"command": {"shell": False, "value": "/x", "arguments": ["/x", "-v"]}}) == ["/x", "-v"]
    assert health.command({"command": {"shell": False, "value": "/x"}}) == ["/x"]


def test_probe_never_raises() -> None:
    def fails(argv: list[str], timeout: float | None) -> int:
        raise OSError("no docker")

    assert health.probe({"type": "COMMAND", "command": {"value": "x"}}, "", fails) is False
    assert health.probe({"type": "COMMAND", "command": {"value": "x"}}, "", lambda a, t: 0) is True
    assert health.probe({"type": "TCP", "tcp": {"port": 1}}, "127.0.0.1", fails) is False
    assert health.probe({"type": "HTTP", "http": {"port": 1}}, "127.0.0.1", fails) is False


def test_addresses() -> None:
    wanted = task(container={"network_infos": [{"name": "calico"}]})
    info = status.network_info(
        wanted, {"NetworkSettings": {"IPAddress": "", "Networks": {"calico": {"IPAddress": "10.65.0.1"}}}}
    )
    assert info == {"name": "calico", "ip_addresses": [{"ip_address": "10.65.0.1", "protocol": "IPv4"}]}
    assert status.address_of(info) == "10.65.0.1"
    assert status.network_info(task(), {"NetworkSettings": {"Networks": {"host": {"IPAddress": ""}}}}) is None
    assert status.address_of(None) == "127.0.0.1"


def test_book_of_unacknowledged() -> None:
    book = status.Book()
    book.task(task())
    update = status.make(task(), "e", "TASK_FINISHED", None, "bye", {})
    book.update(update)
    assert [u["status"]["state"] for u in book.pending()["unacknowledged_updates"]] == ["TASK_FINISHED"]
    assert book.acknowledged("t-1", "another") is None
    assert book.acknowledged("t-1", update["uuid"]) == "TASK_FINISHED"
    assert book.pending() == {"unacknowledged_tasks": [], "unacknowledged_updates": []}
