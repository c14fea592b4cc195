"""Each pool is a tenant: whom its containers reach, and whom they do not, on a real federation.

`demo` is there, by Marathon; `tenant` is made here, by the framework. Wherever a scan finds nothing, the same scan from elsewhere
has found what is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import yaml
from federation import Farm, docker, machines, wait_for
from framework_pool import Found, FrameworkPool, containers
from port_scan import Seen, as_a_job, from_container, from_machine

from components.image_tags import image_tags

pytestmark = pytest.mark.live

SITES = ("torino", "cnaf", "bari")
CONTROL = (22, 179, 2181, 2379, 2380, 2888, 3888, 5050, 5051, 8443)
# Besides: Docker's, the log-ins' and RESTs' ways in, HTCondor's on the machine itself.
MACHINE_PORTS = (*CONTROL, 53, 2222, 2225, 2375, 2376, 5000, 8601, 8602, 8604, 9099, 9618)
POOL_PORTS = (22, 80, 5201, 8443, 9618)
METADATA = "169.254.169.254"  # where a cloud tells a machine its secrets; here an address of the machine's own
OUTSIDE = "172.23.77.1"  # on the host, in a network that is nobody's of the federation
BY_HAND = "policy-by-hand"
LABEL = "org.projectcalico.label."


def each(addresses: list[str], *ports: int) -> set[str]:
    return {f"{address}:{port}" for address in addresses for port in ports}


@dataclass
class Both:
    """Both pools, and where everything is."""

    farm: Farm
    tenant: FrameworkPool

    def of(self, pool: str, role: str) -> Found:
        return containers(self.farm, f"AERIE_POOL={pool}", f"AERIE_ROLE={role}")[0]

    def address(self, found: Found) -> str:
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.farm.on(found.machine, "docker", "inspect", "-f", form, found.id).strip()

    def scan(self, pool: str, role: str, targets: set[str]) -> Seen:
        found = self.of(pool, role)
        return from_container(self.farm, found.machine, found.id, targets)

    def addresses(self, pool: str) -> list[str]:
        found = [c for role in ("central-manager", "submit", "executor") for c in self.all_of(pool, role)]
        return [self.address(c) for c in found]

    def all_of(self, pool: str, role: str) -> list[Found]:
        return containers(self.farm, f"AERIE_POOL={pool}", f"AERIE_ROLE={role}")

    def machine_addresses(self) -> dict[str, str]:
        return {name: address for site in SITES for name, address in self.farm.outputs(site)["machines"].items()}

    def ends_of(self, pool: str) -> tuple[str, str]:
        """Collector and submit node."""
        outputs = self.farm.outputs(pool)
        return outputs["central_manager"], outputs["submit_node"]


@pytest.fixture(scope="module")
def both(farm: Farm) -> Iterator[Both]:
    pool = FrameworkPool(farm, "tenant", 4, 2225)
    pool.create()
    yield Both(farm, pool)
    done = pool.destroy(check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pool.remove()
    assert "tenant" not in policies(farm)


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    """Something that listens outside of the federation: ADDRESS:PORT."""
    docker("network", "create", "--subnet", "172.23.77.0/24", "aerie-test-outside")
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "18999", "--bind", OUTSIDE],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield f"{OUTSIDE}:18999"
    server.kill()
    server.wait()
    docker("network", "rm", "aerie-test-outside")


def policies(farm: Farm) -> str:
    return farm.on("torino-front-end", "docker", "exec", "calico", "calicoctl", "get", "gnp")


def by_hand(farm: Farm, machine: str, *options: str) -> str:
    """A container that somebody starts on the machine himself; its address."""
    image = f"{farm.registry()}/aerie/probe:{image_tags(farm.path)['probe']}"
    farm.on(machine, "docker", "rm", "-f", BY_HAND, check=False)
    farm.on(machine, "docker", "run", "-d", "--name", BY_HAND, "--network", "calico", *options, image, timeout=180)
    return farm.on(
        machine, "docker", "inspect", "-f", "{{.NetworkSettings.Networks.calico.IPAddress}}", BY_HAND
    ).strip()


@pytest.fixture
def cleared(farm: Farm) -> Iterator[None]:
    """No container by hand is left."""
    yield
    for machine in machines():
        farm.on(machine, "docker", "rm", "-f", BY_HAND, check=False)


def pings(farm: Farm, machine: str, *command: str) -> bool:
    """Whether one of three is answered."""
    out = farm.on(
        machine, "docker", "exec", BY_HAND, "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", *command, check=False
    )
    return " 0 received" not in out and "received" in out


def test_both_work(both: Both) -> None:
    mine, theirs = both.tenant.submit_sleeps("here", 3, 1), both.farm.submit("here", 1, 3)
    both.tenant.wait_jobs("here", 120)
    both.farm.wait_jobs("here", 120)
    assert both.tenant.history([mine], "ExitCode") == [["0"]] * 3
    assert both.farm.history(theirs, "ExitCode") == [["0"]] * 3
    assert {r["healthy"] for r in both.tenant.state()["roles"]} == {True}  # by way of its REST
    assert both.tenant.rest("GET", "/metrics").status_code == 200
    done = both.farm.run("make", "status", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_to_change_straight_after_up(both: Both) -> None:
    assert both.farm.preview("tenant") == {}
    for name in ("default-deny", "front-ends", "pool-demo", "pool-tenant", "framework-tenant"):
        assert name in policies(both.farm)
    assert "framework-demo" not in policies(both.farm)


def test_the_scanner_finds_what_is_there(both: Both) -> None:
    """From where it may: a machine finds the control plane, a front-end and each pool find that pool."""
    address = both.machine_addresses()
    front_ends = [address[f"{site}-front-end"] for site in SITES]
    there = from_machine(both.farm, "torino-front-end", each(front_ends, *CONTROL)).those("open")
    assert {int(target.rpartition(":")[2]) for target in there} == set(CONTROL)  # 2888 is the leading ZooKeeper's only
    for pool in ("demo", "tenant"):
        manager, submit = both.ends_of(pool)
        own = {f"{manager}:9618", f"{submit}:9618", f"{submit}:22"}
        assert both.scan(pool, "executor", own).those("open") == own
        assert from_machine(both.farm, "cnaf-front-end", own).those("open") == own


@pytest.mark.parametrize(("who", "whom"), [("tenant", "demo"), ("demo", "tenant")])
def test_a_scan_finds_nothing_of_another_pool(both: Both, who: str, whom: str) -> None:
    targets = each(both.addresses(whom), *POOL_PORTS)
    assert len(targets) >= 3 * len(POOL_PORTS)
    for role in ("executor", "submit", "central-manager"):
        assert both.scan(who, role, targets).found == set(), role
    if who == "tenant":
        framework = both.tenant.framework_container()
        assert from_container(both.farm, framework.machine, framework.id, targets).found == set()
        assert as_a_job(both.tenant, "scan-pool", targets).found == set()


def test_a_scan_finds_nothing_of_the_control_plane_nor_of_the_own_machine(both: Both) -> None:
    found = both.of("tenant", "executor")
    wan = [site["vpn_endpoint"].partition(":")[0] for site in federation_file(both.farm)["sites"].values()]
    gateways = [f"172.24.{n}.1" for n in (1, 2, 3)] + ["172.25.0.1"]
    every = [*both.machine_addresses().values(), *wan, *gateways, "172.17.0.1", METADATA]
    targets = each(every, *MACHINE_PORTS)
    both.farm.on(found.machine, "ip", "addr", "replace", f"{METADATA}/32", "dev", "lo")
    try:
        own = from_machine(both.farm, found.machine, each([METADATA, "172.17.0.1"], 22))
        assert own.those("open") == each([METADATA, "172.17.0.1"], 22), "else it proves nothing"
        start = time.monotonic()
        assert as_a_job(both.tenant, "scan-machines", targets).found == set()
        print(f"{len(targets)} ports of {len(every)} addresses: nothing, in {time.monotonic() - start:.0f} s")
        ends = [("tenant", "executor"), ("demo", "executor"), ("demo", "submit"), ("tenant", "central-manager")]
        with ThreadPoolExecutor(len(ends)) as threads:  # each waits for answers that do not come
            seen = dict(zip(ends, threads.map(lambda end: both.scan(end[0], end[1], targets), ends), strict=True))
        assert {end: answers.found for end, answers in seen.items()} == {end: set() for end in ends}
    finally:
        both.farm.on(found.machine, "ip", "addr", "del", f"{METADATA}/32", "dev", "lo")


def federation_file(farm: Farm) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = yaml.safe_load((farm.path / "federation.yaml").read_text())
    return found


def test_a_framework_reaches_two_services_and_no_more(both: Both) -> None:
    framework, address = both.tenant.framework_container(), both.machine_addresses()
    front_ends = [address[f"{site}-front-end"] for site in SITES]
    seen = from_container(both.farm, framework.machine, framework.id, each(list(address.values()), *MACHINE_PORTS))
    assert seen.found == seen.those("open") == each(front_ends, 5050, 2181)


def test_only_front_ends_lead_in(both: Both) -> None:
    targets = each(list(both.ends_of("tenant")), 22, 9618)
    here = {both.of("tenant", role).machine for role in ("submit", "central-manager")}
    for machine in ("torino-agent-1", "cnaf-agent-1"):
        if machine not in here:  # a machine's own processes reach its containers in any case
            assert from_machine(both.farm, machine, targets).found == set(), machine


def test_outside_is_open_until_it_is_shut(both: Both, outside: str) -> None:
    assert both.scan("tenant", "executor", {outside}).those("open") == {outside}
    before = [c.id for c in containers(both.farm, "AERIE_POOL=tenant")]
    both.tenant.changes["network"] = {"outside": False}
    both.tenant.write()
    try:
        assert both.farm.preview("tenant") == {"update": ["Command tenant-network"]}
        both.farm.up("tenant")
        assert both.farm.preview("tenant") == {}
        wait_for("it is shut", lambda: both.scan("tenant", "executor", {outside}).found == set(), 20)
        assert both.scan("demo", "executor", {outside}).those("open") == {outside}, "another pool's is not"
        assert [c.id for c in containers(both.farm, "AERIE_POOL=tenant")] == before
        mine = both.tenant.submit_sleeps("shut", 2, 1)
        both.tenant.wait_jobs("shut", 120)
        assert both.tenant.history([mine], "ExitCode") == [["0"]] * 2
    finally:
        del both.tenant.changes["network"]
        both.tenant.write()
        both.farm.up("tenant")
    wait_for("it is open again", lambda: both.scan("tenant", "executor", {outside}).found == {outside}, 20)


def test_two_pools_agree_on_one_port(both: Both) -> None:
    file, port = both.farm.path / "Pulumi.demo.yaml", "tcp/9618"
    kept, targets = file.read_text(), each(list(both.ends_of("demo")), 9618, 22)
    back = each(list(both.ends_of("tenant")), 9618, 22)
    both.tenant.changes["network"] = {"allow_to": [{"pools": ["demo"], "ports": [port]}]}
    both.tenant.write()
    try:
        refused = both.farm.shell("pulumi preview -s tenant --non-interactive", check=False)
        assert "pool demo does not let this one in at tcp/9618" in refused.stdout + refused.stderr
        let_in = {"allow_from": [{"pools": ["tenant"], "ports": [port]}]}
        both.farm.edit(file.name, lambda d: d["config"]["aerie:pool"].update(network=let_in))
        both.farm.up("tenant")
        assert both.scan("tenant", "executor", targets).found == set(), "only one of the two says so yet"
        both.farm.up("demo")
        wanted = {t for t in targets if t.endswith(":9618")}
        wait_for("it is open", lambda: both.scan("tenant", "executor", targets).those("open") == wanted, 20)
        assert both.scan("tenant", "executor", targets).found == wanted
        assert both.scan("demo", "executor", back).found == set(), "the way back is not meant"
    finally:
        del both.tenant.changes["network"]
        both.tenant.write()
        file.write_text(kept)
        both.farm.up("tenant")
        both.farm.up("demo")
    wait_for("it is shut again", lambda: both.scan("tenant", "executor", targets).found == set(), 20)
    assert both.farm.preview("demo") == {}


def test_who_claims_anothers_address_gets_nothing(both: Both, cleared: None) -> None:
    manager, submit = both.ends_of("demo")
    machine = next(m for m in ("cnaf-agent-1", "bari-agent-1") if m != both.of("demo", "central-manager").machine)
    labels = ("--label", f"{LABEL}aerie-pool=demo")  # even with the pool's own label
    by_hand(both.farm, machine, *labels, "--cap-add", "NET_ADMIN")
    wait_for("it reaches the pool", lambda: pings(both.farm, machine, submit), 10)
    both.farm.on(machine, "docker", "exec", BY_HAND, "ip", "addr", "add", f"{manager}/32", "dev", "cali0")
    assert not pings(both.farm, machine, "-I", manager, submit), "its claim is believed"
    assert pings(both.farm, machine, submit)
    # On the claimed address there is only what the owner serves, though the claimant listens there too.
    both.farm.on(machine, "docker", "exec", "-d", BY_HAND, "iperf3", "-s", "-p", "7777")
    wait_for("it listens", lambda: "7777" in both.farm.on(machine, "docker", "exec", BY_HAND, "ss", "-ltn"), 10)
    seen = both.scan("demo", "executor", {f"{manager}:7777", f"{manager}:9618"})
    assert seen.answers == {f"{manager}:7777": "refused", f"{manager}:9618": "open"}
    cluster = both.farm.submit("claimed", 1, 2)
    both.farm.wait_jobs("claimed", 120)
    assert both.farm.history(cluster, "ExitCode") == [["0"]] * 2


def test_without_a_label_nothing_goes(both: Both, cleared: None, outside: str) -> None:
    manager, submit = both.ends_of("demo")
    machine = "bari-agent-1"
    address = by_hand(both.farm, machine)
    both.farm.on(machine, "docker", "exec", "-d", BY_HAND, "iperf3", "-s", "-p", "7777")
    target = {f"{address}:7777"}
    wait_for("it serves", lambda: from_machine(both.farm, machine, target).those("open") == target, 10)
    targets = {outside, *each([manager, submit], 22, 9618), *each(list(both.machine_addresses().values()), *CONTROL)}
    assert from_container(both.farm, machine, BY_HAND, targets).found == set()
    for pool in ("demo", "tenant"):
        assert both.scan(pool, "executor", target).found == set()
    for front_end in ("torino-front-end", "cnaf-front-end", "bari-front-end"):
        assert from_machine(both.farm, front_end, target).found == set()


def test_probes_of_the_tools_reach_each_other_only(both: Both, cleared: None) -> None:
    labels = ("--label", f"{LABEL}aerie-pool=aerie-rtt")
    by_hand(both.farm, "torino-agent-1", *labels)
    there = by_hand(both.farm, "bari-agent-1", *labels)
    wait_for("they reach each other", lambda: pings(both.farm, "torino-agent-1", there), 10)
    both.farm.on("bari-agent-1", "docker", "exec", "-d", BY_HAND, "iperf3", "-s")
    target = {f"{there}:5201"}

    def measured() -> bool:
        return from_container(both.farm, "torino-agent-1", BY_HAND, target).those("open") == target

    wait_for("the port for measuring is open", measured, 10)
    assert both.scan("demo", "executor", target).found == set()
    assert from_container(both.farm, "torino-agent-1", BY_HAND, each(both.addresses("demo"), 22, 9618)).found == set()


def test_a_containers_start_does_not_wait_for_its_labels(both: Both, cleared: None) -> None:
    """One connection, tried in the first moment: it comes about by the kernel's second try at the latest."""
    manager, _ = both.ends_of("demo")
    image = f"{both.farm.registry()}/aerie/probe:{image_tags(both.farm.path)['probe']}"
    script = f"s=$(date +%s%N); exec 3<>/dev/tcp/{manager}/9618 && echo $((($(date +%s%N) - s) / 1000000))"
    took = []
    for _ in range(5):
        words = (
            "docker",
            "run",
            "--rm",
            "--name",
            BY_HAND,
            "--network",
            "calico",
            "--label",
            f"{LABEL}aerie-pool=demo",
        )
        took.append(int(both.farm.on("bari-agent-1", *words, image, "bash", "-c", script)))
    print(f"first connection of a new container after {took} ms")
    assert max(took) < 3000, took  # at the second try: the kernel tries after 1 s, and after 3 s


def test_rules_hold_while_felix_is_away(both: Both) -> None:
    found, machine = both.of("demo", "executor"), both.of("demo", "executor").machine
    manager, submit = both.ends_of("demo")
    own = {f"{manager}:9618", f"{submit}:22"}
    address = both.machine_addresses()
    others = {*each(list(both.ends_of("tenant")), 9618, 22), *each([address[machine]], 22, 5051)}

    def felix() -> str:
        return both.farm.on(machine, "pgrep", "-f", "^calico-node -felix", check=False).strip()

    def healthy() -> bool:
        said = both.farm.on(machine, "docker", "exec", "calico", "calico-node", "health", check=False)
        return said.startswith("{") and bool(json.loads(said)["felix"])

    before = felix()
    assert before
    both.farm.on(machine, "pkill", "-9", "-f", "^calico-node -felix")
    for _ in range(3):
        seen = from_container(both.farm, found.machine, found.id, own | others)
        assert seen.those("open") == own and seen.found == own
    wait_for("felix is another one", lambda: felix() not in ("", before), 60)
    wait_for("felix is well", healthy, 60)
    seen = from_container(both.farm, found.machine, found.id, own | others)
    assert seen.found == own == seen.those("open")
