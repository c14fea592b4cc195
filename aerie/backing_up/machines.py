"""Files and scripts to and from machines: the shell text of each step, pure, and how it is sent."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

from components.batch.role_containers import LABEL_PREFIX, ROLE_LABEL
from tools.reach import Place

from ..terminal import Refused

LOOK = 60  # seconds for a step that moves little
COPY = 3600  # for one that moves what users have
PAUSE = 20  # seconds that a submit node may be paused: jobs' leases are 40
IN_ETCD = "/tmp/aerie-backup.db"

ETCD_SAVE = f"""set -eu
docker exec etcd sh -c 'rm -f {IN_ETCD} && etcdctl --command-timeout=60s snapshot save {IN_ETCD} >/dev/null \
  && etcdctl snapshot status {IN_ETCD} -w json 2>/dev/null'
"""
ETCD_TAKE = f"docker exec etcd sh -c 'cat {IN_ETCD} && rm -f {IN_ETCD}'"


def etcd_restore(env: Mapping[str, str]) -> str:
    """Makes the member's data anew from the snapshot on standard input, while its container does not run. `env`: the container's own."""
    inside = """set -eu
umask 077
cd /var/lib/etcd
rm -rf new
cat > /tmp/snapshot.db
/usr/bin/etcdctl snapshot restore /tmp/snapshot.db --data-dir new \
  --name "$ETCD_NAME" --initial-cluster "$ETCD_INITIAL_CLUSTER" --initial-cluster-token "$ETCD_INITIAL_CLUSTER_TOKEN" \
  --initial-advertise-peer-urls "$ETCD_INITIAL_ADVERTISE_PEER_URLS" > /tmp/said 2>&1 || { tail -n 3 /tmp/said >&2; exit 1; }
rm -rf member
mv new/member member
rm -rf new
"""
    given = " ".join(f"-e {shlex.quote(f'{k}={v}')}" for k, v in sorted(env.items()) if k.startswith("ETCD_"))
    return f"""set -eu
image=$(docker inspect -f '{{{{.Config.Image}}}}' etcd)
docker run --rm -i --network none --volumes-from etcd {given} --entrypoint sh "$image" -c {shlex.quote(inside)}
"""


def zookeeper(program: str) -> str:
    """Runs the program of `znodes` where ZooKeeper is reached: with Marathon's image, which has a client."""
    return f"""set -eu
image=$(docker inspect -f '{{{{.Config.Image}}}}' marathon)
docker run --rm -i --network host --memory 256m --entrypoint python3 "$image" -c {shlex.quote(program)}
"""


def stop(services: list[str], seconds: int = 10) -> str:
    """They stay stopped until they are started."""
    return f"docker stop -t {seconds} {' '.join(services)} >/dev/null"


def start(services: list[str]) -> str:
    return f"docker start {' '.join(services)} >/dev/null"


STOP_FRAMEWORKS = (
    f"docker ps -q --filter label={LABEL_PREFIX}{ROLE_LABEL}=framework | xargs -r docker stop -t 10 >/dev/null"
)
ETCD_ANSWERS = "docker exec etcd etcdctl endpoint health >/dev/null 2>&1"
ENDPOINTS = "/calico/resources/v3/projectcalico.org/workloadendpoints/"
# What Calico knew of containers: who they were, and who had the fixed addresses (blocks of one address). Of containers that run now each
# machine's driver writes it again; by the old words it would take a fixed address from the container that has it now.
_FORGET = f"""set -eu
etcdctl del --prefix {ENDPOINTS} >/dev/null
etcdctl get --prefix --keys-only /calico/ipam/v2/ | {{ grep -E "/block/[^/]*-(32|128)$" || true; }} |
  xargs -r -n 100 sh -c '{{ echo; printf "del %s\\n" "$@"; echo; echo; }} | etcdctl txn >/dev/null' sh
"""
ETCD_FORGETS = f"docker exec etcd sh -c {shlex.quote(_FORGET)}"
CALICO_ANSWERS = "docker exec calico calico-node health >/dev/null 2>&1"


def until(condition: str, seconds: int, what: str) -> str:
    """Waits for a command to succeed; `what` is said if it does not."""
    return f"""end=$(($(date +%s) + {seconds}))
until {condition}; do
  [ "$(date +%s)" -lt "$end" ] || {{ echo {shlex.quote(f"{what} after {seconds} s")} >&2; exit 1; }}
  sleep 0.5
done
"""


def spool_save(volume: str) -> str:
    """The volume as a tar file: the queue as it was at one moment, while nothing in the submit node ran; the homes as they are read."""
    return f"""set -eu
umask 077
dir=$(docker volume inspect -f '{{{{.Mountpoint}}}}' {volume})
copy=$(mktemp -d "$dir/../aerie-backup.XXXXXX")
paused=
trap '[ -z "$paused" ] || docker unpause $paused >/dev/null; rm -rf "$copy"' EXIT
running=$(docker ps -q --filter volume={volume} --filter status=running)
[ -z "$running" ] || {{ docker pause $running >/dev/null; paused=$running; }}
mkdir -p "$dir/queue"
timeout {PAUSE} cp -a "$dir/queue" "$copy/queue" || {{ echo "the queue's folder is not copied within {PAUSE} s" >&2; exit 1; }}
[ -z "$paused" ] || docker unpause $paused >/dev/null
paused=
status=0
tar --numeric-owner --warning=no-file-changed --warning=no-file-removed -czf - -C "$copy" queue -C "$dir" --exclude=./queue . || status=$?
[ $status -le 1 ]
"""


def spool_restore(volume: str) -> str:
    """The volume anew, with the tar file on standard input. Refuses while a container has it."""
    return f"""set -eu
[ -z "$(docker ps -q --filter volume={volume})" ] || {{ echo "a container uses {volume}" >&2; exit 1; }}
docker volume create {volume} >/dev/null
dir=$(docker volume inspect -f '{{{{.Mountpoint}}}}' {volume})
find "$dir" -mindepth 1 -delete
tar --numeric-owner -xzpf - -C "$dir"
"""


def run(place: Place, script: str, seconds: int = LOOK, given: bytes | Path = b"", into: Path | None = None) -> str:
    """What the script says there, as its operator; its standard input is `given`, its output goes to the file `into` if there is one.

    Raises Refused with its last words."""
    command = [*place.login.command, script]
    source = given.open("rb") if isinstance(given, Path) else nullcontext(None)
    with source as stdin, (into or Path("/dev/null")).open("wb") as out:
        try:
            done = subprocess.run(
                command,
                stdin=stdin,
                input=given if isinstance(given, bytes) else None,
                stdout=out if into else subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise Refused(f"{place.name} took more than {seconds} s", "aerie doctor, then say it again") from None
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        said = lines[-1] if lines else f"status {done.returncode}"
        raise Refused(f"{place.name}: {said}", "aerie doctor looks at everything; then say it again")
    return "" if into else done.stdout.decode()
