"""Our Marathon's web page in a real browser, against the service on a fake Mesos master (both on loopback).

Needs Chromium and chromedriver (tools/setup.sh browser); no Docker, no images.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from browser import Browser, browser, own_network
from marathon_page_stage import CONTRAST, Stage

pytestmark = pytest.mark.live

APP = {
    "id": "/demo/web",
    "cmd": "serve",
    "instances": 2,
    "cpus": 0.5,
    "mem": 64,
    "backoffSeconds": 0.01,
    "labels": {"team": "red"},
    "healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}, "maxConsecutiveFailures": 0}],
}
EVIL = "<img src=x onerror=\"document.title='taken over'\">"


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def page(chromium: Browser) -> Browser:
    chromium.size(1280, 860)
    chromium.media("light")
    chromium.complaints()
    return chromium


@pytest.fixture(scope="module")
def one() -> Iterator[Stage]:
    stage = Stage()
    try:
        yield stage
    finally:
        stage.close()


@pytest.fixture
def stage(one: Stage) -> Stage:
    """With no apps."""
    one.do("clear")
    return one


@pytest.fixture(scope="module")
def many() -> Iterator[Stage]:
    """With the apps of the pictures: groups, an app that waits, one that is held back, unhealthy tasks."""
    stage = Stage()
    try:
        stage.do("show")
        yield stage
    finally:
        stage.close()


def answered(page: Browser, css: str, text: str, done: str) -> None:
    """Press the dialog's button until the service has taken it on.  A request is lost where a network of the machine changes."""

    def taken() -> bool:
        if done in page.body():
            return True
        for button in page.all(css):
            if button.text.strip() == text and button.is_enabled():
                button.click()
        return False

    page.until(taken, f"{text}: {done}")


def test_apps_appear_and_change_without_a_reload(page: Browser, stage: Stage) -> None:
    page.open(f"{stage.url}/ui/")
    page.shows("There is no app here yet.", "Live")
    page.script("window.same = true")
    stage.do("apps", apps=[{**APP, "healthChecks": []}])
    page.shows("demo", "1 app", "2 of 2")
    page.click("a", "demo")
    page.shows("web", "team:red", "running")
    stage.do("scale", app="/demo/web", instances=5)
    page.shows("5 of 5")
    page.click("a", "web")
    page.until(lambda: len(page.all("tbody tr")) == 5, "five instances")
    stage.do("fail", app="/demo/web", message="out of memory")
    page.click(".tabs a[href*=failures]")
    page.shows("failed", "out of memory")
    assert page.script("return window.same") is True
    assert page.complaints() == []


def test_health_shows_at_once(page: Browser, stage: Stage) -> None:
    stage.do("launch", apps=[APP])
    page.open(f"{stage.url}/ui/#/app/demo/web")
    page.shows("deploying")
    stage.do("health", app="/demo/web", healthy=True, count=2)
    page.shows("2 healthy", "running")
    stage.do("health", app="/demo/web", healthy=False, count=1)
    page.shows("1 healthy, 1 unhealthy")


def test_scale_kill_and_destroy(page: Browser, stage: Stage) -> None:
    stage.do("apps", apps=[{**APP, "healthChecks": []}])
    page.open(f"{stage.url}/ui/#/app/demo/web")
    page.click("button", "Scale")
    page.write("dialog input[name=instances]", "4")
    page.shows("2 instances more will be started")
    answered(page, "dialog button", "Scale", "the service has taken it on")
    stage.do("wait", app="/demo/web", running=4)
    assert stage.do("app", app="/demo/web")["app"]["instances"] == 4
    page.shows("4 of 4")

    before = set(stage.do("app", app="/demo/web")["tasks"])
    page.until(lambda: len(page.all("tbody tr")) == 4, "four instances")
    page.all("td.do button")[0].click()
    page.shows("A new one is started in its place.")
    answered(page, "dialog button", "Kill", "Kill: the service has taken it on")
    page.until(lambda: len(set(stage.do("app", app="/demo/web")["tasks"]) - before) == 1, "another instance")
    stage.do("wait", app="/demo/web", running=4)

    page.click("button", "Destroy")
    page.shows("This ends 4 instances and removes the app with all its versions")
    page.click("dialog button", "Cancel")
    page.until(lambda: not page.all("dialog"), "the dialog is gone")
    assert stage.do("app", app="/demo/web")["app"] is not None
    page.click("button", "Destroy")
    answered(page, "dialog button", "Destroy", "Destroy: the service has taken it on")
    page.until(lambda: stage.do("app", app="/demo/web")["app"] is None, "the app is gone")


