"""`make rtt`: probes' answers in, the matrix, its words, its faults and its picture out."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tools import rtt_matrix as rtt
from tools import rtt_picture, rtt_probes
from tools.login import Login
from tools.reach import Place, Said
from tools.rtt_matrix import Cell, Matrix

DATA = Path(__file__).parent / "data" / "rtt"
SITES = ("torino", "cnaf", "bari")
MS = {("torino", "cnaf"): 10.8, ("torino", "bari"): 18.4, ("cnaf", "bari"): 13.9}


def cell(ms: float, **more: int) -> Cell:
    return replace(Cell(20, 0, ms, ms * 0.9, ms * 1.2, 1380), **more)


def matrix(**changes: object) -> Matrix:
    cells = {(a, b): cell(MS.get((a, b)) or MS.get((b, a)) or 0.12) for a in SITES for b in SITES}
    return replace(Matrix("aerie", SITES, cells, 1380, 20, {}), **changes)  # type: ignore[arg-type]


def with_cell(a: str, b: str, new: Cell) -> Matrix:
    return matrix(cells={**matrix().cells, (a, b): new})


def test_pings_are_read() -> None:
    found = rtt.read_pings((DATA / "torino.txt").read_text(), 4)
    assert list(found) == list(SITES)
    # A duplicate is no answer of its own.
    assert found["torino"] == Cell(4, 0, 0.122, 0.115, 0.225, 1380)
    assert found["cnaf"] == Cell(4, 1, 10.9, 10.8, 11.4, 1312)
    assert found["bari"] == Cell(4, 4, passes=0, why="no host")


def answered(*numbers: int) -> str:
    return "".join(f"64 bytes from 10.65.64.65: icmp_seq={n} ttl=60 time={n}.0 ms\n" for n in numbers)


@pytest.mark.parametrize(
    ("body", "cell"),
    [
        # The fifth went out because the third was not answered; it only takes its place.
        (answered(1, 2, 4, 5) + "5 packets transmitted, 4 received, 20% packet loss\n", Cell(4, 1, 2.0, 1.0, 4.0)),
        # The fourth came late, after the fifth was sent: nothing is lost.
        (answered(1, 2, 3, 4) + "5 packets transmitted, 4 received, 20% packet loss\n", Cell(4, 0, 2.5, 1.0, 4.0)),
        # A router said no to the third, and ping ended.
        (answered(1, 2) + "3 packets transmitted, 2 received, +1 errors, 33% packet loss\n", Cell(3, 1, 1.5, 1.0, 2.0)),
        # It was ended before it could say how many it sent.
        (answered(1, 2), Cell(4, 2, 1.5, 1.0, 2.0)),
    ],
)
def test_lost_is_what_had_time_for_an_answer(body: str, cell: Cell) -> None:
    assert rtt.read_pings(f"@@cnaf\n{body}", 4)["cnaf"] == cell


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("ping: connect: Network is unreachable\n", "no route"),
        ("From 172.31.1.10 icmp_seq=1 Packet filtered\n", "forbidden"),
        ("From 172.31.1.10 icmp_seq=2 Time to live exceeded\n", "loop"),
        ("Error response from daemon: No such container: aerie-rtt-1\n", "probe gone"),
        ("5 packets transmitted, 0 received, 100% packet loss\n", "no answer"),
        ("bash: ping: command not found\n", "ping failed"),
    ],
)
def test_why_there_is_no_answer(body: str, why: str) -> None:
    assert rtt.read_pings(f"@@cnaf\n{body}", 4)["cnaf"].why == why


def test_the_table_is_sites_by_sites() -> None:
    text = rtt.text(matrix())
    rows = [line.split() for line in text.splitlines()[1:5]]
    assert rows == [
        ["torino", "cnaf", "bari"],
        ["torino", "0.120", "10.8", "18.4"],
        ["cnaf", "10.8", "0.120", "13.9"],
        ["bari", "18.4", "13.9", "0.120"],
    ]
    assert "VPN" not in text and "bytes" not in text
    assert rtt.troubles(matrix(), {}) == []


def test_a_site_that_is_not_there_is_a_cell_with_the_reason() -> None:
    found = matrix(missing={"bari": "bari-front-end: Connection timed out"})
    assert rtt.text(found).count("not there") == 10  # five cells in each of two tables
    (told,) = rtt.troubles(found, {})
    assert told == rtt.Trouble("bari is not in it: bari-front-end: Connection timed out", "make status")


def test_lost_pings_are_told() -> None:
    found = with_cell("torino", "cnaf", cell(10.8, lost=3))
    assert "10.8!" in rtt.text(found)
    (told,) = rtt.troubles(found, {"torino": "torino-agent-1", "cnaf": "cnaf-agent-1"})
    assert told.what == "from torino to cnaf: 3 of 20 pings lost"
    assert told.do == "python -m tools.path torino-agent-1 cnaf-agent-1"
    (told,) = rtt.troubles(with_cell("bari", "bari", Cell(20, 20, why="no answer")), {})
    assert told == rtt.Trouble("within bari: no answer (20 of 20 pings lost)", "make status")


def test_packets_that_do_not_pass_whole_are_told() -> None:
    found = replace(with_cell("torino", "bari", cell(18.4, passes=1312)), asked_mtu=True)
    rows = rtt.text(found).splitlines()
    assert rows[-4:-2][1].split() == ["torino", "1380", "ok", "1380", "ok", "1312!"]
    (told,) = rtt.troubles(found, {})
    assert told.what == (
        "from torino to bari: packets of 1380 bytes, the containers' MTU, do not pass (1312 bytes at most)"
    )
    (told,) = rtt.troubles(with_cell("torino", "bari", cell(18.4, passes=0)), {})
    assert "not even 576 bytes" in told.what


def test_tunnels_are_a_table_of_their_own() -> None:
    ways = {(a, b): 10.1 for a in SITES for b in SITES if a != b}
    found = matrix(tunnels={**ways, ("cnaf", "bari"): None})
    assert rtt.text(found).splitlines()[-3].split() == ["torino", "10.1", "10.1"]
    (told,) = rtt.troubles(found, {})
    assert told.what == "the tunnel from cnaf to bari tells no round trip: is it dead?"
    (told,) = rtt.troubles(matrix(tunnels=dict.fromkeys(ways)), {})
    assert told.do == "make up"


@pytest.mark.parametrize(
    ("ms", "words"), [(0.05, "0.050"), (3.456, "3.46"), (18.44, "18.4"), (118.2, "118"), (None, "-")]
)
def test_three_digits(ms: float | None, words: str) -> None:
    assert rtt.trip(ms) == words


def run(script: str, tmp_path: Path, docker: str) -> subprocess.CompletedProcess[str]:
    """The real script in a real shell, with a `docker` of the test's."""
    file = tmp_path / "docker"
    file.write_text(f"#!/bin/sh\n{docker}\n")
    file.chmod(0o755)
    script = script.replace("/run/", f"{tmp_path}/")
    return subprocess.run(
        [shutil.which("sh") or "sh", "-s"],
        input=script,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )


