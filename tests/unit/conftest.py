"""A federation of three sites and a pool in a folder of its own, whose files a test may change, and the graphs of its stacks."""

from __future__ import annotations

import asyncio
import functools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components import program, yaml_text
from components.spec.loader import read_yaml, stack_values
from components.spec.rules import GRAFANA_PASSWORD, HISTORY_PASSWORDS, PASSWORDS
from components.spec.validate import Plan, plan
from tests.unit.mocks import MARK, Graph, record


@pytest.fixture(autouse=True)
def loop_of_the_thread() -> Iterator[None]:
    """Pulumi's outputs want one, and a test that ran before on this thread may have taken it away (asyncio.run does)."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)


BASE = Path(__file__).parent / "data" / "spec" / "base"
IMAGES = (
    "calico",
    "collector",
    "etcd",
    "framework",
    "graphite",
    "htcondor",
    "login",
    "machine",
    "marathon",
    "mesos",
    "page",
    "registry",
    "vpn",
    "zookeeper",
    "opensearch",
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKwjCPPrLPTFj3f8UzDoL5mmuCzWxzbuXgB6pPYkc6Hj demo"


def federation_state(sites: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The outputs of the federation's stack, and which of them are secret."""
    state = {
        "ca_certificate": "certificate of ca",
        "ca_private_key": f"{MARK} ca",
        "calico_certificate": "certificate of calico",
        "calico_private_key": f"{MARK} calico",
        "passwords": {p: f"{MARK} {p}" for p in (*PASSWORDS, GRAFANA_PASSWORD, *HISTORY_PASSWORDS)},
        "ssh_private_keys": {s: f"{MARK} ssh {s}" for s in sites},
        "ssh_public_keys": {s: f"ssh-ed25519 AAAA {s}" for s in sites},
        "wireguard_private_keys": {s: f"{MARK} wireguard {s}" for s in sites},
        "wireguard_public_keys": {s: f"wireguard public {s}" for s in sites},
    }
    return state, [n for n in state if "private" in n or n == "passwords"]


_GRAPHS: dict[tuple[object, ...], Graph] = {}  # of this process, by all that a graph is made of


@dataclass
class Checkout:
    """A folder with the files of a federation."""

    root: Path
    home: Path
    tags: dict[str, str] = field(default_factory=lambda: {i: f"{n:012x}" for n, i in enumerate(IMAGES)})

    def change(self, file: str, change: Callable[[Any], None]) -> Checkout:
        """Changes the data of `file` in place."""
        path = self.root / file
        data = yaml_text.load(path.read_text())
        change(data)
        path.write_text(yaml_text.dump(data, sort_keys=False))
        return self

    @property
    def contents(self) -> tuple[tuple[str, bytes], ...]:
        """Its files, by their paths in it."""
        files = (p for p in sorted(self.root.rglob("*")) if p.is_file())
        return tuple((str(p.relative_to(self.root)), p.read_bytes()) for p in files)

    def plan(self, stack: str) -> Plan:
        data, _ = read_yaml(self.root / f"Pulumi.{stack}.yaml")
        return plan(self.root, stack, stack_values(data), [], self.home)

    def graph(self, stack: str, preview: bool = False, more_passwords: Mapping[str, str] | None = None) -> Graph:
        """What `pulumi up` (or `preview`) of the stack registers. `more_passwords`: what else the federation's stack hands on.

        Made once for the same files, whatever folder they are in, so leave it as it is; `made_anew` makes it again."""
        given = repr(federation_state(["bari", "cnaf", "torino"]))  # some tests put another in its place
        key = (
            self.contents,
            str(self.home),
            *self.tags.items(),
            stack,
            preview,
            *(more_passwords or {}).items(),
            given,
        )
        if key not in _GRAPHS:
            _GRAPHS[key] = self.made_anew(stack, preview, more_passwords)
        return _GRAPHS[key]

    def made_anew(self, stack: str, preview: bool = False, more_passwords: Mapping[str, str] | None = None) -> Graph:
        """The same, by another run of the program: for tests that ask whether it makes the same of the same."""
        the = self.plan(stack)
        names = list(the.federation.sites)
        host_keys = {f"{s}-front-end": f"ssh-ed25519 AAAA {s}-front-end" for s in names}
        state, secrets = federation_state(names)
        state["passwords"] |= more_passwords or {}
        stacks: dict[str, tuple[dict[str, Any], list[str]]] = {"federation": (state, secrets)} | {
            s: ({"host_keys": host_keys}, []) for s in names
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(program, "image_tags", lambda _: self.tags)
            return record(lambda: program.build(the, self.root), stack, preview, stacks)


Graphs = Callable[..., Graph]


def make_home(folder: Path) -> Path:
    """A home with the key of the pool's user."""
    (folder / "ssh").mkdir(parents=True)
    (folder / "ssh" / "demo.pub").write_text(KEY + "\n")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for all, so that graphs can be compared."""
    return make_home(tmp_path_factory.mktemp("home") / "demo")


@pytest.fixture
def checkouts(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Checkout]:
    """Makes as many checkouts as a test asks for; all have the same files and the same home."""
    monkeypatch.setenv("AERIE_HOME", str(home))
    count = iter(range(100))

    def make() -> Checkout:
        root = tmp_path / f"checkout-{next(count)}"
        shutil.copytree(BASE, root)
        return Checkout(root, home)

    return make


@pytest.fixture
def checkout(checkouts: Callable[[], Checkout]) -> Checkout:
    """One of them."""
    return checkouts()


@pytest.fixture(scope="session")
def graphs(home: Path) -> Graphs:
    """The graphs of the unchanged checkout: `graphs(stack, preview)`. Each is made once, so leave it as it is."""

    @functools.cache
    def graph(stack: str, preview: bool = False) -> Graph:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AERIE_HOME", str(home))
            return Checkout(BASE, home).graph(stack, preview)

    return graph
