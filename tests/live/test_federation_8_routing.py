"""Routes: the topology changes under way, links and daemons are lost, addresses move, and nobody announces what is not his."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from federation import Farm, docker, wait_for
from routing_probe import (
    NAME,
    Probe,
    Stream,
    all_reach_all,
    birdc,
    kinds,
    routes,
    sessions,
    start_probe,
    stop_probe,
    via,
)
from wan import POSTER_RTT, Wan, ends_of

SITES = ("torino", "cnaf", "bari")
MACHINES = ("torino-agent-1", "torino-agent-2", "cnaf-agent-1", "bari-agent-1", "bari-front-end")
NODES = 7
# The agents of each site, by the file of the default.
AGENTS = {"torino": 2, "cnaf": 1, "bari": 1}
FIXED = "10.76.0.250"  # no pool's


@pytest.fixture(scope="module")
def probes(farm: Farm) -> Iterator[dict[str, Probe]]:
    made = {}
    try:
        for machine in MACHINES:
            made[machine] = start_probe(farm, machine)
        all_reach_all(list(made.values()))
        yield made
    finally:
        for machine in made:
            stop_probe(farm, machine)


def expected(site: str, front_end: bool, mesh: bool) -> dict[str, int]:
    """Established sessions of a node by kind."""
    own = {"Node": AGENTS[site] + 2 if front_end else 1}
    others = NODES - 1 - own["Node"]
    return own | {"Mesh": others} if mesh else own


def wait_topology(farm: Farm, mesh: bool) -> None:
    for site in SITES:
        for machine in (f"{site}-front-end", f"{site}-agent-1"):
            want = expected(site, machine.endswith("front-end"), mesh)
            wait_for(f"sessions of {machine}", lambda m=machine, w=want: kinds(sessions(farm, m)) == w, 90, 1)  # type: ignore[misc]


def streams(probes: dict[str, Probe], *pairs: tuple[str, str]) -> list[Stream]:
    return [Stream(probes[a], probes[b]) for a, b in pairs]


INSIDE = ("torino-agent-1", "torino-agent-2")
BETWEEN = (("torino-agent-1", "cnaf-agent-1"), ("cnaf-agent-1", "bari-agent-1"), ("bari-front-end", "torino-agent-2"))


@pytest.mark.soak  # five minutes, there and back; tests/unit has what each topology sets up
@pytest.mark.parametrize("topology", ["route-reflectors", "full-mesh"])
def test_a_change_of_topology_loses_nothing(farm: Farm, probes: dict[str, Probe], topology: str) -> None:
    wait_topology(farm, mesh=topology != "full-mesh")
    running = streams(probes, INSIDE, *BETWEEN)
    start = time.monotonic()
    farm.edit("federation.yaml", lambda d: d["network"].update({"topology": topology}))
    for site in SITES:
        farm.up(site)
    wait_topology(farm, mesh=topology == "full-mesh")
    took = time.monotonic() - start
    lost = [stream.stop() for stream in running]
    print(f"to {topology} in {took:.0f} s: {lost}")
    assert lost[0].lost == 0, "within a site"
    assert max(each.longest for each in lost[1:]) < 2
    for site in SITES:
        assert farm.preview(site) == {}
    if topology == "route-reflectors":
        reflected(farm, probes)


def reflected(farm: Farm, probes: dict[str, Probe]) -> None:
    """Only with reflectors can it be seen: every node goes by what its reflector says, and still reaches all."""
    all_reach_all(list(probes.values()))
    for site in SITES:
        others = [f"10.75.{64 * i}.0/18" for i, other in enumerate(SITES) if other != site]
        agent = routes(farm, f"{site}-agent-1")
        front_end = routes(farm, f"{site}-front-end")
        for aggregate in others:
            assert aggregate in agent and aggregate in front_end
        # Parts of another site's containers have not come in.
        for line in re.findall(r"^(10\.75\.(\d+)\.\d+/\d+)", front_end + agent, re.MULTILINE):
            block, third = line
            mine = int(third) // 64 == SITES.index(site)
            assert mine or block.endswith("/18"), f"{block} on {site}"
        # The nodes have one route of their own to all LANs.
        told = routes(farm, f"{site}-agent-1", "protocol", node_of(farm, site))
        assert not re.search(r"^172\.24\.", told, re.MULTILINE), told


def node_of(farm: Farm, site: str) -> str:
    """The name of an agent's session with its front-end."""
    (name,) = [n for n in sessions(farm, f"{site}-agent-1") if n.startswith("Node_")]
    return name


