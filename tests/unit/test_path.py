"""`python -m tools.path`: answers of machines (recorded from BIRD 2.0.12 and the kernel) in, the way and its end out."""

from __future__ import annotations

import io
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path as File

import pytest
from rich.console import Console

from tools import bird, path_answer
from tools.path import show
from tools.path_answer import Answer, Container, Kernel
from tools.path_ends import End, Unknown, machines_to_ask, resolve
from tools.path_walk import Map, Node, Path, Silent, walk

DATA = File(__file__).parent / "data" / "routing"
NODES = {
    name: Node(name, name.split("-")[0], address, name.endswith("front-end"))
    for name, address in {
        "torino-front-end": "172.31.1.10",
        "torino-agent-1": "172.31.1.11",
        "torino-agent-2": "172.31.1.12",
        "cnaf-front-end": "172.31.2.10",
        "cnaf-agent-1": "172.31.2.11",
        "bari-front-end": "172.31.3.10",
    }.items()
}
SITES = ("torino", "cnaf", "bari")
MAP = Map(
    NODES,
    {site: IPv4Network(f"172.31.{n}.0/24") for n, site in enumerate(SITES, 1)},
    {site: IPv4Network(f"10.65.{64 * n}.0/18") for n, site in enumerate(SITES)},
    IPv4Network("10.66.0.0/24"),
)
TARGET = "10.65.64.65"


def answer(case: str, machine: str) -> Answer:
    return path_answer.read((DATA / case / f"{machine}.txt").read_text())


def recorded(case: str, target: str = TARGET, start: str = "torino-agent-1") -> Path:
    return walk(MAP, NODES[start], target, lambda node: answer(case, node.name))


def machines(path: Path) -> list[str]:
    return [hop.machine for hop in path.hops]


def test_a_way_between_two_sites() -> None:
    path = recorded("arrives")
    assert (path.verdict, path.do) == ("arrives", "")
    assert machines(path) == ["torino-agent-1", "torino-front-end", "cnaf-front-end", "cnaf-agent-1"]
    assert [(h.enters, h.leaves) for h in path.hops] == [
        ("cali0123456789a", "eth0"),
        ("LAN", "wg-cnaf"),
        ("wg-torino", "eth0"),
        ("LAN", "caliabcdef01234"),
    ]
    assert [h.learned_from for h in path.hops] == [
        "iBGP torino-front-end",
        "eBGP cnaf-front-end",
        "iBGP cnaf-agent-1",
        "a route of the kernel",
    ]
    assert [h.as_path for h in path.hops] == [(64514,), (64514,), (), None]
    assert [h.prefix for h in path.hops] == ["10.65.64.64/26"] * 3 + ["10.65.64.65/32"]
    assert not any(h.note for h in path.hops)


def test_a_way_through_the_third_site() -> None:
    path = recorded("third-site")
    assert path.verdict == "arrives"
    assert machines(path)[1:4] == ["torino-front-end", "bari-front-end", "cnaf-front-end"]
    assert path.hops[1].as_path == (64515, 64514)
    assert path.hops[1].learned_from == "eBGP bari-front-end"


def test_an_address_without_a_container() -> None:
    path = recorded("no-container", "10.65.64.70")
    assert path.verdict == "blackhole"
    assert path.said == (
        "a blackhole on cnaf-agent-1, for 10.65.64.64/26: that is cnaf-agent-1's own block, "
        "and no container here has 10.65.64.70"
    )


def test_a_session_that_is_down_is_named() -> None:
    path = recorded("no-session")
    assert (path.verdict, machines(path)[-1]) == ("no route", "torino-front-end")
    assert path.said == (
        "no route on torino-front-end to 10.65.64.65 (containers of cnaf, 10.65.64.0/18): its eBGP session with "
        "cnaf-front-end is down (Active, since 16 s: Socket: Connection refused), and so are 2 others"
    )
    assert path.do == "make status; on cnaf-front-end: docker exec calico calico-node health"


def test_a_session_that_was_taken_down() -> None:
    path = recorded("no-route")
    assert "its eBGP session with cnaf-front-end is down (down, since 6 s)" in path.said


def test_sessions_that_do_not_tell() -> None:
    """All of them established, and no route."""
    good = tuple(replace(s, state=bird.ESTABLISHED) for s in answer("no-session", "torino-front-end").sessions)
    dumb = replace(answer("no-session", "torino-front-end"), sessions=good)
    path = walk(MAP, NODES["torino-front-end"], TARGET, lambda node: dumb)
    assert "its 4 sessions are established, and none tells of that network" in path.said
    assert path.do.startswith("on cnaf-front-end: docker exec calico birdc")


def test_a_loop_is_seen() -> None:
    path = recorded("loop")
    assert path.verdict == "loop"
    assert "a loop: torino-front-end -> bari-front-end -> torino-front-end" in path.said
    # Whose kernel does other than its BIRD says is told where it happens.
    assert path.hops[-1].note == "BIRD would go by cnaf-front-end: the kernel has not taken that"


