"""The service's configuration."""

import pytest
from marathon_service.config import ConfigError, load


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
        "MARATHON_HOSTNAME: must be set",
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
