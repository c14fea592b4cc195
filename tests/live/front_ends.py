"""Three front-ends of the vpn image on a network of their own, a tunnel between any two: what the link watch's tests work on.

Everything made here has the prefix `mv-`.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from federation import docker
from wan import End, settled

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


def six(address: str) -> str:
    """The IPv6 address, or network, beside an IPv4 one."""
    number, _, length = address.partition("/")
    text = str(IPv6Address(int(IPv6Address("fd7a:ae:6d:1::")) + int(IPv4Address(number))))
    return f"{text}/{int(length) + 96}" if length else text


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
            docker(*beside, "--name", PREFIX + name, "--device=/dev/net/tun", "--memory=128m",
                   "--security-opt=systempaths=unconfined", self.image("vpn"))  # fmt: skip
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
            f"# Address6 = {six(front_end(name))}/128\n# Peer6 = {six(front_end(peer))}\n# Routes6 = {six(lan(peer))}\n"
            f"[Interface]\nListenPort = {ports[peer]}\n[Peer]\nPublicKey = {self.public[peer]}\n"
            f"Endpoint = {wan_address(peer)}:{ports[name]}\nAllowedIPs = 0.0.0.0/0, ::/0\nPersistentKeepalive = 15\n"
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

    def routes(self, name: str, peer: str, table: str = "main", family: str = "-4") -> list[str]:
        """Prefixes on the tunnel to `peer` that are the vpn's."""
        words = ("ip", family, "route", "show", "table", table, "dev", f"wg-{peer}", "proto", "157")
        lines = self.on(name, *words, check=False)
        return [line.split()[0] for line in lines.splitlines()]

    def is_up(self, name: str, peer: str) -> bool:
        ways = [*self.routes(name, peer), *sorted(self.routes(name, peer, family="-6"))]
        wanted = [lan(peer), front_end(peer), *sorted([six(lan(peer)), six(front_end(peer))])]
        return self.status(name, peer)["link"] == "up" and ways == wanted

    def is_down(self, name: str, peer: str) -> bool:
        ways = [*self.routes(name, peer), *self.routes(name, peer, family="-6")]
        return self.status(name, peer)["link"] == "down" and ways == []

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
        """Pings lost, of `count` in as many tenths of a second; an answer has two seconds more (with -w, ping goes on till then)."""
        seconds = str(count // 10 + 2)
        out = self.tools(name, "ping", "-q", "-c", str(count), "-i", "0.1", "-w", seconds, address, check=False)
        sent, received = re.findall(r"(\d+) packets transmitted, (\d+) received", out)[0]
        return min(count, int(sent) - int(received))

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
