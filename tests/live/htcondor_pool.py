"""An HTCondor pool of plain containers on a Docker network, for the live tests of the image `htcondor`.

Needs a Docker engine and the image: AERIE_TEST_HTCONDOR_IMAGE, or the newest local `aerie/htcondor`.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components.batch import tokens
from components.batch.role_containers import environment, role_containers
from components.batch.types import (
    CentralManagerSpec,
    ExecutorsSpec,
    PoolRole,
    PoolSecrets,
    PoolSpec,
    PoolUser,
    SubmitNodeSpec,
)


def run(*command: str, check: bool = True, stdin: str | None = None, timeout: float = 120) -> str:
    done = subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=timeout, check=False)
    if check and done.returncode:
        raise AssertionError(f"{shlex.join(command)[:200]}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def until(what: str, condition: Callable[[], object], seconds: float = 60) -> float:
    """Waits for `condition`; the seconds it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - start


def find_image() -> str:
    if named := os.environ.get("AERIE_TEST_HTCONDOR_IMAGE"):
        return named
    try:
        found = run("docker", "image", "ls", "aerie/htcondor", "--format", "{{.Repository}}:{{.Tag}}").split()
    except (OSError, AssertionError):
        found = []
    return found[0] if found else pytest.skip("no image aerie/htcondor here; build the images first")


@dataclasses.dataclass
class Pool:
    """Containers <prefix>-cm, <prefix>-submit, <prefix>-exec1, ... on a plain Docker network of their own."""

    prefix: str
    network: str
    folder: Path
    image: str
    spec: PoolSpec
    secrets: PoolSecrets
    pool_key: bytes

    def start(self, role: PoolRole, name: str, address: str, *options: str, env: Mapping[str, str] = {}) -> None:
        file = self.folder / f"{name}.env"
        file.touch(mode=0o600)
        values = environment(self.spec, role, self.secrets) | {"HOST": f"node-{name}", **env}
        file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        # As in the field, but for the names: addresses and host names are the caller's, volumes too.
        made = next(c for c in role_containers(self.spec, self.secrets) if c.role is role)
        skip = ("ip", "hostname", "volume")
        options = (*options, *(part for k, v in made.parameters if k not in skip for part in (f"--{k}", v)))
        run(
            "docker", "run", "-d", "--name", name, "--network", self.network, "--ip", address, "--dns", "192.0.2.1",
            "--env-file", str(file), *options, self.image,
        )  # fmt: skip

    @property
    def volume(self) -> str:
        return f"{self.prefix}-spool"

    def manager(self, index: int = 0) -> str:
        """The container of a central manager, `index` from 0."""
        return f"{self.prefix}-cm{index + 1 if index else ''}"

    def start_central_manager(self, index: int = 0) -> None:
        container = role_containers(self.spec, self.secrets)[index]
        host_name = dict(container.parameters)["hostname"]
        address = self.spec.central_managers[index].address
        self.start(PoolRole.CENTRAL_MANAGER, self.manager(index), address, "--hostname", host_name)

    def start_submit(self) -> None:
        options = ("--hostname", f"submit-node.{self.spec.domain}", "-v", f"{self.volume}:/var/spool/condor")
        self.start(PoolRole.SUBMIT, f"{self.prefix}-submit", self.spec.submit_node.address, *options)

    def executor_address(self, number: int) -> str:
        return f"{self.spec.submit_node.address.rpartition('.')[0]}.{20 + number}"

    def start_executor(self, number: int, *options: str, env: Mapping[str, str] = {}) -> None:
        address = self.executor_address(number)
        name = f"{self.prefix}-exec{number}"
        self.start(PoolRole.EXECUTOR, name, address, "--memory", "1024m", *options, env=env)

    def clear(self) -> None:
        names = run("docker", "ps", "-aq", "--filter", f"name=^{self.prefix}-").split()
        if names:
            run("docker", "rm", "-f", "-v", *names, check=False)
        run("docker", "volume", "rm", self.volume, check=False)
        run("docker", "network", "rm", self.network, check=False)

    def start_managers(self) -> None:
        """Central manager and submit node, until the schedd answers."""
        self.start_central_manager()
        self.start_submit()
        until("schedd", lambda: "Total" in self.ssh("condor_q", check=False))

    def inside(self, container: str, script: str, user: str = "root", check: bool = True) -> str:
        home = "/root" if user == "root" else f"/home/{user}"
        return run("docker", "exec", "-u", user, "-e", f"HOME={home}", container, "sh", "-c", script, check=check)

    def ssh(self, script: str, user: str = "alice", stdin: str | None = None, check: bool = True) -> str:
        return run(
            "ssh", "-F", "none", "-i", str(self.folder / "id"), "-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}",
            "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", f"{user}@{self.spec.submit_node.address}", script, stdin=stdin, check=check,
        )  # fmt: skip

    def submit(self, name: str, script: str, count: int = 1, extra: str = "") -> str:
        """Submits over SSH; the cluster's number. Files are <name>.log, <name>.<process>.out and .err."""
        description = (
            f"executable = {name}.sh\narguments = $(Process)\nlog = {name}.log\noutput = {name}.$(Process).out\n"
            f"error = {name}.$(Process).err\nrequest_memory = 64\nrequest_disk = 10MB\n{extra}\nqueue {count}\n"
        )
        self.ssh(f"cat > {name}.sh; chmod 755 {name}.sh", stdin="#!/bin/sh\n" + script + "\n")
        self.ssh(f"cat > {name}.sub", stdin=description)
        return self.ssh(f"condor_submit -terse {name}.sub").split(".")[0]

    def wait(self, name: str, seconds: int = 90) -> None:
        out = self.ssh(f"condor_wait -wait {seconds} {name}.log", check=False)
        assert "All jobs done" in out, out + self.ssh(f"cat {name}.log; condor_q -better-analyze", check=False)

    def events(self, name: str, code: str) -> int:
        """How often the event `code` is in the job's log (001: it was started, 004: it was evicted, 023: reconnected)."""
        return self.ssh(f"cat {name}.log").count(f"\n{code} (")

    def healthy(self, container: str) -> bool:
        return (
            subprocess.run(["docker", "exec", container, "aerie-health"], capture_output=True, check=False).returncode
            == 0
        )


