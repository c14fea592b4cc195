"""A machine for status_machine.pl, made of sockets: a Docker engine, BIRD and the VPN, below a folder of its own. What the program starts
(docker, openssl) is a shell script of the test's cases."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tools.status_machines import PROGRAM

STARTED = "2026-11-28T14:31:40.836755617Z"
Talk = Callable[[socket.socket], None]


@dataclass
class Stage:
    """`containers`: name -> (its state, its environment), the process of the n-th being n + 1; `engine` answers in another way."""

    root: Path
    containers: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    engine: Talk | None = None
    cases: dict[str, str] = field(default_factory=dict)  # program -> the cases of its arguments
    _open: list[socket.socket] = field(default_factory=list)

    def process(self, name: str) -> int:
        return list(self.containers).index(name) + 1

    def listen(self, path: str, talk: Talk) -> None:
        """Somebody who answers at this path of the machine."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(place))
        server.listen(16)
        self._open.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    talk(connection)

        threading.Thread(target=serve, daemon=True).start()

    def in_container(self, name: str, path: str, talk: Talk) -> None:
        """The same at a path within a container."""
        self.listen(f"/proc/{self.process(name)}/root{path}", talk)

    def docker_api(self, connection: socket.socket) -> None:
        """As the Docker engine answers: the list, and each container by its number."""
        path = connection.recv(4096).decode().split()[1]
        found = [
            {"Id": f"{n:064x}", "Names": [f"/{name}"], "Labels": {"x": '{"Id":"'}, "State": state}
            for n, (name, (state, _)) in enumerate(self.containers.items(), 1)
        ]
        body: object = found
        if not path.startswith("/containers/json"):
            number = int(path.split("/")[2], 16)
            name, (state, environment) = list(self.containers.items())[number - 1]
            process = number if state == "running" else 0
            said = {"Status": state, "Pid": process, "ExitCode": 0, "OOMKilled": False, "StartedAt": STARTED}
            health = {"Log": [{"Output": '"},"Image":"'}]}
            told: dict[str, object] = {
                "Id": path,
                "State": {**said, "FinishedAt": STARTED, "Health": health},
                "Image": "sha256:0",
            }
            told |= {"Name": f"/{name}", "RestartCount": number, "Config": {"Env": list(environment)}}
            body = told
        text = json.dumps(body, separators=(",", ":"))
        connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{text}".encode())

    def run(self, front_end: bool = True, seconds: int = 8) -> str:
        """What the program prints."""
        self.listen("/run/docker.sock", self.engine or self.docker_api)
        for program, cases in self.cases.items():
            file = self.root / program
            file.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}\nesac\n')
            file.chmod(0o755)
        text = PROGRAM.read_text().replace("my $SECONDS = 8;", f"my $SECONDS = {seconds};")
        arguments = ["127.0.0.1", "front-end" if front_end else "", str(self.root)]
        done = subprocess.run(
            [shutil.which("perl") or "perl", "-w", "-", *arguments],
            input=text,
            capture_output=True,
            text=True,
            env={"PATH": f"{self.root}:/usr/bin:/bin"},
            timeout=30,
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout

    def close(self) -> None:
        for server in self._open:
            server.close()


@contextmanager
def stage() -> Iterator[Stage]:
    """In a folder with a short name: a socket's path has at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="m-") as folder:
        made = Stage(Path(folder))
        try:
            yield made
        finally:
            made.close()


def bird(answers: dict[str, str]) -> Talk:
    """BIRD with these answers, in its own lines; any other command it does not know."""

    def talk(connection: socket.socket) -> None:
        lines = connection.makefile("rw")
        lines.write("0001 BIRD 2.17 ready.\n")
        lines.flush()
        for command in lines:
            lines.write(answers.get(command.strip(), "9001 syntax error\n"))
            lines.flush()

    return talk
