"""The containers of the monitoring: text. What the collector reads is decided here; what it does with it, in images/collector."""

from __future__ import annotations

from ..cluster.container import ContainerSpec
from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.model import Federation
from .history import exporter_settings

VIEWER = "viewer"  # who may ask Graphite; it knows no other user
STATE = "collector-state"  # the volume: which alerts fire, and how far the history is sent
INTERVAL = 10  # seconds between two rounds; the first retention in images/graphite/storage-schemas.conf


def graphite_container(federation: Federation, machine: Machine, image: str) -> ContainerSpec:
    """Carbon and the render API, on the front-end's address in the LAN. Its points are on a volume that outlives the container."""
    return ContainerSpec(
        name="graphite",
        image=image,
        env={"LISTEN": machine.address},
        mounts=("graphite-data:/var/lib/graphite",),
        options=("--read-only", "--tmpfs", "/run/graphite:mode=755", "--tmpfs", "/tmp"),
        memory=federation.memory.graphite,
        stop_seconds=30,  # carbon writes what it holds in memory
        ready="docker exec graphite graphite-health",
    )


def collector_container(federation: Federation, machine: Machine, image: str) -> ContainerSpec:
    """What asks the site's services and sends to Graphite. It listens to nobody, and has no right but the engine's socket.

    Which machines there are, and which tunnels, it hears from BIRD and the VPN: another agent, another site without a quorum member change nothing here.
    """
    site = federation.sites[machine.site]
    graphite = federation.graphite_site
    assert graphite is not None, "no collector without monitoring"
    return ContainerSpec(
        name="collector",
        image=image,
        env={
            "COLLECTOR_FEDERATION": federation.name,
            "COLLECTOR_SITE": machine.site,
            "COLLECTOR_ADDRESS": machine.address,
            "COLLECTOR_LAN": str(site.lan),
            "COLLECTOR_QUORUM": "yes" if site.quorum else "no",
            "COLLECTOR_GRAPHITE": f"{addresses.front_end(federation, graphite)}:{addresses.CARBON_PICKLE}",
            "COLLECTOR_INTERVAL": str(INTERVAL),
            **({"COLLECTOR_MEMBERS": ",".join(addresses.quorum_addresses(federation).values())} if site.quorum else {}),
            **exporter_settings(federation),
        },
        mounts=("/run/docker.sock:/run/docker.sock", f"{STATE}:/var/lib/collector"),
        options=("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
        memory=federation.memory.collector,
        ready="docker exec collector collector-health",
    )
