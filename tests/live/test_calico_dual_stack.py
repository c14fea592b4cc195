"""Dual stack for real: two sites (two ASes) of a front-end and an agent each, with what the program itself tells Calico.

All four machines are on one network. In the place of the VPN each front-end has a route to the other's IPv6 address. Needs a Docker
engine and root. Everything made here has the prefix `md-`. Prints the figures it measures (pytest -s).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
import yaml
from dual_stack import ETCD, FEDERATION, FIXED, MACHINES, NETWORK, OTHER_PORT, POOLS, PORT, Host, six
from engine import image, ok, sh, until
from test_calico_image import certificates

from components.fabric.calico_objects import calico_objects_yaml
from components.fabric.policy import policies_yaml
from components.spec.dual_stack import twin_network

pytestmark = pytest.mark.live

Nodes = dict[str, Host]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    def clear() -> None:
        sh("docker", "rm", "-f", "-v", "md-etcd", *MACHINES, check=False)
        sh("docker", "volume", "rm", *(f"{h}-docker" for h in MACHINES), check=False)
        sh("docker", "network", "rm", "md-c", check=False)

    clear()
    folder = tmp_path_factory.mktemp("dual")
    certificates(folder, ETCD)
    (folder / "etcd").mkdir()
    for f in folder.glob("*.*"):
        shutil.copy(f, folder / "etcd")
    sh("docker", "save", "-o", str(folder / "images.tar"), image("calico"), image("probe"))
    sh("docker", "network", "create", "--subnet", NETWORK, "-o", "com.docker.network.bridge.enable_ip_masquerade=false",
       "md-c")  # fmt: skip
    try:
        sh("docker", "run", "-d", "--name", "md-etcd", "--network", "md-c", "--ip", ETCD,
           "-v", f"{folder}/etcd:/etc/aerie/etcd:ro", "-e", "ETCD_NAME=e1",
           "-e", "ETCD_LISTEN_CLIENT_URLS=https://0.0.0.0:2379", "-e", f"ETCD_ADVERTISE_CLIENT_URLS=https://{ETCD}:2379",
           "-e", "ETCD_LISTEN_PEER_URLS=https://0.0.0.0:2380",
           "-e", f"ETCD_INITIAL_ADVERTISE_PEER_URLS=https://{ETCD}:2380",
           "-e", f"ETCD_INITIAL_CLUSTER=e1=https://{ETCD}:2380", image("etcd"))  # fmt: skip
        hosts = {}
        for name, (site, _, _) in MACHINES.items():
            own = folder / name
            (own / "calico").mkdir(parents=True)
            (own / "machine").mkdir()
            for file in ("ca.crt", "client.crt", "client.key"):
                shutil.copy(folder / file, own / "calico")
            pools = "---\n".join(policies_yaml(FEDERATION, n, p) for n, p in POOLS.items())
            (own / "calico/objects.yaml").write_text(calico_objects_yaml(FEDERATION, site) + "---\n" + pools)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", own / "machine/ssh_host_ed25519_key"],
                           check=True)  # fmt: skip
            shutil.copy(own / "machine/ssh_host_ed25519_key.pub", own / "machine/authorized_keys")
            (own / "images.tar").hardlink_to(folder / "images.tar")
            hosts[name] = Host(name, own)
            hosts[name].up()
        start = time.monotonic()
        for h in hosts.values():
            h.calico()
        for a, b in (("md-one", "md-two"), ("md-two", "md-one")):
            there = f"{six(hosts[b].address)}/128"
            until(lambda a=a, there=there: hosts[a].on("ip", "-6", "route", "replace", there, "dev", "eth0") == "",  # type: ignore[misc]
                  30, f"{a}'s way to {b}")  # fmt: skip
        for h in hosts.values():
            sessions = 2 if h.front_end else 1
            until(
                lambda h=h, n=sessions: h.sessions() == h.sessions("Node") == n,  # type: ignore[misc]
                90,
                f"the IPv6 sessions of {h.name}",
                0.3,
            )
            until(lambda h=h: h.d("network", "inspect", "calico", "fixed"), 30, f"the networks of {h.name}")  # type: ignore[misc]
        print(f"\nall IPv6 sessions after {time.monotonic() - start:.1f} s")
        yield hosts
    finally:
        if not os.environ.get("AERIE_TEST_KEEP"):
            clear()


def test_machines_have_their_addresses(nodes: Nodes) -> None:
    for h in nodes.values():
        text = h.on("ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global")
        assert f"{six(h.address)}/121" in text, text
        node = yaml.safe_load(h.d("exec", "calico", "calicoctl", "get", "node", h.name, "-o", "yaml"))
        assert node["spec"]["bgp"]["ipv6Address"] == f"{six(h.address)}/121"


def test_all_pairs(nodes: Nodes) -> None:
    addresses = {name: h.run("mm") for name, h in nodes.items()}
    start = time.monotonic()
    for name, h in nodes.items():
        own = h.d("inspect", "-f", "{{.NetworkSettings.Networks.calico.GlobalIPv6Address}}", "mm")
        assert own == six(addresses[name]), "the container's address is the twin of the other"
        for address in addresses.values():
            until(lambda h=h, a=address: h.pings("mm", six(a)), 10, f"{name} to {six(address)}")  # type: ignore[misc]
            assert h.pings("mm", address), "IPv4 stays"
            assert h.reaches("mm", six(address), PORT)
    print(f"\n16 pairs after {time.monotonic() - start:.1f} s")
    # The whole MTU passes, and IPv6's own fragments are not needed.
    h = nodes["md-one-1"]
    size = str(FEDERATION.network.mtu - 48)
    h.d("exec", "mm", "ping", "-6", "-n", "-c1", "-W2", "-M", "do", "-s", size, six(addresses["md-two-1"]))


def test_what_crosses_the_border(nodes: Nodes) -> None:
    """Of a site its LAN and its containers, as wholes, and fixed addresses; nothing else, and from its own AS."""
    one, two = nodes["md-one"], nodes["md-two"]
    one.run("cm", "demo", "--ip", FIXED, network="fixed")
    lan, containers = (
        str(twin_network(FEDERATION, getattr(FEDERATION.sites["one"], w))) for w in ("lan", "containers")
    )
    wanted = {lan, containers, f"{six(FIXED)}/128"}
    session = two.session_with(one)
    until(lambda: set(two.routes("protocol", session)) == wanted, 10, "what the border tells")
    # The agent has what its reflector tells it: all of it by way of the reflector, and with its own LAN address as source.
    agent = nodes["md-two-1"]
    for there in (lan, containers, six(FIXED)):
        until(lambda there=there: f"{there} via {six(two.address)}" in agent.on("ip", "-6", "route", "show", "proto", "bird"),  # type: ignore[misc]
              10, f"the agent's way to {there}")  # fmt: skip
    assert f"src {six(agent.address)}" in agent.on("ip", "-6", "route", "get", six(one.address))
    one.d("rm", "-f", "cm")
    until(lambda: f"{six(FIXED)}/128" not in two.routes("protocol", session), 10, "it is taken back")


def test_a_border_refuses_what_is_not_the_neighbours_own(nodes: Nodes) -> None:
    """A front-end that gives out another site's containers as its own: its neighbours take none of it."""
    one, two = nodes["md-one"], nodes["md-two"]
    stolen = str(twin_network(FEDERATION, FEDERATION.sites["two"].containers))
    one.d("rm", "-f", "calico")
    one.calico(CALICO_SITE_POOL6=stolen)
    session = two.session_with(one)
    own = str(twin_network(FEDERATION, FEDERATION.sites["one"].containers))
    try:
        until(lambda: one.sessions() == 2, 60, "its sessions", 0.3)
        until(lambda: stolen in one.routes("export", one.session_with(two)), 20, "it tells the lie")
        until(lambda: own not in two.routes("protocol", session), 90, "the old aggregate goes")
        assert stolen not in two.routes("protocol", session)
    finally:
        one.d("rm", "-f", "calico")
        one.calico()
        until(lambda: own in two.routes("protocol", session), 90, "all is well again", 0.3)


