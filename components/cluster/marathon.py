"""Marathon on each quorum site's front-end."""

from __future__ import annotations

from ..iaas.machine import Machine
from ..spec import addresses
from ..spec.model import Federation
from .container import FILES, ContainerSpec
from .mesos import MARATHON

FILES_AT = f"{FILES}/marathon"


def marathon_container(federation: Federation, machine: Machine, image: str) -> ContainerSpec:
    """One instance; the instances elect their leader in ZooKeeper."""
    return ContainerSpec(
        name="marathon",
        image=image,
        command=("marathon",),
        env={
            "MARATHON_MASTER": f"file://{FILES_AT}/mesos-zk",
            "MARATHON_ZK": f"file://{FILES_AT}/marathon-zk",
            "MARATHON_HOSTNAME": machine.address,
            "MARATHON_HTTPS_ADDRESS": machine.address,
            "MARATHON_HTTPS_PORT": str(addresses.MARATHON),
            "MARATHON_DISABLE_HTTP": "true",
            "MARATHON_TLS_CERT_FILE": f"{FILES_AT}/server.crt",
            "MARATHON_TLS_KEY_FILE": f"{FILES_AT}/server.key",
            "MARATHON_TLS_CA_FILE": f"{FILES_AT}/ca.crt",
            "MARATHON_MESOS_TLS_CA_FILE": f"{FILES_AT}/ca.crt",
            "MARATHON_HTTP_CREDENTIALS_FILE": f"{FILES_AT}/http-credentials",
            "MARATHON_MESOS_AUTHENTICATION_PRINCIPAL": MARATHON,
            "MARATHON_MESOS_AUTHENTICATION_SECRET_FILE": f"{FILES_AT}/mesos-secret",
            "MARATHON_FRAMEWORK_NAME": "marathon",
            "MARATHON_MESOS_USER": "root",
        },
        memory=federation.memory.marathon,
    )
