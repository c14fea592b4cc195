"""The link watch of the vpn image, and the emulated WAN: three front-ends on a network of their own, a tunnel between any two.

What BIRD does in a federation is done here by routes of metric 2500, "by a third front-end": they are used once the tunnel's own
(metric 2000) are gone. Needs a Docker engine; missing images are built. Everything made here has the prefix `mv-`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from engine import remove
from federation import docker, wait_for
from front_ends import (
    NAMES,
    NO_DELAY,
    PAIRS,
    PREFIX,
    SECONDS,
    FrontEnds,
    front_end,
    lan,
    others,
    six,
)
from wan import POSTER_RTT, Wan, ping_ms, settled

from tools.images import image_tags, main
from tools.stacks import ROOT

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def three() -> Iterator[FrontEnds]:
    assert main(["build", "base", "vpn", "machine", "probe"]) == 0
    remove(PREFIX)
    made = FrontEnds(image_tags(ROOT))
    try:
        made.start()
        yield made
    finally:
        remove(PREFIX)


@pytest.fixture
def wan(three: FrontEnds) -> Iterator[Wan]:
    """All tunnels through the relay, without delay, up at the beginning and at the end."""
    with Wan(three.ends(), NO_DELAY) as wan:
        three.all_up()
        yield wan
        for a, b in PAIRS:
            wan.heal(a, b)
        three.all_up()
    three.bypasses(None)


def test_all_links_come_up(three: FrontEnds) -> None:
    three.all_up()
    settled("the median of nine", lambda: three.status("one", "two")["since_s"] >= 5, 20)
    status = three.status("one", "two")
    assert 0 < status["rtt_ms"] < 20 and status["applied"] is True, status
    routes = three.on("one", "ip", "-o", "route", "show", "dev", "wg-two", "proto", "157").splitlines()
    assert [line.split() for line in routes] == [
        [lan("two"), "scope", "link", "src", front_end("one"), "metric", "2000"],
        [front_end("two"), "scope", "link", "src", front_end("one")],
    ]
    assert three.routes("one", "two", "157") == [lan("two")]


def test_ipv6_passes_and_has_the_same_routes(three: FrontEnds) -> None:
    three.all_up()
    for a, b in PAIRS:
        assert three.lost(a, six(front_end(b)), 5) == 0 and three.lost(b, six(front_end(a)), 5) == 0
    shown = three.on("one", "ip", "-6", "-o", "route", "show", "dev", "wg-two", "proto", "157")
    routes = {line.split()[0]: line for line in shown.splitlines()}
    assert set(routes) == {six(lan("two")), six(front_end("two"))}
    assert "metric 2000" in routes[six(lan("two"))] and "metric 1024" in routes[six(front_end("two"))]
    assert all(f"src {six(front_end('one'))}" in line for line in routes.values())
    assert three.routes("one", "two", "157", "-6") == [six(lan("two"))]
    # A file without IPv6 takes it away, and one that has it again brings it back.
    plain = re.sub(r"(?m)^# \w+6 =.*\n", "", three.peer_file("one", "two")).replace(", ::/0", "")
    three.write("one", "two.conf", plain)
    three.on("one", "vpn", "sync")
    assert three.routes("one", "two", family="-6") == [] and three.routes("one", "two") == [
        lan("two"),
        front_end("two"),
    ]
    assert six(front_end("one")) not in three.on("one", "ip", "-6", "addr", "show", "dev", "wg-two")
    three.write("one", "two.conf", three.peer_file("one", "two"))
    three.on("one", "vpn", "sync")
    assert three.is_up("one", "two")


@pytest.mark.parametrize("directions", [(True, True), (True, False), (False, True)], ids=["both", "there", "back"])
@pytest.mark.parametrize("bypass", [2500, None], ids=["third", "alone"])
def test_a_dead_link_is_found_and_comes_back(
    three: FrontEnds, wan: Wan, directions: tuple[bool, bool], bypass: int | None
) -> None:
    """Also where no third way leads the answers back: both ends have taken the routes away, and must find each other again."""
    a, b = "one", "two"
    three.bypasses(bypass)
    began = time.time()
    wan.cut(a, b, *directions)
    settled("both ends find it dead", lambda: three.is_down(a, b) and three.is_down(b, a), 20)
    dead = [three.found(a, b, "down", began), three.found(b, a, "down", began)]
    assert three.status(a, b)["rtt_ms"] is None
    lost = three.lost(a, front_end(b)), three.lost(b, front_end(a))
    assert three.is_down(a, b) and three.is_down(b, a)
    began = time.time()
    wan.heal(a, b)
    settled("both ends find it alive", lambda: three.is_up(a, b) and three.is_up(b, a), 20)
    alive = [three.found(a, b, "up", began), three.found(b, a, "up", began)]
    print(
        f"cut {directions}: dead after {dead[0]:.2f} and {dead[1]:.2f} s, alive after {alive[0]:.2f} and {alive[1]:.2f} s"
    )
    assert max(dead + alive) < SECONDS
    # Of 20 each way; a machine that has much else to do loses some on any way.
    assert max(lost) <= 4 if bypass else lost == (20, 20)
    assert three.lost(a, front_end(b), 5) == 0


def test_a_dead_link_leaks_nothing_to_the_default_route(three: FrontEnds, wan: Wan) -> None:
    assert three.way("one", "192.0.2.1") == "eth0"
    wan.cut("one", "two")
    settled("it is found dead", lambda: three.is_down("one", "two"), 20)
    for address in (front_end("two"), front_end("two") + "1"):
        assert three.way("one", address) == "wg-two"
        assert three.way("one", six(address)) == "wg-two"
    three.bypasses(2500)
    assert three.way("one", front_end("two")) == "wg-three"


def test_a_link_between_two_others_is_not_touched(three: FrontEnds, wan: Wan) -> None:
    before = three.status("one", "three")
    wan.cut("one", "two")
    settled("it is found dead", lambda: three.is_down("one", "two"), 20)
    assert three.lost("one", front_end("three"), 10) == 0
    after = three.status("one", "three")
    assert after["link"] == "up" and after["since_s"] >= before["since_s"]


def test_sync_does_not_bring_a_dead_link_back(three: FrontEnds, wan: Wan) -> None:
    wan.cut("one", "two")
    settled("it is found dead", lambda: three.is_down("one", "two"), 20)
    three.write("one", "two.conf", three.peer_file("one", "two").replace("Mtu = 1420", "Mtu = 1400"))
    three.on("one", "vpn", "sync")
    assert three.is_down("one", "two")
    # Nor does the end of the watch, or of the tunnel's program.
    three.on("one", "sh", "-c", "kill -9 $(grep -lx link-watch /proc/[0-9]*/comm | cut -d/ -f3)")
    settled("the watch runs again", lambda: three.status("one", "two")["since_s"] is not None, 15)
    assert three.is_down("one", "two")
    if three.status("one", "two")["implementation"] == "userspace":
        index = three.on("one", "cat", "/sys/class/net/wg-two/ifindex")
        three.on("one", "sh", "-c", "kill -9 $(grep -laz '^wg-two$' /proc/[0-9]*/cmdline | cut -d/ -f3)")
        settled("wireguard-go runs again", lambda: three.on("one", "cat", "/sys/class/net/wg-two/ifindex") != index, 15)
        assert three.routes("one", "two") == []
    wan.reset()
    wan.heal("one", "two")
    three.all_up()
    three.write("one", "two.conf", three.peer_file("one", "two"))
    three.on("one", "vpn", "sync")


def test_a_peer_that_restarts(three: FrontEnds, wan: Wan) -> None:
    began = time.monotonic()
    docker("stop", PREFIX + "two")
    settled("its peers find it gone", lambda: three.is_down("one", "two") and three.is_down("three", "two"), 5)
    gone = time.monotonic() - began
    docker("start", PREFIX + "two")
    began = time.monotonic()
    wan.reset()
    three.all_up(30)
    print(
        f"a peer that restarts: found gone {gone:.1f} s after `docker stop`, back {time.monotonic() - began:.1f} s after start"
    )


def test_a_peer_without_a_watch_is_up(three: FrontEnds, wan: Wan) -> None:
    """Its kernel answers pings: so a front-end with an older image does not count as dead."""
    pid = three.on("two", "sh", "-c", "grep -lx link-watch /proc/[0-9]*/comm | cut -d/ -f3").strip()
    three.on("two", "sh", "-c", f"kill -STOP {pid}")
    try:
        before = three.status("one", "two")
        lost = before["lost"]
        # Ten probes, by the watch's own account; it would begin anew if the link went down.
        settled("five more seconds up", lambda: three.status("one", "two")["since_s"] >= before["since_s"] + 5, 15)
        assert three.is_up("one", "two") and three.status("one", "two")["lost"] <= lost + 1
    finally:
        three.on("two", "sh", "-c", f"kill -CONT {pid}")


def test_the_end_takes_everything_along(three: FrontEnds) -> None:
    """SIGTERM removes interfaces, routes and rules; the name space lives on in the containers beside."""
    assert "lookup 157" in three.tools("three", "ip", "rule")
    docker("stop", PREFIX + "three")
    assert docker("inspect", "-f", "{{.State.ExitCode}}", PREFIX + "three").stdout == "0\n"
    assert "lookup 157" not in three.tools("three", "ip", "rule") + three.tools("three", "ip", "-6", "rule")
    assert "wg-" not in three.tools("three", "ip", "link")
    docker("start", PREFIX + "three")
    three.all_up()


# ---- what it costs, and that it does not cry wolf ----


def watch_seconds(three: FrontEnds, name: str) -> float:
    """Processor time that the watch has used."""
    script = "cat /proc/$(grep -lx link-watch /proc/[0-9]*/comm | cut -d/ -f3)/schedstat"
    return int(three.on(name, "sh", "-c", script).split()[0]) / 1e9


@pytest.mark.soak  # a minute of nothing
def test_no_false_alarm_and_little_work_in_a_minute_of_rest(three: FrontEnds) -> None:
    three.all_up()
    alarms, used = len(three.alarms("one")), watch_seconds(three, "one")
    start, since = time.monotonic(), three.status("one", "two")["since_s"]
    # Seldom asked, since it is rest that is measured; the watch's account would begin anew if the link went down.
    wait_for("a minute more up", lambda: three.status("one", "two")["since_s"] >= since + 60, 90, every=5)
    share = (watch_seconds(three, "one") - used) / (time.monotonic() - start) / 2
    print(f"the watch uses {share * 100:.3f} % of a core for each peer")
    assert len(three.alarms("one")) == alarms and all(three.is_up(a, b) for a in NAMES for b in others(a))
    assert share < 0.002


@pytest.mark.soak
def test_no_false_alarm_under_load(three: FrontEnds) -> None:
    """A minute of TCP as fast as it goes, in both directions of one tunnel: its probes wait behind that."""
    three.all_up()
    alarms = {name: len(three.alarms(name)) for name in NAMES}
    lost = three.status("one", "two")["lost"]
    docker("exec", "-d", f"{PREFIX}two-tools", "iperf3", "-s", "-1", "-B", front_end("two"))
    words = ["iperf3", "-J", "-c", front_end("two"), "-B", front_end("one"), "-t", "60", "-P", "4", "--bidir"]
    out = settled("iperf3 runs", lambda: three.tools("one", *words), 10)
    end = json.loads(out)["end"]
    rate = (end["sum_received"]["bits_per_second"] + end["sum_received_bidir_reverse"]["bits_per_second"]) / 1e6
    status = three.status("one", "two")
    print(f"under {rate:.0f} Mbit/s: {status['lost'] - lost} probes lost, round trip {status['rtt_ms']} ms")
    assert {name: len(three.alarms(name)) for name in NAMES} == alarms


# ---- the emulated WAN ----


def tunnel_ms(three: FrontEnds, a: str, b: str, count: int = 40) -> float:
    return ping_ms(f"{PREFIX}{a}-tools", front_end(b), count)


def test_the_emulated_delays(three: FrontEnds) -> None:
    """The tunnels' round-trip times are the bare ones plus what is emulated, within 10 % of the latter; the watch sees them too."""
    three.all_up()
    bare = {pair: tunnel_ms(three, *pair) for pair in PAIRS}
    rtt = dict(zip(PAIRS, POSTER_RTT.values(), strict=True))
    with Wan(three.ends(), rtt):
        three.all_up()
        seen = {pair: tunnel_ms(three, *pair) for pair in PAIRS}
        settled(
            "the watch has nine of the new ones", lambda: three.status("one", "two")["rtt_ms"] > rtt["one", "two"], 20
        )
    for pair in PAIRS:
        print(f"{pair}: bare {bare[pair]:.2f} ms, emulated {rtt[pair]} ms, seen {seen[pair]:.2f} ms")
    for pair in PAIRS:
        assert abs(seen[pair] - bare[pair] - rtt[pair]) <= rtt[pair] / 10, pair
    three.all_up()
    assert tunnel_ms(three, "one", "two") < 5


