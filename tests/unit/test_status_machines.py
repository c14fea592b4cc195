"""How `make status` asks: machines by SSH before all else, services by HTTPS, and the command's own short way."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aerie import quick
from components.identity.keys import certificate, certificate_authority
from tools import status_gather, status_machines
from tools.login import Login
from tools.status_facts import Machine, Wanted
from tools.status_http import Failed, Service
from tools.status_machines import Asking, asked_early
from tools.status_stacks import PulumiFailed, Stacks

ROOT = Path(__file__).resolve().parents[2]
LOGIN = Login("root", "172.31.1.10", 22, Path("/key"), Path("/known"))
MACHINE = Machine("torino-front-end", "torino", "172.31.1.10", True, ("calico",))


def ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    """Stands for SSH."""
    program = folder / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_the_program_goes_to_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh(tmp_path, monkeypatch, f'echo "$*" >> {tmp_path}/said; cat')
    for front_end in (True, False):
        answer = Asking(LOGIN, front_end).answer()
        assert answer.reached and answer.text == status_machines.PROGRAM.read_text() and not answer.trouble
    front, agent = (tmp_path / "said").read_text().splitlines()
    assert front.endswith("root@172.31.1.10 exec perl - 172.31.1.10 front-end")
    assert agent.endswith("exec perl - 172.31.1.10") and "StrictHostKeyChecking=yes" in agent


@pytest.mark.parametrize(
    ("does", "reached", "trouble"),
    [
        ("echo 'connect to host: No route to host' >&2; exit 255", False, "connect to host: No route to host"),
        ("exit 255", False, "SSH fails"),
        ("exec sleep 20", False, "SSH connects, but there is no answer in 1 s"),
        ("echo 'perl: not found' >&2; exit 127", True, "perl: not found"),
    ],
)
def test_a_machine_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, reached: bool, trouble: str
) -> None:
    ssh(tmp_path, monkeypatch, does)
    monkeypatch.setattr(status_machines, "ANSWER", 1)
    on = status_gather.on_machine(MACHINE, Asking(LOGIN, True), [], Wanted("f", ("torino",), ("torino",)))
    assert on.reached == reached
    assert (on.troubles["containers"] if reached else on.trouble) == trouble


class Three(Stacks):
    """A site that is up, the federation's stack, and a pool; of no backend."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def with_output(self, name: str) -> tuple[str, ...]:
        return ("torino",) if name == "machines" else ()

    def outputs(self, stack: str) -> dict[str, Any]:
        return {
            "federation": {"ssh_private_keys": {"torino": "key"}},
            "torino": {"machines": {"torino-front-end": "172.31.1.10", "torino-agent-1": "172.31.1.11"}, "host_keys": dict.fromkeys(
                ("torino-front-end", "torino-agent-1"), "ssh-ed25519 AAAA")},
        }[stack]  # fmt: skip


def test_machines_are_asked_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh(tmp_path, monkeypatch, "exec sleep 20")
    monkeypatch.setenv("AERIE_HOME", str(tmp_path))
    since = time.monotonic()
    with pytest.raises(ValueError, match="the file is wrong"), asked_early(Three(tmp_path)) as machines:
        assert sorted(machines.asked) == ["torino-agent-1", "torino-front-end"]
        before = dict(machines.asked)
        machines.ask(tmp_path, Three(tmp_path).outputs("federation"), "torino", Three(tmp_path).outputs("torino"))
        assert machines.asked == before  # each once
        raise ValueError("the file is wrong")
    # And nothing goes on asking.
    assert all(asking._process.returncode is not None for asking in before.values()) and time.monotonic() - since < 15


def test_nobody_is_asked_early_where_that_cannot_be_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AERIE_HOME", raising=False)
    with asked_early(Three(tmp_path)) as machines:
        assert not machines.asked
    monkeypatch.setenv("AERIE_HOME", str(tmp_path))

    class Closed(Three):
        def outputs(self, stack: str) -> dict[str, Any]:
            raise PulumiFailed("incorrect passphrase")

    with asked_early(Closed(tmp_path)) as machines:
        assert not machines.asked


def test_the_machines_are_asked_before_what_takes_long_is_imported() -> None:
    script = "import sys\nfrom aerie import quick\nfrom tools import status\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(done.stdout.split()) & {
        "typer",
        "pydantic",
        "yaml",
        "rich",
        "requests",
        "components",
        "argparse",
        "ssl",
    }


@pytest.mark.parametrize(
    "arguments", [[], ["up"], ["status", "--help"], ["status", "--jsn"], ["--json", "status"], ["status", "x"]]
)
def test_all_other_commands_go_their_usual_way(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "run", lambda *_: pytest.fail("it was run"))
    assert quick.status(arguments) is None


def test_the_short_way_does_the_same_and_tells_failures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[bool, ...]] = []

    def asks(*options: bool) -> int:
        asked.append(options)
        return 1

    monkeypatch.setattr(quick, "run", asks)
    assert [quick.status(["status", *o]) for o in ([], ["--facts"], ["--json", "--routing"])] == [1, 1, 1]
    assert asked == [(False, False, False), (False, False, True), (True, True, False)]

    def fails(error: BaseException) -> int | None:
        def run(*_: bool) -> int:
            raise error

        monkeypatch.setattr(quick, "run", run)
        return quick.status(["status"])

    assert fails(PulumiFailed("no passphrase")) == 2 and "no passphrase" in capsys.readouterr().err
    assert fails(KeyboardInterrupt()) == 130
    with pytest.raises(ZeroDivisionError):
        fails(ZeroDivisionError())


# -- services by HTTPS


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URL and CA of a server that wants operator:word."""
    authority = certificate_authority("CA of the tests")
    own = certificate(authority["certificate"], authority["private_key"], "here", ["127.0.0.1"])
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_text(own["certificate"] + own["private_key"])

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            right = self.headers["Authorization"] == "Basic b3BlcmF0b3I6d29yZA=="
            known = {"/ok?a=b": (200, b'{"port": %d}' % self.client_address[1]), "/text": (200, b"<html>")}
            status, body = known.get(self.path, (503, b"")) if right else (401, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", authority["certificate"]
    server.shutdown()


def test_several_questions_by_one_connection(service: tuple[str, str]) -> None:
    url, ca = service
    with Service(url, "operator", "word", ca) as asked:
        assert asked.get("/ok?a=b") == asked.get("/ok?a=b")  # its answer names the connection


def failure(url: str, ca: str, path: str = "/ok?a=b", password: str = "word") -> tuple[str, int]:
    with Service(url, "operator", password, ca) as asked, pytest.raises(Failed) as error:
        asked.get(path)
    return str(error.value), error.value.status


def test_failures_in_a_few_words(service: tuple[str, str]) -> None:
    url, ca = service
    assert failure(url, ca, password="other") == ("HTTP 401", 401)
    assert failure(url, ca, "/none") == ("HTTP 503", 503)
    assert failure(url, ca, "/text")[0].startswith("what it answers is no JSON")
    stranger = certificate_authority("another CA")["certificate"]
    assert failure(url, stranger)[0].startswith("TLS: ") and failure(url, "")[1] == 0
    assert failure("https://127.0.0.1:1", ca) == ("no connection", 0)
