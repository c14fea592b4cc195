"""The question of `aerie history` to the index of finished jobs, and how its answer is read and shown. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

AT = "http://127.0.0.1:9201/history-*/_search"  # in the container, on loopback: who is root on the machine needs no password
USERS, CODES = 1000, 20  # at most: users, and different exit codes of one
UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}  # seconds
FAILED = [{"range": {"ExitCode": {"gt": 0}}}, {"term": {"ExitBySignal": True}}, {"term": {"Status": "Removed"}}]


@dataclass(frozen=True)
class Used:
    """One user's jobs that ended. `cpu` and `wall` in hours; `codes`: how many jobs ended with it, by exit code."""

    user: str
    jobs: int
    removed: int
    signals: int
    cpu: float
    wall: float
    codes: dict[int, int] = field(default_factory=dict)


def seconds(text: str) -> int | None:
    """12h, 7d, 4w as seconds; None if it is none."""
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", text)
    return int(found[1]) * UNITS[found[2]] if found else None


def question(domain: str, user: str, since: float, failed: bool) -> dict[str, Any]:
    """The body of the search. `domain` of a pool, or "" for all; `user` or ""; `since` in Unix time."""
    wanted: list[dict[str, Any]] = [{"range": {"RecordTime": {"gte": int(since)}}}]
    # By the schedd's host, which is named in the pool's domain, whatever its address was at the time.
    wanted += [{"wildcard": {"ScheddName": f"*.{domain}"}}] if domain else []
    wanted += [{"term": {"Owner": user}}] if user else []
    wanted += [{"bool": {"should": FAILED, "minimum_should_match": 1}}] if failed else []
    sums = {name: {"sum": {"field": f}} for name, f in
            (("user", "RemoteUserCpu"), ("system", "RemoteSysCpu"), ("wall", "RemoteWallClockTime"))}  # fmt: skip
    each = {
        **sums,
        "removed": {"filter": {"term": {"Status": "Removed"}}},
        "signals": {"filter": {"term": {"ExitBySignal": True}}},
        "codes": {"terms": {"field": "ExitCode", "size": CODES}},
    }
    users = {"terms": {"field": "Owner", "size": USERS}, "aggs": each}
    return {"size": 0, "query": {"bool": {"filter": wanted}}, "aggs": {"users": users}}


def script(body: dict[str, Any]) -> str:
    """Asks on the front-end that has the index."""
    ask = (
        "docker",
        "exec",
        "opensearch",
        "curl",
        "-sS",
        "--max-time",
        "60",
        "-H",
        "Content-Type: application/json",
        AT,
    )
    return shlex.join([*ask, "-d", json.dumps(body)]) + "\n"


def read(text: str) -> list[Used]:
    """From the answer, who had most jobs first. ValueError with the index's own words if it is none."""
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        raise ValueError(f"no answer: {text.strip()[:200] or 'nothing'}") from None
    if "error" in answer:
        raise ValueError(f"{answer.get('status')}: {str(answer['error'])[:200]}")
    found = answer.get("aggregations", {"users": {"buckets": []}})  # there is no index yet
    return [
        Used(
            bucket["key"],
            bucket["doc_count"],
            bucket["removed"]["doc_count"],
            bucket["signals"]["doc_count"],
            round((bucket["user"]["value"] + bucket["system"]["value"]) / 3600, 3),
            round(bucket["wall"]["value"] / 3600, 3),
            {int(code["key"]): code["doc_count"] for code in bucket["codes"]["buckets"]},
        )
        for bucket in found["users"]["buckets"]
    ]


def total(users: Sequence[Used]) -> Used:
    """Of all of them, called `all`."""
    codes: dict[int, int] = {}
    for one in users:
        for code, count in one.codes.items():
            codes[code] = codes.get(code, 0) + count
    sums = {name: sum(getattr(one, name) for one in users) for name in ("jobs", "removed", "signals", "cpu", "wall")}
    return Used("all", **sums, codes=codes)


def table(users: Sequence[Used]) -> list[str]:
    """Lines, with one for all of them where there are several."""
    head = ("user", "jobs", "removed", "signals", "cpu h", "wall h", "exit codes")
    shown = [*users, *([total(users)] if len(users) > 1 else [])]
    rows = [head, *(
        (u.user, str(u.jobs), str(u.removed), str(u.signals), f"{u.cpu:.1f}", f"{u.wall:.1f}",
         " ".join(f"{code}:{count}" for code, count in sorted(u.codes.items())) or "-")
        for u in shown
    )]  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    last = len(head) - 1
    return [
        "  ".join(c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]  # fmt: skip
