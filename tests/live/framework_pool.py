"""A pool by the framework in the tests' federation: its file, its user, its administrator."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml
from federation import Farm, machines, wait_for

from components.batch.https import Session

ADMIN_PORT = 8600  # plus the pool's number, on the submit node's front-end

# Jobs of mixed sizes: cpus, MB, seconds, how many.
MIX = ((1, 128, 3, 100), (1, 128, 1, 40), (2, 256, 4, 40), (3, 384, 4, 20))

JOBS = sum(count for *_, count in MIX)


def pool_file(number: int, ssh_port: int, **changes: Any) -> dict[str, Any]:
    """A small pool that grows: what `Pulumi.<pool>.yaml` says."""
    pool: dict[str, Any] = {
        "sites": ["torino", "cnaf", "bari"],
        "via": "framework",
        "number": number,
        "share": {"cpus": 6, "memory": 4096},
        "submit_node": {"site": "torino", "ssh_port": ssh_port},
        "executors": {
            "count": 1,
            "cpus": 1,
            "memory": 512,
            "elastic": {"max": 6, "idle_timeout": 15, "largest": {"cpus": 4, "memory": 1400, "disk": 4000}},
        },
        "users": [{"name": "demo", "uid": 2001, "ssh_key_files": ["$AERIE_HOME/ssh/demo.pub"], "admin": True}],
    }
    return {"config": {"aerie:pool": pool | changes}}


@dataclass(frozen=True)
class Found:
    """A container: the machine that it is on, its id, its environment."""

    machine: str
    id: str
    env: dict[str, str]


@dataclass
class FrameworkPool:
    """One pool of the farm, made by its own stack."""

    farm: Farm
    name: str
    number: int
    ssh_port: int
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.farm.path / f"Pulumi.{self.name}.yaml"

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(pool_file(self.number, self.ssh_port, **self.changes), sort_keys=False))

    def create(self) -> None:
        """As the README says: write the file, make the stack, bring it up."""
        self.write()
        self.farm.shell(
            f"tools/stack-init {self.name} && pulumi up -s {self.name} --yes --skip-preview --non-interactive"
        )

    def destroy(self, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.farm.shell(f"pulumi destroy -s {self.name} --yes --skip-preview --non-interactive", check=check)

    def remove(self) -> None:
        self.farm.shell(f"tools/stack-init --remove {self.name}")
        self.file.unlink()

    def edit(self, **elastic: Any) -> None:
        """Changes keys of `executors.elastic`."""
        self.farm.edit(self.file.name, lambda d: d["config"]["aerie:pool"]["executors"]["elastic"].update(elastic))

    # -- the user

    def ssh(self, script: str, timeout: float = 120, check: bool = True) -> str:
        outputs = self.farm.outputs(self.name)
        host = re.search(r"@(\S+)", outputs["login"])
        assert host, outputs
        known = self.farm.home / "ssh" / f"known_hosts-test-{self.name}"
        known.write_text(f"[{host[1]}]:{self.ssh_port} {outputs['ssh_host_key']}\n")
        command = [
            "ssh", "-i", str(self.farm.home / "ssh" / "demo"), "-p", str(self.ssh_port), "-o", f"UserKnownHostsFile={known}",
            "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
            "-o", "ConnectTimeout=5", f"demo@{host[1]}",
        ]  # fmt: skip
        done = subprocess.run([*command, script], capture_output=True, text=True, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{script}: {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def submit_sleeps(
        self, folder: str, count: int, seconds: int, cpus: int = 1, memory: int = 128, more: str = ""
    ) -> str:
        text = (
            f"executable=/bin/sleep\\narguments={seconds}\\nrequest_cpus={cpus}\\nrequest_memory={memory}\\n"
            f"request_disk=10MB\\nlog=l\\n{more}queue {count}\\n"
        )
        script = f"mkdir -p {folder} && cd {folder} && printf '{text}' > j && condor_submit -terse j"
        return self.ssh(script).split(".")[0]

    def submit_mix(self, folder: str) -> list[str]:
        """The burst of mixed sizes; all log into FOLDER/l."""
        return [self.submit_sleeps(folder, count, seconds, cpus, memory) for cpus, memory, seconds, count in MIX]

    def wait_jobs(self, folder: str, seconds: int) -> None:
        self.ssh(f"condor_wait -wait {seconds} {folder}/l", timeout=seconds + 30)

    def history(self, clusters: list[str], *attributes: str) -> list[list[str]]:
        lines = self.ssh(f"condor_history {' '.join(clusters)} -af {' '.join(attributes)}").splitlines()
        return [line.split() for line in lines]

    def running(self, cluster: str) -> list[str]:
        """Where the cluster's jobs run now."""
        return [h for h in self.ssh(f"condor_q {cluster} -af RemoteHost").split() if h != "undefined"]

    def events(self, folder: str) -> Counter[str]:
        """How many events of each kind (HTCondor's three digits) the log holds."""
        return Counter(re.findall(r"^(\d{3}) \(", self.ssh(f"cat {folder}/l"), re.MULTILINE))

    def ran_once(self, folder: str, clusters: list[str]) -> None:
        """Every job of the clusters has ended well, and was started once: by the schedd's history and the user's log."""
        rows = self.history(clusters, "NumJobStarts", "ExitCode", "JobStatus")
        assert len(rows) == JOBS
        assert {tuple(row) for row in rows} == {("1", "0", "4")}
        events = self.events(folder)
        assert events["001"] == JOBS, events  # executing
        assert events["005"] == JOBS, events  # terminated
        assert events["004"] == 0, events  # evicted
        assert events["022"] == events["023"], events  # disconnected, and reconnected

    # -- the administrator

    def rest(self, method: str, path: str, body: Any = None) -> requests.Response:
        """A request to the framework's REST, by the address and password that the stack's outputs tell."""
        outputs = self.farm.outputs(self.name)
        ca = self.farm.outputs("federation")["ca_certificate"]
        with Session(outputs["rest_user"], outputs["rest_password"], ca) as session:
            return session.request(method, outputs["rest"] + path, json=body, timeout=10)

    def state(self) -> dict[str, Any]:
        response = self.rest("GET", "/v1/pool")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def executors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.rest("GET", "/v1/executors").json()
        return found

    def elastic(self) -> list[dict[str, Any]]:
        return [e for e in self.executors() if e["kind"] == "elastic"]

    def wait_shrunk(self, seconds: float = 150) -> None:
        """Until no elastic executor is left."""
        wait_for(f"{self.name} is back at its minimum", lambda: not self.elastic(), seconds, every=1)

    def containers(self, role: str) -> list[Found]:
        """The pool's running containers of a role."""
        return containers(self.farm, f"AERIE_POOL={self.name}", f"AERIE_ROLE={role}")

    def framework_container(self) -> Found:
        """The scheduler's."""
        (found,) = containers(self.farm, f"MARATHON_APP_ID=/{self.name}/framework")
        return found

    def nobody_is_forgotten(self) -> None:
        """Every executor's container is known to the framework. One that ends while both are asked is gone at the next look."""

        def strangers() -> set[str]:
            running = {c.env["AERIE_TASK"] for c in self.containers("executor")}
            return running - {e["task"] for e in self.executors()}

        wait_for("nobody is forgotten", lambda: not strangers(), 30)

    def kill_framework(self) -> None:
        found = self.framework_container()
        self.farm.on(found.machine, "docker", "kill", found.id)


def containers(farm: Farm, *variables: str) -> list[Found]:
    """The running containers, on all machines, that have these environment variables."""
    script = "docker ps -q | xargs -r docker inspect -f '{{.Id}} {{json .Config.Env}}'"
    out = []
    for machine in machines():
        for line in farm.on(machine, "sh", "-c", script, check=False).splitlines():
            identity, _, env = line.partition(" ")
            if set(variables) <= set(json.loads(env)):
                out.append(Found(machine, identity, dict(v.split("=", 1) for v in json.loads(env))))
    return out


def leading_master(farm: Farm) -> str:
    """The machine whose Mesos master leads."""
    shared = farm.outputs("federation")
    for site in ("torino", "cnaf", "bari"):
        address = farm.outputs(site)["machines"][f"{site}-front-end"]
        with Session("operator", shared["passwords"]["mesos-operator"], shared["ca_certificate"]) as session:
            metrics = session.get(f"https://{address}:5050/metrics/snapshot", timeout=10).json()
        if metrics.get("master/elected") == 1:
            return f"{site}-front-end"
    raise AssertionError("no master leads")
