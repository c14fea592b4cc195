"""The link watch of the vpn image, and the emulated WAN: three front-ends on a network of their own, a tunnel between any two.

What BIRD does in a federation is done here by routes of metric 2500, "by a third front-end": they are used once the tunnel's own
(metric 2000) are gone. Needs a Docker engine; missing images are built. Everything made here has the prefix `mv-`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from federation import docker, wait_for
from wan import POSTER_RTT, End, Wan, ping_ms, settled

from tools.images import image_tags, main
from tools.stacks import ROOT

pytestmark = pytest.mark.live

PREFIX = "mv-"
WAN_NETWORK, HOST = "172.29.60.0/24", "172.29.60.1"
NAMES = ("one", "two", "three")
PAIRS = [("one", "two"), ("one", "three"), ("two", "three")]
NO_DELAY = dict.fromkeys(PAIRS, 0.0)
SECONDS = 3.0  # within which a link is found dead, or alive


def wan_address(name: str) -> str:
    return f"172.29.60.1{NAMES.index(name) + 1}"


def lan(name: str) -> str:
    return f"172.29.6{NAMES.index(name) + 1}.0/24"


def front_end(name: str) -> str:
    return lan(name).replace(".0/24", ".10")


def others(name: str) -> list[str]:
    return [n for n in NAMES if n != name]


def third(a: str, b: str) -> str:
    return next(n for n in NAMES if n not in (a, b))


def _moment(stamp: str) -> float:
    """Docker's time stamps, which have nanoseconds."""
    return datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00").timestamp()


