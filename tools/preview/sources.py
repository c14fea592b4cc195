"""Where a property of a resource comes from: the file, and the keys in it. Tables, and what reads them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .kinds import thing_of
from .model import Change, Diff

FEDERATION = "federation.yaml"
STACK_FILE = "Pulumi.{stack}.yaml"


@dataclass(frozen=True)
class Source:
    """A file (or a folder, with a `/` at its end), and the keys in it that matter; none if the whole does."""

    file: str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}: {', '.join(self.keys)}" if self.keys else self.file


# What a service's `docker run` says, by how the word begins, to its source.
WORDS: tuple[tuple[str, Source], ...] = (
    ("ETCD_INITIAL_CLUSTER_TOKEN=", Source(FEDERATION, ("name",))),
    ("ETCD_", Source(FEDERATION, ("sites",))),
    ("MESOS_RESOURCES=", Source(STACK_FILE, ("machine", "agent_groups", "agents"))),
    ("MESOS_ATTRIBUTES=", Source(STACK_FILE, ("agent_groups",))),
    ("MESOS_QUORUM=", Source(FEDERATION, ("sites",))),
    ("MESOS_CLUSTER=", Source(FEDERATION, ("name",))),
    ("MESOS_DOCKER_MESOS_IMAGE=", Source("images/mesos/")),
    ("MESOS_IP=", Source(FEDERATION, ("sites",))),
    ("MESOS_HOSTNAME=", Source(FEDERATION, ("sites",))),
    ("MARATHON_H", Source(FEDERATION, ("sites",))),
    ("CALICO_DOCKER_MTU=", Source(FEDERATION, ("network.mtu",))),
    ("CALICO_DOCKER_NETWORKS=", Source(FEDERATION, ("network.fixed",))),
    ("CALICO_FIXED=", Source(FEDERATION, ("network.fixed",))),
    ("CALICO_SITE", Source(FEDERATION, ("sites", "network.lans"))),
    ("CALICO_BORDER", Source(FEDERATION, ("sites", "network"))),
    ("CALICO_NODE_LABELS=", Source(FEDERATION, ("network.topology", "sites"))),
    ("CALICO_", Source(FEDERATION, ("network", "sites"))),
    ("ETCD_ENDPOINTS=", Source(FEDERATION, ("sites",))),
    ("IP=", Source(FEDERATION, ("sites",))),
    ("AS=", Source(FEDERATION, ("sites", "network"))),
    ("LISTEN=", Source(STACK_FILE, ("pool.submit_node", "pool.rest_port"))),
    ("TARGET=", Source(STACK_FILE, ("pool.number", "pool.submit_node"))),
)
# A machine's environment.
MACHINE_WORDS: tuple[tuple[str, Source], ...] = (
    ("AERIE_REGISTRY=", Source(FEDERATION, ("images.registry",))),
    ("AERIE_MTU=", Source(FEDERATION, ("network.mtu",))),
    ("AERIE_ROUTES=", Source(FEDERATION, ("network.lans", "sites"))),
)
# An app's properties, by how the path begins. {part} is the block of the role in the pool's file.
APP: tuple[tuple[str, Source], ...] = (
    ("app.instances", Source(STACK_FILE, ("pool.executors.count",))),
    ("app.cpus", Source(STACK_FILE, ("pool.{part}.cpus",))),
    ("app.mem", Source(STACK_FILE, ("pool.{part}.memory",))),
    ("app.disk", Source(STACK_FILE, ("pool.{part}.disk",))),
    ("app.constraints", Source(STACK_FILE, ("pool.sites", "pool.submit_node.site", "pool.{part}"))),
    ("app.taskKillGracePeriodSeconds", Source(STACK_FILE, ("pool.{part}",))),
    ("app.container.docker.parameters", Source(STACK_FILE, ("pool.number", "pool.{part}", "pool.sites"))),
    ("app.networks", Source(STACK_FILE, ("pool",))),
    ("env", Source(STACK_FILE, ("pool",))),
    ("urls", Source(FEDERATION, ("sites",))),
)
PARTS = {
    "executors": "executors",
    "submit-node": "submit_node",
    "central-manager": "central_manager",
    "framework": "framework",
}
# By property, whatever the resource is.
PROPERTIES: tuple[tuple[str, Source], ...] = (
    ("flavorName", Source(STACK_FILE, ("openstack", "agent_groups", "machine"))),
    ("availabilityZone", Source(STACK_FILE, ("openstack", "agent_groups"))),
    ("policy", Source(STACK_FILE, ("pool.executors", "pool.share"))),
    ("destroy_with_jobs", Source(STACK_FILE, ("pool.destroy_with_jobs",))),
    ("weight", Source(STACK_FILE, ("pool.share.weight",))),
    ("guarantee", Source(STACK_FILE, ("pool.share",))),
    ("limit", Source(STACK_FILE, ("pool.share",))),
    ("networksAdvanced", Source(FEDERATION, ("sites", "embedded.wan"))),
    ("ipamConfigs", Source(FEDERATION, ("sites", "embedded.wan"))),
    ("masters", Source(FEDERATION, ("sites",))),
    ("addresses", Source(FEDERATION, ("sites",))),
    ("common_name", Source(FEDERATION, ("name",))),
)

# What a service's files say, where no certificate or password of the stack's own is new.
FILES = {
    "calico": Source(FEDERATION, ("network", "sites")),
    "zookeeper": Source(FEDERATION, ("sites",)),
}
POOL_IDENTITIES = ("pool-key", "submit-key", "ssh-host-key", "rest-password", "rest-certificate")

_IMAGE = re.compile(r"/aerie/([a-z0-9-]+):[0-9a-f]{6,}")


def words(text: str) -> list[str]:
    """The words of a script, lines and blanks alike; an image's tag is a word of its own."""
    return text.split()


