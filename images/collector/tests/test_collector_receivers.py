"""Messages of alerts: what receivers are sent, and what becomes of messages while they are away, against servers on loopback."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from collector.alert_rules import RULES
from collector.alerts import Alert, Change
from collector.config import Mistake
from collector.notices import Notice, key, mail, payload
from collector.outbox import Outbox
from collector.receivers import Mail, Refused, Webhook, receivers

from images.collector.tests.simulated_receivers import SimulatedSmtp, SimulatedWebhook

NAMES = {rule.name: rule for rule in RULES}
SESSION = Alert("bgp_session_down", (("peer", "172_31_1_11"),), 0.0, 1_700_000_000.0, 1_700_000_060.0, True)
TUNNEL = Alert("handshake_old", (("peer", "bari"),), float("inf"), 1_700_000_000.0, 1_700_000_060.0, True)
EDGE = Alert("quorum_at_its_edge_etcd", (), 0.0, 1_700_000_000.0, 1_700_000_060.0, True)


def notice(alert: Alert = SESSION, why: str = "", site: str = "torino", at: float = 1_700_000_060.0) -> Notice:
    return Notice(NAMES[alert.rule], Change(alert, why), "aerie", site, at)


def ended(alert: Alert, why: str = "well") -> Notice:
    return notice(Alert(alert.rule, alert.labels, 1.0, alert.since, alert.seen), why)


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "not within 10 s"
        time.sleep(0.01)


# -- The messages


def test_json() -> None:
    found = payload(notice())
    assert json.loads(json.dumps(found)) == found
    assert {k: found[k] for k in ("version", "event", "key", "labels", "value", "threshold", "beyond", "since")} == {
        "version": 1,
        "event": "fires",
        "key": "aerie/torino/bgp_session_down/peer=172_31_1_11",
        "labels": {"peer": "172_31_1_11"},
        "value": 0.0,
        "threshold": 1,
        "beyond": "below",
        "since": 1_700_000_000.0,
    }
    assert found["text"].startswith("bgp_session_down at torino peer=172_31_1_11: fires: the front-end has no BGP")
    end = payload(ended(SESSION, "gone"))
    assert (end["event"], end["why"], end["key"]) == ("ends", "gone", found["key"])
    assert json.loads(json.dumps(payload(notice(TUNNEL)), allow_nan=False))["value"] is None


def test_what_several_sites_see_has_one_key_and_all_else_one_of_its_site() -> None:
    def keys(alert: Alert) -> set[str]:
        return {key(NAMES[alert.rule], alert, "aerie", site) for site in ("torino", "cnaf", "bari")}

    assert keys(EDGE) == {"aerie/quorum_at_its_edge_etcd"}
    assert len(keys(SESSION)) == 3


def test_mails_of_one_alert_are_one_thread() -> None:
    first, last = mail(notice(TUNNEL), "a@x.org", "b@x.org"), mail(ended(TUNNEL), "a@x.org", "b@x.org")
    assert first["Subject"] == "[aerie] fires: handshake_old at torino peer=bari"
    assert last["Subject"] == "[aerie] ends: handshake_old at torino peer=bari"
    assert first["References"] == last["References"] and first["Message-ID"] != last["Message-ID"]
    text = first.get_content()
    assert "value:  never s; above 180 is bad" in text and "do:     see whether that site is up" in text
    assert "why:    it is well again" in last.get_content()


# -- The webhook


def test_a_webhook_gets_the_token_and_the_json() -> None:
    server = SimulatedWebhook()
    Webhook(server.url, "T0ken").send(notice())
    Webhook(server.url).send(ended(SESSION))
    server.stop()
    (first, body), (second, _) = server.received
    assert first["Authorization"] == "Bearer T0ken" and "Authorization" not in second
    assert body == payload(notice())


def test_a_token_that_is_a_part_of_the_url_is_in_no_message_of_trouble() -> None:
    server = SimulatedWebhook()
    hook = Webhook(server.url + "/hooks/{token}", "T0ken")
    hook.send(notice())
    server.stop()
    ((headers, _),) = server.received
    assert server.paths == ["/aerie/hooks/T0ken"] and "Authorization" not in headers
    with pytest.raises(OSError) as away:
        hook.send(notice())
    assert "T0ken" not in str(away.value) and "127.0.0.1" in str(away.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Refused), (401, Refused), (404, Refused), (408, OSError), (429, OSError), (500, OSError), (302, OSError)],
)
def test_what_a_webhook_refuses_and_what_it_takes_later(status: int, error: type[Exception]) -> None:
    server = SimulatedWebhook([status])
    with pytest.raises(error, match=str(status)):
        Webhook(server.url, "T0ken").send(notice())
    server.stop()
    assert len(server.received) == 1, "no redirection is followed, with the token"


# -- Mail


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    """The server's context, and one of a client that trusts it."""
    folder: Path = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=simulated",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(folder / "key"),
            "-out",
            str(folder / "crt"),
        ],
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "crt", folder / "key")
    yield server, ssl.create_default_context(cafile=str(folder / "crt"))


