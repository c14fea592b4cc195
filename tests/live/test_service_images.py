"""The images machine, etcd, zookeeper, vpn, registry and login against the real daemons, each on networks of its own.

Needs a Docker engine.  Images that are missing are built.  Everything made here has the prefix `svcimg-`.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine import remove
from kazoo.client import KazooClient

from components.spec.model import Memory
from tools.images import image_tags, main

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "svcimg-"
# As components/iaas/docker.py gives them to a machine; see docs/images.md.
CAPABILITIES = [
    *("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_CHROOT"),
    *("DAC_READ_SEARCH", "IPC_LOCK", "SYS_NICE", "MKNOD"),
]
MACHINE_FLAGS = [
    *(f"--cap-add={c}" for c in CAPABILITIES),
    *(f"--security-opt={o}=unconfined" for o in ("seccomp", "apparmor", "systempaths")),
    *("--device=/dev/net/tun", "--cgroupns=private", "--tmpfs=/run:exec,mode=755", "--stop-timeout=30"),
]


def docker(*words: str, check: bool = True, stdin: str | None = None, timeout: float = 120) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, input=stdin, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(words[:6])} ...: {done.stderr}{done.stdout}")
    return done.stdout if check else done.stdout + done.stderr


def until(what: Callable[[], Any], seconds: float, why: str) -> Any:
    """Waits until `what` gives something true; what it raises counts as not yet."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if found := what():
                return found
        except (OSError, AssertionError, subprocess.SubprocessError, http.client.HTTPException, ValueError) as error:
            last = error
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {why} ({last})")


def execute(container: str, *words: str, check: bool = True) -> str:
    return docker("exec", PREFIX + container, *words, check=check)


@pytest.fixture(scope="module")
def image() -> Callable[[str], str]:
    names = ("base", "machine", "etcd", "zookeeper", "vpn", "registry", "login")
    assert main(["build", *names]) == 0
    tags = image_tags(ROOT)
    return lambda name: f"aerie/{name}:{tags[name]}"


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Nothing of an earlier run, and nothing left behind, whatever happens."""
    remove(PREFIX)
    try:
        yield
    finally:
        remove(PREFIX)


def network(name: str, subnet: str) -> str:
    docker("network", "create", "--subnet", subnet, PREFIX + name)
    return PREFIX + name


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificate(folder: Path, file: str, name: str, addresses: tuple[str, ...] = ()) -> None:
    """folder/<file>.{crt,key} with the common name, signed by folder/ca.{crt,key}, which is made if missing."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    if not (folder / "ca.crt").exists():
        openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test")
    openssl(folder, "req", *key, "-keyout", f"{file}.key", "-out", f"{file}.csr", "-subj", f"/CN={name}")
    names = ",".join(["DNS:localhost", "IP:127.0.0.1", *(f"IP:{a}" for a in addresses)])
    (folder / "extensions").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl(folder, "x509", "-req", "-in", f"{file}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-out", f"{file}.crt", "-extfile", "extensions")  # fmt: skip


