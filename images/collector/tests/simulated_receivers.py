"""Receivers of alerts on loopback, for tests: a webhook, and a mail server."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SimulatedWebhook:
    """Answers one status after the other, the last one from then on, and keeps what it was sent: (headers, JSON)."""

    def __init__(self, statuses: Sequence[int] = (200,)) -> None:
        self.received: list[tuple[dict[str, str], Any]] = []
        self.taken: list[Any] = []
        self.paths: list[str] = []
        answers, outer = list(statuses), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.paths.append(self.path)
                outer.received.append((dict(self.headers), body))
                status = answers.pop(0) if len(answers) > 1 else answers[0]
                if status < 300:
                    outer.taken.append(body)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", outer.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/aerie"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class SimulatedSmtp:
    """A mail server that speaks as much SMTP as is needed: EHLO, STARTTLS with `context`, AUTH PLAIN, one mail at a time.

    `answers`: other words than usual for a command, such as {"RCPT": "550 nobody of that name"}. It keeps the mails as text, and
    the commands that came in clear and within TLS.
    """

    def __init__(self, context: ssl.SSLContext | None = None, user: str = "", answers: dict[str, str] | None = None):
        self._context, self._user, self._answers = context, user, answers or {}
        self.mails: list[str] = []
        self.commands: list[tuple[bool, str]] = []  # whether within TLS
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(10)
            self._session(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def _session(self, connection: socket.socket) -> None:
        secure, stream = False, connection.makefile("rb")
        connection.sendall(b"220 simulated ESMTP\r\n")
        while line := stream.readline():
            command = line.decode().strip()
            self.commands.append((secure, command))
            verb = command.split()[0].upper()
            if verb in self._answers:
                connection.sendall(f"{self._answers[verb]}\r\n".encode())
            elif verb == "EHLO":
                offers = ["simulated", *(["STARTTLS"] if self._context and not secure else [])]
                offers += ["AUTH PLAIN"] if self._user else []
                lines = [f"250{'-' if n < len(offers) - 1 else ' '}{offer}\r\n" for n, offer in enumerate(offers)]
                connection.sendall("".join(lines).encode())
            elif verb == "STARTTLS" and self._context:
                connection.sendall(b"220 go on\r\n")
                connection = self._context.wrap_socket(connection, server_side=True)
                secure, stream = True, connection.makefile("rb")
            elif verb == "AUTH":
                _, user, _ = base64.b64decode(command.split()[2]).decode().split("\0")
                connection.sendall(b"235 welcome\r\n" if user == self._user else b"535 who are you\r\n")
            elif verb == "DATA":
                connection.sendall(b"354 go on\r\n")
                body = b""
                while (part := stream.readline()) not in (b".\r\n", b""):
                    body += part
                self.mails.append(body.decode())
                connection.sendall(b"250 taken\r\n")
            elif verb == "QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            else:
                connection.sendall(b"250 well\r\n")
