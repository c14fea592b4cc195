"""The container of the index of finished jobs, and what reaches it: text. Pure."""

from __future__ import annotations

from ..cluster.container import ContainerSpec
from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.model import Federation, History

DATA = "opensearch-data"  # the volume
READY = 120  # seconds until it has read its indices, on a machine that is busy


def heap(history: History) -> int:
    """MB of Java's heap: half, as its makers have it; the rest is for the JVM itself, HAProxy, and the files' cache."""
    return history.memory // 2


def url(address: str) -> str:
    """Where it is asked, and told."""
    return f"https://{address}:{addresses.HISTORY}"


def opensearch_container(machine: Machine, image: str, history: History) -> ContainerSpec:
    """OpenSearch on loopback and HAProxy before it, on the front-end's address in the LAN. Its indices are on a volume that outlives the
    container."""
    return ContainerSpec(
        name="opensearch",
        image=image,
        env={"LISTEN": machine.address, "HEAP": str(heap(history)), "KEEP_DAYS": str(history.keep_days)},
        mounts=(f"{DATA}:/var/lib/opensearch",),
        options=("--read-only", "--tmpfs", "/run/opensearch:mode=755", "--tmpfs", "/tmp"),
        memory=history.memory,
        stop_seconds=30,  # it closes its indices
        ready="docker exec opensearch opensearch-health",
        ready_seconds=READY,
    )


def exporter_settings(federation: Federation) -> dict[str, str]:
    """What each collector is told of it; nothing where there is none."""
    site = federation.history_site
    return {"COLLECTOR_HISTORY": f"{addresses.front_end(federation, site)}:{addresses.HISTORY}"} if site else {}