def copy_in(container: str, folder: Path, target: str) -> None:
    """The files of a folder, as root's, into a container that need not run nor have the target yet."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file in sorted(p for p in folder.iterdir() if p.is_file()):
            entry = tar.gettarinfo(file, f"{target.lstrip('/')}/{file.name}")
            entry.uid = entry.gid = 0
            with file.open("rb") as content:
                tar.addfile(entry, content)
    subprocess.run(
        ["docker", "cp", "-", f"{PREFIX}{container}:/"], input=archive.getvalue(), capture_output=True, check=True
    )


# ---- etcd ----


def test_etcd_quorum_with_roles(tmp_path: Path, image: Callable[[str], str]) -> None:
    lan = network("etcd", "172.29.1.0/24")
    members = {f"e{n}": f"172.29.1.1{n}" for n in (1, 2, 3)}
    certificate(tmp_path, "root", "root")
    certificate(tmp_path, "calico", "calico")
    certificate(tmp_path, "other", "nobody-known")
    for name, address in members.items():
        certificate(tmp_path, "server", address, (address,))
        certificate(tmp_path, "peer", address, (address,))
        url, peer_url = f"https://{address}:2379", f"https://{address}:2380"
        settings = {
            "NAME": name,
            "INITIAL_CLUSTER": ",".join(f"{n}=https://{a}:2380" for n, a in members.items()),
            "INITIAL_CLUSTER_TOKEN": "svcimg",
            "INITIAL_ADVERTISE_PEER_URLS": peer_url,
            "LISTEN_PEER_URLS": peer_url,
            "ADVERTISE_CLIENT_URLS": url,
            "LISTEN_CLIENT_URLS": url,
        }
        environment = [word for key, value in settings.items() for word in ("-e", f"ETCD_{key}={value}")]
        docker("create", "--name", PREFIX + name, "--network", lan, "--ip", address, *environment, image("etcd"))
        copy_in(name, tmp_path, "/etc/aerie/etcd")
    began = time.monotonic()
    docker("start", *(PREFIX + name for name in members))
    until(lambda: "Status: true" in execute("e1", "etcdctl", "auth", "status"), 60, "authentication is on")
    until(
        lambda: all("in force" in docker("logs", PREFIX + n, check=False) for n in members),
        30,
        "all members have checked",
    )
    print(f"etcd: three members with roles after {time.monotonic() - began:.1f} s")

    def put(key: str, user: str, address: str = members["e2"]) -> str:
        files = [] if user == "nobody" else [f"--cert=/etc/aerie/etcd/{user}.crt", f"--key=/etc/aerie/etcd/{user}.key"]
        command = ["/usr/bin/etcdctl", f"--endpoints=https://{address}:2379", "--cacert=/etc/aerie/etcd/ca.crt", *files]
        return execute("e1", *command, "--dial-timeout=2s", "--command-timeout=3s", "put", key, "x", check=False)

    assert put("/calico/v1/x", "calico") == "OK\n"
    assert "permission denied" in put("/other/x", "calico")
    assert "permission denied" in put("/calico", "calico")
    assert put("/other/x", "root") == "OK\n"
    # A certificate of a name without a user, and none at all.
    assert "OK" not in put("/calico/v1/x", "other")
    assert "OK" not in put("/calico/v1/x", "nobody")
    users = execute("e1", "/usr/bin/etcdctl", "--cacert=/etc/aerie/etcd/ca.crt", "--cert=/etc/aerie/etcd/calico.crt",
                    "--key=/etc/aerie/etcd/calico.key", f"--endpoints=https://{members['e1']}:2379", "user", "list", check=False)  # fmt: skip
    assert "permission denied" in users

    # One member lost: the others go on, and it comes back, with nothing to write anew.
    def auth_revision() -> int:
        return int(json.loads(execute("e1", "etcdctl", "auth", "status", "-w", "json"))["authRevision"])

    before = auth_revision()
    docker("kill", PREFIX + "e3")
    until(lambda: put("/calico/v1/y", "calico") == "OK\n", 15, "two of three members take a key")
    docker("start", PREFIX + "e3")
    until(lambda: put("/calico/v1/z", "calico", members["e3"]) == "OK\n", 15, "the third member takes a key")
    until(lambda: docker("logs", PREFIX + "e3", check=False).count("in force") == 2, 15, "it has checked again")
    assert auth_revision() == before
    docker("stop", *(PREFIX + name for name in members))
    assert docker("inspect", "-f", "{{.State.ExitCode}}", PREFIX + "e1") == "0\n"


# ---- ZooKeeper ----


def test_zookeeper_quorum(tmp_path: Path, image: Callable[[str], str]) -> None:
    lan = network("zk", "172.29.2.0/24")
    members = {n: f"172.29.2.1{n}" for n in (1, 2, 3)}
    for n, address in members.items():
        servers = "\n".join(f"server.{i}={a}:2888:3888" for i, a in members.items())
        (tmp_path / "zoo.cfg").write_text(f"clientPort=2181\nclientPortAddress={address}\n{servers}\n")
        (tmp_path / "myid").write_text(f"{n}\n")
        docker("create", "--name", f"{PREFIX}z{n}", "--network", lan, "--ip", address, image("zookeeper"))
        copy_in(f"z{n}", tmp_path, "/etc/aerie/zookeeper")
    began = time.monotonic()
    docker("start", *(f"{PREFIX}z{n}" for n in members))

    def roles() -> dict[int, str]:
        found = {}
        for n, address in members.items():
            for line in execute(f"z{n}", "zk-4lw", "srvr", address, check=False).splitlines():
                if line.startswith("Mode: "):
                    found[n] = line.split()[1]
        return found

    until(lambda: sorted(roles().values()) == ["follower", "follower", "leader"], 60, "a leader and two followers")
    print(f"zookeeper: three members after {time.monotonic() - began:.1f} s")
    execute("z1", "zk-cli", "-server", f"{members[1]}:2181", "create", "/x", "value")
    assert "value" in execute("z3", "zk-cli", "-server", f"{members[3]}:2181", "get", "/x", check=False)
    assert "imok" in execute("z1", "zk-4lw", "ruok", members[1])
    assert "not in the whitelist" in execute("z1", "zk-4lw", "dump", members[1])

    leader = next(n for n, role in roles().items() if role == "leader")
    docker("kill", f"{PREFIX}z{leader}")
    until(lambda: sorted(roles().values()) == ["follower", "leader"], 30, "a new leader")
    docker("start", f"{PREFIX}z{leader}")
    until(lambda: sorted(roles().values()) == ["follower", "follower", "leader"], 30, "the old leader follows")
    assert "value" in execute("z3", "zk-cli", "-server", f"{members[leader]}:2181", "get", "/x", check=False)


def test_zookeeper_holds_as_much_as_its_container_may(tmp_path: Path, image: Callable[[str], str]) -> None:
    """Its heap follows the container's limit: a fixed one of 96 MB was full with some 22,000 tasks of Marathon's, at all members at once."""
    lan = network("zkm", "172.29.9.0/24")
    address = "172.29.9.11"
    (tmp_path / "zoo.cfg").write_text(f"clientPort=2181\nclientPortAddress={address}\n")
    limit = f"{Memory().zookeeper}m"
    docker("create", "--name", f"{PREFIX}zm", "--memory", limit, "--network", lan, "--ip", address, image("zookeeper"))
    copy_in("zm", tmp_path, "/etc/aerie/zookeeper")
    docker("start", f"{PREFIX}zm")
    until(lambda: "imok" in execute("zm", "zk-4lw", "ruok", address, check=False), 60, "it answers")
    client = KazooClient(f"{address}:2181", timeout=20)
    client.start(30)
    try:
        client.ensure_path("/many")
        for batch in range(12):  # of 10 kB each: 120 MB in all
            made = [client.create_async(f"/many/{batch}-{n}", os.urandom(10_000)) for n in range(1000)]
            for each in made:
                each.get(60)
        told = execute("zm", "zk-4lw", "srvr", address)
        assert "Node count: 12006" in told, told  # five are its own
        assert len(client.get("/many/0-0")[0]) == len(client.get("/many/11-999")[0]) == 10_000
    finally:
        client.stop()
        client.close()
    assert docker("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", f"{PREFIX}zm") == "0 running\n"


# ---- VPN ----


def _wg(image: str, *words: str, stdin: str | None = None) -> str:
    return docker("run", "--rm", "-i", "--network", "none", "--entrypoint", "wg", image, *words, stdin=stdin).strip()


def test_vpn_two_ends(tmp_path: Path, image: Callable[[str], str]) -> None:
    wan = network("wan", "172.29.3.0/24")
    ends = {"one": ("172.29.3.11", "172.29.101.10", 51820), "two": ("172.29.3.12", "172.29.102.10", 51821)}
    keys = {name: _wg(image("vpn"), "genkey") for name in ends}
    public = {name: _wg(image("vpn"), "pubkey", stdin=key) for name, key in keys.items()}
    others = {"one": "two", "two": "one"}

    def peer_file(name: str, routes: str) -> str:
        there, port = ends[others[name]][0], ends[others[name]][2]
        return (
            f"# Address = {ends[name][1]}/32\n# Mtu = 1420\n# Routes = {routes}\n[Interface]\nListenPort = {ends[name][2]}\n"
            f"[Peer]\nPublicKey = {public[others[name]]}\nEndpoint = {there}:{port}\nAllowedIPs = 0.0.0.0/0\nPersistentKeepalive = 15\n"
        )

    folder = tmp_path / "vpn"
    folder.mkdir()
    for name, (address, _, _) in ends.items():
        docker("create", "--name", PREFIX + name, "--network", wan, "--ip", address, "--cap-add=NET_ADMIN",
               "--device=/dev/net/tun", image("vpn"))  # fmt: skip
        (folder / "private.key").write_text(keys[name] + "\n")
        (folder / "private.key").chmod(0o600)
        copy_in(name, folder, "/etc/aerie/vpn")
        docker("start", PREFIX + name)
        execute(name, "vpn", "sync")

    def write(name: str, peer: str, text: str) -> None:
        docker("exec", "-i", PREFIX + name, "sh", "-c", f"umask 077; cat > /etc/aerie/vpn/{peer}.conf", stdin=text)

    for name, other in others.items():
        write(name, other, peer_file(name, ends[other][1].rpartition(".")[0] + ".0/24"))
        execute(name, "vpn", "sync")

    # Each end answers under its LAN address, through the tunnel.  /proc/net/snmp and ping are not in the image, so a
    # third container in the same network name space asks.
    def ping(size: int) -> str:
        return docker("run", "--rm", "--network", f"container:{PREFIX}one", PING, "-c", "2", "-W", "2", "-M", "do", "-s", str(size),
                      "172.29.102.10", check=False)  # fmt: skip

    PING = ping_image(image("base"))
    until(lambda: " 0% packet loss" in ping(56), 15, "the ends reach each other")
    assert " 0% packet loss" in ping(1392)
    assert "too long" in ping(1393)

    (state,) = json.loads(execute("one", "vpn", "status"))
    assert (
        state["peer"] == "two"
        and state["applied"] is True
        and state["handshake_age_s"] < 30
        and state["rx_bytes"] > 2800
    )
    route = execute("one", "ip", "route", "show", "dev", "wg-two")
    assert "172.29.102.0/24" in route and "src 172.29.101.10" in route

    # A further peer, then a change of it, then its end: the first tunnel is not touched.
    index = execute("one", "cat", "/sys/class/net/wg-two/ifindex")
    # It has a key of its own: were it the second end's, that would follow to the new port.
    stranger = _wg(image("vpn"), "pubkey", stdin=_wg(image("vpn"), "genkey"))

    def third(routes: str) -> str:
        return (
            peer_file("one", routes)
            .replace(public["two"], stranger)
            .replace("ListenPort = 51820", "ListenPort = 51833")
        )

    write("one", "three", third("172.29.103.0/24"))
    execute("one", "vpn", "sync")
    assert "172.29.103.0/24" in execute("one", "ip", "route", "show", "dev", "wg-three")
    write("one", "three", third("172.29.104.0/24"))
    execute("one", "vpn", "sync")
    routes = execute("one", "ip", "route", "show", "dev", "wg-three")
    assert "172.29.104.0/24" in routes and "172.29.103.0/24" not in routes
    execute("one", "rm", "/etc/aerie/vpn/three.conf")
    execute("one", "vpn", "sync")
    assert "wg-three" not in execute("one", "ip", "link")
    assert execute("one", "cat", "/sys/class/net/wg-two/ifindex") == index
    (again,) = json.loads(execute("one", "vpn", "status"))
    assert again["rx_bytes"] >= state["rx_bytes"]

    # A file that is wrong is told of, and stops nothing else.
    write("one", "bad", "[Interface]\nListenPort = 51844\n")
    assert "Address" in execute("one", "vpn", "sync", check=False)
    assert " 0% packet loss" in ping(56)
    execute("one", "rm", "/etc/aerie/vpn/bad.conf")
    execute("one", "vpn", "sync")

    # The tunnel comes back after the loss of its program, and after a restart of the container.
    if state["implementation"] == "userspace":
        execute("one", "sh", "-c", "kill -9 $(grep -lax 'wireguard-go.*' /proc/[0-9]*/comm | cut -d/ -f3)")
        until(lambda: " 0% packet loss" in ping(56), 20, "wireguard-go runs again")
    docker("restart", PREFIX + "one")
    until(lambda: " 0% packet loss" in ping(56), 20, "the tunnel is there after a restart")


def ping_image(base: str) -> str:
    """An image with ping, for tests only."""
    name = f"{PREFIX}ping"
    docker("build", "--quiet", "--network", "host", "--tag", name, "-", timeout=300,
           stdin=f'FROM {base}\nRUN install-packages iputils-ping\nENTRYPOINT ["ping"]\n')  # fmt: skip
    return name


# ---- machine ----


class TestMachine:
    ADDRESS = "172.29.4.11"

    def start(self, tmp_path: Path, image: str, *flags: str) -> None:
        files = tmp_path / "machine"
        if not files.exists():
            files.mkdir()
            for key in (files / "ssh_host_ed25519_key", tmp_path / "id"):
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
            (files / "authorized_keys").write_text((tmp_path / "id.pub").read_text())
            host_key = " ".join((files / "ssh_host_ed25519_key.pub").read_text().split()[:2])
            (tmp_path / "known_hosts").write_text(f"{self.ADDRESS} {host_key}\n")
        docker("create", "--name", PREFIX + "m", "--restart", "unless-stopped", *MACHINE_FLAGS, "--network", PREFIX + "lan", "--ip", self.ADDRESS,
               "-v", PREFIX + "docker:/var/lib/docker", "-v", PREFIX + "etc:/etc/aerie", *flags, image)  # fmt: skip
        copy_in("m", files, "/etc/aerie/machine")
        docker("start", PREFIX + "m")

    def ssh(self, folder: Path, command: str, stdin: bytes | None = None, user: str = "root") -> str:
        words = ["ssh", "-i", str(folder / "id"), "-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-o", "BatchMode=yes",
                 "-o", "ConnectTimeout=3", f"{user}@{self.ADDRESS}", command]  # fmt: skip
        done = subprocess.run(words, input=stdin, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
        return done.stdout.decode()

    def ready(self, folder: Path) -> float:
        """Seconds until both daemons answer."""
        began = time.monotonic()
        until(lambda: self.ssh(folder, "docker info --format '{{.ServerVersion}}'"), 40, "sshd and dockerd answer")
        return time.monotonic() - began

    def test_life(self, tmp_path: Path, image: Callable[[str], str]) -> None:
        network("lan", "172.29.4.0/24")
        self.start(tmp_path, image("machine"), "-e", "AERIE_REGISTRY=172.30.0.1:5000", "-e", "AERIE_MTU=1380",
                   "-e", "AERIE_ROUTES=172.29.104.0/24 via 172.29.4.10; 172.29.105.0/24 via 172.29.5.1")  # fmt: skip
        print(f"machine: ready after {self.ready(tmp_path):.1f} s")
        with pytest.raises(AssertionError, match="Permission denied"):
            self.ssh(tmp_path, "true", user="daemon")
        assert "172.30.0.1:5000" in self.ssh(tmp_path, "docker info")
        assert self.ssh(tmp_path, "cat /proc/sys/net/ipv4/ip_forward") == "1\n"

        # A container in the machine, with limits, its network's MTU, and a port.
        saved = subprocess.run(["docker", "save", image("base")], capture_output=True, check=True).stdout
        self.ssh(tmp_path, "docker load --quiet", stdin=saved)
        inside = self.ssh(
            tmp_path, f"docker run --rm --memory 64m -p 8080:80 {image('base')} cat /sys/class/net/eth0/mtu"
        )
        assert inside == "1380\n"

        # Routes: one at once, one when its interface has come.
        assert "via 172.29.4.10" in self.ssh(tmp_path, "ip route show 172.29.104.0/24")
        assert self.ssh(tmp_path, "ip route show 172.29.105.0/24") == ""
        docker("network", "connect", "--ip", "172.29.5.11", network("wan", "172.29.5.0/24"), PREFIX + "m")
        until(lambda: "via 172.29.5.1" in self.ssh(tmp_path, "ip route show 172.29.105.0/24"), 10, "the second route")

        # Files and containers outlive a stop, a crash, and a new container for the same machine.
        self.ssh(
            tmp_path,
            f"echo secret > /etc/aerie/file; docker run -d --restart unless-stopped --name keep {image('base')} sleep 1d",
        )
        running = "docker ps --filter name=keep --format '{{.State}}'"
        for way in ("stop", "kill"):
            docker(way, PREFIX + "m")
            docker("start", PREFIX + "m")
            print(f"machine: ready {self.ready(tmp_path):.1f} s after {way}")
            assert self.ssh(tmp_path, running) == "running\n"
        docker("rm", "--force", PREFIX + "m")
        self.start(tmp_path, image("machine"))
        self.ready(tmp_path)
        assert self.ssh(tmp_path, running + "; cat /etc/aerie/file") == "running\nsecret\n"

        # dockerd dies: the machine goes with it, and comes back with its containers.
        self.ssh(tmp_path, "kill -9 $(pidof dockerd)")
        until(lambda: self.ssh(tmp_path, running) == "running\n", 20, "dockerd is back")
        assert docker("inspect", "-f", "{{.RestartCount}}", PREFIX + "m") == "1\n"

    def test_network_driver_in_a_container(self, tmp_path: Path, image: Callable[[str], str]) -> None:
        """dockerd does not wait for the driver of a network of its own that one of its containers is to serve."""
        network("lan", "172.29.4.0/24")
        self.start(tmp_path, image("machine"))
        self.ready(tmp_path)
        saved = subprocess.run(["docker", "save", image("base")], capture_output=True, check=True).stdout
        self.ssh(tmp_path, "docker load --quiet", stdin=saved)
        # In place of the driver: the stand-in, taught to take a network.
        self.ssh(
            tmp_path,
            'sed \'s|^my %answers = (|&\\n"NetworkDriver.CreateNetwork" => "{}",|\' /usr/local/sbin/network-plugin-stub > /etc/aerie/driver;'
            "chmod +x /etc/aerie/driver; docker run -d --name driver --restart unless-stopped -v /run/docker/plugins:/run/docker/plugins"
            f" -v /etc/aerie/driver:/driver {image('base')} perl /driver calico",
        )
        until(lambda: self.ssh(tmp_path, "docker network create -d calico --ipam-driver calico c1"), 20, "a network")
        self.ssh(tmp_path, "docker network create -d calico --ipam-driver calico c2")
        docker("kill", PREFIX + "m")
        docker("start", PREFIX + "m")
        seconds = self.ready(tmp_path)
        print(f"machine: ready {seconds:.1f} s after kill, with two networks of a driver in a container")
        assert seconds < 25  # a driver that is away keeps the engine for 15 s, for each of its networks
        names = self.ssh(
            tmp_path, "docker network ls --filter driver=calico --format '{{.Name}}'; docker ps --format '{{.Names}}'"
        )
        assert sorted(names.split()) == ["c1", "c2", "driver"]


# ---- registry and login ----


def _status(address: str, path: str, method: str = "GET") -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(f"http://{address}{path}", method=method), timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_registry_two_modes(image: Callable[[str], str]) -> None:
    write, read = "127.0.0.1:5055", "127.0.0.1:5056"
    volume = f"{PREFIX}registry:/var/lib/registry"
    run = ("run", "-d", "--network", "host", "--read-only", "--cap-drop", "ALL")
    docker(*run, "--name", PREFIX + "rw", "-e", f"LISTEN={write}", "-e", "MODE=rw", "-v", volume, image("registry"))
    docker(*run, "--name", PREFIX + "ro", "-e", f"LISTEN={read}", "-v", volume + ":ro", image("registry"))
    for address in (write, read):
        until(lambda address=address: _status(address, "/v2/") == 200, 10, f"{address} answers")  # type: ignore[misc]

    reference, there = image("registry"), image("registry").replace("aerie/", f"{write}/aerie/")
    docker("tag", reference, there)
    try:
        docker("push", "--quiet", there)
    finally:
        docker("rmi", "--no-prune", there)
    assert _status(read, "/v2/aerie/registry/tags/list") == 200
    pulled = docker("pull", "--quiet", f"{read}/{reference}")
    digest = docker("image", "inspect", "-f", "{{index .RepoDigests 0}}", pulled.strip()).strip().rpartition("@")[2]
    docker("rmi", "--no-prune", pulled.strip())
    assert _status(read, "/v2/aerie/registry/blobs/uploads/", "POST") == 405
    assert _status(read, f"/v2/aerie/registry/manifests/{digest}", "DELETE") == 405
    # Without authentication, pushes are taken on a loopback address only.
    refused = docker(
        "run", "--rm", "--network", "none", "-e", "MODE=rw", "-e", "LISTEN=0.0.0.0:5000", image("registry"), check=False
    )
    assert "loopback" in refused


def test_login_forwards(image: Callable[[str], str]) -> None:
    lan = network("login", "172.29.6.0/24")
    docker("run", "-d", "--name", PREFIX + "fwd", "--network", lan, "--ip", "172.29.6.10", "-e", "LISTEN=172.29.6.10:2222",
           "-e", "TARGET=172.29.6.11:22", image("login"))  # fmt: skip
    # A server that tells who it is and then gives back what it gets.
    server = (
        "use IO::Socket::INET; $SIG{CHLD}='IGNORE'; my $l = IO::Socket::INET->new(LocalPort=>22, Listen=>9, ReuseAddr=>1);"
        'while (my $c = $l->accept) { next if fork; $c->autoflush(1); print $c "hello\\n"; print $c $_ while <$c>; exit }'
    )

    def talk() -> str:
        script = (
            'exec 3<>/dev/tcp/172.29.6.10/2222; echo again >&3; read -r -t 20 a <&3; read -r -t 2 b <&3; echo "$a $b"'
        )
        return docker("run", "--rm", "--network", lan, image("base"), "bash", "-c", script, check=False).strip()

    docker(
        "run",
        "-d",
        "--name",
        PREFIX + "node",
        "--network",
        lan,
        "--ip",
        "172.29.6.11",
        image("base"),
        "perl",
        "-e",
        server,
    )
    until(lambda: talk() == "hello again", 10, "the forwarder answers")
    # The node moves: away, then back; a session that is tried meanwhile does not have to be tried again.
    docker("rm", "-f", PREFIX + "node")
    waiting = subprocess.Popen(
        ["docker", "run", "--rm", "--network", lan, image("base"), "bash", "-c", "exec 3<>/dev/tcp/172.29.6.10/2222; read -r -t 20 a <&3; echo $a"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    docker(
        "run",
        "-d",
        "--name",
        PREFIX + "node",
        "--network",
        lan,
        "--ip",
        "172.29.6.11",
        image("base"),
        "perl",
        "-e",
        server,
    )
    assert waiting.communicate(timeout=60)[0] == "hello\n"
    docker("stop", PREFIX + "fwd")
    assert docker("inspect", "-f", "{{.State.ExitCode}}", PREFIX + "fwd") == "0\n"
