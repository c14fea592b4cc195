"""The shape of the configuration files. Each class is one block of YAML; each field says its unit.

A block's defaults are made when they are used (default_factory): so nothing is made of a block that a command does not read.
Whatever a single field can tell is checked here (the kinds of values are in `fields`); what takes two fields to see is in `rules`.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field

from .fields import (
    AbsolutePath,
    Address,
    AttributeValue,
    Cidr,
    Device,
    GroupLabel,
    GroupName,
    MailAddress,
    MailServer,
    Model,
    Name,
    Prefix6,
    PublicKey,
    Rotation,
    SealedText,
    SiteName,
    Ulimit,
    UlimitName,
    Url,
    UserName,
    VariableName,
    matches,
)
from .pool_network import PoolNetwork


class Network(Model):
    """What all sites share of the network. MTUs are in bytes."""

    topology: Literal["full-mesh", "route-reflectors"] = "full-mesh"
    force_mesh: bool = False
    public_as_numbers: bool = False
    lans: Cidr = IPv4Network("172.31.0.0/16")
    containers: Cidr = IPv4Network("10.65.0.0/16")
    fixed: Cidr = IPv4Network("10.66.0.0/24")
    ipv6: Prefix6 | None = None
    vpn_mtu: int = Field(1420, ge=1280, le=8920)
    mtu: int = Field(1380, ge=1280, le=8920)
    wan_mtu: int = Field(1500, ge=1340, le=9216)


class Images(Model):
    """Where machines pull images from: host:port, or host:port/folder."""

    registry: Annotated[
        str,
        matches(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]+)?", "is no registry|write host:port, or host:port/folder"),
    ]


class Embedded(Model):
    """The embedded IaaS: machines are containers on one Docker engine."""

    wan: Cidr = IPv4Network("172.30.0.0/24")


class Site(Model):
    """One computing centre, as the others need to know it."""

    as_number: int = Field(ge=1, le=4294967294)
    lan: Cidr
    containers: Cidr
    vpn_endpoint: Annotated[
        str, matches(r"\d{1,3}(\.\d{1,3}){3}:\d{1,5}", "is no VPN endpoint|write IPV4-ADDRESS:UDP-PORT")
    ]
    quorum: bool = False
    links: list[SiteName] | None = None
    reflectors: list[str] | None = None


class AlertMail(Model):
    """Mails of alerts: `server` is HOST:PORT; `user`, if it wants one, has the password `aerie:alerts_mail_password`."""

    to: MailAddress
    sender: MailAddress
    server: MailServer
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: Annotated[str, matches(r"[^\s:]{1,200}", "is no user|write the name that the mail server knows")] | None = (
        None
    )


class Alerts(Model):
    """Who is told of alerts; nobody if not given."""

    webhook: Url | None = None
    mail: AlertMail | None = None


class Grafana(Model):
    """Grafana beside Graphite. `image` is one of Grafana's own, by digest."""

    image: Annotated[
        str,
        matches(
            r"(?!\S*:latest@)[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?@sha256:[0-9a-f]{64}",
            "is no image by digest|write NAME:VERSION@sha256: and 64 hexadecimal digits, no latest: what runs is what was looked at",
        ),
    ]


class History(Model):
    """The index of finished jobs at `site`, Graphite's if not given. `keep_days` in days, `memory` in MB."""

    site: SiteName | None = None
    keep_days: int = Field(365, ge=1, le=3650)
    memory: int = Field(1024, ge=512, le=65536)


class Monitoring(Model):
    """Metrics of every site, kept by Graphite at `site`: the first site with a quorum member if not given."""

    enabled: bool = True
    site: SiteName | None = None
    alerts: Alerts = Field(default_factory=Alerts)
    grafana: Grafana | None = None
    history: History | None = None


class Memory(Model):
    """Limits of the services that grow with the federation, of one container each, in MB. Of ZooKeeper's two thirds are Java's heap."""

    etcd: int = Field(512, ge=256, le=65536)
    zookeeper: int = Field(384, ge=256, le=65536)
    mesos_master: int = Field(384, ge=256, le=65536)
    mesos_agent: int = Field(384, ge=256, le=65536)
    marathon: int = Field(256, ge=192, le=65536)
    calico: int = Field(512, ge=256, le=65536)
    graphite: int = Field(384, ge=256, le=65536)
    collector: int = Field(128, ge=96, le=65536)