def test_a_default_route_is_no_route_to_another_site() -> None:
    """What an agent behind a cloud's gateway does."""
    alone = replace(answer("no-route", "torino-agent-1"), kernel=Kernel("via", "eth0", "172.31.1.1"))
    path = walk(MAP, NODES["torino-agent-1"], TARGET, lambda node: alone)
    assert path.verdict == "no route"
    assert path.said.endswith("none tells of that network; it would go out by eth0 to 172.31.1.1")
    outside = walk(MAP, NODES["torino-agent-1"], "8.8.8.8", lambda node: alone)
    assert (outside.verdict, outside.said) == (
        "leaves",
        "it leaves the federation at torino-agent-1, by eth0 to 172.31.1.1",
    )


def test_a_front_end_that_has_only_its_sites_aggregate() -> None:
    route = bird.Route("10.65.0.0/18", "blackhole", "static1", True, False)
    found = replace(answer("arrives", "torino-front-end"), kernel=Kernel("blackhole"), routes=(route,))
    path = walk(MAP, NODES["torino-front-end"], "10.65.0.99", lambda node: found)
    assert path.said.startswith(
        "a blackhole on torino-front-end, for 10.65.0.0/18: no machine of torino told it of 10.65.0.99, and its iBGP session "
        "with torino-agent-2 is down"
    )
    well = replace(found, sessions=tuple(s for s in found.sessions if s.established))
    path = walk(MAP, NODES["torino-front-end"], "10.65.0.99", lambda node: well)
    assert "no container of torino has 10.65.0.99" in path.said


def test_routes_straight_into_a_tunnel() -> None:
    """As a federation's own front-end says it (BIRD 2.17.6): a device and no next hop."""
    found = path_answer.read((DATA / "bird-2.17-front-end.txt").read_text())
    assert [(r.prefix, r.best, r.via, r.device) for r in found.routes] == [
        ("10.65.64.0/18", True, "", "wg-cnaf"),
        ("10.65.64.0/18", False, "", "wg-bari"),
    ]
    assert len(found.sessions) == 6 and all(s.established for s in found.sessions)
    answers = {"torino-front-end": found, "cnaf-front-end": answer("arrives", "cnaf-front-end")}
    answers["cnaf-agent-1"] = answer("arrives", "cnaf-agent-1")
    hop = walk(MAP, NODES["torino-front-end"], TARGET, lambda node: answers[node.name]).hops[0]
    assert (hop.next, hop.learned_from, hop.as_path, hop.note) == (
        "cnaf-front-end",
        "eBGP cnaf-front-end",
        (64514,),
        "",
    )
    answers["torino-front-end"] = replace(found, routes=found.routes[:1], kernel=Kernel("link", "wg-bari"))
    answers["bari-front-end"] = answer("arrives", "bari-front-end")
    hop = walk(MAP, NODES["torino-front-end"], TARGET, lambda node: answers[node.name]).hops[0]
    assert hop.note == "BIRD would go by wg-cnaf: the kernel has not taken that"


def test_a_machine_that_does_not_answer_and_a_bird_that_does_not() -> None:
    def ask(node: Node) -> Answer:
        if node.name == "cnaf-front-end":
            raise Silent("Connection timed out")
        return answer("arrives", node.name)

    path = walk(MAP, NODES["torino-agent-1"], TARGET, ask)
    assert (path.verdict, path.said) == ("unknown", "cnaf-front-end does not tell: Connection timed out")
    assert len(path.hops) == 3
    # The kernel goes on without BIRD, and so does the way.
    dead = answer("no-session", "cnaf-front-end")
    assert (
        dead.trouble == "Unable to connect to server control socket (/run/calico/bird.ctl): No such file or directory"
    )
    answers = {"cnaf-front-end": dead, "cnaf-agent-1": answer("arrives", "cnaf-agent-1")}
    path = walk(MAP, NODES["cnaf-front-end"], TARGET, lambda node: answers[node.name])
    assert path.verdict == "arrives"
    assert path.hops[0].note == dead.trouble


def test_a_tunnel_leads_to_the_other_front_end_and_a_machine_is_an_end() -> None:
    answers = {
        "torino-front-end": Answer(Kernel("link", "wg-cnaf")),
        "cnaf-front-end": Answer(Kernel("link", "eth0")),
        "cnaf-agent-1": Answer(Kernel("local", "lo")),
    }
    path = walk(MAP, NODES["torino-front-end"], "172.31.2.11", lambda node: answers[node.name])
    assert (path.verdict, machines(path)) == ("arrives", list(answers))
    path = walk(MAP, NODES["torino-front-end"], "172.31.2.99", lambda node: answers[node.name])
    assert path.said == "cnaf-front-end looks for 172.31.2.99 on eth0 itself, and no machine has that address"


