"""The status page's image with a real Graphite, in a real browser: at a desktop's and a phone's width, light and dark; what changes is
seen without a reload; what is away is told.

Needs a Docker engine, Chromium and chromedriver (tools/setup.sh browser). Images that are missing are built. Everything made here has
the prefix `pg-`. AERIE_PICTURES=FOLDER keeps what the browser showed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browser import Browser, browser
from page_stage import PAGE, PASSWORD, PREFIX, Stage, stage
from selenium.webdriver.common.keys import Keys
from test_service_images import docker, until

pytestmark = pytest.mark.live

DESK, PHONE = (1280, 860), (390, 844)
URL = f"https://admin:{quote(PASSWORD)}@{PAGE}:8446/"
CHANGE = 60.0  # seconds for a change: the collectors' ten, the page's ten, the browser's five, and a busy machine


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("page"), everything=True) as found:
        until(lambda: found.now()["summary"]["state"] == "well", 120, "all is well")
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser("--ignore-certificate-errors") as found:  # the test's CA is not Chromium's; programs below look at it
        yield found


@pytest.fixture
def page(chromium: Browser, farm: Stage) -> Browser:
    chromium.size(*DESK)
    chromium.media("light")
    chromium.open(URL)
    chromium.until(lambda: chromium.all(".lines .curve"), "the curves are drawn")
    chromium.complaints()
    return chromium


def picture(page: Browser, name: str) -> None:
    if folder := os.environ.get("AERIE_PICTURES"):
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.driver.save_screenshot(str(path))


def test_who_may_look(farm: Stage) -> None:
    for path in ("/", "/api/now", "/api/pool/demo", "/api/panels", "/api/panels/services/0"):
        assert farm.get(path, None).status_code == farm.get(path, ("admin", "wrong")).status_code == 401
        answer = farm.get(path)
        assert answer.status_code == 200 and answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    shown = docker("inspect", PREFIX + "page") + docker("top", PREFIX + "page")
    assert PASSWORD not in shown and "password of graphite" not in shown
    assert "not for browsers" not in farm.get("/api/now").text


def test_what_it_says_to_programs(farm: Stage) -> None:
    until(lambda: all(link["up"] for link in farm.now()["links"]), 60, "what is not known yet comes")
    found = farm.now()
    assert [s["name"] for s in found["sites"]] == ["torino", "cnaf", "bari"] and found["alerts"] == found[
        "problems"
    ] == []
    assert [link["up"] for link in found["links"]] == [True] * 6
    assert {a["id"]: a["running"] for a in found["apps"]} == {"/demo/executors": 3, "/demo/submit-node": 1}
    curves = farm.get("/api/pool/demo?range=hour").json()
    assert set(curves["series"]) == {"idle", "running", "held", "executors", "cores", "used"}
    assert curves["times"][-1] - curves["times"][0] > 3000
    assert max(v for v in curves["series"]["idle"] if v is not None) > 20
    assert farm.get("/api/pool/none").status_code == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_fits_and_shows_all(page: Browser, size: tuple[int, int], scheme: str) -> None:
    page.media(scheme)
    page.size(*size, phone=size == PHONE)
    page.shows(
        "All is well: 3 sites, 6 machines, 3 running jobs.",
        "Why jobs wait",
        "too big",
        "Round trips",
        "No alert fires.",
    )
    page.until(lambda: int(page.all(".map svg")[0].get_attribute("width") or 0) < size[0], "the map is drawn anew")
    page.until(lambda: page.script("return document.documentElement.scrollWidth") <= size[0], "nothing overflows")
    wide = page.script(
        "return [...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, svg, .hidden')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.className || e.tagName)"
    )
    assert wide == []
    ground = page.script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) > 400) == (scheme == "light")
    assert len(page.all(".map .node")) == 3 and len(page.all(".map .link")) == 3
    cells = page.script("return [...document.querySelectorAll('.heat td:not(.self)')].map((e) => e.textContent)")
    assert cells == ["11, near", "22, far", "11, near", "16, near", "22, far", "15, near"]
    picture(page, f"well-{'phone' if size == PHONE else 'desk'}-{scheme}")
    assert page.complaints() == []


def test_colour_is_never_the_only_sign_and_everything_has_a_name(page: Browser) -> None:
    assert page.script("return [...document.querySelectorAll('.sign')].every((e) => e.textContent.trim())")
    assert page.script(
        "return [...document.querySelectorAll('svg:not([aria-hidden])')].every((e) => e.getAttribute('aria-label'))"
    )
    dashes = page.script(
        "return ['.curve-0', '.curve-1', '.curve-2'].map((c) => getComputedStyle(document.querySelector('.lines ' + c)).strokeDasharray)"
    )
    assert len(set(dashes)) == 3
    assert page.script("return new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size") == len(
        page.all("[id]")
    )


def test_values_under_the_pointer_and_by_the_keys(page: Browser) -> None:
    page.script("document.querySelector('.lines').focus()")
    chart = page.all(".lines")[0]
    before = page.all(".legend")[0].text
    chart.send_keys(Keys.HOME)
    page.until(lambda: page.all(".chart-time")[0].text.startswith("at "), "the time under the cursor is told")
    page.until(lambda: page.all(".legend")[0].text != before, "and the values then")
    chart = page.all(".lines")[0]
    chart.send_keys(Keys.ESCAPE)
    page.until(lambda: page.all(".chart-time")[0].text == "now", "back at now")
    page.script(
        "const e = document.querySelector('.lines'), b = e.getBoundingClientRect();"
        "e.dispatchEvent(new PointerEvent('pointermove', {clientX: b.left + b.width / 2, clientY: b.top + 50, bubbles: true}))"
    )
    page.until(lambda: page.all(".lines .cursor"), "a line under the pointer")


def test_another_range(page: Browser) -> None:
    page.click(".range", "week")
    page.until(lambda: page.named(".range", "week").get_attribute("aria-pressed") == "true", "it is chosen")
    page.until(lambda: page.all(".lines .curve") or page.all(".lines .point"), "its curves are drawn")
    page.click(".range", "last hour")


def section(farm: Stage, board: str, number: int, range_: str = "1h", **more: str) -> list[list[dict[str, Any]]]:
    asked = "&".join(f"{k}={v}" for k, v in {"range": range_, **more}.items())
    answer = farm.get(f"/api/panels/{board}/{number}?{asked}")
    assert answer.status_code == 200, answer.text
    found: list[list[dict[str, Any]]] = answer.json()["panels"]
    return found


@pytest.mark.parametrize("range_", ["1h", "7d"])
def test_every_panel_of_every_dashboard_has_data(farm: Stage, range_: str) -> None:
    boards = farm.get("/api/panels").json()["boards"]
    assert [b["name"] for b in boards] == ["overview", "network", "services", "machines", "pool"]
    without, began = [], time.monotonic()
    for board in boards:
        for number, each in enumerate(board["sections"]):
            found = section(farm, board["name"], number, range_, **({"pool": "demo"} if board["pool"] else {}))
            assert len(found) == len(each["panels"])
            without += [p["title"] for p, series in zip(each["panels"], found, strict=True) if not series]
    print(f"all panels of {range_}: {time.monotonic() - began:.1f} s")
    assert without == []


def test_what_is_asked_for_is_no_target_and_may_be_cut_to_one_site(farm: Stage) -> None:
    names = {s["name"] for panel in section(farm, "services", 0, site="cnaf") for s in panel}
    assert names and all(name.endswith("cnaf") for name in names)
    for wrong in ("services/0?site=*", "services/99", "aerie.*/0", "pool/0?pool=*", "services/0?range=-1y"):
        assert farm.get(f"/api/panels/{wrong}").status_code == 400


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("board", ["Overview", "Network", "Services", "Machines", "Pool demo"])
def test_all_panels_are_drawn_and_fit(
    page: Browser, farm: Stage, board: str, size: tuple[int, int], scheme: str
) -> None:
    page.media(scheme)
    page.size(*size, phone=size == PHONE)
    page.click(".main-nav a", "Panels")
    page.click(".tab", board)
    page.until(lambda: page.named(".tab", board).get_attribute("aria-current") == "page", "the board is chosen")
    known = next(b for b in farm.get("/api/panels").json()["boards"] if b["title"] == board.split()[0])
    titles = [p["title"] for s in known["sections"] for p in s["panels"]]
    heads = "return [...document.querySelectorAll('.panels .chart-title')].map((e) => e.firstChild.textContent)"
    page.until(lambda: page.script(heads) == titles, "every panel is there")
    for number in range(len(known["sections"])):
        page.script("document.querySelectorAll('.panels')[arguments[0]].scrollIntoView({behavior: 'instant'})", number)
        page.until(
            lambda n=number: page.script(  # type: ignore[misc]
                "return !document.querySelectorAll('.panels')[arguments[0]].querySelector('.plot-empty')", n
            ),
            f"section {number} has its data",
        )
    assert page.script("return document.documentElement.scrollWidth") <= size[0]
    assert "=>" not in page.script("return document.querySelector('main').textContent")
    to_the_top = "window.scrollTo({top: 0, behavior: 'instant'}); return scrollY"
    page.until(lambda: page.script(to_the_top) == 0, "the top is shown")
    picture(page, f"panels-{board.split()[0].lower()}-{'phone' if size == PHONE else 'desk'}-{scheme}")
    assert page.complaints() == []


def test_panels_by_the_keys(page: Browser) -> None:
    """Tabs, ranges, sites and curves are links, buttons, a choice and pictures that take the focus."""
    page.script("location.hash = '#panels/services'")
    page.until(lambda: page.all(".panels .lines .curve"), "curves are drawn")
    for css in (".tab", ".range", ".choice select", ".panels .lines", ".what summary"):
        assert page.script("const e = document.querySelector(arguments[0]); e.focus(); return document.activeElement === e", css), css  # fmt: skip
    page.all(".panels .lines")[0].send_keys(Keys.HOME)
    page.until(lambda: page.all(".panels .chart-time")[0].text.startswith("at "), "the time under the cursor is told")
    page.script("document.querySelector('.choice select').focus()")
    page.all(".choice select")[0].send_keys("cnaf")
    legend = "return [...document.querySelectorAll('.panels .legend li span')].map((e) => e.textContent.trim())"
    page.until(lambda: (found := page.script(legend)) and all(n.endswith("cnaf") for n in found), "one site alone")
    page.all(".what summary")[0].send_keys(Keys.ENTER)
    page.shows("etcd.fsync: for a write of the log to the disk")
    page.script("location.hash = '#pools'")
    page.until(lambda: page.all("#pools .lines"), "back at the state of now")
    assert page.complaints() == []


def test_panels_say_what_they_have_no_data_of_and_what_went_wrong(page: Browser, farm: Stage) -> None:
    page.script("location.hash = '#panels/pool/none'")
    page.shows("could not be read: there is no pool 'none' now")
    docker("pause", PREFIX + "graphite")
    try:
        page.script("location.hash = '#panels/network'")
        page.shows("could not be read: Graphite: no answer in time")
    finally:
        docker("unpause", PREFIX + "graphite")
    page.until(lambda: page.all(".panels .lines .curve"), "they are drawn once Graphite answers", CHANGE)
    page.until(lambda: "All is well" in farm.get("/api/now").text, "all is well again", CHANGE)


def test_what_happened_while_nobody_looked_is_told_to_who_comes(page: Browser, farm: Stage) -> None:
    page.driver.get("about:blank")
    last = [time.monotonic()]

    def quiet() -> bool:
        """For so long as three questions are apart: between two of them there may be no connection."""
        if farm.asks():
            last[0] = time.monotonic()
        return time.monotonic() - last[0] > 15

    until(quiet, 120, "nobody looks, so nobody asks Graphite")
    asked = []

    def was(*wanted: float) -> bool:
        asked.append(farm.asks())
        found = farm.values("aerie.aerie.torino.vpn.bari.up")
        return tuple(found[-len(wanted) :]) == wanted

    farm.change("torino", vpn__bari__up=0)
    until(lambda: was(0, 0), CHANGE, "Graphite has it for two rounds, of which a change cannot undo the first")
    farm.change("torino", vpn__bari__up=1)
    until(lambda: was(0, 1, 1, 1, 1, 1), 2 * CHANGE, "and that it has been up again for a while")
    assert not any(asked)
    page.open(URL)
    page.shows("torino does not hear bari through the tunnel any more", "torino hears bari through the tunnel again")
    docker("restart", PREFIX + "page")
    until(lambda: docker("exec", PREFIX + "page", "page-health") == "", 30, "it starts anew")
    page.open(URL)
    page.shows("torino hears bari through the tunnel again")


def test_changes_are_seen_without_a_reload(page: Browser, farm: Stage) -> None:
    page.script("window.same = true")
    farm.change("torino", vpn__bari__up=0, condor__demo__jobs__totals__running__totals__count=4)
    farm.change("bari", vpn__torino__up=0, alerts__firing__handshake_old=1)
    page.until(lambda: "The link between bari and torino is down" in page.body(), "the link is told of", CHANGE)
    page.shows("Alert handshake_old fires at bari", "does not hear", "To do:")
    assert page.all(".map .link.is-bad") and "✕" in page.script("return document.querySelector('.map').textContent")
    page.until(lambda: "4" in page.all(".pool .figure")[0].text, "four jobs run")
    picture(page, "trouble-desk-light")
    page.size(*PHONE, phone=True)
    page.media("dark")
    page.until(lambda: page.script("return document.documentElement.scrollWidth") <= PHONE[0], "nothing overflows")
    picture(page, "trouble-phone-dark")
    farm.change("torino", vpn__bari__up=1, condor__demo__jobs__totals__running__totals__count=3)
    farm.change("bari", vpn__torino__up=1, alerts__firing__handshake_old=0)
    page.until(lambda: "All is well" in page.body(), "all is well again", CHANGE)
    page.shows("alert handshake_old at bari has ended")
    assert page.script("return window.same") is True
    assert page.complaints() == []


def test_marathons_events_come_at_once(page: Browser, farm: Stage) -> None:
    evil = "<img src=x onerror=\"document.title='taken over'\">"
    farm.marathon.tell(
        "status_update_event", appId="/demo/web", taskStatus="TASK_FAILED", host="172.31.1.11", message=evil
    )
    page.until(
        lambda: f"a task of /demo/web failed on 172.31.1.11: {evil}" in page.body(), "the failure is told of", 20
    )
    assert "taken over" not in page.driver.title and page.all(".events img") == []


def test_a_marathon_that_refuses_is_told_and_the_rest_goes_on(page: Browser, farm: Stage) -> None:
    farm.marathon.refuses = True
    try:
        page.until(lambda: "Marathon does not answer (it refuses: HTTP 401)" in page.body(), "Marathon is away", CHANGE)
        assert "Live" in page.all(".connection")[0].text
    finally:
        farm.marathon.refuses = False
    page.until(lambda: "All is well" in page.body(), "it is there again", CHANGE)


def test_a_site_that_falls_silent(page: Browser, farm: Stage) -> None:
    kept = farm.collectors.points
    farm.collectors.points = {site: values for site, values in kept.items() if site != "bari"}
    try:
        page.until(lambda: "bari tells nothing" in page.body(), "it is told of", 120)
        page.shows("silent, last heard", "bari-agent-1")
        picture(page, "silent-desk-light")
    finally:
        farm.collectors.points = kept
    page.until(lambda: "All is well" in page.body(), "it tells again", CHANGE)


def test_without_graphite_the_page_says_since_when_it_is_old(page: Browser, farm: Stage) -> None:
    docker("stop", "-t", "30", PREFIX + "graphite")
    page.until(
        lambda: "What is shown of it is of" in page.body(),
        "it is told",
        CHANGE,
    )
    page.shows("Graphite does not answer", "old: ")
    assert len(page.all(".map .node.is-well")) == 2, "what was known is still there, but for Graphite itself"
    picture(page, "old-desk-light")
    docker("restart", PREFIX + "page")
    until(lambda: docker("exec", PREFIX + "page", "page-health") == "", 30, "it starts without Graphite")
    page.until(lambda: "Nothing of it was heard yet." in page.body(), "and says that it knows nothing", CHANGE)
    docker("start", PREFIX + "graphite")
    page.until(lambda: "All is well" in page.body(), "Graphite is back", 120)


def test_without_the_pages_server_the_page_says_so(page: Browser, farm: Stage) -> None:
    docker("stop", PREFIX + "page")
    page.until(lambda: "The page's server does not answer since" in page.body(), "it is told", CHANGE)
    docker("start", PREFIX + "page")
    page.until(lambda: "Live" in page.body() and "All is well" in page.body(), "it goes on without a reload", CHANGE)


def test_it_costs_little(farm: Stage) -> None:
    """Cores and bytes over half a minute in which somebody looks at it."""

    def used() -> tuple[float, int]:
        words = docker(
            "exec",
            PREFIX + "page",
            "sh",
            "-c",
            "cat /proc/[0-9]*/stat | grep python; cat /proc/[0-9]*/status | grep VmRSS",
        )
        ticks = sum(
            int(n) for line in words.splitlines() if "python" in line for n in line.rpartition(")")[2].split()[11:13]
        )
        return ticks / os.sysconf("SC_CLK_TCK"), max(
            int(line.split()[1]) for line in words.splitlines() if "VmRSS" in line
        )

    (before, _), start = used(), time.monotonic()
    while time.monotonic() - start < 30:
        farm.now()
        time.sleep(5)  # as the page in a browser asks
    after, memory = used()
    cores = (after - before) / (time.monotonic() - start)
    print(f"page: {cores:.4f} cores, {memory / 1024:.0f} MB")
    assert cores < 0.1 and memory < 90 * 1024
