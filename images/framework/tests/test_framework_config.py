"""AERIE_FRAMEWORK, the command, and what Marathon's health check asks."""

import base64
import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from framework_helpers import PEM, raw_config
from htcondor_framework.config import VARIABLE, ConfigError, load, parse
from htcondor_framework.core.model import Role, Size

_IMAGES = Path(__file__).parents[2]


def encoded(raw: object) -> dict[str, str]:
    return {VARIABLE: base64.b64encode(json.dumps(raw).encode()).decode()}


def problems_of(raw: object) -> list[str]:
    with pytest.raises(ConfigError) as e:
        parse(raw)
    return e.value.problems


def test_a_whole_configuration() -> None:
    config = load(encoded(raw_config()))
    assert (config.pool, config.number, config.mesos.role) == ("demo", 1, "pool-1")
    assert config.zookeeper.path == "/pool-1" and config.zookeeper.user == "pool-1"
    manager, submit = config.role_templates()
    assert (manager.role, manager.pinned) == (Role.CENTRAL_MANAGER, False)
    assert (submit.role, submit.pinned, submit.constraints["node"]) == (Role.SUBMIT, True, frozenset({"n0"}))
    executor = config.executor_template()
    assert executor.fixed == Size(1, 512 - 72 - 12, 1000)
    assert executor.overhead.container(executor.fixed) == Size(1, 512, 1000)


def test_no_secret_is_in_what_is_printed() -> None:
    raw = raw_config()
    raw["mesos"]["secret"] = raw["rest"]["password"] = raw["condor"]["tokens"][0] = "SECRET"
    raw["executor"]["env"] = {"AERIE_TOKEN": "SECRET"}
    assert "SECRET" not in repr(parse(raw))
    raw["zookeeper"] = "zk://pool-1:SECRET@bad host/pool-1"
    raw["rest"]["certificate"] = "SECRET"
    raw["pool"] = "SECRET!"
    assert not any("SECRET" in p for p in problems_of(raw))
    with pytest.raises(ConfigError) as e:
        load({VARIABLE: base64.b64encode(b'{"secret": "SECRET"').decode()})
    assert "SECRET" not in str(e.value)


def test_every_problem_at_once() -> None:
    raw = raw_config()
    raw["pool"] = "Demo!"
    raw["number"] = "1"
    raw["mesos"]["masters"] = ["nowhere"]
    raw["mesos"]["role"] = "*"
    del raw["mesos"]["secret"]
    raw["zookeeper"] = "zk://a:b@h:1"
    raw["rest"]["prot"] = 1
    raw["rest"]["certificate"] = "no"
    raw["condor"]["collectors"] = []
    raw["roles"][0]["cpus"] = -1
    raw["roles"][1]["parameters"] = [["ip"]]
    raw["executor"]["env"] = {"A": 1}
    raw["new"] = True
    found = problems_of(raw)
    for start in (
        "pool: ",
        "number: must be a number",
        "mesos.masters.0: must be host:port",
        "mesos.role: ",
        "mesos.secret: must be given",
        "zookeeper: must have a path",
        "rest.prot: is not known (did you mean port?)",
        "rest.certificate: ",
        "condor.collectors: must have at least 1",
        "roles.0.cpus: ",
        "roles.1.parameters: ",
        "executor.env: ",
        "new: is not known",
    ):
        assert sum(p.startswith(start) for p in found) == 1, (start, found)
    assert len(found) == 13


@pytest.mark.parametrize("raw", [None, [], 1, {}, {"mesos": 3}])
def test_what_is_no_configuration_at_all(raw: object) -> None:
    assert problems_of(raw)


def test_what_does_not_go_together() -> None:
    raw = raw_config()
    raw["roles"][1]["name"] = "central-manager"
    raw["roles"][1]["role"] = "central-manager"
    assert set(problems_of(raw)) == {"roles: central-manager is there twice", "roles: has no submit"}
    raw = raw_config()
    raw["executor"]["cpus"], raw["executor"]["memory"] = 0.5, 50
    assert [p.split(":")[0] for p in problems_of(raw)] == ["executor.cpus", "executor.memory"]


def test_a_template_changes_with_all_that_it_is_made_from() -> None:
    base = raw_config()
    seen = {parse(base).executor.template}
    for key, value in (
        ("cpus", 2),
        ("network", "other"),
        ("env", {"A": "2"}),
        ("parameters", [["a", "b"]]),
        ("kill_grace", 61),
        ("constraints", {"site": ["bari"]}),
    ):
        raw = copy.deepcopy(base)
        raw["executor"][key] = value
        seen.add(parse(raw).executor.template)
    seen.add(parse({**base, "image": "registry/htcondor:2"}).executor.template)
    assert len(seen) == 8
    assert parse({**base, "sites": ["torino"]}).executor.template in seen  # what it is not made from changes nothing


def command(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    path = f"{_IMAGES / 'framework'}:{_IMAGES / 'mesos-client'}"
    return subprocess.run(
        [sys.executable, "-m", "htcondor_framework", *arguments],
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin", **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command() -> None:
    shown = command("--help")
    assert shown.returncode == 0 and VARIABLE in shown.stdout and "health" in shown.stdout
    nothing = command()
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert (
        nothing.stderr.startswith(f"htcondor-framework: {VARIABLE} must be set") and "Traceback" not in nothing.stderr
    )
    bad = command(env=encoded({**raw_config(), "pool": 1, "number": -1}))
    assert bad.returncode == 2 and len(bad.stderr.splitlines()) == 2
    # PEM by its looks only: that is found before anything else begins.
    unusable = command("serve", env=encoded(raw_config()))
    assert unusable.returncode == 2 and "rest.certificate" in unusable.stderr and PEM not in unusable.stderr
    assert command("check", env=encoded(raw_config())).returncode == 2  # the same


def test_health_says_when_nothing_answers() -> None:
    raw = raw_config()
    raw["rest"]["port"] = 1
    dead = command("health", env=encoded(raw))
    assert dead.returncode == 1 and "no answer on port 1" in dead.stdout
