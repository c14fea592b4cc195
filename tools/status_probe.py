"""The one question that `make status` asks a machine: a shell script, and how its answer is read. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

from components.batch.guard import find_script
from components.spec import addresses

from . import bird
from .status_facts import Container, Etcd, Jobs, Machine, OnMachine, Pool, Session, Slots, Tunnel

MARK = "@@aerie"  # starts the line before each answer: MARK name exit-status
TOO_LATE = 124  # the exit status by which `timeout` says so
SECONDS = 8  # for each question; all are asked at the same time, of a machine that may be busy

# Each answer is held back until it is whole: those that hang end by themselves and the others are told all the same.
_START = f"""set -u
out=$(mktemp -d) || exit 1
export out
trap 'rm -rf "$out"' EXIT
answer() {{ # NAME COMMAND...
  name=$1
  shift
  timeout {SECONDS} "$@" > "$out/$name.out" 2> "$out/$name.err"
  echo $? > "$out/$name.rc"
}}
then_answer() {{ # FIRST NAME COMMAND...: the same, unless there was no answer to FIRST in time
  if [ "$(cat "$out/$1.rc")" = {TOO_LATE} ]; then
    echo {TOO_LATE} > "$out/$2.rc"
    : > "$out/$2.out" > "$out/$2.err"
  else
    shift
    answer "$@"
  fi
}}
"""
_END = f"""wait
for name in $names; do
  status=$(cat "$out/$name.rc")
  echo "{MARK} $name $status"
  cat "$out/$name.out"
  echo
  [ "$status" = 0 ] || cat "$out/$name.err"
done
"""
SLOT_ATTRIBUTES = "Machine,AerieSite,State,Cpus,PartitionableSlot"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ROUTES = "@@routes"  # the line between sessions and routes in the answer about BGP
_SLOTS = f"condor_status -json -attributes {SLOT_ATTRIBUTES}"
_JOBS = (
    "condor_q -totals -allusers || exit 1; echo; "
    'cat "$(condor_config_val HISTORY)"* 2>/dev/null | grep -c "^JobStatus = 4$" || true'
)


def _containers(names: Iterable[str]) -> str:
    """All of them by one start of `docker`. That one is missing is an answer; that none could be looked for is not."""
    return f"""docker inspect --type container -f \
'{{"name":{{{{json .Name}}}},"restarts":{{{{.RestartCount}}}},"state":{{{{json .State}}}}}}' {" ".join(names)} 2> "$out/missing" ||
  {{ [ -s "$out/missing" ] && ! grep -qvi 'no such \\(container\\|object\\)' "$out/missing"; }} ||
  {{ cat "$out/missing" >&2; exit 1; }}
date -u +%s"""


def _bgp(routes: bool) -> str:
    """Asks BIRD for its sessions, and for what BGP told it: one start of a process in the container, and its clock.

    A `docker exec` costs 0.1 s of cpu and nsenter next to nothing. But what runs by that is not kept to what the container may
    do. So only in this one: it has the machine's Docker socket, and so could do all that already."""
    ask = f'date "+now %Y-%m-%d %H:%M:%S"; {bird.BIRDC} show protocols all'
    if routes:
        ask += f' && echo {_ROUTES} && {bird.BIRDC} "show route where source = RTS_BGP"'
    return f"""pid=$(sed -n 's/^{{"name":"\\/calico".*"Pid":\\([1-9][0-9]*\\)[,}}].*/\\1/p' "$out/containers.out")
[ -n "$pid" ] && command -v nsenter > /dev/null || exec docker exec calico sh -c {shlex.quote(ask)}
exec nsenter -t "$pid" -m env -i PATH={_PATH} sh -c {shlex.quote(ask)}"""


def _zookeeper(address: str) -> str:
    """By the machine's own bash; if that gets no answer, the container tells why."""
    direct = f"exec 3<> /dev/tcp/{address}/{addresses.ZOOKEEPER_CLIENT} && printf srvr >&3 && grep . <&3"
    return f"bash -c {shlex.quote(direct)} 2> /dev/null || exec docker exec zookeeper zk-4lw srvr {address}"


