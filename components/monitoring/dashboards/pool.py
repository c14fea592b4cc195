"""One HTCondor pool."""

from __future__ import annotations

from .model import PER_MINUTE, Board, Panel, Section
from .names import POOL, Names, Series, part, waiting

STATES = ("idle", "running", "held")
DAEMONS = ("schedds", "collectors", "negotiators")
C = "condor.<pool>"


def pool(federation: str, name: str) -> Board:
    """The queue by user, the slots, executors and what they use, negotiation, priorities, daemons."""
    return _board(federation, name, part(name))


def any_pool(federation: str) -> Board:
    """The same of a pool that is chosen where it is shown: POOL stands for its name."""
    return _board(federation, "any", POOL)


def _board(federation: str, name: str, at: str) -> Board:
    n = Names(federation, {"pool": at})
    return Board(
        f"pool-{name}",
        federation,
        f"{federation}: pool {name}",
        f"The HTCondor pool {name}: jobs, slots, executors, negotiation, priorities.",
        (
            Section("Jobs", _jobs(n)),
            Section("Slots", _slots(n)),
            Section("Executors and the pool's containers", _containers(n)),
            Section("Negotiation", _negotiation(n)),
            Section("Priorities", _priorities(n)),
            Section("Daemons", _daemons(n)),
        ),
    )


def _jobs(n: Names) -> tuple[Panel, ...]:
    def total(state: str, what: str, label: str = "") -> Series:
        return n.one(f"{C}.jobs.totals.{state}.totals.{what}", label or state, "max")

    def by_user(state: str) -> Panel:
        users = f"{C}.jobs.users.<user>.<state>.totals.count"
        return Panel(f"Jobs by user: {state}", (n.sums(users, ("user",), state=state),), stacked=True)

    started = (
        n.sums(f"{C}.schedds.<name>.JobsStarted", ("name",), rate=60, label="started"),
        n.sums(f"{C}.schedds.<name>.JobsCompleted", ("name",), rate=60, label="ended"),
    )
    schedd = [("TotalIdleJobs", "idle"), ("TotalRunningJobs", "running"), ("TotalHeldJobs", "held"), ("ShadowsRunning", "shadows")]  # fmt: skip
    return (
        *(Panel(f"Jobs now: {s}", (total(s, "count"),), "stat", 4, 4) for s in STATES),
        *(Panel(f"Longest so: {s}", (total(s, "oldest"),), "stat", 4, 4) for s in STATES),
        *(by_user(s) for s in STATES),
        Panel("Jobs in the queue", tuple(total(s, "count") for s in STATES), width=6),
        Panel("Why jobs wait", tuple(n.one(f"{C}.waiting.{why}", why.replace("_", " "), "max") for why in waiting()), stacked=True),
        Panel("Cores that running jobs asked for", (total("running", "cpu_request", "cores"),), width=6),
        Panel("Jobs started and ended", started, width=6, unit=PER_MINUTE),
        Panel("Jobs by the schedd", tuple(n.sums(f"{C}.schedds.<name>.{what}", ("name",), label=label) for what, label in schedd), width=6),
        Panel("Spool: in use", (n.one(f"{C}.spool.fill", "in use", "max"),), "stat", 6, 8, limits=(0.8, 0.9)),
        Panel("Spool", tuple(n.one(f"{C}.spool.{what}", what, "max") for what in ("free", "size"))),
        *(Panel(f"How long they are so: {s}", (n.sums(f"{C}.jobs.totals.<state>.totals.<count_age>", ("count_age",), state=s, count_age="count_*"),), stacked=True) for s in STATES),
    )  # fmt: skip


