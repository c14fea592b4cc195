"""App definitions, and what clients may ask for."""

import pytest
from marathon_helpers import T0, offer, operations, spec
from marathon_service.core import deployments, selectors
from marathon_service.core.definition import Rules, merge, migrate, normalise
from marathon_service.core.model import Instance, State
from marathon_service.core.operations import Conflict, Locked, NotFound, Wish
from marathon_service.core.planning import plan
from marathon_service.core.stamps import next_version, parse_stamp, stamp
from marathon_service.core.taskinfo import check_target, environment, task_info
from marathon_service.core.validation import Invalid


def problems(app: dict) -> dict[str, str]:
    with pytest.raises(Invalid) as e:
        normalise(migrate(app), Rules())
    return dict(e.value.problems)


# -- definitions


def test_versions_only_grow() -> None:
    assert stamp(1443172428.343) == "2015-09-25T09:13:48.343Z" and parse_stamp(stamp(T0)) == T0
    assert next_version(T0, stamp(T0)) == stamp(T0 + 0.001)
    assert next_version(T0, None) == stamp(T0)


def test_every_problem_at_once_with_its_path() -> None:
    found = problems(
        {
            "id": "/Bad_Id",
            "cpus": "1",
            "instances": -1,
            "colour": 1,
            "constraints": [["site", "NEAR"]],
            "healthChecks": [{"protocol": "ICMP"}],
        }
    )
    assert set(found) == {"/cpus", "/instances", "/colour", "/constraints(0)", "/healthChecks(0)/protocol"}


@pytest.mark.parametrize(
    ("app", "path"),
    [
        ({"id": "/a"}, "/"),
        ({"id": "/a", "cmd": "x", "args": ["y"]}, "/"),
        ({"id": "/A", "cmd": "x"}, "/id"),
        ({"id": "/a/tasks", "cmd": "x"}, "/id"),
        ({"id": "/a", "cmd": "x", "role": "other"}, "/role"),
        ({"id": "/a", "cmd": "x", "env": {"P": {"secret": "s"}}}, "/env/P"),
        ({"id": "/a", "cmd": "x", "networks": [{"mode": "host"}, {"mode": "container", "name": "n"}]}, "/networks"),
        (
            {"id": "/a", "container": {"docker": {"image": "i"}}, "networks": [{"mode": "container"}]},
            "/networks(0)/name",
        ),
        ({"id": "/a", "cmd": "x", "healthChecks": [{"portIndex": 3}]}, "/healthChecks(0)/portIndex"),
        ({"id": "/a", "cmd": "x", "residency": {"taskLostBehavior": "WAIT_FOREVER"}}, "/residency"),
        (
            {"id": "/a", "cmd": "x", "unreachableStrategy": {"inactiveAfterSeconds": 9, "expungeAfterSeconds": 3}},
            "/unreachableStrategy/expungeAfterSeconds",
        ),
        ({"id": "/a", "cmd": "x", "constraints": [["a", "LIKE", "("]]}, "/constraints(0)"),
    ],
)
def test_what_makes_no_sense_is_refused(app: dict, path: str) -> None:
    assert path in problems(app)


def test_older_forms_are_migrated() -> None:
    app = normalise(
        migrate(
            {
                "id": "a",
                "container": {
                    "type": "DOCKER",
                    "docker": {"image": "i", "network": "BRIDGE", "portMappings": [{"containerPort": 80}]},
                },
                "uris": ["http://x/a.tgz"],
            }
        ),
        Rules(),
    )
    assert app["networks"] == [{"mode": "container/bridge"}] and "network" not in app["container"]["docker"]
    assert app["container"]["portMappings"] == [
        {"containerPort": 80, "hostPort": 0, "protocol": "tcp", "servicePort": 10000, "labels": {}}
    ]
    assert app["fetch"][0]["extract"] and "uris" not in app
    user = normalise(
        migrate(
            {
                "id": "a",
                "ipAddress": {"networkName": "calico"},
                "container": {"docker": {"image": "i", "network": "USER"}},
            }
        ),
        Rules(),
    )
    assert user["networks"] == [{"mode": "container", "name": "calico"}] and "portDefinitions" not in user
    assert normalise(migrate({"id": "a", "cmd": "x", "ports": [0, 7]}), Rules())["portDefinitions"][1]["port"] == 7


def test_service_ports_stay_when_the_same_app_is_sent_again() -> None:
    ops = operations()
    ops.create({"id": "/b", "cmd": "x"})
    ops.create({"id": "/a", "cmd": "x", "portDefinitions": [{"port": 0}]})
    before = ops.state.apps["/a"]
    ops.update("/a", {"cmd": "x", "portDefinitions": [{"port": 0}]}, partial=False, force=True)
    assert ops.state.apps["/a"].config_version == before.config_version
    assert before.raw["portDefinitions"][0]["port"] == 10001


def test_a_partial_update_swaps_cmd_and_args() -> None:
    before = normalise(migrate({"id": "/a", "cmd": "x"}), Rules())
    assert "cmd" not in merge(before, {"args": ["y"]})
    assert merge(before, {"cpus": 2})["cmd"] == "x"


# -- deployments


def test_steps_follow_dependencies() -> None:
    ops = operations()
    db = ops.normal({"id": "/db", "cmd": "x"})
    web = ops.normal({"id": "/web", "cmd": "x", "dependencies": ["db"]})
    deployment = ops.change(Wish({"/db": db, "/web": web}))
    assert [[(a.kind[:5], a.app) for a in s] for s in deployment.steps] == [
        [("Start", "/db"), ("Start", "/web")],
        [("Scale", "/db")],
        [("Scale", "/web")],
    ]
    result = plan(ops.state, [offer("n1")], T0, lambda a: a)
    assert list(ops.state.instances) == ["/db"] and result.launches
    with pytest.raises(Invalid, match="circle"):
        ops.update("/db", {"dependencies": ["/web"]}, force=True)