def test_pools_are_strangers(nodes: Nodes) -> None:
    """Default deny holds on IPv6 as on IPv4; what both pools say is open, and nothing besides."""
    a, b = nodes["md-one-1"], nodes["md-two-1"]
    target = six(b.run("target"))
    mine, guest, friend = a.run("mine"), a.run("guest", "grid"), a.run("friend", "friend")
    nobody = a.run("nobody", None)
    until(lambda: a.reaches("mine", target, PORT), 10, "its own pool")
    until(lambda: a.reaches("friend", target, PORT), 10, "the port that both pools name")
    until(lambda: a.pings("friend", target), 10, "ICMPv6 that both pools name")
    assert a.reaches("mine", target, OTHER_PORT) and not a.reaches("friend", target, OTHER_PORT)
    for stranger in ("guest", "nobody"):
        assert not a.pings(stranger, target) and not a.reaches(stranger, target, PORT), stranger
        assert not a.reaches(stranger, six(mine), PORT), f"{stranger}, on the same machine"
    for address in (guest, friend, nobody):
        assert not b.pings("target", six(address)) and not b.reaches("target", six(address), PORT)
    # Machines: by any of their addresses, also the gateway's, which is the container's own machine.
    for address in (six(a.address), six(b.address), six("172.28.21.10"), "fe80::1%cali0"):
        assert not a.reaches("mine", address, 22), address
    assert a.reaches("mine", "::1", PORT)
    # A front-end leads in; an agent of another machine does not.
    knock = f"exec 3<>/dev/tcp/{target}/{PORT}"
    assert ok("docker", "exec", "md-one", "timeout", "3", "bash", "-c", knock)
    assert not ok("docker", "exec", "md-one-1", "timeout", "2", "bash", "-c", knock)
    for name in ("mine", "guest", "friend", "nobody"):
        a.d("rm", "-f", name)
    b.d("rm", "-f", "target")


