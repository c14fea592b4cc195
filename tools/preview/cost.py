"""What a change costs, in plain words. Pure: the change, what the farm is, and (if somebody counted) what runs there now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .kinds import FRONT_END, QUORUM, Thing, site_of, thing_of
from .model import Change, Op
from .words import plural

NAMES = {"etcd": "etcd", "zookeeper": "ZooKeeper", "mesos-master": "Mesos master", "marathon": "Marathon"}


@dataclass(frozen=True)
class Farm:
    """`quorum` are the sites with a member, `sites` all; `running` are pools with their running jobs, if counted."""

    sites: tuple[str, ...] = ()
    quorum: tuple[str, ...] = ()
    running: Mapping[str, int] = field(default_factory=dict)

    @property
    def majority(self) -> int:
        return len(self.quorum) // 2 + 1


def meanwhile(farm: Farm, away: int = 1) -> str:
    """What is left of a quorum while `away` members are."""
    members = len(farm.quorum)
    left = members - away
    if left >= farm.majority:
        return f"quorum stays at {left} of {members} meanwhile"
    return f"quorum is lost meanwhile: {left} of {members} left, {farm.majority} needed"


def member(change: Change, farm: Farm) -> str:
    """The part of the quorums that the change takes down for a while: etcd, ..., or `machine` for all of them; "" for none."""
    if change.op == "create" or change.stack not in farm.quorum:
        return ""
    thing = thing_of(change)
    if thing.role == "service" and thing.part in QUORUM and restarts(change):
        return thing.part
    return (
        "machine"
        if thing.role == "machine" and thing.on == f"{change.stack}{FRONT_END}" and change.op != "update"
        else ""
    )


def restarts(change: Change) -> bool:
    """Whether a service's container is made anew: any changed input of its command does, the way there too."""
    return change.op in ("update", "replace", "delete")


def _jobs(farm: Farm, pool: str) -> str:
    number = farm.running.get(pool)
    return plural(number, "running job") if number is not None else "the running jobs"


def _service(op: Op, thing: Thing, site: str, farm: Farm) -> list[str]:
    part = thing.part
    if op == "delete":
        return [f"the {NAMES.get(part, part)} of {site} is gone for good"] + (
            [
                f"its quorum has {len(farm.quorum) - 1} of {len(farm.quorum)} left"
                if site in farm.quorum
                else "its quorum is one member less"
            ]
            if part in ("etcd", "zookeeper", "mesos-master")
            else []
        )
    if part in ("etcd", "zookeeper", "mesos-master"):
        extra = ", and another master may lead" if part == "mesos-master" else ""
        return [f"restarts the {NAMES[part]} member of {site}: {meanwhile(farm)}{extra}"]
    return {
        "marathon": [f"restarts the Marathon of {site}: another one leads meanwhile, apps run on"]
        if len(farm.quorum) > 1
        else ["restarts the only Marathon: nothing is started meanwhile, apps run on"],
        "calico": ["traffic goes on; new containers wait for it some seconds"],
        "mesos-agent": ["tasks and their jobs go on; the agent comes back under its old id"],
        "vpn": [f"the tunnels of {site} are cut for some seconds; connections outlive that"],
    }.get(part, [f"restarts {part}"])


def _machine(op: Op, thing: Thing, site: str, farm: Farm) -> list[str]:
    front = thing.on.endswith(FRONT_END)
    if op == "create":
        return ["others are not touched"]
    if op == "update":
        return ["the machine stays; what is on it runs on"]
    out = ["it is drained first: its jobs run to their end (`aerie:drain_timeout` bounds the wait)"]
    if op == "delete":
        out.append("its volumes go with it, and what containers keep there")
    if front:
        out.append(
            f"{site} is cut off from the other sites until it is back"
            if op == "replace"
            else f"{site} is cut off for good"
        )
    if front and site in farm.quorum:
        left = len(farm.quorum) - 1
        out.append(
            f"replaces the etcd, ZooKeeper and Mesos members of {site}: {meanwhile(farm)}"
            if op == "replace"
            else f"the quorums have {left} of {len(farm.quorum)} members left, {farm.majority} are needed"
        )
    return out


