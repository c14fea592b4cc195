"""Pulumi's engine, mocked: what a program registers, with all that the engine would be told of it.

Unlike `pulumi.runtime.mocks` alone this keeps parents, secrets, `deletedWith` and the like, and in preview it leaves
unknown what only a creation makes known.
"""

from __future__ import annotations

import asyncio
import base64
import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from google.protobuf import json_format  # type: ignore[import-untyped]
from pulumi.runtime import mocks
from pulumi.runtime import resource as registration
from pulumi.runtime.proto import resource_pb2, source_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"  # the key by which Pulumi's wire format marks special values
SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
MARK = "TOPSECRET"  # in every secret that the mocks make
STACK = "pulumi:pulumi:Stack"
PROJECT = "aerie"
# pulumi.dynamic (3.260) wraps this pickler method once more for each dynamic resource and never unwraps it: after some
# 900 of them, which a test run has, the recursion limit is reached.
UNWRAPPED = getattr(pickle._Pickler, "_batch_setitems")  # noqa: B009
# Pulumi tells the engine which line of the program made each resource. No test asks, and it is a quarter of the time of a graph.
setattr(registration, "_get_stack_trace", source_pb2.StackTrace)  # noqa: B010
# Nor for what it says to `pulumi up --debug`, which is a message for each step of each resource.
setattr(pulumi.log, "debug", lambda *_, **__: None)  # noqa: B010

# What only the creation makes known: of each kind of identity, secret or not, and of the IaaS.
MADE: dict[str, Callable[[str], dict[str, str]]] = {
    "CertificateAuthority": lambda n: {"certificate": f"certificate of {n}", "private_key": f"{MARK} key of {n}"},
    "Certificate": lambda n: {"certificate": f"certificate of {n}", "private_key": f"{MARK} key of {n}"},
    "SshKey": lambda n: {"public_key": f"ssh-ed25519 AAAA {n}", "private_key": f"{MARK} ssh of {n}"},
    "WireGuardKey": lambda n: {"public_key": f"wireguard {n}", "private_key": f"{MARK} wireguard of {n}"},
    "Password": lambda n: {"value": f"{MARK} password of {n}"},
    "SigningKey": lambda n: {"value": _b64(f"{MARK} signing key of {n}"), "made": "1700000000"},
    "RemoteImage": lambda n: {"imageId": f"sha256 of {n}"},
    "FloatingIp": lambda n: {"address": f"203.0.113.{len(n)}"},
}


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def plain(value: Any) -> Any:
    """`value` off the wire, with the marks of secrets taken away."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return plain(value["value"])
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def secret_paths(value: Any, at: str = "") -> set[str]:
    """The dotted paths of what is marked as secret in `value`."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) == SECRET:
            return {at}
        return {p for k, v in value.items() for p in secret_paths(v, f"{at}.{k}" if at else k)}
    return {p for i, v in enumerate(value) for p in secret_paths(v, f"{at}.{i}")} if isinstance(value, list) else set()


