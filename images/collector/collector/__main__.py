"""python3 -m collector: a round every COLLECTOR_INTERVAL seconds, until SIGTERM. See config.py for what it is told."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from .buffer import Batch, Buffer
from .config import Config, Mistake, from_environment
from .docker import Asked, Docker
from .graphite import Sender, named
from .history import Exporter
from .http import Web
from .index import Index
from .receivers import receivers
from .rounds import Rounds
from .sources import Source, bgp, containers, etcd, itself, marathon, mesos, pools, vpn, zookeeper
from .watch import Watch

DONE = Path("/dev/shm/collector-round")  # its time is that of the last round: collector-health
SLACK = 0.02  # seconds
POINTS = 60000  # that wait at most: forty minutes of a site with 250 metrics, in some 10 MB
FAULT = 70  # the exit status of a fault of ours (EX_SOFTWARE)
ETCD, ZOOKEEPER, MASTER, AGENT, MARATHON = 2379, 2181, 5050, 5051, 8443


def sources(config: Config) -> list[Source]:
    """What is asked at this site. Raises OSError if a file is missing."""
    docker = [Docker(config.docker) for _ in range(2)]  # a source has a thread, and a connection is one thread's
    operator = ("operator", config.secret("operator"))
    sessions = bgp.Bgp(Asked(docker[0], "calico", bgp.COMMAND), config.address, config.lan)
    out: list[Source] = [
        itself.Itself(),
        containers.Containers(docker[0]),
        sessions,
        vpn.Vpn(Asked(docker[0], "vpn", vpn.COMMAND)),
        pools.Pools(docker[1]),
        mesos.Agents(lambda: sessions.machines, lambda a: Web(f"https://{a}:{AGENT}", config.ca, operator)),
    ]
    if config.quorum:
        client = (str(config.files / "client.crt"), str(config.files / "client.key"))
        admin = ("admin", config.secret("admin"))
        members = len(config.members)
        others = [(address, ZOOKEEPER) for address in config.members if address != config.address]
        out += [
            etcd.Etcd(Web(f"https://{config.address}:{ETCD}", config.ca, certificate=client), members),
            zookeeper.ZooKeeper((config.address, ZOOKEEPER), others),
            mesos.Master(Web(f"https://{config.address}:{MASTER}", config.ca, operator), members),
            marathon.Marathon(
                Web(f"https://{config.address}:{MARATHON}", config.ca, admin), f"{config.address}:{MARATHON}"
            ),
        ]
    return out


def exporter(config: Config) -> Exporter | None:
    """What takes finished jobs to the index, if there is one. Raises OSError if its password is missing."""
    if not config.history:
        return None
    index = Index(f"https://{config.history}", config.ca, config.secret("history"))
    return Exporter(Docker(config.docker), index, config.state)


def until_next(now: float, interval: float) -> float:
    """Seconds until just after the next multiple of the interval: to wake before it would be the same round once more."""
    return interval - now % interval + SLACK


def run(config: Config, end: threading.Event) -> None:
    """Until `end`."""
    buffer = Buffer(POINTS)
    sender = Sender(buffer, config.graphite)
    rounds = Rounds(sources(config), config.interval * 0.8)
    watch = Watch(config.federation, config.site, config.state, receivers(config.files / "alerts"))
    history = exporter(config)
    sending = threading.Thread(target=sender.run, name="sender")
    sending.start()
    watch.start()
    if history:
        history.start()
    try:
        while True:  # the first round at once, so that it is soon known to work
            now = int(time.time() // config.interval * config.interval)
            values = rounds.ask()
            values |= {
                "collector.buffer.points": float(buffer.points),
                "collector.buffer.dropped": float(buffer.dropped),
                "collector.sent": float(buffer.sent),
                "collector.connected": float(sender.connected),
            }
            values |= history.values() if history else {}
            values |= watch.after(values, time.time())
            values["collector.points"] = float(len(values) + 1)
            buffer.put(Batch(now, named(config.prefix, values)))
            DONE.touch()
            if end.wait(until_next(time.time(), config.interval)):
                return
    finally:
        sender.stop()
        watch.stop()
        if history:
            history.stop()
        sending.join()


def leave(status: int) -> NoReturn:
    """At once: threads may wait for answers yet, which nobody needs any more."""
    logging.shutdown()
    os._exit(status)


def threads_do_not_end_alone() -> None:
    """A thread that a fault of ours ends takes the whole process with it, which Docker starts anew: without its sender, say, the collector
    would seem well and tell nothing."""

    def ended(what: threading.ExceptHookArgs) -> None:
        logging.critical("%s ended", what.thread, exc_info=what.exc_value)
        leave(FAULT)

    threading.excepthook = ended


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    threads_do_not_end_alone()
    try:
        config = from_environment(os.environ)
        end = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: end.set())
        run(config, end)
    except (Mistake, OSError) as error:
        print(f"collector: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    leave(main())
