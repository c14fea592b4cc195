"""Containers that ping one another across the tests' federation, and what BIRD says there."""

from __future__ import annotations

import itertools
import re
import subprocess
from dataclasses import dataclass

from federation import Farm, wait_for

from components.image_tags import image_tags

LABEL = "org.projectcalico.label.aerie-pool=aerie-rtt"  # probes talk to probes: docs/policy.md
NAME = "aerie-test-probe"


@dataclass(frozen=True)
class Probe:
    """A container on the network `calico`, or with a fixed address."""

    farm: Farm
    machine: str
    address: str

    def ping_once(self, address: str) -> bool:
        done = self.farm.on(
            self.machine, "docker", "exec", NAME, "ping", "-n", "-c1", "-W1", address, check=False, timeout=20
        )
        return " 1 received" in done


@dataclass(frozen=True)
class Lost:
    """What a stream of pings lost. `longest` in seconds without an answer."""

    sent: int
    lost: int
    longest: float


class Stream:
    """Pings every 50 ms from a probe to another until they are stopped."""

    EVERY = 0.05

    def __init__(self, source: Probe, target: Probe) -> None:
        self.source, self.target = source, target
        command = ["docker", "exec", source.farm.machine(source.machine), "docker", "exec", NAME]
        # A signal to `docker exec` ends nothing within the container: its number there is kept, to end it there.
        self.number = f"/tmp/{target.machine}"
        ping = ["sh", "-c", f"echo $$ > {self.number}; exec ping -n -i {self.EVERY} {target.address}"]
        self.process = subprocess.Popen([*command, *ping], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self) -> Lost:
        end = ["sh", "-c", f"kill -INT $(cat {self.number})"]
        self.source.farm.on(self.source.machine, "docker", "exec", NAME, *end, check=False)
        text = self.process.communicate(timeout=30)[0]
        found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
        assert found, text[-500:]
        return lost_of([int(n) for n in re.findall(r"icmp_seq=(\d+) ttl=", text)], int(found[1]), self.EVERY)


def lost_of(answered: list[int], sent: int, every: float) -> Lost:
    """From the numbers of the pings that were answered, which wrap at 65536, and how many were sent. The last one's answer may
    still be on its way."""
    numbers: list[int] = []
    wraps = 0
    for n in answered:
        if numbers and n + wraps < numbers[-1] - 32768:
            wraps += 65536
        numbers.append(n + wraps)
    seen = sorted({0, *numbers, sent})
    gaps = [b - a - 1 for a, b in itertools.pairwise(seen)]
    return Lost(sent, max(0, sent - 1 - len(set(numbers) - {sent})), max(gaps, default=0) * every)


def start_probe(farm: Farm, machine: str, *options: str, network: str = "calico") -> Probe:
    """One on this machine."""
    image = f"{farm.registry()}/aerie/probe:{image_tags(farm.path)['probe']}"
    farm.on(machine, "docker", "rm", "-f", NAME, check=False)
    words = ["docker", "run", "-d", "--name", NAME, "--network", network, "--label", LABEL, *options]
    farm.on(machine, *words, image, timeout=180)
    form = f"{{{{.NetworkSettings.Networks.{network}.IPAddress}}}}"
    return Probe(farm, machine, farm.on(machine, "docker", "inspect", "-f", form, NAME).strip())


def stop_probe(farm: Farm, machine: str) -> None:
    farm.on(machine, "docker", "rm", "-f", NAME, check=False)


def all_reach_all(probes: list[Probe], seconds: float = 30) -> None:
    for a in probes:
        for b in probes:
            wait_for(f"{a.machine} reaches {b.machine}", lambda a=a, b=b: a.ping_once(b.address), seconds, 0.2)  # type: ignore[misc]


def birdc(farm: Farm, machine: str, *command: str) -> str:
    return farm.on(machine, "docker", "exec", "calico", "birdc", "-s", "/run/calico/bird.ctl", *command)


def sessions(farm: Farm, machine: str) -> dict[str, str]:
    """BGP protocols by name: their state, such as Established."""
    found = {}
    for line in birdc(farm, machine, "show", "protocols").splitlines():
        words = line.split()
        if len(words) > 5 and words[1] == "BGP":
            found[words[0]] = words[5]
    return found


def kinds(found: dict[str, str]) -> dict[str, int]:
    """How many sessions of each kind are established, by the first word of their names."""
    out: dict[str, int] = {}
    for name, state in found.items():
        if state == "Established":
            kind = name.split("_")[0]
            out[kind] = out.get(kind, 0) + 1
    return out


def routes(farm: Farm, machine: str, *what: str) -> str:
    return birdc(farm, machine, "show", "route", *what)


def via(farm: Farm, machine: str, address: str) -> str:
    """The interface by which the kernel there sends packets to the address."""
    found = re.search(r"dev (\S+)", farm.on(machine, "ip", "route", "get", address))
    return found[1] if found else ""
