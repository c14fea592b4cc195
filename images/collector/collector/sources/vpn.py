"""The tunnels, by `vpn status` in the container vpn."""

from __future__ import annotations

import json

from ..docker import Asked
from ..metrics import part

COMMAND = "vpn status"
_OPTIONAL = {"handshake_age_s": "handshake_age", "rtt_ms": "rtt"}
_ALWAYS = {"rx_bytes": "rx_bytes", "tx_bytes": "tx_bytes", "lost": "lost"}


def tunnels(text: str) -> dict[str, float]:
    """From the answer. A link of which the watch knows nothing yet counts as down."""
    out = {}
    for tunnel in json.loads(text):
        at = f"vpn.{part(tunnel['peer'])}"
        out[f"{at}.up"] = float(tunnel["link"] == "up")
        out |= {f"{at}.{name}": float(tunnel[key]) for key, name in _ALWAYS.items()}
        out |= {f"{at}.{name}": float(tunnel[key]) for key, name in _OPTIONAL.items() if tunnel[key] is not None}
    return out


class Vpn:
    name = "vpn"

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def read(self) -> dict[str, float]:
        return tunnels(self._asked.ask())