def test_locks_conflicts_and_missing_apps() -> None:
    ops = operations()
    _, first = ops.create({"id": "/a", "cmd": "x"})
    with pytest.raises(Locked) as e:
        ops.update("/a", {"cpus": 2})
    assert e.value.locks == [first]
    with pytest.raises(Conflict):
        ops.create({"id": "/a", "cmd": "x"})
    second = ops.update("/a", {"cpus": 2}, force=True)
    assert list(ops.state.deployments) == [second.id]
    back = ops.cancel(second.id)
    assert ops.state.apps["/a"].cpus == 1 and list(ops.state.deployments) == [back.id]
    with pytest.raises(NotFound):
        ops.restart("/nowhere")
    ops.delete(["/a"], force=True)
    assert not ops.state.apps and deployments.wanted(ops.state, "/a") is None


def test_only_what_changes_the_task_restarts_it() -> None:
    ops = operations()
    ops.create({"id": "/a", "cmd": "x"})
    config = ops.state.apps["/a"].config_version
    assert ops.update("/a", {"instances": 3}, force=True).steps[0][0].kind == "ScaleApplication"
    ops.update("/a", {"upgradeStrategy": {"minimumHealthCapacity": 0}}, force=True)
    assert ops.state.apps["/a"].config_version == config and ops.state.apps["/a"].min_healthy == 0
    assert ops.update("/a", {"env": {"A": 1}}, force=True).steps[0][0].kind == "RestartApplication"
    assert ops.state.apps["/a"].config_version > config


def test_state_survives_its_store() -> None:
    ops = operations()
    ops.create({"id": "/a/b", "cmd": "x", "constraints": [["hostname", "UNIQUE"]], "instances": 2})
    plan(ops.state, [offer("n1"), offer("n2")], T0, lambda a: f"t{len(ops.state.instances)}")
    ops.state.put_group("/g", {"dependencies": []})
    changes = ops.state.take_changes()
    again = State.load([(k, key, v) for k, key, v in changes if v is not None])
    assert again.apps == ops.state.apps and again.instances == ops.state.instances
    assert again.deployments == ops.state.deployments and again.groups == ops.state.groups
    assert again.last_version == ops.state.last_version and not again.take_changes()


# -- tasks


def test_task_info_of_a_routed_container() -> None:
    app = spec(
        id="/demo/cm",
        networks=[{"mode": "container", "name": "calico", "labels": {"a": "b"}}],
        cmd=None,
        args=["run", "it"],
        user="root",
        labels={"x-y": "1"},
        env={"K": "v"},
        taskKillGracePeriodSeconds=30,
        container={
            "docker": {
                "image": "i",
                "privileged": True,
                "forcePullImage": True,
                "parameters": [{"key": "ip", "value": "10.66.0.2"}],
            },
            "portMappings": [{"containerPort": 9618, "name": "shared"}],
            "volumes": [
                {"containerPath": "/etc/x", "hostPath": "/etc/aerie/x", "mode": "RO"},
                {
                    "containerPath": "/spool",
                    "external": {"name": "s", "provider": "dvdi", "options": {"dvdi/driver": "local", "dvdi/o": "x"}},
                },
            ],
        },
        healthChecks=[
            {"protocol": "TCP", "port": 9618},
            {"protocol": "COMMAND", "command": {"value": "t"}, "delaySeconds": 1},
        ],
    )
    i = Instance("demo_cm.x", "/demo/cm", app.version, "A", "n1", T0, ports=(None,), ip_addresses=("10.66.0.2",))
    info = task_info(app, i, ())
    docker = info["container"]["docker"]
    assert info["name"] == "cm.demo" and docker["network"] == "USER" and docker["privileged"]
    assert info["container"]["network_infos"] == [
        {"name": "calico", "labels": {"labels": [{"key": "a", "value": "b"}]}}
    ]
    assert docker["parameters"] == [{"key": "ip", "value": "10.66.0.2"}] and "port_mappings" not in docker
    assert info["container"]["volumes"][1]["source"]["docker_volume"] == {
        "name": "s",
        "driver_options": {"parameter": [{"key": "o", "value": "x"}]},
    }
    assert info["command"]["arguments"] == ["run", "it"] and not info["command"]["shell"]
    assert info["health_check"]["type"] == "COMMAND" and info["health_check"]["delay_seconds"] == 1
    assert info["kill_policy"]["grace_period"]["nanoseconds"] == 30_000_000_000
    assert check_target(app, i, app.health_checks[0]) == ("10.66.0.2", 9618)
    env = environment(app, i)
    assert env["PORT_SHARED"] == env["PORT0"] == "9618" and env["MARATHON_APP_LABEL_X_Y"] == "1"
    assert env["MARATHON_APP_DOCKER_IMAGE"] == "i" and env["K"] == "v" and env["HOST"] == "n1"


def test_label_selectors() -> None:
    labels = {"a": "1", "b": "2"}
    for text, result in [("a", True), ("c", False), ("a==1,b!=3", True), ("a in (1, 2), b notin (2)", False)]:
        assert selectors.label_filter(text)(labels) is result
    with pytest.raises(ValueError):
        selectors.label_filter("a=1")