def _slots(n: Names) -> tuple[Panel, ...]:
    state, kind = f"{C}.slots.<type>.<state>", f"{C}.slots.<type>"
    part_ = f"{C}.slots.Partitionable.totals"
    claimed = f"{kind}.Claimed.<group>.<user>"
    what = ("type", "state")

    def of_kinds(title: str, name: str, whole: str) -> Panel:
        left = n.sums(f"{kind}.totals.{name}", ("type",))
        return Panel(title, (left, n.one(f"{part_}.{whole}", "all partitionable ones")), unit="mbytes" * (name == "Memory"))  # fmt: skip

    return (
        Panel("Slots by state", (n.sums(f"{state}.NumSlots", what),), stacked=True),
        Panel("Cores claimed and unclaimed", tuple(n.sums(f"{state}.Cpus", what, state=s) for s in ("Claimed", "Unclaimed"))),
        Panel("Memory claimed and unclaimed", tuple(n.sums(f"{state}.Memory", what, state=s) for s in ("Claimed", "Unclaimed")), unit="mbytes"),
        of_kinds("Cores by type of slot", "Cpus", "TotalSlotCpus"),
        of_kinds("Memory by type of slot", "Memory", "TotalSlotMemory"),
        Panel("Disk by type of slot", (n.sums(f"{kind}.totals.Disk", ("type",)),), unit="kbytes"),
        Panel("Slots by user", (n.sums(f"{claimed}.NumSlots", ("user",)),), stacked=True),
        Panel("Cores by user", (n.sums(f"{claimed}.Cpus", ("user",)),), stacked=True),
        Panel("Memory by user", (n.sums(f"{claimed}.Memory", ("user",)),), stacked=True, unit="mbytes"),
    )  # fmt: skip


def _containers(n: Names) -> tuple[Panel, ...]:
    role, by = "pools.<pool>.<role>", ("role",)
    moves = tuple(n.one(f"{C}.executors.{what}_total", what, rate=60) for what in ("joined", "left"))

    def both(what: str) -> tuple[Series, ...]:
        return tuple(n.sums(f"{role}.{what}.{each}", by, label=each) for each in ("used", "limit"))

    executors = n.sums(f"{role}.containers", ("site",), role="executor")
    return (
        Panel("Executors in the pool", (n.one(f"{C}.executors.count", "executors", "max"),)),
        Panel("Executors that came and went", moves, unit=PER_MINUTE),
        Panel("Executors by site", (executors,), stacked=True),
        Panel("Containers by role", (n.sums(f"{role}.containers", by),)),
        Panel("Cores by role", both("cpus")),
        Panel("Memory by role", both("memory")),
    )


def _negotiation(n: Names) -> tuple[Panel, ...]:
    def of(*rows: tuple[str, str]) -> tuple[Series, ...]:
        last = f"{C}.negotiators.<name>.LastNegotiationCycle"
        return tuple(n.each(f"{last}{what}0", ("name",), label=label) for what, label in rows)

    return (
        Panel("Negotiation time", of(("Duration", "took"), ("Period", "after the one before"))),
        Panel("Matches and rejections", of(("Matches", "matches"), ("Rejections", "rejections"))),
        Panel("What the negotiator saw", of(("NumIdleJobs", "idle jobs"), ("CandidateSlots", "slots to give"))),
    )


def _priorities(n: Names) -> tuple[Panel, ...]:
    def of(title: str, what: str, kind: str = "graph", unit: str = "") -> Panel:
        series = (n.sums(f"{C}.priorities.<domain>.<group>.<user>.{what}", ("group", "user")),)
        return Panel(title, series, "table" if kind == "table" else "graph", 6, unit=unit)

    return (
        of("Priorities (the less the better)", "Priority"),
        of("Factors of priorities", "PriorityFactor", "table"),
        of("Slots in use", "ResourcesUsed"),
        of("Cores in use by accounting", "WeightedResourcesUsed"),
        of("Use since the first", "AccumulatedUsage", "table", "s"),
        of("Use of cores since the first", "WeightedAccumulatedUsage", "table", "s"),
    )


def _daemons(n: Names) -> tuple[Panel, ...]:
    def of(title: str, what: str, limits: tuple[float, float] | None = None) -> Panel:
        series = tuple(n.each(f"{C}.{kind}.<name>.{what}", ("name",), label=kind[:-1]) for kind in DAEMONS)
        return Panel(title, series, "table" if limits else "graph", 6, limits=limits)

    return (
        of("Duty cycles", "RecentDaemonCoreDutyCycle"),
        of("Duty cycles now", "RecentDaemonCoreDutyCycle", (0.8, 0.95)),
        of("CPU of the daemons", "MonitorSelfCPUUsage"),
        of("Memory of the daemons", "MonitorSelfResidentSetSize"),
    )
