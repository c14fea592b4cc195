"""Every form of an app's definition that Marathon documents: taken (and how it is shown then), or refused (and where)."""

import pytest
from marathon_helpers import operations
from marathon_service.core.definition import Rules, migrate, normalise
from marathon_service.core.model import Instance
from marathon_service.core.spec import AppSpec
from marathon_service.core.taskchecks import check_result, readiness_target
from marathon_service.core.taskinfo import task_info
from marathon_service.core.validation import Invalid

IMAGE = {"docker": {"image": "i"}}
RULES = Rules(default_network="net")


def shown(rules: Rules = RULES, **fields) -> dict:
    return normalise(migrate({"id": "/a", "cmd": "x", **fields}), rules)


def refused(rules: Rules = RULES, **fields) -> dict[str, str]:
    with pytest.raises(Invalid) as e:
        shown(rules, **fields)
    return dict(e.value.problems)


def info(raw: dict, *ports: int | None, role: str = "*") -> dict:
    ops = operations()
    spec, _ = ops.create(raw)
    return task_info(
        spec, Instance("a.instance-1._app.1", "/a", spec.version, "A", "n1", 0.0, ports=ports), (), user="root"
    )


# -- what is taken


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"ports": [0, 7000], "requirePorts": True}, {"requirePorts": True}),
        ({"uris": ["http://h/a.tar.gz", "http://h/b"]}, {"fetch": [
            {"uri": "http://h/a.tar.gz", "extract": True, "executable": False, "cache": False},
            {"uri": "http://h/b", "extract": False, "executable": False, "cache": False},
        ]}),
        ({"uris": ["http://h/b"], "fetch": [{"uri": "http://h/b"}]}, {"fetch": [
            {"uri": "http://h/b", "extract": True, "executable": False, "cache": False}]}),
        ({"ports": [5, 6], "portDefinitions": [{"port": 5, "name": "p"}, {"port": 6}]}, {"portDefinitions": [
            {"port": 5, "name": "p", "protocol": "tcp", "labels": {}}, {"port": 6, "protocol": "tcp", "labels": {}}]}),
        ({"ports": []}, {"portDefinitions": []}),
        ({"ipAddress": {"networkName": "n", "labels": {"k": "v"}, "groups": ["g"], "discovery": {"ports": []}}, "container": IMAGE, "ports": None},
         {"networks": [{"mode": "container", "name": "n", "labels": {"k": "v"}}]}),
        ({"ipAddress": {}}, {"networks": [{"mode": "container", "name": "net"}]}),
        ({"ipAddress": {"networkName": "mesos-bridge"}}, {"networks": [{"mode": "container/bridge"}]}),
        ({"container": {"docker": {"image": "i", "network": "USER"}}}, {"networks": [{"mode": "container", "name": "net"}]}),
        ({"container": {"docker": {"image": "i", "network": "HOST"}}, "ipAddress": {"networkName": "n"}}, {"networks": [{"mode": "host"}]}),
        ({"networks": [{"mode": "container", "name": "n"}]}, {"container": {"type": "MESOS", "volumes": [], "portMappings": []}}),
        ({"unreachableStrategy": {"unreachableInactiveAfterSeconds": 3, "unreachableExpungeAfterSeconds": 9}},
         {"unreachableStrategy": {"inactiveAfterSeconds": 3, "expungeAfterSeconds": 9}}),
        ({"labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}}, {"upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}}),
        ({"constraints": [["site", "like", "a|b"], ["hostname", "unique", ""]]},
         {"constraints": [["site", "LIKE", "a|b"], ["hostname", "UNIQUE", ""]]}),
        ({"storeUrls": ["x"], "taskRateLimit": 1, "version": "x", "tasksRunning": 3, "lastTaskFailure": {}}, {"id": "/a"}),
        ({"secrets": {}, "residency": None, "env": {"N": 1, "T": True, "none": None}}, {"env": {"N": "1", "T": "true"}}),
        ({"executorResources": {"cpus": 0.1, "mem": 32}, "tty": True}, {"tty": True}),
        ({"acceptedResourceRoles": ["*"]}, {"acceptedResourceRoles": ["*"]}),
        ({"readinessChecks": [{"portName": "default"}]}, {"readinessChecks": [
            {"name": "readinessCheck", "protocol": "HTTP", "path": "/", "portName": "default", "intervalSeconds": 30, "timeoutSeconds": 10,
             "httpStatusCodesForReady": [200], "preserveLastResponse": False}]}),
        ({"check": {"tcp": {"portIndex": 0}}}, {"check": {"tcp": {"portIndex": 0}, "intervalSeconds": 60, "timeoutSeconds": 20, "delaySeconds": 15}}),
    ],
)  # fmt: skip
def test_taken(fields: dict, part: dict) -> None:
    app = shown(**fields)
    assert {k: app[k] for k in part} == part
    assert not {"ports", "uris", "ipAddress", "secrets"} & set(app)
    assert shown(**{k: v for k, v in app.items() if k not in ("id", "cmd")}) == app, (
        "what is shown is taken again as it is"
    )


