"""Stacks read from a backend's folder: as the CLI would tell them, or not at all. The states here are as Pulumi 3.260 wrote them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tools import status_stacks, status_state
from tools.status_stacks import PulumiFailed

WORDS = "correct horse"
SALT = base64.b64encode(b"12345678").decode()
MARKED = {status_state.SIGNATURE: status_state.SECRET}


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_state, "ROUNDS", 2)


class Backend:
    """A clone and its home with one backend."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.home = folder / "clone", folder / "my home"
        self.stacks = self.home / "state" / ".pulumi" / "stacks" / "aerie"
        self.stacks.mkdir(parents=True)
        self.root.mkdir()
        (self.root / "Pulumi.yaml").write_text("name: aerie\nruntime: python\n")
        (self.home / "passphrase").write_text(WORDS + "\n")
        monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(self.home / "passphrase"))
        monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{str(self.home).replace(' ', '%20')}/state")
        monkeypatch.setenv("AERIE_HOME", str(self.home))
        self.asked: list[tuple[str, ...]] = []
        monkeypatch.setattr(status_stacks, "_pulumi", self.pulumi)

    def pulumi(self, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Stands for the CLI."""
        self.asked.append(arguments)
        return subprocess.CompletedProcess(arguments, 0, '{"from": "the CLI"}', "")

    def seal(self, text: bytes) -> str:
        key = status_state.hashlib.pbkdf2_hmac(
            "sha256", WORDS.encode(), base64.b64decode(SALT), status_state.ROUNDS, status_state.KEY_BYTES
        )
        nonce = os.urandom(12)
        sealed = AESGCM(key).encrypt(nonce, text, None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    def secret(self, value: Any) -> dict[str, str]:
        return {**MARKED, "ciphertext": self.seal(json.dumps(value).encode())}

    def write(self, stack: str, outputs: dict[str, Any], version: int = 3) -> None:
        provider = {"type": "passphrase", "state": {"salt": f"v1:{SALT}:{self.seal(b'pulumi')}"}}
        resources = [{"type": "pulumi:pulumi:Stack", "outputs": outputs}, {"type": "other", "outputs": {"a": 0}}]
        latest = {"secrets_providers": provider, "resources": resources if outputs else None}
        self.put(stack, {"version": version, "checkpoint": {"latest": latest}})

    def put(self, stack: str, data: Any) -> None:
        (self.stacks / f"{stack}.json").write_text(json.dumps(data))


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    return Backend(tmp_path, monkeypatch)


def test_outputs_are_read_with_their_secrets(backend: Backend) -> None:
    backend.write("demo", {"a": [1, {"b": backend.secret({"c": ["d"]})}], "plain": "x"})
    backend.write("empty", {})
    backend.put("new", {"version": 3, "checkpoint": {"latest": None}})
    assert status_stacks.outputs("demo", backend.root) == {"a": [1, {"b": {"c": ["d"]}}], "plain": "x"}
    assert [status_stacks.outputs(s, backend.root) for s in ("empty", "new", "nowhere")] == [{}, {}, {}]
    assert status_stacks.known_stacks(backend.root) == ("demo",)
    assert not backend.asked


def test_nothing_is_stale(backend: Backend) -> None:
    for value in ("one", "two"):
        backend.write("demo", {"a": backend.secret(value)})
        assert status_stacks.outputs("demo", backend.root) == {"a": value}


def test_the_key_is_derived_once_and_kept_beside_the_passphrase_only(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.write("demo", {"a": backend.secret("b")})
    status_stacks.outputs("demo", backend.root)
    kept = backend.home / "keys" / "demo"
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700

    def derive(*_: object) -> bytes:
        raise AssertionError("derived again")

    with monkeypatch.context() as patch:
        patch.setattr(status_state.hashlib, "pbkdf2_hmac", derive)
        assert status_stacks.outputs("demo", backend.root) == {"a": "b"}
    kept.write_bytes(b"something else")
    assert status_stacks.outputs("demo", backend.root) == {"a": "b"}
    kept.unlink()
    elsewhere = tmp_path / "passphrase"
    elsewhere.write_text(WORDS)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(elsewhere))
    assert status_stacks.outputs("demo", backend.root) == {"a": "b"} and not kept.exists()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", WORDS)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/nowhere")
    assert status_stacks.outputs("demo", backend.root) == {"a": "b"} and not kept.exists()


def test_a_wrong_passphrase_is_told_though_the_key_was_kept(backend: Backend) -> None:
    backend.write("demo", {"a": backend.secret("b")})
    status_stacks.outputs("demo", backend.root)
    (backend.home / "passphrase").write_text("wrong horse")
    with pytest.raises(PulumiFailed, match="does not show the outputs of demo: incorrect passphrase"):
        status_stacks.outputs("demo", backend.root)


def test_what_is_not_known_exactly_is_left_to_the_cli(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> bool:
        before = len(backend.asked)
        assert status_stacks.outputs("demo", backend.root) == {"from": "the CLI"}
        return len(backend.asked) == before + 1

    backend.write("demo", {"a": "b"}, version=4)
    assert asked()
    backend.put("demo", [])
    assert asked()
    (backend.stacks / "demo.json").write_text('{"version": 3, "checkp')
    assert asked()
    backend.write("demo", {"a": {status_state.SIGNATURE: "something of another kind"}})
    assert asked()
    backend.write("demo", {"a": {**MARKED, "ciphertext": "v2:x:y"}})
    assert asked()
    backend.put("demo", json.loads((backend.stacks / "demo.json").read_text().replace("passphrase", "cloud")))
    assert asked()
    backend.write("demo", {"a": "b"})
    (backend.stacks / "demo.json.gz").write_bytes(b"")
    assert asked()
    (backend.stacks / "demo.json.gz").unlink()
    for url in ("s3://bucket", "file://~/state", "file:///nowhere", ""):
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
        assert asked()
