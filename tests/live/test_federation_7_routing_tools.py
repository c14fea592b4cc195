"""What shows the network of a federation that is up: `make rtt`, tools.path, and the routing of `make status`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from federation import Farm, machines, wait_for

from components.image_tags import image_tags
from tools.bird import BIRDC

SITES = ("torino", "cnaf", "bari")
PAIRS = [(a, b) for a in SITES for b in SITES]
ENDS = ("torino-agent-1", "cnaf-agent-1")
NAME = "aerie-seen"
PYTHON = ".venv/bin/python"


@pytest.fixture(scope="module")
def matrix(farm: Farm) -> dict[str, Any]:
    """One measurement, with everything that can be asked for."""
    done = farm.shell(f"{PYTHON} -m tools.rtt --json --mtu --tunnels", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cells(matrix: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(c["from"], c["to"]): c for c in matrix["rtt_ms"]}


def test_round_trips_are_plausible(matrix: dict[str, Any]) -> None:
    found = cells(matrix)
    assert set(found) == set(PAIRS)
    assert all(c["lost"] == 0 and 0 < c["least"] <= c["median"] <= c["most"] < 1000 for c in found.values()), found
    within = [found[site, site]["least"] for site in SITES]
    between = [found[pair]["least"] for pair in PAIRS if pair[0] != pair[1]]
    assert max(within) < min(between), found
    # Between containers it is further than between front-ends, by the two LANs.
    tunnels = {(t["from"], t["to"]): t["rtt_ms"] for t in matrix["tunnels_ms"]}
    assert set(tunnels) == {pair for pair in PAIRS if pair[0] != pair[1]}
    assert all(ms is not None and 0 < ms < 1000 for ms in tunnels.values()), tunnels


def test_full_packets_pass_between_any_two(matrix: dict[str, Any], farm: Farm) -> None:
    mtu = yaml.safe_load((farm.path / "federation.yaml").read_text())["network"]["mtu"]
    assert {pair: c["passes"] for pair, c in cells(matrix).items()} == dict.fromkeys(PAIRS, mtu)


def test_the_picture_is_in_the_federations_own_folder(matrix: dict[str, Any], farm: Farm) -> None:
    assert Path(matrix["picture"]) == farm.home / "rtt.svg"
    words = [e.text for e in ElementTree.parse(farm.home / "rtt.svg").iter() if e.tag.endswith("text")]
    assert all(words.count(site) == 2 for site in SITES)
    assert farm.run("git", "status", "--porcelain").stdout == ""


def probes(farm: Farm) -> list[str]:
    """What is left of probes on any machine: containers and locks."""
    look = "docker ps -a --format '{{.Names}}' | grep aerie-rtt; ls /run/aerie-rtt* 2> /dev/null; true"
    return [f"{machine}: {line}" for machine in machines() for line in farm.on(machine, "sh", "-c", look).splitlines()]


def test_no_probe_is_left(matrix: dict[str, Any], farm: Farm) -> None:
    assert probes(farm) == []


def test_no_probe_is_left_by_ctrl_c(farm: Farm) -> None:
    command = ["bash", "-c", f'eval "$(tools/env)" && exec {PYTHON} -m tools.rtt --count 2000']
    process = subprocess.Popen(
        command,
        cwd=farm.path,
        env=farm.env,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # As at a terminal, also where these tests run in the background, which ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for("a probe runs", lambda: probes(farm), 120, every=0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all that it started too
        out, _ = process.communicate(timeout=150)
    finally:
        process.kill()
    assert process.returncode == 130, out
    assert probes(farm) == []


@pytest.fixture(scope="module")
def addresses(farm: Farm) -> Iterator[dict[str, str]]:
    """A container on an agent of each of two sites; their addresses by machine."""
    registry = yaml.safe_load((farm.path / "federation.yaml").read_text())["images"]["registry"]
    image = f"{registry}/aerie/probe:{image_tags(farm.path)['probe']}"
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    try:
        for machine in ENDS:
            run = ("docker", "run", "-d", "--rm", "--name", NAME, "--network", "calico", image, "sleep", "600")
            farm.on(machine, *run, timeout=180)
        yield {machine: farm.on(machine, "docker", "inspect", "-f", form, NAME).strip() for machine in ENDS}
    finally:
        for machine in ENDS:
            farm.on(machine, "docker", "rm", "-f", NAME, check=False)


def path(farm: Farm, source: str, target: str) -> tuple[int, dict[str, Any]]:
    done = farm.shell(f"{PYTHON} -m tools.path {source} {target} --json", check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_the_path_between_two_sites(farm: Farm, addresses: dict[str, str], back: bool) -> None:
    here, there = reversed(ENDS) if back else ENDS
    code, found = path(farm, f"{here}/{NAME}", addresses[there])
    hops = found["path"]["hops"]
    assert (code, found["path"]["verdict"]) == (0, "arrives")
    assert found["from"]["address"] == addresses[here]
    a, b = here.split("-")[0], there.split("-")[0]
    assert [h["machine"] for h in hops] == [here, f"{a}-front-end", f"{b}-front-end", there]
    assert hops[0]["enters"].startswith("cali") and hops[1]["leaves"] == f"wg-{b}"
    assert hops[2]["enters"] == f"wg-{a}" and hops[3]["leaves"].startswith("cali")
    number = yaml.safe_load((farm.path / "federation.yaml").read_text())["sites"][b]["as_number"]
    assert hops[1]["as_path"] == [number]
    assert hops[1]["learned_from"] == f"eBGP {b}-front-end"


def test_a_pools_role_is_an_end(farm: Farm) -> None:
    code, found = path(farm, "demo/submit-node", "demo/central-manager")
    assert (code, found["path"]["verdict"]) == (0, "arrives")
    assert found["from"]["machine"] == found["path"]["hops"][0]["machine"] == "torino-front-end"


def test_an_address_that_no_container_has(farm: Farm) -> None:
    network = yaml.safe_load((farm.path / "federation.yaml").read_text())["sites"]["cnaf"]["containers"]
    nobody = network.replace("64.0/18", "127.250")
    code, found = path(farm, "torino-front-end", nobody)
    assert (code, found["path"]["verdict"]) == (1, "blackhole")
    assert found["path"]["hops"][-1]["machine"] == "cnaf-front-end"
    assert nobody in found["path"]["said"]


def test_status_shows_all_sessions_routes_and_links(farm: Farm) -> None:
    done = farm.shell(f"{PYTHON} -m tools.status --json", check=False)
    assert done.returncode == 0, done.stdout
    routing = json.loads(done.stdout)["routing"]
    assert routing["down"] == []
    number = len(machines())
    full = sum(s["sessions"] for s in routing["sites"])
    assert full == (number * (number - 1) if routing["topology"] == "full-mesh" else 2 * (number - 3 + 3))
    assert all(s["sessions_up"] == s["sessions"] > 0 for s in routing["sites"])
    for site in routing["sites"]:  # the LAN and the containers of each other site, at least
        assert all(site["prefixes"][other] >= 2 for other in SITES if other != site["name"]), routing
    assert [link["up"] for link in routing["links"]] == [True] * 3
    screen = farm.shell(f"{PYTHON} -m tools.status --routing", check=False)
    assert screen.returncode == 0 and "from torino" in screen.stdout


GHOST = r"""
import json, sys
from aerie import forgetting
from components.fabric.calico_objects import calico_objects
from components.fabric.objects import calico_object
from tools.reach import ask, federation_here, places

