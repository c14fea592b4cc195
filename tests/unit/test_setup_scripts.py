"""tools/setup.sh, tools/env and their parts, with stand-ins for what they call: docker, apt, go, pulumi, curl's server."""

import http.server
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FAKE_GO = """\
#!/bin/sh
case "$1 $2" in
"env GOVERSION") echo go1.26.6 ;;
"env GOCACHE") echo /tmp ;;
"env GOPROXY") echo here ;;
"list -m") case "$*" in *Version*) echo v3.260.0 ;; *) echo "$SDK" ;; esac ;;
"build -v")
    echo "$*" >> "$CALLS"
    eval "$ON_BUILD"
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\\necho v3.260.0\\n' > "$2/${3##*/}" && chmod +x "$2/${3##*/}" ;;
esac
"""

FAKE_PULUMI = """\
#!/bin/sh
echo "$*" >> "$CALLS"
case "$1 $2" in
version*) echo v%s ;;
"plugin install") d="$PULUMI_HOME/plugins/resource-$4-v$5"; mkdir -p "$d"; touch "$d/pulumi-resource-$4"; chmod +x "$d"/* ;;
esac
"""

INSTALLER = """\
while [ "$1" != --install-root ]; do shift; done
mkdir -p "$2/bin"
cp "$FAKE_PULUMI" "$2/bin/pulumi"
"""


class Bench:
    """A machine made of stand-ins: PATH has `bin`, then the system's own folders."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bin = path / "bin"
        self.bin.mkdir()
        self.cache = path / "cache"
        self.calls = path / "calls"
        self.calls.touch()
        sdk = path / "sdk"
        for name in ("cmd/pulumi-language-python-exec", "dist/pulumi-resource-pulumi-python"):
            (sdk / "python" / name).parent.mkdir(parents=True, exist_ok=True)
            (sdk / "python" / name).touch()
        self.env = {
            "PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(path),
            "AERIE_CACHE": str(self.cache),
            "AERIE_HOME": str(path / "home"),
            "AERIE_PULUMI_URL": "http://127.0.0.1:1",  # nothing listens there
            "CALLS": str(self.calls),
            "SDK": str(sdk),
            "ON_BUILD": ":",
            "FAKE_PULUMI": str(path / "fake-pulumi"),
        }
        self.put("go", FAKE_GO)
        self.write(path / "fake-pulumi", FAKE_PULUMI % "3.260.0")

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def put(self, name: str, text: str) -> None:
        self.write(self.bin / name, text)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.env, cwd=ROOT, capture_output=True, text=True, timeout=60)

    def bash(self, script: str) -> subprocess.CompletedProcess[str]:
        return self.run("bash", "-euc", f'root="{ROOT}"; . tools/setup/common.sh; {script}')

    def setup(self, *steps: str) -> subprocess.CompletedProcess[str]:
        return self.run("tools/setup.sh", *steps)

    def kind(self) -> str:
        return self.bash('find_pulumi || true; echo "$pulumi_kind"').stdout.strip()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def releases(bench: Bench) -> Iterator[Bench]:
    """A bench on which Pulumi's installer can be reached."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(INSTALLER.encode())

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    bench.env["AERIE_PULUMI_URL"] = f"http://127.0.0.1:{server.server_port}"
    yield bench
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("version", "least", "enough"),
    [("3.200.0", "3.200.0", True), ("3.9.0", "3.200.0", False), ("1.26.6", "1.21", True), ("1.19.8", "1.21", False)],
)
def test_at_least(bench: Bench, version: str, least: str, enough: bool) -> None:
    assert (bench.bash(f"at_least {version} {least}").returncode == 0) is enough


def test_versions_agree() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line and line[0] != "#"
    )
    text = (ROOT / "tools/toolchain/versions.sh").read_text()
    versions = dict(
        line.split("#")[0].strip().split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#"
    )
    assert versions["PULUMI_VERSION"] == pins["pulumi"]
    plugins = dict(plugin.split("=") for plugin in versions["PULUMI_PLUGINS"].strip('"').split())
    sdks = {name.removeprefix("pulumi-"): v for name, v in pins.items() if name.startswith("pulumi-")}
    sdks.pop("policy")  # it has no plugin: the pack is one
    assert plugins == sdks
    for module in ("cli", "bridge"):
        assert f"\ngo {versions['GO_VERSION']}\n" in (ROOT / "tools/toolchain" / module / "go.mod").read_text()


def test_help_and_bad_step(bench: Bench) -> None:
    done = bench.setup("--help")
    assert done.returncode == 0
    assert "AERIE_CACHE" in done.stdout and "set -euo" not in done.stdout
    done = bench.setup("dokcer")
    assert done.returncode == 1
    assert "no such step: dokcer" in done.stderr