def test_a_bridged_app_has_a_port_unless_it_says_it_has_none() -> None:
    bridge = {"networks": [{"mode": "container/bridge"}], "container": IMAGE}
    one = shown(**bridge)["container"]["portMappings"]
    assert one == [
        {"name": "default", "containerPort": 0, "protocol": "tcp", "servicePort": 10000, "labels": {}, "hostPort": 0}
    ]
    assert shown(**{**bridge, "container": {**IMAGE, "portMappings": []}})["container"]["portMappings"] == []
    # As many as an old definition has ports.
    old = shown(container={"docker": {"image": "i", "network": "BRIDGE"}}, ports=[0, 0])
    assert len(old["container"]["portMappings"]) == 2 and "portDefinitions" not in old


def test_null_in_a_partial_update_leaves_what_there_is() -> None:
    ops = operations()
    ops.create({"id": "/a", "cmd": "x", "cpus": 2, "constraints": [["hostname", "UNIQUE"]]})
    ops.update("/a", {"id": "/another", "cpus": None, "mem": 64}, force=True)
    assert ops.state.apps["/a"].cpus == 2 and ops.state.apps["/a"].mem == 64 and "/another" not in ops.state.apps
    ops.update("/a", {"cmd": "x"}, partial=False, force=True)
    assert ops.state.apps["/a"].cpus == 1 and not ops.state.apps["/a"].constraints


def test_roles_where_an_app_says_nothing() -> None:
    assert shown(Rules(role="prod", accepted_roles="reserved"))["acceptedResourceRoles"] == ["prod"]
    assert shown(Rules(accepted_roles="unreserved"))["acceptedResourceRoles"] == ["*"]
    assert shown()["acceptedResourceRoles"] is None
    assert shown(Rules(drop_wrong_roles=True), acceptedResourceRoles=["gone"])["acceptedResourceRoles"] == ["*"]


def test_unknown_fields_are_named_or_dropped() -> None:
    assert refused(instnaces=3)["/instnaces"] == "unknown field: did you mean instances?"
    fields = {"colour": 1, "container": {"docker": {"image": "i", "shape": 2}}}
    assert set(refused(**fields)) == {"/colour", "/container/docker/shape"}
    app = shown(Rules(ignore_unknown=True), **fields)
    assert "colour" not in app and "shape" not in app["container"]["docker"]


