"""The machine's Docker engine, by its socket: which containers there are, what they use, and a process that stays in one of them.

A new process in a container costs the engine some 50 ms of CPU, a line to one that is there already nothing. So each question
that a container answers (BIRD's, the VPN's) has its shell, which is started once and told to ask again every round; pools have a program
of Python that does the same. What is asked is fixed here in the code.
"""

from __future__ import annotations

import http.client
import json
import re
import shlex
import socket
from typing import Any
from urllib.parse import quote

TIME = 6.0  # seconds for one answer of the engine
# Seconds for a process to start, and to answer. A round does not wait for that long, but hears it in the end (rounds.py); to give up
# sooner, and to begin anew, would keep a machine that is too busy to answer even busier.
PATIENCE = 60.0
API = "/v1.41"
END = "@@aerie"  # starts the line after an answer: END exit-status
LABEL = "aerie.service"
MOST = 16_000_000  # bytes of one answer


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float = TIME) -> None:
        super().__init__("docker", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """Raises OSError or http.client.HTTPException where the engine does not answer, ValueError for what it refuses.

    `get` and what is asked by it are for one thread: its connection is kept. All else has a connection of its own each time.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: _Connection | None = None

    def get(self, path: str) -> Any:
        """Over a connection that is kept."""
        if self._connection is None:
            self._connection = _Connection(self._path)
        try:
            return _json(self._connection, "GET", path)
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise

    def services(self) -> list[dict[str, Any]]:
        """The containers that are services of ours, whether they run or not."""
        found: list[dict[str, Any]] = self.get(
            f"/containers/json?all=true&filters={quote(json.dumps({'label': [LABEL]}))}"
        )
        return found

    def stats(self, container: str) -> dict[str, Any]:
        """What one uses now."""
        found: dict[str, Any] = self.get(f"/containers/{container}/stats?stream=false&one-shot=true")
        return found

    def create(self, container: str, command: list[str]) -> str:
        """A process for the container, which is not started yet; its id. It is to end with its input."""
        body = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": False, "Cmd": command}
        created = self._once("POST", f"/containers/{quote(container)}/exec", body)
        return str(created["Id"])

    def runs(self, process: str) -> bool:
        """Whether one that was started has not ended, or is still being started. Not if the engine knows nothing of it any more."""
        try:
            return bool(self._once("GET", f"/exec/{process}/json")["Running"])
        except ValueError:
            return False

    def start(self, process: str) -> socket.socket:
        """Starts it; its input and output."""
        connection = _Connection(self._path, PATIENCE)
        try:
            connection.request(
                "POST",
                f"{API}/exec/{process}/start",
                json.dumps({"Detach": False, "Tty": False}),
                {"Content-Type": "application/json", "Connection": "Upgrade", "Upgrade": "tcp"},
            )
            response = connection.getresponse()
            if response.status != 101:
                raise ValueError(f"Docker: exec: {response.status}")
        except BaseException:
            connection.close()  # so that the process, should it start yet, ends with its input
            raise
        return connection.sock  # after 101 it is no HTTP any more, and ours

    def _once(self, method: str, path: str, body: Any = None) -> Any:
        """Over a connection of its own."""
        connection = _Connection(self._path, PATIENCE)
        try:
            return _json(connection, method, path, body)
        finally:
            connection.close()


def _json(connection: _Connection, method: str, path: str, body: Any = None) -> Any:
    text = None if body is None else json.dumps(body)
    connection.request(method, API + path, text, {"Content-Type": "application/json"} if body is not None else {})
    response = connection.getresponse()
    answer = response.read()
    if response.status >= 300:
        raise ValueError(f"Docker: {path.partition('?')[0]}: {response.status} {answer[:200].decode(errors='replace')}")
    return json.loads(answer)


class Asked:
    """One question that a container answers within `seconds`: `ask()` each time. After a failure the shell is started anew the
    next time, but never beside one that has not ended: on a machine too slow to start them in time they would become more and more,
    until the machine does nothing else."""

    def __init__(self, docker: Docker, container: str, command: str, seconds: float = PATIENCE) -> None:
        self._docker, self._container, self._command, self._seconds = docker, container, command, seconds
        self._stream: socket.socket | None = None
        self._process = ""  # the last that was started

    def ask(self, word: str = "") -> str:
        """The command's standard output; `word` (letters, digits and `:`) is its variable of that name. Raises OSError, or ValueError
        if it failed."""
        if not re.fullmatch(r"[A-Za-z0-9:]*", word):
            raise ValueError(f"no word for a command: {word!r}")
        try:
            if self._stream is None:
                if self._process and self._docker.runs(self._process):
                    raise ValueError(f"{self._container}: what it was asked before has not ended yet")
                self._stream = self._start()
            self._stream.sendall(word.encode() + b"\n")
            return self._answer(self._stream)
        except BaseException:
            self.close()
            raise

    def _start(self) -> socket.socket:
        self._process = self._docker.create(self._container, self._words())
        stream = self._docker.start(self._process)
        stream.settimeout(self._seconds)
        self._begin(stream)
        return stream

    def _words(self) -> list[str]:
        """The process: a shell that runs the command for each line it gets, which is in `$word`."""
        return ["sh", "-c", f"while read -r word; do {self._command}; s=$?; echo; echo {END} $s; done"]

    def _begin(self, stream: socket.socket) -> None:
        """What a new process is told first."""

    def close(self) -> None:
        """The shell ends with its input."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def _answer(self, stream: socket.socket) -> str:
        out, mark = bytearray(), f"\n{END} ".encode()
        while len(out) < MOST:
            head = _exactly(stream, 8)
            size = int.from_bytes(head[4:8], "big")
            data = _exactly(stream, size)
            if head[0] == 1:
                out += data
            last = out.rfind(mark, max(0, len(out) - size - len(mark) - 16))
            said, status = out[:last], out[last + len(mark) :]
            if last >= 0 and status.endswith(b"\n"):
                if status.strip() != b"0":
                    raise ValueError(
                        f"{shlex.split(self._command)[0]} in {self._container}: exit {status.strip().decode()}"
                    )
                return said.decode()
        raise ValueError(f"{self._container}: an answer of more than {MOST} bytes")


class Program(Asked):
    """A program of Python that stays in a container, and answers each word as the shell does. Its text comes by its input, not on
    its command line, which everybody in the container sees. `before` is a command that starts Python, `called` what the processes' list
    shows of it."""

    def __init__(
        self, docker: Docker, container: str, text: str, called: str, before: tuple[str, ...], seconds: float = PATIENCE
    ) -> None:
        super().__init__(docker, container, called, seconds)
        self._text, self._before = text.encode(), before

    def _words(self) -> list[str]:
        read = f"import sys; exec(sys.stdin.buffer.read({len(self._text)}))"
        return [*self._before, "python3", "-I", "-c", read, self._command]

    def _begin(self, stream: socket.socket) -> None:
        stream.sendall(self._text)


def _exactly(stream: socket.socket, size: int) -> bytes:
    out = b""
    while len(out) < size:
        more = stream.recv(size - len(out))
        if not more:
            raise ConnectionError("the container's shell ended")
        out += more
    return out
