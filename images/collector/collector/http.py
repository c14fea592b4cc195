"""Questions by HTTPS, over connections that are kept from one round to the next."""

from __future__ import annotations

from typing import Any

import requests

TIME = (5.0, 6.0)  # seconds to connect, with the TLS handshake, and to answer


class Web:
    """One service's HTTPS. `auth` is (user, password), `certificate` (certificate, key) files of the client."""

    def __init__(
        self, base: str, ca: str, auth: tuple[str, str] | None = None, certificate: tuple[str, str] | None = None
    ) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between the collector and its site
        self._session.verify, self._session.auth, self._session.cert = ca, auth, certificate
        self._session.headers["Accept-Encoding"] = (
            "identity"  # the services are near, and to pack costs more than to send
        )

    def text(self, path: str) -> str:
        """Raises requests.RequestException if there is no good answer."""
        response = self._session.get(self._base + path, timeout=TIME)
        response.raise_for_status()
        return response.text

    def json(self, path: str) -> Any:
        """Likewise; ValueError if it is no JSON."""
        response = self._session.get(self._base + path, timeout=TIME)
        response.raise_for_status()
        return response.json()
