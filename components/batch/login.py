"""How users get in: a port of the front-end that leads to the submit node's sshd."""

from __future__ import annotations

from ..cluster.container import ContainerSpec
from ..spec.machines import login_service


def login_container(pool: str, image: str, front_end: str, port: int, submit_node: str) -> ContainerSpec:
    """The forwarder on the front-end of the submit node's site."""
    return ContainerSpec(
        name=login_service(pool),
        image=image,
        env={"LISTEN": f"{front_end}:{port}", "TARGET": f"{submit_node}:22"},
        memory=64,
    )
