"""HTTPS to the services of a federation: its CA, a name and a password, and no proxy in between."""

from __future__ import annotations

import tempfile

import requests


class Session(requests.Session):
    """`ca` is the CA's certificate, PEM. It lies in a file for as long as the session lives, since requests takes no text."""

    def __init__(self, user: str, password: str, ca: str) -> None:
        super().__init__()
        self._ca_file = tempfile.NamedTemporaryFile("w", suffix=".pem")  # noqa: SIM115 - kept as long as the session
        self._ca_file.write(ca)
        self._ca_file.flush()
        self.verify, self.auth = self._ca_file.name, (user, password)
        self.trust_env = False  # no proxy stands between the operator and the site
