"""The kinds of identity as Pulumi resources: each is made at its creation and stays as it is until its inputs change.

A resource's `generation` is the way to renew it: another number, another key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider

from . import keys


class _Identity(ResourceProvider):
    """Makes an identity from the inputs that `makers` names; any change of them makes a new one."""

    def __init__(self, kind: str, inputs: list[str]) -> None:
        super().__init__()
        self.kind, self.inputs = kind, inputs

    def create(self, props: dict[str, Any]) -> CreateResult:
        makers: dict[str, Callable[..., dict[str, str]]] = {
            "ca": keys.certificate_authority,
            "certificate": keys.certificate,
            "ssh": keys.ssh_key,
            "wireguard": keys.wireguard_key,
            "password": keys.password,
            "signing": keys.signing_key,
        }
        made = makers[self.kind](**{name: props[name] for name in self.inputs})
        return CreateResult(id_=f"{self.kind}-{keys.password(6)['value']}", outs={**props, **made})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = [name for name in [*self.inputs, "generation"] if olds.get(name) != news.get(name)]
        return DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=False)


def _options(opts: pulumi.ResourceOptions | None, secret: list[str]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=secret))


class CertificateAuthority(Resource, module="identity", name="CertificateAuthority"):
    """The federation's CA."""

    certificate: pulumi.Output[str]
    private_key: pulumi.Output[str]

    def __init__(self, name: str, common_name: str, generation: int = 0, opts: pulumi.ResourceOptions | None = None):
        props = {"common_name": common_name, "generation": generation, "certificate": None, "private_key": None}
        super().__init__(_Identity("ca", ["common_name"]), name, props, _options(opts, ["private_key"]))


class Certificate(Resource, module="identity", name="Certificate"):
    """A certificate signed by the federation's CA."""

    certificate: pulumi.Output[str]
    private_key: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        ca_certificate: pulumi.Input[str],
        ca_private_key: pulumi.Input[str],
        common_name: str,
        addresses: list[str],
        generation: int = 0,
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            "ca_certificate": ca_certificate,
            "ca_private_key": pulumi.Output.secret(ca_private_key),
            "common_name": common_name,
            "addresses": addresses,
            "generation": generation,
            "certificate": None,
            "private_key": None,
        }
        inputs = ["ca_certificate", "ca_private_key", "common_name", "addresses"]
        super().__init__(_Identity("certificate", inputs), name, props, _options(opts, ["private_key"]))


class SshKey(Resource, module="identity", name="SshKey"):
    """An SSH key pair."""

    private_key: pulumi.Output[str]
    public_key: pulumi.Output[str]

    def __init__(self, name: str, comment: str, generation: int = 0, opts: pulumi.ResourceOptions | None = None):
        props = {"comment": comment, "generation": generation, "private_key": None, "public_key": None}
        super().__init__(_Identity("ssh", ["comment"]), name, props, _options(opts, ["private_key"]))


class WireGuardKey(Resource, module="identity", name="WireGuardKey"):
    """A WireGuard key pair."""

    private_key: pulumi.Output[str]
    public_key: pulumi.Output[str]

    def __init__(self, name: str, generation: int = 0, opts: pulumi.ResourceOptions | None = None):
        props = {"generation": generation, "private_key": None, "public_key": None}
        super().__init__(_Identity("wireguard", []), name, props, _options(opts, ["private_key"]))


class Password(Resource, module="identity", name="Password"):
    """A random password."""

    value: pulumi.Output[str]

    def __init__(self, name: str, generation: int = 0, opts: pulumi.ResourceOptions | None = None):
        super().__init__(
            _Identity("password", []), name, {"generation": generation, "value": None}, _options(opts, ["value"])
        )


class SigningKey(Resource, module="identity", name="SigningKey"):
    """The key by which a daemon signs and checks IDTOKENS, base64, and when it was `made`, Unix time."""

    value: pulumi.Output[str]
    made: pulumi.Output[str]

    def __init__(self, name: str, generation: int = 0, opts: pulumi.ResourceOptions | None = None):
        props = {"generation": generation, "value": None, "made": None}
        super().__init__(_Identity("signing", []), name, props, _options(opts, ["value"]))