def _app(change: Change, thing: Thing, farm: Farm) -> list[str]:
    pool, part = thing.on, thing.part
    paths = {d.path for d in change.diffs}
    if change.op == "create":
        return []
    quiet = (
        "app.upgradeStrategy",
        "app.unreachableStrategy",
        "app.killSelection",
        "app.backoff",
        "app.maxLaunchDelay",
        "urls",
        "user",
        "password",
        "ca",
    )
    moving = {p for p in paths if not p.startswith(quiet)}
    if change.op == "update" and moving <= {"app.instances"}:
        if not moving:
            return ["no container is made anew"]
        diff = next(d for d in change.diffs if d.path == "app.instances")
        more = int(diff.new or 0) - int(diff.old or 0)
        if more > 0:
            return [f"starts {plural(more, 'executor')}; the others run on"]
        return [f"ends {plural(-more, 'executor')}, the youngest first: jobs there start again elsewhere"]
    end = "ends" if change.op == "delete" else "makes anew"
    if part == "executors":
        return [
            f"{end} the executors{'' if change.op == 'delete' else ', half of them at a time'}: stops {_jobs(farm, pool)} of {pool}, which start again"
        ]
    if part == "submit-node":
        return [
            f"{end} the submit node: logins end, the queue and the homes stay; {_jobs(farm, pool)} of {pool} are found again"
        ]
    if part == "central-manager":
        return [f"{end} the central manager: jobs run on, none is matched for some seconds"]
    return [f"{end} the framework: jobs run on, executors neither come nor go meanwhile"]


# What follows in other stacks once the federation's has new identities: only a preview after its `up` shows it.
FOLLOWS: tuple[tuple[str, str], ...] = (
    (
        "ca",
        "every certificate is made anew, and with it etcd, Mesos, Marathon and Calico are restarted on every machine, then the pools' apps",
    ),
    ("calico", "restarts `calico` on every machine"),
    ("mesos-agent", "restarts `mesos-master` and `mesos-agent` on every machine"),
    ("mesos-operator", "restarts `mesos-master` and `mesos-agent` on every machine"),
    ("mesos-marathon", "restarts `mesos-master` and `marathon` at every site of the quorum"),
    (
        "marathon-admin",
        "restarts `marathon` at every site of the quorum; the pools' apps are only told the new password",
    ),
    ("zookeeper-mesos", "restarts Mesos masters, agents and Marathon everywhere"),
    ("zookeeper-marathon", "restarts `marathon` at every site of the quorum"),
    ("pools", "restarts Mesos masters; pools by a framework get new passwords"),
    (
        "ssh-",
        "the machines of that site are made anew, each drained first, since their key is told them at their start",
    ),
    (
        "wireguard-",
        "restarts the VPN of that site and renews its peer at every other: its tunnels are down until both ends have it",
    ),
)


def _identity(change: Change, thing: Thing) -> list[str]:
    if change.op == "create":
        return []
    if change.op == "delete":
        return ["it is forgotten"]
    if change.stack != "federation":
        what = {
            "SshKey": "its host key is another one: known_hosts of those who log in no longer fit",
            "SigningKey": "all tokens that it signed are made anew, and with them the pool's containers",
        }.get(thing.part, "what uses it is told the new one (see the other lines)")
        return [what]
    follows = next(
        (
            text
            for name, text in FOLLOWS
            if change.name == name or (name.endswith("-") and change.name.startswith(name))
        ),
        "",
    )
    return [f"**not in this preview**: once the federation is applied, {follows}"] if follows else []


def costs(change: Change, farm: Farm) -> tuple[str, ...]:
    """What the change costs, a sentence each; nothing if there is nothing to say."""
    thing, op = thing_of(change), change.op
    site = site_of(thing.on, farm.sites) or (change.stack if change.stack in farm.sites else "")
    if op == "create" and thing.role not in ("machine", "peer"):
        return ()
    if thing.role == "service":
        return tuple(_service(op, thing, site, farm))
    if thing.role == "machine":
        return tuple(_machine(op, thing, site, farm))
    if thing.role == "app":
        return tuple(_app(change, thing, farm))
    if thing.role == "identity":
        return tuple(_identity(change, thing))
    if thing.role == "guard" and op == "delete":
        jobs = farm.running.get(thing.on)
        now = f": it has {plural(jobs, 'running job')} now" if jobs else ""
        return (f"refused while it has jobs{now}",)
    if thing.role == "framework" and op == "delete":
        return ("refused while it has jobs",)
    if thing.role == "volume" and op in ("delete", "replace"):
        return ("**what is on the volume is lost**",)
    if thing.role == "forwarder":
        return ("logins in progress end",) if thing.part == "login" else ("the REST is away for a moment",)
    if thing.role == "peer":
        return (
            ("one more tunnel; the others go on",)
            if op == "create"
            else (f"the tunnel to {thing.part} is made anew" if op != "delete" else f"the tunnel to {thing.part} ends",)
        )
    if thing.role == "network-policy":
        return ("connections that the new rules refuse are cut",)
    if thing.role == "framework":
        return ("changed in place, no container is made anew",)
    if thing.role == "network" and op in ("delete", "replace"):
        return ("everything attached to the network goes with it",)
    if thing.role == "drain" and op == "update":
        return ("the machine goes on: only what it is told at its end is renewed",)
    return ()
