"""What is wrong, in view of the facts: one pure function a check, each says where, what, and what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.preflight import DISK_GB

from .facts import Facts, Finding, Machine

MEMORY_GB = 8  # README.md: what a federation on this one machine takes
HOME_GB = 1
MACHINE_DISK_GB = 3  # a machine that has less cannot pull the next image
MACHINE_MEMORY_MB = 256
CLOCK = 1.0  # seconds: etcd warns from here on; tokens and certificates that are just made are not yet valid
ENVIRONMENT = 'eval "$(tools/env)"'

Check = Callable[[Facts], Iterator[Finding]]


def docker(f: Facts) -> Iterator[Finding]:
    """The engine of this machine: images are built with it, and embedded machines are its containers."""
    if not f.here.docker:
        yield Finding(
            "docker",
            "this machine",
            f"no Docker engine answers ({f.here.docker_says})",
            "tools/setup.sh docker, or start it",
        )


def disk(f: Facts) -> Iterator[Finding]:
    here = f.here
    if here.disk_free_gb < DISK_GB and (here.embedded or here.docker):
        yield Finding(
            "disk",
            "this machine",
            f"{here.disk_free_gb:g} GB are free on {here.disk}, {DISK_GB} GB are needed",
            "docker system prune, make room, or move Docker's data",
        )
    if here.home_free_gb < HOME_GB:
        yield Finding(
            "disk",
            here.home,
            f"{here.home_free_gb:g} GB are free where the state is, {HOME_GB} GB are needed",
            "make room: an update whose state cannot be written leaves things that nobody knows of",
        )
    for m in f.machines:
        if m.disk_free_gb is not None and m.disk_free_gb < MACHINE_DISK_GB:
            yield Finding(
                "disk",
                m.name,
                f"{m.disk_free_gb:g} GB are free for Docker, {MACHINE_DISK_GB} GB are needed for the next image",
                f"aerie ssh {m.name} docker system prune -f, or a larger volume_size in Pulumi.{m.site}.yaml",
            )


def memory(f: Facts) -> Iterator[Finding]:
    if f.here.embedded and 0 < f.here.memory_gb < MEMORY_GB * 0.9:  # of what was bought some is the kernel's
        yield Finding(
            "memory",
            "this machine",
            f"it has {f.here.memory_gb:g} GB, a federation on one machine takes {MEMORY_GB} GB",
            "use a larger machine, or fewer agents and executors",
        )
    for m in f.machines:
        if m.memory_free_mb is not None and m.memory_free_mb < MACHINE_MEMORY_MB:
            yield Finding(
                "memory",
                m.name,
                f"{m.memory_free_mb} MB are free, less than {MACHINE_MEMORY_MB} MB: the kernel is about to end something",
                f"offer less to tasks: aerie:machine.memory in Pulumi.{m.site}.yaml; or a larger flavor",
            )


def commands(f: Facts) -> Iterator[Finding]:
    missing = [c for c in f.here.commands_missing if not (c == "docker" and f.here.docker)]
    if missing:
        yield Finding(
            "commands", "this machine", f"not on PATH: {', '.join(missing)}", f"tools/setup.sh, then {ENVIRONMENT}"
        )


def versions(f: Facts) -> Iterator[Finding]:
    """Of Pulumi, its plugins and the Python packages: by a wrong one, resources are made anew or the program fails half way."""
    here, oldest = f.here, f.wanted.pulumi_oldest
    if here.pulumi and _parts(here.pulumi) < _parts(oldest):
        yield Finding(
            "versions", "pulumi", f"{here.pulumi} is older than {oldest}", f"tools/setup.sh pulumi, then {ENVIRONMENT}"
        )
    if here.plugins_missing:
        yield Finding(
            "versions", "pulumi", f"plugins are missing: {', '.join(here.plugins_missing)}", "tools/setup.sh pulumi"
        )
    if here.packages:
        told = [
            f"{name} {there or 'is missing'}, not {wanted}" if there else f"{name} {wanted} is missing"
            for name, wanted, there in here.packages
        ]
        more = f", and {len(told) - 3} more" if len(told) > 3 else ""
        yield Finding(
            "versions", ".venv", f"not what requirements.txt says: {', '.join(told[:3])}{more}", "tools/setup.sh venv"
        )


def _parts(version: str) -> tuple[int, ...]:
    head = version.partition("-")[0].partition("+")[0]
    return tuple(int(p) for p in head.split(".") if p.isdigit())


def images(f: Facts) -> Iterator[Finding]:
    """Services that run another image than this checkout has: no fault, but what `up` will change."""
    by_site: dict[str, set[str]] = {}
    for m in f.machines:
        for image in m.images.values():
            name, _, tag = image.partition(":")
            if name in f.wanted.images and tag != f.wanted.images[name]:
                by_site.setdefault(m.site, set()).add(name)
    for site, names in by_site.items():
        what = f"runs other versions than this checkout has of: {', '.join(sorted(names))}"
        yield Finding("versions", site, what, f"aerie preview {site}, then aerie up {site}", bad=False)


def ports_here(f: Facts) -> Iterator[Finding]:
    if not f.here.docker:
        return  # who has a port cannot be told: it may be the federation's own registry
    for port in f.here.ports_taken:
        yield Finding(
            "ports", "this machine", f"{port} is taken by another program", "end it, or change images.registry"
        )


def ports_there(f: Facts) -> Iterator[Finding]:
    """Only of machines that let us in: what is down is told once."""
    down = {m.address for m in f.machines if not m.reached}
    for port in f.ports:
        if port.says and port.address.rpartition(":")[0] not in down:
            refused = "refused" in port.says
            mend = (
                "aerie status says what is down"
                if refused
                else "let it through the firewalls and security groups between here and there"
            )
            yield Finding("ports", port.address, f"{port.what} cannot be reached: {port.says}", mend)


def configuration(f: Facts) -> Iterator[Finding]:
    for problem in f.wanted.configuration:
        if not f.here.docker and "which this machine uses already" in problem:
            continue  # without Docker nobody tells that the network is the federation's own
        where, _, rest = problem.partition(": ")
        what, _, mend = rest.rpartition("; ")
        if where == "federation.yaml" and "file is missing" in what:
            mend += ", or: aerie init"
        yield Finding("configuration", where, what or rest, mend or "see docs/configuration.md")


def backend(f: Facts) -> Iterator[Finding]:
    if f.backend.says:
        url = f.backend.url or "PULUMI_BACKEND_URL"
        folder = url.startswith(("file:", "PULUMI"))
        mend = f"{ENVIRONMENT}; is AERIE_HOME the right folder, and mounted?" if folder else f"pulumi login {url}"
        yield Finding("backend", url, f"the state cannot be read: {f.backend.says}", mend)
    for stack, who, ended in f.backend.locks:
        if ended:
            yield Finding(
                "backend",
                stack,
                f"is locked by {who}, which has ended",
                f"aerie up {stack} frees it, or pulumi cancel {stack}",
            )
        else:
            yield Finding("backend", stack, f"is locked by {who}: somebody changes it", "wait for it", bad=False)


def passphrase(f: Facts) -> Iterator[Finding]:
    if f.backend.secrets:
        yield Finding(
            "passphrase",
            f.here.home,
            f"secrets of the state cannot be read: {f.backend.secrets}",
            "put the right passphrase into $AERIE_HOME/passphrase (from its backup); without it keys and passwords are lost",
        )


def secrets(f: Facts) -> Iterator[Finding]:
    for path in f.here.open_files:
        yield Finding("secrets", path, "others than its owner may read it", f"chmod go= {path}")


def credentials(f: Facts) -> Iterator[Finding]:
    for cloud in f.clouds:
        if cloud.credentials:
            for _, what, mend in cloud.problems:
                yield Finding("credentials", cloud.site, what, mend)


def quotas(f: Facts) -> Iterator[Finding]:
    """Names, sizes, MTU and quotas that do not fit a cloud."""
    for cloud in f.clouds:
        if not cloud.credentials:
            for where, what, mend in cloud.problems:
                yield Finding("cloud", where, what, mend)


def host_keys(f: Facts) -> Iterator[Finding]:
    for m in f.machines:
        if _host_key(m):
            yield Finding(
                "host keys",
                m.name,
                f"{m.address} shows another SSH host key than the state has: it is not the machine that was made, or was made anew by hand",
                f"pulumi refresh -s {m.site}, then aerie up {m.site}; if nobody changed it, ask who is between",
            )


def _host_key(m: Machine) -> bool:
    return not m.reached and "host key" in m.trouble.lower()


def machines(f: Facts) -> Iterator[Finding]:
    for m in f.machines:
        if not m.reached and not _host_key(m):
            denied = "denied" in m.trouble.lower()
            mend = (
                f"aerie up {m.site}: it gives the key anew"
                if denied
                else f"aerie status; is there a way to {m.address} from here?"
            )
            yield Finding("machines", m.name, f"does not let us in ({m.trouble})", mend)


def clocks(f: Facts) -> Iterator[Finding]:
    """Against this machine's. If most are off the same way, it is this machine's own that is wrong."""
    off = [m for m in f.machines if m.offset is not None and abs(m.offset) - m.unsure > CLOCK]
    told = [m for m in f.machines if m.offset is not None]
    if len(told) > 1 and len(off) == len(told) and len({(m.offset or 0) > 0 for m in off}) == 1:
        middle = sorted(m.offset or 0.0 for m in off)[len(off) // 2]
        yield Finding(
            "clocks",
            "this machine",
            f"its clock is {_span(-middle)} all machines'",
            "timedatectl set-ntp true, or set it by hand; certificates made now would be of the wrong time",
        )
        return
    for m in off:
        yield Finding(
            "clocks",
            m.name,
            f"its clock is {_span(m.offset or 0.0)} this machine's",
            f"aerie ssh {m.name} timedatectl set-ntp true; certificates and tokens are refused when clocks differ",
        )


def _span(seconds: float) -> str:
    return f"{abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'}"


def mtu(f: Facts) -> Iterator[Finding]:
    """Of tunnels and containers what the configuration says; of what is below them at least so much more."""
    want = f.wanted
    for kind, prefix, right, key in (
        ("tunnel", "wg-", want.vpn_mtu, "vpn_mtu"),
        ("container", "cali", want.mtu, "mtu"),
    ):
        for site in dict.fromkeys(m.site for m in f.machines):
            its = [
                (m.name, n, s) for m in f.machines if m.site == site for n, s in m.mtus.items() if n.startswith(prefix)
            ]
            if wrong := [one for one in its if one[2] != right]:
                machine, name, size = wrong[0]
                what = f"{len(wrong)} of {len(its)} {kind}s' interfaces have another MTU than network.{key} ({right}): {name} on {machine} has {size}"
                stay = "; containers that are there keep theirs until they start again" if kind == "container" else ""
                yield Finding("MTU", site, what, f"aerie up {site}{stay}")
    for m in f.machines:
        if any(n.startswith("wg-") for n in m.mtus):
            for name, size in m.mtus.items():
                if not name.startswith(("wg-", "cali")) and size < want.wan_mtu:
                    what = f"{name} has an MTU of {size}, network.wan_mtu is {want.wan_mtu}: full packets of a tunnel do not pass"
                    mend = f"in federation.yaml write wan_mtu: {size}, vpn_mtu: {size - 60}, mtu: {size - 100}; or widen the network"
                    yield Finding("MTU", m.name, what, mend)


def engines(f: Facts) -> Iterator[Finding]:
    for m in f.machines:
        if m.reached and not m.docker:
            yield Finding(
                "docker",
                m.name,
                f"its Docker engine does not answer ({m.docker_says})",
                f"aerie ssh {m.name}, and start it",
            )


def history(f: Facts) -> Iterator[Finding]:
    """The index of finished jobs. Only of a site that lets us in: what is down is told once."""
    site = f.wanted.history
    its = [m for m in f.machines if m.site == site and m.reached and m.docker]
    if not site or not its or any(m.index == "" for m in its):
        return
    late = "finished jobs wait in HTCondor's own files (some 20,000 of a pool) and come once it does"
    if said := next((m for m in its if m.index), None):
        what = f"the index of finished jobs does not answer ({said.index}); {late}"
        yield Finding("history", said.name, what, f"aerie ssh {said.name} docker logs --tail 20 opensearch; then docker restart opensearch there")  # fmt: skip
    elif len(its) == sum(m.site == site for m in f.machines):  # else it may be on the one that does not let us in
        what = f"the index of finished jobs (monitoring.history) does not run here; {late}"
        yield Finding("history", site, what, f"aerie up {site}")


CHECKS: tuple[Check, ...] = (
    docker, commands, versions, disk, memory, ports_here, secrets, configuration, backend, passphrase, credentials, quotas,
    host_keys, machines, engines, clocks, mtu, ports_there, history, images,
)  # fmt: skip


def judge(facts: Facts) -> list[Finding]:
    """All that is to be told, what is wrong first."""
    found = [finding for check in CHECKS for finding in check(facts)]
    return sorted(found, key=lambda one: not one.bad)
