"""The Docker engine's socket, by a server that speaks as the engine does, with a real shell behind an exec."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from collector.docker import Asked, Docker, Program


class Engine(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.commands: list[list[str]] = []
        self.shells: list[subprocess.Popen[bytes]] = []
        self.forgotten: set[int] = set()  # shells of which it knows nothing any more
        super().__init__(path, Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: Any) -> None: ...

    def _reply(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if self.path.endswith("/missing/stats?stream=false&one-shot=true"):
            self._reply(404, {"message": "no such container"})
        elif "/exec/" in self.path:
            number = int(self.path.split("/")[-2])
            if number in self.server.forgotten:
                self._reply(404, {"message": "no such exec"})
            else:
                self._reply(200, {"Running": self.server.shells[number].poll() is None})
        else:
            self._reply(200, [{"path": self.path}])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/exec"):
            self.server.commands.append(body["Cmd"])
            self._reply(201, {"Id": str(len(self.server.commands) - 1)})
            return
        command = self.server.commands[int(self.path.split("/")[-2])]
        self.send_response(101)
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        shell = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.server.shells.append(shell)
        assert shell.stdin is not None and shell.stdout is not None
        threading.Thread(target=self._output, args=(shell.stdout,), daemon=True).start()
        while more := self.connection.recv(100):
            shell.stdin.write(more)
        shell.stdin.close()
        self.close_connection = True

    def _output(self, output: Any) -> None:
        with contextlib.suppress(OSError):  # the other end was first
            while data := os.read(output.fileno(), 1000):  # an answer comes in pieces
                self.connection.sendall(bytes([1, 0, 0, 0]) + len(data).to_bytes(4, "big") + data)
            self.connection.shutdown(2)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    server = Engine(str(tmp_path / "s"))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def docker(engine: Engine) -> Docker:
    return Docker(str(engine.server_address))


def test_questions_over_one_connection(docker: Docker) -> None:
    assert docker.services()[0]["path"].startswith("/v1.41/containers/json?all=true&filters=")
    first = docker._connection
    docker.services()
    assert docker._connection is first


def test_a_refusal_says_what_was_refused(docker: Docker) -> None:
    with pytest.raises(ValueError, match=r"/containers/missing/stats: 404 .*no such container"):
        docker.stats("missing")


def test_one_shell_answers_every_time(docker: Docker, engine: Engine) -> None:
    asked = Asked(docker, "calico", "n=$((n + 1)); seq 1 3000; echo round $n")
    for n in (1, 2, 3):
        answer = asked.ask()
        assert answer.endswith(f"round {n}\n") and answer.count("\n") == 3001
    assert len(engine.commands) == 1
    asked.close()
    assert engine.shells[0].wait(5) == 0, "the shell ends with its input"


def test_a_word_reaches_the_command_and_only_a_plain_one(docker: Docker) -> None:
    asked = Asked(docker, "calico", 'echo "<$word>"')
    assert [asked.ask(word) for word in ("after:12:34:56", "", "mapping")] == [
        "<after:12:34:56>\n",
        "<>\n",
        "<mapping>\n",
    ]
    for word in ("a b", "$(id)", "a\nb", "'"):
        with pytest.raises(ValueError, match="no word for a command"):
            asked.ask(word)
    asked.close()


def test_a_command_that_fails_is_an_error_and_asked_anew(docker: Docker, engine: Engine) -> None:
    asked = Asked(docker, "vpn", "false")
    for n in range(2):
        with pytest.raises(ValueError, match="false in vpn: exit 1"):
            asked.ask()
        engine.shells[n].wait(5)
    assert len(engine.commands) == 2


def test_none_is_started_beside_one_that_has_not_ended(docker: Docker, engine: Engine) -> None:
    """On a machine where each took longer than it was waited for, they became so many that it did nothing else."""
    asked = Asked(docker, "vpn", "read -r never", 0.2)
    slow = Asked(docker, "vpn", "exec sleep 60", 0.2)
    with pytest.raises(TimeoutError):
        slow.ask()
    for _ in range(3):
        with pytest.raises(ValueError, match="vpn: what it was asked before has not ended yet"):
            slow.ask()
    with pytest.raises(TimeoutError):  # another question has nothing to do with it
        asked.ask()
    assert len(engine.commands) == 2
    engine.shells[0].kill()
    engine.shells[0].wait(5)
    with pytest.raises(TimeoutError):
        slow.ask()
    assert len(engine.commands) == 3
    engine.forgotten.add(2)  # as after the engine's own restart
    with pytest.raises(TimeoutError):
        slow.ask()
    assert len(engine.commands) == 4
    for shell in engine.shells:
        shell.kill()


def test_a_container_that_ends_is_an_error_and_asked_anew(docker: Docker, engine: Engine) -> None:
    asked = Asked(docker, "vpn", "echo here")
    assert asked.ask() == "here\n"
    engine.shells[0].kill()
    engine.shells[0].wait()
    with pytest.raises(OSError):
        asked.ask()
    assert asked.ask() == "here\n"


def test_no_engine(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Docker(str(tmp_path / "none")).services()


def test_a_program_comes_by_its_input_and_answers_words(docker: Docker, engine: Engine) -> None:
    text = (
        "import sys\nsaid = 0\n"
        "while word := sys.stdin.buffer.readline().decode().strip():\n"
        "    said += 1\n"
        "    print(f'{word} {said}\\n\\n@@aerie 0', flush=True)\n"
    )
    asked = Program(docker, "abc", text + "# " + "x" * 100_000, "reader", ("env", "-i", "PATH=/usr/bin:/bin"))
    assert [asked.ask("counts"), asked.ask("all")] == ["counts 1\n", "all 2\n"]
    (command,) = engine.commands
    assert command[:4] == ["env", "-i", "PATH=/usr/bin:/bin", "python3"] and command[-1] == "reader"
    assert len(" ".join(command)) < 200, "its text is not on its command line"
    asked.close()
    assert engine.shells[0].wait(5) == 0, "it ends with its input"
