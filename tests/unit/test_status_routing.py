"""The routing block of `make status`: BIRD's recorded answers (2.0.12), whole federations' facts, the line and the tables."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from tools import bird, status_probe
from tools.status_facts import Facts, Session, Tunnel
from tools.status_json import FACTS, STATUS
from tools.status_judge import judge
from tools.status_model import Link, Routing, SiteRouting, Status
from tools.status_routing import session_pairs
from tools.status_show import show
from tools.status_show_routing import numbers, summary

DATA = Path(__file__).parent / "data"
HOMES = {
    site: ((f"172.31.{n}.0/24", f"10.65.{64 * (n - 1)}.0/18"), 64512 + n)
    for n, site in enumerate(("torino", "cnaf", "bari"), 1)
}
FRONT_ENDS = ("torino-front-end", "cnaf-front-end", "bari-front-end")


def recorded(name: str) -> str:
    return (DATA / "routing" / f"{name}.txt").read_text()


def facts(topology: str = "full-mesh") -> Facts:
    """The healthy federation, with what routing is about."""
    found = FACTS.validate_json((DATA / "status" / "healthy.json").read_text())
    wanted = dataclasses.replace(
        found.wanted,
        topology=topology,
        as_numbers={site: number for site, (_, number) in HOMES.items()},
        networks={site: nets for site, (nets, _) in HOMES.items()},
    )
    found = dataclasses.replace(found, wanted=wanted)
    for machine in FRONT_ENDS:
        tunnels = tuple(dataclasses.replace(t, rtt=0.6, alive=True) for t in found.machines[machine].tunnels)
        found = on(found, machine, tunnels=tunnels, prefixes={site: 2 for site in HOMES})  # noqa: C420
    return found


def on(found: Facts, machine: str, **changes: object) -> Facts:
    changed = dataclasses.replace(found.machines[machine], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(found, machines={**found.machines, machine: changed})


def with_session(found: Facts, machine: str, new: Session) -> Facts:
    return on(
        found, machine, sessions=tuple(new if s.peer == new.peer else s for s in found.machines[machine].sessions)
    )


def screen(status: Status, routing: bool = False, width: int = 80) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    show(status, console, routing)
    return console.export_text().splitlines()


# -- what BIRD says


def test_sessions_as_bird_tells_them() -> None:
    found = status_probe.bgp_sessions(recorded("bgp-down"))
    assert found == (
        Session("172.31.1.11", "Established", 482.0, ""),
        Session("172.31.1.12", "Active", 483.0, "Socket: No route to host"),
        Session("172.31.2.10", "Active", 17.0, "Socket: Connection refused"),
        Session("172.31.3.10", "Active", 17.0, "Socket: Connection refused"),
    )


def test_sessions_with_counts_and_as_numbers() -> None:
    found = {p.peer: p for p in bird.protocols(recorded("bgp-front-end"))}
    border = found["172.31.2.10"]
    assert (border.name, border.established, border.local_as, border.neighbor_as) == (
        "Global_172_31_2_10",
        True,
        64513,
        64514,
    )
    assert (border.imported, border.exported) == (8, 13)


def test_prefixes_by_site() -> None:
    # LAN, containers as a whole, and two blocks; the same prefix by several ways counts once.
    assert status_probe.prefixes(recorded("bgp-front-end"), HOMES) == {"torino": 2, "cnaf": 4, "bari": 3}
    assert status_probe.prefixes(recorded("bgp-down"), HOMES) == {"torino": 2, "cnaf": 0, "bari": 0}
    assert status_probe.prefixes("now 2026-11-28 10:00:00\nBIRD 2.0.12 ready.\n", HOMES) is None


def test_an_address_that_follows_its_container_is_of_the_site_that_announces_it() -> None:
    text = (
        "x\n@@routes\nTable master4:\n"
        "10.66.0.11/32        unicast [Global_172_31_3_10 10:51:06.361 from 172.31.3.10] * (100/?) [AS64515i]\n"
        "\tvia 172.31.3.10 on wg-bari\n"
        "10.66.0.10/32        unicast [Node_172_31_1_11 10:51:06.361] * (100) [i]\n\tvia 172.31.1.11 on eth0\n"
    )
    assert status_probe.prefixes(text, HOMES) == {"torino": 0, "cnaf": 0, "bari": 1}


def test_routes_with_all_their_attributes() -> None:
    routes = bird.routes(recorded("arrives/torino-front-end"))
    assert [(r.prefix, r.best, r.via, r.device, r.as_path) for r in routes] == [
        ("10.65.64.64/26", True, "172.31.2.10", "wg-cnaf", (64514,)),
        ("10.65.64.64/26", False, "172.31.3.10", "wg-bari", (64515, 64514)),
    ]
    assert routes[0].attributes["local_pref"] == "100"
    assert (routes[0].peer, routes[0].kind) == ("172.31.2.10", "unicast")
    (block,) = bird.routes(recorded("no-container/cnaf-agent-1"))
    assert (block.kind, block.peer, block.as_path) == ("blackhole", "", None)


def test_routes_that_lead_nowhere() -> None:
    """What is left where a tunnel is down."""
    text = (
        "172.31.3.0/24        unicast [Node_172_31_3_10 11:11:31.181 from 172.31.3.10] ! (100/?) [AS64515i]\n\tdev wg-bari\n"
        "                     unicast [kernel1 11:13:07.858] (10)\n\tdev wg-bari\n"
        "                     unreachable [Node_172_31_2_10 11:13:08.235 from 172.31.2.10] (100) [AS64515i]\n"
    )
    routes = bird.routes(text)
    assert [(r.kind, r.best, r.failed, r.peer, r.as_path) for r in routes] == [
        ("unicast", True, True, "172.31.3.10", (64515,)),
        ("unicast", False, False, "", None),
        ("unreachable", False, False, "172.31.2.10", (64515,)),
    ]
    assert {r.prefix for r in routes} == {"172.31.3.0/24"}


@pytest.mark.parametrize(
    ("since", "now", "seconds"),
    [
        ("10:51:05.461", "2026-11-28 10:51:20", 15),
        ("23:59:50.000", "2026-11-28 00:00:10", 20),
        ("10:51:21.002", "2026-11-28 10:51:20", 0),  # the clock was read first
        ("2026-11-26", "2026-11-28 00:00:00", 172800),
        ("?", "2026-11-28 00:00:00", None),
        ("10:51:05", "", None),
    ],
)
def test_how_long_ago(since: str, now: str, seconds: float | None) -> None:
    assert bird.age(since, now) == seconds


def test_tunnels_with_and_without_a_watch() -> None:
    text = '[{"peer": "cnaf", "handshake_age_s": 4, "link": "down", "rtt_ms": 10.9}, {"peer": "bari", "handshake_age_s": null}]'
    assert status_probe.tunnels(text) == (Tunnel("cnaf", 4, 10.9, False), Tunnel("bari", None))


# -- which sessions there must be


@pytest.mark.parametrize(
    ("topology", "links", "pairs"),
    [
        ("full-mesh", None, 21),  # of seven machines
        ("route-reflectors", None, 4 + 3),  # four agents, three borders
        ("route-reflectors", (("torino", "cnaf"), ("cnaf", "torino"), ("bari", "cnaf")), 4 + 2),
    ],
)
def test_sessions_that_must_be(topology: str, links: tuple[tuple[str, str], ...] | None, pairs: int) -> None:
    wanted = dataclasses.replace(facts(topology).wanted, links=links)
    assert len(list(session_pairs(wanted))) == pairs


def test_a_site_without_a_link_to_another_misses_no_tunnel() -> None:
    found = facts("route-reflectors")
    links = (("torino", "cnaf"), ("cnaf", "bari"))
    found = dataclasses.replace(found, wanted=dataclasses.replace(found.wanted, links=links))
    for machine, gone in (("torino-front-end", "bari"), ("bari-front-end", "torino")):
        found = on(found, machine, tunnels=tuple(t for t in found.machines[machine].tunnels if t.peer != gone))
    status = judge(found)
    assert (status.problems, [s.tunnels for s in status.sites]) == ((), [1, 2, 1])
    assert [s.sessions for s in status.sites] == [2 * 2 + 1, 2 * 1 + 2, 2 * 1 + 1]


# -- the line and the tables


def test_all_is_well_in_one_line_on_the_same_screen() -> None:
    status = judge(facts())
    assert status.problems == ()
    lines = screen(status)
    assert len(lines) <= 24
    assert "BGP full-mesh, AS 64513-64515; 3/3 links 0.6 ms; routes complete" in [line.rstrip() for line in lines]
    assert STATUS.validate_json(STATUS.dump_json(status)) == status


def test_the_line_fits_into_80_columns() -> None:
    routing = judge(facts("route-reflectors")).routing
    links = tuple(dataclasses.replace(link, rtt=ms) for link, ms in zip(routing.links, (10.8, 18.4, 13.9), strict=True))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(summary(dataclasses.replace(routing, links=links)))
    assert console.export_text() == ("BGP route-reflectors, AS 64513-64515; 3/3 links 10.8-18.4 ms; routes complete\n")


def test_the_tables() -> None:
    status = judge(facts("route-reflectors"))
    rows = [line.split() for line in screen(status, routing=True)]
    assert ["site", "AS", "sessions", "from", "torino", "cnaf", "bari"] in rows
    assert ["torino", "64513", "6/6", "2", "2", "2"] in rows
    assert ["torino", "-", "cnaf", "up", "0.60", "86", "s", "ago"] in rows
    assert not any(row[:1] == ["quorum"] for row in rows)


def test_a_session_that_is_down_is_told_in_the_fields_words() -> None:
    found = facts("route-reflectors")
    found = with_session(found, "cnaf-front-end", Session("172.31.3.10", "Connect", 12.4, "Socket: Connection refused"))
    found = with_session(found, "bari-front-end", Session("172.31.2.10", "Active", 13.0))
    status = judge(found)
    (problem,) = status.problems
    told = "eBGP cnaf-front-end -> bari-front-end: Connect, since 12 s (Socket: Connection refused)"
    assert status.routing.down == (told,)
    assert problem.what == f"1 BGP session is down: {told}"
    assert problem.do == "python -m tools.path cnaf-front-end bari-front-end"
    assert [s.sessions_up for s in status.sites] == [6, 3, 3]
    assert f"down  {told}" in screen(status, routing=True, width=60)
    assert "1 session down" in " ".join(" ".join(screen(status)).split())


def test_the_end_that_tells_more_is_shown() -> None:
    found = with_session(
        facts(), "bari-front-end", Session("172.31.2.10", "Idle", 3.0, "BGP Error: Hold timer expired")
    )
    status = judge(found)
    assert status.routing.down == (
        "eBGP bari-front-end -> cnaf-front-end: Idle, since 3 s (BGP Error: Hold timer expired)",
    )
    assert status.problems[0].do == "docker exec aerie-cnaf-front-end docker logs --tail 20 calico"


def test_sessions_of_one_machine_are_one_line() -> None:
    found = facts()
    sessions = tuple(dataclasses.replace(s, state="Idle") for s in found.machines["cnaf-agent-1"].sessions)
    status = judge(on(found, "cnaf-agent-1", sessions=sessions))
    (problem,) = status.problems
    assert problem.what.startswith(
        "6 BGP sessions are down, all of cnaf-agent-1: eBGP cnaf-agent-1 -> torino-front-end: Idle"
    )
    assert problem.what.endswith("and 4 more")


def test_a_link_that_lets_nothing_through_is_dead_though_it_had_a_handshake() -> None:
    found = facts()
    for here, there in (("torino", "bari"), ("bari", "torino")):
        old = found.machines[f"{here}-front-end"].tunnels
        new = tuple(dataclasses.replace(t, alive=False, rtt=None) if t.peer == there else t for t in old)
        found = on(found, f"{here}-front-end", tunnels=new)
    status = judge(found)
    assert [p.what for p in status.problems] == [
        "the VPN between torino and bari lets nothing through, though it had a handshake"
    ]
    assert [(link.up, link.rtt) for link in status.routing.links] == [(True, 0.6), (False, None), (True, 0.6)]


def test_a_site_whose_routes_are_nowhere() -> None:
    found = facts()
    for machine in FRONT_ENDS[:2]:
        found = on(found, machine, prefixes={"torino": 2, "cnaf": 2, "bari": 0})
    status = judge(found)
    assert [p.what for p in status.problems] == [
        "no BGP route of bari is on torino-front-end, cnaf-front-end, though all sessions are established"
    ]
    assert "no routes of bari somewhere" in " ".join(screen(status))
    # With a session down that is the cause, and is told alone.
    found = with_session(found, "cnaf-front-end", Session("172.31.3.10", "Connect", 12.4))
    assert [p.what.partition(":")[0] for p in judge(found).problems] == ["1 BGP session is down"]


@pytest.mark.parametrize(
    ("all_", "words"),
    [
        ([64513], "64513"),
        ([64515, 64513, 64514], "64513-64515"),
        ([64513, 64515, 64516], "64513, 64515-64516"),
        ([1, 3, 5, 7], "1, 3, 5 and 1 more"),
    ],
)
def test_as_numbers_in_a_few_words(all_: list[int], words: str) -> None:
    assert numbers(all_) == words


def test_what_is_not_known_is_not_told() -> None:
    """Of one site, or where nobody could be asked."""
    alone = Routing("full-mesh", (SiteRouting("torino", None, 0, 0, {"torino": 1}),), ())
    assert summary(alone) == "[dim]BGP[/] full-mesh"
    silent = Routing(
        "full-mesh", (SiteRouting("a", 1, 2, 0), SiteRouting("b", 2, 2, 0)), (Link("a", "b", False, None),)
    )
    assert summary(silent) == "[dim]BGP[/] full-mesh, AS 1-2; [red]0/1 links[/]"


def test_a_hundred_sites_fit() -> None:
    sites = tuple(SiteRouting(f"site-{n:02}", 64512 + n, 2, 1 if n == 77 else 2, {}) for n in range(100))
    status = dataclasses.replace(judge(facts()), routing=Routing("route-reflectors", sites, ()))
    lines = screen(status, routing=True, width=120)
    assert len(lines) < 60
    assert any(line.startswith("site-77") for line in lines)  # what is wrong comes first
