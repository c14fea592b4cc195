"""From what a pool's file says to what the pool is, with everything decided. Pure but for the users' key files."""

from __future__ import annotations

from pathlib import Path

from ..iaas.machine import front_end_name
from ..spec import addresses
from ..spec.model import Federation, Pool, User
from ..spec.rules import expand
from .types import CentralManagerSpec, ExecutorsSpec, PoolSpec, PoolUser, SubmitNodeSpec


def keys_of(user: User, home: Path) -> tuple[str, ...]:
    """The user's public keys, those of files too; each once, in the file's order."""
    lines = [*user.ssh_keys]
    for name in user.ssh_key_files:
        lines += [line.strip() for line in expand(name, home).read_text().splitlines() if line.strip()]
    return tuple(dict.fromkeys(lines))


def pool_spec(name: str, federation: Federation, pool: Pool, home: Path) -> PoolSpec:
    """The pool as the renderers take it."""
    submit, manager, executors = pool.submit_node, pool.central_manager, pool.executors
    return PoolSpec(
        name=name,
        sites=tuple(pool.sites),
        central_manager=CentralManagerSpec(addresses.central_manager(federation, pool), manager.cpus, manager.memory),
        submit_node=SubmitNodeSpec(
            address=addresses.submit_node(federation, pool),
            site=submit.site,
            node=front_end_name(submit.site),
            ssh_port=submit.ssh_port,
            cpus=submit.cpus,
            memory=submit.memory,
        ),
        executors=ExecutorsSpec(
            executors.count, executors.cpus, executors.memory, executors.disk, executors.slots, executors.grace
        ),
        users=tuple(PoolUser(u.name, u.uid, keys_of(u, home), u.admin) for u in pool.users),
        via=pool.via,
        site_networks={s: str(federation.sites[s].containers) for s in pool.sites},
        condor_config=tuple(pool.condor_config),
    )
