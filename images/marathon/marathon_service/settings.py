"""Every setting: those that this service reads, those of Marathon's that mean nothing here, and those that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesos_client import ZooKeeperUrl

from . import readers as r

Reader = Callable[[str], Any]
# Name without the prefix -> (field of Config, how to read it)
READ: dict[str, tuple[str, Reader]] = {
    "MASTER": ("master", r.word),
    "ZK": ("zk", ZooKeeperUrl.parse),
    "ZK_SESSION_TIMEOUT": ("zk_session_timeout", r.milliseconds),
    "ZK_TIMEOUT": ("zk_timeout", r.milliseconds),
    "ZK_CONNECTION_TIMEOUT": ("zk_connection_timeout", r.milliseconds),
    "ZK_MAX_VERSIONS": ("zk_max_versions", r.whole(1, 10000)),
    "ZK_MAX_NODE_SIZE": ("zk_max_node_size", r.whole(1024)),
    "HOSTNAME": ("hostname", r.word),
    "HTTP_ADDRESS": ("http_address", r.word),
    "HTTP_PORT": ("http_port", r.port),
    "HTTPS_ADDRESS": ("https_address", r.word),
    "HTTPS_PORT": ("https_port", r.port),
    "DISABLE_HTTP": ("disable_http", r.flag),
    "HTTP_CREDENTIALS": ("credentials", lambda t: r.credentials([t])),
    "HTTP_CREDENTIALS_FILE": ("credentials", lambda t: r.credentials(r.file(t).read_text("utf-8").splitlines())),
    "HTTP_REALM": ("http_realm", r.word),
    "HTTP_MAX_CONCURRENT_REQUESTS": ("http_max_concurrent_requests", r.whole(1, 10**6)),
    "ACCESS_CONTROL_ALLOW_ORIGIN": ("allow_origin", r.words),
    "LEADER_PROXY_CONNECTION_TIMEOUT": ("proxy_connect_timeout", r.milliseconds),
    "LEADER_PROXY_READ_TIMEOUT": ("proxy_read_timeout", r.milliseconds),
    "LEADER_PROXY_MAX_OPEN_CONNECTIONS": ("proxy_max_connections", r.whole(1, 10**6)),
    "TLS_CERT_FILE": ("tls_cert", r.file),
    "TLS_KEY_FILE": ("tls_key", r.file),
    "TLS_CA_FILE": ("tls_ca", r.file),
    "MESOS_TLS_CA_FILE": ("mesos_tls_ca", r.file),
    "MESOS_AUTHENTICATION_PRINCIPAL": ("principal", r.word),
    "MESOS_AUTHENTICATION_SECRET": ("secret", r.word),
    "MESOS_AUTHENTICATION_SECRET_FILE": ("secret", lambda t: r.word(r.file(t).read_text("utf-8"))),
    "MESOS_USER": ("mesos_user", r.word),
    "MESOS_ROLE": ("mesos_role", r.word),
    "MESOS_BRIDGE_NAME": ("mesos_bridge_name", r.word),
    "MESOS_LEADER_UI_URL": ("mesos_leader_ui_url", r.word),
    "ACCEPTED_RESOURCE_ROLES_DEFAULT_BEHAVIOR": ("accepted_roles", r.one_of("any", "unreserved", "reserved")),
    "FRAMEWORK_NAME": ("framework_name", r.word),
    "FAILOVER_TIMEOUT": ("failover_timeout", r.number(0)),
    "WEBUI_URL": ("webui_url", r.word),
    "LAUNCH_TOKENS": ("launch_tokens", r.whole(1)),
    "LAUNCH_TOKEN_REFRESH_INTERVAL": ("launch_token_refresh_interval", r.milliseconds),
    "TASK_LAUNCH_TIMEOUT": ("task_launch_timeout", r.milliseconds),
    "DECLINE_OFFER_DURATION": ("decline_offer_duration", r.milliseconds),
    "MIN_REVIVE_OFFERS_INTERVAL": ("min_revive_interval", r.milliseconds),
    "RECONCILIATION_INTERVAL": ("reconciliation_interval", r.milliseconds),
    "MAX_APPS": ("max_apps", r.whole(1)),
    "MAX_RUNNING_DEPLOYMENTS": ("max_running_deployments", r.whole(1)),
    "DEFAULT_NETWORK_NAME": ("default_network", r.word),
    "ENV_VARS_PREFIX": ("env_prefix", str),
    "LOCAL_PORT_MIN": ("local_port_min", r.port),
    "LOCAL_PORT_MAX": ("local_port_max", r.port),
    "ENABLE_FEATURES": ("features", r.features),
    "DEPRECATED_FEATURES": ("deprecated_features", r.deprecated),
    "METRICS_NAME_PREFIX": ("metrics_prefix", r.word),
    "LOGGING_LEVEL": ("logging_level", r.level),
    "LOGSTASH": ("logstash", r.logstash),
}
# On or off, also as DISABLE_<name>: field of Config.
TOGGLES: dict[str, str] = {
    "CHECKPOINT": "checkpoint",
    "MESOS_AUTHENTICATION": "mesos_authentication",
    "SUPPRESS_OFFERS": "suppress_offers",
    "HTTP_COMPRESSION": "http_compression",
    "LEADER_PROXY_SSL_IGNORE_HOSTNAME": "proxy_ignore_hostname",
    "METRICS_PROMETHEUS": "metrics_prometheus",
    "TRACING": "tracing",
}
# Of one pair, one only: both set would leave open which counts.
EITHER = (
    ("HTTP_CREDENTIALS", "HTTP_CREDENTIALS_FILE"),
    ("MESOS_AUTHENTICATION_SECRET", "MESOS_AUTHENTICATION_SECRET_FILE"),
)
_LOOP = "the scheduler compares all apps with what runs at every event, not now and then"
_OFFERS = "all that fits an offer is started on it, in one round"
_STREAM = "Mesos sends heartbeats by its HTTP API, and says how often"
_STORE = "this service stores its state in a form of its own"
# Marathon's settings without effect, and why.
WITHOUT_EFFECT: dict[str, str] = {
    **dict.fromkeys(("SCALE_APPS_INITIAL_DELAY", "SCALE_APPS_INTERVAL"), _LOOP),
    "RECONCILIATION_INITIAL_DELAY": "the first reconciliation is at once",
    "TASK_LAUNCH_CONFIRM_TIMEOUT": "MARATHON_TASK_LAUNCH_TIMEOUT counts from the launch",
    "TASK_RESERVATION_TIMEOUT": "nothing is reserved",
    **dict.fromkeys(
        ("TASK_LOST_EXPUNGE_GC", "TASK_LOST_EXPUNGE_INITIAL_DELAY", "TASK_LOST_EXPUNGE_INTERVAL"),
        "the apps' unreachableStrategy says when",
    ),
    **dict.fromkeys(("MESOS_HEARTBEAT_INTERVAL", "MESOS_HEARTBEAT_FAILURE_THRESHOLD"), _STREAM),
    **dict.fromkeys(
        (
            "MAX_INSTANCES_PER_OFFER",
            "MAX_TASKS_PER_OFFER",
            "MAX_TASKS_PER_OFFER_CYCLE",
            "OFFER_MATCHING_TIMEOUT",
            "MAX_PARALLEL_OFFERS",
            "MAX_QUEUED_OFFERS",
        ),
        _OFFERS,
    ),
    **dict.fromkeys(
        ("REVIVE_OFFERS_REPETITIONS", "REVIVE_OFFERS_FOR_NEW_APPS"), "offers are asked for whenever something new waits"
    ),
    **dict.fromkeys(
        (
            "ZK_COMPRESSION",
            "ZK_COMPRESSION_THRESHOLD",
            "ZK_MAX_CONCURRENCY",
            "ZK_OPERATION_MAX_RETRIES",
            "ZK_OPERATION_BASE_RETRY_SLEEP_MS",
            "STORE_CACHE",
            "STORAGE_COMPACTION_INTERVAL",
            "STORAGE_COMPACTION_SCAN_BATCH_SIZE",
            "INTERNAL_STORE_BACKEND",
            "INTERNAL_VERSION_CACHING",
            "GROUP_VERSIONS_CACHE_SIZE",
        ),
        _STORE,
    ),
    "ON_ELECTED_PREPARE_TIMEOUT": "a leader is ready as soon as it has read its state",
    "DRAINING_SECONDS": "nothing is started on a machine from when Mesos announces its maintenance",
    "MAINTENANCE_MODE": "maintenance is always respected",
    "HA": "the instances elect their leader, also if there is one only",
    "ASSETS_PATH": "the web page is part of the service",
    "LEADER_ELECTION_BACKEND": "ZooKeeper elects",
    **dict.fromkeys(
        (
            "METRICS",
            "METRICS_HISTOGRAM_RESERVOIR_SIGNIFICANT_DIGITS",
            "METRICS_HISTOGRAM_RESERVOIR_HIGHEST_TRACKABLE_VALUE",
            "METRICS_HISTOGRAM_RESERVOIR_RESET_PERIODICALLY",
            "METRICS_HISTOGRAM_RESERVOIR_RESETTING_INTERVAL_MS",
            "METRICS_HISTOGRAM_RESERVOIR_RESETTING_CHUNKS",
        ),
        "the durations of the last 1000 requests are kept",
    ),
    **dict.fromkeys(
        (
            "EVENT_STREAM_MAX_OUTSTANDING_MESSAGES",
            "KILL_CHUNK_SIZE",
            "KILL_RETRY_TIMEOUT",
            "GRACEFUL_SHUTDOWN_TIMEOUT",
            "MAX_CONCURRENT_MARATHON_HEALTH_CHECKS",
            "MAX_ACTOR_STARTUP_TIME",
            "APP_INFO_MODULE_EXECUTION_CONTEXT_SIZE",
            "DEFAULT_INFO_SERVICE_EXECUTION_CONTEXT_SIZE",
            "DEPLOYMENT_MANAGER_REQUEST_TIMEOUT",
            "GROUP_MANAGER_EXECUTION_CONTEXT_SIZE",
            "GROUP_MANAGER_REQUEST_TIMEOUT",
            "INSTANCE_TRACKER_NUM_PARALLEL_LOADS",
            "INSTANCE_TRACKER_NUM_PARALLEL_UPDATES",
            "INSTANCE_TRACKER_UPDATE_QUEUE_SIZE",
            "LAUNCH_QUEUE_REQUEST_TIMEOUT",
            "MAX_PARALLEL_STATUS_UPDATES",
            "MAX_QUEUED_ROOT_GROUP_UPDATES",
            "MAX_QUEUED_STATUS_UPDATES",
            "SCHEDULER_ACTIONS_EXECUTION_CONTEXT_SIZE",
            "STORAGE_EXECUTION_CONTEXT_SIZE",
            "TASK_OPERATION_NOTIFICATION_TIMEOUT",
            "TASK_TRACKER_REQUEST_TIMEOUT",
            "TASK_UPDATE_REQUEST_TIMEOUT",
        ),
        "it tunes a part of Marathon's own that is not here",
    ),
}
_KEYSTORE = (
    "Java's key stores are not read: `openssl pkcs12 -in STORE -nokeys` and `-nocerts -nodes` give MARATHON_TLS_CERT_FILE and "
    "MARATHON_TLS_KEY_FILE (a JKS store first by `keytool -importkeystore -deststoretype pkcs12`)"
)
_PUSH = "metrics are not pushed: let the collector fetch /metrics/prometheus, or /metrics as JSON"
# Marathon's settings that would mean something else than they say, and what to do.
REFUSED: dict[str, str] = {
    "SSL_KEYSTORE_PATH": _KEYSTORE,
    "SSL_KEYSTORE_PASSWORD": _KEYSTORE,
    "BACKUP_LOCATION": "there is no backup by Marathon: copy ZooKeeper's data, all below the path of MARATHON_ZK",
    "DEFAULT_ACCEPTED_RESOURCE_ROLES": "was removed in Marathon 1.10: use MARATHON_ACCEPTED_RESOURCE_ROLES_DEFAULT_BEHAVIOR",
    "PLUGIN_DIR": "plug-ins are Java's, and not loaded: leave it out",
    "PLUGIN_CONF": "plug-ins are Java's, and not loaded: leave it out",
    "SENTRY": "logs go to standard output, or as JSON to MARATHON_LOGSTASH",
    "SENTRY_TAGS": "logs go to standard output, or as JSON to MARATHON_LOGSTASH",
    **dict.fromkeys(("METRICS_STATSD", "METRICS_DATADOG"), _PUSH),
    **dict.fromkeys((f"METRICS_STATSD_{x}" for x in ("HOST", "PORT", "TRANSMISSION_INTERVAL_MS")), _PUSH),
    **dict.fromkeys(
        (f"METRICS_DATADOG_{x}" for x in ("HOST", "PORT", "PROTOCOL", "API_KEY", "TRANSMISSION_INTERVAL_MS")), _PUSH
    ),
    "MESOS_OFFER_CONSTRAINTS": "offers are judged here: leave it out",
    "MIN_MESOS_OFFER_CONSTRAINTS_UPDATE_INTERVAL": "offers are judged here: leave it out",
    "DISABLE_MAINTENANCE_MODE": "maintenance is always respected: leave it out",
}
# Marathon's settings of which only some values can be had: what those are, and what to do about others.
ONLY: dict[str, tuple[tuple[str, ...], str]] = {
    "EXECUTOR": (("", "//cmd"), "only Mesos' own command executor runs tasks: leave it out"),
    "GPU_SCHEDULING_BEHAVIOR": (("restricted",), "machines with GPUs are for apps that ask for some: leave it out"),
    "NEW_GROUP_ENFORCE_ROLE": (("off",), "this service has one role, that of MARATHON_MESOS_ROLE: leave it out"),
}
# Other names of settings.
ALIASES = {
    "MESOSPHERE_HTTP_CREDENTIALS": "HTTP_CREDENTIALS",
    "MESOSPHERE_KEYSTORE_PATH": "SSL_KEYSTORE_PATH",
    "MESOSPHERE_KEYSTORE_PASS": "SSL_KEYSTORE_PASSWORD",
}


def known() -> list[str]:
    """Every name that means something here."""
    toggles = [name for t in TOGGLES for name in (t, f"DISABLE_{t}")]
    return sorted({*READ, *toggles, *WITHOUT_EFFECT, *REFUSED, *ONLY})