here = federation_here()
site = {**here.sites["bari"].model_dump(), "as_number": 64999, "lan": "172.24.250.0/24", "containers": "10.75.250.0/24"}
the = type(here).model_validate({**here.model_dump(), "sites": {**here.model_dump()["sites"], "ghost": site}})
found = forgetting.other_front_ends(the, "ghost", ["torino", "cnaf"])
if sys.argv[1] == "appear":
    own = set(forgetting.own_objects(the, "ghost"))
    objects = [o for o in calico_objects(the, "ghost") if (o["kind"], o["metadata"]["name"]) in own]
    labels = {"site": "ghost", "front-end": "true", "reflector": "true", "links": "all"}
    objects.append(calico_object("Node", "ghost-front-end", {"bgp": {"ipv4Address": "172.24.250.10/24", "asNumber": 64999}}, labels))
    text = "\n---\n".join(map(json.dumps, objects))
    print(ask(found[0], f"docker exec -i calico calicoctl apply -f - <<'E'\n{text}\nE\n", 60))
else:
    print(forgetting.forget(the, "ghost", found))
"""


def test_a_site_that_is_gone_for_good_is_forgotten(farm: Farm) -> None:
    """A fourth site that never was, in Calico's store only: the others wait for its session until it is forgotten."""

    def known() -> str:
        kinds = "nodes bgppeers bgpfilters globalnetworksets ippools"
        return farm.on("cnaf-front-end", "sh", "-c", f"for k in {kinds}; do docker exec calico calicoctl get $k; done")

    def waits() -> bool:
        return "172.24.250.10" in farm.on(
            "cnaf-front-end", "docker", "exec", "calico", *BIRDC.split(), "show protocols all"
        )

    before = known()
    assert "ghost" not in before

    def ghost(what: str) -> str:
        return farm.shell(f"{PYTHON} - {what} <<'EOF'\n{GHOST}\nEOF").stdout

    try:
        assert "trouble=''" in ghost("appear")
        wait_for("a session with the ghost", waits)
        assert all(f"{what}-ghost" in known() for what in ("lan", "front-end"))
    finally:
        done = ghost("go")
    assert int(done.split()[-1]) == 8, "two peers, filter, three sets of addresses, pool; and the node"
    assert known() == before
    wait_for("no session with the ghost", lambda: not waits())
