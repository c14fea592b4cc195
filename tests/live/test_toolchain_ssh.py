"""The command plugin against a real OpenSSH server, that of the image `machine`, driven by the real CLI."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parents[2]
IMAGE = "aerie/machine:latest"
NAME = f"aerie-test-toolchain-ssh-{os.getpid()}"

PROGRAM = """\
import json
import pathlib
import pulumi
from pulumi_command import remote

given = json.loads(pathlib.Path("given.json").read_text())
at = remote.ConnectionArgs(
    host="127.0.0.1", port=given["port"], private_key=pathlib.Path("key").read_text(), host_key=given["host_key"],
    dial_error_limit=3,
)
run = remote.Command("run", connection=at, create=given["script"], delete="echo gone > /root/gone", stdin="from stdin")
remote.CopyToRemote("copy", connection=at, source=pulumi.FileArchive("tree/"), remote_path="/root/tree")
pulumi.export("stdout", run.stdout)
"""


def sh(*command: str, **more: object) -> str:
    """Run a command; return its stdout. Raise CalledProcessError if it fails."""
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout  # type: ignore[call-overload,no-any-return]


@dataclass
class Project:
    path: Path
    env: dict[str, str]
    port: int
    host_key: str

    def give(self, script: str, host_key: str = "") -> None:
        """Say what the next update is to run, and with which host key pinned."""
        text = f'{{"port": {self.port}, "script": "{script}", "host_key": "{host_key or self.host_key}"}}'
        (self.path / "given.json").write_text(text)

    def start(self, command: str) -> subprocess.Popen[str]:
        pulumi = ["pulumi", *command.split(), "-s", "dev", "--non-interactive"]
        return subprocess.Popen(
            pulumi, cwd=self.path, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def pulumi(self, command: str) -> tuple[int, str]:
        """Run the CLI; return its exit status and all it printed."""
        process = self.start(command)
        text = process.communicate(timeout=120)[0]
        return process.returncode, text

    def inside(self, *command: str) -> str:
        return sh("docker", "exec", NAME, *command)


def until(what: str, true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not after {seconds} s: {what}"
        time.sleep(0.1)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode:
        pytest.skip(f"{IMAGE} is not built")
    keys = tmp_path / "machine"
    keys.mkdir()
    for path in (keys / "ssh_host_ed25519_key", tmp_path / "key"):
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path))
    (keys / "authorized_keys").write_text((tmp_path / "key.pub").read_text())
    sh(
        *f"docker run -d --init --name {NAME} -p 127.0.0.1::22 -v {keys}:/etc/aerie/machine:ro".split(),
        *f"--entrypoint sh {IMAGE} -c".split(), "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e",
    )  # fmt: skip
    env = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")} | {"AERIE_HOME": str(tmp_path / "home")}
    for line in sh("bash", "-c", 'eval "$(tools/env)"; env -0', cwd=ROOT, env=env).split("\0"):
        name, _, value = line.partition("=")
        if name.startswith("PULUMI_") or name == "PATH":
            env[name] = value
    port = int(sh("docker", "port", NAME, "22").split()[0].rsplit(":", 1)[1])
    made = Project(tmp_path, env, port, (keys / "ssh_host_ed25519_key.pub").read_text().strip())
    (tmp_path / "Pulumi.yaml").write_text(
        f"name: toy\nruntime: {{name: python, options: {{virtualenv: {ROOT}/.venv}}}}\n"
    )
    (tmp_path / "__main__.py").write_text(PROGRAM)
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "leaf").write_text("leaf\n")
    try:
        assert made.pulumi("stack init")[0] == 0
        yield made
    finally:
        sh("docker", "rm", "-f", NAME)


def test_commands_and_copies(project: Project) -> None:
    project.give("cat; hostname > /root/made")
    status, text = project.pulumi("up -y")
    assert status == 0, text
    assert project.inside("cat", "/root/tree/deep/leaf") == "leaf\n"
    assert project.pulumi("stack output stdout")[1].strip() == "from stdin"
    assert project.pulumi("preview --expect-no-changes")[0] == 0

    # What fails is told by its status and its stderr; the script is not.
    project.give("TOKEN=hunter2; echo the reason >&2; exit 5")
    status, text = project.pulumi("up -y --diff --suppress-outputs")
    assert status != 0
    said = [line for line in text.splitlines() if "exit status 5: the reason" in line]
    assert said and not any("hunter2" in line for line in said)
    project.give("true")
    assert project.pulumi("destroy -y")[0] == 0
    assert project.inside("cat", "/root/gone") == "gone\n"


def test_another_host_key_is_refused(project: Project) -> None:
    project.give("touch /root/made", host_key=(project.path / "key.pub").read_text().strip())
    status, text = project.pulumi("up -y")
    assert status != 0
    assert "ssh: " in text
    assert "made" not in project.inside("ls", "/root")


def test_an_interrupt_ends_the_script_over_there(project: Project) -> None:
    project.give("sleep 4321")
    process = project.start("up -y --skip-preview")

    def running() -> bool:
        return "4321" in project.inside("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")

    until("the script runs", running)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode != 0
    until("the script is gone", lambda: not running(), 10)
    project.give("true")
    status, text = project.pulumi("up -y --skip-preview")
    assert status == 0, text
