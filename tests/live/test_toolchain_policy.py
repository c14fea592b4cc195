"""The policy pack run by the real CLI on this project's stacks, over a state that has the federation's keys and nothing else.

No machine is made: the federation's stack is brought up as far as its identities, and sites are previewed. A pool's stack needs a
living quorum, so its graph is judged by the unit tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.live
ROOT = Path(__file__).resolve().parents[2]
COPIED = ("components", "images", "policy", "tools", "__main__.py", "Pulumi.yaml", "federation.yaml")
STACKS = ("federation", "torino", "cnaf", "bari", "demo")
# Networks that neither this machine nor another test's federation has.
RENUMBERED = {
    "172.31.": "10.224.",
    "10.65.": "10.225.",
    "10.66.": "10.226.",
    "172.30.": "10.227.",
    "name: aerie": "name: policies",
}
KEYS = "--target '**aerie:index:Federation::*' --target '**dynamic/identity:**'"


class Checkout:
    """A copy of the project with a home of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "AERIE_"))}
        self.env["AERIE_HOME"] = str(path.parent / "home")
        for name in ("AERIE_CACHE", "AERIE_PULUMI"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def run(self, script: str, check: bool = True) -> str:
        """What the script says; raises AssertionError with it if it fails."""
        done = subprocess.run(
            ["bash", "-c", f'set -e; eval "$(tools/env)"; {script}'],
            cwd=self.path,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return f"{done.stdout}{done.stderr}\nexit status {done.returncode}"

    def preview(self, stack: str, more: str = "", check: bool = True) -> str:
        return self.run(f"pulumi preview -s {stack} --policy-pack policy {more} --non-interactive", check)

    def change(self, file: str, old: str, new: str) -> None:
        path = self.path / file
        text = path.read_text()
        assert old in text, f"{file} has no {old}"
        path.write_text(text.replace(old, new, 1))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the federation's keys made, for all tests."""
    path = tmp_path_factory.mktemp("policies") / "aerie"
    path.mkdir()
    for name in (*COPIED, *(f"Pulumi.{stack}.yaml" for stack in STACKS)):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(source, path / name)
    (path / ".venv").symlink_to((ROOT / ".venv").resolve())
    file = path / "federation.yaml"
    text = file.read_text()
    for old, new in RENUMBERED.items():
        text = text.replace(old, new)
    file.write_text(text)
    checkout = Checkout(path)
    checkout.run(f"tools/stack-init {' '.join(STACKS[:-1])}")
    checkout.run(f"pulumi up -s federation --yes --skip-preview {KEYS} --non-interactive")
    return path


@pytest.fixture
def checkout(base: Path, tmp_path: Path) -> Iterator[Checkout]:
    """A copy that a test may change, with the home of all."""
    path = tmp_path / "aerie"
    shutil.copytree(base, path, symlinks=True)
    found = Checkout(path)
    found.env["AERIE_HOME"] = str(base.parent / "home")
    yield found


def test_the_real_stacks_keep_to_every_policy(base: Path) -> None:
    for stack in STACKS[:-1]:
        began = time.monotonic()
        said = Checkout(base).preview(stack)
        print(f"preview of {stack} with the policies: {time.monotonic() - began:.1f} s")
        assert "aerie@v" in said.partition("Policies:")[2], said
        assert "[mandatory]" not in said and "[advisory]" not in said


def test_a_broken_site_is_refused_in_our_words(checkout: Checkout) -> None:
    checkout.change(
        "components/fabric/vpn.py", 'capabilities=("NET_ADMIN",)', 'capabilities=("NET_ADMIN", "SYS_ADMIN")'
    )
    checkout.change("components/cluster/quorum.py", 'mounts=("etcd-data:/var/lib/etcd",),', "")
    checkout.change(
        "components/cluster/service.py", "files = secret(texts.apply(", "files = pulumi.Output.unsecret(texts.apply("
    )
    checkout.change("components/program.py", '/aerie/{name}:{tag}"', '/aerie/{name}:latest"')
    said = checkout.preview("torino", check=False)
    assert "exit status 0" not in said
    for words in (
        "torino-vpn: the container vpn has the capability SYS_ADMIN; in components/fabric/vpn.py, vpn_container: remove it",
        "torino-front-end-etcd: the container etcd keeps /var/lib/etcd in itself: a new container starts with nothing",
        # Its files are all known before anything is made, so that the mark of a secret is what is missed.
        "torino-front-end-zookeeper: stdin is not a secret; in components/cluster/service.py, stdin: wrap it",
        ":latest is not named by its content",
    ):
        assert words in said, f"{words}\n{said}"


def test_a_stack_is_judged_as_a_whole(checkout: Checkout) -> None:
    checkout.change("components/fabric/vpn.py", "in args.public_keys.items()", "in list(args.public_keys.items())[:1]")
    said = checkout.preview("torino", check=False)
    assert "exit status 0" not in said
    assert "torino has 1 VPN peer (cnaf) in a federation of 3 sites: the end of one tunnel would cut it off" in said


def test_single_policies_may_advise(checkout: Checkout) -> None:
    checkout.change(
        "components/fabric/vpn.py", 'capabilities=("NET_ADMIN",)', 'capabilities=("NET_ADMIN", "SYS_ADMIN")'
    )
    levels = json.dumps({"privileges-named": "advisory"})
    (checkout.path / "levels.json").write_text(levels)
    assert "[advisory]  privileges-named" in checkout.preview("torino", "--policy-pack-config levels.json")
    checkout.change("policy/PulumiPolicy.yaml", "levels: {}", f"levels: {levels}")
    assert "[advisory]  privileges-named" in checkout.preview("torino")
    checkout.change("policy/PulumiPolicy.yaml", levels, '{"privileges": "advisory"}')
    said = checkout.preview("torino", check=False)
    assert "exit status 0" not in said
    assert "levels.privileges: there is no policy privileges; write privileges-named" in said
