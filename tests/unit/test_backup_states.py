"""What of a stack's state outlives its machines; and ZooKeeper's tree, read and put back by a client."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from aerie.backing_up import states, znodes

URN = "urn:pulumi:demo::aerie::"


def resource(kind: str, name: str, custom: bool = True, **more: Any) -> dict[str, Any]:
    return {"urn": f"{URN}{kind}::{name}", "type": kind, "custom": custom, **more}


def urn(kind: str, name: str) -> str:
    return f"{URN}{kind}::{name}"


IDENTITY = "pulumi-python:dynamic/identity:SigningKey"
APP, ROLE = "pulumi-python:dynamic/batch:MarathonApp", "pulumi-python:dynamic/batch:MesosRole"
COMMAND, CONTAINER = "command:remote:Command", "docker:index/container:Container"
POOL = {
    "version": 3,
    "deployment": {
        "secrets_providers": {"type": "passphrase", "state": {"salt": "v1:x"}},
        "pending_operations": [{"type": "creating"}],
        "resources": [
            resource("pulumi:pulumi:Stack", "aerie-demo", custom=False, outputs={"machines": {"a": "172.16.0.2"}}),
            resource("pulumi:providers:command", "default"),
            resource("aerie:index:Pool", "demo", custom=False),
            resource(IDENTITY, "key", outputs={"value": "sealed"}),
            resource(IDENTITY, "old", delete=True),
            resource(COMMAND, "login"),
            resource(ROLE, "role"),
            resource(
                APP,
                "app",
                dependencies=[urn(COMMAND, "login"), urn(IDENTITY, "key"), urn(ROLE, "role")],
                propertyDependencies={"env": [urn(IDENTITY, "key")], "app": [urn(COMMAND, "login")], "user": None},
            ),
            resource(COMMAND, "guard", dependencies=[urn(APP, "app")], deletedWith=urn(CONTAINER, "m")),
            resource(CONTAINER, "m"),
            resource("openstack:compute/instance:Instance", "cloud", deletedWith=urn(CONTAINER, "m")),
        ],
    },
}


def names(state: dict[str, Any]) -> list[str]:
    return [r["urn"].rpartition("::")[2] for r in states.resources(state)]


def test_identities_stay_and_what_was_on_machines_goes() -> None:
    before = copy.deepcopy(POOL)
    new = states.for_new_machines(POOL, zookeeper=True)
    assert names(new) == ["aerie-demo", "default", "demo", "key", "app", "cloud"]
    assert before == POOL, "what was read is not changed"
    assert new["deployment"]["secrets_providers"] == POOL["deployment"]["secrets_providers"]  # type: ignore[index]
    assert "pending_operations" not in new["deployment"]
    assert states.resources(new)[3] == resource(IDENTITY, "key", outputs={"value": "sealed"})


def test_without_zookeeper_its_apps_are_made_anew() -> None:
    assert names(states.for_new_machines(POOL, zookeeper=False)) == ["aerie-demo", "default", "demo", "key", "cloud"]


def test_nothing_refers_to_what_is_gone() -> None:
    new = states.for_new_machines(POOL, zookeeper=True)
    there = {r["urn"] for r in states.resources(new)}
    app, cloud = states.resources(new)[-2:]
    assert app["dependencies"] == [urn(IDENTITY, "key")]
    assert app["propertyDependencies"] == {"env": [urn(IDENTITY, "key")], "app": [], "user": []}
    assert "deletedWith" not in cloud
    assert all(set(r.get("dependencies", [])) <= there for r in states.resources(new))


def test_what_a_state_tells() -> None:
    assert states.outputs(POOL) == {"machines": {"a": "172.16.0.2"}} and states.outputs({}) == {}
    assert states.in_cloud(POOL) and not states.in_cloud({"deployment": {"resources": [resource(APP, "a")]}})
    assert states.count(POOL) == 8
    empty = {"version": 3, "deployment": None}
    assert states.for_new_machines(empty, True) == empty


Stat = namedtuple("Stat", "czxid mzxid aversion ephemeralOwner")
Who = namedtuple("Who", "scheme id")
Rule = namedtuple("Rule", "perms id")


class Gone(Exception):
    pass


class NoAuth(Exception):
    pass


class NotEmpty(Exception):
    pass


class Errors:
    NoNodeError, NotEmptyError = Gone, NotEmpty


class Later:
    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self) -> Any:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Zoo:
    """As much of kazoo's client as is used, over a dictionary: path -> (data, acl, zxid, ephemeral)."""

    def __init__(self, secret: str = "") -> None:
        self.nodes: dict[str, tuple[bytes, list[Rule], int, bool]] = {}
        self.zxid, self.secret, self.busy = 0, secret, 0

    def put(self, path: str, data: bytes = b"", owner: str = "marathon:x", ephemeral: bool = False) -> None:
        self.zxid += 1
        self.nodes[path] = (data, [Rule(31, Who("digest", owner))], self.zxid, ephemeral)

    def get_children(self, path: str) -> list[str]:
        top = path.rstrip("/") + "/"
        return sorted(p[len(top) :] for p in self.nodes if p.startswith(top) and "/" not in p[len(top) :])

    def _later(self, path: str, work: Any) -> Later:
        if path == self.secret:
            return Later(NoAuth())
        return Later(work() if path in self.nodes else Gone())

    def get_async(self, path: str) -> Later:
        def both() -> tuple[bytes, Stat]:
            data, _, zxid, ephemeral = self.nodes[path]
            return data, Stat(1, zxid, 0, 7 if ephemeral else 0)

        return self._later(path, both)

    def get_acls_async(self, path: str) -> Later:
        return self._later(path, lambda: (self.nodes[path][1], None))

    def get_children_async(self, path: str) -> Later:
        return self._later(path, lambda: self.get_children(path))

    def delete(self, path: str, recursive: bool) -> None:
        assert recursive
        if self.busy:
            self.busy -= 1
            raise NotEmpty
        if path not in self.nodes:
            raise Gone
        self.nodes = {p: n for p, n in self.nodes.items() if p != path and not p.startswith(path + "/")}

    def create_async(self, path: str, data: bytes, acl: list[Rule]) -> Later:
        parent = path.rpartition("/")[0]
        assert not parent or parent in self.nodes, f"{path} before its parent"
        self.zxid += 1
        self.nodes[path] = (data, acl, self.zxid, False)
        return Later(path)


