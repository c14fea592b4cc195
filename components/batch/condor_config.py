"""HTCondor configuration of each role, as text. Pure: a pool's description in, the content of one config.d
file out.

No name is ever resolved: daemons are named after their addresses (NO_DNS), since containers cannot look up
each other."""

from __future__ import annotations

from dataclasses import dataclass

from .tokens import FRAMEWORK_IDENTITY, ROLE_IDENTITY, SUBMIT_KEY
from .types import PoolRole, PoolSpec

# What the daemons of an executor take of its memory (MiB): master, startd and shared port, and a starter for
# each job.
EXECUTOR_OVERHEAD, STARTER_OVERHEAD = 72, 12
# A job may run this long before a drain or a stop takes it away (seconds): for ever, within reason.
# Preemption: never.
RETIREMENT = 10 * 365 * 86400
PORT = 9618  # HTCondor's shared port, in every container
# Seconds. Several central managers: how long one waits for another's answer. A leader says that it lives every
# HAD_TIMEOUT * 2 * managers + 1 seconds; unheard twice in a row it is replaced, at the third time at the latest.
HAD_TIMEOUT = 1
# Several collectors. Whoever asks one that is gone waits for the first (seconds; HTCondor's own are 60), a schedd's whole
# work with it; then it leaves that one alone for a hundred times as long, at the most the second (3600). Nor is one that
# comes back told of anything meanwhile.
COLLECTOR_GONE = ["QUERY_TIMEOUT = 5", "DEAD_COLLECTOR_MAX_AVOIDANCE_TIME = 60"]
# Seconds between two copies of the users' priorities: what a fail-over may forget.
REPLICATION_INTERVAL = 30


def overhead() -> dict[str, int]:
    """What an executor's container needs beyond its jobs' memory (MiB): `base`, and `per_core` for each core."""
    return {"base": EXECUTOR_OVERHEAD, "per_core": STARTER_OVERHEAD}


@dataclass(frozen=True)
class Timers:
    """Seconds. `update`: how often a daemon sends its ad; `lifetime`: how long the collector believes it."""

    update: int
    lifetime: int
    negotiate: int
    schedd: int
    alive: int


def timers(slots: int) -> Timers:
    """By the size of the pool: the collector is to get a few ads a second at most, small pools are to be
    quick."""
    if slots < 1000:
        return Timers(update=20, lifetime=40, negotiate=5, schedd=20, alive=15)
    if slots < 10000:
        return Timers(update=60, lifetime=180, negotiate=20, schedd=60, alive=60)
    return Timers(update=300, lifetime=900, negotiate=60, schedd=300, alive=300)


def _section(title: str, lines: list[str]) -> str:
    return "\n".join([f"# {title}", *lines]) + "\n"


def collectors(spec: PoolSpec) -> list[str]:
    """address:port of each collector."""
    return [f"{manager.address}:{PORT}" for manager in spec.central_managers]


def _pool(spec: PoolSpec) -> list[str]:
    several = len(spec.central_managers) > 1
    return [
        f"CONDOR_HOST = {', '.join(manager.address for manager in spec.central_managers)}",
        f"COLLECTOR_HOST = {', '.join(collectors(spec)) if several else f'$(CONDOR_HOST):{PORT}'}",
        *(COLLECTOR_GONE if several else []),
        f"COLLECTOR_NAME = {spec.name}",
        "USE_SHARED_PORT = True",
        f"SHARED_PORT_PORT = {PORT}",
        f"UID_DOMAIN = {spec.domain}",
        f"TRUST_DOMAIN = {spec.domain}",
        f"DEFAULT_DOMAIN_NAME = {spec.domain}",
        "NO_DNS = True",
        "TRUST_UID_DOMAIN = True",
        "FILESYSTEM_DOMAIN = $(FULL_HOSTNAME)",
    ]


