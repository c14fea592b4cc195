"""How each kind of identity is made. Functions of their arguments and of the system's randomness only."""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
CA_DAYS, CERTIFICATE_DAYS = 3650, 1825

# Elliptic P-256: the libraries of every service here (Go, Java, OpenSSL in Mesos) take it.
CURVE = ec.SECP256R1()


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _builder(
    common_name: str, issuer: x509.Name, days: int, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)  # a clock that is behind must not refuse it
        .not_valid_after(now + days * DAY)
    )


def certificate_authority(common_name: str) -> dict[str, str]:
    """A self-signed CA: {certificate, private_key}, PEM."""
    key = ec.generate_private_key(CURVE)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(common_name, name, CA_DAYS, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return {"certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(), "private_key": _pem(key)}


def certificate(ca_certificate: str, ca_private_key: str, common_name: str, addresses: Sequence[str]) -> dict[str, str]:
    """A certificate for a server at IP `addresses` and, by its common name, for a client: {certificate, private_key}, PEM."""
    ca = x509.load_pem_x509_certificate(ca_certificate.encode())
    ca_key = serialization.load_pem_private_key(ca_private_key.encode(), None)
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise ValueError("the CA's private key is no elliptic-curve key")
    key = ec.generate_private_key(CURVE)
    builder = (
        _builder(common_name, ca.subject, CERTIFICATE_DAYS, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    if addresses:
        names = [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.sign(ca_key, hashes.SHA256())
    return {"certificate": signed.public_bytes(serialization.Encoding.PEM).decode(), "private_key": _pem(key)}


def ssh_key(comment: str) -> dict[str, str]:
    """An Ed25519 key in OpenSSH's form: {private_key, public_key}."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return {"private_key": private, "public_key": f"{public} {comment}"}


def wireguard_key() -> dict[str, str]:
    """A Curve25519 key in WireGuard's base64: {private_key, public_key}."""
    key = x25519.X25519PrivateKey.generate()
    raw, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
    private = key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    return {
        "private_key": base64.b64encode(private).decode(),
        "public_key": base64.b64encode(key.public_key().public_bytes(raw, form)).decode(),
    }


def password(size: int = 24) -> dict[str, str]:
    """A random password of `size` bytes, URL-safe base64: {value}."""
    return {"value": secrets.token_urlsafe(size)}


def signing_key(size: int = 64) -> dict[str, str]:
    """Random bytes for an HTCondor signing key, base64, and when they were made, Unix time: {value, made}."""
    made = int(datetime.now(UTC).timestamp())
    return {"value": base64.b64encode(secrets.token_bytes(size)).decode(), "made": str(made)}