def test_substitute_is_built_once_and_whole(bench: Bench) -> None:
    done = bench.setup("pulumi")
    assert done.returncode == 0, done.stderr
    assert "5/5 pulumi-resource-openstack" in done.stdout
    assert bench.kind() == "substitute"
    assert sorted(p.name.split("-")[0] for p in self_made(bench)) == ["toolchain"]
    built = bench.calls.read_text()
    done = bench.setup("pulumi")
    assert "built before" in done.stdout
    assert bench.calls.read_text() == built


def self_made(bench: Bench) -> list[Path]:
    return [p for p in bench.cache.iterdir() if p.is_dir()]


def test_failed_build_leaves_nothing(bench: Bench) -> None:
    bench.env["ON_BUILD"] = "case $* in *docker*) echo cannot compile >&2; exit 1 ;; esac"
    done = bench.setup("pulumi")
    assert done.returncode == 1
    assert "cannot compile" in done.stderr and "could not be built" in done.stderr
    assert self_made(bench) == []
    assert bench.kind() == ""
    bench.env["ON_BUILD"] = ":"
    assert bench.setup("pulumi").returncode == 0


def test_interrupted_build_leaves_nothing_that_counts(bench: Bench) -> None:
    bench.env["ON_BUILD"] = "sleep 30"
    process = subprocess.Popen(["tools/setup.sh", "pulumi"], env=bench.env, cwd=ROOT, start_new_session=True)
    wait_for(lambda: bench.calls.read_text() != "")
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=20) != 0
    assert bench.kind() == ""
    bench.env["ON_BUILD"] = ":"
    assert bench.setup("pulumi").returncode == 0
    assert [p.name.split("-")[0] for p in self_made(bench)] == ["toolchain"]