# -- what is refused


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"cmd": ""}, "/cmd"),
        ({"cpus": 0}, "/cpus"),
        ({"mem": -1}, "/mem"),
        ({"instances": 1.5}, "/instances"),
        ({"instances": True}, "/instances"),
        ({"upgradeStrategy": {"minimumHealthCapacity": 1.1}}, "/upgradeStrategy/minimumHealthCapacity"),
        ({"upgradeStrategy": {"maximumOverCapacity": -0.1}}, "/upgradeStrategy/maximumOverCapacity"),
        ({"backoffFactor": 0.5}, "/backoffFactor"),
        ({"killSelection": "RANDOM"}, "/killSelection"),
        ({"env": {"a=b": "c"}}, "/env"),
        ({"env": {"P": {"secret": "s"}}}, "/env/P"),
        ({"secrets": {"s": {"source": "/x"}}}, "/secrets"),
        ({"residency": {"taskLostBehavior": "WAIT_FOREVER"}}, "/residency"),
        ({"labels": {"a": []}}, "/labels/a"),
        ({"constraints": [["site"]]}, "/constraints(0)"),
        ({"constraints": [["", "UNIQUE"]]}, "/constraints(0)"),
        ({"constraints": [["site", "IS", "[1-2]"]]}, "/constraints(0)"),
        ({"constraints": [["site", "MAX_PER", "none"]]}, "/constraints(0)"),
        ({"constraints": ["hostname"]}, "/constraints(0)"),
        ({"uris": ["a"], "fetch": [{"uri": "b"}]}, "/uris"),
        ({"uris": "a"}, "/uris"),
        ({"ports": [1], "portDefinitions": [{"port": 2}]}, "/ports"),
        ({"ports": ["x"]}, "/ports(0)"),
        ({"portDefinitions": [{"name": "p"}, {"name": "p"}]}, "/portDefinitions(1)/name"),
        ({"portDefinitions": [{"port": 5}, {"port": 5}]}, "/portDefinitions"),
        ({"ipAddress": {}, "networks": [{"mode": "container", "name": "n"}]}, "/ipAddress"),
        ({"ipAddress": 1}, "/ipAddress"),
        ({"container": {"docker": {"image": "i", "network": "NONE"}}}, "/container/docker/network"),
        ({"container": {"docker": {"image": "i", "network": "HOST"}}, "networks": [{"mode": "container"}]}, "/container/docker/network"),
        ({"container": {"docker": {"image": "i", "portMappings": [{"containerPort": 1}]}, "portMappings": [{"containerPort": 2}]}},
         "/container/docker/portMappings"),
        ({"container": IMAGE, "ipAddress": {"discovery": {"ports": [{"name": "p"}]}}}, "/ipAddress/discovery"),
        ({"container": {"docker": {}}}, "/container/docker/image"),
        ({"container": {"type": "DOCKER"}}, "/container/docker"),
        ({"container": {**IMAGE, "portMappings": [{"containerPort": 80}]}, "networks": [{"mode": "host"}]}, "/container/portMappings"),
        ({"container": {**IMAGE, "volumes": [{"containerPath": "/x"}]}}, "/container/volumes(0)"),
        ({"container": {**IMAGE, "volumes": [{"containerPath": "x", "persistent": {"size": 1}}]}}, "/container/volumes(0)/persistent"),
        ({"container": {"docker": {"image": "i", "pullConfig": {"secret": "s"}}}}, "/container/docker/pullConfig"),
        ({"container": IMAGE, "gpus": 1}, "/gpus"),
        ({"container": IMAGE, "networks": [{"name": "a"}, {"name": "b"}]}, "/networks"),
        ({"networks": [{"mode": "host", "name": "n"}]}, "/networks(0)/name"),
        ({"networks": [{"name": "a"}, {"name": "b"}], "container": {"portMappings": [{"hostPort": 0}]}}, "/container/portMappings(0)/networkNames"),
        ({"networks": [{"name": "a"}], "container": {"portMappings": [{"networkNames": ["b"]}]}}, "/container/portMappings(0)/networkNames"),
        ({"healthChecks": [{"protocol": "COMMAND"}]}, "/healthChecks(0)/command"),
        ({"healthChecks": [{"portIndex": 1}]}, "/healthChecks(0)/portIndex"),
        ({"healthChecks": [{"ipProtocol": "IPv6"}]}, "/healthChecks(0)/ipProtocol"),
        ({"healthChecks": [{"protocol": "MESOS_TCP"}, {"protocol": "MESOS_HTTP"}]}, "/healthChecks"),
        ({"readinessChecks": [{"portName": "other"}]}, "/readinessChecks(0)/portName"),
        ({"readinessChecks": [{"portName": "default", "intervalSeconds": 5}]}, "/readinessChecks(0)/timeoutSeconds"),
        ({"readinessChecks": [{}, {}]}, "/readinessChecks"),
        ({"check": {}}, "/check"),
        ({"check": {"http": {"portIndex": 4}}}, "/check/http/portIndex"),
        ({"check": {"exec": {"command": {"shell": "a", "argv": ["b"]}}}}, "/check/exec/command"),
        ({"resourceLimits": {"cpus": 0.5}}, "/resourceLimits/cpus"),
        ({"resourceLimits": {"mem": "much"}}, "/resourceLimits/mem"),
        ({"role": "other"}, "/role"),
        ({"acceptedResourceRoles": []}, "/acceptedResourceRoles"),
        ({"acceptedResourceRoles": ["other"]}, "/acceptedResourceRoles"),
        ({"labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"}, "instances": 2}, "/instances"),
        ({"dependencies": ["/Bad_One"]}, "/dependencies(0)"),
        ({"id": "/" + "x" * 210}, "/id"),
        ({"unreachableStrategy": "never"}, "/unreachableStrategy"),
    ],
)  # fmt: skip
def test_refused(fields: dict, path: str) -> None:
    assert path in refused(**fields)