class Federation(Model):
    """federation.yaml."""

    name: Name
    network: Network = Field(default_factory=Network)
    images: Images
    embedded: Embedded | None = None
    monitoring: Monitoring = Field(default_factory=Monitoring)
    memory: Memory = Field(default_factory=Memory)
    sites: dict[SiteName, Site] = Field(min_length=1)

    @property
    def quorum_sites(self) -> list[str]:
        """Sites that hold a member of each quorum, in the file's order."""
        return [name for name, site in self.sites.items() if site.quorum]

    @property
    def graphite_site(self) -> str | None:
        """The site that holds Graphite; None without monitoring."""
        chosen = self.monitoring.site or next(iter(self.quorum_sites), None)
        return chosen if self.monitoring.enabled else None

    @property
    def history_site(self) -> str | None:
        """The site that holds the index of finished jobs; None if there is none."""
        history = self.monitoring.history
        return (history.site or self.graphite_site) if history and self.monitoring.enabled else None


class FederationStack(Model):
    """Pulumi.federation.yaml. The secrets are for the receivers of `monitoring.alerts`."""

    rotate: Rotation = {}
    alerts_webhook_token: SealedText | None = None
    alerts_mail_password: SealedText | None = None


class MachineSize(Model):
    """What one machine offers to tasks: cpus, and memory and disk in MB."""

    cpus: float = Field(4, gt=0, le=1024)
    memory: int = Field(3072, ge=512)
    disk: int = Field(20000, ge=1000)


AgentAttribute = Annotated[
    str,
    matches(
        r"(?!(site|node)$)[A-Za-z][A-Za-z0-9_.-]{0,62}",
        "is no name of an attribute|write a letter, then letters, digits and '_.-'; `site` and `node` are every agent's already",
    ),
]
PORTS_FORM = "is no range of ports|write FIRST-LAST, such as 2200-2299"
PortRange = Annotated[str, matches(r"\d{1,5}-\d{1,5}", PORTS_FORM)]
Tag = Annotated[
    str, matches(r"[A-Za-z0-9_.:/@ -]{1,60}", "is no tag|write at most 60 letters, digits, spaces and '_.:/@-'")
]


class AgentGroup(Model):
    """Agents of one kind, beside `agents`. `first` is the number, in the site's LAN, of the address of its first machine; what is
    not given is the site's."""

    count: int = Field(1, ge=0, le=200)
    first: int = Field(ge=11, le=65000)
    machine: MachineSize | None = None
    attributes: dict[AgentAttribute, AttributeValue] = {}
    flavor: str | None = None
    availability_zone: str | None = None


class OpenStack(Model):
    """A site's machines on OpenStack, by name as the cloud knows them. Sizes of volumes in GB; 0 is no volume."""

    cloud: str | None = None
    image: str
    flavor: str
    front_end_flavor: str | None = None
    external_network: str
    network: str | None = None
    router: str | None = None
    dns: list[Address] = []
    operators: list[Cidr] = Field(min_length=1)
    users: list[Cidr] = []
    login_ports: PortRange = "2200-2299"
    port_security: bool = True
    allocate_floating_ip: bool = False
    anti_affinity: Literal["soft", "hard", "none"] = "soft"
    availability_zone: str | None = None
    volume_availability_zone: str | None = None
    volume_size: int = Field(50, ge=0, le=10000)
    spool_volume: int = Field(100, ge=0, le=100000)
    quorum_volume: int = Field(10, ge=0, le=1000)
    tags: dict[Tag, Tag] = {}
    protect: bool = True


class SiteStack(Model):
    """Pulumi.<site>.yaml. `drain_timeout` in seconds."""

    iaas: Literal["docker", "openstack"]
    agents: int = Field(1, ge=0, le=200)
    agent_groups: dict[GroupLabel, AgentGroup] = {}
    machine: MachineSize = Field(default_factory=MachineSize)
    drain_timeout: int = Field(3600, ge=0, le=2592000)
    openstack: OpenStack | None = None
    rotate: Rotation = {}


class Volume(Model):
    """A directory of the machine that a role's containers see as `target`."""

    source: AbsolutePath
    target: AbsolutePath
    read_only: bool = True


class Role(Model):
    """What one container of a pool gets: cpus, and memory in MB; and what it gets beyond what it needs."""

    cpus: float = Field(0.2, gt=0)
    memory: int = Field(256, ge=128)
    ulimits: dict[UlimitName, Ulimit] = {}
    devices: list[Device] = []
    volumes: list[Volume] = []
    environment: dict[VariableName, str] = {}
    condor_config: list[str] = []
    attributes: dict[str, AttributeValue] = {}


