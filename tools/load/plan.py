"""What is submitted when: a pure plan of stress jobs, the same each time it is asked for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

KINDS = ("cpu", "memory", "io")
BEAT = 5.0  # seconds between two submissions, unless the rate is slower than that
SLACK = 48  # MB of a job that are not stress's own: the starter's share and the processes themselves
MOST = 100_000  # jobs of one load; more are a mistake rather than a wish


class Mistake(ValueError):
    """What was asked for cannot be; one line for each thing that is wrong, each with what to write instead."""


@dataclass(frozen=True)
class Wish:
    """What the user asks for."""

    rate: float  # jobs a minute
    minutes: float  # for so long
    length: float  # seconds of a job
    spread: float  # jobs are up to this share of `length` shorter or longer; 0 to 0.9
    mix: Mapping[str, int]  # kind -> weight
    memory: int  # MB that a memory job keeps busy
    disk: int  # MB that an io job writes, over and over


@dataclass(frozen=True)
class Job:
    """One job."""

    kind: str
    arguments: str  # of stress
    memory: int  # MB that it requests
    disk: int  # MB that it requests


@dataclass(frozen=True)
class Batch:
    """What is submitted at once, `at` seconds after the start."""

    at: float
    jobs: tuple[Job, ...]


def mix_of(text: str) -> dict[str, int]:
    """`cpu=6,memory=3,io=1` -> weights. Raises Mistake."""
    out: dict[str, int] = {}
    for part in text.split(","):
        kind, _, weight = part.strip().partition("=")
        if kind not in KINDS:
            raise Mistake(
                f"--mix: there is no kind {kind!r}; write some of {', '.join(KINDS)}, such as cpu=6,memory=3,io=1"
            )
        if weight and not weight.isdigit():
            raise Mistake(f"--mix: {part.strip()!r} has no whole number; write {kind}=1")
        out[kind] = int(weight or 1)
    if not sum(out.values()):
        raise Mistake("--mix: all weights are 0; write one that is not, such as cpu=1")
    return out


def mistakes(wish: Wish, room_memory: int, room_disk: int) -> list[str]:
    """All that is wrong with the wish; `room_*`: MB of the pool's largest executor."""
    out = []
    if not 0 < wish.rate <= 6000:
        out.append(f"--rate {wish.rate:g}: write jobs a minute, more than 0 and at most 6000")
    if not 0 < wish.minutes <= 24 * 60:
        out.append(f"--minutes {wish.minutes:g}: write more than 0 and at most a day (1440)")
    if not 1 <= wish.length <= 24 * 3600:
        out.append(f"--length {wish.length:g}: write seconds of a job, from 1 to a day (86400)")
    if not 0 <= wish.spread <= 0.9:
        out.append(f"--spread {wish.spread:g}: write a share of the length from 0 to 0.9")
    if not out and count(wish) > MOST:
        out.append(f"--rate and --minutes make {count(wish)} jobs; write less, {MOST} at most")
    for kind, what, given, room in (
        ("memory", "memory", wish.memory, room_memory),
        ("io", "disk", wish.disk, room_disk),
    ):
        most = room - (SLACK if kind == "memory" else 0)
        if wish.mix.get(kind) and not 1 <= given <= most:
            out.append(
                f"--{what} {given}: no executor has room for it, so its jobs would wait for ever; write 1 to {most} (MB)"
            )
    return out


def count(wish: Wish) -> int:
    """Jobs in all; one at least."""
    return max(1, round(wish.rate * wish.minutes))


def _kinds(mix: Mapping[str, int]) -> Iterator[str]:
    """Kinds without end, evenly mixed by weight: each time the one that is furthest behind its share."""
    total, given = sum(mix.values()), dict.fromkeys(mix, 0)
    for number in itertools.count(1):
        kind = max(mix, key=lambda k: mix[k] * number / total - given[k])
        given[kind] += 1
        yield kind


def _length(wish: Wish, number: int) -> int:
    """Seconds of a job. The golden ratio's multiples fill the span evenly, whatever the count."""
    at = (number * 0.6180339887498949) % 1.0
    return max(1, round(wish.length * (1 + wish.spread * (2 * at - 1))))


def job_of(kind: str, seconds: int, wish: Wish) -> Job:
    """A job of this kind."""
    if kind == "cpu":
        return Job(kind, f"--cpu 1 --timeout {seconds}s", 16 + SLACK, 1)
    if kind == "memory":
        return Job(kind, f"--vm 1 --vm-bytes {wish.memory}M --timeout {seconds}s", wish.memory + SLACK, 1)
    return Job(kind, f"--hdd 1 --hdd-bytes {wish.disk}M --timeout {seconds}s", 16 + SLACK, wish.disk + 1)


def plan(wish: Wish) -> list[Batch]:
    """All batches in order. Sizes differ by one job at most."""
    jobs, kinds = count(wish), _kinds(wish.mix)
    batches = min(jobs, max(1, math.ceil(wish.minutes * 60 / BEAT)))
    gap, out, done = wish.minutes * 60 / batches, [], 0
    for number in range(batches):
        upto = (number + 1) * jobs // batches
        made = tuple(job_of(next(kinds), _length(wish, n), wish) for n in range(done, upto))
        if made:
            out.append(Batch(number * gap, made))
        done = upto
    return out


def submit_file(batch: Batch, load: str) -> str:
    """HTCondor's submit description for the batch; `load` marks all jobs of one load."""
    rows = "\n".join(f"  {job.kind}, {job.memory}, {job.disk}, {job.arguments}" for job in batch.jobs)
    return f"""executable = /usr/bin/stress
arguments = $(words)
transfer_executable = false
should_transfer_files = YES
when_to_transfer_output = ON_EXIT
batch_name = load-{load}
log = load.log
request_cpus = 1
request_memory = $(mem)MB
request_disk = $(room)MB
My.AerieLoad = "{load}"
My.AerieLoadKind = "$(kind)"
queue kind, mem, room, words from (
{rows}
)
"""
