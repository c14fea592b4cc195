"""Bodies for the API, from sensible to senseless, drawn by a random number generator: the same seed gives the same bodies."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Draw = Callable[[random.Random], Any]


def sampled(values: list) -> Draw:
    return lambda r: r.choice(values)


def either(*draws: Draw) -> Draw:
    return lambda r: r.choice(draws)(r)


def lists(draw: Draw, most: int, least: int = 0) -> Draw:
    return lambda r: [draw(r) for _ in range(r.randint(least, most))]


def maps(keys: Draw, draw: Draw, most: int) -> Draw:
    return lambda r: {keys(r): draw(r) for _ in range(r.randint(0, most))}


def words(most: int) -> Draw:
    return lambda r: "".join(r.choice("ab1-_/.\u00e9\u4e16 ") for _ in range(r.randint(0, most)))


def flags(r: random.Random) -> bool:
    return r.random() < 0.5


def _object(**fields: Draw) -> Draw:
    """An object with some of these fields, now and then with anything in one of them."""

    def draw(r: random.Random) -> dict:
        share = r.choice((0.1, 0.3, 0.6))
        found = {}
        for name, value in fields.items():
            if r.random() < share:
                x = r.random()
                found[name] = ANYTHING(r) if x < 0.03 else None if x < 0.06 else value(r)
        return found

    return draw


def _nested(leaf: Draw, branch: Callable[[Draw], Draw], depth: int = 2) -> Draw:
    return leaf if depth == 0 else either(leaf, branch(_nested(leaf, branch, depth - 1)))


SCALARS = either(
    sampled([None, True, False, 0, -1, 2**63, -(2**63), 10**40, 0.1, -1e300, 1e400]),
    words(12),
    sampled(["", "/", "..", "*", "0", "-1", "\0", "\ud800", "a" * 300, "1e400", "true", "TCP", "null"]),
)
ANYTHING = _nested(SCALARS, lambda inner: either(lists(inner, 3), maps(words(8), inner, 3)))
IDS = sampled(
    ["/a", "/b", "/g/a", "/g/h/a", "c", "/g", "", "/", "/Bad_Id", "../a", "/a/tasks", "/a//b/", "/" + "x" * 250]
)
PORTS = sampled([0, 0, 80, 10000, 31000, 65535, 65536, -1, 1.5])
NUMBERS = sampled([0, 1, 2, 0.1, 1.5, 3, 64, 1e6, 1e300, -1, 10**30])
NAMES = sampled(["web", "api", "http-api", "web", "", "Bad", "a" * 80])


PORT_MAPPING = _object(
    containerPort=PORTS,
    hostPort=PORTS,
    servicePort=PORTS,
    protocol=sampled(["tcp", "udp", "udp,tcp", "sctp"]),
    name=NAMES,
    labels=maps(words(4), words(4), 2),
    networkNames=lists(sampled(["n1", "n2"]), 2),
)
VOLUME = _object(
    containerPath=sampled(["/x", "", "rel"]),
    hostPath=sampled(["/y", ""]),
    mode=sampled(["RW", "RO", "XX"]),
    external=_object(name=NAMES, provider=sampled(["dvdi"]), options=maps(words(4), SCALARS, 2)),
    persistent=_object(size=NUMBERS),
    secret=NAMES,
)
CONTAINER = _object(
    type=sampled(["DOCKER", "MESOS", "DOCKER", "OCI"]),
    docker=_object(
        image=sampled(["image", "image:1", ""]),
        network=sampled(["BRIDGE", "HOST", "USER", "NONE"]),
        portMappings=lists(PORT_MAPPING, 2),
        privileged=flags,
        forcePullImage=flags,
        parameters=lists(_object(key=NAMES, value=NAMES), 2),
        credential=_object(principal=NAMES),
    ),
    volumes=lists(VOLUME, 2),
    portMappings=lists(PORT_MAPPING, 2),
    linuxInfo=_object(ipcInfo=_object(mode=sampled(["PRIVATE"]), shmSize=NUMBERS), seccomp=_object(unconfined=flags)),
)
HEALTH = _object(
    protocol=sampled(["HTTP", "HTTPS", "TCP", "COMMAND", "MESOS_HTTP", "MESOS_TCP", "ICMP"]),
    path=sampled(["/", "/h", ""]),
    port=PORTS,
    portIndex=sampled([0, 1, 9]),
    command=_object(value=sampled(["true", ""])),
    gracePeriodSeconds=NUMBERS,
    intervalSeconds=NUMBERS,
    timeoutSeconds=NUMBERS,
    maxConsecutiveFailures=NUMBERS,
    ignoreHttp1xx=flags,
    ipProtocol=sampled(["IPv4", "IPv6"]),
)
CONSTRAINT = lists(
    sampled(
        [
            "hostname",
            "site",
            "UNIQUE",
            "CLUSTER",
            "GROUP_BY",
            "LIKE",
            "MAX_PER",
            "IS",
            "like",
            "(",
            "2",
            "0",
            "",
            "n1|n2",
        ]
    ),
    4,
)
APP = _object(
    id=IDS,
    cmd=sampled(["sleep 1", "", "x" * 50]),
    args=lists(words(3), 2),
    user=NAMES,
    env=maps(sampled(["A", "B_1", "", "a=b"]), either(SCALARS, sampled([{"secret": "s"}])), 2),
    instances=sampled([0, 1, 2, 3, -1, 1e9]),
    cpus=NUMBERS,
    mem=NUMBERS,
    disk=NUMBERS,
    gpus=NUMBERS,
    executor=sampled(["", "//cmd", "/x"]),
    constraints=lists(CONSTRAINT, 2),
    fetch=lists(_object(uri=sampled(["http://x/y.tgz", ""]), extract=flags), 2),
    uris=lists(sampled(["http://x/y.tgz", ""]), 2),
    ports=lists(PORTS, 2),
    portDefinitions=lists(_object(port=PORTS, name=NAMES, protocol=sampled(["tcp", "udp", "udp,tcp"])), 2),
    requirePorts=flags,
    backoffSeconds=NUMBERS,
    backoffFactor=NUMBERS,
    maxLaunchDelaySeconds=NUMBERS,
    container=CONTAINER,
    networks=lists(
        _object(mode=sampled(["host", "container", "container/bridge"]), name=sampled(["n1", "n2", "N"])), 2
    ),
    ipAddress=_object(
        networkName=sampled(["n1", "mesos-bridge"]),
        discovery=_object(ports=lists(_object(number=PORTS, name=NAMES), 2)),
    ),
    healthChecks=lists(HEALTH, 2),
    check=_object(
        http=_object(portIndex=PORTS, path=sampled(["/"])),
        exec=_object(command=_object(shell=sampled(["true"]))),
        intervalSeconds=NUMBERS,
    ),
    readinessChecks=lists(_object(portName=NAMES, intervalSeconds=NUMBERS, timeoutSeconds=NUMBERS), 2),
    dependencies=lists(IDS, 2),
    upgradeStrategy=_object(minimumHealthCapacity=NUMBERS, maximumOverCapacity=NUMBERS),
    labels=maps(sampled(["a", "", "MARATHON_SINGLE_INSTANCE_APP"]), sampled(["true", "x"]), 2),
    acceptedResourceRoles=lists(sampled(["*", "other"]), 2),
    role=sampled(["*", "other"]),
    killSelection=sampled(["YOUNGEST_FIRST", "OLDEST_FIRST", "X"]),
    unreachableStrategy=either(
        sampled(["disabled"]), _object(inactiveAfterSeconds=NUMBERS, expungeAfterSeconds=NUMBERS)
    ),
    taskKillGracePeriodSeconds=NUMBERS,
    tty=flags,
    resourceLimits=_object(cpus=either(NUMBERS, sampled(["unlimited"])), mem=NUMBERS),
    executorResources=_object(cpus=NUMBERS),
    residency=_object(taskLostBehavior=sampled(["WAIT_FOREVER"])),
    secrets=maps(sampled(["s"]), _object(source=sampled(["x"])), 1),
    version=sampled(["2023-01-01T00:00:00.000Z", "x"]),
    colour=SCALARS,
)


# What is likely to be taken.
def PLAIN_APP(r: random.Random) -> dict:
    app: dict = {"id": r.choice(["/a", "/b", "/g/a", "/g/h/a", "/g/h/b"]), "cmd": "sleep 1", "cpus": 0.1, "mem": 16}
    if flags(r):
        app["instances"] = r.randint(0, 3)
    if flags(r):
        app["env"] = {r.choice("AB"): words(3)(r)}
    if r.random() < 0.2:
        app["dependencies"] = [r.choice(["/a", "/b", "/g"])]
    return app


GROUP = _nested(
    _object(id=IDS, apps=lists(either(APP, PLAIN_APP), 2), dependencies=lists(IDS, 1)),
    lambda inner: _object(
        id=IDS,
        apps=lists(either(APP, PLAIN_APP), 2),
        groups=lists(inner, 2),
        dependencies=lists(IDS, 1),
        scaleBy=NUMBERS,
        version=sampled(["2023-01-01T00:00:00.000Z"]),
        enforceRole=flags,
    ),
)
