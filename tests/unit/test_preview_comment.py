"""One comment, edited; one issue, opened, edited and closed: against a stand-in that speaks the platforms' REST (tests/unit/rest_server.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import rest_server
from tests.unit.rest_server import Rest, serving
from tools.preview import comment
from tools.preview.comment import Client, NotHere, Refused, close_issue, place, put_comment, put_issue
from tools.preview.markdown import MARKER

TEXT = f"{MARKER}\nthree to create"
ISSUE = "<!-- drift -->"


@pytest.fixture(params=["github", "gitlab"])
def rest(request: pytest.FixtureRequest) -> Iterator[Rest]:
    with serving(Rest(request.param, may_ask_who=request.param == "gitlab")) as there:
        yield there


def client(rest: Rest, waited: list[float] | None = None) -> Client:
    return Client(place(rest.env), wait=(waited if waited is not None else []).append)


def test_it_is_written_once_and_edited_then(rest: Rest) -> None:
    rest.add("looks good to me", "ada")
    assert put_comment(client(rest), TEXT) == "written"
    assert put_comment(client(rest), f"{TEXT} more") == "edited"
    assert put_comment(client(rest), f"{TEXT} more") == "unchanged"
    assert [c["body"] for c in rest.comments] == ["looks good to me", f"{TEXT} more"]


def test_it_is_found_on_a_later_page(rest: Rest) -> None:
    for i in range(5):
        rest.add(f"word {i}", "ada")
    mine = rest.add(TEXT)
    assert put_comment(client(rest), f"{TEXT} more") == "edited"
    assert mine["body"] == f"{TEXT} more" and len(rest.comments) == 6
    assert len([c for c in rest.calls if c.startswith("GET") and "user" not in c]) == 3


def test_nobody_elses_comment_is_edited(rest: Rest) -> None:
    """Anybody may copy the marker."""
    theirs = rest.add(f"{TEXT} all is well, merge it", "mallory")
    rest.add(f"> {TEXT}")  # quoted by us, not begun with it
    assert put_comment(client(rest), TEXT) == "written"
    assert theirs["body"].endswith("merge it") and len(rest.comments) == 3


@pytest.mark.parametrize("ill", [[502], [500, 503, 429]])
def test_a_platform_that_is_ill_for_a_while_is_asked_again(rest: Rest, ill: list[int]) -> None:
    rest.ill = list(ill)
    waited: list[float] = []
    assert put_comment(client(rest, waited), TEXT) == "written"
    assert len(waited) == len(ill) and len(rest.comments) == 1


def test_one_that_stays_ill_is_told(rest: Rest) -> None:
    rest.ill = [503] * 50
    with pytest.raises(Refused, match="503"):
        put_comment(client(rest), TEXT)
    assert rest.comments == []


def test_a_refusal_is_told_with_what_to_do_and_without_the_token(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_server, "TOKEN", "another")
    where = place({**rest.env, "GITHUB_TOKEN": "wrong-token", "AERIE_GITLAB_TOKEN": "wrong-token"})
    with pytest.raises(Refused, match=r"401.*the token is not valid") as refusal:
        put_comment(Client(where), TEXT)
    assert "wrong-token" not in str(refusal.value) and "wrong-token" not in repr(where)
    assert len([c for c in rest.calls if "user" not in c]) == 1, "a refusal is no illness"


def test_the_token_is_sent_nowhere_else(rest: Rest) -> None:
    with serving(Rest(rest.platform)) as other:
        rest.next_at = other.url
        for i in range(5):
            rest.add(f"word {i}", "ada")
        with pytest.raises(Refused, match="not asked there"):
            put_comment(client(rest), TEXT)
        assert other.calls == []


def test_the_issue_is_opened_edited_and_closed(rest: Rest) -> None:
    assert close_issue(client(rest), "all is well", ISSUE, "drift") == "none"
    assert put_issue(client(rest), "Drift: demo", f"{ISSUE} one", ISSUE, "drift") == "opened"
    assert put_issue(client(rest), "Drift: demo", f"{ISSUE} one", ISSUE, "drift") == "unchanged"
    assert put_issue(client(rest), "Drift: demo, bari", f"{ISSUE} two", ISSUE, "drift") == "edited"
    assert len(rest.issues) == 1 and rest.issues[0]["title"] == "Drift: demo, bari"
    assert close_issue(client(rest), "all is well", ISSUE, "drift") == "closed"
    assert rest.issues[0]["state"] == "closed" and rest.notes == [f"{rest.issues[0]['number']}: all is well"]
    assert put_issue(client(rest), "Drift: demo", f"{ISSUE} again", ISSUE, "drift") == "opened"
    assert len(rest.issues) == 2


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "neither GITHUB_REPOSITORY nor CI_PROJECT_ID"),
        ({"GITHUB_REPOSITORY": "a/b"}, "GITHUB_TOKEN is not set"),
        ({"CI_PROJECT_ID": "1"}, "AERIE_GITLAB_TOKEN is not set"),
        ({"GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "t", "AERIE_PULL_REQUEST": "7/../8"}, "write a number"),
    ],
)
def test_outside_of_a_ci_it_says_what_is_missing(env: dict[str, str], said: str) -> None:
    with pytest.raises(NotHere, match=said):
        place(env)


def test_a_push_has_no_comment() -> None:
    where = place({"GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "t", "GITHUB_REF": "refs/heads/main"})
    with pytest.raises(NotHere, match="no pull request"):
        put_comment(Client(where), TEXT)


def test_the_command(rest: Rest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "preview.md"
    file.write_text(TEXT)
    assert comment.main([str(file)], rest.env) == 0
    assert capsys.readouterr().out == "the comment is written\n"
    file.write_text("anything")
    assert comment.main([str(file)], rest.env) == 2
    assert comment.main([str(tmp_path / "none")], rest.env) == 2
    file.write_text(TEXT)
    rest.ill = [404] * 9
    assert comment.main([str(file)], rest.env) == 1
    assert "404" in capsys.readouterr().err