def _security(spec: PoolSpec, role: PoolRole) -> list[str]:
    """Who may do what, by identity.

    Root and the user condor of the same container are `condor` (by FS); nobody holds a token of that name.
    `condor@family` is what the daemons below one master are to each other. A claim makes a session of its own
    between schedd and executor, and the collector hands administrators a session of each daemon's making;
    neither asks for these lists."""
    users = [user.name for user in spec.users]
    admins = ["condor", "admin", *(user.name for user in spec.users if user.admin)]
    own = ROLE_IDENTITY[role]
    family = "condor@family/*, condor@child/*, condor@parent/*"

    def allow(level: str, *names: str) -> str:
        return f"ALLOW_{level} = {', '.join(f'{name}@{spec.domain}/*' for name in names)}, {family}"

    collector = role is PoolRole.CENTRAL_MANAGER
    submit = role is PoolRole.SUBMIT
    # The framework asks collector and schedd, and drains executors by way of the collector; while there is none, by themselves:
    # each knows it by a key of its own, which opens nothing else.
    framework = [FRAMEWORK_IDENTITY] if spec.via == "framework" else []
    return [
        "SEC_DEFAULT_AUTHENTICATION = REQUIRED",
        "SEC_DEFAULT_ENCRYPTION = REQUIRED",
        "SEC_DEFAULT_INTEGRITY = REQUIRED",
        "SEC_DEFAULT_AUTHENTICATION_METHODS = FS, IDTOKENS",
        "SEC_DEFAULT_CRYPTO_METHODS = AES",
        "SEC_ENABLE_MATCH_PASSWORD_AUTHENTICATION = True",
        "SEC_TOKEN_SYSTEM_DIRECTORY = /etc/condor/tokens.d",
        "SEC_PASSWORD_DIRECTORY = /etc/condor/passwords.d",
        "SEC_TOKEN_POOL_SIGNING_KEY_FILE = /etc/condor/passwords.d/POOL",
        *([f"SEC_TOKEN_ISSUER_KEY = {SUBMIT_KEY}"] if submit else []),
        allow("READ", "condor", "admin", *ROLE_IDENTITY.values(), *users, *framework),
        allow("WRITE", "condor", "admin", *(users if submit else [])),
        allow("DAEMON", "condor", own),
        allow("ADMINISTRATOR", *admins, *([] if submit else framework)),
        allow("NEGOTIATOR", "condor", ROLE_IDENTITY[PoolRole.CENTRAL_MANAGER]),
        allow("ADVERTISE_MASTER", "condor", *(ROLE_IDENTITY.values() if collector else [])),
        allow("ADVERTISE_STARTD", "condor", *([ROLE_IDENTITY[PoolRole.EXECUTOR]] if collector else [])),
        allow("ADVERTISE_SCHEDD", "condor", *([ROLE_IDENTITY[PoolRole.SUBMIT]] if collector else [])),
        "ALLOW_CONFIG =",
        "ENABLE_RUNTIME_CONFIG = False",
        "ENABLE_PERSISTENT_CONFIG = False",
    ]


def _container(spec: PoolSpec) -> list[str]:
    clock = timers(spec.slots)
    return [
        # Containers have neither the right nor the need to tune the kernel, to own a keyring or a control
        # group.
        "DISCARD_SESSION_KEYRING_ON_STARTUP = False",
        "ENABLE_KERNEL_TUNING = False",
        # Without condor_procd the startd's own bookkeeping of processes crashes it (23.9.6, KillFamily::takesnapshot).
        "USE_PROCD = True",
        "BASE_CGROUP =",
        "CREATE_CORE_FILES = False",
        "CONDOR_ADMIN =",
        "MAIL =",
        "CCB_ADDRESS =",
        f"UPDATE_INTERVAL = {clock.update}",
        f"MASTER_UPDATE_INTERVAL = {clock.update}",
        f"AERIE_AD_MAX_AGE = {3 * clock.update}",
        "TCP_KEEPALIVE_INTERVAL = 10",
        "MAX_DEFAULT_LOG = 1 Mb",
        "MAX_NUM_DEFAULT_LOG = 1",
    ]


