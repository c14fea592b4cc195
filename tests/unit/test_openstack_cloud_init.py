"""User data: data/cloud_init/<case>.yaml beside <case>.expected.

After a wanted change: AERIE_WRITE_EXPECTED=1 pytest tests/unit/test_openstack_cloud_init.py, and read the diff.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.iaas.cloud_init import READY, WAIT, FirstBoot, user_data

DATA = Path(__file__).parent / "data" / "cloud_init"
CASES = sorted(DATA.glob("*.yaml"))


def load(file: Path) -> FirstBoot:
    return FirstBoot(**yaml.safe_load(file.read_text()))


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_text_is_as_expected(file: Path) -> None:
    expected, text = file.with_suffix(".expected"), user_data(load(file))
    if os.environ.get("AERIE_WRITE_EXPECTED"):
        expected.write_text(text)
    assert text == expected.read_text()


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_what_is_read_is_what_was_given(file: Path) -> None:
    boot, text = load(file), user_data(load(file))
    assert text.startswith("#cloud-config\n"), "cloud-init goes by the first line"
    config: dict[str, Any] = yaml.safe_load(text)
    assert config["hostname"] == boot.hostname
    assert config["ssh_keys"] == {"ed25519_private": boot.host_private_key, "ed25519_public": boot.host_public_key}
    # Of an empty list of `ssh_genkeytypes` cloud-init says that it is too short; with `ssh_keys` it makes none anyway.
    assert "ssh_genkeytypes" not in config and config["ssh_deletekeys"] is True
    assert config["users"] == [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [boot.authorized_key]}]
    assert config["ssh_pwauth"] is False
    files = {f["path"]: f["content"] for f in config["write_files"]}
    docker = json.loads(files["/etc/docker/daemon.json"])
    assert docker["mtu"] == boot.mtu
    assert docker["insecure-registries"] == [boot.registry.split("/")[0]]
    assert "net.ipv4.ip_forward = 1\n" in files["/etc/sysctl.d/90-aerie.conf"]
    assert "169.254.169.254" in files["/etc/systemd/system/aerie-metadata.service"]


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_scripts_are_shell(file: Path) -> None:
    config: dict[str, Any] = yaml.safe_load(user_data(load(file)))
    programs = [f["content"] for f in config["write_files"] if f["permissions"] == "0755"]
    assert programs
    for script in (*config["runcmd"], *programs, WAIT):
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def run_wait(folder: Path, ready: bool) -> subprocess.CompletedProcess[str]:
    """Runs WAIT with stubs for the machine's programs."""
    for name, body in (
        ("cloud-init", 'echo "$@"'),
        ("docker", "echo 26.1.5"),
        ("hostname", "echo vm"),
        ("tail", "echo E: no network"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    if ready:
        (folder / "ready").touch()
    script = WAIT.replace(READY, str(folder / "ready"))
    return subprocess.run(["sh", "-c", script], env={"PATH": f"{folder}:/bin:/usr/bin"}, capture_output=True, text=True)


def test_wait(tmp_path: Path) -> None:
    done = run_wait(tmp_path, ready=True)
    assert (done.returncode, done.stdout) == (0, "26.1.5\n")


def test_wait_tells_what_went_wrong(tmp_path: Path) -> None:
    done = run_wait(tmp_path, ready=False)
    assert done.returncode == 1
    assert done.stderr == "cloud-init did not finish on vm; its last words:\nstatus --long\nE: no network\n"