def test_a_mail_by_starttls_with_a_password(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server = SimulatedSmtp(tls[0], user="aerie")
    to = Mail("ops@x.org", "aerie@x.org", "127.0.0.1", server.port, "starttls", "aerie", "s3cret", context=tls[1])
    to.send(notice())
    server.stop()
    (text,) = server.mails
    message = email.message_from_string(text, policy=email.policy.default)
    assert message["To"] == "ops@x.org" and message["Subject"] == mail(notice(), "", "")["Subject"]
    clear = [command for secure, command in server.commands if not secure]
    assert clear == ["ehlo aerie.invalid", "STARTTLS"], "neither the password nor the mail is told in clear"


def test_a_server_without_tls_or_with_a_certificate_that_nobody_knows_gets_nothing(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    for server in (SimulatedSmtp(user="aerie"), SimulatedSmtp(tls[0], user="aerie")):
        with pytest.raises(OSError):
            Mail("ops@x.org", "aerie@x.org", "127.0.0.1", server.port, "starttls", "aerie", "s3cret").send(notice())
        server.stop()
        assert server.mails == [] and not [c for _, c in server.commands if c.startswith("AUTH")]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"RCPT": "550 nobody of that name"}, Refused),
        ({"RCPT": "450 later"}, OSError),
        ({"MAIL": "553 not from you"}, Refused),
        ({"DATA": "554 no"}, Refused),
        ({"DATA": "451 later"}, OSError),
    ],
)
def test_what_a_mail_server_refuses_and_what_it_takes_later(answers: dict[str, str], error: type[Exception]) -> None:
    server = SimulatedSmtp(answers=answers)
    with pytest.raises(error):
        Mail("ops@x.org", "aerie@x.org", "127.0.0.1", server.port, "none").send(notice())
    server.stop()


# -- The queue


@pytest.fixture
def started() -> Iterator[Callable[[Outbox], Outbox]]:
    boxes: list[Outbox] = []

    def start(box: Outbox) -> Outbox:
        boxes.append(box)
        box.start()
        return box

    yield start
    for box in boxes:
        box.stop(1)


def test_what_a_receiver_did_not_take_it_gets_later_and_in_order(started: Callable[[Outbox], Outbox]) -> None:
    server = SimulatedWebhook([503, 500, 503, 200])
    box = started(Outbox(Webhook(server.url), first=0.01, longest=0.02))
    box.put(notice())
    box.put(ended(SESSION))
    until(lambda: box.sent == 2)
    server.stop()
    assert [body["event"] for body in server.taken] == ["fires", "ends"]
    assert (box.errors, box.dropped, box.waiting) == (3, 0, 0)


def test_a_refused_message_does_not_hold_up_the_next(started: Callable[[Outbox], Outbox]) -> None:
    server = SimulatedWebhook([400, 200])
    box = started(Outbox(Webhook(server.url)))
    box.put(notice())
    box.put(ended(SESSION))
    until(lambda: box.sent == 1 and not box.waiting)
    server.stop()
    assert [body["event"] for body in server.taken] == ["ends"] and (box.errors, box.dropped) == (1, 1)


class Held:
    """Takes a message when it is let."""

    name = "held"

    def __init__(self) -> None:
        self.go_on, self.got, self.taken = threading.Event(), threading.Event(), list[float]()

    def send(self, notice: Notice) -> None:
        self.got.set()
        assert self.go_on.wait(10)
        self.taken.append(notice.at)


def test_a_full_queue_drops_the_oldest_that_is_not_on_its_way_and_nobody_waits(
    started: Callable[[Outbox], Outbox],
) -> None:
    held = Held()
    box = started(Outbox(held, most=3))
    box.put(notice(at=0))
    assert held.got.wait(10)
    for n in range(1, 1000):
        box.put(notice(at=n))
    assert not held.go_on.is_set()  # it hangs all the while
    assert (box.waiting, box.dropped) == (3, 997)
    held.go_on.set()
    until(lambda: box.sent == 3)
    assert held.taken == [0, 998, 999] and box.dropped == 997


def test_pauses_grow_and_begin_anew_after_a_success(
    started: Callable[[Outbox], Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SimulatedWebhook([500, 500, 500, 500, 200, 500, 200])
    box = Outbox(Webhook(server.url), first=0.01, longest=0.04)
    pauses: list[float] = []
    monkeypatch.setattr(box._ended, "wait", pauses.append)
    started(box)
    box.put(notice())
    until(lambda: box.sent == 1)
    box.put(notice())
    until(lambda: box.sent == 2)
    server.stop()
    assert pauses == [0.01, 0.02, 0.04, 0.04, 0.01]


def test_what_waits_is_tried_before_the_end_and_the_end_waits_for_nobody() -> None:
    server = SimulatedWebhook()
    box = Outbox(Webhook(server.url))
    box.put(notice())
    box.start()
    box.stop()
    server.stop()
    assert box.sent == 1
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and says nothing
        box = Outbox(Webhook(f"http://127.0.0.1:{mute.getsockname()[1]}/"))
        box.put(notice())
        box.start()
        begun = time.monotonic()
        box.stop(0.2)
        assert time.monotonic() - begun < 5


# -- The file


def test_receivers_of_the_file(tmp_path: Path) -> None:
    assert receivers(tmp_path / "alerts") == []
    data = {
        "webhook": {"url": "https://x.org/", "token": "T0ken"},
        "mail": {"to": "a@x.org", "sender": "b@x.org", "server": "x.org:587", "tls": "starttls"},
    }
    (tmp_path / "alerts").write_text(json.dumps(data))
    assert receivers(tmp_path / "alerts") == [
        Webhook("https://x.org/", "T0ken"),
        Mail("a@x.org", "b@x.org", "x.org", 587, "starttls"),
    ]
    for wrong in ("{", "[]", '{"mail": {}}', '{"mail": {"server": "x"}}'):
        (tmp_path / "alerts").write_text(wrong)
        with pytest.raises(Mistake, match=r"alerts: .*; write"):
            receivers(tmp_path / "alerts")
