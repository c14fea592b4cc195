"""The key that each executor has of its own, by which it knows the framework when no collector can hand out a session.

An executor checks no token of the pool's: whoever broke out of a job there could make such tokens himself. This key opens nothing but
the executor that holds it. It follows from the framework's own token and the task's id, so that nothing has to be stored. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import Mapping, Sequence

# What aerie-entrypoint calls the key in an executor, and what tokens name as theirs.
KEY = "executor"
IDENTITY = "framework"
_AUTHZ = "condor:/READ condor:/ADMINISTRATOR"
# Long ago: an executor whose clock is behind ours would refuse a token of the future.
_ISSUED = 1_600_000_000


def executor_key(tokens: Sequence[str], task: str) -> bytes:
    """Content of the key file of the executor that is this Mesos task (64 bytes); empty if the framework itself has no token."""
    return hmac.digest(tokens[0].strip().encode(), b"aerie executor " + task.encode(), "sha512") if tokens else b""


def token(key: bytes, domain: str) -> str:
    """An IDTOKEN for the framework (framework@<domain>), signed with an executor's key file."""
    claims = {
        "iat": _ISSUED,
        "iss": domain,
        "jti": hashlib.sha256(b"aerie jti " + key).hexdigest()[:32],
        "scope": _AUTHZ,
        "sub": f"{IDENTITY}@{domain}",
    }
    body = f"{_json({'alg': 'HS256', 'kid': KEY})}.{_json(claims)}"
    return f"{body}.{_encode(hmac.digest(_signing(key), body.encode(), 'sha256'))}"


def _signing(key: bytes) -> bytes:
    """As HTCondor makes it of a key file: each byte XORed with DE AD BE EF, then HKDF-SHA256 to 32 bytes."""
    plain = bytes(byte ^ mask for byte, mask in zip(key, itertools.cycle(b"\xde\xad\xbe\xef"), strict=False))
    return hmac.digest(hmac.digest(b"htcondor", plain, "sha256"), b"master jwt\x01", "sha256")


def _json(value: Mapping[str, object]) -> str:
    return _encode(json.dumps(value, separators=(",", ":"), sort_keys=True).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
