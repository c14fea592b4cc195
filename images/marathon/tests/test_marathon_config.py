"""The service's configuration."""

import json
import logging
import socket

import pytest
from marathon_service import logs
from marathon_service.config import ConfigError, load
from marathon_service.settings import REFUSED, WITHOUT_EFFECT


def test_configuration_names_every_problem(tmp_path) -> None:
    with pytest.raises(ConfigError) as e:
        load(
            {
                "MARATHON_MASTERS": "x",
                "MARATHON_ZK": "nonsense",
                "MARATHON_HTTP_PORT": "0",
                "MARATHON_TLS_CERT_FILE": "/none",
                "OTHER": "ignored",
            }
        )
    text = "\n".join(e.value.problems)
    assert "MARATHON_MASTERS: not a setting of this service (did you mean MARATHON_MASTER?)" in text
    for part in (
        "MARATHON_ZK: a ZooKeeper URL",
        "MARATHON_HTTP_PORT: must be a port",
        "no file /none",
        "MARATHON_MASTER: must be set",
    ):
        assert part in text


def test_configuration_from_files(tmp_path) -> None:
    (tmp_path / "zk").write_text("zk://u:hidden@a:1/marathon\n")
    (tmp_path / "users").write_text("# who\nme:pw\nyou:pw:2\n")
    (tmp_path / "secret").write_text("s3cret\n")
    config = load(
        {
            "MARATHON_MASTER": f"file://{tmp_path}/zk",
            "MARATHON_ZK": f"file://{tmp_path}/zk",
            "MARATHON_HOSTNAME": "h",
            "MARATHON_HTTP_CREDENTIALS_FILE": f"{tmp_path}/users",
            "MARATHON_MESOS_AUTHENTICATION_PRINCIPAL": "marathon",
            "MARATHON_ZK_SESSION_TIMEOUT": "4000",
            "MARATHON_MESOS_AUTHENTICATION_SECRET_FILE": f"{tmp_path}/secret",
        }
    )
    assert config.zk.user == "u" and config.credentials == {"me": "pw", "you": "pw:2"} and config.secret == "s3cret"
    assert config.zk_session_timeout == 4 and config.identity == "h:8080"
    assert not {"hidden", "pw", "s3cret"} & set(repr(config).replace("'", " ").split()) and "hidden" not in repr(config)


BASE = {"MARATHON_MASTER": "zk://a:1/mesos"}


def wrong(environ: dict[str, str], arguments: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigError) as e:
        load({**BASE, **environ}, arguments)
    return "\n".join(e.value.problems)


def test_defaults_are_marathons() -> None:
    config = load(BASE)
    assert str(config.zk).startswith("zk://localhost:2181/marathon") and config.hostname
    assert config.http_port == 8080 and config.failover_timeout == 604800 and config.max_running_deployments == 100
    assert config.checkpoint and config.http_realm == "Mesosphere" and config.rules.accepted_roles == "any"


def test_flags_are_the_variables_too() -> None:
    config = load(
        BASE, ["--hostname", "h", "--http_port=81", "--disable_checkpoint", "--env_vars_prefix", "X_", "--disable_ha"]
    )
    assert (config.hostname, config.http_port, config.checkpoint, config.env_prefix) == ("h", 81, False, "X_")
    assert config.without_effect.keys() == {"DISABLE_HA"}
    assert "--hostname: is given as MARATHON_HOSTNAME too" in wrong({"MARATHON_HOSTNAME": "a"}, ("--hostname", "b"))
    for words, said in (
        (("h",), "begin with --"),
        (("--hostname",), "needs a value"),
        (("--x=1", "--x=2"), "given twice"),
        (("--x", "1"), "not a setting"),
    ):
        assert said in wrong({}, words)


