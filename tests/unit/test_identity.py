"""Keys and certificates, judged by the programs that use them: openssl and ssh-keygen."""

from __future__ import annotations

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from components.identity import keys
from components.identity.resources import _Identity
from components.spec.pool_rules import is_public_key

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
needs_ssh_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def ca() -> dict[str, str]:
    return keys.certificate_authority("aerie CA")


@pytest.fixture(scope="module")
def server(ca: dict[str, str]) -> dict[str, str]:
    return keys.certificate(ca["certificate"], ca["private_key"], "torino-front-end", ["172.31.1.10", "fd00::1"])


@needs_openssl
@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_chain(tmp_path: Path, ca: dict[str, str], server: dict[str, str], purpose: str) -> None:
    (tmp_path / "ca").write_text(ca["certificate"])
    (tmp_path / "server").write_text(server["certificate"])
    (tmp_path / "other").write_text(keys.certificate_authority("aerie CA")["certificate"])
    verify = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]
    assert openssl(*verify, str(tmp_path / "ca"), "-verify_ip", "172.31.1.10", str(tmp_path / "server")).endswith(
        ": OK\n"
    )
    assert "IP address mismatch" in openssl(
        *verify, str(tmp_path / "ca"), "-verify_ip", "172.31.1.11", str(tmp_path / "server")
    )
    assert "OK" not in openssl(*verify, str(tmp_path / "other"), str(tmp_path / "server"))


@needs_openssl
def test_a_certificate_cannot_sign_others(tmp_path: Path, ca: dict[str, str], server: dict[str, str]) -> None:
    false = keys.certificate(server["certificate"], server["private_key"], "x", [])
    for name, text in (("ca", ca["certificate"]), ("server", server["certificate"]), ("false", false["certificate"])):
        (tmp_path / name).write_text(text)
    said = openssl(
        "verify", "-CAfile", str(tmp_path / "ca"), "-untrusted", str(tmp_path / "server"), str(tmp_path / "false")
    )
    assert "OK" not in said


def test_certificate(ca: dict[str, str], server: dict[str, str]) -> None:
    made = x509.load_pem_x509_certificate(server["certificate"].encode())
    issuer = x509.load_pem_x509_certificate(ca["certificate"].encode())
    assert made.subject.rfc4514_string() == "CN=torino-front-end"
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["172.31.1.10", "fd00::1"]
    key_id = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key_id == issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    now = datetime.now(UTC)
    assert made.not_valid_before_utc < now - timedelta(hours=23)
    assert made.not_valid_after_utc > now + timedelta(days=1800)
    assert made.not_valid_after_utc < issuer.not_valid_after_utc
    private = serialization.load_pem_private_key(server["private_key"].encode(), None)
    assert private.public_key() == made.public_key()


def test_a_client_has_no_addresses(ca: dict[str, str]) -> None:
    made = x509.load_pem_x509_certificate(
        keys.certificate(ca["certificate"], ca["private_key"], "calico", [])["certificate"].encode()
    )
    with pytest.raises(x509.ExtensionNotFound):
        made.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_key_of_another_kind_is_refused(ca: dict[str, str]) -> None:
    other = keys.ssh_key("x")["private_key"]
    with pytest.raises(ValueError):
        keys.certificate(ca["certificate"], other, "x", [])


@needs_ssh_keygen
def test_ssh_key(tmp_path: Path) -> None:
    made = keys.ssh_key("aerie torino")
    file = tmp_path / "key"
    file.write_text(made["private_key"])
    file.chmod(0o600)
    derived = subprocess.run(["ssh-keygen", "-y", "-f", str(file)], capture_output=True, text=True, check=True).stdout
    assert derived.split()[:2] == made["public_key"].split()[:2]
    assert made["public_key"].endswith(" aerie torino")
    assert is_public_key(made["public_key"])


def test_wireguard_key() -> None:
    made = keys.wireguard_key()
    private = base64.b64decode(made["private_key"])
    public = X25519PrivateKey.from_private_bytes(private).public_key()
    assert public.public_bytes_raw() == base64.b64decode(made["public_key"])
    assert len(made["private_key"]) == len(made["public_key"]) == 44


@pytest.mark.skipif(not shutil.which("wg"), reason="wg is not installed")
def test_wireguard_key_as_wg_has_it() -> None:
    made = keys.wireguard_key()
    said = subprocess.run(["wg", "pubkey"], input=made["private_key"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == made["public_key"]


def test_passwords_and_signing_keys() -> None:
    passwords = {keys.password()["value"] for _ in range(50)}
    assert len(passwords) == 50
    # They stand in zk://USER:PASSWORD@HOST and in HTTP headers.
    assert all(len(p) == 32 and p.replace("-", "").replace("_", "").isalnum() for p in passwords)
    made = keys.signing_key()
    assert len(base64.b64decode(made["value"])) == 64
    assert abs(int(made["made"]) - datetime.now(UTC).timestamp()) < 60


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("ca", {"common_name": "x"}),
    ("ssh", {"comment": "x"}),
    ("wireguard", {}),
    ("password", {}),
    ("signing", {}),
]


@pytest.mark.parametrize(("kind", "inputs"), KINDS, ids=[k for k, _ in KINDS])
def test_an_identity_stays_until_its_inputs_change(kind: str, inputs: dict[str, Any]) -> None:
    provider = _Identity(kind, list(inputs))
    first = provider.create({**inputs, "generation": 0})
    second = provider.create({**inputs, "generation": 0})
    assert first.id != second.id and first.outs != second.outs
    assert first.outs is not None
    same = provider.diff(first.id, first.outs, {**inputs, "generation": 0})
    assert not same.changes and not same.replaces
    other = provider.diff(first.id, first.outs, {**inputs, "generation": 1})
    assert other.changes and other.replaces == ["generation"]


def test_a_new_ca_makes_new_certificates(ca: dict[str, str]) -> None:
    names = ["ca_certificate", "ca_private_key", "common_name", "addresses"]
    provider = _Identity("certificate", names)
    inputs = {
        "ca_certificate": ca["certificate"],
        "ca_private_key": ca["private_key"],
        "common_name": "x",
        "addresses": ["10.0.0.1"],
    }
    made = provider.create({**inputs, "generation": 0})
    assert made.outs is not None and made.outs["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    new = keys.certificate_authority("aerie CA")
    after = {**inputs, "ca_certificate": new["certificate"], "ca_private_key": new["private_key"], "generation": 0}
    assert provider.diff(made.id, made.outs, after).replaces == ["ca_certificate", "ca_private_key"]
