"""Finished jobs on their way to the index: what is sent, what becomes of refusals, and what a position means."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from collector import history, metrics
from collector.history import Exporter, Positions, batch
from collector.index import CORE, Document, Index, Later, Refusal, bulk, month, outcome, reduced, settings

DATA = Path(__file__).parent / "data"
JOBS = [Document(one["id"], one["doc"]) for one in json.loads((DATA / "history-jobs.json").read_text())]
MAPPING = {"mappings": {"properties": {"Owner": {"type": "keyword"}}}, "settings": {"mapping.total_fields.limit": 5000}}


def test_a_bulk_request() -> None:
    assert bulk(JOBS) == (DATA / "history-bulk.ndjson").read_bytes()


def test_each_job_has_the_month_of_its_own_end() -> None:
    assert [month(job) for job in JOBS] == ["history-2025.11", "history-2025.12"]


def test_an_index_is_adstashs_on_one_node() -> None:
    made = settings(MAPPING)
    assert made["mappings"] == MAPPING["mappings"]
    assert made["settings"]["mapping.total_fields.limit"] == 5000 and made["settings"]["number_of_replicas"] == 0


def item(status: int, kind: str = "") -> dict[str, Any]:
    return {"index": {"status": status, **({"error": {"type": kind, "reason": "x"}} if kind else {})}}


@pytest.mark.parametrize(
    ("items", "refused", "missing", "later"),
    [
        ([item(201), item(200)], 0, False, ""),
        ([item(201), item(400, "mapper_parsing_exception")], 1, False, ""),
        ([item(404, "index_not_found_exception")] * 2, 0, True, ""),
        ([item(429, "rejected_execution_exception"), item(201)], 0, False, "429 rejected_execution_exception: x"),
        ([item(403, "cluster_block_exception"), item(400, "x")], 1, False, "403 cluster_block_exception: x"),
    ],
)
def test_outcomes(items: list[dict[str, Any]], refused: int, missing: bool, later: str) -> None:
    found = outcome(JOBS, {"items": items})
    assert (len(found.refused), found.missing, found.later) == (refused, missing, later)


def test_what_is_left_of_a_refused_one_is_nothing_that_its_user_chose() -> None:
    left = reduced(JOBS[0]).fields
    assert set(left) < set(CORE) and "color" not in left and "RequestMemory" not in left and left["Owner"] == "ann"


class OpenSearch(http.server.BaseHTTPRequestHandler):
    """Takes jobs in as OpenSearch does: into indices that were made, and none that has a color."""

    server: Any

    def log_message(self, *_: Any) -> None: ...

    def _reply(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> list[Any]:
        assert self.headers["Authorization"].startswith("Basic ")
        return [json.loads(line) for line in self.rfile.read(int(self.headers["Content-Length"])).splitlines()]

    def do_GET(self) -> None:
        assert self.path == "/"
        self._reply(self.server.status, {"cluster_uuid": self.server.uuid} if self.server.uuid else {})

    def do_PUT(self) -> None:
        (body,) = self._body()
        assert body == settings(MAPPING)
        self.server.indices.setdefault(self.path.strip("/"), {})
        self._reply(200, {})

    def do_POST(self) -> None:
        name, lines = self.path.split("/")[1], self._body()
        items = []
        for action, fields in zip(lines[::2], lines[1::2], strict=True):
            if name not in self.server.indices:
                items.append(item(404, "index_not_found_exception"))
            elif "color" in fields or fields["Owner"] in self.server.banned:
                items.append(item(400, "mapper_parsing_exception"))
            else:
                self.server.indices[name][action["index"]["_id"]] = fields
                items.append(item(201))
        self._reply(self.server.status, {"items": items})


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OpenSearch)
    made.indices, made.banned, made.status, made.uuid = {}, set(), 200, "abc"
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def index_of(server: Any) -> Index:
    return Index(f"http://127.0.0.1:{server.server_port}", "", "password")


def test_months_are_made_when_they_are_needed_and_a_refused_job_is_kept_reduced(server: Any) -> None:
    refused = index_of(server).put(JOBS, lambda: MAPPING)
    assert refused == [Refusal(JOBS[0], "mapper_parsing_exception: x", kept=True)]
    assert {name: list(jobs) for name, jobs in server.indices.items()} == {month(j): [j.id] for j in JOBS}
    assert "color" not in server.indices["history-2025.11"][JOBS[0].id]


def test_a_job_that_is_refused_for_good_keeps_nobody_waiting(server: Any) -> None:
    server.banned = {"ann"}
    assert [one.kept for one in index_of(server).put(JOBS, lambda: MAPPING)] == [False, False]


def test_an_index_that_is_busy_or_refuses_the_password_is_asked_later(server: Any) -> None:
    for status in (401, 503):
        server.status = status
        with pytest.raises(Later, match=f"history-2025.11: {status}"):
            index_of(server).put(JOBS, lambda: MAPPING)


def test_an_index_says_which_one_it_is(server: Any) -> None:
    assert index_of(server).identity() == "abc"
    for status, uuid, says in (
        (200, "", "does not say"),
        (200, "_na_", "just starting"),
        (401, "abc", "401"),
        (503, "abc", "503"),
    ):
        server.status, server.uuid = status, uuid
        with pytest.raises(Later, match=says):
            index_of(server).identity()


# -- the exporter


def answer(position: int, *numbers: int, waiting: int = 0, found: bool = True) -> str:
    """As history_reader.py prints it."""
    head = {"position": f"{position}:0:0", "found": found, "waiting": waiting}
    jobs = [{"id": f"{n}", "doc": {"RecordTime": 0, "n": n}} for n in numbers]
    return "".join(json.dumps(line) + "\n" for line in (head, *jobs))


def test_a_batch() -> None:
    found = batch(answer(5, 1, 2, waiting=7) + '{"job": "*** ClusterId = 3\\n", "error": "ValueError: x"}\n')
    assert (found.position, found.waiting, [d.id for d in found.documents]) == ("5:0:0", 7, ["1", "2"])
    assert found.unreadable == ("ValueError: x (*** ClusterId = 3)",)
    with pytest.raises((ValueError, KeyError)):
        batch("")


class Asked:
    """Stands in for the shell in a submit node: the answer to each word."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers, self.words = dict(answers), list[str]()

    def ask(self, word: str = "") -> str:
        self.words.append(word)
        return self.answers[word]

    def close(self) -> None: ...


