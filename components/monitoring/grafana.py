"""Grafana's container and the files that it is provisioned by: text. Pure.

All that Grafana knows is in these files: its own database is in memory, and made anew at each start, so that a rotated password is
the password, and a dashboard that was changed by hand is itself again.
"""

from __future__ import annotations

import json

from ..cluster.container import FILES, ContainerSpec
from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.model import Federation
from .containers import VIEWER
from .dashboards.catalogue import files as dashboard_files
from .dashboards.catalogue import of_federation

POOLS = f"{FILES}/grafana-pools"  # on the machine: the pools' dashboards, each put there by its pool's own stack
AT = f"{FILES}/grafana"
PROVISIONING = "/etc/grafana/provisioning"
HOME = "overview.json"
LOOK_EVERY = 30  # seconds between two looks for new dashboards
MEMORY = 512  # MB


def settings(machine: Machine) -> dict[str, str]:
    """Grafana's settings by its environment: pages by TLS and a password only, and nothing that calls home."""
    return {
        "GF_SERVER_PROTOCOL": "https",
        "GF_SERVER_HTTP_ADDR": machine.address,
        "GF_SERVER_HTTP_PORT": str(addresses.GRAFANA),
        "GF_SERVER_ROOT_URL": url(machine.address) + "/",
        "GF_SERVER_CERT_FILE": f"{AT}/server.crt",
        "GF_SERVER_CERT_KEY": f"{AT}/server.key",
        "GF_SECURITY_ADMIN_PASSWORD__FILE": f"{AT}/admin-password",
        "GF_SECURITY_SECRET_KEY__FILE": f"{AT}/secret-key",
        "GF_SECURITY_COOKIE_SECURE": "true",
        "GF_SECURITY_DISABLE_GRAVATAR": "true",
        "GF_AUTH_ANONYMOUS_ENABLED": "false",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_LOG_MODE": "console",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{AT}/{HOME}",
    }


def url(address: str) -> str:
    """Where its pages are."""
    return f"https://{address}:{addresses.GRAFANA}"


def grafana_container(machine: Machine, image: str) -> ContainerSpec:
    """Grafana as its makers' image has it, read-only and without a right. As root, since its files are root's alone; root without
    capabilities can do no more than read them."""
    return ContainerSpec(
        name="grafana",
        image=image,
        env=settings(machine),
        mounts=(
            f"{AT}/datasource.yaml:{PROVISIONING}/datasources/aerie.yaml:ro",
            f"{AT}/dashboards.yaml:{PROVISIONING}/dashboards/aerie.yaml:ro",
            f"{POOLS}:{POOLS}:ro",
        ),
        options=(
            *("--user", "0:0", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
            *("--tmpfs", "/var/lib/grafana", "--tmpfs", "/var/log/grafana", "--tmpfs", "/tmp"),
        ),
        memory=MEMORY,
        ready=f"docker exec grafana curl -fsS --cacert {AT}/ca.crt {url(machine.address)}/api/health",
        ready_seconds=120,  # it makes its database first
    )


def datasource(federation: Federation, address: str, password: str, ca_certificate: str) -> str:
    """Graphite as Grafana's data source. JSON is YAML; a $ would be taken for a variable."""
    source = {
        "name": f"Graphite of {federation.name}",
        "uid": f"{federation.name}-graphite",
        "type": "graphite",
        "access": "proxy",
        "url": f"https://{address}:{addresses.GRAPHITE}",
        "isDefault": True,
        "editable": False,
        "basicAuth": True,
        "basicAuthUser": VIEWER,
        "jsonData": {"graphiteVersion": "1.1", "graphiteType": "default", "tlsAuthWithCACert": True},
        "secureJsonData": {"basicAuthPassword": _plain(password), "tlsCACert": _plain(ca_certificate)},
    }
    return json.dumps({"apiVersion": 1, "prune": True, "datasources": [source]}, indent=1) + "\n"


def _plain(text: str) -> str:
    return text.replace("$", "$$")


def providers() -> str:
    """Where dashboards are: the federation's among Grafana's own files, the pools' in a folder beside them."""

    def provider(name: str, path: str) -> dict[str, object]:
        return {
            "name": name,
            "folder": "aerie",
            "type": "file",
            "allowUiUpdates": False,
            "disableDeletion": False,
            "updateIntervalSeconds": LOOK_EVERY,
            "options": {"path": path, "foldersFromFilesStructure": False},
        }

    found = [provider("federation", AT), provider("pools", POOLS)]
    return json.dumps({"apiVersion": 1, "providers": found}, indent=1) + "\n"


def files(federation: Federation) -> dict[str, str]:
    """What is no secret of its files: the providers and the federation's dashboards."""
    return {"dashboards.yaml": providers(), **dashboard_files(of_federation(federation.name))}
