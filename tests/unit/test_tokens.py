from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.batch import tokens
from components.batch.tokens import TokenError, mint, pool_secrets, verify
from components.batch.types import PoolRole

from .test_condor_config import load

KEY = bytes(range(64))


def test_a_known_token() -> None:
    """Bytes that HTCondor 23.9.6 accepted; a change here is a change that no pool would understand."""
    token = mint(KEY, "alice@demo.aerie", "demo.aerie", authz=("READ",), iat=1700000000, jti="0" * 32)
    header = "eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ"
    assert token.split(".")[0] == header
    assert token == mint(KEY, "alice@demo.aerie", "demo.aerie", authz=("READ",), iat=1700000000, jti="0" * 32)


def test_a_token_that_htcondor_made() -> None:
    """By condor_token_create -identity bob@demo.aerie -authz READ -key POOL, with 64 times `k` in the key file."""
    theirs = (
        "eyJhbGciOiJIUzI1NiIsImtpZCI6IlBPT0wifQ."
        "eyJpYXQiOjE3OTU1NzQwNzUsImlzcyI6ImRlbW8uYWVyaWUiLCJqdGkiOiJjZTRiMTg4ODI1MDUxOTg4NDM3ODU2YWNjNmYxNzlhMSIsInNjb3BlIjoiY29uZG9yOlwvUkVBRCIsInN1YiI6ImJvYkBkZW1vLmFlcmllIn0."
        "5UMoXm99ldZgolEaKz0pflUy7W21nkm6JRZyZH11uP4"
    )
    found = verify(theirs, b"k" * 64)
    assert (found.identity, found.issuer, found.authz) == ("bob@demo.aerie", "demo.aerie", ("READ",))


@given(
    key=st.binary(min_size=1, max_size=100),
    key_id=st.sampled_from(["POOL", "submit"]),
    identity=st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1),
    authz=st.lists(st.sampled_from(["READ", "WRITE", "ADVERTISE_STARTD"]), unique=True),
    iat=st.integers(0, 2**33),
    lifetime=st.none() | st.integers(0, 10**6),
)
def test_what_is_minted_verifies(
    key: bytes, key_id: str, identity: str, authz: list[str], iat: int, lifetime: int | None
) -> None:
    token = mint(key, identity, "demo.aerie", key_id=key_id, authz=authz, iat=iat, lifetime=lifetime)
    found = verify(token, key)
    assert (found.identity, found.authz, found.issued, found.key_id) == (identity, tuple(authz), iat, key_id)
    assert found.expires == (None if lifetime is None else iat + lifetime)


def test_another_key_is_refused() -> None:
    with pytest.raises(TokenError, match="another key"):
        verify(mint(KEY, "a@b", "b"), KEY[::-1])


def test_the_key_id_matters() -> None:
    header, claims, signature = mint(KEY, "a@b", "b", key_id="submit").split(".")
    pool = mint(KEY, "a@b", "b").split(".")[0]
    assert header != pool
    with pytest.raises(TokenError, match="another key"):
        verify(f"{pool}.{claims}.{signature}", KEY)


def test_an_expired_token_is_refused() -> None:
    token = mint(KEY, "a@b", "b", iat=1000, lifetime=10)
    assert verify(token, KEY, now=1009).expires == 1010
    with pytest.raises(TokenError, match="expired 1 s ago"):
        verify(token, KEY, now=1011)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "e30.e30.e30", "é.é.é", "bnVsbA.bnVsbA.bnVsbA"])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        verify(text, KEY)


def test_no_algorithm_but_ours() -> None:
    none = tokens._json({"alg": "none", "kid": "POOL"})
    claims = mint(KEY, "a@b", "b").split(".")[1]
    with pytest.raises(TokenError, match="not HS256"):
        verify(f"{none}.{claims}.", KEY)


def test_a_pools_secrets_are_stable() -> None:
    spec = load("demo")
    first = pool_secrets(spec, KEY, KEY[::-1], "host key", iat=1700000000)
    assert first == pool_secrets(spec, KEY, KEY[::-1], "host key", iat=1700000000)
    rotated = pool_secrets(spec, KEY, KEY[::-1], "host key", iat=1700000000, generation=1)
    assert first.executor.token != rotated.executor.token


def test_each_role_has_the_least() -> None:
    secrets = pool_secrets(load("theory"), KEY, KEY[::-1], "host key", iat=1)
    executor = verify(secrets.executor.token, KEY)
    assert executor.identity == "executor@theory.aerie"
    assert executor.authz == ("READ", "ADVERTISE_MASTER", "ADVERTISE_STARTD")
    assert not secrets.executor.signing_key
    assert not secrets.executor.user_tokens
    submit = verify(secrets.submit.token, KEY)
    assert submit.authz == ("READ", "ADVERTISE_MASTER", "ADVERTISE_SCHEDD")
    assert secrets.submit.signing_key == KEY[::-1]  # not the pool's
    assert not secrets.central_manager.ssh_host_key
    everything = [secrets.of(role).token for role in PoolRole]
    everything += [token for both in secrets.submit.user_tokens.values() for token in both]
    assert len(set(everything)) == len(everything)


def test_users_and_administrators() -> None:
    secrets = pool_secrets(load("theory"), KEY, KEY[::-1], "host key", iat=1)
    for name, authz in (("bob", ("READ", "WRITE")), ("ada", ("READ", "WRITE", "ADMINISTRATOR"))):
        for token, key in zip(secrets.submit.user_tokens[name], (KEY, KEY[::-1]), strict=True):
            found = verify(token, key)
            assert (found.identity, found.authz) == (f"{name}@theory.aerie", authz)


def test_keys_from_one_seed_differ() -> None:
    keys = {tokens.signing_key_from_seed(b"0123456789abcdef", name) for name in ("pool", "submit")}
    assert len(keys) == 2
    assert {len(key) for key in keys} == {64}
    with pytest.raises(ValueError, match="too short"):
        tokens.signing_key_from_seed(b"short", "pool")
