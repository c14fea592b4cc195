"""Calico's own objects that a site's nodes apply: pools, BGP, and the profile of all containers."""

from __future__ import annotations

from typing import Any

import yaml

from ..spec.model import Federation

PROFILE = "aerie"


def calico_objects(federation: Federation, site: str) -> list[dict[str, Any]]:
    """The objects as Calico's API has them. Only what is everybody's and what is the site's own."""
    net = federation.network
    api = "projectcalico.org/v3"

    def pool(name: str, cidr: str, selector: str, block: int) -> dict[str, Any]:
        spec = {
            "cidr": cidr,
            "blockSize": block,
            "ipipMode": "Never",
            "vxlanMode": "Never",
            "natOutgoing": True,
            "nodeSelector": selector,
        }
        return {"apiVersion": api, "kind": "IPPool", "metadata": {"name": name}, "spec": spec}

    return [
        {
            "apiVersion": api,
            "kind": "BGPConfiguration",
            "metadata": {"name": "default"},
            "spec": {"asNumber": net.as_number, "nodeToNodeMeshEnabled": True, "logSeverityScreen": "Warning"},
        },
        pool(f"site-{site}", str(federation.sites[site].containers), f"site == '{site}'", 26),
        # "!all()": no address of it is given out unless it is asked for.
        pool("fixed", str(net.fixed), "!all()", 32),
        {
            "apiVersion": api,
            "kind": "Profile",
            "metadata": {"name": PROFILE},
            "spec": {
                "labelsToApply": {"docker-network": PROFILE},
                "ingress": [
                    {"action": "Allow", "source": {"selector": f"docker-network == '{PROFILE}'"}},
                    # Machines of any site: Marathon's health checks, users' logins.
                    {"action": "Allow", "source": {"nets": [str(net.lans)]}},
                ],
                "egress": [{"action": "Allow"}],
            },
        },
    ]


def calico_objects_yaml(federation: Federation, site: str) -> str:
    """The same as calicoctl reads it."""
    return yaml.safe_dump_all(calico_objects(federation, site), sort_keys=True)