def _central_manager(spec: PoolSpec) -> list[str]:
    clock = timers(spec.slots)
    lines = [
        "DAEMON_LIST = MASTER, COLLECTOR, NEGOTIATOR",
        "SPOOL = /var/lib/condor/spool",
        f"NEGOTIATOR_INTERVAL = {clock.negotiate}",
        "NEGOTIATOR_MIN_INTERVAL = 1",
        "NEGOTIATOR_CYCLE_DELAY = 1",
        f"NEGOTIATOR_UPDATE_INTERVAL = {clock.update}",
        f"COLLECTOR_UPDATE_INTERVAL = {clock.update}",
        f"CLASSAD_LIFETIME = {clock.lifetime}",
        # A job that runs is never taken away for another.
        "NEGOTIATOR_CONSIDER_PREEMPTION = False",
    ]
    if len(spec.central_managers) > 1:
        lines += _high_availability(spec)
    groups = spec.accounting.groups
    if groups:
        lines.append(f"GROUP_NAMES = {', '.join(sorted(groups))}")
        for name in sorted(groups):
            quota = groups[name]
            kind = "GROUP_QUOTA_DYNAMIC" if quota <= 1 else "GROUP_QUOTA"
            lines.append(f"{kind}_{name} = {quota:g}")
        lines.append(f"GROUP_ACCEPT_SURPLUS = {spec.accounting.accept_surplus}")
    return lines


def _high_availability(spec: PoolSpec) -> list[str]:
    """All collectors work all the time; HAD decides where the one negotiator does, and REPLICATION copies its log of
    the users' priorities to the others. A central manager that comes back takes nothing away from the leader."""
    everyone = ", ".join(collectors(spec))
    return [
        "DAEMON_LIST = MASTER, COLLECTOR, HAD, REPLICATION, NEGOTIATOR",
        "MASTER_NEGOTIATOR_CONTROLLER = HAD",
        "HAD_USE_SHARED_PORT = True",
        "REPLICATION_USE_SHARED_PORT = True",
        f"HAD_LIST = {everyone}",
        f"REPLICATION_LIST = {everyone}",
        "HAD_USE_PRIMARY = False",
        "HAD_USE_REPLICATION = True",
        f"HAD_CONNECTION_TIMEOUT = {HAD_TIMEOUT}",
        f"REPLICATION_INTERVAL = {REPLICATION_INTERVAL}",
        f"HAD_UPDATE_INTERVAL = {timers(spec.slots).update}",
        f"REPLICATION_UPDATE_INTERVAL = {timers(spec.slots).update}",
        # A collector tells of itself in a way that blocks it, 20 s for each of the others that is gone.
        f"COLLECTOR.COLLECTOR_HOST = $(NETWORK_INTERFACE):{PORT}",
        # Only that the negotiator asks the collector beside it first; by itself it takes any.
        "NEGOTIATOR.HAD_USE_PRIMARY = True",
        "DEAD_COLLECTOR_MAX_AVOIDANCE_TIME = 20",
    ]


def _submit(spec: PoolSpec) -> list[str]:
    clock = timers(spec.slots)
    return [
        "DAEMON_LIST = MASTER, SCHEDD",
        "SPOOL = /var/spool/condor/queue",
        f"SCHEDD_INTERVAL = {clock.schedd}",
        "SCHEDD_MIN_INTERVAL = 1",
        f"ALIVE_INTERVAL = {clock.alive}",
        # A lost executor costs the lease and 30 to 80 s of vain connections, each of 20 s; a shorter lease would save little
        # of that, and jobs would outlive a shorter absence of the submit node only.
        f"JOB_DEFAULT_LEASE_DURATION = {spec.job_lease}",
        # Given back soon, so that an idle executor can be taken away.
        "CLAIM_WORKLIFE = 600",
        "SHADOW_QUEUE_UPDATE_INTERVAL = 60",
        # Without these a job that names no need would ask for what its last run took.
        "JOB_DEFAULT_REQUESTCPUS = 1",
        "JOB_DEFAULT_REQUESTMEMORY = 128",
        "JOB_DEFAULT_REQUESTDISK = 102400",
        # Executors share no directory with the submit node.
        "SUBMIT_DEFAULT_SHOULD_TRANSFER_FILES = YES",
    ]


