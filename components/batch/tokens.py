"""HTCondor IDTOKENS, made offline: a token is a JWT signed (HS256) with a secret derived from the pool's
signing key.

How HTCondor derives it (and nobody's document says it all): the key file holds the key with each byte XORed
with DE AD BE EF; the key named POOL, and only that, is taken twice in a row; HKDF-SHA256 makes 32 bytes of
it. Everything is deterministic, so that a token that was given its `iat` and `jti` does not change from one
run to the next."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import itertools
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .types import PoolRole, PoolSecrets, PoolSpec, RoleSecrets

KEY_BYTES = 64
POOL_KEY = "POOL"
SUBMIT_KEY = "submit"

# Least authority for each role's identity. The central manager's daemons talk to each other by their own
# means ("family session"); its token is for its negotiator's and master's ads all the same. Whoever may WRITE
# is decided by ALLOW lists too.
ROLE_IDENTITY = {
    PoolRole.CENTRAL_MANAGER: "central-manager",
    PoolRole.SUBMIT: "submit",
    PoolRole.EXECUTOR: "executor",
}
ROLE_AUTHZ = {
    PoolRole.CENTRAL_MANAGER: ("READ", "ADVERTISE_MASTER", "NEGOTIATOR"),
    PoolRole.SUBMIT: ("READ", "ADVERTISE_MASTER", "ADVERTISE_SCHEDD"),
    PoolRole.EXECUTOR: ("READ", "ADVERTISE_MASTER", "ADVERTISE_STARTD"),
}
# The framework watches the pool and drains executors; the queue it may only read.
FRAMEWORK_IDENTITY = "framework"
FRAMEWORK_AUTHZ = ("READ", "ADMINISTRATOR")
# Several central managers: HAD and REPLICATION of one command those of the others.
HIGH_AVAILABILITY_AUTHZ = (*ROLE_AUTHZ[PoolRole.CENTRAL_MANAGER], "DAEMON")
USER_AUTHZ = ("READ", "WRITE")
ADMIN_AUTHZ = ("READ", "WRITE", "ADMINISTRATOR")


class TokenError(ValueError):
    """A token that is not what it says."""


def generate_signing_key() -> bytes:
    """Content of a new key file (/etc/condor/passwords.d/<name>)."""
    return os.urandom(KEY_BYTES)


def signing_key_from_seed(seed: bytes, name: str) -> bytes:
    """Key file content derived from one secret, for who wants to keep a single secret (at least 16 bytes)."""
    if len(seed) < 16:
        raise ValueError(f"a seed of {len(seed)} bytes is too short; use 16 or more")
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=b"aerie " + name.encode()).derive(seed)


def _secret(key_file: bytes, key_id: str) -> bytes:
    key = bytes(byte ^ mask for byte, mask in zip(key_file, itertools.cycle(b"\xde\xad\xbe\xef"), strict=False))
    if key_id == POOL_KEY:
        key += key
    return HKDF(hashes.SHA256(), 32, salt=b"htcondor", info=b"master jwt").derive(key)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise TokenError(f"not base64: {error}") from error


def _json(value: dict[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":"), sort_keys=True).encode())


def mint(
    key_file: bytes,
    identity: str,
    issuer: str,
    *,
    key_id: str = POOL_KEY,
    authz: Sequence[str] = (),
    iat: int | None = None,
    jti: str | None = None,
    lifetime: int | None = None,
) -> str:
    """A token for `identity` (user@domain). `issuer`: the pool's TRUST_DOMAIN. `authz`: the most it may be
    used for; all of the identity's rights if empty. `iat`: Unix time, now if None. `lifetime`: seconds, no
    end if None."""
    issued = int(time.time()) if iat is None else iat
    claims: dict[str, Any] = {
        "iat": issued,
        "iss": issuer,
        "jti": jti or os.urandom(16).hex(),
        "sub": identity,
    }
    if lifetime is not None:
        claims["exp"] = issued + lifetime
    if authz:
        claims["scope"] = " ".join(f"condor:/{level}" for level in authz)
    body = f"{_json({'alg': 'HS256', 'kid': key_id})}.{_json(claims)}"
    return f"{body}.{_encode(hmac.digest(_secret(key_file, key_id), body.encode(), hashlib.sha256))}"


@dataclass(frozen=True)
class Token:
    """What a checked token says. Times are Unix times in seconds."""

    identity: str
    issuer: str
    key_id: str
    authz: tuple[str, ...]
    issued: int
    expires: int | None
    jti: str


def verify(token: str, key_file: bytes, *, now: int | None = None) -> Token:
    """The token's content; raises TokenError if another key signed it, if it is malformed or (given `now`)
    out of date."""
    try:
        header_part, claims_part, signature = token.strip().split(".")
        header, claims = json.loads(_decode(header_part)), json.loads(_decode(claims_part))
        key_id, scope = str(header["kid"]), str(claims.get("scope", ""))
        found = Token(
            identity=str(claims["sub"]),
            issuer=str(claims["iss"]),
            key_id=key_id,
            authz=tuple(part.removeprefix("condor:/") for part in scope.split()),
            issued=int(claims["iat"]),
            expires=int(claims["exp"]) if "exp" in claims else None,
            jti=str(claims.get("jti", "")),
        )
    except TokenError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TokenError(f"not a token: {error}") from error
    if header.get("alg") != "HS256":
        raise TokenError(f"algorithm {header.get('alg')!r}, not HS256")
    body = f"{header_part}.{claims_part}".encode()
    if not hmac.compare_digest(hmac.digest(_secret(key_file, key_id), body, hashlib.sha256), _decode(signature)):
        raise TokenError("signed with another key")
    if now is not None and found.expires is not None and found.expires <= now:
        raise TokenError(f"expired {now - found.expires} s ago")
    return found


def _jti(key_file: bytes, identity: str, key_id: str, generation: int) -> str:
    """A token's serial number: unique for who it is for, unguessable, and the same in every run."""
    message = f"{key_id} {identity} {generation}".encode()
    return hmac.digest(key_file, b"aerie jti " + message, hashlib.sha256).hex()[:32]


