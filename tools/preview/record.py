"""Makes what Pulumi said fit to be kept beside the tests: smaller, and without keys, paths and times of this machine.

pulumi preview -s torino --json | python -m tools.preview.record >tests/unit/data/preview/NAME/torino.json
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from . import scrub

# Of a resource's state: what no reader here looks at.
LEFT_OUT = (
    "stackTrace",
    "created",
    "modified",
    "provider",
    "dependencies",
    "customTimeouts",
    "__provider",
    "__meta",
    "__pulumi_raw_state_delta",
)
OUTPUTS = "outputs"
_KEYS = (
    (re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL), "(a certificate)"),
    (re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{40,}"), "ssh-ed25519 (a key)"),
    (re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{43}=(?![A-Za-z0-9+/=])"), "(a key)"),  # WireGuard's
    (re.compile(r"/(?:root|home|tmp|srv|mnt)/[^\s\"':]*"), "/(a path)"),
)


def _text(value: str) -> str:
    # The marks of secrets stay as Pulumi writes them: that they are recognized is what the recordings are for.
    if value == "[secret]" or scrub.SIGNATURE in value:
        return value
    for pattern, instead in _KEYS:
        value = pattern.sub(instead, value)
    cleaned = scrub.text(value)
    return value if cleaned == scrub.UNKNOWN or scrub.UNKNOWN in cleaned else cleaned


def clean(value: Any, refresh: bool = False) -> Any:
    """`value` without what is of this machine alone. Outputs are kept of a refresh only, which compares them."""
    if isinstance(value, Mapping):
        out = {}
        for key, inner in value.items():
            if key in LEFT_OUT or (key == OUTPUTS and not refresh):
                continue
            if key == "sourcePosition" and not str(inner).startswith("project:///components/"):
                continue
            out[key] = clean(inner, refresh)
        return out
    if isinstance(value, list):
        return [clean(v, refresh) for v in value]
    return _text(value) if isinstance(value, str) else value


def recording(said: str) -> str:
    """One preview as JSON, or the events of one run, a line each: those alone that are read."""
    try:
        found = json.loads(said)
    except ValueError:
        lines = [json.loads(line) for line in said.splitlines()]
        kept = [e for e in lines if e.keys() & {"summaryEvent", "policyEvent", "diagnosticEvent"} or _found(e)]
        return "".join(json.dumps(clean(e, True), sort_keys=True) + "\n" for e in kept)
    found["steps"] = [s for s in found.get("steps") or [] if s.get("op") not in ("same", "read")]
    return json.dumps(clean(found), indent=1, sort_keys=True) + "\n"


def _found(event: Mapping[str, Any]) -> bool:
    return bool(event.get("resOutputsEvent", {}).get("metadata", {}).get("op") in ("update", "delete"))


if __name__ == "__main__":
    sys.stdout.write(recording(sys.stdin.read()))