def wait_for(true: object) -> None:
    end = time.monotonic() + 10
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_two_at_once_build_once(bench: Bench) -> None:
    bench.env["ON_BUILD"] = "sleep 0.3"
    both = [
        subprocess.Popen(["tools/setup.sh", "pulumi"], env=bench.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = "".join(p.communicate(timeout=60)[0] for p in both)
    assert [p.returncode for p in both] == [0, 0]
    assert "waiting for another" in said
    assert len(bench.calls.read_text().splitlines()) == 5


def test_a_go_that_is_too_old_fetches_its_successor(bench: Bench) -> None:
    script = ". tools/setup/packages.sh; . tools/setup/pulumi.sh; find_go; echo $GO ${GOTOOLCHAIN:-}"
    assert bench.bash(script).stdout.split() == [str(bench.bin / "go")]
    bench.put("go", "#!/bin/sh\necho go1.22.2\n")
    assert bench.bash(script).stdout.split() == [str(bench.bin / "go"), "go1.26.6+auto"]


def test_own_pulumi_needs_its_plugins_and_its_host(bench: Bench) -> None:
    bench.put("pulumi", FAKE_PULUMI % "3.210.0")
    assert bench.kind() == ""  # no plugins
    for plugin in ("command-v1.2.1", "docker-v5.2.0", "openstack-v5.5.3"):
        folder = bench.path / ".pulumi/plugins" / f"resource-{plugin}"
        folder.mkdir(parents=True)
        Bench.write(folder / f"pulumi-resource-{plugin.split('-')[0]}", "")
    assert bench.kind() == ""  # no host
    bench.put("pulumi-language-python", "")
    assert bench.kind() == "path"
    out = bench.run("tools/env").stdout
    assert "unset PULUMI_HOME" in out and "unset PULUMI_DISABLE" in out
    bench.put("pulumi", FAKE_PULUMI % "3.99.0")
    assert bench.kind() == ""  # too old
    bench.put("pulumi", FAKE_PULUMI % "3.210.0")
    bench.env["AERIE_PULUMI"] = "substitute"
    assert bench.kind() == ""


def test_official_installer_is_used_where_it_answers(releases: Bench) -> None:
    done = releases.setup("pulumi")
    assert done.returncode == 0, done.stderr
    assert releases.kind() == "official"
    assert "go build" not in releases.calls.read_text()
    assert "using" in releases.setup("pulumi").stdout
    out = releases.run("tools/env").stdout
    assert f"export PATH='{releases.cache}/pulumi-3.260.0/bin:" in out
    assert "unset PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" in out


def test_installer_that_fails_gives_way_to_the_substitute(releases: Bench) -> None:
    Bench.write(releases.path / "fake-pulumi", "#!/bin/sh\nexit 1\n")
    done = releases.setup("pulumi")
    assert done.returncode == 0, done.stderr
    assert "the installer did not work" in done.stdout
    assert releases.kind() == "substitute"
    assert [p.name.split("-")[0] for p in self_made(releases)] == ["toolchain"]


def test_a_silent_server_is_not_waited_for(bench: Bench) -> None:
    """The bench gives each command a minute."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        bench.env["AERIE_PULUMI_URL"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert bench.setup("pulumi").returncode == 0
    assert bench.kind() == "substitute"


def test_running_engine_is_used(bench: Bench) -> None:
    bench.put("docker", "#!/bin/sh\necho 26.1.5\n")
    assert bench.setup("docker").stdout == "docker: using the running engine 26.1.5\n"


def test_engine_elsewhere_that_is_down_is_said(bench: Bench) -> None:
    bench.put("docker", "#!/bin/sh\nexit 1\n")
    bench.env["DOCKER_HOST"] = "tcp://127.0.0.1:1"
    done = bench.setup("docker")
    assert done.returncode == 1
    assert "DOCKER_HOST=tcp://127.0.0.1:1" in done.stderr


def test_packages_that_are_missing_are_installed_alone(bench: Bench) -> None:
    bench.put("apt-get", '#!/bin/sh\necho "apt-get $*" >> "$CALLS"\n')
    bench.put("sudo", '#!/bin/sh\n[ "$1" = -- ] && shift\nexec "$@"\n')
    script = (
        '. tools/setup/packages.sh; . tools/setup/venv.sh; has() { [ "$1" != jq ] && [ "$1" != ip ]; }; set_up_packages'
    )
    done = bench.bash(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "packages: installing jq iproute2\n"
    assert bench.calls.read_text().splitlines()[-1].endswith("--no-install-recommends jq iproute2")
    bench.put("apt-get", "#!/bin/sh\necho E: no network\nexit 100\n")
    done = bench.bash(script)
    assert done.returncode == 1
    assert "E: no network" in done.stderr and "apt could not install: jq iproute2" in done.stderr


def test_the_browser_is_a_step_of_its_own(bench: Bench) -> None:
    bench.put("apt-get", '#!/bin/sh\necho "apt-get $*" >> "$CALLS"\n')
    bench.put("sudo", '#!/bin/sh\n[ "$1" = -- ] && shift\nexec "$@"\n')
    bench.put("grep", "#!/bin/sh\nexit 1\n")  # no Ubuntu, whatever this machine is
    there = '. tools/setup/packages.sh; has() { case " $THERE " in *" $1 "*) ;; *) return 1 ;; esac; }; set_up_browser'
    for commands, installed in (("google-chrome chromedriver", False), ("chromium", True), ("chromedriver", True)):
        bench.calls.write_text("")
        bench.env["THERE"] = commands
        done = bench.bash(there)
        assert done.returncode == 0, done.stderr
        assert ("chromium chromium-driver" in bench.calls.read_text()) is installed, commands
    bench.put("grep", "#!/bin/sh\nexit 0\n")
    done = bench.bash(there)
    assert done.returncode == 1 and "Install Google Chrome" in done.stderr


def test_no_root_is_said(bench: Bench) -> None:
    bench.put("docker", "#!/bin/sh\nexit 1\n")
    bench.put("id", '#!/bin/sh\n[ "$1" = -u ] && echo 1000 || echo op\n')
    bench.put("sudo", "#!/bin/sh\nexit 1\n")
    done = bench.setup("docker")
    assert done.returncode == 1
    assert "root is needed to set up the Docker engine, and sudo does not give it to op" in done.stderr


def test_env_without_pulumi_says_what_to_run(bench: Bench) -> None:
    done = bench.run("tools/env")
    assert done.stdout == "false\n"
    assert "tools/setup.sh" in done.stderr
    assert bench.run("bash", "-c", 'eval "$(tools/env)"').returncode == 1


def test_env_quotes_what_the_shell_would_read(bench: Bench) -> None:
    home = bench.path / "it's 100% $mine"
    bench.env["AERIE_HOME"] = str(home)
    assert bench.setup("pulumi").returncode == 0
    done = bench.run("bash", "-euc", 'eval "$(tools/env)"; echo "$AERIE_HOME"; echo "$PULUMI_BACKEND_URL"')
    assert done.stdout.splitlines() == [str(home), f"file://{bench.path}/it's%20100%25%20$mine/state"]


def test_passphrase_agrees_when_made_twice_at_once(bench: Bench) -> None:
    assert bench.setup("pulumi").returncode == 0
    several = [subprocess.Popen(["tools/env"], env=bench.env, cwd=ROOT, stdout=subprocess.DEVNULL) for _ in range(6)]
    assert [p.wait(timeout=30) for p in several] == [0] * 6
    home = bench.path / "home"
    assert sorted(p.name for p in home.iterdir()) == ["passphrase", "pulumi", "ssh", "state"]
    assert len((home / "passphrase").read_text()) == 45
