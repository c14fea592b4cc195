"""The page's files and how they are served; its own logic by Node's test runner."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_mesos_master import FakeMaster
from marathon_helpers import TestService, agents, with_service
from marathon_service.api.web import FOLDER, named_origins, read
from marathon_service.config import load

APP = {"id": "/demo/app", "cmd": "sleep 1", "cpus": 0.5, "mem": 64, "container": {"docker": {"image": "x"}}}
LOGIN = {"Authorization": "Basic bWU6c2VjcmV0"}


def test_every_file_comes_with_its_type_and_is_not_sent_twice() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        for path in ("/", "/ui"):
            async with s.http.get(s.url + path, allow_redirects=False) as r:
                assert (r.status, r.headers["Location"]) == (302, "ui/")
        async with s.http.get(s.url) as r:
            assert r.url.path == "/ui/" and "boot.js" in await r.text()
        kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "html": "text/html"}
        files = read()
        assert {"index.html", "boot.js", "main.js", "base.css", "icon.svg"} <= set(files)
        for name, file in files.items():
            async with s.http.get(f"{s.url}/ui/{name}") as r:
                assert r.status == 200 and r.content_type == kinds[name.rpartition(".")[2]]
                assert await r.read() == file.body and r.headers["X-Content-Type-Options"] == "nosniff"
                assert ("immutable" in r.headers["Cache-Control"]) is ("/" in name)
                assert "/" in name or r.headers["Cache-Control"] == "no-cache"
                policy = r.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy and "unsafe" not in policy
                tag = r.headers["ETag"]
            async with s.http.get(f"{s.url}/ui/{name}", headers={"If-None-Match": f'"other", W/{tag}'}) as r:
                assert r.status == 304 and not await r.read() and r.headers["ETag"] == tag
        async with s.http.head(f"{s.url}/ui/") as r:
            assert r.status == 200 and int(r.headers["Content-Length"]) == len(files["index.html"].body)

    with_service(test, count=1)


def test_the_page_names_its_files_by_what_is_in_them(tmp_path: Path) -> None:
    def page() -> str:
        return read(tmp_path)["index.html"].body.decode()

    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    before = page()
    named = re.findall(r'(?:src|href)="([^"]+)"', before)
    assert len(named) == 4 and all(n in read() and re.fullmatch(r"[0-9a-f]{16}/[\w.]+", n) for n in named)
    (tmp_path / "words.js").write_text("// another")
    assert page() != before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ui/none.js", 404),
        ("GET", "/ui/package.json", 404),
        ("GET", "/ui/%2e%2e/config.py", 404),
        ("GET", "/ui/..%2fconfig.py", 404),
        ("POST", "/ui/", 405),
        ("DELETE", "/", 405),
    ],
)
def test_nothing_but_its_files(method: str, path: str, status: int) -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        from yarl import URL

        async with s.http.request(method, URL(s.url + path, encoded=True)) as r:
            assert r.status == status and "message" in await r.json()

    with_service(test, count=1)


def test_behind_the_same_credentials() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        for path in ("/", "/ui", "/ui/", "/ui/main.js", "/ui/none"):
            async with s.http.get(s.url + path, allow_redirects=False) as r:
                assert r.status == 401 and r.headers["WWW-Authenticate"].startswith("Basic")
        async with s.http.get(s.url + "/ui/", headers=LOGIN) as r:
            assert r.status == 200

    with_service(test, count=1, env={"MARATHON_HTTP_CREDENTIALS": "me:secret"})


def test_without_a_leader_the_page_is_there() -> None:
    async def test(s: TestService, _m: FakeMaster) -> None:
        leads, s.scheduler, s.election.leader_url = s.scheduler, None, None
        assert "boot.js" in await s.call("GET", "/ui/", status=200)
        await s.call("GET", "/v2/apps", status=503)
        s.scheduler = leads

    with_service(test, count=1)


def test_another_sites_page_changes_nothing() -> None:
    async def main() -> None:
        master = FakeMaster(agents(1))
        await master.start()
        async with TestService(master) as leader, TestService(master) as other:
            other.scheduler = None
            other.election.leader, other.election.leader_url = "there", leader.url
            for headers in (
                {"Sec-Fetch-Site": "cross-site"},
                {"Sec-Fetch-Site": "same-site"},
                {"Origin": "https://elsewhere.example"},
                {"Origin": "null"},
            ):
                for s in (leader, other):
                    await s.call("POST", "/v2/apps", APP, 403, headers=headers)
                    await s.call("GET", "/v2/apps", status=200, headers=headers)
            assert not leader.scheduler.state.apps
            # The page itself, of whichever instance, and programs.
            for n, headers in enumerate(
                ({"Origin": other.url}, {"Sec-Fetch-Site": "same-origin", "Origin": other.url}, {})
            ):
                await other.call("POST", "/v2/apps", {**APP, "id": f"/ok{n}"}, 201, headers=headers)
            assert len(leader.scheduler.state.apps) == 3
        await master.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("origins", "login", "may_change"),
    [
        ("*", "", ["*"]),
        ("*", "me:secret", []),
        ("http://ui.example,*", "me:secret", ["http://ui.example"]),
        ("", "", []),
    ],
)
def test_a_star_lets_nobody_use_the_login_that_a_browser_remembers(
    origins: str, login: str, may_change: list[str]
) -> None:
    env = {"MARATHON_MASTER": "m:5050", "MARATHON_ZK": "zk://z:2181/marathon", "MARATHON_HOSTNAME": "h"}
    env |= {"MARATHON_ACCESS_CONTROL_ALLOW_ORIGIN": origins} if origins else {}
    env |= {"MARATHON_HTTP_CREDENTIALS": login} if login else {}
    assert named_origins(load(env)) == may_change


def test_nothing_comes_from_elsewhere_and_no_text_becomes_html() -> None:
    files = {p.name: p.read_text("utf-8") for p in FOLDER.iterdir()}
    page = files["index.html"]
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://", page)
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert name in files
    for name, text in files.items():
        if name.endswith(".js"):
            for found in re.findall(r'(?:from|import)\s*\(?"([^"]+)"', text):
                assert found.startswith("./") and found[2:] in files, f"{name}: {found}"
            assert not re.search(
                r"(inner|outer)HTML\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function", text
            ), name
            assert len(text.splitlines()) < 400, name
        if name.endswith(".css"):
            assert "url(" not in text and "@import" not in text


def test_the_pages_own_logic() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.fail("node is not on PATH: install Debian's nodejs (tools/setup.sh packages does)")
    tests = sorted(str(p) for p in (Path(__file__).parent / "page").glob("*.test.mjs"))
    assert tests
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
