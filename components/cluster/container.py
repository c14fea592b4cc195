"""A service's container on a machine: what it is, and the shell script that makes it so. Pure text."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

FILES = "/etc/aerie"  # on the machine: one folder a service, for root only


@dataclass(frozen=True)
class ContainerSpec:
    """One container on the machine's network, restarted by the machine's Docker.

    `memory` is in MB; `mounts` are docker's SOURCE:TARGET[:ro]; `before` is a shell command that is run before the container that is
    there ends; `ready` is one that succeeds once the service does its work on this machine alone (never one that waits for other
    sites), and may look at `$tries`, four a second.
    """

    name: str
    image: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    files_at: str = ""  # where the service's files are inside the container; "" for FILES/<name>
    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  # further options of `docker run`
    memory: int = 256
    stop_seconds: int = 10
    before: str = ""
    ready: str = ""
    ready_seconds: int = 60


def run_arguments(spec: ContainerSpec) -> list[str]:
    """The arguments of `docker run` for this container."""
    at = spec.files_at or f"{FILES}/{spec.name}"
    out = ["-d", "--name", spec.name, "--network", "host", "--restart", "unless-stopped"]
    out += ["--memory", f"{spec.memory}m", "--label", "aerie.service=" + spec.name]
    out += ["--log-opt", "max-size=10m", "--log-opt", "max-file=3"]
    out += ["-v", f"{FILES}/{spec.name}:{at}:ro"]
    for option, values in (("-v", spec.mounts), ("--cap-add", spec.capabilities), ("--device", spec.devices)):
        for value in values:
            out += [option, value]
    for key, value in sorted(spec.env.items()):
        out += ["-e", f"{key}={value}"]
    return [*out, *spec.options, spec.image, *spec.command]


def start_script(spec: ContainerSpec) -> str:
    """Makes the container anew, with the files that `file_lines` gives on standard input."""
    ready = ""
    if spec.ready:
        ready = f"""
tries=0
until {{ {spec.ready}
}} >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -ge {spec.ready_seconds * 4} ]; then
    echo "{spec.name} is not ready after {spec.ready_seconds} s; its last words:" >&2
    docker logs --tail 15 {spec.name} >&2
    exit 1
  fi
  sleep 0.25
done"""
    before = f"{spec.before}\n" if spec.before else ""
    return f"""set -eu
umask 077
new={FILES}/.{spec.name}.new
rm -rf "$new"
mkdir -p "$new"
while read -r mode name data; do
  printf %s "$data" | base64 -d > "$new/$name"
  chmod "$mode" "$new/$name"
done
docker image inspect {spec.image} >/dev/null 2>&1 || docker pull -q {spec.image} >/dev/null
{before}docker stop -t {spec.stop_seconds} {spec.name} >/dev/null 2>&1 || true
docker rm -f {spec.name} >/dev/null 2>&1 || true
mkdir -p {FILES}/{spec.name}
if [ -f {FILES}/{spec.name}/.files ]; then
  (cd {FILES}/{spec.name} && xargs -r rm -f < .files)
fi
(cd "$new" && ls -A) > "$new/.files"
find "$new" -mindepth 1 -exec mv -t {FILES}/{spec.name} {{}} +
rmdir "$new"
docker run {shlex.join(run_arguments(spec))} >/dev/null{ready}
"""


def stop_script(name: str, stop_seconds: int) -> str:
    """Ends the container and removes its files; its volumes stay."""
    return f"""docker stop -t {stop_seconds} {name} >/dev/null 2>&1 || true
docker rm -f {name} >/dev/null 2>&1 || true
rm -rf {FILES}/{name}
"""


def file_lines(files: Mapping[str, str], modes: Mapping[str, str] | None = None) -> str:
    """The files as lines of MODE NAME BASE64, for the script's standard input."""
    modes = modes or {}
    return "".join(
        f"{modes.get(name, '0600')} {name} {base64.b64encode(text.encode()).decode()}\n"
        for name, text in sorted(files.items())
    )