def echoes(host: Host, name: str) -> int:
    text = host.d("exec", name, "cat", "/proc/net/snmp6")
    return int(re.search(r"^Icmp6InEchos\s+(\d+)", text, re.M)[1])  # type: ignore[index]


def test_a_claimed_source_is_dropped(nodes: Nodes) -> None:
    """Its packets come from an address of its own pool, so that only the check of the source stands in the way."""
    a, b = nodes["md-one-1"], nodes["md-two-1"]
    target, other = six(b.run("target")), six(a.run("other"))
    a.run("liar")
    until(lambda: a.pings("liar", target), 10, "the honest way")
    before = echoes(b, "target")
    a.d("exec", "liar", "ping", "-n", "-c", "3", "-i", "0.2", target)
    assert echoes(b, "target") == before + 3
    a.inside("liar", "ip", "-6", "addr", "add", f"{other}/128", "dev", "cali0", "nodad")
    a.inside("liar", "ip", "-6", "addr", "add", "2001:db8::1/128", "dev", "cali0", "nodad")
    for source in (other, "2001:db8::1"):
        a.inside("liar", "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-I", source, target)
        assert "0 received" in a.d("exec", "liar", "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", "-I", source, target,
                                   check=False)  # fmt: skip
    assert echoes(b, "target") == before + 3
    for name in ("other", "liar"):
        a.d("rm", "-f", name)
    b.d("rm", "-f", "target")


def test_removal_takes_everything_along(nodes: Nodes) -> None:
    h = nodes["md-one-1"]
    address = six(h.run("brief"))
    until(lambda: address in h.on("ip", "-6", "route"), 10, "its route")
    assert not h.on("sh", "-c", "ip -6 -o addr show scope global | grep cali || true"), "no other address on a link"
    h.d("rm", "-f", "brief")
    until(lambda: address not in h.on("ip", "-6", "route"), 10, "the route is gone")
    until(lambda: address not in h.d("exec", "calico", "calicoctl", "get", "wep", "-n", "libnetwork", "-o", "yaml"), 10,
          "the endpoint is gone")  # fmt: skip
    # Nothing was given out that could be left behind.
    shown = h.d("exec", "calico", "calicoctl", "ipam", "show", "--show-blocks")
    pools = [line for line in shown.splitlines() if "fd7a" in line]
    assert len(pools) == 3 and all("| IP Pool " in line and "| 0 (0%) " in line for line in pools), shown


