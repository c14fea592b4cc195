"""OpenSearch as a container, and exporters of the collector's, for the live test of the history. Everything has the prefix `hs-`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from collector.docker import Docker
from collector.history import Exporter
from collector.index import Index
from htcondor_pool import Pool, run, until

SUBNET = "172.26.66.0/24"
CENTRAL, SUBMIT, EXECUTOR, ADDRESS = (f"172.26.66.{n}" for n in (10, 11, 21, 30))
NAME, SUBMIT_NODE = "hs-opensearch", "hs-submit"
URL = f"https://{ADDRESS}:9200"
VIEWER, WRITER = ("viewer", "viewer-password"), ("writer", "writer-password")
USER = "971"  # _opensearch, in images/opensearch/Dockerfile
HISTORY = "/var/spool/condor/queue/history"
# What the schedd does when its history is large, but with a limit that some jobs reach.
SMALL = ("MAX_HISTORY_LOG = 20000", "MAX_HISTORY_ROTATIONS = 20")
# adstash's own reading of the schedd's history, by its own way: over the schedd. Of a removed job its time is that of its last change,
# as adstash's own comment has it; HTCondor 23 takes the time at which adstash was started instead.
ADSTASH = """
import json, sys
import htcondor
sys.path.insert(0, "/usr/libexec/condor")
from adstash.convert import to_json, unique_doc_id
found = {}
for ad in htcondor.Schedd().history("true", [], -1):
    doc = to_json(ad, return_dict=True)
    if doc["Status"] == "Removed":
        doc["RecordTime"] = ad["EnteredCurrentStatus"]
    found[unique_doc_id(doc)] = doc
print(json.dumps(found))
"""


@dataclass
class OpenSearch:
    """The container; `start` as components/monitoring/history.py has it, but on a network of its own."""

    image: str
    files: Path

    def start(self) -> float:
        """Seconds until it is ready."""
        began = time.monotonic()
        run(
            *("docker", "run", "-d", "--name", NAME, "--network", "hs-net", "--ip", ADDRESS, "--memory", "1024m", "--read-only"),
            *("--tmpfs", "/run/opensearch:mode=755", "--tmpfs", "/tmp", "-v", "hs-data:/var/lib/opensearch"),
            *("-v", f"{self.files}:/etc/aerie/opensearch:ro", "-e", f"LISTEN={ADDRESS}", "-e", "HEAP=512", self.image),
        )  # fmt: skip
        self.wait()
        return time.monotonic() - began

    def wait(self) -> None:
        until("OpenSearch is ready", lambda: run("docker", "exec", NAME, "opensearch-health", check=False) == "", 120)

    def ask(self, method: str, path: str, body: Any = None, auth: tuple[str, str] | None = VIEWER) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            text = body if isinstance(body, str) or body is None else json.dumps(body)
            kind = {"Content-Type": "application/x-ndjson" if path.endswith("_bulk") else "application/json"}
            return session.request(
                method, URL + path, data=text, auth=auth, headers=kind, verify=str(self.files / "ca.crt"), timeout=30
            )

    def documents(self) -> dict[str, dict[str, Any]]:
        """All documents by id."""
        answer = self.ask("POST", "/history-*/_search", {"size": 5000, "query": {"match_all": {}}})
        if answer.status_code == 503:  # it is just starting
            return {}
        assert answer.status_code == 200, answer.text
        hits = answer.json()["hits"]
        assert hits["total"]["value"] == len(hits["hits"])
        return {hit["_id"]: hit["_source"] for hit in hits["hits"]}


class Ours(Docker):
    """The engine without submit nodes of other pools that happen to be on this machine."""

    def get(self, path: str) -> Any:
        found = super().get(path)
        return [c for c in found if f"/{SUBMIT_NODE}" in c["Names"]] if path.startswith("/containers/json") else found


@dataclass
class Exporting:
    """Exporters of one collector's state, one after the other."""

    state: Path
    ca: Path
    exporter: Exporter | None = None

    def start(self, password: str = WRITER[1], every: float = 0.5) -> Exporter:
        index = Index(URL, str(self.ca), password)
        self.exporter = Exporter(Ours("/run/docker.sock"), index, self.state, every, first=0.2, longest=1.0)
        self.exporter.start()
        return self.exporter

    def stop(self) -> None:
        if self.exporter:
            self.exporter.stop(30)
        self.exporter = None


def adstash(pool: Pool) -> dict[str, dict[str, Any]]:
    """What adstash itself makes of the schedd's history."""
    return dict(json.loads(pool.ssh("python3 -W ignore -", stdin=ADSTASH).strip().splitlines()[-1]))


def same(opensearch: OpenSearch, pool: Pool) -> Callable[[], bool]:
    """Whether the index has just what adstash has, and something."""
    return lambda: (wanted := adstash(pool)) != {} and opensearch.documents().keys() == wanted.keys()


def of(documents: dict[str, dict[str, Any]], cluster: str) -> list[dict[str, Any]]:
    return [doc for doc in documents.values() if doc["ClusterId"] == int(cluster)]
