"""The image opensearch, the collector's exporter and a real pool: every job that ends comes into the index once, as adstash has it.

Needs a Docker engine, and the image `htcondor`; that of OpenSearch is built if it is missing, which needs mvn.  Everything made here
has the prefix `hs-`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from collector.docker import Docker
from collector.history import Exporter
from collector.index import Index
from htcondor_pool import Pool, pool_of, run, until
from test_service_images import certificate

from components.batch.types import CentralManagerSpec, ExecutorsSpec, PoolSpec, SubmitNodeSpec
from tools.images import image_tags, main

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture(scope="module")
def image() -> str:
    tag = f"aerie/opensearch:{image_tags(ROOT)['opensearch']}"
    here = run("docker", "image", "ls", "-q", tag).strip()
    if not here and shutil.which("mvn") is None:
        pytest.skip("no image opensearch here, and no mvn to build it with: apt install maven")
    assert main(["build", "opensearch"]) == 0
    return tag


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    spec = PoolSpec(
        name="demo",
        sites=("torino",),
        central_manager=CentralManagerSpec(CENTRAL),
        submit_node=SubmitNodeSpec(SUBMIT, "torino", "front"),
        executors=ExecutorsSpec(count=1, cpus=4, memory=2048, grace=10),
        site_networks={"torino": f"{EXECUTOR}/32"},
        condor_config=SMALL,
    )
    with pool_of("hs", SUBNET, tmp_path_factory.mktemp("pool"), spec) as pool:
        pool.start_central_manager()
        pool.start_submit()
        pool.start_executor(1)
        until("sshd", lambda: "ready" in pool.ssh("echo ready", check=False))
        until("schedd", lambda: "Total" in pool.ssh("condor_q", check=False))
        yield pool


@pytest.fixture(scope="module")
def opensearch(image: str, pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    folder = tmp_path_factory.mktemp("opensearch")
    certificate(folder, "server", "opensearch", (ADDRESS,))
    for user, password in (VIEWER, WRITER):
        (folder / user).write_text(f"{password}\n")
    found = OpenSearch(image, folder)
    try:
        print(f"OpenSearch is ready after {found.start():.1f} s")
        yield found
    finally:
        if not os.environ.get("AERIE_TEST_KEEP"):
            run("docker", "rm", "-f", "-v", NAME, check=False)
            run("docker", "volume", "rm", "hs-data", check=False)


@pytest.fixture(scope="module")
def exporting(opensearch: OpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporting]:
    found = Exporting(tmp_path_factory.mktemp("state"), opensearch.files / "ca.crt")
    yield found
    found.stop()


def adstash(pool: Pool) -> dict[str, dict[str, Any]]:
    """What adstash itself makes of the schedd's history."""
    return dict(json.loads(pool.ssh("python3 -W ignore -", stdin=ADSTASH).strip().splitlines()[-1]))


def same(opensearch: OpenSearch, pool: Pool) -> Callable[[], bool]:
    """Whether the index has just what adstash has, and something."""
    return lambda: (wanted := adstash(pool)) != {} and opensearch.documents().keys() == wanted.keys()


def of(documents: dict[str, dict[str, Any]], cluster: str) -> list[dict[str, Any]]:
    return [doc for doc in documents.values() if doc["ClusterId"] == int(cluster)]


@pytest.fixture(scope="module")
def ended(pool: Pool) -> dict[str, str]:
    """A cluster of each kind, by how it ended."""
    made = {
        "well": pool.submit("well", "exit 0", 3),
        "failed": pool.submit("failed", "exit 1"),
        "removed": pool.submit("removed", "sleep 600"),
        "held": pool.submit("held", "exit 0", extra="hold = true"),
    }
    pool.wait("well")
    pool.wait("failed")
    until("running", lambda: pool.events("removed", "001") == 1)
    pool.ssh(f"condor_rm {made['removed']} {made['held']}")
    until("an empty queue", lambda: pool.ssh("condor_q -af ClusterId").strip() == "")
    return made


def test_jobs_come_as_adstash_has_them(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    exporter = exporting.start()
    until("all jobs are in the index", same(opensearch, pool), 30)
    found, wanted = opensearch.documents(), adstash(pool)
    assert found == wanted
    assert len(found) == exporter.exported == 6 and exporter.values()["history.waiting"] == 0
    assert exporter.errors == 0
    assert {(d["Status"], d["ExitCode"], d["JobStatus"]) for d in of(found, ended["well"])} == {("Completed", 0, 4)}
    assert [(d["Status"], d["ExitCode"]) for d in of(found, ended["failed"])] == [("Completed", 1)]
    for kind in ("removed", "held"):
        (job,) = of(found, ended[kind])
        assert job["Status"] == "Removed" and "ExitCode" not in job and job["Owner"] == "alice"
    assert of(found, ended["held"])[0]["LastHoldReasonCode"] == 15, "submitted on hold"
    for id_, job in found.items():
        assert id_ == f"{job['GlobalJobId']}#{job['RecordTime']}"