class Taken:
    """Stands in for the index."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.trouble: Exception | None = None
        self.away: Exception | None = None
        self.name = "one"

    def identity(self) -> str:
        if self.away:
            raise self.away
        return self.name

    def put(self, documents: Any, mapping: Any) -> list[Refusal]:
        if self.trouble:
            raise self.trouble
        self.ids += [document.id for document in documents]
        return []


class Here:
    """An exporter whose one submit node answers so."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, answers: Mapping[str, str]) -> None:
        self.asked, self.index, self.folder = Asked(answers), Taken(), folder
        self.there = {"abc": "demo"}
        self.time = 0.0
        patch.setattr(history, "submit_nodes", lambda _: self.there)
        patch.setattr(history, "Asked", lambda *_: self.asked)

    def exporter(self) -> Exporter:
        return Exporter(None, self.index, self.folder, clock=lambda: self.time)  # type: ignore[arg-type]


ANSWERS = {"after:": answer(1, 1, 2, waiting=1), "after:1:0:0": answer(2, 3), "after:2:0:0": answer(2)}


def test_batch_after_batch_until_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Here(tmp_path, monkeypatch, ANSWERS)
    exporter = here.exporter()
    assert exporter.look() and exporter.look()
    assert here.index.ids == ["1", "2", "3"] and here.asked.words == ["after:", "after:1:0:0", "after:2:0:0"]
    assert exporter.values()["history.exported_total"] == 3 and exporter.values()["history.errors_total"] == 0
    again = here.exporter()
    assert again.look() and here.asked.words[-1] == "after:2:0:0", "the next one goes on there"