class CentralManager(Role):
    """Its address is by default the pool's first in `network.fixed`; `more_addresses` are those of further ones."""

    address: Address | None = None
    more_addresses: list[Address] = Field([], max_length=2)


class SubmitNode(Role):
    """Where users log in: `ssh_port` is on the front-end of `site`; the spool stays on that front-end."""

    site: SiteName
    address: Address | None = None
    ssh_port: int = Field(2222, ge=1024, le=65535)


class Largest(Model):
    """No elastic executor is larger: cores, MB, MB, and GPUs; what its jobs get, its daemons' own memory not counted."""

    cpus: int = Field(4, ge=1, le=1024)
    memory: int = Field(4096, ge=128)
    disk: int = Field(20000, ge=100)
    gpus: int = Field(0, ge=0)


class SiteLimit(Model):
    """Of elastic executors at one site; `curb` is `max` if not given."""

    max: int = Field(ge=0, le=10000)
    curb: int | None = Field(None, ge=0)


Cores = Annotated[float, Field(gt=0)]


class Caps(Model):
    """Cores that one user, this user, this accounting group may use."""

    each_user: Cores | None = None
    users: dict[UserName, Cores] = {}
    groups: dict[str, Cores] = {}


class Elastic(Model):
    """Executors that follow the queue. Times in seconds; `curb` and `max_idle` are `max` if not given."""

    min: int = Field(0, ge=0, le=10000)
    max: int = Field(ge=0, le=10000)
    curb: int | None = Field(None, ge=0)
    batch: int = Field(4, ge=1)
    wait_cycles: int = Field(1, ge=0)
    idle_timeout: int = Field(120, ge=5, le=86400)
    orphan_timeout: int = Field(1800, ge=60, le=604800)
    max_idle: int | None = Field(None, ge=1)
    largest: Largest = Field(default_factory=Largest)
    placement: Literal["pack", "spread"] = "pack"
    site_preference: list[SiteName] = []
    sites: dict[SiteName, SiteLimit] = {}
    caps: Caps = Field(default_factory=Caps)


class Executors(Role):
    """`count` containers of `cpus` and `memory` (MB) each; `slots` as HTCondor means it; disk in MB; `grace`
    in seconds; `network` is a network of containers; `elastic` are further ones that follow the queue."""

    count: int = Field(1, ge=0, le=10000)
    cpus: float = Field(1, ge=1)
    memory: int = Field(1024, ge=256)
    disk: int = Field(2000, ge=100)
    slots: Literal["partitionable", "fixed"] = "partitionable"
    grace: int = Field(60, ge=0, le=86400)
    network: str = "calico"
    elastic: Elastic | None = None


class ShareLimit(Model):
    """What the pool never gets more of: cores, and MB."""

    cpus: float | None = Field(None, gt=0)
    memory: int | None = Field(None, gt=0)


class Share(Model):
    """What the pool is guaranteed of the cluster: cores, and MB."""

    cpus: float = Field(gt=0)
    memory: int = Field(gt=0)
    weight: float = Field(1, ge=0.001, le=1000000)
    limit: ShareLimit | None = None
    lend: bool = True


class Accounting(Model):
    """Accounting groups with quotas: a fraction of the pool up to 1, cores above."""

    groups: dict[GroupName, Cores] = {}
    accept_surplus: bool = True


class User(Model):
    """Somebody who may log in; `uid` is the same on every container of the pool."""

    name: UserName
    uid: int = Field(ge=1000, le=59999)
    ssh_keys: list[PublicKey] = []
    ssh_key_files: list[str] = []
    admin: bool = False


class Pool(Model):
    """One HTCondor pool: `aerie:pool` in Pulumi.<pool>.yaml."""

    sites: list[SiteName] = Field(min_length=1)
    via: Literal["marathon", "framework"] = "marathon"
    number: int = Field(1, ge=1, le=60, description="no two pools of a federation have the same")
    share: Share | None = None
    central_managers: int = Field(1, ge=1, le=3)
    central_manager: CentralManager = Field(default_factory=CentralManager)
    submit_node: SubmitNode
    executors: Executors = Field(default_factory=Executors)
    network: PoolNetwork = Field(default_factory=PoolNetwork)
    users: list[User] = Field(min_length=1)
    accounting: Accounting = Field(default_factory=Accounting)
    condor_config: list[str] = []
    destroy_with_jobs: bool = False
    rotate: Rotation = {}


class PoolStack(Model):
    """Pulumi.<pool>.yaml."""

    pool: Pool
