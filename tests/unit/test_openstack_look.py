"""How a cloud is asked: which credentials are taken, and what an error means to the user."""

from __future__ import annotations

from typing import Any

import keystoneauth1.exceptions as keystone
import pytest
from openstack.exceptions import HttpException
from openstack.image.v2.image import Image as CloudImage

from components.iaas.openstack.look import AUTH, OTHER, CloudError, connect, images, plain, settings
from components.spec.model import OpenStack

CLOUD = OpenStack(image="i", flavor="f", external_network="e", operators=["192.0.2.0/24"])


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OS_APPLICATION_CREDENTIAL_SECRET", "OS_AUTH_TYPE"):
        monkeypatch.delenv(name, raising=False)


def test_the_files_cloud_goes_before_all() -> None:
    named = CLOUD.model_copy(update={"cloud": "inaf"})
    assert settings(named, {"password": "x", "authUrl": "https://k"}) == {"cloud": "inaf"}


def test_nothing_given_leaves_it_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(CLOUD, {}) == {}
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", "x")
    assert settings(CLOUD, {}) == {"auth_type": "v3applicationcredential"}
    monkeypatch.setenv("OS_AUTH_TYPE", "v3oidcpassword")
    assert settings(CLOUD, {}) == {}


def test_the_stacks_own_configuration() -> None:
    given = {
        "authUrl": "https://k/v3",
        "userName": "u",
        "password": "p",
        "tenantName": "t",
        "region": "R1",
        "insecure": "true",
    }
    assert settings(CLOUD, given) == {
        "auth": {"auth_url": "https://k/v3", "username": "u", "password": "p", "project_name": "t"},
        "region_name": "R1",
        "verify": False,
    }
    given = {"authUrl": "https://k/v3", "applicationCredentialId": "i", "applicationCredentialSecret": "s"}
    said = settings(CLOUD, given)
    assert said["auth_type"] == "v3applicationcredential" and said["auth"]["application_credential_secret"] == "s"


def test_the_keys_are_those_of_pulumis_provider() -> None:
    import inspect

    import pulumi_openstack

    def snake(name: str) -> str:
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)

    known = inspect.signature(pulumi_openstack.Provider._internal_init).parameters
    assert {snake(name) for name in (*AUTH, *OTHER, "insecure")} <= set(known)


@pytest.mark.parametrize(
    ("error", "what", "mend"),
    [
        (
            keystone.Unauthorized("no"),
            "the cloud refuses the credentials",
            "correct user, password or application credential in W",
        ),
        (keystone.ConnectFailure("refused"), "the cloud does not answer (refused)", "correct auth_url in W"),
        (keystone.ConnectTimeout("late"), "the cloud does not answer (late)", "correct auth_url in W"),
        (keystone.DiscoveryFailure("html"), "the cloud does not answer (html)", "correct auth_url in W"),
        (
            keystone.SSLError("self-signed"),
            "the cloud's certificate is not trusted (self-signed)",
            "give its CA as cacert in W",
        ),
        (
            keystone.EndpointNotFound("no compute"),
            "the cloud's catalog lacks a service (no compute)",
            "correct region_name in W",
        ),
        (HttpException("oops"), "the cloud says: oops", "see W"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Exception) else None,
)
def test_what_an_error_means(error: Exception, what: str, mend: str) -> None:
    told = plain(error, "W")
    assert told.what == what and told.mend.startswith(mend)


def test_the_cause_counts() -> None:
    try:
        try:
            raise keystone.Unauthorized("no")
        except keystone.Unauthorized as cause:
            raise HttpException("wrapped") from cause
    except HttpException as error:
        assert plain(error, "W").what == "the cloud refuses the credentials"


def test_credentials_that_are_not_there(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CloudError, match="the credentials are not complete: Cloud nowhere was not found"):
        connect({"cloud": "nowhere"})


@pytest.mark.parametrize("newest_first", [True, False])
def test_of_several_images_of_one_name_the_newest_is_judged(newest_first: bool) -> None:
    found = [
        CloudImage(name="debian-13", created_at=f"2026-{month}-01T00:00:00Z", min_disk=int(month), status="active")
        for month in ("09", "11", "10")
    ]
    found.sort(key=lambda each: str(each.created_at), reverse=newest_first)
    assert images(found)["debian-13"].min_disk == 11
