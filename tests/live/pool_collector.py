"""The collector's own container beside an HTCondor pool of plain containers: it finds the submit node by its labels on this machine's engine.
Nothing else that it asks for is there, so alerts of pools are the only ones that mean anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htcondor_pool import Pool
from test_monitoring_image import files
from test_service_images import certificate, docker, until

from tools.images import image_tags, main

ROOT = Path(__file__).resolve().parents[2]
SOCKET = "/run/docker.sock"


@dataclass
class PoolCollector:
    """<prefix>-collector, on the pool's network. `clear` of the pool removes it; `remove` its volume."""

    pool: Pool
    address: str

    @property
    def name(self) -> str:
        return f"{self.pool.prefix}-collector"

    def start(self, folder: Path, interval: int = 10) -> None:
        """As components/monitoring/containers.py has it."""
        assert main(["build", "base", "collector"]) == 0
        image = f"aerie/collector:{image_tags(ROOT)['collector']}"
        certificate(folder, "client", "collector")
        (folder / "operator").write_text("x\n")
        volume = files("collector-files", folder, image, f"{self.pool.prefix}-")
        told = {"FEDERATION": "test", "SITE": "alone", "ADDRESS": self.address, "LAN": f"{self.address}/32",
                "GRAPHITE": f"{self.address}:2004", "INTERVAL": str(interval)}  # fmt: skip
        docker(
            *("run", "-d", "--name", self.name, "--network", self.pool.network, "--ip", self.address, "--memory", "128m"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--read-only"),
            *("-v", f"{SOCKET}:/run/docker.sock", "-v", f"{volume}:/etc/aerie/collector:ro", "--tmpfs", "/var/lib/collector"),
            *(word for key, value in told.items() for word in ("-e", f"COLLECTOR_{key}={value}")),
            image,
        )  # fmt: skip
        until(lambda: docker("exec", self.name, "collector-health", check=True) == "", 60, "the collector ends a round")

    def fires(self, rule: str) -> list[dict[str, Any]]:
        """The rule's alerts of this pool, as the collector prints them."""
        shown = docker("exec", self.name, "collector-alerts", "--json", check=False)
        found = json.loads(shown)
        return [a for a in found if a["rule"] == rule and a["labels"].get("pool") == self.pool.spec.name]

    def kill(self) -> None:
        docker("kill", self.name)

    def remove(self) -> None:
        docker("rm", "-f", self.name, check=False)
        docker("volume", "rm", f"{self.pool.prefix}-collector-files", check=False)