def new_words(diff: Diff) -> list[str]:
    """The words on either side that the other has not."""
    old, new = words(diff.old or ""), words(diff.new or "")
    return [w for w in new if w not in set(old)] + [w for w in old if w not in set(new)]


def images_in(diff: Diff) -> list[str]:
    """The images whose reference differs, by name."""
    return sorted({m[1] for w in new_words(diff) for m in [_IMAGE.search(w)] if m})


def _by_words(diff: Diff, table: tuple[tuple[str, Source], ...]) -> Iterator[Source]:
    for image in images_in(diff):
        yield Source(f"images/{image}/")
    for word in new_words(diff):
        if _IMAGE.search(word):
            continue
        # `-e` and the like stand before; the value may have blanks, of which only the first word has the name.
        found = next((source for start, source in table if word.lstrip("'\"").startswith(start)), None)
        if found:
            yield found


def _of_app(diff: Diff, part: str) -> Iterator[Source]:
    if diff.path == "app.container.docker.image":
        yield from _by_words(diff, ())
        return
    for start, source in APP:
        if diff.path.startswith(start):
            yield Source(source.file, tuple(k.format(part=PARTS.get(part, part)) for k in source.keys))
            return


def _rotated(change: Change) -> str:
    """The key that renews an identity."""
    own = change.name.removeprefix(f"{change.stack}-")
    return f"pool.rotate.{own}" if own in POOL_IDENTITIES and own != change.name else f"rotate.{change.name}"


def sources_of(change: Change) -> tuple[Source, ...]:
    """Where the properties that differ come from, as far as the tables know; each file with its keys once."""
    thing, out = thing_of(change), list[Source]()
    for diff in change.diffs:
        if thing.role == "app":
            out += _of_app(diff, thing.part)
        elif diff.path.startswith(("create", "delete", "update")) and change.type.startswith("command:"):
            out += _by_words(diff, WORDS)
        elif diff.path.startswith("envs"):
            out += _by_words(diff, MACHINE_WORDS)
        elif diff.path == "name" and change.kind == "RemoteImage":
            out += [Source(f"images/{m[1]}/") for m in [_IMAGE.search(diff.new or "")] if m]
        elif diff.path == "generation":
            out.append(Source(STACK_FILE, (_rotated(change),)))
        elif diff.path == "stdin" and thing.role == "service" and not change.because and thing.part in FILES:
            out.append(FILES[thing.part])
        elif diff.path == "stdin" and thing.role == "peer":
            out.append(Source(FEDERATION, ("network.vpn_mtu", "sites")))
        elif diff.path == "stdin" and thing.role == "network-policy":
            out.append(Source(STACK_FILE, ("pool",)))
        else:
            out += [source for start, source in PROPERTIES if diff.path.split(".")[0].split("[")[0] == start]
    merged: dict[str, list[str]] = {}
    for source in out:
        keys = merged.setdefault(source.file.format(stack=change.stack), [])
        keys += [k for k in source.keys if k not in keys]
    return tuple(Source(file, tuple(keys)) for file, keys in merged.items())
