"""aerie history: the question, the recorded answer as a table, and what is said where there is none."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from aerie import history
from tests.unit.cli_data import DATA, Clone, clone_in
from tests.unit.conftest import BASE, Checkout
from tools.reach import Said

ANSWER = (DATA / "history" / "answer.json").read_text()
TABLE = (DATA / "history" / "table.txt").read_text()


@pytest.fixture
def the(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    monkeypatch.setenv("AERIE_HOME", str(home))
    shutil.copytree(BASE, tmp_path / "clone")
    return clone_in(tmp_path / "clone", monkeypatch)


@pytest.fixture
def asked(the: Clone, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A federation with a history, whose front-end says ANSWER; (machine, script) of each question."""
    Checkout(the.root, the.root).change("federation.yaml", lambda d: d.update(monitoring={"history": {"site": "cnaf"}}))
    out: list[tuple[str, str]] = []

    def ask(place: Any, script: str, seconds: float) -> Said:
        out.append((place, script))
        return Said(ANSWER)

    monkeypatch.setattr("aerie.federation.into_machine", lambda _, name: name)
    monkeypatch.setattr("tools.reach.ask", ask)
    return out


def test_a_recorded_answer_as_a_table() -> None:
    assert "".join(f"{line}\n" for line in history.table(history.read(ANSWER))) == TABLE


def test_one_user_needs_no_sum_and_nobody_no_table_of_him() -> None:
    users = history.read(ANSWER)
    assert len(history.table(users[:1])) == 2 and history.total(users).jobs == sum(u.jobs for u in users)
    assert history.read('{"hits": {}}') == []


@pytest.mark.parametrize("text", ["", "curl: (7) refused", '{"error": {"type": "x"}, "status": 503}'])
def test_what_is_no_answer(text: str) -> None:
    with pytest.raises(ValueError, match=r"no answer|503"):
        history.read(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12h", 43200),
        ("7d", 604800),
        ("4w", 2419200),
        ("0d", None),
        ("7", None),
        ("d", None),
        ("-1d", None),
        ("7d ", None),
    ],
)
def test_spans(text: str, seconds: int | None) -> None:
    assert history.seconds(text) == seconds


def test_a_question_is_one_word_of_the_script() -> None:
    odd = "x'; touch /tmp/y #"
    body = history.question("demo.aerie", odd, 100.5, failed=True)
    words = shlex.split(history.script(body))
    assert json.loads(words[-1]) == body and words[-2] == "-d"
    wanted = body["query"]["bool"]["filter"]
    assert {"term": {"Owner": odd}} in wanted and {"wildcard": {"ScheddName": "*.demo.aerie"}} in wanted
    assert {"range": {"RecordTime": {"gte": 100}}} in wanted and len(wanted) == 4
    assert len(history.question("", "", 0, failed=False)["query"]["bool"]["filter"]) == 1


def test_the_command(the: Clone, asked: list[tuple[str, str]]) -> None:
    status, said = the.run("history", "demo", "--user", "alice")
    assert status == 0 and said.startswith(TABLE) and "\nNext: aerie history demo --failed --user alice" in said
    ((place, script),) = asked
    assert place == "cnaf" and '"*.demo.aerie"' in script and '"alice"' in script
    status, said = the.run("history", "--json")
    assert status == 0 and [u["user"] for u in json.loads(said)["users"]] == ["alice", "bob"]
    assert "wildcard" not in asked[-1][1]


def test_what_is_said_where_there_is_none(the: Clone) -> None:
    status, said = the.run("history", "demo")
    assert status == 2 and "keeps no history" in said
    assert "write monitoring: {history: {}} into federation.yaml" in said and "aerie ssh demo condor_history" in said


def test_refusals(the: Clone, asked: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "write such as 12h" in the.run("history", "--since", "long")[1]
    assert "there is no pool demmo" in the.run("history", "demmo")[1]
    assert asked == []
    monkeypatch.setattr("tools.reach.ask", lambda *_: Said("", "no route to host"))
    status, said = the.run("history")
    assert (
        status == 2 and "the index at cnaf does not answer: no route to host" in said and "Next: aerie status" in said
    )
    monkeypatch.setattr("tools.reach.ask", lambda *_: Said('{"hits": {}}'))
    status, said = the.run("history", "demo")
    assert status == 0 and "no such job of demo ended within 7d" in said and "--since 4w" in said
