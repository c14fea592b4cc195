"""Stacks as a backend that is a folder keeps them (PULUMI_BACKEND_URL=file://...), read from its files.

A start of the Pulumi CLI costs some tenths of a second of cpu, and one that shows secrets half a second more: it derives the
key from the passphrase. Here a file is read each time anew, so that nothing is stale, and the key is derived once. Whatever is
not exactly as known here is `Unfamiliar`: then the CLI is asked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Json = dict[str, Any]
VERSION = 3  # of the files, as Pulumi writes them
ROUNDS, KEY_BYTES = 1_000_000, 32  # of PBKDF2 with SHA-256, as Pulumi's passphrase provider has it
STACK = "pulumi:pulumi:Stack"
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"  # how Pulumi marks a secret
PROOF = b"pulumi"  # what is encrypted beside the salt, so that a wrong passphrase is known


class Unfamiliar(Exception):
    """The backend is no folder, or has something that only the CLI can read."""


class WrongPassphrase(Exception):
    """The passphrase does not open the stack's secrets."""


def stacks_folder(root: Path, environment: Mapping[str, str]) -> Path:
    """Where the backend keeps the project's stacks. Raises Unfamiliar."""
    kind, _, rest = environment.get("PULUMI_BACKEND_URL", "").partition("://")
    if kind != "file" or not rest.startswith("/") or "?" in rest:
        raise Unfamiliar("the backend is no folder")
    found = re.search(r"^name:[ \t]*([A-Za-z0-9._-]+)[ \t]*$", (root / "Pulumi.yaml").read_text(), flags=re.M)
    folder = Path(unquote(rest)) / ".pulumi" / "stacks" / (found[1] if found else "")
    if not found or not folder.is_dir():
        raise Unfamiliar("the backend has no folder of this project")
    if any(folder.glob("*.json.gz")):
        raise Unfamiliar("the states are compressed")
    return folder


def latest(file: Path) -> Json | None:
    """The stack's deployment, {} before its first update, None if there is no such stack. Raises Unfamiliar."""
    try:
        data = json.loads(file.read_bytes())
        if data["version"] != VERSION:
            raise Unfamiliar(f"{file} is of version {data['version']}")
        deployment = data["checkpoint"].get("latest") or {}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise Unfamiliar(f"{file}: {error}") from error
    if not isinstance(deployment, dict):
        raise Unfamiliar(f"{file}: its deployment is no block")
    return deployment


def names(folder: Path) -> list[str]:
    """The stacks that have a file."""
    return sorted(file.name.removesuffix(".json") for file in folder.glob("*.json"))


def plain_outputs(state: Json) -> Json:
    """A deployment's outputs with the secrets as they are, closed; {} if it has none."""
    found: Json = next((r.get("outputs") or {} for r in state.get("resources") or [] if r.get("type") == STACK), {})
    return found


def outputs(state: Json, stack: str, environment: Mapping[str, str]) -> Json:
    """A deployment's outputs, secrets in the clear. Raises Unfamiliar, WrongPassphrase."""
    found = plain_outputs(state)
    if not _has_secrets(found):
        return found
    provider = state.get("secrets_providers") or {}
    if provider.get("type") != "passphrase":
        raise Unfamiliar(f"{stack}: its secrets are with {provider.get('type')}")
    opened: Json = _open(found, _key(provider["state"]["salt"], stack, environment))
    return opened


def _has_secrets(value: Any) -> bool:
    if isinstance(value, dict):
        return SIGNATURE in value or any(map(_has_secrets, value.values()))
    return isinstance(value, list) and any(map(_has_secrets, value))


def _open(value: Any, key: bytes) -> Any:
    """`value` with its secrets in the clear."""
    if isinstance(value, dict):
        if SIGNATURE not in value:
            return {name: _open(one, key) for name, one in value.items()}
        if value[SIGNATURE] != SECRET or "ciphertext" not in value:
            raise Unfamiliar("an output is neither plain nor a secret")  # such as a file
        # A secret holds no other, but its text may hold what is marked in another way.
        return _plain(json.loads(_decrypt(value["ciphertext"], key)))
    return [_open(one, key) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if _has_secrets(value):
        raise Unfamiliar("a secret holds a value of Pulumi's own kind")
    return value


def _decrypt(text: str, key: bytes) -> bytes:
    """v1:NONCE:CIPHERTEXT, AES in GCM. Raises WrongPassphrase, Unfamiliar."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        version, nonce, sealed = text.split(":")
        if version != "v1":
            raise Unfamiliar(f"a secret of the form {version}")
        return AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None)
    except InvalidTag:
        raise WrongPassphrase("incorrect passphrase") from None
    except (ValueError, binascii.Error) as error:
        raise Unfamiliar(f"a secret of another form: {error}") from error


def _key(salt: str, stack: str, environment: Mapping[str, str]) -> bytes:
    """The key of the stack's secrets, for a salt as the state has it: v1:SALT:PROOF, the proof encrypted with that key."""
    version, _, rest = salt.partition(":")
    given, _, proof = rest.partition(":")
    if version != "v1" or not proof:
        raise Unfamiliar("a salt of another form")
    words, keep = _passphrase(environment)
    # Whoever has the passphrase has the key, so the key may lie beside it, and nowhere else.
    kept = keep / "keys" / stack if keep else None
    name = hashlib.sha256(f"{given} {words}".encode()).digest()
    if kept and (key := _kept(kept, name)) and _fits(proof, key):
        return key
    key = hashlib.pbkdf2_hmac("sha256", words.encode(), base64.b64decode(given), ROUNDS, KEY_BYTES)
    if not _fits(proof, key):
        raise WrongPassphrase("incorrect passphrase")
    if kept:
        _keep(kept, name + key)
    return key


def _fits(proof: str, key: bytes) -> bool:
    try:
        return _decrypt(proof, key) == PROOF
    except WrongPassphrase:
        return False


def _passphrase(environment: Mapping[str, str]) -> tuple[str, Path | None]:
    """As Pulumi finds it, and the folder of its file if that is AERIE_HOME. Raises Unfamiliar."""
    if "PULUMI_CONFIG_PASSPHRASE" in environment:
        return environment["PULUMI_CONFIG_PASSPHRASE"], None
    try:
        file = Path(environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
        home = environment.get("AERIE_HOME", "")
        return file.read_text().strip(), file.parent if home and file.parent == Path(home) else None
    except (KeyError, OSError, ValueError) as error:
        raise Unfamiliar(f"no passphrase: {error}") from error


def _kept(file: Path, name: bytes) -> bytes | None:
    """The key that was derived before, if it was from the same passphrase and salt."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    return data[len(name) :] if data.startswith(name) and len(data) == len(name) + KEY_BYTES else None


def _keep(file: Path, data: bytes) -> None:
    """Whole or not at all; where nothing can be written the key is derived again the next time."""
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        number, new = tempfile.mkstemp(dir=file.parent)  # readable by its owner only
        with os.fdopen(number, "wb") as out:
            out.write(data)
        os.replace(new, file)
    except OSError:
        return
