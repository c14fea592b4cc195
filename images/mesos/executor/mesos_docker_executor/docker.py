"""The task's container: created by the docker client (which knows every option a task may name), then
driven through Docker's own API, since an attached client would cost 25 MB for each running task."""

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import quote, urlencode

from . import environment
from .dockerargs import Run

Json = dict[str, Any]

_ANSWER = 60.0  # seconds for calls that Docker answers at once
_START = 600.0  # a start waits for the network driver, which may wait for its datastore


class DockerError(Exception):
    """Docker refused; the message is Docker's."""


class Gone(DockerError):
    """There is no such container (any more)."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def frames(stream: http.client.HTTPResponse) -> Iterator[tuple[int, bytes]]:
    """(1 stdout | 2 stderr, bytes) from Docker's multiplexed stream until it ends."""
    while len(head := stream.read(8)) == 8:
        left = int.from_bytes(head[4:8], "big")
        while left:
            part = stream.read(min(left, 65536))
            if not part:
                return
            left -= len(part)
            yield head[0], part


class Container:
    """One container, by name.  Methods raise OSError or http.client.HTTPException when dockerd does not answer."""

    def __init__(self, client: str, socket_path: str, name: str) -> None:
        self._client, self._socket, self.name = client, socket_path, name

    def _call(self, method: str, path: str, body: Json | None = None, timeout: float | None = _ANSWER) -> Any:
        connection = _Connection(self._socket, timeout)
        try:
            return json.loads(self._open(connection, method, path, body).read() or b"null")
        finally:
            connection.close()

    @staticmethod
    def _open(connection: _Connection, method: str, path: str, body: Json | None = None) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        if response.status >= 400:
            text = response.read()
            try:
                message = str(json.loads(text)["message"])
            except (ValueError, KeyError, TypeError):
                message = text.decode(errors="replace")
            raise (Gone if response.status == 404 else DockerError)(message)
        return response

    def _path(self, what: str, **query: object) -> str:
        return f"/containers/{quote(self.name)}/{what}" + (f"?{urlencode(query)}" if query else "")

    def create(self, run: Run) -> None:
        """`docker create`, which pulls the image if it is missing; DockerError with the client's words."""
        passing = environment.split(run.variables)
        descriptor = environment.memory_file(passing.lines)
        try:
            words = [
                self._client, "-H", f"unix://{self._socket}", "create",
                *environment.options(passing, descriptor), *run.options, run.image, *run.command,
            ]  # fmt: skip
            done = subprocess.run(
                words, env=os.environ | passing.client, pass_fds=(descriptor,), stdin=subprocess.DEVNULL,
                capture_output=True, check=False,
            )  # fmt: skip
        finally:
            os.close(descriptor)
        if done.returncode != 0:
            raise DockerError(done.stderr.decode(errors="replace").strip() or f"docker exited with {done.returncode}")

    def start(self) -> None:
        self._call("POST", self._path("start"), timeout=_START)

    def inspect(self) -> Json:
        found: Json = self._call("GET", self._path("json"))
        return found

    def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds; returns when the container has stopped."""
        self._call("POST", self._path("stop", t=int(grace)), timeout=grace + _ANSWER)

    def next_exit(self) -> "Exit":
        """Begin to wait, before the start, so that even the shortest life's exit status is seen."""
        connection = _Connection(self._socket, None)
        try:
            return Exit(connection, self._open(connection, "POST", self._path("wait", condition="next-exit")))
        except BaseException:
            connection.close()
            raise

    def wait(self) -> int:
        """The exit status, now or as soon as there is one."""
        return int(self._call("POST", self._path("wait", condition="not-running"), timeout=None)["StatusCode"])

    def attach(self, from_now: bool) -> "Output":
        """Begin to read what the container writes; `from_now`: not what it wrote before."""
        connection = _Connection(self._socket, None)
        try:
            tty = bool(self.inspect()["Config"]["Tty"])
            path = self._path("attach", stream=1, stdout=1, stderr=1, logs=0 if from_now else 1)
            return Output(connection, self._open(connection, "POST", path), tty)
        except BaseException:
            connection.close()
            raise

    def execute(self, argv: list[str], timeout: float | None) -> int:
        """Exit status of a command in the container; TimeoutError after `timeout` seconds (it may go on)."""
        made = self._call("POST", self._path("exec"), {"AttachStdout": True, "AttachStderr": True, "Cmd": argv})
        identifier = made["Id"]
        deadline = None if timeout is None else time.monotonic() + timeout
        connection = _Connection(self._socket, timeout)
        try:
            stream = self._open(connection, "POST", f"/exec/{identifier}/start", {"Detach": False, "Tty": False})
            for _ in frames(stream):
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError("the command took too long")
        finally:
            connection.close()
        return int(self._call("GET", f"/exec/{identifier}/json")["ExitCode"])


class Exit:
    """A wait under way."""

    def __init__(self, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response

    def status(self) -> int:
        """Block until the container exits; ConnectionError if dockerd goes away meanwhile."""
        try:
            text = self._response.read()
        finally:
            self._connection.close()
        if not text.strip():
            raise ConnectionError("dockerd ended the wait")
        return int(json.loads(text)["StatusCode"])


class Output:
    """The container's output, being read."""

    def __init__(self, connection: _Connection, response: http.client.HTTPResponse, tty: bool) -> None:
        self._connection, self._response, self._tty = connection, response, tty

    def copy(self, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        """Copy until the container ends; with a terminal, all of it is stdout."""
        try:
            if self._tty:
                while part := self._response.read1(65536):
                    stdout.write(part)
                    stdout.flush()
                return
            for kind, part in frames(self._response):
                out = stderr if kind == 2 else stdout
                out.write(part)
                out.flush()
        finally:
            self._connection.close()
