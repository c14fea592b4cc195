"""What it costs to drive many machines: a Docker provider for each, against one plugin that sends commands over SSH.

Both variants run against one sshd and one Docker engine (the real ones of a machine container), so that the number of plugin
processes and connections is the only difference. Each agent stands for one container made.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from components.iaas.docker import CAPABILITIES, SECURITY
from components.image_tags import image_tags

ROOT = Path(__file__).resolve().parent.parent
SIZES = (5, 20, 50)
NAME = "aerie-bench-machine"

PROVIDERS = """
import pulumi, pulumi_docker as docker
config = pulumi.Config()
for n in range(config.require_int("agents")):
    provider = docker.Provider(f"agent-{n}", host=f"ssh://root@{config.require('host')}:22", ssh_opts=[
        "-F", "none", "-i", config.require("key"), "-o", "UserKnownHostsFile=" + config.require("known_hosts"),
        "-o", "StrictHostKeyChecking=yes"])
    docker.Volume(f"volume-{n}", name=f"volume-{n}", opts=pulumi.ResourceOptions(provider=provider))
"""
COMMANDS = """
import pathlib, pulumi
from pulumi_command import remote
config = pulumi.Config()
connection = remote.ConnectionArgs(host=config.require("host"), private_key=pathlib.Path(config.require("key")).read_text(),
                                   host_key=config.require("host_key"))
for n in range(config.require_int("agents")):
    remote.Command(f"volume-{n}", connection=connection, create=f"docker volume create volume-{n}",
                   delete=f"docker volume rm volume-{n}")
"""


def _tree_memory(root: int) -> float:
    """Resident memory, MiB, of a process and all below it."""
    parents: dict[int, int] = {}
    memory: dict[int, int] = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
                memory[int(entry.name)] = int(fields[21]) * page
            except (OSError, IndexError):
                continue
    inside, frontier = {root}, {root}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier} - inside
        inside |= frontier
    return sum(memory.get(pid, 0) for pid in inside) / 2**20


def _measured(command: list[str], folder: Path, env: dict[str, str]) -> tuple[float, float]:
    """Seconds and the peak of resident memory (MiB) of the command with all its processes."""
    start, peak = time.monotonic(), 0.0
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, _tree_memory(process.pid))
            time.sleep(0.1)
    if process.returncode:
        raise RuntimeError((folder / "log").read_text()[-2000:])
    return time.monotonic() - start, peak


def _machine(folder: Path) -> tuple[str, str]:
    """A machine container with a key of its own; its address and its host key."""
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    image = f"aerie/machine:{image_tags(ROOT)['machine']}"
    options = [word for c in CAPABILITIES for word in ("--cap-add", c)] + [
        w for s in SECURITY for w in ("--security-opt", s)
    ]
    files = folder / "files"
    files.mkdir()
    (folder / "host").rename(files / "ssh_host_ed25519_key")
    (files / "authorized_keys").write_text((folder / "key.pub").read_text())
    subprocess.run(
        ["docker", "run", "-d", "--name", NAME, *options, "--device", "/dev/net/tun", "--cgroupns", "private", "--tmpfs",
         "/run:exec", "-v", f"{files}:/etc/aerie/machine:ro", image], check=True, capture_output=True,
    )  # fmt: skip
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    address = subprocess.run(
        ["docker", "inspect", "-f", form, NAME], check=True, capture_output=True, text=True
    ).stdout.strip()
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"{address} {host_key}\n")
    ssh = ["ssh", "-F", "none", "-i", str(folder / "key"), "-o", f"UserKnownHostsFile={folder / 'known_hosts'}",
           "-o", "StrictHostKeyChecking=yes", f"root@{address}", "docker info"]  # fmt: skip
    until = time.monotonic() + 60
    while subprocess.run(ssh, capture_output=True).returncode:
        if time.monotonic() > until:
            raise RuntimeError("the machine does not come up")
        time.sleep(0.5)
    return address, host_key


def drivers(console: Console) -> None:
    """The table of docs/decisions/0001-driving-machines.md."""
    table = Table("agents", "driven by", "up, s", "peak MiB", "preview, s", title="pulumi, all its processes")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run(["docker", "rm", "-f", "-v", NAME], capture_output=True)
        try:
            address, host_key = _machine(folder)
            for size in SIZES:
                for kind, program in (("Docker providers", PROVIDERS), ("SSH commands", COMMANDS)):
                    row = _variant(folder / f"{size}-{kind[:3]}", program, size, address, host_key, folder)
                    table.add_row(str(size), kind, *row)
        finally:
            subprocess.run(["docker", "rm", "-f", "-v", NAME], capture_output=True)
    console.print(table)


def _variant(work: Path, program: str, size: int, address: str, host_key: str, keys: Path) -> list[str]:
    work.mkdir()
    (work / "state").mkdir()
    (work / "Pulumi.yaml").write_text(
        f"name: bench\nruntime:\n  name: python\n  options:\n    virtualenv: {ROOT / '.venv'}\n"
    )
    (work / "__main__.py").write_text(program)
    env = {**os.environ, "PULUMI_BACKEND_URL": f"file://{work / 'state'}", "PULUMI_CONFIG_PASSPHRASE": "bench"}
    env.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    subprocess.run(["pulumi", "stack", "init", "bench"], cwd=work, env=env, check=True, capture_output=True)
    values = {
        "agents": str(size),
        "host": address,
        "host_key": host_key,
        "key": keys / "key",
        "known_hosts": keys / "known_hosts",
    }
    for key, value in values.items():
        subprocess.run(["pulumi", "config", "set", key, str(value)], cwd=work, env=env, check=True, capture_output=True)
    up, peak = _measured(["pulumi", "up", "--yes", "--skip-preview"], work, env)
    preview, _ = _measured(["pulumi", "preview", "--expect-no-changes"], work, env)
    _measured(["pulumi", "destroy", "--yes", "--skip-preview"], work, env)
    return [f"{up:.1f}", f"{peak:.0f}", f"{preview:.1f}"]