def test_errors_of_the_service_at_their_place(page: Browser, stage: Stage) -> None:
    page.open(f"{stage.url}/ui/#/new/demo")
    page.write("#definition", '{"id": "/demo/x",\n "cmd": "x",}')
    page.click("button", "Create")
    page.shows("This is no JSON yet", "line 2, column 13", "take the comma away")
    page.write("#definition", '{\n "id": "/demo/x",\n "cmd": "x",\n "cpus": "many",\n "container": {"docker": {}}\n}')
    answered(page, "form button", "Create", "Object is not valid")
    page.shows("/cpus", "/container/docker/image", "is required")
    page.click(".problems button")
    place = "const a = document.activeElement; return a.value.slice(a.selectionStart, a.selectionEnd)"
    assert page.script(place) == '"cpus": "many"'
    assert page.all("#definition")[0].get_attribute("aria-invalid") == "true"
    page.write("#definition", '{"id": "/demo/x", "cmd": "x", "cpus": 0.1, "mem": 16}')
    answered(page, "form button", "Create", "/demo/x is sent")
    stage.do("wait", app="/demo/x", running=1)


def test_text_stays_text(page: Browser, stage: Stage) -> None:
    evil = {
        **APP,
        "id": "/evil",
        "cmd": EVIL,
        "env": {"A": EVIL},
        "labels": {EVIL: EVIL},
        "healthChecks": [],
    }
    stage.do("apps", apps=[evil])
    for path, words in (
        ("#/apps", f"{EVIL}:{EVIL}"[:40]),
        ("#/app/evil?tab=configuration", EVIL),
        ("#/app/evil?tab=versions", EVIL.split(" ")[0]),
        ("#/edit/evil", "Edit /evil"),
        (f"#/app/{EVIL}".replace(" ", "%20"), "There is no such app"),
        ("#/tasks", "/evil"),
    ):
        page.open(f"{stage.url}/ui/{path}")
        page.shows(words)
        assert page.all("img") == [] and page.script("return document.title") != "taken over", path
    stage.do("fail", app="/evil", message=EVIL)
    page.open(f"{stage.url}/ui/#/app/evil?tab=failures")
    page.shows(EVIL)
    assert page.all("img") == []
    assert page.complaints() == []
    # The policy itself: what a mistake in the page would do.
    said = page.script("try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch (e) { return e.name }")
    assert said == "TypeError"


def test_a_cut_stream_is_seen_and_taken_up_again(page: Browser, stage: Stage) -> None:
    page.open(f"{stage.url}/ui/")
    page.shows("Live")
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/v2/events*"]})
    stage.do("drop_streams")
    page.shows("Not live", "The page asks every 5 s")
    stage.do("apps", apps=[{**APP, "healthChecks": []}])
    page.shows("demo", "2 of 2")  # by asking
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    page.until(lambda: page.all(".connection.is-live"), "live again")
    stage.do("scale", app="/demo/web", instances=3)
    page.shows("3 of 3")


