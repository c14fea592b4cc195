"""What `aerie doctor` finds on this machine itself."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from components.image_tags import ImageError, image_tags
from components.spec.model import Federation
from tools.login import aerie_home
from tools.preflight import look as preflight_look
from tools.recovery import stale_locks

from .facts import Here

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("docker", "ssh", "ssh-keygen", "git", "ip", "debootstrap", "jq", "make", "pulumi")
VERSIONS = "tools/toolchain/versions.sh"


def look(root: Path, federation: Federation | None) -> Here:
    """This machine as it is."""
    home = aerie_home(federation) if federation else Path(os.environ.get("AERIE_HOME", "/nowhere"))
    docker, says = _engine()
    facts = preflight_look(federation) if federation else None
    pulumi = _first_word("pulumi", "version").removeprefix("v")
    return Here(
        docker,
        says,
        facts.disk if facts else "/",
        round(facts.free_gb if facts else shutil.disk_usage("/").free / 1e9, 1),
        str(home),
        round(shutil.disk_usage(home if home.is_dir() else "/").free / 1e9, 1),
        _memory_gb(),
        facts.ports_taken if facts else (),
        tuple(c for c in COMMANDS if shutil.which(c, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None),
        tuple(open_files(home)),
        platform.python_version(),
        tuple(differing(pins((root / "requirements.txt").read_text()), _installed)),
        pulumi,
        tuple(_plugins_missing(root)) if pulumi else (),
        federation is None or federation.embedded is not None,
    )


def _run(*command: str) -> subprocess.CompletedProcess[str] | str:
    """What it says, or in words why there is no answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=15, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return f"there is no command {command[0]}"
    except subprocess.TimeoutExpired:
        return "no answer in 15 s"


def _first_word(*command: str) -> str:
    done = _run(*command)
    return "" if isinstance(done, str) or done.returncode else (done.stdout.split() or [""])[0]


def _engine() -> tuple[str, str]:
    done = _run("docker", "version", "-f", "{{.Server.Version}}")
    if isinstance(done, str):
        return "", done
    if done.returncode:
        return "", (done.stderr.strip().splitlines() or ["no answer"])[-1][:200]
    return done.stdout.strip(), ""


def _memory_gb() -> float:
    """Of the whole machine: what runs already may be the federation itself."""
    found = re.search(r"^MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text(), flags=re.M)
    return round(int(found[1]) * 1024 / 1e9, 1) if found else 0.0


def open_files(home: Path) -> Iterator[str]:
    """The secrets below AERIE_HOME that others than their owner may read: the passphrase, and private keys."""
    keys = [public.with_suffix("") for public in (home / "ssh").glob("*.pub")]
    for path in sorted({home / "passphrase", *keys, *(home / "ssh").glob("site-*")}):
        if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield str(path)


def pins(text: str) -> dict[str, str]:
    """The versions of a requirements file."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", text, flags=re.M))


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def differing(wanted: Mapping[str, str], installed: Any) -> Iterator[tuple[str, str, str]]:
    """(name, wanted, there); `installed` gives a package's version, "" without one."""
    for name, version in wanted.items():
        if (there := installed(name)) != version:
            yield name, version, there


def _plugins_missing(root: Path) -> Iterator[str]:
    home = os.environ.get("PULUMI_HOME") or str(Path.home() / ".pulumi")
    found = re.search(r'^PULUMI_PLUGINS="([^"]*)"', (root / VERSIONS).read_text(), flags=re.M)
    for plugin in found[1].split() if found else []:
        name, _, version = plugin.partition("=")
        if not (Path(home) / "plugins" / f"resource-{name}-v{version}").is_dir():
            yield f"{name} {version}"


def pulumi_oldest(root: Path = ROOT) -> str:
    """The oldest Pulumi that suits."""
    found = re.search(r"^PULUMI_OLDEST=(\S+)", (root / VERSIONS).read_text(), flags=re.M)
    return found[1] if found else "0"


def image_tags_of(root: Path) -> dict[str, str]:
    """The tag of each image that this checkout would run; none if its sources are broken."""
    try:
        return image_tags(root)
    except ImageError:
        return {}


def locks(home: Path, project: str = "aerie") -> tuple[tuple[str, str, bool], ...]:
    """(stack, who, whether that has ended) of the stacks that are locked, in a backend that is a folder."""
    folder = home / "state" / ".pulumi" / "locks" / "organization" / project
    return tuple(_locks(sorted(folder.glob("*/*.json")))) if folder.is_dir() else ()


def _locks(files: Iterable[Path]) -> Iterator[tuple[str, str, bool]]:
    for file in files:
        try:
            lock = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        ended = stale_locks([lock], socket.gethostname(), lambda pid: Path(f"/proc/{pid}").exists())
        yield file.parent.name, f"process {lock.get('pid', '?')} on {lock.get('hostname', '?')}", ended


def config(stack: str, namespace: str, root: Path) -> dict[str, str]:
    """The stack's configuration below `namespace`, secrets in the clear: for this process only."""
    command = ("pulumi", "-C", str(root), "config", "-s", stack, "--json", "--show-secrets")
    done = _run(*command)
    if isinstance(done, str) or done.returncode:
        return {}
    found = json.loads(done.stdout or "{}").items()
    prefix = f"{namespace}:"
    return {k.removeprefix(prefix): str(v.get("value", "")) for k, v in found if k.startswith(prefix)}
