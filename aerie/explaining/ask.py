"""The one question about a job that is asked on the submit node's front-end, and how its answer is read. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from components.batch.guard import find_script
from tools.status_probe import sections

from .facts import Analysis, Condition, Facts, Framework, Job, JobId, Slot

MARK = "@@aerie"
SECONDS = 25  # for each command of HTCondor
JOB = (
    "ClusterId,ProcId,Owner,JobStatus,QDate,EnteredCurrentStatus,RequestCpus,RequestMemory,RequestDisk,RequestGPUs,RemoteHost,"
    "LastRemoteHost,HoldReason,HoldReasonCode,RemoveReason,NumJobStarts,ExitCode,LastRejMatchReason,LastRejMatchTime"
)
SLOT = "Machine,AerieSite,State,PartitionableSlot,Cpus,Memory,Disk,GPUs,TotalCpus,TotalMemory,TotalDisk,TotalGPUs"


def job_id(text: str) -> JobId | None:
    """5, 5.0, or job 5.0 as condor_submit writes it; None if it is none."""
    found = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,9}))?", text.strip())
    return JobId(int(found[1]), int(found[2]) if found[2] else None) if found else None


def script(pool: str, asked: JobId) -> str:
    """Changes nothing. Analyses the first idle job of a cluster."""
    its = f"ClusterId == {asked.cluster}" + ("" if asked.process is None else f" && ProcId == {asked.process}")
    idle = f"{its} && JobStatus == {1}"
    return f"""id=$({find_script(pool, "submit")} | grep -m 1 .) || {{
  echo "{MARK} node 3"
  exit 0
}}
tell() {{
  name=$1
  shift
  out=$(timeout {SECONDS} docker exec "$id" "$@" 2>&1)
  echo "{MARK} $name $?"
  printf '%s\\n' "$out"
}}
tell queue condor_q -allusers -constraint '{its}' -json -attributes {JOB}
tell slots condor_status -json -attributes {SLOT}
first=$(docker exec "$id" condor_q -allusers -constraint '{idle}' -af:j ProcId 2>/dev/null | head -n 1)
[ -z "$first" ] || tell analysis condor_q -allusers "${{first%% *}}" -better-analyze
tell history condor_history {asked} -limit 1 -json -attributes {JOB}
"""


def read(pool: str, asked: JobId, text: str, now: float, framework: Framework | None) -> Facts:
    """The answer."""
    answers = sections(text)
    if not answers or "node" in answers:
        return Facts(pool, asked, now, framework=framework, trouble="no submit node of the pool runs there")
    status, body = answers.get("queue", (1, "no answer"))
    if status:
        said = "no answer in time" if status == 124 else (body.splitlines() or ["condor_q fails"])[-1][:200]
        return Facts(pool, asked, now, framework=framework, trouble=said)
    jobs = tuple(_job(ad) for ad in _ads(body))
    done = [] if jobs else _ads(_good(answers, "history"))
    slots = None if answers.get("slots", (1, ""))[0] else tuple(_slot(ad) for ad in _ads(_good(answers, "slots")))
    analysed = _good(answers, "analysis")
    return Facts(
        pool,
        asked,
        now,
        jobs,
        _job(done[0]) if done else None,
        slots,
        analysis(analysed) if analysed else None,
        framework,
    )


def _good(answers: dict[str, tuple[int, str]], name: str) -> str:
    status, body = answers.get(name, (1, ""))
    return "" if status else body


def _ads(text: str) -> list[dict[str, Any]]:
    """HTCondor writes nothing where there is nothing, and warnings before what there is."""
    start = text.find("[")
    try:
        found = json.loads(text[start:]) if start >= 0 else []
    except ValueError:
        return []
    return [ad for ad in found if isinstance(ad, dict)]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _job(ad: dict[str, Any]) -> Job:
    return Job(
        int(ad["ClusterId"]),
        int(ad["ProcId"]),
        str(ad.get("Owner", "?")),
        int(ad.get("JobStatus", 0)),
        float(ad.get("QDate", 0)),
        float(ad.get("EnteredCurrentStatus", 0)),
        _number(ad.get("RequestCpus")),
        _number(ad.get("RequestMemory")),
        _number(ad.get("RequestDisk")),
        _number(ad.get("RequestGPUs")),
        host=str(ad.get("RemoteHost") or ad.get("LastRemoteHost") or "").rpartition("@")[2],
        why=str(ad.get("HoldReason") or ad.get("RemoveReason") or ""),
        code=int(ad.get("HoldReasonCode", 0)),
        starts=int(ad.get("NumJobStarts", 0)),
        exit_code=ad.get("ExitCode"),
        rejected=str(ad.get("LastRejMatchReason", "")).strip(),
        looked_at=float(ad.get("LastRejMatchTime", 0)),
    )


def _slot(ad: dict[str, Any]) -> Slot:
    free = [_number(ad.get(what)) or 0.0 for what in ("Cpus", "Memory", "Disk", "GPUs")]
    total = [_number(ad.get(f"Total{what}")) or 0.0 for what in ("Cpus", "Memory", "Disk", "GPUs")]
    where = str(ad.get("Machine", "?")), str(ad.get("AerieSite", "?"))
    total = [max(pair) for pair in zip(free, total, strict=True)]
    return Slot(*where, str(ad.get("State", "?")), bool(ad.get("PartitionableSlot", False)), *free, *total)


def analysis(text: str) -> Analysis:
    """From the text of condor_q -better-analyze."""

    def count(pattern: str) -> int:
        found = re.search(pattern, text)
        return int(found[1]) if found else 0

    steps = re.findall(r"^\[\d+\] +(\d+)  +(.+?) *$", text, flags=re.M)
    return Analysis(
        count(r"Of (\d+) machines?,"),
        count(r"(\d+) (?:are|is) rejected by your job"),
        count(r"(\d+) rejects? your job because of (?:their|its) own"),
        count(r"(\d+) match(?:es)? and (?:are|is) already running your"),
        count(r"(\d+) match(?:es)? but (?:are|is) serving other"),
        count(r"(\d+) (?:are|is) able to run your"),
        tuple(Condition(int(slots), condition) for slots, condition in steps),
        text.strip(),
    )