def texts_in_the_clear(value: Any) -> Iterator[str]:
    """Every text of `value` that no secret covers, and what it says if it is base64."""
    if isinstance(value, dict):
        if value.get(SIGNATURE) != SECRET:
            for v in value.values():
                yield from texts_in_the_clear(v)
    elif isinstance(value, list):
        for v in value:
            yield from texts_in_the_clear(v)
    elif isinstance(value, str):
        yield value
        for word in re.findall(r"[A-Za-z0-9+/]{12,}={0,2}", value):
            yield base64.b64decode(word.rstrip("=")[: len(word) // 4 * 4] + "===").decode("latin-1")


@dataclass(frozen=True)
class Registered:
    """One resource as the engine was told of it. `wire` are its inputs with the marks of secrets."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    wire: Mapping[str, Any]
    secret_outputs: frozenset[str]
    deleted_with: str
    depends_on: frozenset[str]
    replace_first: bool
    protect: bool
    retain: bool
    replace_on: list[str]
    ignored: list[str]
    trigger: Any
    imported: str
    provider: str

    @property
    def key(self) -> tuple[str, str]:
        return self.type, self.name

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs; the pickled provider of a dynamic resource is left out."""
        return {k: plain(v) for k, v in self.wire.items() if k != "__provider"}

    @property
    def secrets(self) -> set[str]:
        return secret_paths(dict(self.wire))


@dataclass
class Graph:
    """Everything that a program registered, and its stack's outputs: value (None if unknown) and whether secret."""

    resources: list[Registered] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    outputs: dict[str, tuple[Any, bool]] = field(default_factory=dict)

    def of(self, type_: str) -> list[Registered]:
        """The resources whose type ends in `type_`."""
        return [r for r in self.resources if r.type.endswith(type_)]

    def __getitem__(self, name: str) -> Registered:
        found = [r for r in self.resources if r.name == name and r.custom]
        assert len(found) == 1, f"{len(found)} custom resources are called {name}"
        return found[0]

    @property
    def keys(self) -> set[tuple[str, str]]:
        return {r.key for r in self.resources}

    @property
    def by_key(self) -> dict[tuple[str, str], Registered]:
        return {r.key: r for r in self.resources}


@dataclass(frozen=True)
class Difference:
    """What a preview would show between two graphs, by name: components have no inputs of their own."""

    added: set[str]
    removed: set[str]
    changed: dict[str, set[str]]


def difference(before: Graph, after: Graph) -> Difference:
    """Names of custom resources that are new, gone, or have other inputs (and which)."""
    old = {k: r for k, r in before.by_key.items() if r.custom}
    new = {k: r for k, r in after.by_key.items() if r.custom}
    changed = {}
    for key in old.keys() & new.keys():
        a, b = old[key].wire, new[key].wire
        differ = {k for k in a.keys() | b.keys() if a.get(k) != b.get(k)}
        if differ:
            changed[key[1]] = differ
    return Difference({k[1] for k in new.keys() - old.keys()}, {k[1] for k in old.keys() - new.keys()}, changed)


class Nothing(mocks.Mocks):
    """Provider functions and resources are answered by the monitor below."""

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        what = args.token.rpartition(":")[2]
        return {"id": f"id of {what} {args.args.get('name')}", **args.args}, []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return args.name, args.inputs


class Monitor(mocks.MockMonitor):
    """Records registrations; answers reads of other stacks with `stacks`: name -> (outputs, names of secret ones)."""

    def __init__(self, preview: bool, stacks: Mapping[str, tuple[dict[str, Any], list[str]]]) -> None:
        super().__init__(Nothing())
        self.preview, self.stacks, self.graph = preview, stacks, Graph()

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == STACK:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        wire = json_format.MessageToDict(request.object)
        self.graph.resources.append(
            Registered(
                type=request.type,
                name=request.name,
                urn=urn,
                parent=request.parent,
                custom=request.custom,
                wire=wire,
                secret_outputs=frozenset(request.additionalSecretOutputs),
                deleted_with=request.deletedWith,
                depends_on=frozenset(request.dependencies),
                replace_first=request.deleteBeforeReplace,
                protect=request.protect,
                retain=request.retainOnDelete,
                replace_on=list(request.replaceOnChanges),
                ignored=list(request.ignoreChanges),
                trigger=plain(json_format.MessageToDict(request.replacement_trigger)),
                imported=request.importId,
                provider=request.provider,
            )
        )
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        state = {**wire}
        made = MADE.get(request.type.rpartition(":")[2])
        if made and not self.preview:
            state |= made(str(plain(wire.get("name", request.name))))
        for name in request.additionalSecretOutputs:
            if name in state and not (isinstance(state[name], dict) and SIGNATURE in state[name]):
                state[name] = {SIGNATURE: SECRET, "value": state[name]}
        answer = resource_pb2.RegisterResourceResponse(urn=urn, id="" if self.preview else f"id of {request.name}")
        json_format.ParseDict(state, answer.object)
        return answer

    def ReadResource(self, request: Any) -> Any:
        self.graph.references.append(request.name)
        outputs, secret = self.stacks[request.name.rpartition("/")[2]]
        answer = resource_pb2.ReadResourceResponse(urn=self.make_urn(request.parent, request.type, request.name))
        json_format.ParseDict(
            {"name": request.name, "outputs": outputs, "secretOutputNames": secret}, answer.properties
        )
        return answer


async def _outputs(of: Mapping[str, Any]) -> dict[str, tuple[Any, bool]]:
    found = {}
    for name, value in of.items():
        output = pulumi.Output.from_input(value)
        found[name] = (await output.future(), await output.is_secret())
    return found


def record(
    program: Callable[[], Mapping[str, Any]],
    stack: str,
    preview: bool = False,
    stacks: Mapping[str, tuple[dict[str, Any], list[str]]] | None = None,
) -> Graph:
    """Runs `program`, which returns its stack's outputs, and gives back all that it registered."""
    # Pulumi takes the thread's current loop, which other tests may have closed and taken away.
    asyncio.set_event_loop(asyncio.new_event_loop())
    monitor = Monitor(preview, stacks or {})
    pulumi.runtime.set_mocks(
        monitor.mocks, project=PROJECT, stack=stack, preview=preview, monitor=monitor, organization="organization"
    )

    def run() -> Any:
        return asyncio.ensure_future(_outputs(program()))

    def wrapped() -> Any:
        return pulumi.Output.from_input(run()).apply(lambda found: monitor.graph.outputs.update(found))

    try:
        pulumi.runtime.test(wrapped)()  # type: ignore[no-untyped-call]
    finally:
        setattr(pickle._Pickler, "_batch_setitems", UNWRAPPED)  # noqa: B010
    return monitor.graph