@pytest.fixture
def zoo() -> Zoo:
    found = Zoo()
    for path in (
        "/zookeeper",
        "/zookeeper/quota",
        "/mesos",
        "/mesos/info_1",
        "/marathon",
        "/marathon/leader",
        "/pool-1",
    ):
        found.put(path)
    found.put("/marathon/app", b"")
    found.put("/marathon/app/%2Fdemo%2Fa", b'{"id": 1}\xff')
    found.put("/marathon/leader/x-0000000001", b"me", ephemeral=True)
    return found


def look(zoo: Zoo) -> Any:
    return lambda: znodes.walk(zoo, Gone, NoAuth)


def test_the_tree_is_read_without_what_does_not_last(zoo: Zoo) -> None:
    nodes = znodes.stable(look(zoo))
    assert [n["path"] for n in nodes] == [
        "/marathon",
        "/marathon/app",
        "/marathon/app/%2Fdemo%2Fa",
        "/marathon/leader",
        "/pool-1",
    ]
    assert nodes[0] == {"path": "/marathon", "data": "", "acl": [[31, "digest", "marathon:x"]]}


def test_a_tree_that_changes_is_read_again(zoo: Zoo) -> None:
    looks = 0

    def change() -> dict[str, Any]:
        nonlocal looks
        looks += 1
        if looks < 4:  # the same words written again are a change as well
            zoo.put("/marathon/app/%2Fdemo%2Fa", b"same")
        return znodes.walk(zoo, Gone, NoAuth)

    assert len(znodes.stable(change)) == 5 and looks == 4

    def always() -> dict[str, Any]:
        zoo.put("/pool-1")
        return znodes.walk(zoo, Gone, NoAuth)

    with pytest.raises(znodes.Trouble, match="all the time"):
        znodes.stable(always, 5)


def test_what_may_not_be_read_is_named(zoo: Zoo) -> None:
    zoo.secret = "/marathon/app"
    with pytest.raises(znodes.Trouble, match="/marathon/app may not be read"):
        znodes.stable(look(zoo))


def test_the_tree_is_put_back_with_nothing_else_in_it(zoo: Zoo) -> None:
    nodes = znodes.stable(look(zoo))
    new = Zoo()
    for path in ("/zookeeper", "/marathon", "/marathon/framework", "/marathon/framework/id", "/other"):
        new.put(path, b"new")
    new.busy = 2
    count = znodes.put_back(new, nodes, Errors, lambda a: Rule(a[0], Who(a[1], a[2])))
    assert count == 5 and znodes.stable(look(new)) == sorted(
        [*nodes, {"path": "/other", "data": "bmV3", "acl": nodes[0]["acl"]}], key=lambda n: n["path"]
    )
    assert new.nodes["/marathon/app/%2Fdemo%2Fa"][0] == b'{"id": 1}\xff'
    new.busy = 1000
    with pytest.raises(znodes.Trouble, match="somebody goes on writing below /marathon"):
        znodes.put_back(new, nodes, Errors, lambda a: a)


def test_digests_follow_passwords() -> None:
    # As ZooKeeper's own DigestAuthenticationProvider has it.
    assert znodes.digest("super", "test") == "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
    node = {
        "path": "/a",
        "data": "",
        "acl": [[31, "digest", "pool-1:old"], [1, "world", "anyone"], [31, "digest", "x:y"]],
    }
    (new,) = znodes.with_passwords([node], {"pool-1": "new"})
    assert new["acl"] == [[31, "digest", znodes.digest("pool-1", "new")], [1, "world", "anyone"], [31, "digest", "x:y"]]


def test_the_program_needs_nothing_of_ours(tmp_path: Path) -> None:
    """It is sent as text to another Python."""
    text = Path(znodes.__file__).read_text()
    script = "import sys; sys.argv = ['x']; __name__ = 'there'\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"exec({text!r}, {{'__name__': 'there'}})\n{script}print(*sys.modules)"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert not {"aerie", "components", "tools"} & set(done.stdout.split())