@pytest.mark.parametrize("largest", [1380, 1379, 1312, 577, 576, 0])
def test_the_largest_packet_is_found(tmp_path: Path, largest: int) -> None:
    # $* is: exec NAME ping -n -q -M do -s SIZE ...
    docker = f"""case "$*" in *" -M do "*) ;; *) echo 'icmp_seq=1 ttl=60 time=1.5 ms'; exit 0 ;; esac
if [ $(($9 + 28)) -le {largest} ]; then echo '3 packets transmitted, 3 received'; else echo '3 packets transmitted, 0 received'; fi"""
    done = run(rtt.ping_script("aerie-rtt-1", {"cnaf": "10.65.64.65"}, 1, 1380), tmp_path, docker)
    assert done.stderr == ""
    assert rtt.read_pings(done.stdout, 1)["cnaf"] == Cell(1, 0, 1.5, 1.5, 1.5, largest)


def test_a_probe_is_started_in_its_pool_and_removed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    docker = f"""echo "$*" >> {log}\ncase $1 in run) echo 0123abcd ;; inspect) echo 10.65.0.65 ;; esac"""
    done = run(rtt.start_script("aerie-rtt-1", "host:5000/aerie/probe:1"), tmp_path, docker)
    assert done.stdout == "10.65.0.65\n"
    (start, _) = log.read_text().splitlines()
    assert "--rm --name aerie-rtt-1 --network calico --label org.projectcalico.label.aerie-pool=aerie-rtt " in start
    assert start.endswith("host:5000/aerie/probe:1 sleep 900")
    assert run(rtt.stop_script("aerie-rtt-1"), tmp_path, docker).returncode == 0
    assert "rm -f aerie-rtt-1" in log.read_text()
    # One that is still there afterwards is no success.
    stays = run(rtt.stop_script("aerie-rtt-1"), tmp_path, "case $1 in ps) echo 0123abcd ;; esac")
    assert (stays.returncode, stays.stderr) == (1, "aerie-rtt-1 is left over\n")


# -- probes: whatever happens, none is left


def place(name: str) -> Place:
    site = name.split("-")[0]
    return Place(name, site, "172.31.1.10", name.endswith("front-end"), Login("root", name, 22, Path("k"), Path("h")))


PLACES = {
    "torino": [place("torino-front-end"), place("torino-agent-1"), place("torino-agent-2")],
    "cnaf": [place("cnaf-front-end")],
    "bari": [],
}