def test_a_position_is_written_down_once_its_jobs_are_in_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path, monkeypatch, ANSWERS)
    here.index.trouble = Later("no")
    exporter = here.exporter()
    assert not exporter.look() and not exporter.look()
    assert exporter.values() == {
        "history.exported_total": 0, "history.waiting": 3, "history.behind": 0, "history.errors_total": 2,
        "history.refused_total": 0,
    }  # fmt: skip
    assert Positions(tmp_path / history.FILE).of("demo") == ""
    here.index.trouble = None
    assert here.exporter().look() and here.index.ids == ["1", "2", "3"]


def test_a_gap_is_told_and_a_pool_that_went_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Here(tmp_path, monkeypatch, {"after:": answer(1, 1, found=False)})
    exporter = here.exporter()
    assert exporter.look() and exporter.errors == 1 and here.index.ids == ["1"]
    here.index.trouble = Later("no")
    here.asked.answers["after:1:0:0"] = answer(2, 2)
    assert not exporter.look() and exporter.values()["history.waiting"] == 1
    here.there = {}
    assert exporter.look() and exporter.values()["history.waiting"] == 0


def test_another_index_gets_all_that_there_is_and_the_same_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path, monkeypatch, ANSWERS)
    exporter = here.exporter()
    assert exporter.look() and exporter.look() and here.index.ids == ["1", "2", "3"]
    here.index.name = "another"
    assert exporter.look() and here.index.ids == ["1", "2", "3"] * 2, "also while it runs"
    assert exporter.errors == 0
    again = here.exporter()
    assert again.look() and here.index.ids == ["1", "2", "3"] * 2, "it is known to the next one"
    here.index.name = "one"
    assert here.exporter().look() and here.index.ids == ["1", "2", "3"] * 3


def test_positions_of_an_older_collector_are_those_of_the_index_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / history.FILE).write_text('{"demo": "2:0:0"}')
    here = Here(tmp_path, monkeypatch, ANSWERS)
    assert here.exporter().look() and here.asked.words == ["after:2:0:0"]
    assert json.loads((tmp_path / history.FILE).read_text()) == {"index": "one", "positions": {"demo": "2:0:0"}}


def test_while_the_index_is_away_it_is_counted_what_waits_and_for_how_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path, monkeypatch, ANSWERS)
    exporter = here.exporter()
    assert exporter.values()["history.behind"] == 0, "nothing is known yet"
    here.index.away = Later("no")
    for here.time in (0, 60, 901):
        assert not exporter.look()
    found = exporter.values()
    assert (found["history.waiting"], found["history.behind"], found["history.errors_total"]) == (3, 901, 3)
    here.index.away = None
    assert exporter.look() and exporter.values()["history.behind"] == 0
    here.time += 50
    assert exporter.values()["history.behind"] == 50 and exporter.values()["history.waiting"] == 0
    here.there = {}
    assert exporter.look() and exporter.values()["history.behind"] == 0, "a pool that went is behind with nothing"


def test_positions_that_cannot_be_read_begin_anew(tmp_path: Path) -> None:
    (tmp_path / history.FILE).write_text("[1")
    positions = Positions(tmp_path / history.FILE)
    assert positions.of("demo") == ""
    positions.put("demo", "1:2:3")
    assert Positions(tmp_path / history.FILE).of("demo") == "1:2:3"


def test_the_thread_ends_when_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Here(tmp_path, monkeypatch, ANSWERS)
    exporter = here.exporter()
    exporter.start()
    exporter.stop(10)
    assert not exporter._thread.is_alive()


def test_its_metrics_are_those_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = Here(tmp_path, monkeypatch, ANSWERS).exporter().values()
    assert set(values) == {m.name for m in metrics.TABLE["history"]}


def test_the_question_survives_the_shell() -> None:
    """The reader's whole text as one word of a command: Python gets it as it is."""
    command = history.COMMAND.replace("python3 -c ", "printf %s ", 1).removesuffix(' "$word"')
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert said == Path(history.history_reader.__file__).read_text()