def _size(spec: PoolSpec) -> list[str]:
    """What an executor offers, and cut into which slots. The machine shows it the whole host; what it may use is what
    its container was given. A framework's executors are of all sizes: theirs is in AERIE_SLOT_* (60-runtime.config), so that
    it changes no configuration."""
    executors = spec.executors
    cores: int | str = max(1, int(executors.cpus))
    if spec.via == "framework":
        lines, cores = [], "$(NUM_CPUS)"
    else:
        memory = max(32, executors.memory - EXECUTOR_OVERHEAD - STARTER_OVERHEAD * int(cores))
        lines = [f"NUM_CPUS = {cores}", f"MEMORY = {memory}"]
    if executors.elastic:
        lines.append(f"AERIE_ORPHAN_TIMEOUT = {executors.elastic.orphan_timeout}")
    if executors.slots == "partitionable":
        return [
            *lines,
            "NUM_SLOTS_TYPE_1 = 1",
            "SLOT_TYPE_1 = 100%",
            "SLOT_TYPE_1_PARTITIONABLE = True",
            "NUM_SLOTS = 1",
        ]
    return [*lines, f"NUM_SLOTS_TYPE_1 = {cores}", f"SLOT_TYPE_1 = 1/{cores}", f"NUM_SLOTS = {cores}"]


def _executor(spec: PoolSpec) -> list[str]:
    executors = spec.executors
    inherited = sorted(spec.container(PoolRole.EXECUTOR).environment)
    return [
        "DAEMON_LIST = MASTER, STARTD",
        # Its name behind the shared port: who has its address only can reach it.
        *(["STARTD_ARGS = -sock startd"] if spec.via == "framework" else []),
        "EXECUTE = /var/lib/condor/execute",
        *_size(spec),
        "START = True",
        "SUSPEND = False",
        "PREEMPT = False",
        "KILL = False",
        "WANT_SUSPEND = False",
        "WANT_VACATE = True",
        # A drain waits for running jobs; only the end of the container's grace takes them away.
        f"MAXJOBRETIREMENTTIME = {RETIREMENT}",
        f"SHUTDOWN_GRACEFUL_TIMEOUT = {max(5, executors.grace - 5)}",
        "POLLING_INTERVAL = 5",
        "STARTER_UPDATE_INTERVAL = 60",
        "RUNBENCHMARKS = False",
        "STARTD_HAS_BAD_UTMP = True",
        "STARTD_DETECT_GPUS =",
        "ENABLE_URL_TRANSFERS = False",
        "JAVA =",
        "DOCKER =",
        "SINGULARITY =",
        'AerieSite = "$(AERIE_SITE)"',
        'AerieNode = "$(AERIE_NODE)"',
        "STARTD_ATTRS = $(STARTD_ATTRS) AerieSite AerieNode",
        *([f"JOB_INHERITS_STARTER_ENVIRONMENT = {', '.join(inherited)}"] if inherited else []),
    ]


def condor_config(spec: PoolSpec, role: PoolRole) -> str:
    """The text of /etc/condor/config.d/50-aerie.config for a container of this role."""
    own = {
        PoolRole.CENTRAL_MANAGER: _central_manager,
        PoolRole.SUBMIT: _submit,
        PoolRole.EXECUTOR: _executor,
    }[role](spec)
    parts = [
        _section(f"Pool {spec.name}", _pool(spec)),
        _section("Security", _security(spec, role)),
        _section("In a container", _container(spec)),
        _section(str(role).replace("-", " ").capitalize(), own),
    ]
    if spec.condor_config:
        parts.append(_section("The administrator's own lines", list(spec.condor_config)))
    if lines := spec.container(role).condor_config:
        parts.append(_section("The administrator's own lines for this role", list(lines)))
    return "\n".join(parts)


def framework_config(spec: PoolSpec) -> str:
    """Of the framework's container, which runs no daemon: how its queries and commands reach the pool. Its tokens are
    in /root/.condor/tokens.d (the Python bindings, as root) and /etc/condor/tokens.d (the tools)."""
    lines = [
        *_pool(spec),
        "SEC_CLIENT_AUTHENTICATION = REQUIRED",
        "SEC_CLIENT_ENCRYPTION = REQUIRED",
        "SEC_CLIENT_INTEGRITY = REQUIRED",
        # Nobody is found by his uid from here: the file system is no other container's.
        "SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS",
        "SEC_DEFAULT_CRYPTO_METHODS = AES",
        "SEC_TOKEN_SYSTEM_DIRECTORY = /etc/condor/tokens.d",
        "TCP_KEEPALIVE_INTERVAL = 10",
        "DISCARD_SESSION_KEYRING_ON_STARTUP = False",
        "CCB_ADDRESS =",
    ]
    return _section(f"Pool {spec.name}, as its framework sees it", lines)