@pytest.mark.parametrize("name", sorted(WITHOUT_EFFECT))
def test_what_has_no_effect_is_said(name: str) -> None:
    assert load({**BASE, f"MARATHON_{name}": "1"}).without_effect[name]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_says_what_to_do(name: str) -> None:
    assert f"MARATHON_{name}: {REFUSED[name]}" in wrong({f"MARATHON_{name}": "1"}) and len(REFUSED[name]) > 20


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"MARATHON_EXECUTOR": "/bin/x"}, "MARATHON_EXECUTOR: '/bin/x' cannot be had"),
        ({"MARATHON_NEW_GROUP_ENFORCE_ROLE": "top"}, "has one role"),
        ({"MARATHON_GPU_SCHEDULING_BEHAVIOR": "unrestricted"}, "cannot be had"),
        ({"MARATHON_ENABLE_FEATURES": "vips,secrets"}, "secrets are not built"),
        ({"MARATHON_ENABLE_FEATURES": "teleport"}, "no feature teleport"),
        ({"MARATHON_DEPRECATED_FEATURES": "json_schemas_resource"}, "cannot be had any more"),
        ({"MARATHON_LOGSTASH": "http://x"}, "udp://host:port"),
        ({"MARATHON_LOGGING_LEVEL": "loud"}, "must be one of off"),
        ({"MARATHON_MESOS_AUTHENTICATION": ""}, "needs MARATHON_MESOS_AUTHENTICATION_PRINCIPAL"),
        ({"MARATHON_CHECKPOINT": "", "MARATHON_DISABLE_CHECKPOINT": ""}, "contradicts"),
        ({"MESOSPHERE_KEYSTORE_PATH": "/x.jks"}, "MESOSPHERE_KEYSTORE_PATH: Java's key stores"),
        ({"MARATHON_HTTP_CREDENTIALS": "alone"}, "must be user:password"),
        ({"MARATHON_LOCAL_PORT_MIN": "20001"}, "must be below"),
    ],
)
def test_values_that_cannot_be(environ: dict[str, str], said: str) -> None:
    assert said in wrong(environ)


def test_values_that_can_be() -> None:
    config = load(
        {
            **BASE,
            "MESOSPHERE_HTTP_CREDENTIALS": "me:pw",
            "MARATHON_ENABLE_FEATURES": "vips, gpu_resources",
            "MARATHON_DEPRECATED_FEATURES": "sanitize_accepted_resource_roles,ignore_unknown_fields",
            "MARATHON_EXECUTOR": "//cmd",
            "MARATHON_MESOS_AUTHENTICATION_PRINCIPAL": "only-for-reservations",
            "MARATHON_DISABLE_METRICS_DATADOG": "",
            "MARATHON_DISABLE_HTTP_COMPRESSION": "",
            "MARATHON_LOGGING_LEVEL": "trace",
            # As it is when this service is itself a task of a Marathon.
            "MARATHON_APP_ID": "/marathon",
            "MARATHON_APP_LABEL_X": "y",
        }
    )
    assert config.credentials == {"me": "pw"} and config.features == ("vips", "gpu_resources") and config.login is None
    assert config.rules.drop_wrong_roles and config.rules.ignore_unknown and not config.http_compression
    assert config.logging_level == logging.DEBUG


def test_logs_as_json_lines_over_udp_and_tcp() -> None:
    record = logging.LogRecord("a.b", logging.WARNING, "f", 1, "said %s", ("so",), None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", 0)) as tcp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        for scheme, port in (("udp", udp.getsockname()[1]), ("tcp", tcp.getsockname()[1])):
            handler = logs.collector(f"{scheme}://127.0.0.1:{port}")
            handler.emit(record)
            if scheme == "udp":
                said = udp.recv(4096)
            else:
                connection, _ = tcp.accept()
                said = connection.recv(4096)
                connection.close()
            handler.close()
            line = json.loads(said)
            assert (
                said.endswith(b"\n")
                and line["message"] == "said so"
                and line["level"] == "WARNING"
                and line["@timestamp"]
            )


def test_a_collector_that_is_away_is_no_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    handler = logs.collector(f"tcp://127.0.0.1:{port}")
    handler.emit(logging.LogRecord("a", logging.INFO, "f", 1, "lost", (), None))
    handler.close()
