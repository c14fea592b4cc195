"""What Pulumi says, read: previews, refreshes, policies, mistakes; and what git says of a change. Git is real here, Pulumi a stand-in."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.unit import preview_data as data
from tests.unit.conftest import BASE
from tests.unit.rest_server import Rest, serving
from tools.preview import __main__ as command_line
from tools.preview import drift, record, run, saved
from tools.preview.checkout import NoChange, edits_since
from tools.preview.comment import Client, place
from tools.preview.events import parse, violations
from tools.preview.keys import key_changes
from tools.preview.model import Change, Diff, StackPreview
from tools.preview.read import counts_of, read_preview
from tools.preview.why import Edits, why

URN = "urn:pulumi:torino::aerie::aerie:cluster:Service$command:remote:Command::torino-front-end-etcd"


def step(op: str, old: dict[str, Any] | None, new: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    def state(inputs: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if inputs is None else {"type": "command:remote:Command", "custom": True, "inputs": inputs}

    return {"op": op, "urn": URN, "oldState": state(old), "newState": state(new), **more}


def only(*steps: dict[str, Any], **more: Any) -> Change:
    (change,) = read_preview("torino", {"steps": list(steps), **more}).changes
    return change


def test_a_replacement_told_in_three_steps_is_one() -> None:
    old, new = {"triggers": ["a"]}, {"triggers": ["b"]}
    three = [
        step("create-replacement", old, new, replaceReasons=["triggers"]),
        step("replace", old, new),
        step("delete-replaced", old, None),
    ]
    for steps in (three, three[::-1], [step("replace", old, new, replaceReasons=["triggers"])]):
        found = only(*steps)
        assert (found.op, found.diffs) == (
            "replace",
            (Diff("triggers", "a", "b", bool([s for s in steps if s.get("replaceReasons")])),),
        )
    assert counts_of({"changeSummary": {"create-replacement": 2, "delete-replaced": 2, "replace": 2, "same": 4}}) == {
        "replace": 2,
        "same": 4,
    }


def test_differences_deep_inside() -> None:
    old = {"app": {"cpus": 1, "args": ["a", "b"], "health": [{"t": 1}, {"t": 2}]}, "__defaults": ["z"], "z": 1}
    new = {"app": {"cpus": 2, "args": ["a", "c"], "health": [{"t": 1}]}, "__defaults": ["z"], "z": 2}
    assert [(d.path, d.old, d.new) for d in only(step("update", old, new)).diffs] == [
        ("app.args", "a\nb", "a\nc"),
        ("app.cpus", "1", "2"),
        ("app.health[1].t", "2", None),
    ]


def test_what_the_engine_names_and_nobody_sees_is_told() -> None:
    found = only(step("update", {"env": "[secret]"}, {"env": "[secret]"}, diffReasons=["env", "__provider"]))
    assert found.diffs == (Diff("env", "(secret)", "(secret), changed"),)


def test_components_and_stacks_are_no_changes() -> None:
    steps = [
        {
            "op": "update",
            "urn": "urn:pulumi:a::b::pulumi:pulumi:Stack::x",
            "newState": {"type": "pulumi:pulumi:Stack", "custom": False},
        }
    ]
    assert read_preview("torino", {"steps": steps}).changes == ()


def test_an_error_is_told_without_its_trace() -> None:
    trace = 'error: Program failed with an unhandled exception:\nTraceback (most recent call last):\n  File "x.py", line 1\n    f()\n    ^^^\nValueError: no key'
    found = read_preview("torino", {"diagnostics": [{"severity": "error", "message": trace}]}, failed=True)
    assert found.errors == ("no key",)


def test_words_on_stderr_are_no_error_of_a_preview_that_went_well() -> None:
    said = [{"severity": "info#err", "message": "a warning"}]
    assert read_preview("torino", {"diagnostics": said, "changeSummary": {"same": 3}}).errors == ()


def test_a_failure_without_a_word_says_what_to_do() -> None:
    assert "run it by hand" in read_preview("torino", {}, failed=True).errors[0]


# -- one run of Pulumi


@pytest.mark.parametrize(
    ("code", "out", "err", "note", "errors"),
    [
        (255, "", "error: no stack named 'napoli' found", run.NEW, ()),
        (255, "", "error: passphrase must be set\n", "", ("error: passphrase must be set",)),
        (1, "", "", "", ("pulumi said nothing and ended with 1",)),
        (0, '{"changeSummary": {"same": 1}}', "warning: x", "", ()),
        (255, "{}", "error: no plugin for policies", "", ("error: no plugin for policies",)),
    ],
)
def test_one_run(code: int, out: str, err: str, note: str, errors: tuple[str, ...]) -> None:
    found = run.judge("napoli", code, out, err)
    assert (found.note, found.errors) == (note, errors)


def test_policies_are_told_by_the_events_alone() -> None:
    def said(level: str, name: str) -> str:
        event = {
            "policyName": name,
            "enforcementLevel": level,
            "message": "run etcd\n from its digest",
            "resourceUrn": URN,
        }
        return json.dumps({"sequence": 1, "policyEvent": event})

    log = "\n".join(
        [said("mandatory", "by-content"), said("advisory", "limits"), said("advisory", "limits"), '{"cut o']
    )
    refused, advised = violations(parse(log))
    assert refused == ["by-content: torino-front-end-etcd: run etcd from its digest"]
    assert advised == ["limits: torino-front-end-etcd: run etcd from its digest"]
    found = run.judge("torino", 255, "{}", "", log)
    assert found.errors == ("policy by-content: torino-front-end-etcd: run etcd from its digest",)
    assert run.judge("torino", 0, "{}", "", log.splitlines()[1]).advice == tuple(advised)


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in on PATH that answers with the recording of its stack, and notes its words; the folder where both are."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pulumi").write_text(
        f"""#!/bin/sh
