"""Whether a Marathon answers: its own word counts, not that of whoever stands on the way."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from components.batch.quorum import answers
from components.identity.keys import certificate, certificate_authority


@pytest.mark.parametrize(
    ("status", "body", "there"),
    [
        (200, b"pong", True),
        (200, b"pong\n", True),
        (200, b"<html>hello</html>", False),
        (403, b"pong", False),
        (503, b"", False),
    ],
)
def test_only_a_pong_is_an_answer(tmp_path: Path, status: int, body: bytes, there: bool) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            pass

    ca = certificate_authority("test")
    made = certificate(ca["certificate"], ca["private_key"], "marathon", ["127.0.0.1"])
    pem = tmp_path / "server.pem"
    pem.write_text(made["certificate"] + made["private_key"])
    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        assert answers("127.0.0.1", server.server_port, 5) is there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_nobody_there_is_no_answer() -> None:
    assert not answers("127.0.0.1", 1, 1)