def test_a_page_that_is_left_holds_no_stream(page: Browser, stage: Stage) -> None:
    page.open(f"{stage.url}/ui/")
    page.shows("Live")
    stage.do("streams", are=1)
    page.script("window.same = true")
    page.driver.get(f"{stage.url}/ping")
    stage.do("streams", are=0)
    stage.do("apps", apps=[{**APP, "healthChecks": []}])
    page.driver.back()
    stage.do("streams", are=1)
    page.shows("Live", "demo", "2 of 2")
    print(page.script("return JSON.stringify(performance.getEntriesByType('navigation')[0].notRestoredReasons)"))
    assert page.script("return window.same") is True, "the browser has kept the page: it was not loaded again"
    stage.do("scale", app="/demo/web", instances=3)
    page.shows("3 of 3")
    page.driver.get("about:blank")
    stage.do("streams", are=0)


def test_more_tabs_than_the_browser_has_connections(page: Browser, stage: Stage) -> None:
    """Chromium has six to one service, and a stream holds one for as long as its tab is seen."""
    first = page.driver.current_window_handle
    try:
        for _ in range(8):
            page.driver.switch_to.new_window("tab")
            page.open(f"{stage.url}/ui/")
        page.shows("There is no app here yet.", "Live")
        stage.do("streams", are=1)
        stage.do("apps", apps=[{**APP, "healthChecks": []}])
        page.shows("demo", "2 of 2")
    finally:
        for handle in page.driver.window_handles:
            if handle != first:
                page.driver.switch_to.window(handle)
                page.driver.close()
        page.driver.switch_to.window(first)
    page.open(f"{stage.url}/ui/")
    page.shows("demo", "Live")


def test_a_group_is_scaled_restarted_and_destroyed(page: Browser, stage: Stage) -> None:
    small = {**APP, "healthChecks": [], "cpus": 0.1}
    apps = [{**small, "id": "/shop/web"}, {**small, "id": "/shop/db/main", "instances": 1}]
    stage.do("apps", apps=[*apps, {**small, "id": "/log", "instances": 1, "dependencies": ["/shop/db"]}])
    page.open(f"{stage.url}/ui/#/apps/shop")
    page.click("button", "Scale")
    page.shows("Nothing changes.")
    page.write("dialog input[name=by]", "2")
    page.shows(
        "2 apps will have more or fewer instances", "/shop/db/main: 2 in place of 1", "/shop/web: 4 in place of 2"
    )
    answered(page, "dialog button", "Scale", "Scale: the service has taken it on")
    stage.do("wait", app="/shop/web", running=4)
    stage.do("wait", app="/shop/db/main", running=2)

    page.shows("4 of 4", "2 of 2")
    before = {app: set(stage.do("app", app=app)["tasks"]) for app in ("/shop/web", "/shop/db/main", "/log")}
    page.click("button", "Restart")
    page.shows("All instances of 2 apps will be replaced", "/shop/web: 4 instances")
    answered(page, "dialog button", "Restart", "Restart: the service has taken it on")
    for app in ("/shop/web", "/shop/db/main"):
        page.until(lambda app=app: not before[app] & set(stage.do("app", app=app)["tasks"]), f"{app} is new")  # type: ignore[misc]
    stage.do("wait", app="/shop/web", running=4)
    stage.do("wait", app="/shop/db/main", running=2)
    assert set(stage.do("app", app="/log")["tasks"]) == before["/log"]

    page.shows("4 of 4", "2 of 2")
    page.click("button", "Destroy")
    page.shows("This ends 6 instances and removes 2 apps", "Outside of the group these depend on it", "/log")
    page.click("dialog button", "Cancel")
    page.until(lambda: not page.all("dialog"), "the dialog is gone")
    assert stage.do("app", app="/shop/web")["app"] is not None
    page.click("button", "Destroy")
    answered(page, "dialog button", "Destroy", "Destroy: the service has taken it on")
    page.until(lambda: stage.do("app", app="/shop/web")["app"] is None, "the group is gone")
    page.shows("log")