class Machines:
    """Stands for all of them: which probes run where. `deaf` cannot be asked; on `stubborn` nothing can be removed."""

    def __init__(self, deaf: str = "", stubborn: str = "") -> None:
        self.deaf, self.stubborn, self.there = deaf, stubborn, set[str]()

    def ask(self, place: Place, script: str, seconds: float, new_session: bool = False) -> Said:
        if place.name == self.deaf:
            return Said("", "ssh: connect to host: Connection timed out")
        name = re.findall(r"aerie-rtt-[0-9a-f]{6}-[a-z]+-[12]", script)[0]
        if "docker run" in script:
            self.there.add(name)
            return Said("10.65.0.65\n")
        if place.name == self.stubborn:
            return Said("", f"{name} is left over")
        self.there.discard(name)
        return Said("")


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    made = Machines()
    monkeypatch.setattr(rtt_probes, "ask", lambda *args, **more: made.ask(*args, **more))
    return made


def test_two_probes_a_site_on_two_machines_if_there_are(machines: Machines) -> None:
    probes, left = rtt_probes.wanted(PLACES), list[str]()
    where = {site: [p.place.name for p in both] for site, both in probes.items()}
    assert where == {"torino": ["torino-agent-1", "torino-front-end"], "cnaf": ["cnaf-front-end"] * 2}
    with rtt_probes.running(probes, "image", print, left) as (there, missing):
        assert (len(machines.there), missing, set(there)) == (4, {}, {"torino", "cnaf"})
        assert there["torino"][0].address == "10.65.0.65"
    assert (machines.there, left) == (set(), [])


def test_probes_go_after_an_interrupt(machines: Machines) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), rtt_probes.running(rtt_probes.wanted(PLACES), "image", print, []):
        raise KeyboardInterrupt
    assert machines.there == set()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_machine_that_cannot_be_asked_takes_only_its_site_out(machines: Machines) -> None:
    machines.deaf, left = "torino-agent-1", list[str]()
    with rtt_probes.running(rtt_probes.wanted(PLACES), "image", print, left) as (there, missing):
        assert set(there) == {"cnaf"}
        assert missing == {"torino": "torino-agent-1: ssh: connect to host: Connection timed out"}
    assert (machines.there, left) == (set(), [])


def test_a_probe_that_stays_or_whose_machine_went_is_told(machines: Machines) -> None:
    left = list[str]()
    machines.stubborn = "torino-agent-1"
    with rtt_probes.running(rtt_probes.wanted(PLACES), "image", print, left):
        machines.deaf = "cnaf-front-end"
    assert len(left) == 3
    assert [("left over" in line, "on cnaf" in line) for line in left] == [(True, False), (False, True), (False, True)]


# -- the picture


def texts(svg: str) -> list[str]:
    return [e.text or "" for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("text")]


def test_the_picture_has_every_number() -> None:
    svg = rtt_picture.picture(matrix(), "measured today")
    words = texts(svg)
    for site in SITES:
        assert words.count(site) == 2
    assert [w for w in words if re.fullmatch(r"[\d.]+", w)] == [
        "0.120",
        "10.8",
        "18.4",
        "10.8",
        "0.120",
        "13.9",
        "18.4",
        "13.9",
        "0.120",
    ]
    assert "measured today" in words


def test_the_picture_tells_what_is_missing_and_escapes_names() -> None:
    found = replace(with_cell("torino", "cnaf", Cell(20, 20, why="no answer")), federation="a<b")
    words = texts(rtt_picture.picture(replace(found, missing={"bari": "down"}), ""))
    assert (words.count("no answer"), words.count("not there")) == (1, 5)
    assert "Round trips between containers, a<b" in words
    nothing = matrix(missing=dict.fromkeys(SITES, "down"))
    assert texts(rtt_picture.picture(nothing, "")).count("not there") == 9


def test_darker_is_longer_also_without_colours() -> None:
    """In black and white only luminance is left: it falls with each step, and the numbers stay readable on it."""
    fills = [rtt_picture.colour(n / 20) for n in range(21)]
    grey = [rtt_picture._luminance(fill) for fill in fills]
    assert grey == sorted(grey, reverse=True) and len(set(grey)) == len(grey)
    for fill in fills:
        a, b = sorted((rtt_picture._luminance(fill), rtt_picture._luminance(rtt_picture.ink(fill))))
        assert (b + 0.05) / (a + 0.05) >= 4.5, fill


@pytest.mark.parametrize(("ms", "part"), [(0.1, 0.0), (100, 1.0), (3.1622776, 0.5), (0.01, 0.0), (1000, 1.0)])
def test_the_scale_is_logarithmic(ms: float, part: float) -> None:
    assert rtt_picture.share(ms, 0.1, 100) == pytest.approx(part)
    assert rtt_picture.share(ms, 5, 5) == 0


def test_many_sites_are_drawn_too() -> None:
    names = tuple(f"site-{n}" for n in range(40))
    found = Matrix(
        "aerie",
        names,
        {(a, b): cell(1 + i + j) for i, a in enumerate(names) for j, b in enumerate(names)},
        1380,
        20,
        {},
    )
    assert len(texts(rtt_picture.picture(found, ""))) > 1600
