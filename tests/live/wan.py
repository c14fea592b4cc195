"""A WAN with delays between sites, and links that can be cut: a UDP relay (`wan_relay.py`) on the host, through which the tunnels'
packets are led. For hosts whose kernel has no netem; the product knows nothing of it.

    with Wan(ends_of(farm), {("torino", "cnaf"): 10.8, ("torino", "bari"): 18.4, ("cnaf", "bari"): 13.9}) as wan:
        wan.cut("torino", "cnaf")              # both directions
        wan.cut("torino", "cnaf", back=False)  # only what torino sends
        wan.heal("torino", "cnaf")

Each end's tunnel is told the relay as its peer's endpoint, and packets that come directly are thrown away, so that no tunnel finds
the way around the relay. A front-end that restarts takes its endpoints from its files again: its peers, which go on sending
through the relay, bring it back to it (WireGuard answers to where authentic packets come from). `reset` does so at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from federation import Farm, docker, wait_for

RELAY = Path(__file__).with_name("wan_relay.py")
POSTER_RTT = {("torino", "cnaf"): 10.8, ("torino", "bari"): 18.4, ("cnaf", "bari"): 13.9}  # ms


@dataclass(frozen=True)
class End:
    """A front-end: its address on the WAN, the host's there, and how to run `iptables` and `wg` in its network name space."""

    address: str
    host: str
    iptables: Callable[..., str]
    wg: Callable[..., str]


def ends_of(farm: Farm) -> dict[str, End]:
    """The front-ends of a federation on the embedded IaaS, by site."""
    federation = yaml.safe_load((farm.path / "federation.yaml").read_text())
    host = str(IPv4Network(federation["embedded"]["wan"]).network_address + 1)

    def end(site: str, block: dict[str, Any]) -> End:
        machine = f"{site}-front-end"
        return End(
            block["vpn_endpoint"].partition(":")[0],
            host,
            lambda *words: farm.on(machine, "iptables", "-w", *words),
            lambda *words: farm.on(machine, "docker", "exec", "vpn", "wg", *words),
        )

    return {site: end(site, block) for site, block in federation["sites"].items()}


@dataclass(frozen=True)
class _Tunnel:
    """One end of a pair: its interface and UDP port, and its peer's key, there."""

    end: End
    interface: str
    port: int
    peer_key: str


class Wan:
    """The pairs of `rtt` (in ms, both ways together) through a relay; other pairs are left alone."""

    def __init__(self, ends: Mapping[str, End], rtt: Mapping[tuple[str, str], float]) -> None:
        self._ends = dict(ends)
        self._rtt = dict(rtt)
        self._tunnels: dict[tuple[str, str], tuple[_Tunnel, _Tunnel]] = {}
        self._ports: dict[tuple[str, str], list[int]] = {}
        self._relay: subprocess.Popen[str] | None = None

    # -- its life

    def __enter__(self) -> Wan:
        host = next(iter(self._ends.values())).host
        self._relay = subprocess.Popen(
            [sys.executable, "-S", str(RELAY), host], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            for (a, b), rtt in self._rtt.items():
                tunnels = self._tunnel(a, b), self._tunnel(b, a)
                self._tunnels[a, b] = tunnels
                addresses = [[t.end.address, t.port] for t in tunnels]
                answer = self._ask({"add": f"{a}-{b}", "ends": addresses, "delay": rtt / 2000})
                self._ports[a, b] = answer["ports"]
            self.reset()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def reset(self) -> None:
        """Leads the tunnels through the relay, whatever has become of them: after front-ends were restarted."""
        for pair, tunnels in self._tunnels.items():
            for i, tunnel in enumerate(tunnels):
                self._refuse_direct(tunnel, tunnels[1 - i].end, True)
            for i, tunnel in enumerate(tunnels):
                self._endpoint(tunnel, f"{tunnel.end.host}:{self._ports[pair][i]}")

    def _end(self) -> None:
        """The tunnels find each other directly again. What is gone by then needs no mending."""
        for pair, tunnels in self._tunnels.items():
            # A packet that still came by the relay would lead the tunnel back to it.
            if self._relay and self._relay.poll() is None:
                self.cut(*pair)
            for i, tunnel in enumerate(tunnels):
                other = tunnels[1 - i]
                try:
                    self._refuse_direct(tunnel, other.end, False)
                    self._endpoint(tunnel, f"{other.end.address}:{other.port}")
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    print(f"wan: {tunnel.interface} of {tunnel.end.address} stays as it is: {error}")
        if self._relay and self._relay.stdin:
            self._relay.stdin.close()
            try:
                self._relay.wait(10)
            except subprocess.TimeoutExpired:
                self._relay.kill()
                self._relay.wait()

    # -- what can be done to it

    def cut(self, a: str, b: str, there: bool = True, back: bool = True) -> None:
        """Loses what `a` sends to `b` (`there`) and what `b` sends to `a` (`back`), what is under way included."""
        directions = [there, back] if (a, b) in self._rtt else [back, there]
        self._ask({"lose": self._name(a, b), "directions": directions})

    def heal(self, a: str, b: str) -> None:
        """Nothing is lost any more."""
        self.cut(a, b, False, False)

    def delay(self, a: str, b: str, rtt: float) -> None:
        """Another round-trip time, in ms."""
        self._ask({"set": self._name(a, b), "delay": rtt / 2000})

    def seconds(self) -> float:
        """Processor time that the relay has used."""
        assert self._relay
        return int(Path(f"/proc/{self._relay.pid}/schedstat").read_text().split()[0]) / 1e9

    # -- inside

    def _name(self, a: str, b: str) -> str:
        return f"{a}-{b}" if (a, b) in self._rtt else f"{b}-{a}"

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        relay = self._relay
        assert relay and relay.stdin and relay.stdout
        relay.stdin.write(json.dumps(command) + "\n")
        relay.stdin.flush()
        line = relay.stdout.readline()
        assert line, f"the relay has ended: {relay.poll()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _tunnel(self, site: str, peer: str) -> _Tunnel:
        end, interface = self._ends[site], f"wg-{peer}"
        port = int(end.wg("show", interface, "listen-port"))
        return _Tunnel(end, interface, port, end.wg("show", interface, "peers").strip())

    def _refuse_direct(self, tunnel: _Tunnel, other: End, refuse: bool) -> None:
        rule = ["INPUT", "-s", other.address, "-p", "udp", "--dport", str(tunnel.port), "-j", "DROP"]
        try:
            tunnel.end.iptables("-C", *rule)
            there = True
        except AssertionError:
            there = False
        if there != refuse:
            tunnel.end.iptables("-I" if refuse else "-D", *rule)

    def _endpoint(self, tunnel: _Tunnel, endpoint: str) -> None:
        tunnel.end.wg("set", tunnel.interface, "peer", tunnel.peer_key, "endpoint", endpoint)


def ping_ms(container: str, address: str, count: int = 20, interface: str = "") -> float:
    """The least round-trip time from a container that has ping, in ms."""
    by = ["-I", interface] if interface else []
    out = docker("exec", container, "ping", "-q", "-c", str(count), "-i", "0.05", *by, address).stdout
    return float(out.rpartition("= ")[2].split("/")[0])


def settled(what: str, condition: Callable[[], Any], seconds: float) -> Any:
    """As `wait_for`, looking 20 times a second: for what is measured."""
    return wait_for(what, condition, seconds, every=0.05)