def test_what_readiness_checks_said(page: Browser, stage: Stage) -> None:
    stage.do("apps", apps=[{**APP, "healthChecks": [], "instances": 1}])
    stage.do("readiness", app="/demo/web", body=f"the cache is cold {EVIL}")
    page.open(f"{stage.url}/ui/#/app/demo/web")
    page.shows("Readiness", "not ready", "warm of", "The answer was 503, text/plain.", f"the cache is cold {EVIL}")
    assert page.all("img") == []


def test_by_an_instance_that_does_not_lead_and_with_a_login(page: Browser) -> None:
    stage = Stage("--credentials", "me:secret")
    try:
        page.open(stage.other.replace("//", "//me:secret@") + "/ui/")
        page.shows("There is no app here yet.", "Live")
        page.click("a", "Create an app")
        page.write("#definition", json.dumps({**APP, "healthChecks": []}))
        answered(page, "form button", "Create", "Instances")
        stage.do("wait", app="/demo/web", running=2)
        page.shows("2 of 2")
    finally:
        stage.close()


def test_why_it_waits_and_the_way_back(page: Browser, many: Stage) -> None:
    page.open(f"{many.url}/ui/#/app/monitoring/loki")
    page.shows("It waits for a place", "not enough CPUs free: an instance wants 14", "site must match torino|cnaf")
    page.open(f"{many.url}/ui/#/queue")
    page.shows("/ingest", "held back for", "/login/jupyter/hub", "site must match padova")
    page.open(f"{many.url}/ui/#/app/login/jupyter/hub?tab=versions")
    page.shows("From that version to the present one", '"padova"', "lines the same")
    page.open(f"{many.url}/ui/#/apps?health=unhealthy")
    page.shows("2 apps of 30", "/data/xrootd/server", "/shop/web")
    page.open(f"{many.url}/ui/#/deployments")
    page.shows("Replace the instances of", "/monitoring/loki")


PLACES = ["#/apps", "#/apps/monitoring?q=a", "#/app/monitoring/loki", "#/app/data/xrootd/server", "#/queue", "#/tasks"]
PLACES += [
    "#/app/login/jupyter/hub?tab=versions",
    "#/app/shop/api?tab=configuration",
    "#/deployments",
    "#/edit/shop/web",
]


def test_a_phone_scrolls_one_way_only(page: Browser, many: Stage) -> None:
    page.size(360, 740, phone=True)
    for place in PLACES:
        page.open(f"{many.url}/ui/{place}")
        page.until(lambda: "Loading" not in page.body() and page.all(".connection.is-live"), f"{place} is loaded")
        wide, seen = page.script("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= seen == 360, place


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_can_be_read(page: Browser, many: Stage, scheme: str) -> None:
    page.media(scheme)
    for place in PLACES:
        page.open(f"{many.url}/ui/{place}")
        page.until(lambda: "Loading" not in page.body() and page.all(".connection.is-live"), f"{place} is loaded")
        assert page.script(CONTRAST) == [], place
    ground = page.script("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(244, 246, 249)", "dark": "rgb(15, 20, 27)"}[scheme]


def test_by_the_keyboard_and_with_names(page: Browser, many: Stage) -> None:
    page.open(f"{many.url}/ui/#/app/monitoring/loki")
    page.shows("It waits for a place")
    nameless = [
        e.get_attribute("outerHTML")
        for e in page.all("a, button, input, textarea, summary, table, nav, [role=img]")
        if not e.accessible_name
    ]
    assert nameless == []
    reached = []
    for _ in range(40):
        page.script("window.last = document.activeElement")
        page.driver.execute_cdp_cmd(
            "Input.dispatchKeyEvent", {"type": "keyDown", "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
        )
        reached.append(page.script("return document.activeElement.textContent"))
    for name in ("Skip to the content", "Queue3", "monitoring", "Scale", "Destroy", "Configuration", "Kill"):
        assert name in reached, (name, reached)
    page.open(f"{many.url}/ui/")
    page.shows("All apps")
    page.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", "key": "/", "text": "/"})
    page.until(lambda: page.script("return document.activeElement.type") == "search", "/ goes to the search")
