"""The federation's stack: identities that all sites share, and the network between the sites of the embedded IaaS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from .iaas.docker import LABEL, PUSH_REGISTRY, network_name
from .identity.resources import Certificate, CertificateAuthority, Password, SshKey, WireGuardKey
from .outputs import secret
from .spec.model import Federation as FederationSpec
from .spec.rules import passwords


@dataclass
class FederationArgs:
    """`rotate` renews single identities: NAME -> a number that was not there before. `images` are tags by name.
    `alerts`: secrets for the receivers of alerts, by their key in the configuration."""

    spec: FederationSpec
    rotate: Mapping[str, int]
    images: Mapping[str, str]
    alerts: Mapping[str, str] = field(default_factory=dict)


class Federation(pulumi.ComponentResource):
    """Keys, certificates and passwords; on the embedded IaaS also the wan and the registry that machines pull from."""

    def __init__(self, name: str, args: FederationArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("aerie:index:Federation", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        spec = args.spec

        def generation(what: str) -> int:
            return args.rotate.get(what, 0)

        self.ca = CertificateAuthority("ca", f"{spec.name} CA", generation("ca"), child)
        self.calico = Certificate(
            "calico", self.ca.certificate, self.ca.private_key, "calico", [], generation("calico"), child
        )
        self.passwords = {what: Password(what, generation(what), child) for what in passwords(spec)}
        self._alerts = {what: secret(pulumi.Output.from_input(text)) for what, text in args.alerts.items()}
        self.ssh = {s: SshKey(f"ssh-{s}", f"{spec.name} {s}", generation(f"ssh-{s}"), child) for s in spec.sites}
        self.wireguard = {s: WireGuardKey(f"wireguard-{s}", generation(f"wireguard-{s}"), child) for s in spec.sites}
        if spec.embedded:
            self._embedded(spec, args.images["registry"], child)
        self.register_outputs({})

    def _embedded(self, spec: FederationSpec, registry_image: str, child: pulumi.ResourceOptions) -> None:
        assert spec.embedded
        wan = docker.Network(
            "wan",
            name=network_name(spec, "wan"),
            ipam_configs=[
                docker.NetworkIpamConfigArgs(
                    subnet=str(spec.embedded.wan), gateway=str(spec.embedded.wan.network_address + 1)
                )
            ],
            options={"com.docker.network.bridge.enable_ip_masquerade": "false"},
            labels=[docker.NetworkLabelArgs(label=LABEL, value=spec.name)],
            opts=child,
        )
        image = docker.RemoteImage(
            "registry-image", name=f"{PUSH_REGISTRY}/aerie/registry:{registry_image}", keep_locally=True, opts=child
        )
        docker.Container(
            "registry",
            name=f"{spec.name}-registry-mirror",
            image=image.image_id,
            network_mode="host",
            memory=256,  # MB; both, or Docker refuses to change it
            memory_swap=256,
            restart="unless-stopped",
            must_run=True,
            envs=[f"LISTEN={spec.images.registry}", "MODE=ro"],
            volumes=[docker.ContainerVolumeArgs(volume_name="aerie-registry", container_path="/var/lib/registry")],
            labels=[docker.ContainerLabelArgs(label=LABEL, value=spec.name)],
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[wan])),
        )

    def outputs(self) -> dict[str, pulumi.Output[object] | dict[str, pulumi.Output[object]]]:
        """What the other stacks read. Whatever opens something is a secret."""
        return {
            "ca_certificate": self.ca.certificate,
            "ca_private_key": secret(self.ca.private_key),
            "calico_certificate": self.calico.certificate,
            "calico_private_key": secret(self.calico.private_key),
            "passwords": secret(pulumi.Output.all(**{k: p.value for k, p in self.passwords.items()}, **self._alerts)),
            "ssh_private_keys": secret(pulumi.Output.all(**{s: k.private_key for s, k in self.ssh.items()})),
            "ssh_public_keys": pulumi.Output.all(**{s: k.public_key for s, k in self.ssh.items()}),
            "wireguard_private_keys": secret(
                pulumi.Output.all(**{s: k.private_key for s, k in self.wireguard.items()})
            ),
            "wireguard_public_keys": pulumi.Output.all(**{s: k.public_key for s, k in self.wireguard.items()}),
        }