def _submit_node(pool: str, command: str) -> str:
    """Runs a command in the pool's submit node, whoever started it."""
    return f"""id=$(grep -m 1 . "$out/find-{pool}.out") || {{ echo "no submit node runs here"; exit 3; }}
exec docker exec "$id" sh -c {shlex.quote(command)}"""


def script(machine: Machine, pools: Iterable[str]) -> str:
    """What to run on `machine`; `pools` are those whose submit node should be there. Everything at the same time, except what
    needs the answer to another question."""
    told = ["containers"]
    lines = [_answer("containers", _containers(machine.services))]
    if "calico" in machine.services:
        told.append("bgp")
        lines = [f"{{ {lines[0]}; {_answer('bgp', _bgp(machine.front_end), 'containers')}; }}"]
    alone: dict[str, str] = {}
    if "vpn" in machine.services:
        alone["vpn"] = "exec docker exec vpn vpn status"
    if "etcd" in machine.services:
        alone["etcd"] = "exec docker exec etcd etcdctl --dial-timeout=2s --command-timeout=3s endpoint status -w json"
    if "zookeeper" in machine.services:
        alone["zookeeper"] = _zookeeper(machine.address)
    if "opensearch" in machine.services:
        alone["opensearch"] = "exec docker exec opensearch opensearch-health"
    lines += [_answer(name, question) for name, question in alone.items()]
    for pool in pools:
        find = f"find-{pool}"
        both = {f"slots-{pool}": _submit_node(pool, _SLOTS), f"jobs-{pool}": _submit_node(pool, _JOBS)}
        then = " & ".join(_answer(name, question, find) for name, question in both.items())
        lines.append(f"{{ {_answer(find, find_script(pool, 'submit'))}; {then} & wait; }}")
        alone |= both
    told += alone
    return _START + "".join(f"{line} &\n" for line in lines) + f'names="{" ".join(told)}"\n' + _END


def _answer(name: str, question: str, first: str = "") -> str:
    """The line that asks, if need be only after `first` was answered."""
    return f"{f'then_answer {first}' if first else 'answer'} {name} sh -c {shlex.quote(question)}"


