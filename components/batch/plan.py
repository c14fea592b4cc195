"""From what a pool's file says to what the pool is, with everything decided. Pure but for the users' key files."""

from __future__ import annotations

from pathlib import Path

from ..spec import addresses
from ..spec.machines import front_end_name
from ..spec.model import Elastic, Executors, Federation, Pool, Role, Share, User
from ..spec.rules import expand
from .types import (
    Accounting,
    CentralManagerSpec,
    ContainerPolicy,
    ElasticSpec,
    ExecutorsSpec,
    PoolRole,
    PoolSpec,
    PoolUser,
    ShareSpec,
    SubmitNodeSpec,
    VolumeMount,
)


def keys_of(user: User, home: Path) -> tuple[str, ...]:
    """The user's public keys, those of files too; each once, in the file's order."""
    lines = [*user.ssh_keys]
    for name in user.ssh_key_files:
        lines += [line.strip() for line in expand(name, home).read_text().splitlines() if line.strip()]
    return tuple(dict.fromkeys(lines))


def _elastic(elastic: Elastic) -> ElasticSpec:
    largest, caps, most = elastic.largest, elastic.caps, elastic.max
    return ElasticSpec(
        min=elastic.min,
        max=most,
        curb=most if elastic.curb is None else elastic.curb,
        batch=elastic.batch,
        wait_cycles=elastic.wait_cycles,
        idle_timeout=elastic.idle_timeout,
        orphan_timeout=elastic.orphan_timeout,
        max_idle=most if elastic.max_idle is None else elastic.max_idle,
        largest_cpus=largest.cpus,
        largest_memory=largest.memory,
        largest_disk=largest.disk,
        largest_gpus=largest.gpus,
        placement=elastic.placement,
        site_preference=tuple(elastic.site_preference),
        sites={s: (limit.max, limit.max if limit.curb is None else limit.curb) for s, limit in elastic.sites.items()},
        each_user=caps.each_user,
        user_caps=dict(caps.users),
        group_caps=dict(caps.groups),
    )


def _executors(own: Executors) -> ExecutorsSpec:
    elastic = _elastic(own.elastic) if own.elastic else None
    return ExecutorsSpec(own.count, own.cpus, own.memory, own.disk, own.slots, own.grace, elastic)


def _share(share: Share) -> ShareSpec:
    limit = share.limit
    return ShareSpec(
        cpus=share.cpus,
        memory=share.memory,
        weight=share.weight,
        limit_cpus=limit.cpus if limit else None,
        limit_memory=limit.memory if limit else None,
        lend=share.lend,
    )


def _policy(role: Role) -> ContainerPolicy:
    return ContainerPolicy(
        ulimits=dict(role.ulimits),
        devices=tuple(role.devices),
        volumes=tuple(VolumeMount(v.source, v.target, v.read_only) for v in role.volumes),
        environment=dict(role.environment),
        condor_config=tuple(role.condor_config),
        attributes=dict(role.attributes),
    )


def pool_spec(name: str, federation: Federation, pool: Pool, home: Path) -> PoolSpec:
    """The pool as the renderers take it."""
    submit, manager = pool.submit_node, pool.central_manager
    first, *more = (
        CentralManagerSpec(address, manager.cpus, manager.memory)
        for address in addresses.central_managers(federation, pool)
    )
    return PoolSpec(
        name=name,
        sites=tuple(pool.sites),
        central_manager=first,
        submit_node=SubmitNodeSpec(
            address=addresses.submit_node(federation, pool),
            site=submit.site,
            node=front_end_name(submit.site),
            ssh_port=submit.ssh_port,
            cpus=submit.cpus,
            memory=submit.memory,
        ),
        executors=_executors(pool.executors),
        users=tuple(PoolUser(u.name, u.uid, keys_of(u, home), u.admin) for u in pool.users),
        via=pool.via,
        site_networks={s: str(federation.sites[s].containers) for s in pool.sites},
        condor_config=tuple(pool.condor_config),
        accounting=Accounting(dict(pool.accounting.groups), pool.accounting.accept_surplus),
        more_central_managers=tuple(more),
        containers={
            PoolRole.CENTRAL_MANAGER: _policy(manager),
            PoolRole.SUBMIT: _policy(submit),
            PoolRole.EXECUTOR: _policy(pool.executors),
        },
        share=_share(pool.share) if pool.share else None,
        framework_address=addresses.framework(federation, pool) if pool.via == "framework" else "",
        number=pool.number,
    )
