"""The image `calico` for real: three machines (containers with a Docker engine of their own), etcd with TLS.

Needs a Docker engine and root.  Everything made here has the prefix `mc-`.  Prints the figures it measures (pytest -s).
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import EngineHost, image, sh, until

pytestmark = pytest.mark.live

APP = "mc-app:latest"  # the base with ping, made here
NETWORK, ETCD_IP = "172.28.20.0/24", "172.28.20.21"
HOSTS = {"mc-h1": "172.28.20.11", "mc-h2": "172.28.20.12", "mc-h3": "172.28.20.13"}
FIXED = "10.66.9.5"
OBJECTS = """
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 64512, nodeToNodeMeshEnabled: true, logSeverityScreen: Warning}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: site-torino}
spec: {cidr: 10.65.192.0/18, blockSize: 26, ipipMode: Never, vxlanMode: Never, natOutgoing: true,
       nodeSelector: "site == 'torino'"}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: fixed}
spec: {cidr: 10.66.9.0/24, blockSize: 32, ipipMode: Never, vxlanMode: Never, natOutgoing: true, nodeSelector: "!all()"}
---
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: aerie}
spec:
  labelsToApply: {docker-network: aerie}
  ingress:
  - {action: Allow, source: {selector: "docker-network == 'aerie'"}}
  - {action: Allow, source: {nets: [172.28.20.0/24]}}
  egress:
  - {action: Allow}