def test_a_fixed_address_takes_its_twin_along(nodes: Nodes) -> None:
    a, b, c = nodes["md-one-1"], nodes["md-two-1"], nodes["md-two"]
    c.run("mm")
    a.run("old", "demo", "--ip", FIXED, network="fixed")
    until(lambda: c.pings("mm", six(FIXED)), 10, "at its first machine")
    time.sleep(1.1)  # Docker counts the age of containers in whole seconds
    b.run("new", "demo", "--ip", FIXED, network="fixed")
    moved = until(lambda: c.pings("mm", six(FIXED)) and echoes(b, "new") > 0, 10, "at its second machine", 0.02)
    until(lambda: six(FIXED) not in a.on("ip", "-6", "route", "show", "type", "unicast", "dev", "eth0", check=False)
          or "via" in a.on("ip", "-6", "route", "get", six(FIXED)), 10, "the first one has no claim")  # fmt: skip
    stopped = until(lambda: a.d("inspect", "-f", "{{.State.Status}}", "old") == "exited", 10, "the old one is stopped")
    print(
        f"\na fixed address that moved to another site: reached over IPv6 after {moved:.2f} s, stopped {stopped:.2f} s later"
    )
    b.d("rm", "-f", "new")
    a.d("rm", "-f", "old")


def test_replacing_the_container_loses_nothing(nodes: Nodes) -> None:
    a, b = nodes["md-one-1"], nodes["md-two-1"]
    target = six(a.run("mm"))
    b.run("mm")
    until(lambda: b.pings("mm", target), 10, "the way")
    words = [
        "docker",
        "exec",
        "md-two-1",
        "docker",
        "exec",
        "mm",
        "ping",
        "-n",
        "-q",
        "-i",
        "0.05",
        "-c",
        "500",
        target,
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as ping:
        for name in ("md-one-1", "md-one"):
            nodes[name].d("stop", "calico")
            nodes[name].d("rm", "-f", "calico")
            nodes[name].calico()
            sessions = 2 if nodes[name].front_end else 1
            until(lambda n=name, s=sessions: nodes[n].sessions() == s, 60, f"{name} is back", 0.3)  # type: ignore[misc]
        text = ping.communicate(timeout=90)[0]
    found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    assert found
    print(f"\nan agent's and a border's container replaced while pinging: {found[0]}")
    assert int(found[2]) >= int(found[1]) - 2


def test_without_the_key_it_goes_again(nodes: Nodes) -> None:
    """IPv6 is taken out of a node that had it: its LAN address goes, new containers have none, IPv4 is as before."""
    h, other = nodes["md-one-1"], nodes["md-two-1"]
    other.run("mm")
    peer = other.d("inspect", "-f", "{{.NetworkSettings.Networks.calico.IPAddress}}", "mm")
    front_end = nodes["md-one"]
    four = front_end.sessions("Node")
    h.d("rm", "-f", "calico")
    h.calico(IP6="", CALICO_TWINS="")
    until(lambda: six(h.address) not in h.on("ip", "-6", "-o", "addr"), 30, "the LAN address is gone", 0.3)
    until(lambda: '"bird":true' in h.d("exec", "calico", "calico-node", "health", check=False), 60, "it is up", 0.3)
    address = h.run("four")
    assert h.d("inspect", "-f", "{{.NetworkSettings.Networks.calico.GlobalIPv6Address}}", "four") == ""
    until(lambda: h.pings("four", peer), 10, "IPv4")
    link = h.on("sh", "-c", f"ip -o route get {address} | sed -n 's/.* dev \\(cali[^ ]*\\).*/\\1/p'")
    assert h.on("cat", f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6") == "1"
    until(lambda: front_end.sessions("Node") == four, 30, "the sessions of IPv4", 0.3)
    h.d("rm", "-f", "calico")
    h.calico()
    until(lambda: h.sessions() == 1 and front_end.sessions("Node") == four, 60, "with the key again", 0.3)
    # A container from before has no IPv6 until it is started again.
    assert h.d("inspect", "-f", "{{.NetworkSettings.Networks.calico.GlobalIPv6Address}}", "four") == ""
    h.d("restart", "-t", "1", "four")
    address = h.d("inspect", "-f", "{{.NetworkSettings.Networks.calico.IPAddress}}", "four")
    until(lambda: other.pings("mm", six(address)), 15, "started again it has")
