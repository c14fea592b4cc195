"""A port scanner of a few lines of bash, so that it runs in any container, on any machine and as a job."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from federation import Farm
from framework_pool import FrameworkPool

# From `ADDRESS:PORT` lines on standard input: each with what came of it. `silent`: no answer at all within 2 s.
SCAN = r"""xargs -P 32 -n 1 bash -c '
timeout 2 bash -c "exec 3<>/dev/tcp/${0%:*}/${0#*:}" 2>/dev/null
case $? in 0) said=open ;; 124) said=silent ;; *) said=refused ;; esac
echo "$0 $said"'
"""


@dataclass(frozen=True)
class Seen:
    """What came of each target, by ADDRESS:PORT."""

    answers: dict[str, str]

    def those(self, answer: str) -> set[str]:
        return {target for target, said in self.answers.items() if said == answer}

    @property
    def found(self) -> set[str]:
        """Whatever answered, be it with a refusal."""
        return set(self.answers) - self.those("silent")


def _seen(text: str, targets: Iterable[str]) -> Seen:
    answers = dict(re.findall(r"^(\S+:\d+) (open|silent|refused)$", text, re.MULTILINE))
    assert set(answers) == set(targets), f"not all was tried: {text[-500:]}"
    return Seen(answers)


def _exec(farm: Farm, machine: str, inside: list[str], targets: Iterable[str]) -> Seen:
    wanted = sorted(set(targets))
    done = subprocess.run(
        ["docker", "exec", "-i", farm.machine(machine), *inside, "bash", "-c", SCAN],
        input="\n".join(wanted) + "\n",
        capture_output=True,
        text=True,
        timeout=180,
    )
    return _seen(done.stdout, wanted)


def from_machine(farm: Farm, machine: str, targets: Iterable[str]) -> Seen:
    """From a process of the machine itself."""
    return _exec(farm, machine, [], targets)


def from_container(farm: Farm, machine: str, container: str, targets: Iterable[str]) -> Seen:
    """From within a container on the machine."""
    return _exec(farm, machine, ["docker", "exec", "-i", container], targets)


def as_a_job(pool: FrameworkPool, folder: str, targets: Iterable[str]) -> Seen:
    """As a user of the pool does it: a job that scans from wherever it runs."""
    wanted = sorted(set(targets))
    job = "executable=scan\ninput=targets\noutput=out\nerror=err\nlog=l\nrequest_memory=64\nrequest_disk=10MB\nqueue\n"
    files = {"scan": f"#!/bin/bash\n{SCAN}", "targets": "\n".join(wanted) + "\n", "j": job}
    write = "\n".join(f"cat > {name} <<'END_OF_FILE'\n{text}END_OF_FILE" for name, text in files.items())
    run = "chmod +x scan && condor_submit -terse j && condor_wait -wait 240 l && cat out err"
    return _seen(pool.ssh(f"mkdir -p {folder} && cd {folder}\n{write}\n{run}", timeout=300), wanted)
