"""One question by HTTPS, which costs a few seconds at most, and failures in a few words."""

from __future__ import annotations

from collections.abc import Mapping

import requests

HTTP = (2, 4)  # seconds to connect, and to answer


def get(url: str, user: str, password: str, ca: str, params: Mapping[str, str] | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between the operator and the site
        session.verify, session.auth = ca, (user, password)
        response = session.get(url, params=params, timeout=HTTP)
        response.raise_for_status()
        return response


def said(error: Exception) -> str:
    """A failure of HTTP in a few words."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.exceptions.SSLError):
        return f"TLS: {error}"[:160]
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {error}"[:160]