def pool_secrets(
    spec: PoolSpec, pool_key: bytes, submit_key: bytes, ssh_host_key: str, *, iat: int, generation: int = 0
) -> PoolSecrets:
    """All tokens of a pool. The same arguments give the same tokens; `iat` is when the keys were made (Unix
    time).

    Two keys, since only who holds a key can check tokens: the central manager checks those of the pool, the
    submit node those that let remote tools talk to the schedd. Whoever breaks into the submit node cannot
    make himself an executor."""

    def token(name: str, authz: Sequence[str], key_id: str = POOL_KEY) -> str:
        key, identity = (pool_key if key_id == POOL_KEY else submit_key), f"{name}@{spec.domain}"
        return mint(
            key,
            identity,
            spec.domain,
            key_id=key_id,
            authz=authz,
            iat=iat,
            jti=_jti(key, identity, key_id, generation),
        )

    def role_token(role: PoolRole) -> str:
        several = role is PoolRole.CENTRAL_MANAGER and len(spec.central_managers) > 1
        return token(ROLE_IDENTITY[role], HIGH_AVAILABILITY_AUTHZ if several else ROLE_AUTHZ[role])

    users = {
        user.name: (
            token(user.name, ADMIN_AUTHZ if user.admin else USER_AUTHZ),
            token(user.name, ADMIN_AUTHZ if user.admin else USER_AUTHZ, SUBMIT_KEY),
        )
        for user in spec.users
    }
    framework = RoleSecrets(
        token(FRAMEWORK_IDENTITY, FRAMEWORK_AUTHZ), admin_token=token(FRAMEWORK_IDENTITY, ("READ",), SUBMIT_KEY)
    )
    return PoolSecrets(
        central_manager=RoleSecrets(
            role_token(PoolRole.CENTRAL_MANAGER), pool_key, token("admin", ADMIN_AUTHZ, SUBMIT_KEY)
        ),
        submit=RoleSecrets(role_token(PoolRole.SUBMIT), submit_key, "", users, ssh_host_key),
        executor=RoleSecrets(role_token(PoolRole.EXECUTOR)),
        framework=framework if spec.via == "framework" else RoleSecrets(token=""),
    )
