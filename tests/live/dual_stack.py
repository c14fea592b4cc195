"""Two sites of a front-end and an agent each on one network, for the tests of dual stack: with what the program itself tells Calico.

Everything made here has the prefix `md-`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from engine import EngineHost, image, ok

from components.cluster.container import run_arguments
from components.fabric.calico import calico_container
from components.iaas.machine import Machine
from components.spec.dual_stack import twin
from components.spec.model import Federation, Pool

NETWORK, ETCD = "172.28.21.0/24", "172.28.21.5"
PREFIX = "fd7a:ae:1e::/48"
FEDERATION = Federation.model_validate(
    {
        "name": "md",
        "network": {"topology": "route-reflectors", "lans": NETWORK, "containers": "10.67.0.0/16",
                    "fixed": "10.68.0.0/24", "ipv6": PREFIX},
        "images": {"registry": "r:5000"},
        "embedded": {"wan": "192.0.2.0/24"},
        "sites": {
            "one": {"as_number": 64513, "lan": "172.28.21.0/25", "containers": "10.67.0.0/18",
                    "vpn_endpoint": "192.0.2.1:51820", "quorum": True},
            "two": {"as_number": 64514, "lan": "172.28.21.128/25", "containers": "10.67.64.0/18",
                    "vpn_endpoint": "192.0.2.2:51820"},
        },
    }
)  # fmt: skip
MACHINES = {
    "md-one": ("one", "172.28.21.10", True),
    "md-one-1": ("one", "172.28.21.11", False),
    "md-two": ("two", "172.28.21.138", True),
    "md-two-1": ("two", "172.28.21.139", False),
}
FIXED = "10.68.0.20"
PORT, OTHER_PORT = 5201, 5202
LABEL = "org.projectcalico.label.aerie-pool"


def pool(number: int, **network: Any) -> Pool:
    data = {"sites": ["one", "two"], "number": number, "submit_node": {"site": "one"},
            "users": [{"name": "u", "uid": 2000}], "network": network}  # fmt: skip
    return Pool.model_validate(data)


POOLS = {
    "demo": pool(1, allow_from=[{"pools": ["friend"], "ports": [f"tcp/{PORT}", "icmp"]}]),
    "grid": pool(2),
    "friend": pool(3, allow_to=[{"pools": ["demo"], "ports": [f"tcp/{PORT}", "icmp"]}]),
}


def six(address: str) -> str:
    return str(twin(FEDERATION, address))


class Host(EngineHost):
    """One of the machines."""

    def __init__(self, name: str, folder: Path) -> None:
        self.site, address, self.front_end = MACHINES[name]
        super().__init__(name, address, "md-c", folder)

    def calico(self, **env: str) -> None:
        nothing: Any = None
        machine = Machine(self.name, self.site, self.address, self.front_end, nothing, None, nothing, None)
        words = run_arguments(calico_container(FEDERATION, machine, image("calico")))
        for key, value in {"ETCD_ENDPOINTS": f"https://{ETCD}:2379", **env}.items():
            at = next(i for i, w in enumerate(words) if w.startswith(f"{key}="))
            words[at] = f"{key}={value}"
        self.d("run", *words)

    def bird(self, *words: str) -> str:
        return self.d("exec", "calico", "birdc", "-s", "/run/calico/bird.ctl", *words)

    def sessions(self, kind: str = "Six") -> int:
        """Established ones: those of IPv6 are called Six_..., the others Node_..."""
        return len(re.findall(rf"(?m)^{kind}_\S+ +BGP .* Established", self.bird("show", "protocols")))

    def session_with(self, other: Host) -> str:
        """The name of the IPv6 one."""
        end = six(other.address).rsplit("::", 1)[1].replace(":", "_")
        return next(w for w in self.bird("show", "protocols").split() if w.startswith("Six_") and w.endswith(end))

    def routes(self, *words: str) -> dict[str, str]:
        """BIRD's IPv6 routes: the prefix, and what follows."""
        text = self.bird("show", "route", "table", "master6", *words)
        return dict(m for m in re.findall(r"^([0-9a-f:]+/\d+)\s+(.*)$", text, re.M))

    def run(self, name: str, of_pool: str | None = "demo", *options: str, network: str = "calico") -> str:
        """A container that listens at two ports; its IPv4 address."""
        self.d("rm", "-f", name, check=False)
        label = ["--label", f"{LABEL}={of_pool}"] if of_pool else []
        listen = f"iperf3 -s -D -p {PORT}; exec iperf3 -s -p {OTHER_PORT}"
        self.d("run", "-d", "--name", name, "--network", network, *label, *options, image("probe"), "sh", "-c", listen)
        return self.d("inspect", "-f", f"{{{{.NetworkSettings.Networks.{network}.IPAddress}}}}", name)

    def reaches(self, name: str, address: str, port: int) -> bool:
        knock = f"exec 3<>/dev/tcp/{address}/{port}"
        return ok("docker", "exec", self.name, "docker", "exec", name, "timeout", "2", "bash", "-c", knock)

    def inside(self, name: str, *words: str) -> str:
        """A command of the machine's in the container's network: the container itself has no right to change it."""
        pid = self.d("inspect", "-f", "{{.State.Pid}}", name)
        return self.on("nsenter", "-t", pid, "-n", *words, check=False)
