"""Who is told of alerts: a webhook and a mail address, by the file `alerts` (JSON) among the collector's files."""

from __future__ import annotations

import json
import smtplib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import requests

from .config import Mistake
from .notices import Notice, mail, payload

TIME = 10.0  # seconds
PLACE = "{token}"
LATER = (408, 425, 429)  # what a webhook says that wants the same once more


class Refused(Exception):
    """The receiver will not have this message, now or later."""


class Receiver(Protocol):
    @property
    def name(self) -> str: ...

    def send(self, notice: Notice) -> None:
        """Raises Refused, or OSError for what may go better the next time."""


@dataclass(frozen=True)
class Webhook:
    """A POST of JSON. `token`, if there is one, goes where the URL has {token}, else as `Authorization: Bearer`."""

    url: str
    token: str = ""
    name: str = "webhook"

    def send(self, notice: Notice) -> None:
        headers = {"User-Agent": "aerie-collector"}
        if self.token and PLACE not in self.url:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            with requests.Session() as session:
                session.trust_env = False  # no ~/.netrc, which would replace the token
                url = self.url.replace(PLACE, self.token)
                answer = session.post(url, json=payload(notice), headers=headers, timeout=TIME, allow_redirects=False)
        except requests.RequestException as error:  # whose words have the URL, and so may have the token
            raise OSError(f"{urlsplit(self.url).netloc}: {type(error).__name__}") from None
        if 400 <= answer.status_code < 500 and answer.status_code not in LATER:
            raise Refused(f"it answers {answer.status_code}")
        if answer.status_code >= 300:
            raise OSError(f"it answers {answer.status_code}")


@dataclass(frozen=True)
class Mail:
    """A mail by SMTP. `tls`: starttls, tls (from the first byte) or none; the server's certificate is checked by the public CAs."""

    to: str
    sender: str
    host: str
    port: int
    tls: str = "starttls"
    user: str = ""
    password: str = ""
    name: str = "mail"
    own: str = "aerie.invalid"  # how it calls itself to the server; else Python asks the DNS, and may wait for it
    context: ssl.SSLContext | None = None

    def send(self, notice: Notice) -> None:
        try:
            with self._connect() as server:
                if self.tls == "starttls":
                    server.starttls(context=self._context())
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(mail(notice, self.sender, self.to))
        except smtplib.SMTPRecipientsRefused as error:
            if all(code >= 500 for code, _ in error.recipients.values()):
                raise Refused(f"it takes nothing for {', '.join(error.recipients)}") from error
            raise
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            if error.smtp_code >= 500:
                raise Refused(f"it answers {error.smtp_code}") from error
            raise

    def _connect(self) -> smtplib.SMTP:
        if self.tls == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, self.own, timeout=TIME, context=self._context())
        return smtplib.SMTP(self.host, self.port, self.own, timeout=TIME)

    def _context(self) -> ssl.SSLContext:
        return self.context or ssl.create_default_context()


def receivers(file: Path) -> list[Receiver]:
    """Those of the file, none if there is no file. Raises Mistake."""
    try:
        data = json.loads(file.read_text())
        out: list[Receiver] = []
        if (hook := data.get("webhook")) is not None:
            out.append(Webhook(hook["url"], hook.get("token", "")))
        if (post := data.get("mail")) is not None:
            host, _, port = post["server"].rpartition(":")
            out.append(
                Mail(post["to"], post["sender"], host, int(port), post["tls"], post.get("user", ""), post.get("password", ""))
            )  # fmt: skip
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Mistake(
            f"{file}: {type(error).__name__} {error}; write what monitoring.alerts gives (pulumi up)"
        ) from error
    return out