def test_a_lost_link_is_gone_round(farm: Farm, probes: dict[str, Probe]) -> None:
    """All packets of one tunnel vanish; the traffic takes the third site's, and comes back."""
    address = probes["cnaf-agent-1"].address
    assert via(farm, "torino-front-end", address) == "wg-cnaf"
    (running,) = streams(probes, ("torino-agent-1", "cnaf-agent-1"))
    endpoint = "172.25.0.12"  # cnaf's on the wan
    rule = ["-p", "udp", "-s", endpoint, "-j", "DROP"]
    farm.on("torino-front-end", "iptables", "-I", "INPUT", *rule)
    try:
        wait_for("the way by bari", lambda: via(farm, "torino-front-end", address) == "wg-bari", 10, 0.05)
        wait_for(
            "and back by bari",
            lambda: via(farm, "cnaf-front-end", probes["torino-agent-1"].address) == "wg-bari",
            10,
            0.05,
        )
        wait_for("it answers", lambda: probes["torino-agent-1"].ping_once(address), 10, 0.05)
        for machine in ("torino-front-end", "cnaf-front-end"):
            assert kinds(sessions(farm, machine))["Node"] == expected(machine.split("-")[0], True, True)["Node"]
    finally:
        farm.on("torino-front-end", "iptables", "-D", "INPUT", *rule)
    wait_for("its own way again", lambda: via(farm, "torino-front-end", address) == "wg-cnaf", 15, 0.05)
    lost = running.stop()
    print(f"link lost and back: {lost}")
    assert lost.longest < 5


def test_a_fixed_address_moves_to_another_site(farm: Farm, probes: dict[str, Probe]) -> None:
    """Removed on one site and started on another; then taken from a machine that is cut off and knows nothing of it."""
    for machine in ("torino-agent-2", "bari-agent-1", "cnaf-agent-1"):
        stop_probe(farm, machine)
        try:
            start_probe(farm, machine, "--ip", FIXED, network="fixed")
            start = time.monotonic()
            for source in ("torino-agent-1", "bari-front-end"):
                wait_for(f"{FIXED} from {source}", lambda s=source: probes[s].ping_once(FIXED), 10, 0.02)  # type: ignore[misc]
            print(f"{FIXED} on {machine}: reached from two sites after {time.monotonic() - start:.2f} s")
        finally:
            again = start_probe(farm, machine)
        probes[machine] = again
    all_reach_all(list(probes.values()))


@pytest.mark.parametrize("daemon", ["bird", "calico-node -felix", "calico-node -confd"])
def test_a_killed_daemon_stops_no_traffic(farm: Farm, probes: dict[str, Probe], daemon: str) -> None:
    """On a front-end, through which all goes that leaves its site."""
    running = streams(probes, INSIDE, ("torino-agent-1", "cnaf-agent-1"))

    def pid() -> str:
        return farm.on("torino-front-end", "pgrep", "-f", f"^{daemon}").split()[0]

    before = pid()
    farm.on("torino-front-end", "kill", "-9", before)
    wait_for(f"{daemon} is back", lambda: pid() != before, 30)
    wait_for("sessions", lambda: kinds(sessions(farm, "torino-front-end")) == expected("torino", True, True), 90, 1)
    lost = [stream.stop() for stream in running]
    print(f"{daemon} killed: {lost}")
    assert [each.lost for each in lost] == [0, 0]


