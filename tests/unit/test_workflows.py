"""The workflows of GitHub and GitLab: that what they call is there, that they may do no more than they must, and that nobody else's words are run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"
NOT_JOBS = {"stages", "default", "workflow", "variables", "include"}
# What may be called besides make and our modules: each does nothing with what others wrote.
PLAIN = ("cat preview.md >>", "echo ", "test ! -f preview.md || make comment", "exit ", "apt-get ")
MAKE = re.compile(r"(?:^|&& |\|\| )make ([a-z0-9-]+)")
MAY = {
    ("preview", "preview"): {"contents": "read", "pull-requests": "write"},
    ("preview", "fork"): {},
    ("drift", "drift"): {"contents": "read", "issues": "write"},
}


def github(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text())
    return found


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [(p.stem, name, job) for p in GITHUB for name, job in github(p)["jobs"].items()]


def gitlab() -> dict[str, dict[str, Any]]:
    return {n: j for n, j in yaml.safe_load(GITLAB.read_text()).items() if n not in NOT_JOBS and not n.startswith(".")}


def commands() -> list[tuple[str, str]]:
    """(where, command) of everything that is run, a line each."""
    out = [
        (f"{w}/{j}", line) for w, j, job in jobs() for s in job["steps"] if "run" in s for line in s["run"].splitlines()
    ]
    return out + [(f"gitlab/{n}", line) for n, job in gitlab().items() for line in job["script"]]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_are_three_workflows() -> None:
    assert [p.name for p in GITHUB] == ["apply.yml", "drift.yml", "preview.yml"]


@pytest.mark.parametrize(("where", "command"), commands())
def test_what_is_called_is_there(where: str, command: str) -> None:
    for target in MAKE.findall(command):
        assert target in targets(), f"{where}: make {target}: no such target in the Makefile"
    for module in re.findall(r"python -m ([\w.]+)", command):
        assert importlib.util.find_spec(module), f"{where}: no module {module}"
    assert command.startswith(("make ", "python -m tools.", *PLAIN)), (
        f"{where}: {command}: write it as a make target, so that it runs here too"
    )


@pytest.mark.parametrize("path", GITHUB, ids=lambda p: p.stem)
def test_nothing_runs_with_the_rights_of_the_base_on_others_code(path: Path) -> None:
    found = github(path)
    triggers = found[True]  # YAML 1.1 reads `on` as a truth
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers)
    assert found["permissions"] == {"contents": "read"}
    assert "concurrency" in found


@pytest.mark.parametrize(("workflow", "name", "job"), jobs(), ids=lambda x: x if isinstance(x, str) else "")
def test_a_job_may_no_more_than_it_must(workflow: str, name: str, job: dict[str, Any]) -> None:
    assert job.get("permissions", {"contents": "read"}) == MAY.get((workflow, name), {"contents": "read"})
    assert "timeout-minutes" in job
    own = "self-hosted" in job["runs-on"]
    assert own == ("environment" in job), "what has the keys has an environment, which says who may"
    if own and workflow == "preview":
        assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "GITHUB_TOKEN" not in str(step.get("run", ""))
    assert "GITHUB_TOKEN" not in job.get("env", {}), "only the step that speaks to GitHub gets the token"


@pytest.mark.parametrize("path", GITHUB, ids=lambda p: p.stem)
def test_actions_are_pinned_by_what_they_are(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize(("where", "command"), commands())
def test_nobody_elses_words_are_run(where: str, command: str) -> None:
    """`${{ ... }}` is put into a script before a shell reads it; variables are not, if they stand in quotes."""
    assert "${{" not in command, f'{where}: give it by env: and write "$NAME"'
    assert not re.search(r"make [^|&]*\$", command), (
        f"{where}: make expands what stands on its command line: give it by env:"
    )
    for found in re.finditer(r"\$[A-Z_]+", command):
        assert command[found.start() - 1] == '"' or command[: found.start()].count('"') % 2 == 1, (
            f"{where}: {command}: put it into quotes"
        )


def test_previews_give_way_and_applies_do_not() -> None:
    by = {p.stem: github(p)["concurrency"] for p in GITHUB}
    assert by["preview"]["cancel-in-progress"] is True and "pull_request.number" in by["preview"]["group"]
    # What changes or locks stacks is one at a time, and never cut off.
    assert by["apply"] == by["drift"] == {"group": "federation", "cancel-in-progress": False}
    apply = {n: j for w, n, j in jobs() if w == "apply"}["apply"]
    assert apply["environment"] == "federation" and apply["needs"] == "plan"


def test_gitlab_does_the_same() -> None:
    found = gitlab()
    assert set(found) == {"check", "preview", "plan", "apply", "drift"}
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID" in found["preview"]["rules"][0]["if"]
    assert found["apply"]["resource_group"] == found["drift"]["resource_group"] == "federation"
    assert found["apply"]["rules"][0]["when"] == "manual"

    def made(lines: list[str]) -> set[str]:
        return {target for line in lines for target in MAKE.findall(line)}

    theirs = {t for _, _, job in jobs() for s in job["steps"] for t in made([s.get("run", "")])}
    assert {t for job in found.values() for t in made(job["script"])} == theirs
