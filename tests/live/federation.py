"""A whole federation for the live tests: a clone of this checkout with a name and networks of its own, brought up by
the user's own commands and taken down the same way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME = "aerie-test"
# Other networks than the default's, so that the tests run beside a federation that is up.
RENUMBERED = {"172.31.": "172.24.", "172.30.": "172.25.", "10.65.": "10.75.", "10.66.": "10.76."}


@dataclass
class Farm:
    """The clone, and what a user or an administrator does in it."""

    path: Path
    home: Path
    env: dict[str, str] = field(default_factory=dict)
    up_output: str = ""

    # -- the user's commands

    def run(self, *command: str, timeout: float = 900, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Its own process group, so that whatever it started ends with it when it takes too long."""
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)  # Pulumi writes its state and lets go of its lock
            try:
                out, err = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
            raise AssertionError(
                f"{' '.join(command)} has not ended after {timeout:.0f} s:\n{out[-4000:]}\n{err[-4000:]}"
            ) from None
        done = subprocess.CompletedProcess(command, process.returncode, out, err)
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def shell(self, script: str, timeout: float = 900, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A line as the README has it, with the environment of tools/env."""
        return self.run("bash", "-c", f'eval "$(tools/env)" && {script}', timeout=timeout, check=check)

    def preview(self, stack: str) -> dict[str, list[str]]:
        """What `pulumi preview` would do: operation -> names of resources, those left alone not among them."""
        done = self.shell(f"pulumi preview -s {stack} --json --non-interactive")
        steps = json.loads(done.stdout)["steps"]
        out: dict[str, list[str]] = {}
        for step in steps:
            if step["op"] not in ("same", "read"):
                kind, name = step["urn"].rsplit("::", 2)[-2:]
                out.setdefault(step["op"], []).append(f"{kind.rsplit('$', 1)[-1].rsplit(':', 1)[-1]} {name}")
        return {op: sorted(names) for op, names in out.items()}

    def up(self, stack: str, timeout: float = 900) -> None:
        self.shell(f"pulumi up -s {stack} --yes --skip-preview --non-interactive", timeout=timeout)

    def outputs(self, stack: str) -> dict[str, Any]:
        done = self.shell(f"pulumi stack output -s {stack} --json --show-secrets")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def edit(self, file: str, change: Callable[[Any], None]) -> None:
        """Changes a YAML file as an editor would; comments are lost, Pulumi's own keys are kept."""
        path = self.path / file
        data = yaml.safe_load(path.read_text())
        change(data)
        path.write_text(yaml.safe_dump(data, sort_keys=False))

    def registry(self) -> str:
        """Where its machines pull images from."""
        found: str = yaml.safe_load((self.path / "federation.yaml").read_text())["images"]["registry"]
        return found

    # -- the pool's user

    def ssh(self, script: str, timeout: float = 120, check: bool = True) -> str:
        """As the pool's user on the submit node."""
        pool = self.federation_login()
        done = subprocess.run([*pool, script], capture_output=True, text=True, timeout=timeout, env=self.env)
        if check and done.returncode:
            raise AssertionError(f"{script}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def federation_login(self) -> list[str]:
        found = re.search(r"log in +(ssh .*)", self.up_output)
        assert found, self.up_output
        return found.group(1).split()

    def submit(self, folder: str, seconds: int, count: int) -> str:
        """`count` jobs that sleep for so many seconds; the cluster's number. Their log is FOLDER/l."""
        text = f"executable=/bin/sleep\\narguments={seconds}\\nlog=l\\nqueue {count}\\n"
        script = f"mkdir -p {folder} && cd {folder} && printf '{text}' > j && condor_submit -terse j"
        return self.ssh(script).split(".")[0]

    def wait_jobs(self, folder: str, seconds: int) -> None:
        self.ssh(f"condor_wait -wait {seconds} {folder}/l", timeout=seconds + 30)

    def history(self, cluster: str, *attributes: str) -> list[list[str]]:
        """The attributes of each job of the cluster that has ended."""
        lines = self.ssh(f"condor_history {cluster} -af {' '.join(attributes)}").splitlines()
        return [line.split() for line in lines]

    def running(self, cluster: str) -> list[str]:
        """Where the cluster's jobs run now."""
        return [h for h in self.ssh(f"condor_q {cluster} -af RemoteHost").split() if h != "undefined"]

    # -- faults

    def machine(self, name: str) -> str:
        """The container that acts as the machine."""
        return f"{NAME}-{name}"

    def on(self, machine: str, *command: str, timeout: float = 120, check: bool = True) -> str:
        done = docker("exec", self.machine(machine), *command, timeout=timeout, check=check)
        return done.stdout


def docker(*args: str, timeout: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(args)}: {done.stderr}")
    return done


def machines() -> list[str]:
    """The federation's machines that run."""
    names = docker("ps", "--format", "{{.Names}}", "--filter", f"label=aerie.federation={NAME}").stdout.split()
    return sorted(n.removeprefix(f"{NAME}-") for n in names if "registry" not in n)


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 120, every: float = 0.5) -> Any:
    """The first truthy value of `condition`; whatever it raises counts as not yet."""
    until, last = time.monotonic() + seconds, None
    while time.monotonic() < until:
        try:
            value = condition()
            if value:
                return value
            last = value
        except (AssertionError, OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
            last = error
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds} s; last: {last}")


def clone_to(path: Path) -> None:
    """This checkout's files, committed or not, as a clone of their own with other networks."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        source = ROOT / name
        if source.is_file():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    for stack in path.glob("Pulumi.*.yaml"):  # not the salt of a federation that this checkout runs
        stack.write_text(re.sub(r"(?m)^encryptionsalt:.*\n", "", stack.read_text()))
    file = path / "federation.yaml"
    text = file.read_text().replace("name: aerie\n", f"name: {NAME}\n")
    for old, new in RENUMBERED.items():
        text = re.sub(rf"(?<![\d.]){re.escape(old)}", new, text)
    file.write_text(text)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "The tests' federation"]):
        identity = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
        subprocess.run(["git", *identity, *command], cwd=path, check=True, capture_output=True)


def left_over() -> list[str]:
    """Containers, networks and volumes that carry the federation's label."""
    out = []
    for kind, listing in (
        ("container", ["ps", "-a", "--format", "{{.Names}}"]),
        ("network", ["network", "ls", "--format", "{{.Name}}"]),
        ("volume", ["volume", "ls", "--format", "{{.Name}}"]),
    ):
        names = docker(*listing, "--filter", f"label=aerie.federation={NAME}").stdout.split()
        out += [f"{kind} {name}" for name in names]
    return out


def remove_left_over() -> None:
    """What an interrupted run of the tests left; by label, so nobody else's."""
    for kind, remove in (
        ("container", ["rm", "-f", "-v"]),
        ("network", ["network", "rm"]),
        ("volume", ["volume", "rm"]),
    ):
        for each in left_over():
            if each.startswith(kind):
                docker(*remove, each.partition(" ")[2])


def farm_at(base: Path) -> Farm:
    """The clone below `base` and its environment."""
    farm = Farm(base / "clone", base / "home")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "AERIE_HOME"))}
    farm.env = {**clean, "AERIE_HOME": str(farm.home), "COLUMNS": "160"}
    return farm


def make_farm(base: Path) -> Farm:
    """A new clone below `base`; nothing is up yet."""
    farm = farm_at(base)
    farm.path.mkdir(parents=True)
    clone_to(farm.path)
    return farm
