"""Stacks made by tools/stack-init and driven by the real CLI: what git sees, secrets, plugins' behaviour.

Each test works in a clone of its own, with a small program of its own, and a federation's home of its own.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parents[2]

# Comments, quotes and indentation that Pulumi's own writing of the file would change.
STACK_FILE = """\
# the site of Torino
config:
  toy:agents: 2        # count
  toy:places:
      - a
      - b
"""

PROGRAM = """\
import os
import pulumi
from pulumi_command import local

config = pulumi.Config()
secret = pulumi.Output.secret("hunter2")
parent = local.Command(
    "parent", create="cat >&2; pwd", stdin=secret, environment={"TOKEN": secret},
    delete="echo parent >> " + os.environ["GONE"],
)
child = local.Command(
    "child", create="true", delete="echo child >> " + os.environ["GONE"],
    opts=pulumi.ResourceOptions(parent=parent, deleted_with=parent),
)
pulumi.export("cwd", parent.stdout)
pulumi.export("agents", config.require_int("agents"))
pulumi.export("token", secret)
"""


class Clone:
    """A checkout with the tools, and the shell commands of its user."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self.home = home
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "AERIE_"))}
        self.env |= {"AERIE_HOME": str(home), "GONE": str(home.parent / "gone")}
        if "AERIE_CACHE" in os.environ:
            self.env["AERIE_CACHE"] = os.environ["AERIE_CACHE"]

    def run(self, script: str) -> str:
        """Run a script in bash; return its stdout. Raise AssertionError with its stderr if it fails."""
        done = subprocess.run(["bash", "-ec", script], cwd=self.path, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def pulumi(self, command: str) -> str:
        return self.run(f'eval "$(tools/env)"; pulumi {command} --non-interactive')

    def status(self) -> str:
        return self.run("git status --porcelain")


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    work = tmp_path / "it's a clone"
    work.mkdir()
    shutil.copytree(ROOT / "tools", work / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (work / "federation.yaml").write_text("name: toy\n")
    (work / "Pulumi.yaml").write_text("name: toy\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (work / "__main__.py").write_text(PROGRAM)
    (work / ".gitignore").write_text("/.venv\n__pycache__/\n")
    for name in ("torino", "cnaf"):
        (work / f"Pulumi.{name}.yaml").write_text(STACK_FILE)
    (work / ".venv").symlink_to((ROOT / ".venv").resolve())
    made = Clone(work, tmp_path / "home")
    made.run("git init -q . && git add . && git -c user.name=a -c user.email=a@example.org commit -qm all")
    yield made
    for name in ("torino", "cnaf"):
        made.run(f'eval "$(tools/env)"; ! pulumi stack ls -j | grep -q {name} || pulumi destroy -s {name} -yf')


def state(clone: Clone, stack: str = "torino") -> dict[str, dict[str, object]]:
    """Return the stack's resources as stored, by name."""
    text = (clone.home / f"state/.pulumi/stacks/toy/{stack}.json").read_text()
    found: dict[str, dict[str, object]] = {}
    for resource in json.loads(text)["checkpoint"]["latest"].get("resources", []):
        found[resource["urn"].rsplit("::", 1)[1]] = resource
    return found


def test_git_sees_nothing_of_the_salt(clone: Clone) -> None:
    clone.run("tools/stack-init torino cnaf")
    assert clone.status() == ""
    for command in ("preview -s torino --diff", "up -s torino -y", "preview -s torino --expect-no-changes"):
        clone.pulumi(command)
        assert clone.status() == "", command
    # Another clone with the same home, driven by hand at once.
    other = Clone(clone.path.parent / "other", clone.home)
    clone.run(f"git clone -q . '{other.path}'")
    (other.path / ".venv").symlink_to((ROOT / ".venv").resolve())
    other.pulumi("preview -s torino --expect-no-changes")
    assert json.loads(other.pulumi("stack output -s torino -j"))["agents"] == 2
    assert other.status() == ""
    # The salt stays the same, and git neither commits it nor loses it on checkout.
    text = (other.path / "Pulumi.torino.yaml").read_text()
    assert text == (clone.path / "Pulumi.torino.yaml").read_text() != STACK_FILE
    assert [line for line in text.splitlines() if not line.startswith("encryptionsalt: v1:")] == STACK_FILE.splitlines()
    other.run(
        "sed -i 's/agents: 2/agents: 3/' Pulumi.torino.yaml;"
        "git -c user.name=a -c user.email=a@example.org commit -qam three; git checkout -q HEAD~1"
    )
    assert other.run("git show HEAD@{1}:Pulumi.torino.yaml") == STACK_FILE.replace("agents: 2", "agents: 3")
    assert (other.path / "Pulumi.torino.yaml").read_text() == text
    assert other.status() == ""
    other.pulumi("refresh -s torino -y")
    other.pulumi("destroy -s torino -y")
    assert other.status() == ""
    other.run("tools/stack-init --remove torino cnaf")
    assert (other.path / "Pulumi.torino.yaml").read_text() == STACK_FILE
    assert json.loads(other.pulumi("stack ls -j")) == []


def test_without_git(clone: Clone) -> None:
    shutil.rmtree(clone.path / ".git")
    clone.run("tools/stack-init torino")
    clone.pulumi("preview -s torino")
    clone.run("tools/stack-init --remove torino cnaf")
    assert (clone.path / "Pulumi.torino.yaml").read_text() == STACK_FILE


def test_a_change_of_the_user_shows_alone(clone: Clone) -> None:
    clone.run("tools/stack-init torino")
    clone.run("sed -i 's/agents: 2/agents: 3/' Pulumi.torino.yaml")
    diff = clone.run("git diff -U0 | grep '^[-+] '").splitlines()
    assert diff == ["-  toy:agents: 2        # count", "+  toy:agents: 3        # count"]


def test_init_says_nothing_again_and_finds_the_salt_of_another_home(clone: Clone, tmp_path: Path) -> None:
    clone.run("tools/stack-init torino cnaf")
    assert clone.run("tools/stack-init torino cnaf") == ""
    # The checkout is used with a new home: what the old one left in the file doesn't count.
    clone.env["AERIE_HOME"] = str(tmp_path / "new home")
    clone.run("tools/stack-init torino")
    clone.pulumi("preview -s torino")
    assert clone.status() == ""


def test_secrets_are_encrypted_in_the_state(clone: Clone) -> None:
    clone.run("tools/stack-init torino")
    clone.pulumi("up -s torino -y")
    text = (clone.home / "state/.pulumi/stacks/toy/torino.json").read_text()
    parent = state(clone)["parent"]
    # The script itself prints its standard input to stderr; what it prints is its own affair.
    outputs, inputs = parent["outputs"], parent["inputs"]
    assert isinstance(outputs, dict) and isinstance(inputs, dict)
    assert outputs.pop("stderr") == "hunter2"
    for place in (inputs, outputs):
        assert "hunter2" not in json.dumps(place)
        assert "ciphertext" in place["stdin"] and "ciphertext" in place["environment"]["TOKEN"]
    assert text.count("hunter2") == 1
    assert json.loads(clone.pulumi("stack output -s torino -j --show-secrets"))["token"] == "hunter2"


def test_scripts_run_in_the_project_and_deleted_with_runs_none(clone: Clone) -> None:
    clone.run("tools/stack-init torino")
    clone.pulumi("up -s torino -y")
    assert json.loads(clone.pulumi("stack output -s torino -j"))["cwd"] == str(clone.path)
    clone.pulumi("destroy -s torino -y")
    assert (clone.home.parent / "gone").read_text() == "parent\n"


def test_env_sets_up_a_home_for_the_user_alone(clone: Clone) -> None:
    clone.run("tools/env")
    for name, mode in (("", 0o700), ("state", 0o700), ("ssh", 0o700), ("passphrase", 0o600)):
        assert (clone.home / name).stat().st_mode & 0o777 == mode, name
    first = (clone.home / "passphrase").read_text()
    assert len(first) > 40
    clone.run("tools/env")
    assert (clone.home / "passphrase").read_text() == first
    # Twice in one shell leaves PATH as it is.
    assert clone.run('eval "$(tools/env)"; a=$PATH; eval "$(tools/env)"; [ "$a" = "$PATH" ] && echo same') == "same\n"