def sections(text: str) -> dict[str, tuple[int, str]]:
    """Each question's exit status and answer."""
    out: dict[str, tuple[int, str]] = {}
    for part in re.split(rf"^{MARK} ", text, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        name, _, status = head.partition(" ")
        out[name] = (int(status) if status.isdigit() else 1, body.strip())
    return out


def _moment(text: str) -> float:
    """Docker's time stamps (nanoseconds, UTC) in seconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})?\d*Z$", r"\1+00:00", text)).timestamp()


def containers(text: str) -> tuple[Container, ...]:
    """The services' containers, with ages by the machine's own clock."""
    *lines, now = filter(None, text.splitlines())  # there are empty ones where something is missing
    out = []
    for line in lines:
        raw: dict[str, Any] = json.loads(line)
        state = raw["state"]
        since = state["StartedAt"] if state["Status"] in ("running", "paused") else state["FinishedAt"]
        out.append(
            Container(
                raw["name"].removeprefix("/"),
                state["Status"],
                raw["restarts"],
                state["ExitCode"],
                state["OOMKilled"],
                max(0.0, float(now) - _moment(since)) if not since.startswith("0001") else 0.0,
            )
        )
    return tuple(sorted(out, key=lambda c: c.name))


def bgp_sessions(text: str) -> tuple[Session, ...]:
    """From the answer about BGP."""
    found = re.search(r"^now (.*)$", text, flags=re.M)
    now = found[1] if found else ""
    return tuple(
        Session(p.peer, p.state, bird.age(p.since, now), p.error)
        for p in bird.protocols(text.partition(f"\n{_ROUTES}\n")[0])
    )


def prefixes(text: str, homes: Mapping[str, tuple[Iterable[str], int]]) -> dict[str, int] | None:
    """How many prefixes of each site are in the answer about BGP, None if it has no routes.

    `homes`: each site's networks, and its AS; by the AS go the addresses that follow their container."""
    _, there, routes = text.partition(f"\n{_ROUTES}\n")
    if not there:
        return None
    networks = [(IPv4Network(n), site) for site, (all_, _) in homes.items() for n in all_]
    by_as = {number: site for site, (_, number) in homes.items()}
    seen: dict[str, set[str]] = {site: set() for site in homes}
    for route in bird.routes(routes):
        site = next((s for n, s in networks if IPv4Network(route.prefix).subnet_of(n)), None)
        if site is None and route.as_path:
            site = by_as.get(route.as_path[-1])
        if site is not None:
            seen[site].add(route.prefix)
    return {site: len(all_) for site, all_ in seen.items()}


def tunnels(text: str) -> tuple[Tunnel, ...]:
    """From `vpn status`. An older one measures no round trip, and watches no link."""
    alive = {"up": True, "down": False}
    return tuple(
        Tunnel(t["peer"], t["handshake_age_s"], t.get("rtt_ms"), alive.get(t.get("link"))) for t in json.loads(text)
    )


def etcd_member(text: str) -> Etcd:
    """From `etcdctl endpoint status -w json` of the member itself."""
    status = json.loads(text)[0]["Status"]
    leader = status.get("leader", 0)
    return Etcd(str(status["header"]["member_id"]), str(leader) if leader else "")


def zookeeper_mode(text: str) -> str:
    """From the four-letter word `srvr`; "" if the server does not serve."""
    found = re.search(r"^Mode: (\w+)", text, flags=re.M)
    return found[1] if found else ""


def executor_slots(text: str) -> tuple[Slots, ...]:
    """Cores by executor, from slot ads: a partitionable slot holds what is left, a dynamic one what is taken."""
    by_machine: dict[str, tuple[str, int, int]] = {}
    for ad in json.loads(text or "[]"):
        site, claimed, idle = by_machine.get(ad["Machine"], ("?", 0, 0))
        cores = int(ad.get("Cpus", 0))
        taken = not ad.get("PartitionableSlot", False) and ad.get("State") == "Claimed"
        by_machine[ad["Machine"]] = (ad.get("AerieSite", site), claimed + cores * taken, idle + cores * (not taken))
    return tuple(Slots(machine, *rest) for machine, rest in sorted(by_machine.items()))


def jobs(text: str) -> Jobs:
    """From `condor_q -totals -allusers`, and the number of finished jobs on the last line."""
    total = re.findall(r"^Total for (?:all users|query): .*$", text, flags=re.M)
    if not total:
        raise ValueError("no totals in the answer of condor_q")

    def number(state: str) -> int:
        found = re.search(rf"(\d+) {state}", total[-1])
        return int(found[1]) if found else 0

    return Jobs(number("idle"), number("running"), number("held"), int(text.splitlines()[-1]))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "no answer"


def read(
    machine: Machine, pools: Iterable[str], text: str, homes: Mapping[str, tuple[Iterable[str], int]] | None = None
) -> OnMachine:
    """The machine's whole answer. What cannot be read is told in `troubles`, and the rest stands. `homes` as in `prefixes`."""
    answers, troubles = sections(text), {}

    def take(name: str, parse: Any, default: Any) -> Any:
        status, body = answers.get(name, (0, ""))
        if name not in answers:
            return default
        if status:
            troubles[name] = f"no answer in {SECONDS} s" if status == TOO_LATE else _last_line(body)
            return default
        try:
            return parse(body)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            troubles[name] = f"cannot read the answer: {error}"
            return default

    take("opensearch", str, "")  # whether it answers is all that is asked
    found: dict[str, Pool] = {}
    for pool in pools:
        slots, queue = take(f"slots-{pool}", executor_slots, None), take(f"jobs-{pool}", jobs, None)
        trouble = troubles.get(f"slots-{pool}") or troubles.get(f"jobs-{pool}") or ""
        found[pool] = Pool(slots, queue, trouble)
    return OnMachine(
        reached=True,
        containers=take("containers", containers, ()),
        tunnels=take("vpn", tunnels, ()),
        sessions=take("bgp", bgp_sessions, ()),
        prefixes=take("bgp", lambda body: prefixes(body, homes or {}), None),
        etcd=take("etcd", etcd_member, None),
        zookeeper=take("zookeeper", zookeeper_mode, ""),
        pools=found,
        troubles=troubles,
    )
