"""The status page of the whole federation: who may look, and that what it shows is what is there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from federation import Farm, machines, wait_for
from graphite_api import SITES, logged_in

pytestmark = pytest.mark.live


@dataclass
class Page:
    """The page's server, as a program asks it."""

    url: str
    session: requests.Session

    def now(self) -> dict[str, Any]:
        answer = self.session.get(f"{self.url}/api/now", timeout=20)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture(scope="module")
def page(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with logged_in(farm, tmp_path_factory.mktemp("ca"), "admin", "marathon-admin") as session:
        yield Page(farm.outputs("torino")["page_url"], session)


def test_the_page_shows_what_is_there(farm: Farm, page: Page) -> None:
    cluster = farm.submit("seen", 90, 1)
    try:
        assert page.url in farm.up_output, "make up names it"
        for login in (None, ("admin", "wrong")):
            asked = requests.Session()
            asked.trust_env = False
            assert asked.get(page.url, auth=login, verify=page.session.verify, timeout=20).status_code == 401
        assert "<html" in page.session.get(page.url, timeout=20).text

        def at_rest() -> dict[str, Any]:
            """Tests before this one may have left an alert that is about to end."""
            found = page.now()
            assert found["sources"]["graphite"]["state"] == found["sources"]["marathon"]["state"] == "answers"
            assert [s["name"] for s in found["sites"]] == list(SITES)
            assert [(link["from"], link["to"]) for link in found["links"] if link["up"] and link["rtt"]] == sorted(
                (a, b) for a in SITES for b in SITES if a != b
            )
            assert found["alerts"] == []
            for name in ("etcd", "ZooKeeper", "Mesos master", "Marathon"):
                leads = [s["leads"] for site in found["sites"] for s in site["services"] if s["name"] == name]
                assert len(leads) == len(SITES) and sum(leads) == 1, name
            assert {m["name"] for s in found["sites"] for m in s["machines"] if m["registered"]} == set(machines())
            return found

        found = wait_for("sites, links and leaders are shown, and no alert", at_rest, 90, every=2)
        apps = {app["id"]: app for app in found["apps"]}
        assert all(
            apps[f"/demo/{app}"]["running"] == apps[f"/demo/{app}"]["instances"]
            for app in ("central-manager", "submit-node")
        )

        def pool() -> dict[str, Any] | None:
            """All of it but the jobs is as old as a minute: of a new pool, of before its executors came."""
            (demo,) = (p for p in page.now()["pools"] if p["name"] == "demo")
            there = demo["executors"] == 3 and demo["cores_total"] >= 3
            return demo if there and demo["jobs"]["running"] + demo["jobs"]["idle"] >= 1 else None

        demo = wait_for("the job and the executors are seen", pool, 90, every=2)
        assert demo["site"] == "torino"
        curves = page.session.get(f"{page.url}/api/pool/demo?range=hour", timeout=20).json()
        assert any(value is not None for value in curves["series"]["executors"])
        used = farm.on("torino-front-end", "docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", "page")
        print(f"the page's server uses {used.strip()}")
    finally:
        farm.ssh(f"condor_rm {cluster}", check=False)


SEEN_WITHIN = 30  # seconds: a round of the collector, one of the page, and what a busy machine adds


def test_the_page_counts_running_jobs_as_condor_q_does(farm: Farm, page: Page) -> None:
    """Through a burst: whatever the page shows, condor_q said lately."""

    def shows() -> int:
        (demo,) = (p for p in page.now()["pools"] if p["name"] == "demo")
        return int(demo["jobs"]["running"])

    def says() -> int:
        return len(farm.ssh("condor_q -allusers -constraint 'JobStatus == 2' -af ClusterId").split())

    wait_for("nothing runs", lambda: says() == shows() == 0, 120)
    start = time.monotonic()
    said, shown = [(start, 0)], [(start, 0)]
    cluster = farm.submit("burst", 8, 18)
    try:

        def over() -> bool:
            shown.append((time.monotonic(), shows()))
            said.append((time.monotonic(), says()))
            return said[-1][1] == shown[-1][1] == 0 < max(n for _, n in shown)

        wait_for("the burst is over", over, 300, every=0.5)
    finally:
        farm.ssh(f"condor_rm {cluster} 2> /dev/null || true")
    for at, count in shown:
        lately = {n for t, n in said if at - SEEN_WITHIN <= t <= at + 2}
        # Between two questions of ours there may be a moment that the page's collector saw.
        assert min(lately) <= count <= max(lately), f"{count} shown, {sorted(lately)} said"
    assert max(n for _, n in shown) == max(n for _, n in said)
    delay = next(t for t, n in shown if n) - next(t for t, n in said if n)
    print(f"jobs that start are on the page {delay:.0f} s later; most at once: {max(n for _, n in said)}")