# -- what Mesos is told of it


def test_checks_limits_and_linux_in_mesos_words() -> None:
    mesos = {"id": "/a", "cmd": "x", "tty": True, "container": {"type": "MESOS", "linuxInfo": {
        "ipcInfo": {"mode": "PRIVATE", "shmSize": 16}, "seccomp": {"profileName": "p", "unconfined": False}}}}  # fmt: skip
    found = info(
        {**mesos, "resourceLimits": {"cpus": "unlimited", "mem": 512}, "check": {"http": {"path": "/c"}}}, 31000
    )
    assert found["limits"] == {"cpus": {"value": "Infinity"}, "mem": {"value": 512}}
    assert found["check"]["type"] == "HTTP" and found["check"]["http"] == {"port": 31000, "path": "/c"}
    linux = {"seccomp": {"unconfined": False, "profile_name": "p"}, "ipc_mode": "PRIVATE", "shm_size": 16}
    assert found["container"]["linux_info"] == linux and found["container"]["tty_info"] == {}
    argv = info({"id": "/a", "cmd": "x", "check": {"exec": {"command": {"argv": ["a", "b"]}}}}, 31000)["check"]
    assert argv["command"]["command"] == {"shell": False, "value": "a", "arguments": ["a", "b"]}
    networks = {"networks": [{"name": "n1"}, {"name": "n2"}], "container": {"type": "MESOS", "portMappings": [
        {"containerPort": 80, "hostPort": 0, "networkNames": ["n2"], "protocol": "udp,tcp"}]}}  # fmt: skip
    first, second = info({"id": "/a", "cmd": "x", **networks}, 31007)["container"]["network_infos"]
    assert "port_mappings" not in first
    assert second["port_mappings"] == [
        {"host_port": 31007, "container_port": 80, "protocol": p} for p in ("udp", "tcp")
    ]


def test_what_mesos_says_of_a_check() -> None:
    assert check_result({"type": "HTTP", "http": {"status_code": 204}}) == {"http": {"statusCode": 204}}
    assert check_result({"type": "COMMAND", "command": {"exit_code": 0}}) == {"command": {"exitCode": 0}}
    assert check_result({"type": "TCP", "tcp": {}}) == {"tcp": {}} and check_result(None) is None


def test_where_a_readiness_check_asks() -> None:
    ready = {"readinessChecks": [{"portName": "web"}]}
    ops = operations()
    host, _ = ops.create({"id": "/h", "cmd": "x", "portDefinitions": [{"port": 0}, {"name": "web"}], **ready})
    routed, _ = ops.create(
        {
            "id": "/r",
            "networks": [{"name": "n"}],
            "container": {**IMAGE, "portMappings": [{"containerPort": 80, "name": "web"}]},
            **ready,
        }
    )

    def target(spec: AppSpec, **more) -> tuple[str, int] | None:
        return readiness_target(spec, Instance("t", spec.id, spec.version, "A", "n1", 0.0, **more), spec.readiness[0])

    assert target(host, ports=(31000, 31001)) == ("n1", 31001)
    assert target(routed, ports=(None,)) is None
    assert target(routed, ports=(None,), ip_addresses=("fe80::1", "10.0.0.7")) == ("10.0.0.7", 80)