echo "$*" >>{folder}/words
while [ $# -gt 0 ]; do case $1 in -s) stack=$2 ;; --event-log) log=$2 ;; esac; shift; done
[ ! -f {folder}/$stack.events ] || cat {folder}/$stack.events >"$log"
[ -f {folder}/$stack.json ] || {{ echo "error: no stack named '$stack' found" >&2; exit 255; }}
cat {folder}/$stack.json
! grep -q diagnostics {folder}/$stack.json
"""
    )
    (folder / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def put(folder: Path, scenario: str, *stacks: str) -> None:
    for stack in stacks:
        (folder / f"{stack}.json").write_text((data.DATA / scenario / f"{stack}.json").read_text())


def test_the_command_runs_what_is_asked_for(pulumi: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    put(pulumi, "image-of-etcd", "torino", "cnaf", "bari")
    args = [
        "-s",
        "torino",
        "-s",
        "cnaf",
        "--markdown",
        str(tmp_path / "c.md"),
        "--save",
        str(tmp_path / "r.json"),
        "--json",
    ]
    assert command_line.main(args, BASE) == 0
    told = json.loads(capsys.readouterr().out)
    assert [s["stack"] for s in told["stacks"]] == ["torino", "cnaf"]
    assert "restarts the etcd member of cnaf" in (tmp_path / "c.md").read_text()
    assert saved.dump(saved.load((tmp_path / "r.json").read_text())) == (tmp_path / "r.json").read_text()
    words = (pulumi / "words").read_text().splitlines()
    assert len(words) == 2 and all(
        w.startswith("preview -s ") and "--json" in w and "--non-interactive" in w for w in words
    )
    assert "--show-secrets" not in str(words)


def test_a_failed_preview_is_in_the_comment_and_in_the_exit_status(
    pulumi: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(pulumi, "mistake", "cnaf")
    assert command_line.main(["-s", "cnaf", "--markdown", "-"], BASE) == 1
    told = capsys.readouterr().out
    assert told.startswith("<!-- aerie preview") and "unknown key 'agnts'; write agents" in told


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-s", "pisa-no"], "no stack pisa-no here: there are federation, torino"),
        (["--changed-since=--output=x"], "no name of a commit"),
        (["--live", "/nowhere"], "this is not what `python -m tools.status --json` says"),
        (["--read", "/nowhere"], "this is no output of pulumi preview --json"),
        (["--read", "x", "-s", "torino"], "leave -s away"),
    ],
)
def test_wrong_usage(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(args, BASE) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_federation_with_mistakes_is_told_in_a_comment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "federation.yaml").write_text("name: aerie\nsitess: {}\n")
    assert command_line.main(["--markdown", "-"], tmp_path) == 1
    assert "unknown key 'sitess'; write sites" in capsys.readouterr().out


def test_jobs_are_counted_from_the_status(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"pools": [{"name": "demo", "jobs": {"running": 14}}, {"name": "grid", "jobs": None}]}))
    assert command_line.running_jobs(path) == {"demo": 14}


# -- what changed, by git and by key


def git(folder: Path, *words: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words], cwd=folder, check=True, capture_output=True
    )


def test_the_change_is_what_the_branch_did(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "federation.yaml").write_text("name: aerie\nnetwork: {mtu: 1380}\n")
    (tmp_path / "gone.txt").write_text("x")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "checkout", "-qb", "mine")
    (tmp_path / "gone.txt").rename(tmp_path / "moved.txt")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "two")
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "theirs.txt").write_text("x")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "three")
    git(tmp_path, "checkout", "-q", "mine")
    (tmp_path / "federation.yaml").write_text("name: aerie\nnetwork: {mtu: 1360}\n")
    (tmp_path / "new file.txt").write_text("x")
    found = edits_since(tmp_path, "main")
    assert found.files == ("federation.yaml", "gone.txt", "moved.txt", "new file.txt")
    assert [str(k) for k in found.keys["federation.yaml"]] == ["network.mtu from 1380 to 1360"]
    with pytest.raises(NoChange, match="fetch it first"):
        edits_since(tmp_path, "origin/nowhere")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("a: 1", "a: 1", []),
        ("config: {'aerie:agents': 2}", "config: {'aerie:agents': 3}", ["agents from 2 to 3"]),
        ("sites: {a: {x: 1}}", "sites: {a: {x: 1}, b: {x: 2}}", ["sites.b is new"]),
        ("sites: {a: {x: 1}, b: {x: 2}}", "sites: {a: {x: 1}}", ["sites.b is taken away"]),
        ("u: [{n: ada}]", "u: [{n: bob}, {n: eve}]", ["u[0].n from ada to bob", "u[1] is new"]),
        (
            "config: {'aerie:p': {secure: v1:abc:def}}",
            "config: {'aerie:p': {secure: v1:xyz:def}}",
            ["p from (secret) to (secret)"],
        ),
        ("encryptionsalt: a", "encryptionsalt: b", []),
        ("a: [", "a: 1", []),
        ("", "a: 1", ["a is new: 1"]),
    ],
)
def test_keys_that_changed(old: str, new: str, told: list[str]) -> None:
    assert [str(k) for k in key_changes(old, new)] == told


@pytest.mark.parametrize(
    ("files", "keys", "told"),
    [
        (("images/vpn/vpn",), {}, "`images/vpn/`"),
        (("images/base/Dockerfile",), {}, "`images/base/`, which it is built on"),
        (("federation.yaml",), {"federation.yaml": key_changes("a: 1", "a: 2")}, "nothing in this change"),
        (("images/etcd/Dockerfile", "components/site.py"), {}, "nothing in this change"),
    ],
)
def test_an_image_changes_by_its_files_alone(files: tuple[str, ...], keys: dict[str, Any], told: str) -> None:
    made = only(step("update", {"create": "run r/aerie/vpn:0123456789ab"}, {"create": "run r/aerie/vpn:ba9876543210"}))
    edits = Edits(files, keys, True, {"vpn": frozenset({"vpn", "base"})})
    said = why(made, edits)
    assert said[0] == "its image changes" and said[1].startswith(told)


def test_a_comment_in_a_file_is_no_reason() -> None:
    made = only(step("update", {"create": "run -e ETCD_NAME=a"}, {"create": "run -e ETCD_NAME=b"}))
    assert "nothing in this change" in why(made, Edits(("federation.yaml",), {}, True))[1]
    assert (
        "federation.yaml"
        in why(
            made, Edits(("federation.yaml",), {"federation.yaml": key_changes("sites: {a: 1}", "sites: {a: 2}")}, True)
        )[1]
    )


# -- drift


def drifted() -> list[StackPreview]:
    return [
        run.judge(s, 0, "", "", (data.DATA / "drift" / f"{s}.events").read_text(), "refresh") for s in ("bari", "demo")
    ]


@pytest.mark.parametrize("form", ["md", "txt"])
def test_what_a_refresh_found_is_told_so(form: str) -> None:
    console = Console(width=110, record=True, file=io.StringIO(), highlight=False)
    drift.tell(drifted(), console)
    told = drift.issue(drifted()) if form == "md" else console.export_text()
    path = data.DATA / "drift" / f"expected.{form}"
    if os.environ.get("AERIE_ACCEPT"):
        path.write_text(told)
    assert told == path.read_text()


def test_what_only_reads_otherwise_is_no_drift() -> None:
    """Docker's provider reads empty for what was never said: bari's machines, as they were recorded, are as they should be."""
    bari, demo = drifted()
    assert "update" in (data.DATA / "drift" / "bari.events").read_text() and bari.changes == ()
    assert "update" not in bari.counts and [c.op for c in demo.changes] == ["delete", "update"]


def test_an_option_that_somebody_took_away_is() -> None:
    text = (data.DATA / "drift" / "bari.events").read_text()
    assert "unless-stopped" in text
    events = [json.loads(line) for line in text.splitlines()]
    for event in events:
        if state := event.get("resOutputsEvent", {}).get("metadata", {}).get("new"):
            state["outputs"]["restart"] = "no"
    found = run.judge("bari", 0, "", "", "\n".join(json.dumps(e) for e in events), "refresh")
    assert {d.path for c in found.changes for d in c.diffs} == {"restart"}


@pytest.mark.parametrize("platform", ["github", "gitlab"])
def test_the_issue_comes_and_goes(platform: str) -> None:
    well = [StackPreview("demo", {"same": 9})]
    with serving(Rest(platform, may_ask_who=platform == "gitlab")) as rest:
        client = Client(place(rest.env))
        assert drift.write_issue(well, client) == "none"
        assert drift.write_issue(drifted(), client) == "opened"
        assert rest.issues[0]["title"] == "Drift: demo: changed by hand"
        assert drift.write_issue(drifted(), client) == "unchanged"
        # What could not be looked at is not well.
        assert drift.write_issue([StackPreview("demo", errors=("locked",))], client) == "edited"
        assert drift.write_issue(well, client) == "closed"


def test_the_nightly_command(pulumi: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(pulumi, "pool", "demo")
    (pulumi / "demo.events").write_text((data.DATA / "drift" / "demo.events").read_text())
    assert drift.main(["-s", "demo"], BASE) == 0
    assert "demo-central-manager (MarathonApp) is gone" in " ".join(capsys.readouterr().out.split())
    words = (pulumi / "words").read_text()
    assert words.startswith("refresh --preview-only -s demo"), "nothing but a look"
    assert drift.main(["-s", "nobody"], BASE) == 2


# -- what is kept as a recording


def test_a_recording_is_clean() -> None:
    said = {
        "steps": [
            {"op": "same", "urn": "u"},
            step(
                "update",
                {"x": "ssh-ed25519 " + "A" * 60 + " me"},
                {"x": "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"},
            ),
        ],
        "diagnostics": [{"message": "see /home/me/.aerie/x for more", "severity": "info"}],
    }
    found = record.recording(json.dumps(said))
    assert not re.search(r"AAAA|BEGIN|/home", found) and '"same"' not in found
    assert read_preview("torino", json.loads(found)).changes[0].diffs == (
        Diff("x", "ssh-ed25519 (a key) me", "(a certificate)"),
    )
