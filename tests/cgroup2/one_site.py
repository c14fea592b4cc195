"""This checkout with one site of one machine, driven from here on another host's Docker engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NAME, SITE, POOL = "aerie-cgroup2", "torino", "demo"
# The host has a route to the front-end alone, so that these stay clear of its own networks and other federations'.
LANS, WAN, CONTAINERS, FIXED = "10.91.0.0/16", "10.92.0.0/24", "10.93.0.0/16", "10.94.0.0/24"
LAN, FRONT_END = "10.91.1.0/24", "10.91.1.10"
# Limits of time that an emulated host does not keep, in the clone only: file, text, text instead.
SLOW = (
    ("tools/login.py", '"ConnectTimeout=5"', '"ConnectTimeout=90"'),
    # A check asks HTCondor, which it gives 6 s: too few at times, but hardly ever thirty times in a row.
    ("components/batch/apps.py", 'Health("aerie-health", 20, 15, 3)', 'Health("aerie-health", 20, 15, 30)'),
    ("components/batch/marathon_app.py", "seconds: int = 300,", "seconds: int = 1200,"),
)
MACHINE = f"{NAME}-{SITE}-front-end"  # the container that acts as the machine


def one_site(federation: dict[str, Any]) -> dict[str, Any]:
    """federation.yaml's content with its first site alone, on other networks."""
    federation["name"] = NAME
    federation["network"] |= {"lans": LANS, "containers": CONTAINERS, "fixed": FIXED}
    federation["images"]["registry"] = WAN.replace(".0/24", ".1:5000")
    federation["embedded"]["wan"] = WAN
    site = federation["sites"][SITE]
    endpoint = WAN.replace(".0/24", ".11:51820")
    federation["sites"] = {
        SITE: site | {"lan": LAN, "containers": "10.93.0.0/18", "vpn_endpoint": endpoint, "quorum": True}
    }
    return federation


def small_pool(stack: dict[str, Any]) -> dict[str, Any]:
    """The pool's stack file with one small executor. An emulated cpu is slow: the other two get more of it than usual."""
    pool = stack["config"]["aerie:pool"]
    pool |= {"sites": [SITE], "central_manager": {"cpus": 0.8}}
    pool["submit_node"] |= {"cpus": 0.8}
    pool["executors"] |= {"count": 1, "cpus": 1, "memory": 512}
    return {"config": {"aerie:pool": pool}}


def rewrite(path: Path) -> None:
    """Makes the clone at `path` one of a single site, on a slow host."""

    def edit(name: str, change: Any) -> None:
        file = path / name
        file.write_text(yaml.safe_dump(change(yaml.safe_load(file.read_text())), sort_keys=False))

    for name, usual, patient in SLOW:
        file = path / name
        text = file.read_text()
        assert usual in text, f"{name} has no {usual!r} any more: see SLOW in {__file__}"
        file.write_text(text.replace(usual, patient))
    edit("federation.yaml", one_site)
    edit(f"Pulumi.{POOL}.yaml", small_pool)
    edit(f"Pulumi.{SITE}.yaml", lambda s: {"config": s["config"] | {"aerie:agents": 0}})
    edit("Pulumi.federation.yaml", lambda s: {"config": s["config"]})
    keep = {f"Pulumi.{name}.yaml" for name in ("federation", SITE, POOL)}
    for file in path.glob("Pulumi.*.yaml"):
        if file.name not in keep:
            file.unlink()


def clone_to(path: Path) -> None:
    """This checkout's files, committed or not, rewritten for one site."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        source = ROOT / name
        if source.is_file():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    rewrite(path)
    (path / ".venv").symlink_to((ROOT / ".venv").resolve())


@dataclass
class Site:
    """The clone at `path`, its state at `home`, and the Docker engine that its machine runs on."""

    path: Path
    home: Path
    docker_host: str

    @property
    def env(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "AERIE_HOME"))}
        return {**clean, "AERIE_HOME": str(self.home), "DOCKER_HOST": self.docker_host, "COLUMNS": "160"}

    def shell(self, script: str, timeout: float, check: bool = True) -> subprocess.CompletedProcess[str]:
        """With the environment of tools/env, in the clone. What it prints goes on as it comes, and is returned too."""
        command = [
            "bash",
            "-c",
            f'eval "$(tools/env)" && {{ {script}; }} 2>&1 | tee -a "$AERIE_HOME/run.log"; exit ${{PIPESTATUS[0]}}',
        ]
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.env,
            stdout=subprocess.PIPE,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check:
            assert done.returncode == 0, f"{script}: {done.returncode}\n{done.stdout[-6000:]}"
        return done

    def user(self, command: str, timeout: float = 300) -> str:
        """As the pool's user on the submit node."""
        login = re.search(r"^ *log in +ssh (.*)", (self.home / "run.log").read_text(), re.MULTILINE)
        assert login, "no command to log in was told"
        # The first of an option's values counts.
        ssh = ["ssh", "-o", "ConnectTimeout=120", *login.group(1).split(), command]
        done = subprocess.run(ssh, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def preview(self, stack: str, timeout: float = 600) -> list[str]:
        """The resources that `pulumi preview` would touch."""
        done = subprocess.run(
            ["bash", "-c", f'eval "$(tools/env)" && pulumi preview -s {stack} --json --non-interactive'],
            cwd=self.path, env=self.env, capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return [
            s["urn"].rsplit("::", 1)[-1] for s in json.loads(done.stdout)["steps"] if s["op"] not in ("same", "read")
        ]