def test_the_relay_keeps_order_and_passes_enough(three: FrontEnds, wan: Wan) -> None:
    """Enough: 100 Mbit/s with a core of its own, by the processor time that it takes, since others may use this machine too."""
    wan.delay("one", "two", 10)
    docker("exec", "-d", f"{PREFIX}two-tools", "iperf3", "-s", "-1", "-B", front_end("two"))
    words = ["iperf3", "-J", "-c", front_end("two"), "-B", front_end("one"), "-u", "-b", "30M", "-l", "1300", "-t", "5"]
    found = json.loads(settled("iperf3 runs", lambda: three.tools("one", *words), 10))["end"]
    stream = found["streams"][0]["udp"]
    print(f"relay: UDP: {stream['lost_packets']} of {stream['packets']} lost, {stream['out_of_order']} out of order")
    assert stream["out_of_order"] == 0
    docker("exec", "-d", f"{PREFIX}two-tools", "iperf3", "-s", "-1", "-B", front_end("two"))
    words = ["iperf3", "-J", "-c", front_end("two"), "-B", front_end("one"), "-t", "10", "-P", "4"]
    used = wan.seconds()
    sums = json.loads(settled("iperf3 runs", lambda: three.tools("one", *words), 10))["end"]
    used, sent = wan.seconds() - used, sums["sum_received"]["bytes"] * 8 / 1e6
    print(f"relay: TCP at {sent / 10:.0f} Mbit/s, at {used * 10:.0f} % of a core: {sent / used:.0f} Mbit/s at most")
    assert sent / used > 100
