"""The image opensearch, the collector's exporter and a real pool: every job that ends comes into the index once, as adstash has it.

Needs a Docker engine, and the image `htcondor`; that of OpenSearch is built if it is missing, which needs mvn.  Everything made here
has the prefix `hs-`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from history_index import (
    ADDRESS,
    HISTORY,
    NAME,
    SMALL,
    SUBMIT_NODE,
    SUBNET,
    USER,
    VIEWER,
    WRITER,
    Exporting,
    OpenSearch,
    adstash,
    of,
    same,
)
from htcondor_pool import Pool, pool_of, run, small, until
from test_service_images import certificate

from tools.images import image_tags, main

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def image() -> str:
    tag = f"aerie/opensearch:{image_tags(ROOT)['opensearch']}"
    assert main(["build", "opensearch"]) == 0
    return tag


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    spec = small("demo", "172.26.66", cpus=4, memory=2048, grace=10, condor_config=SMALL)
    with pool_of("hs", SUBNET, tmp_path_factory.mktemp("pool"), spec) as pool:
        pool.start_managers()
        pool.start_executor(1)
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


def test_the_index_has_adstashs_types(opensearch: OpenSearch, pool: Pool, ended: dict[str, str]) -> None:
    (found,) = opensearch.ask("GET", "/history-*/_mapping").json().values()
    fields = {name: field["type"] for name, field in found["mappings"]["properties"].items() if "type" in field}
    wanted = {"ClusterId": "long", "ExitCode": "long", "Owner": "keyword", "QDate": "date", "RecordTime": "date",
              "ExitBySignal": "boolean", "Rank": "double", "NumHoldsByReason": "nested"}  # fmt: skip
    assert {name: fields[name] for name in wanted} == wanted
    assert found["mappings"]["properties"]["QDate"]["format"] == "epoch_second"
    query = {
        "size": 0,
        "query": {"bool": {"filter": [{"term": {"Owner": "alice"}}, {"range": {"QDate": {"gte": int(time.time()) - 3600}}}]}},
        "aggs": {"codes": {"terms": {"field": "ExitCode"}}, "longest": {"max": {"field": "RemoteWallClockTime"}}},
    }  # fmt: skip
    answer = opensearch.ask("POST", "/history-*/_search", query).json()
    assert answer["hits"]["total"]["value"] == 6
    assert {b["key"]: b["doc_count"] for b in answer["aggregations"]["codes"]["buckets"]} == {0: 3, 1: 1}


def test_nothing_is_lost_when_either_is_away_and_the_history_rotates(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    before = len(opensearch.documents())
    run("docker", "stop", "-t", "30", NAME)
    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", NAME).strip() == "0"
    pool.submit("away", "exit 0", 20)
    pool.wait("away")
    assert exporting.exporter is not None
    waiting = exporting.exporter
    until("it sees jobs that wait", lambda: waiting.values()["history.waiting"] == 20, 30)
    assert waiting.errors > 0
    until("and for how long", lambda: waiting.values()["history.behind"] > 2, 30)
    exporting.stop()  # with all of them on their way
    pool.submit("both", "exit 0", 20)
    pool.wait("both")
    rotated = pool.inside(SUBMIT_NODE, f"ls {HISTORY}.2*").split()
    assert len(rotated) > 2, "jobs that wait are in files that were rotated away"
    run("docker", "start", NAME)
    opensearch.wait()
    exporter = exporting.start()
    until("all jobs are in the index", same(opensearch, pool), 60)
    assert len(opensearch.documents()) == before + 40
    assert exporter.exported == 40 and exporter.errors == 0, "each was sent once, and the position was found"


def test_what_was_sent_and_not_written_down_is_sent_once_more_and_is_the_same(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    exporting.stop()
    before = opensearch.documents()
    (exporting.state / "history.json").unlink()
    exporter = exporting.start()
    until("all were sent", lambda: exporter.exported >= len(before), 30)
    until("they can be asked for", same(opensearch, pool), 10)
    assert opensearch.documents() == before and exporter.exported == len(before)


def test_a_position_that_is_nobodys_begins_with_the_oldest(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    exporting.stop()
    before = opensearch.documents()
    (exporting.state / "history.json").write_text('{"demo": "1:100:7"}')
    exporter = exporting.start()
    until("all were sent", lambda: exporter.exported >= len(before), 30)
    assert exporter.errors == 1, "it is told that there may be a gap"
    until("they can be asked for", same(opensearch, pool), 10)


def test_an_index_that_lost_its_volume_gets_all_that_there_is_by_itself(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    """The same collector goes on all the while, as when the machine of the index is made anew."""
    exporting.stop()
    exporter = exporting.start()
    until("all jobs are in the index", same(opensearch, pool), 60)
    before, sent = opensearch.documents(), exporter.exported
    uuid = opensearch.ask("GET", "/").json()["cluster_uuid"]
    run("docker", "rm", "-f", "-v", NAME)
    run("docker", "volume", "rm", "hs-data")
    print(f"OpenSearch is ready after {opensearch.start():.1f} s")
    assert opensearch.ask("GET", "/", auth=WRITER).json()["cluster_uuid"] != uuid
    until("all jobs are in the new index", same(opensearch, pool), 60)
    assert opensearch.documents() == before, "each once, by its id, as it was"
    assert exporter.exported - sent == len(before) and exporter.values()["history.waiting"] == 0
    run("docker", "restart", "-t", "30", NAME)
    opensearch.wait()
    until("it is well again", lambda: exporter.values()["history.behind"] < 2, 60)
    assert exporter.exported - sent == len(before), "the same index gets nothing twice"


def test_the_submit_node_is_another_container(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    run("docker", "rm", "-f", SUBMIT_NODE)
    pool.start_submit()
    until("schedd", lambda: "Total" in pool.ssh("condor_q", check=False))
    pool.submit("another", "exit 3")
    pool.wait("another")
    until("all jobs are in the index", same(opensearch, pool), 60)


def test_who_may_do_what(opensearch: OpenSearch) -> None:
    """A collector adds, a viewer asks; nobody else, and nothing else."""
    month = time.strftime("/history-%Y.%m", time.gmtime())
    line = '{"index": {"_id": "1"}}\n{"a": 1}\n'
    search: dict[str, Any] = {"query": {"match_all": {}}}
    for auth in (
        None,
        ("viewer", "wrong"),
        ("viewer", ""),
        ("admin", "admin"),
        ("writer", VIEWER[1]),
        ("viewer", WRITER[1]),
    ):
        for method, path in (("GET", "/"), ("POST", "/history-*/_search"), ("PUT", month), ("GET", "/_cat/indices")):
            assert opensearch.ask(method, path, auth=auth).status_code == 401, (auth, method, path)
    count = opensearch.ask("POST", "/history-*/_count", search).json()["count"]
    refused = [
        ("POST", f"{month}/_bulk", line), ("PUT", "/history-2030.01", {}), ("DELETE", month, None), ("POST", f"{month}/_doc/1", {}),
        ("POST", f"{month}/_update_by_query", {}), ("POST", f"{month}/_close", None), ("GET", "/_cat/indices", None),
        ("GET", "/_cluster/settings", None), ("PUT", "/_cluster/settings", {}), ("GET", "/_nodes", None), ("POST", "/_bulk", line),
        ("GET", "/.%2F_cat/indices", None), ("POST", "/history-*%2F_search", search), ("PUT", f"{month}/_mapping", {}),
    ]  # fmt: skip
    for method, path, body in refused:
        assert opensearch.ask(method, path, body).status_code == 403, (method, path)
    mine = {f"{month}/_bulk", "/history-2030.01"}
    for method, path, body in [
        *refused,
        ("POST", "/history-*/_search", search),
        ("PUT", "/other", {}),
        ("PUT", "/_all", {}),
    ]:
        if path not in mine:
            assert opensearch.ask(method, path, body, WRITER).status_code == 403, (method, path)
    elsewhere = '{"index": {"_index": "other", "_id": "1"}}\n{"a": 1}\n'
    assert opensearch.ask("POST", f"{month}/_bulk", elsewhere, WRITER).status_code == 400
    assert opensearch.ask("POST", "/history-2031.01/_bulk", line, WRITER).json()["items"][0]["index"]["status"] == 404
    assert opensearch.ask("POST", "/history-*/_count", search).json()["count"] == count
    script = {"query": {"script": {"script": "true"}}}
    assert opensearch.ask("POST", "/history-*/_search", script).status_code == 400
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://{ADDRESS}:9200/", timeout=10)
    for port in (9201, 9300, 9301):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{ADDRESS}:{port}/", timeout=5)


def test_a_wrong_password_keeps_jobs_waiting(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    exporting.stop()
    pool.submit("late", "exit 0")
    pool.wait("late")
    exporter = exporting.start(password="wrong-password")
    until("it is refused", lambda: exporter.errors > 1, 30)
    assert exporter.exported == 0 and exporter.values()["history.waiting"] == 1
    exporting.stop()
    exporter = exporting.start()
    until("all jobs are in the index", same(opensearch, pool), 30)
    assert exporter.exported == 1


def test_its_programs_are_nobody(opensearch: OpenSearch) -> None:
    lines = [line.split(None, 2) for line in run("docker", "top", NAME, "-o", "uid,pid,args").splitlines()[1:]]
    programs = {word: uid for uid, _, args in lines for word in ("jre/bin/java", "haproxy -db") if word in args}
    assert programs == {"jre/bin/java": USER, "haproxy -db": USER}
    assert not [args for _, _, args in lines if "password" in args]
    sets = run("docker", "exec", NAME, "sh", "-c", "cat /proc/$(cat /run/opensearch/java.pid)/status").splitlines()
    rights = {line.split()[0]: line.split()[1] for line in sets if line.startswith("Cap")}
    assert rights["CapEff:"] == rights["CapBnd:"] == "0000000000000000", "nothing, and nothing that it may ever become"


def test_months_that_are_old_go(opensearch: OpenSearch) -> None:
    for month in ("2020.01", time.strftime("%Y.%m", time.gmtime(time.time() - 200 * 86400))):
        assert opensearch.ask("PUT", f"/history-{month}", {}, WRITER).status_code == 200
    kept = set(opensearch.ask("GET", "/history-*/_mapping").json()) - {"history-2020.01"}
    assert len(kept) == 2
    run("docker", "restart", "-t", "30", NAME)
    opensearch.wait()
    until("the old one is gone", lambda: set(opensearch.ask("GET", "/history-*/_mapping").json()) == kept, 30)


def test_when_a_program_ends_so_does_the_container(opensearch: OpenSearch) -> None:
    run("docker", "exec", "-u", "0", NAME, "sh", "-c", "kill -9 $(cat /run/opensearch/java.pid)")
    until(
        "the container ends", lambda: run("docker", "inspect", "-f", "{{.State.Status}}", NAME).strip() == "exited", 30
    )
    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", NAME).strip() == "1"
    run("docker", "start", NAME)
    opensearch.wait()


def test_a_job_that_no_index_takes_is_there_without_what_its_user_chose(
    opensearch: OpenSearch, pool: Pool, exporting: Exporting, ended: dict[str, str]
) -> None:
    exporting.stop()
    exporter = exporting.start()
    odd = pool.submit("odd", "exit 7", extra="+OddDate = 1.0e300")
    pool.wait("odd")
    until("all jobs are in the index", same(opensearch, pool), 60)
    assert exporter.refused == 1
    (job,) = of(opensearch.documents(), odd)
    assert (job["ExitCode"], job["Owner"], job["Status"]) == (7, "alice", "Completed") and "OddDate" not in job
