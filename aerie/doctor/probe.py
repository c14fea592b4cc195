"""The one question that `aerie doctor` asks a machine: a shell script, and how its answer is read. Pure."""

from __future__ import annotations

import re
from typing import Any

from tools.status_probe import sections

from .facts import Machine

MARK = "@@aerie"  # as `sections` wants it: MARK name exit-status
SECONDS = 6  # for each question of the script that could hang


def script() -> str:
    """Changes nothing."""
    return f"""tell() {{
  name=$1
  shift
  out=$(timeout {SECONDS} "$@" 2>&1)
  echo "{MARK} $name $?"
  printf '%s\\n' "$out"
}}
tell clock date -u +%s.%N
tell engine docker version -f '{{{{.Server.Version}}}}'
tell disk df -Pk /var/lib/docker /var/lib /
tell memory cat /proc/meminfo
tell links ip -o link
tell images docker ps --filter label=aerie.service --format '{{{{.Names}}}} {{{{.Image}}}}'
tell index docker exec opensearch opensearch-health
tell clock-last date -u +%s.%N
"""


def read(name: str, site: str, address: str, text: str, asked: float, answered: float) -> Machine:
    """The answer. `asked` and `answered` are this machine's clock, seconds, around the whole question.

    It reads its clock twice, after `asked` and before `answered`: what it is ahead lies between the two differences."""
    answers = sections(text)

    def said(what: str) -> str:
        status, body = answers.get(what, (1, ""))
        return "" if status else body

    offset, unsure = _clock(said("clock"), said("clock-last"), asked, answered)
    status, engine = answers.get("engine", (1, "no answer"))
    return Machine(
        name,
        site,
        address,
        True,
        offset=offset,
        unsure=unsure,
        docker="" if status else engine,
        docker_says=(engine.splitlines() or ["no answer"])[-1][:160] if status else "",
        disk_free_gb=_disk(answers.get("disk", (1, ""))[1]),
        memory_free_mb=_memory(said("memory")),
        mtus=_mtus(said("links")),
        images=_images(said("images")),
        index=_index(*answers.get("index", (1, ""))),
    )


def _index(status: int, text: str) -> str | None:
    if not status:
        return ""
    if "no such container" in text.lower() or not text:
        return None if status != 124 else f"no answer in {SECONDS} s"
    return text.splitlines()[-1].removeprefix("Error response from daemon: ")[:160]


def _clock(first: str, last: str, asked: float, answered: float) -> tuple[float | None, float]:
    """How far it is ahead, and how unsure that is, seconds."""
    if not all(re.fullmatch(r"\d+\.\d+", text) for text in (first, last)):
        return None, 0.0
    most, least = float(first) - asked, float(last) - answered
    return round((most + least) / 2, 3), round(abs(most - least) / 2, 3)


def _disk(text: str) -> float | None:
    """Of the first of the folders that there is, GB; df fails if another is missing, and tells the rest all the same."""
    found = re.search(r"^\S+ +\d+ +\d+ +(\d+) +\d+% ", text, flags=re.M)
    return round(int(found[1]) * 1024 / 1e9, 1) if found else None


def _memory(text: str) -> int | None:
    found = re.search(r"^MemAvailable: +(\d+) kB", text, flags=re.M)
    return int(found[1]) // 1024 if found else None


def _mtus(text: str) -> dict[str, int]:
    """Of the interfaces that carry something to other machines or containers: not of the loopback, nor of Docker's own bridge."""
    found: list[Any] = re.findall(r"^\d+: ([^:@\s]+)[^:]*: <[^>]*> mtu (\d+) ", text, flags=re.M)
    return {name: int(mtu) for name, mtu in found if name != "lo" and not name.startswith(("docker", "br-"))}


def _images(text: str) -> dict[str, str]:
    """The tag of each service's image, by the container's name: calico f1d5e3bd7178."""
    out = {}
    for line in text.splitlines():
        name, _, image = line.partition(" ")
        path, _, tag = image.rpartition(":")
        out[name] = f"{path.rpartition('/')[2]}:{tag}"
    return out