def small(name: str, network: str, cpus: int = 2, memory: int = 1024, grace: int = 40, **more: Any) -> PoolSpec:
    """A pool at one site, with one executor: in the /24 `network` (its first three numbers) the central manager is 10, the submit node 11,
    the executor 21."""
    return PoolSpec(
        name=name,
        sites=("torino",),
        central_manager=CentralManagerSpec(f"{network}.10"),
        submit_node=SubmitNodeSpec(f"{network}.11", "torino", "front"),
        executors=ExecutorsSpec(count=1, cpus=cpus, memory=memory, grace=grace),
        site_networks={"torino": f"{network}.21/32"},
        **more,
    )


@contextmanager
def pool_of(prefix: str, subnet: str, folder: Path, spec: PoolSpec) -> Iterator[Pool]:
    """A network and keys for `spec`, to which the users alice (1500) and boss (1501, an administrator) are added; no
    container yet. Everything goes at the end, unless AERIE_TEST_KEEP is set."""
    image = find_image()
    for file in ("id", "host"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(folder / file))
    public = (folder / "id.pub").read_text().strip()
    (folder / "known_hosts").write_text(f"{spec.submit_node.address} {(folder / 'host.pub').read_text()}")
    users = (PoolUser("alice", 1500, (public,)), PoolUser("boss", 1501, (public,), admin=True))
    spec = dataclasses.replace(spec, users=users)
    key = tokens.generate_signing_key()
    secrets = tokens.pool_secrets(
        spec, key, tokens.generate_signing_key(), (folder / "host").read_text(), iat=1700000000
    )
    pool = Pool(prefix, f"{prefix}-net", folder, image, spec, secrets, key)
    pool.clear()
    run("docker", "network", "create", "--subnet", subnet, pool.network)
    try:
        yield pool
    finally:
        if not os.environ.get("AERIE_TEST_KEEP"):
            pool.clear()
