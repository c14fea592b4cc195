"""What opens something is a secret everywhere: encrypted in the state, shown in no preview."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .containers import decoded
from .model import UNKNOWN, Facts, Resource, Secret, Violation, block, items

# The keys of properties, and of stacks' outputs, that hold something that opens something.
KEYS = re.compile(
    r"(^|_)(private_?keys?|passwords?|passphrase|secrets?|tokens?|signing_?key|user_?data|credentials?)$", re.IGNORECASE
)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# What is one by the look of it, wherever it stands.
LOOKS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a WireGuard private key": re.compile(r"(?m)^\s*PrivateKey\s*=\s*\S{43}="),
    "a token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{20,}"),
    "a URL with a password": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/:@]{4,}@"),
}
BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
# Which properties of ours are secret as a whole, or made so by their creation.
WHOLE = {
    ":MarathonApp": ("env", "password"),
    ":MesosRole": ("password",),
    ":FrameworkPolicy": ("password",),
    ":Instance": ("userData",),
}
MADE = {
    ":CertificateAuthority": "private_key",
    ":Certificate": "private_key",
    ":SshKey": "private_key",
    ":WireGuardKey": "private_key",
    ":Password": "value",
    ":SigningKey": "value",
}
STACK = "pulumi:pulumi:Stack"
SAY = "wrap it: pulumi.Output.secret(...), or components.outputs.secret(...)"


def _source(resource: Resource) -> str:
    """The file that gives the resource its values."""
    if resource.within("cluster:Service"):
        return "components/cluster/service.py"
    kinds = {
        "identity": "components/identity/resources.py",
        "MarathonApp": "components/batch/marathon_app.py",
        "MesosRole": "components/batch/mesos_role.py",
        "FrameworkPolicy": "components/batch/framework_policy.py",
        "openstack": "components/iaas/openstack/machines.py",
        "docker": "components/iaas/docker.py",
        "command:local": "components/cluster/drain.py",
    }
    return next((file for kind, file in kinds.items() if kind in resource.type), "components")


def secrets_secret(resource: Resource, facts: Facts) -> Iterator[Violation]:
    """Every input that opens something is marked as a secret. No violation says what the value is."""
    if resource.type == STACK:
        return
    if resource.type.startswith("pulumi:"):
        return  # providers and references to stacks are Pulumi's own
    whole = set(_whole(resource))
    parts = {place for place in _by_key(resource.props) if place.partition(".")[0] not in whole}
    for place in sorted(whole | parts):
        yield Violation(resource.name, _source(resource), place, f"{place} is not a secret", SAY)
    for place, kind in _by_look({key: value for key, value in resource.props.items() if key not in whole}):
        yield Violation(resource.name, _source(resource), place, f"{place} shows {kind}", SAY)
    for kind, output in MADE.items():
        if resource.type.endswith(kind) and output not in resource.secret_outputs:
            yield Violation(
                resource.name,
                _source(resource),
                f"{kind[1:]}, additional_secret_outputs",
                f"{output}, which its creation makes, is not a secret",
                f'write ResourceOptions(additional_secret_outputs=["{output}"])',
            )


def _open(value: Any) -> bool:
    """Whether everybody would see it: neither a secret nor unknown, and there."""
    return value not in (None, "") and not isinstance(value, Secret) and value is not UNKNOWN


def _whole(resource: Resource) -> Iterator[str]:
    props = resource.props
    for kind, keys in WHOLE.items():
        if resource.type.endswith(kind):
            yield from (key for key in keys if _open(props.get(key)))
    if resource.type.startswith("command:"):
        files = resource.within("cluster:Service") or resource.type.startswith("command:local:")
        if files and _open(props.get("stdin")):
            yield "stdin"
    if resource.type.startswith("docker:") and not isinstance(props.get("uploads"), Secret):
        for i, upload in enumerate(items(props.get("uploads"))):
            if _open(upload) and _open(block(upload).get("content")):
                yield f"uploads.{i}.content"


def _by_key(value: Any, at: str = "") -> Iterator[str]:
    """The places of values whose key says that they open something."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            place = f"{at}.{key}" if at else key
            if KEYS.search(CAMEL.sub("_", key)) and _has_text(inner):
                yield place
            else:
                yield from _by_key(inner, place)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _by_key(inner, f"{at}.{i}")


def _has_text(value: Any) -> bool:
    """Whether there is a text in it that everybody would see."""
    if isinstance(value, Mapping):
        return any(map(_has_text, value.values()))
    if isinstance(value, list):
        return any(map(_has_text, value))
    return isinstance(value, str) and value != ""


def _by_look(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """(place, kind) of what looks as what opens something, plain or as base64."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _by_look(inner, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _by_look(inner, f"{at}.{i}")
    elif isinstance(value, str):
        for said in (value, *(decoded(word) for word in BASE64.findall(value))):
            for kind, look in LOOKS.items():
                if look.search(said):
                    yield at, kind
                    return


def outputs_secret(resources: Sequence[Resource], facts: Facts) -> Iterator[Violation]:
    """The stack's outputs that open something."""
    for resource in resources:
        if resource.type == STACK:
            for place in _by_key(resource.props):
                yield Violation(
                    "",
                    "components",
                    f"outputs(), {place}",
                    f"the output {place} is not a secret, so `pulumi stack output` shows it and the state has it in the clear",
                    SAY,
                )