"""


def certificates(folder: Path, etcd: str = ETCD_IP) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test ca",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    for name, subject in (("server", "etcd"), ("peer", "etcd"), ("root", "root"), ("client", "calico")):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        (folder / "ext").write_text(
            f"subjectAltName=IP:{etcd},IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n"
            "extendedKeyUsage=serverAuth,clientAuth\n"
        )
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days",
                "2", "-extfile", "ext", "-out", f"{name}.crt")  # fmt: skip


class Host(EngineHost):
    """One of the three machines."""

    def calico(self) -> None:
        env = {
            "NODENAME": self.name, "IP": f"{self.address}/24", "CALICO_NODE_LABELS": "site=torino,front-end=false",
            "CALICO_OBJECTS": "/etc/aerie/calico/objects.yaml", "ETCD_ENDPOINTS": f"https://{ETCD_IP}:2379",
            "ETCD_CA_CERT_FILE": "/etc/aerie/calico/ca.crt", "ETCD_CERT_FILE": "/etc/aerie/calico/client.crt",
            "ETCD_KEY_FILE": "/etc/aerie/calico/client.key",
            "CALICO_DOCKER_NETWORKS": "calico,fixed=10.66.9.0/24", "CALICO_DOCKER_MTU": "1380",
        }  # fmt: skip
        words = [w for k, v in env.items() for w in ("-e", f"{k}={v}")]
        self.d("run", "-d", "--name", "calico", "--network", "host", "--restart", "unless-stopped",
               "--cap-add", "NET_ADMIN", "--cap-add", "NET_RAW", "--cap-add", "SYS_ADMIN",
               "--security-opt", "systempaths=unconfined",
               "-v", "/run/docker/plugins:/run/docker/plugins", "-v", "/run/docker.sock:/run/docker.sock",
               "-v", "/lib/modules:/lib/modules:ro", "-v", "calico-state:/var/lib/calico",
               "-v", "/etc/aerie/calico:/etc/aerie/calico:ro", *words, image("calico"))  # fmt: skip

    def health(self) -> dict[str, Any]:
        text = self.d("exec", "calico", "calico-node", "health", check=False)
        found: dict[str, Any] = json.loads(text) if text.startswith("{") else {}
        return found

    def ctl(self, *words: str) -> str:
        return self.d("exec", "calico", "calicoctl", *words)

    def run(self, name: str, *options: str, network: str = "calico", check: bool = True) -> str:
        self.d("rm", "-f", name, check=False)
        return self.d(
            "run", "-d", "--name", name, "--network", network, *options, APP, "sleep", "infinity", check=check
        )

    def address_of(self, name: str, network: str = "calico") -> str:
        return self.d("inspect", "-f", f"{{{{.NetworkSettings.Networks.{network}.IPAddress}}}}", name)

    def state(self, name: str) -> str:
        return self.d("inspect", "-f", "{{.State.Status}}", name, check=False)


Nodes = dict[str, Host]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    def clear() -> None:
        sh("docker", "rm", "-f", "-v", "mc-etcd", *HOSTS, check=False)
        sh("docker", "volume", "rm", *(f"{h}-docker" for h in HOSTS), check=False)
        sh("docker", "network", "rm", "mc-c", check=False)

    clear()
    folder = tmp_path_factory.mktemp("calico")
    certificates(folder)
    (folder / "etcd").mkdir()
    for f in folder.glob("*.*"):
        shutil.copy(f, folder / "etcd")
    build = f"FROM {image('base')}\nRUN install-packages iputils-ping\n"
    subprocess.run(["docker", "build", "-q", "--network", "host", "-t", APP, "-"], input=build, text=True, check=True,
                   capture_output=True)  # fmt: skip
    sh("docker", "save", "-o", str(folder / "images.tar"), image("calico"), APP)
    # As on machines: containers' addresses are not hidden behind the bridge.
    sh("docker", "network", "create", "--subnet", NETWORK, "-o", "com.docker.network.bridge.enable_ip_masquerade=false",
       "mc-c")  # fmt: skip
    try:
        hosts = {}
        for name, address in HOSTS.items():
            own = folder / name
            (own / "calico").mkdir(parents=True)
            (own / "machine").mkdir()
            for file in ("ca.crt", "client.crt", "client.key"):
                shutil.copy(folder / file, own / "calico")
            (own / "calico/objects.yaml").write_text(OBJECTS)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own / "machine/ssh_host_ed25519_key"],
                           check=True)  # fmt: skip
            shutil.copy(own / "machine/ssh_host_ed25519_key.pub", own / "machine/authorized_keys")
            (own / "images.tar").hardlink_to(folder / "images.tar")
            hosts[name] = Host(name, address, "mc-c", own)
            hosts[name].up()
        # One node before etcd is there: it has to wait, with its driver answering.
        hosts["mc-h1"].calico()
        until(lambda: hosts["mc-h1"].health().get("driver"), 20, "the driver without etcd")
        sh("docker", "run", "-d", "--name", "mc-etcd", "--network", "mc-c", "--ip", ETCD_IP,
           "-v", f"{folder}/etcd:/etc/aerie/etcd:ro", "-e", "ETCD_NAME=e1",
           "-e", "ETCD_LISTEN_CLIENT_URLS=https://0.0.0.0:2379", "-e", f"ETCD_ADVERTISE_CLIENT_URLS=https://{ETCD_IP}:2379",
           "-e", "ETCD_LISTEN_PEER_URLS=https://0.0.0.0:2380",
           "-e", f"ETCD_INITIAL_ADVERTISE_PEER_URLS=https://{ETCD_IP}:2380",
           "-e", f"ETCD_INITIAL_CLUSTER=e1=https://{ETCD_IP}:2380", image("etcd"))  # fmt: skip
        start = time.monotonic()
        hosts["mc-h2"].calico()
        hosts["mc-h3"].calico()
        for h in hosts.values():
            until(lambda h=h: h.health().get("bgp", {}).get("established") == 2, 90, f"the mesh at {h.name}", 0.3)  # type: ignore[misc]
        print(f"\nfull mesh after {time.monotonic() - start:.1f} s")
        for h in hosts.values():
            until(lambda h=h: h.d("network", "inspect", "calico", "fixed"), 30, f"the networks of {h.name}")  # type: ignore[misc]
        yield hosts
    finally:
        if not os.environ.get("AERIE_TEST_KEEP"):
            clear()


def test_health_tells_all(nodes: Nodes) -> None:
    health = nodes["mc-h1"].health()
    assert health["healthy"] and health["felix"] and health["bird"] and health["driver"]
    assert health["bgp"] == {"established": 2, "total": 2}


def test_labels_and_objects(nodes: Nodes) -> None:
    h = nodes["mc-h1"]
    node = json.loads(h.ctl("get", "node", "mc-h2", "-o", "json"))
    assert node["metadata"]["labels"] == {"site": "torino", "front-end": "false"}
    assert {p["metadata"]["name"] for p in json.loads(h.ctl("get", "ippool", "-o", "json"))["items"]} == {
        "site-torino", "fixed"}  # fmt: skip
    profile = json.loads(h.ctl("get", "profile", "aerie", "-o", "json"))
    assert len(profile["spec"]["ingress"]) == 2, "the driver kept the profile that the file made"


def test_all_pairs(nodes: Nodes) -> None:
    for h in nodes.values():
        h.run("mm")
    addresses = {n: h.address_of("mm") for n, h in nodes.items()}
    start = time.monotonic()
    for h in nodes.values():
        for address in addresses.values():
            until(lambda h=h, address=address: h.pings("mm", address), 10, f"{h.name} to {address}")  # type: ignore[misc]
    print(f"\n9 pairs after {time.monotonic() - start:.1f} s")
    assert h.d("exec", "mm", "cat", "/sys/class/net/cali0/mtu") == "1380"
    # The machines themselves are let in by the profile's CIDR: the port is closed, not filtered (124: no answer in 3 s).
    knock = f"exec 3<>/dev/tcp/{addresses['mc-h3']}/1"
    done = subprocess.run(
        ["docker", "exec", "mc-h1", "timeout", "3", "bash", "-c", knock], capture_output=True, check=False
    )
    assert done.returncode != 124


def reach(host: Host, address: str, seconds: float = 30) -> float:
    return until(lambda: host.pings("mm", address), seconds, f"{address} from {host.name}", 0.02)


def test_fixed_address_moves_in_two_seconds(nodes: Nodes) -> None:
    h1, h2, h3 = nodes.values()
    h3.run("mm")
    h1.run("cm", "--ip", FIXED, network="fixed")
    first = reach(h3, FIXED)
    h1.d("rm", "-f", "cm")
    h2.run("cm", "--ip", FIXED, network="fixed")
    moved = reach(h3, FIXED)
    print(f"\nfixed address: first {first:.2f} s, moved {moved:.2f} s after docker run")
    assert moved < 2
    h2.d("rm", "-f", "cm")


def test_taken_from_a_living_node(nodes: Nodes) -> None:
    h1, h2, h3 = nodes.values()
    h1.run("old", "--ip", FIXED, network="fixed")
    reach(h3, FIXED)
    time.sleep(1.1)  # Docker counts the age of containers in whole seconds
    h2.run("new", "--ip", FIXED, network="fixed")
    h2.d("exec", "new", "touch", "/it-is-me")
    stopped = until(lambda: h1.state("old") == "exited", 20, "the old container is stopped")
    moved = reach(h3, FIXED)
    print(f"\ntaken over: old container stopped after {stopped:.2f} s, then reached after {moved:.2f} s")
    # The old one's removal must not give back what the new one has.
    h1.d("rm", "-f", "old")
    assert f"IP {FIXED} is in use" in h1.ctl("ipam", "show", f"--ip={FIXED}")
    assert "mc-h2" in h1.ctl("ipam", "show", f"--ip={FIXED}")
    assert h3.pings("mm", FIXED)
    h2.d("rm", "-f", "new")


@pytest.mark.parametrize(
    ("dead", "heir"), [("mc-h2", "mc-h1"), pytest.param("mc-h1", "mc-h2", marks=pytest.mark.soak)]
)  # BGP prefers low addresses
def test_taken_from_a_dead_machine_and_kept_when_it_returns(nodes: Nodes, dead: str, heir: str) -> None:
    h1, h2, h3 = nodes[heir], nodes[dead], nodes["mc-h3"]
    h2.run("old", "--ip", FIXED, "--restart", "always", network="fixed")
    reach(h3, FIXED)
    sh("docker", "kill", dead)
    time.sleep(1.1)
    start = time.monotonic()
    h1.run("new", "--ip", FIXED, network="fixed")
    ran = time.monotonic() - start
    moved = reach(h3, FIXED, 60)
    print(f"\nafter the machine's death: docker run {ran:.1f} s, reached {moved:.1f} s later")
    for _ in range(20):
        assert h3.pings("mm", FIXED)
    assert moved < 2
    sh("docker", "start", dead)
    h2.engine_up()
    lost = 0
    end = time.monotonic() + 45
    while time.monotonic() < end:
        lost += not h3.pings("mm", FIXED)
        time.sleep(0.2)
    until(lambda: h2.health().get("bgp", {}).get("established") == 2, 90, f"{dead} is back in the mesh", 0.3)
    print(f"the machine came back: {lost} pings lost; its old container is {h2.state('old')}")
    assert h3.pings("mm", FIXED) and lost <= 2
    assert h2.state("old") != "running"
    assert heir in h1.ctl("ipam", "show", f"--ip={FIXED}")
    assert not re.search(rf"^{FIXED} dev", sh("docker", "exec", dead, "ip", "route"), re.M)
    h2.d("rm", "-f", "old")
    h1.d("rm", "-f", "new")


def test_replacing_the_container_loses_nothing(nodes: Nodes) -> None:
    h1, _, h3 = nodes.values()
    h1.run("mm")
    h3.run("mm")
    target = h1.address_of("mm")
    reach(h3, target)
    ping = subprocess.Popen(
        ["docker", "exec", "mc-h3", "docker", "exec", "mm", "ping", "-n", "-q", "-i", "0.05", "-c", "500", target],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    h1.d("stop", "calico")
    h1.d("rm", "-f", "calico")
    time.sleep(3)
    h1.calico()
    until(lambda: h1.health().get("bgp", {}).get("established") == 2, 60, "the mesh again", 0.3)
    text = ping.communicate(timeout=90)[0]
    found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    assert found
    print(f"\nreplaced while pinging: {found[0]}")
    assert int(found[2]) >= int(found[1]) - 2
    assert h1.address_of("mm") == target


def test_machine_restarts_with_its_containers(nodes: Nodes) -> None:
    h1, _, h3 = nodes.values()
    h3.run("mm")
    h1.run("keeper", "--restart", "always")
    start = time.monotonic()
    sh("docker", "restart", "-t", "30", "mc-h1")
    h1.engine_up()
    up = time.monotonic() - start
    until(lambda: h1.state("keeper") == "running", 60, "the container is back")
    address = h1.address_of("keeper")
    reach(h3, address)
    print(
        f"\nmachine restarted: dockerd after {up:.1f} s, its container reached after {time.monotonic() - start:.1f} s"
    )


def test_nothing_is_left_of_removed_containers(nodes: Nodes) -> None:
    for h in nodes.values():
        for name in h.d("ps", "-aq", "--filter", "ancestor=" + APP).split():
            h.d("rm", "-f", name)
    h1 = nodes["mc-h1"]
    until(
        lambda: not json.loads(h1.ctl("get", "wep", "-n", "libnetwork", "-o", "json"))["items"], 150, "no endpoints", 2
    )
    handles = h1.ctl("ipam", "show", "--show-blocks")
    print("\n" + handles)
