"""What is told of recorded previews: the comment and the screen, word for word; and that neither ever tells a secret or grows too long."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
from typing import Any

import pytest

from tests.unit import preview_data as data
from tools.preview import markdown as md
from tools.preview import saved, scrub
from tools.preview.cost import Farm
from tools.preview.model import Change, Diff, Report, StackPreview
from tools.preview.read import read_preview
from tools.preview.report import report
from tools.preview.texts import diff_lines

FARM = Farm(data.SITES, data.SITES)
LEAK = "hunter2-is-no-password"


def mark(what: str) -> str:
    """The first or last line of a PEM key, put together here so that nothing looks like a key to whoever searches for one."""
    return " ".join((f"-----{what}", "PRIVATE", "KEY-----"))


@pytest.mark.parametrize("scenario", data.SCENARIOS)
@pytest.mark.parametrize("form", ["md", "txt"])
def test_it_is_told_so(scenario: str, form: str) -> None:
    """AERIE_ACCEPT=1 writes what is told now; read it before you commit it."""
    the = data.the_report(scenario)
    told = md.markdown(the) if form == "md" else data.screen(the)
    path = data.DATA / scenario / f"expected.{form}"
    if os.environ.get("AERIE_ACCEPT"):
        path.write_text(told)
    assert told == path.read_text()


@pytest.mark.parametrize("scenario", data.SCENARIOS)
def test_what_is_saved_is_what_is_loaded(scenario: str) -> None:
    the = data.the_report(scenario)
    assert saved.load(saved.dump(the)) == the


def test_one_member_after_the_other_is_told() -> None:
    the = data.the_report("image-of-etcd")
    assert any("3 sites (torino, cnaf, bari: etcd)" in w and "2 of 3" in w for w in the.warnings)
    alone = report(data.previews("image-of-etcd")[:1], FARM)
    assert not any("members of the quorum" in w for w in alone.warnings)


def test_two_members_in_one_stack_are_told() -> None:
    made = [
        Change("torino", "update", "command:remote:Command", f"{m}-etcd") for m in ("torino-front-end", "torino-second")
    ]
    the = report([StackPreview("torino", {"update": 2}, tuple(made))], FARM)
    assert any("2 members of one quorum at once" in w for w in the.warnings)


def test_a_change_of_who_is_a_member_is_told() -> None:
    diff = Diff("create", "-e ETCD_INITIAL_CLUSTER=a=1,b=2 x", "-e ETCD_INITIAL_CLUSTER=a=1,b=2,c=3 x")
    made = Change("cnaf", "update", "command:remote:Command", "cnaf-front-end-etcd", (diff,))
    the = report([StackPreview("cnaf", {"update": 1}, (made,))], FARM)
    assert any("who is a member" in w for w in the.warnings)


def test_a_lost_quorum_is_told_with_its_numbers() -> None:
    one = Farm(("torino",), ("torino",))
    the = report(data.previews("image-of-etcd")[:1], one)
    assert "quorum is lost meanwhile: 0 of 1 left, 1 needed" in " ".join(the.items["torino"][0].costs)


def test_jobs_are_counted_if_somebody_counted_them() -> None:
    counted = report(data.previews("pool"), Farm(data.SITES, data.SITES, {"demo": 14}))
    assert "14 running jobs" in counted.items["demo"][0].costs[0]
    assert "the running jobs" in report(data.previews("pool"), FARM).items["demo"][0].costs[0]


def _leaking(found: dict[str, Any]) -> dict[str, Any]:
    """The recording with secrets in all forms in which they might slip through."""
    found = copy.deepcopy(found)
    cipher = {scrub.SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": LEAK}
    plain = {scrub.SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "plaintext": f'"{LEAK}"'}
    for step in found["steps"]:
        for which in ("oldState", "newState"):
            state = step.get(which)
            if state is not None and state.get("inputs") is not None:
                state["additionalSecretOutputs"] = ["told"]
                state["inputs"] |= {
                    "told": f"{LEAK} {which}",
                    "cipher": {"deep": [cipher, {"x": plain}]},
                    "pem": f"{which}\n{mark('BEGIN EC')}\n{LEAK}\n{mark('END EC')}",
                    "cut": f"{which} {mark('BEGIN')}\n{LEAK}",
                    "url": f"zk://mesos:{LEAK}@172.31.1.10:2181/{which}",
                    "json": f'{{"{scrub.SIGNATURE}": "1b", "ciphertext": "{LEAK} {which}"}}',
                    "__provider": f"{LEAK} {which}",
                }
    return found


@pytest.mark.parametrize("scenario", [s for s in data.SCENARIOS if s not in ("mistake", "no-quorum")])
def test_no_secret_is_ever_told(scenario: str) -> None:
    stacks = []
    for preview in data.previews(scenario):
        if not preview.errors:
            stacks.append(read_preview(preview.stack, _leaking(data.recorded(scenario, preview.stack))))
    the = report(stacks, FARM, data.edits(scenario))
    for told in (md.markdown(the, "gitlab"), data.screen(the, details=True), saved.dump(the)):
        assert LEAK not in told
    if any(c.op in ("update", "replace") for s in stacks for c in s.changes):
        assert scrub.SECRET in saved.dump(the)


def test_an_error_tells_no_secret() -> None:
    said = {"severity": "error", "message": f"cannot log in at https://admin:{LEAK}@172.31.1.10:8443"}
    found = read_preview("demo", {"diagnostics": [said]}, failed=True)
    assert found.errors and LEAK not in str(found.errors)


def test_a_secret_that_changes_is_told_without_its_value() -> None:
    state = {"type": "command:remote:Command", "custom": True, "inputs": {"stdin": "[secret]"}}
    step = {
        "op": "update",
        "urn": "urn:pulumi:torino::aerie::command:remote:Command::torino-front-end-etcd",
        "diffReasons": ["stdin"],
    }
    found = read_preview(
        "torino", {"steps": [{**step, "oldState": state, "newState": state}], "changeSummary": {"update": 1}}
    )
    assert found.changes[0].diffs == (Diff("stdin", "(secret)", "(secret), changed"),)


# -- the length of a comment


@functools.cache
def big(number: int, op: str = "create") -> Report:
    diffs = tuple(Diff(f"property{i}", None if op == "create" else "a" * 150, "b" * 150) for i in range(15))
    changes = [Change("torino", op, "docker:index/volume:Volume", f"volume-{i}", diffs) for i in range(number)]  # type: ignore[arg-type]
    hurt = Change("torino", "delete", "docker:index/container:Container", "torino-agent-9")
    return report([StackPreview("torino", {op: number, "delete": 1}, (*changes, hurt))], FARM)


@pytest.mark.parametrize("number", [1, 30, 500])
@pytest.mark.parametrize("platform", ["github", "gitlab"])
@pytest.mark.parametrize("op", ["create", "update"])
def test_a_comment_fits(number: int, platform: str, op: str) -> None:
    told = md.markdown(big(number, op), platform)
    assert len(told.encode()) <= md.LIMITS[platform]
    assert "the machine `torino-agent-9`" in told, "what hurts most is cut last"
    assert told.count("<details>") == told.count("</details>")
    fences = re.findall(r"^(`{3,})", told, re.MULTILINE)
    assert len(fences) % 2 == 0


def test_what_was_cut_is_told() -> None:
    told = md.markdown(big(200))
    assert re.search(r"Cut, so that it fits into a comment: the details of \d+ resources", told)
    assert "Cut" not in md.markdown(big(1))


def test_even_what_cannot_be_cut_fits() -> None:
    found = StackPreview("torino", errors=tuple("x" * 3000 for _ in range(40)))
    told = md.markdown(Report((found,), {}, tuple("warning " * 300 for _ in range(40))))
    assert len(told.encode()) <= md.LIMITS["github"]


# -- whoever opens a pull request chooses names and values


def test_nothing_that_somebody_wrote_becomes_markup() -> None:
    evil = "```\n</details><!-- x --> @everyone [a](javascript:b) <img src=x>"
    diff = Diff("create", f"old {evil}", f"new {evil}\nmore")
    made = Change("torino", "update", "command:remote:Command", "a`b</details>@all", (diff,))
    found = StackPreview("torino", {"update": 1}, (made,), advice=("<b>@all</b> | x",))
    told = md.markdown(report([found], FARM))
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", told, flags=re.MULTILINE | re.DOTALL)
    outside = re.sub(r"`[^`\n]*`", "", outside)
    for piece in ("@all", "@everyone", "<img", "<b>", "javascript:"):
        assert piece not in outside.replace("\\@", ""), piece
    assert outside.count("</details>") == 1


def test_a_long_command_shows_the_option_that_changes() -> None:
    line = (
        "docker run -d --name etcd --network host -e A=1 -e B={} -v /x:/y "
        + "-e FILLER=1 " * 20
        + "172.30.0.1:5000/aerie/etcd:0123456789ab"
    )
    shown = diff_lines(Diff("create", f"set -eu\n{line.format(1)}\n", f"set -eu\n{line.format(2)}\n"))
    assert "-   -e B=1" in shown and "+   -e B=2" in shown
    assert len(shown) < 12


def test_the_documentation_shows_what_is_really_told() -> None:
    shown = (data.DATA.parents[3] / "docs" / "changes.md").read_text()
    quoted = [line.removeprefix(">").removeprefix(" ") for line in shown.splitlines() if line.startswith(">")]
    told = (data.DATA / "pool" / "expected.md").read_text().splitlines()
    first = quoted[: quoted.index("</details>") + 1]
    assert [line for line in first if line] == [line for line in told[1:] if line]


def test_recordings_hold_nothing_of_the_machine_they_were_made_on() -> None:
    for path in data.DATA.glob("*/*"):
        text = path.read_text()
        for piece in ("/root/", "/home/", "/tmp/", "PRIVATE KEY", "BEGIN CERTIFICATE", "AAAAC3Nza"):
            assert piece not in text, f"{path}: {piece}"
        for said in re.findall(r'"ciphertext": "([^"]*)"', text):
            assert said == "[secret]", path
        if path.suffix == ".json":
            json.loads(text)