@pytest.mark.soak
def test_running_traffic_outlives_the_control_plane(farm: Farm, probes: dict[str, Probe]) -> None:
    """One member of etcd, then all of it for a minute, with ZooKeeper, Mesos' masters and Marathon."""
    running = streams(probes, INSIDE, *BETWEEN)
    front_ends = [f"{site}-front-end" for site in SITES]
    docker("exec", farm.machine("cnaf-front-end"), "docker", "stop", "etcd")
    all_reach_all([probes["torino-agent-1"], probes["cnaf-agent-1"]])
    docker("exec", farm.machine("cnaf-front-end"), "docker", "start", "etcd")
    services = ("etcd", "zookeeper", "mesos-master", "marathon")
    try:
        for machine in front_ends:
            farm.on(machine, "docker", "stop", "-t", "3", *services)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            all_reach_all([probes["torino-agent-1"], probes["bari-agent-1"]])
    finally:
        for machine in front_ends:
            farm.on(machine, "docker", "start", *services)
    lost = [stream.stop() for stream in running]
    print(f"control plane away for 60 s: {lost}")
    assert [each.lost for each in lost] == [0] * len(lost)
    wait_for("all is well", lambda: farm.run("make", "status", check=False).returncode == 0, 240, 3)


@contextmanager
def unfiltered(farm: Farm, nets: list[str]) -> Iterator[None]:
    """cnaf's front-end with its filters off announces these, the last of which has left it; as it was afterwards."""
    config = "/etc/calico/confd/config/bird.cfg"
    lines = "".join(f"\\n  route {net} blackhole;" for net in nets)
    edit = (
        f"cp {config} /tmp/kept.cfg && sed -i 's/export_border();/accept;/; /^protocol static/,/ipv4;/ s|ipv4;|ipv4;{lines}|' {config} && "
        "birdc -s /run/calico/bird.ctl configure"
    )
    try:
        farm.on("cnaf-front-end", "docker", "exec", "calico", "sh", "-c", edit)
        sent = wait_for(
            "it is announced",
            lambda: nets[-1] in routes(farm, "cnaf-front-end", "export", peer(farm, "cnaf", "bari")),
            20,
        )
        assert sent
        yield
    finally:
        undo = f"cp /tmp/kept.cfg {config} && birdc -s /run/calico/bird.ctl configure"
        farm.on("cnaf-front-end", "docker", "exec", "calico", "sh", "-c", undo)


def test_a_site_announces_only_what_is_its_own(farm: Farm, probes: dict[str, Probe]) -> None:
    """A front-end whose filters are off announces another site's LAN and containers, and a part of its own: nobody believes it."""
    stolen = ["172.24.1.0/24", "10.75.0.0/18", "10.75.7.0/24", "10.75.100.0/24", "198.51.100.0/24"]
    with unfiltered(farm, stolen):
        for site in ("torino", "bari"):
            protocol = peer(farm, site, "cnaf")
            assert "Established" in birdc(farm, f"{site}-front-end", "show", "protocols", protocol)
            wait_for("it is refused", lambda s=site, p=protocol: refused(farm, f"{s}-front-end", p), 20)  # type: ignore[misc]
            taken = routes(farm, f"{site}-front-end", "protocol", protocol)
            for net in stolen:
                assert net not in taken, taken
            assert "172.24.2.0/24" in taken and "10.75.64.0/18" in taken
        # cnaf harms itself only.
        all_reach_all([probe for machine, probe in probes.items() if not machine.startswith("cnaf")])
    all_reach_all(list(probes.values()))


def test_a_site_that_sends_too_much_is_not_listened_to(farm: Farm, probes: dict[str, Probe]) -> None:
    """More prefixes than the federation has room for: none is taken or remembered, and what was there before stays."""
    limit = int(farm.on("torino-front-end", "docker", "exec", "calico", "printenv", "CALICO_BORDER_LIMIT"))
    flood = [f"100.{64 + n // 256}.{n % 256}.0/24" for n in range(limit + 300)]
    before = {site: remembered(farm, site) for site in ("torino", "bari")}
    with unfiltered(farm, flood):
        for site in ("torino", "bari"):
            protocol = peer(farm, site, "cnaf")
            wait_for("all of it has come", lambda s=site, p=protocol: filtered(farm, s, p) >= len(flood), 20)  # type: ignore[misc]
            assert remembered(farm, site) <= before[site] <= limit
            taken = routes(farm, f"{site}-front-end", "protocol", protocol)
            assert "100." not in taken and "172.24.2.0/24" in taken and "10.75.64.0/18" in taken
        all_reach_all(list(probes.values()))
    all_reach_all(list(probes.values()))