class FrontEnds:
    """Three containers of the vpn image, each in the name space of one with iptables, and beside one with ping and iperf3."""

    def __init__(self, tags: dict[str, str]) -> None:
        self.tags = tags
        self.keys: dict[str, str] = {}
        self.public: dict[str, str] = {}

    def image(self, name: str) -> str:
        return f"aerie/{name}:{self.tags[name]}"

    def start(self) -> None:
        docker("network", "create", "--subnet", WAN_NETWORK, f"{PREFIX}wan")
        for name in NAMES:
            # As on a machine: it forwards, and its reverse path filter is loose. The name space is not the vpn's, so that it
            # outlives that.
            docker("run", "-d", "--init", "--name", f"{PREFIX}{name}-machine", "--network", f"{PREFIX}wan",
                   "--ip", wan_address(name), "--cap-add=NET_ADMIN", "--sysctl=net.ipv4.ip_forward=1",
                   "--sysctl=net.ipv4.conf.all.rp_filter=2", "--entrypoint", "sleep", self.image("machine"), "1d")  # fmt: skip
            beside = ("run", "-d", "--network", f"container:{PREFIX}{name}-machine", "--cap-add=NET_ADMIN")
            docker(*beside, "--name", f"{PREFIX}{name}-tools", "--init", self.image("probe"), "sleep", "1d")
            docker(*beside, "--name", PREFIX + name, "--device=/dev/net/tun", "--memory=128m", self.image("vpn"))
            self.keys[name] = self.on(name, "wg", "genkey").strip()
            self.public[name] = self.on(name, "sh", "-c", f"echo {self.keys[name]} | wg pubkey").strip()
        for name in NAMES:
            self.write(name, "private.key", self.keys[name] + "\n")
            for peer in others(name):
                self.write(name, f"{peer}.conf", self.peer_file(name, peer))
            self.on(name, "vpn", "sync")

    def peer_file(self, name: str, peer: str) -> str:
        ports = {n: 51820 + i for i, n in enumerate(NAMES)}
        return (
            f"# Address = {front_end(name)}/32\n# Mtu = 1420\n# Peer = {front_end(peer)}\n# Routes = {lan(peer)}\n"
            f"[Interface]\nListenPort = {ports[peer]}\n[Peer]\nPublicKey = {self.public[peer]}\n"
            f"Endpoint = {wan_address(peer)}:{ports[name]}\nAllowedIPs = 0.0.0.0/0\nPersistentKeepalive = 15\n"
        )

    def write(self, name: str, file: str, text: str) -> None:
        script = f"umask 077; mkdir -p /etc/aerie/vpn; cat > /etc/aerie/vpn/{file} <<'X'\n{text}X\n"
        docker("exec", PREFIX + name, "sh", "-c", script)

    def on(self, name: str, *words: str, check: bool = True) -> str:
        return docker("exec", PREFIX + name, *words, check=check).stdout

    def tools(self, name: str, *words: str, check: bool = True) -> str:
        return docker("exec", f"{PREFIX}{name}-tools", *words, check=check).stdout

    def ends(self) -> dict[str, End]:
        def end(name: str) -> End:
            return End(
                wan_address(name),
                HOST,
                lambda *words: docker("exec", f"{PREFIX}{name}-machine", "iptables", "-w", *words).stdout,
                lambda *words: self.on(name, "wg", *words),
            )

        return {name: end(name) for name in NAMES}

    # -- what is seen

    def status(self, name: str, peer: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.on(name, "vpn", "status"))
        return next(f for f in found if f["peer"] == peer)

    def routes(self, name: str, peer: str, table: str = "main") -> list[str]:
        """Prefixes on the tunnel to `peer` that are the vpn's."""
        lines = self.on(name, "ip", "route", "show", "table", table, "dev", f"wg-{peer}", "proto", "157", check=False)
        return [line.split()[0] for line in lines.splitlines()]

    def is_up(self, name: str, peer: str) -> bool:
        return self.status(name, peer)["link"] == "up" and self.routes(name, peer) == [lan(peer), front_end(peer)]

    def is_down(self, name: str, peer: str) -> bool:
        return self.status(name, peer)["link"] == "down" and self.routes(name, peer) == []

    def all_up(self, seconds: float = 40) -> None:
        for a, b in PAIRS:
            settled(f"{a}-{b} is up", lambda a=a, b=b: self.is_up(a, b) and self.is_up(b, a), seconds)  # type: ignore[misc]

    def found(self, name: str, peer: str, state: str, since: float) -> float:
        """When, in seconds after the moment `since`, the watch had set the routes of a link that it found up or down."""
        since_text = str(int(since))
        done = docker("logs", "--timestamps", "--since", since_text, PREFIX + name)
        for line in (done.stdout + done.stderr).splitlines():
            stamp, _, text = line.partition(" ")
            if text.startswith(f"vpn: wg-{peer}: link {state} ") and (after := _moment(stamp) - since) > 0:
                return after
        raise AssertionError(f"{name} has not found {peer} {state}")

    def way(self, name: str, address: str) -> str:
        """The interface that the kernel would take."""
        found = re.search(r" dev (\S+)", self.on(name, "ip", "route", "get", address))
        return found[1] if found else ""

    def lost(self, name: str, address: str, count: int = 20) -> int:
        """Pings lost, of `count` in as many tenths of a second."""
        out = self.tools(name, "ping", "-q", "-c", str(count), "-i", "0.1", "-W", "1", address, check=False)
        sent, received = re.findall(r"(\d+) packets transmitted, (\d+) received", out)[0]
        return int(sent) - int(received)

    def alarms(self, name: str) -> list[str]:
        done = docker("logs", PREFIX + name)
        return [line for line in (done.stdout + done.stderr).splitlines() if "link down" in line]

    def bypasses(self, metric: int | None) -> None:
        """Ways through the third front-end to each LAN, as BIRD sets them, or none."""
        for a in NAMES:
            for b in others(a):
                if metric is None:
                    self.tools(a, "ip", "route", "flush", lan(b), "proto", "static", check=False)
                else:
                    self.tools(a, "ip", "route", "replace", lan(b), "dev", f"wg-{third(a, b)}", "src", front_end(a),
                               "metric", str(metric), "proto", "static")  # fmt: skip


def remove() -> None:
    for kind, listing in (("container", ["ps", "-aq"]), ("network", ["network", "ls", "-q"])):
        if found := docker(*listing, "--filter", f"name=^{PREFIX}").stdout.split():
            docker(kind, "rm", "--force", *(["--volumes"] if kind == "container" else []), *found)


@pytest.fixture(scope="module")
def three() -> Iterator[FrontEnds]:
    assert main(["build", "base", "vpn", "machine", "probe"]) == 0
    remove()
    made = FrontEnds(image_tags(ROOT))
    try:
        made.start()
        yield made
    finally:
        remove()


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
    assert "lookup 157" not in three.tools("three", "ip", "rule")
    assert "wg-" not in three.tools("three", "ip", "link")
    docker("start", PREFIX + "three")
    three.all_up()


# ---- what it costs, and that it does not cry wolf ----


def watch_seconds(three: FrontEnds, name: str) -> float:
    """Processor time that the watch has used."""
    script = "cat /proc/$(grep -lx link-watch /proc/[0-9]*/comm | cut -d/ -f3)/schedstat"
    return int(three.on(name, "sh", "-c", script).split()[0]) / 1e9


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
