"""Apps for the pictures of the page: a farm's services over several sites, of which some are not well."""


def _app(path: str, instances: int, cpus: float, mem: int, *, image: str, checked: bool = False, **more) -> dict:
    check = {"protocol": "MESOS_HTTP", "path": "/health", "portIndex": 0, "maxConsecutiveFailures": 0}
    return {
        "id": path,
        "instances": instances,
        "cpus": cpus,
        "mem": mem,
        "container": {"type": "DOCKER", "docker": {"image": image}},
        "portDefinitions": [{"port": 0, "name": "http", "protocol": "tcp"}],
        "healthChecks": [check] if checked else [],
        "backoffSeconds": 0.01,
        **more,
    }


def _pool(group: str, site: str, workers: int) -> list[dict]:
    labels = {"team": group, "site": site}
    return [
        _app(f"/htcondor/{group}/{site}/startd", workers, 2, 4096, image="aerie/htcondor", labels=labels),
        _app(f"/htcondor/{group}/{site}/squid", 1, 0.5, 1024, image="aerie/squid", checked=True, labels=labels),
    ]


APPS = [
    *_pool("alice", "torino", 4),
    *_pool("alice", "cnaf", 6),
    *_pool("belle", "bari", 3),
    *_pool("juno", "cnaf", 2),
    _app("/htcondor/collector", 1, 1, 2048, image="aerie/htcondor", checked=True, labels={"tier": "core"}),
    _app("/htcondor/negotiator", 1, 1, 2048, image="aerie/htcondor", checked=True, labels={"tier": "core"}),
    _app("/htcondor/schedd", 3, 1, 4096, image="aerie/htcondor", checked=True, labels={"tier": "core"}),
    _app("/data/cvmfs-stratum1", 2, 1, 8192, image="cvmfs/stratum1:2.11", checked=True, labels={"team": "data"}),
    _app("/data/xrootd/redirector", 2, 0.5, 1024, image="xrootd/server:5.6", checked=True, labels={"team": "data"}),
    _app("/data/xrootd/server", 6, 1, 2048, image="xrootd/server:5.6", checked=True, labels={"team": "data"}),
    _app("/data/webdav", 3, 0.5, 512, image="storm/webdav:1.4", checked=True, labels={"team": "data"}),
    _app("/monitoring/prometheus", 1, 2, 8192, image="prom/prometheus:v2.53", checked=True, labels={"tier": "core"}),
    _app("/monitoring/alertmanager", 2, 0.2, 256, image="prom/alertmanager:v0.27", checked=True),
    _app("/monitoring/grafana", 1, 0.5, 512, image="grafana/grafana:11.1", checked=True, labels={"public": ""}),
    _app("/monitoring/node-exporter", 9, 0.1, 64, image="prom/node-exporter:v1.8", checked=True),
    _app("/monitoring/loki", 1, 1, 4096, image="grafana/loki:3.1", checked=True),
    _app("/login/gateway", 2, 0.5, 512, image="aerie/login", checked=True, labels={"public": ""}),
    _app("/login/jupyter/hub", 1, 1, 2048, image="jupyterhub/hub:5", checked=True, labels={"team": "users"}),
    _app("/login/jupyter/proxy", 2, 0.2, 256, image="jupyterhub/proxy:4", checked=True, labels={"team": "users"}),
    _app("/shop/web", 3, 0.5, 512, image="nginx:1.27", checked=True, labels={"team": "outreach", "public": ""}),
    _app(
        "/shop/api",
        2,
        0.5,
        1024,
        image="outreach/api:7",
        checked=True,
        labels={"team": "outreach"},
        env={"LOG_LEVEL": "info"},
        dependencies=["/shop/db"],
    ),
    _app("/shop/db", 1, 1, 4096, image="postgres:16", checked=True, labels={"team": "outreach"}),
    _app("/registry", 2, 0.5, 1024, image="registry:2", checked=True, labels={"tier": "core"}),
    _app("/dns", 3, 0.1, 128, image="aerie/coredns", checked=True, labels={"tier": "core"}),
    _app("/ingest", 1, 0.5, 512, image="data/ingest:3", labels={"team": "data"}),
    _app("/cron", 0, 0.1, 64, image="aerie/cron", labels={"tier": "core"}),
]
UNHEALTHY = {"/data/xrootd/server": 2, "/shop/web": 1}
HELD_BACK = "/ingest"
FAILURE = "Container exited with status 137: Memory limit exceeded: Requested: 512MB Maximum Used: 512MB"
# Wanted where it cannot be: what the queue says of it is the page's best part.
TOO_BIG = [
    {
        "id": "/monitoring/loki",
        "cpus": 14,
        "mem": 62000,
        "instances": 2,
        "constraints": [["site", "LIKE", "torino|cnaf"]],
    },
    {"id": "/login/jupyter/hub", "constraints": [["site", "LIKE", "padova"]], "env": {"HUB_SITE": "padova"}},
]