def test_the_screen() -> None:
    console = Console(width=80, record=True, file=io.StringIO(), highlight=False)
    show(
        End("demo/submit on torino-agent-1", "10.65.0.65", "torino-agent-1"),
        End("x", TARGET, ""),
        recorded("arrives"),
        console,
    )
    lines = console.export_text().splitlines()
    assert lines[0] == "from  demo/submit on torino-agent-1  10.65.0.65"
    assert lines[5:7] == [
        " 2  torino-front-end  LAN -> wg-cnaf  to cnaf-front-end",
        "    10.65.64.64/26 from eBGP cnaf-front-end, AS path 64514",
    ]
    assert lines[8] == "    10.65.64.64/26 from iBGP cnaf-agent-1, of this AS"
    assert lines[-1] == "arrives: 10.65.64.65 is a container on cnaf-agent-1, behind caliabcdef01234"
    assert all(len(line) <= 80 for line in lines)


CONTAINERS = (
    Container("torino-agent-1", "mesos-1", "demo", "submit", {"fixed": "10.66.0.11"}),
    Container("cnaf-agent-1", "mesos-2", "demo", "executor", {"calico": TARGET}),
    Container("bari-front-end", "mesos-3", "demo", "executor", {"calico": "10.65.128.1"}),
    Container("cnaf-front-end", "vpn"),
)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("demo/submit-node", End("demo/submit on torino-agent-1", "10.66.0.11", "torino-agent-1")),
        ("demo/executors", End("demo/executor on bari-front-end", "10.65.128.1", "bari-front-end")),
        ("cnaf-agent-1/mesos-2", End("demo/executor on cnaf-agent-1", TARGET, "cnaf-agent-1")),
        ("cnaf-agent-1/mes", End("demo/executor on cnaf-agent-1", TARGET, "cnaf-agent-1")),
        ("bari-front-end", End("bari-front-end", "172.31.3.10", "bari-front-end")),
        ("172.31.3.10", End("bari-front-end", "172.31.3.10", "bari-front-end")),
        (TARGET, End("demo/executor on cnaf-agent-1", TARGET, "cnaf-agent-1")),
        ("10.65.64.70", End("containers of cnaf, 10.65.64.0/18", "10.65.64.70", "")),
    ],
)
def test_what_an_end_is_called(text: str, end: End) -> None:
    assert resolve(text, MAP, CONTAINERS) == end


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nobody", "machines are bari-front-end"),
        ("10.65.64.300", "10.65.64.300 is no end of a path"),
        ("demo/boss", "the pool demo has no role boss"),
        ("prod/submit-node", "no submit-node of prod runs (bari-agent-9 did not answer): the pools that run are demo"),
        ("nowhere/x", "there is no machine or pool nowhere"),
        ("cnaf-agent-1/x", "no container x runs on cnaf-agent-1 (bari-agent-9 did not answer): there are mesos-2"),
        ("cnaf-front-end/vpn", "it shares cnaf-front-end's network, so write cnaf-front-end"),
    ],
)
def test_an_end_that_is_none(text: str, says: str) -> None:
    with pytest.raises(Unknown) as told:
        resolve(text, MAP, CONTAINERS, ["bari-agent-9"])
    assert says in str(told.value)


def test_only_machines_that_matter_are_asked_for_their_containers() -> None:
    assert machines_to_ask("cnaf-agent-1/x", MAP) == ["cnaf-agent-1"]
    assert machines_to_ask("cnaf-agent-1", MAP) == machines_to_ask("172.31.2.11", MAP) == []
    assert machines_to_ask("demo/submit-node", MAP) == sorted(NODES) == machines_to_ask(TARGET, MAP)


def test_an_inventory_is_read() -> None:
    text = "/mesos-2 AERIE_ROLE=executor AERIE_POOL=demo calico=10.65.64.65\n/vpn\n"
    assert path_answer.inventory("cnaf-agent-1", text) == (
        CONTAINERS[1],
        Container("cnaf-agent-1", "vpn"),
    )


@pytest.mark.parametrize(
    ("text", "kernel"),
    [
        ("RTNETLINK answers: Invalid argument\n", Kernel("blackhole")),
        ("RTNETLINK answers: No route to host\n", Kernel("blackhole")),
        ("RTNETLINK answers: Network is unreachable\n", Kernel("none")),
        ("", Kernel("none")),
        ('[{"type":"local","dst":"172.31.1.10","dev":"lo"}]', Kernel("local", "lo")),
        ('[{"dst":"10.65.0.65","dev":"cali0123456789a","flags":[]}]', Kernel("container", "cali0123456789a")),
        ('[{"dst":"172.31.2.10","dev":"wg-cnaf","flags":[]}]', Kernel("link", "wg-cnaf")),
    ],
)
def test_what_the_kernel_says(text: str, kernel: Kernel) -> None:
    assert path_answer.kernel(text) == kernel