def remembered(farm: Farm, site: str) -> int:
    """How many routes the site keeps of its session with cnaf, which is up and bounded."""
    said = birdc(farm, f"{site}-front-end", "show", "protocols", "all", peer(farm, site, "cnaf"))
    found = re.search(r"Routes: +(\d+) imported", said)
    assert "Established" in said and re.search(r"Receive limit: +\d+", said) and found, said
    return int(found[1])


def filtered(farm: Farm, site: str, protocol: str) -> int:
    """How many routes the session has brought that the filters threw away."""
    said = birdc(farm, f"{site}-front-end", "show", "protocols", "all", protocol)
    found = re.search(r"Import updates: +\d+ +\d+ +(\d+)", said)
    assert found, said
    return int(found[1])


def refused(farm: Farm, machine: str, protocol: str) -> bool:
    """Whether filters have rejected or ignored any route of the session."""
    said = birdc(farm, machine, "show", "protocols", "all", protocol)
    return re.search(r"Import updates: +\d+ +\d+ +[1-9]\d*", said) is not None


def peer(farm: Farm, site: str, other: str) -> str:
    """The name of the border session of a front-end with another."""
    address = farm.outputs(other)["machines"][f"{other}-front-end"].replace(".", "_")
    (name,) = [n for n in sessions(farm, f"{site}-front-end") if n == f"Node_{address}"]
    return name


def least(farm: Farm) -> dict[tuple[str, str], float]:
    """The shortest round trips, ms, between containers of all pairs of sites, by `make rtt`'s own program; no ping is lost."""
    done = farm.shell(".venv/bin/python -m tools.rtt --json", timeout=180)
    return {(cell["from"], cell["to"]): cell["least"] for cell in json.loads(done.stdout)["rtt_ms"]}


def direct(farm: Farm, probes: dict[str, Probe]) -> bool:
    """Whether each front-end sends to each other site by the tunnel between the two, and by no third site."""
    return all(
        via(farm, f"{a}-front-end", probes[f"{b}-agent-1"].address) == f"wg-{b}" for a in SITES for b in SITES if a != b
    )


def test_round_trips_are_the_tunnels_and_the_wans(farm: Farm, probes: dict[str, Probe]) -> None:
    """With the delays of the poster's sites, emulated by a relay; and with one link lost that of the way round."""
    bare = least(farm)
    with Wan(ends_of(farm), POSTER_RTT) as wan:
        # While the tunnels were led through the relay they carried nothing for a second: the ways may have moved, and move back.
        wait_for("each site's direct way", lambda: direct(farm, probes), 30)
        seen = least(farm)
        print(f"round trips, ms: bare {bare}, with the WAN's delays {seen}")
        for (a, b), delay in POSTER_RTT.items():
            for pair in ((a, b), (b, a)):
                assert seen[pair] == pytest.approx(bare[pair] + delay, rel=0.1), pair
        wan.cut("torino", "cnaf")
        target = probes["cnaf-agent-1"].address
        wait_for("the way by bari", lambda: via(farm, "torino-front-end", target) == "wg-bari", 10, 0.05)
        wait_for("and back by bari", lambda: came_back_by(farm, probes, "wg-bari"), 10, 0.05)
        round_ = least(farm)["torino", "cnaf"]
        print(f"torino to cnaf by bari: {round_} ms")
        expected_ms = sum(bare[pair] + POSTER_RTT[pair] for pair in (("torino", "bari"), ("cnaf", "bari")))
        assert round_ == pytest.approx(expected_ms, rel=0.1)
        wan.heal("torino", "cnaf")
        wait_for("its own way again", lambda: via(farm, "torino-front-end", target) == "wg-cnaf", 15, 0.05)


def came_back_by(farm: Farm, probes: dict[str, Probe], interface: str) -> bool:
    return via(farm, "cnaf-front-end", probes["torino-agent-1"].address) == interface


def test_no_probe_is_left(farm: Farm, probes: dict[str, Probe]) -> None:
    for machine in MACHINES:
        stop_probe(farm, machine)
        assert NAME not in farm.on(machine, "docker", "ps", "-a", "--format", "{{.Names}}")
