"""The process in which HTCondor's bindings are called: they block, and may hang; then this process is killed and another started.

    python3 -m htcondor_framework.condor.worker

Standard input: one JSON object a line, {"id": 1, "do": "pool", "collectors": ["host:port", ...]}, or
{"id": 2, "do": "queue", "schedd": {"MyAddress": ..., "CondorVersion": ...}, "sites": [...], "collectors": [...], "examples": {...}}, or
{"id": 3, "do": "reschedule", "schedd": {...}}. Schedd and examples are what "pool" answers.
Standard output: the answer to each, {"id": 1, "value": {...}} or {"id": 1, "none": "why there is no data"}. Ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import classad2
import htcondor2

from ..core.model import Pool, Queue
from . import ads, values
from .classes import Judge, evaluated
from .hearing import Hearing

_MAX_AGE = 180.0  # seconds, if the configuration does not set AERIE_AD_MAX_AGE; the collector forgets ads by itself long before
_LEARN_AGAIN = 300.0  # seconds between two looks at whole ads of executors
_FAILED = 30.0  # seconds for which a collector is not asked again if another, if a young one, answers
_LOCATION = ("MyAddress", "CondorVersion", "Name", "LastHeardFrom", "UpdateSequenceNumber")
_CUT = "MODIFY_REQUEST_EXPR_"
_SLOT, _NEGOTIATOR, _SCHEDD, _COLLECTOR = ("Machine", "Slot"), "Negotiator", "Scheduler", "Collector"


class NoData(Exception):
    """Nobody has answered; says why."""


class Watcher:
    """What the collectors say: always the first that answers, in the order in which the questions name them.

    `answered_by`: which one that was, the last time."""

    def __init__(self) -> None:
        self.answered_by = ""
        self._hearing = Hearing()
        self._max_age = float(_parameter("AERIE_AD_MAX_AGE") or _MAX_AGE)
        self._failed: dict[str, float] = {}

    def pool(self, collectors: Sequence[str]) -> dict[str, Any]:
        """The pool; where its schedd is; for each site the name of one of its slots, whose ad is an example of what executors say."""
        asked = time.time()
        answer = self._ask(collectors)
        answered = time.time()
        schedds = [ad for ad in answer if ad.get("MyType") == _SCHEDD]
        slots = [evaluated(ad, ads.SLOT_ATTRIBUTES) for ad in answer if ad.get("MyType") in _SLOT]
        startds = self._hearing.update(ads.startds(slots), asked, answered)
        negotiator = any(ad.get("MyType") == _NEGOTIATOR for ad in answer)
        found = Pool(asked, startds, negotiator, bool(schedds))
        schedd = evaluated(min(schedds, key=lambda ad: str(ad.get("Name"))), _LOCATION) if schedds else None
        examples = {ads.text(s, "AerieSite"): ads.text(s, "Name") for s in slots if s.get("DynamicSlot") is not True}
        return {"pool": values.pool_to_json(found), "schedd": schedd, "examples": examples}

    def _ask(self, collectors: Sequence[str]) -> list[Any]:
        """Ads that are fresh by the collector's clock. A collector that has just started knows but few daemons: it is believed only if
        no other answers."""
        kinds = " || ".join(f'MyType == "{kind}"' for kind in (*_SLOT, _NEGOTIATOR, _SCHEDD))
        constraint = f'MyType == "{_COLLECTOR}" || (time() - LastHeardFrom < {self._max_age:.0f} && ({kinds}))'
        young: list[Any] | None = None
        problems: list[str] = []
        for name in collectors:
            if young is not None and time.monotonic() < self._failed.get(name, 0.0) + _FAILED:
                continue
            try:
                collector = htcondor2.Collector(name)
                answer = collector.query(htcondor2.AdType.Any, constraint, [*ads.SLOT_ATTRIBUTES, "CondorVersion"])
            except Exception as e:  # of the bindings: RuntimeError, HTCondorException, ...
                self._failed[name] = time.monotonic()
                problems.append(f"{name}: {e}")
                continue
            self._failed.pop(name, None)
            own = [ad for ad in answer if ad.get("MyType") == _COLLECTOR]
            found = [ad for ad in answer if ad.get("MyType") != _COLLECTOR]
            lifetime = max((float(ad.get("StatsLifetime") or 0) for ad in own), default=0.0)
            if len(collectors) == 1 or lifetime >= self._max_age:
                self.answered_by = name
                return found
            if young is None or len(found) > len(young):
                young, self.answered_by = found, name
        if young is None:
            raise NoData("; ".join(problems))
        return young


class Reader:
    """What the schedd says."""

    def __init__(self, sites: Sequence[str]) -> None:
        self.sites = tuple(sites)
        cut = {
            name: _parameter(_CUT + name.upper())
            for name in ("RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs")
        }
        self._judge = Judge(self.sites, cut)
        self._learnt: dict[str, Any] = {}
        self._tried_at, self._tried = 0.0, frozenset[str]()

    def queue(self, schedd: dict[str, str], collectors: Sequence[str], examples: dict[str, str]) -> Queue:
        self._learn(collectors, {site: name for site, name in examples.items() if site in self.sites})
        asked = time.time()
        try:
            groups = htcondor2.Schedd(_location(schedd)).query(
                constraint="true", projection=list(ads.JOB_ATTRIBUTES), opts=htcondor2.QueryOpt.GroupBy
            )
        except Exception as e:  # as above
            raise NoData(f"the schedd: {e}") from e
        return ads.queue([self._judge.group(ad) for ad in groups], asked)

    def _learn(self, collectors: Sequence[str], examples: dict[str, str]) -> None:
        """Sees what executors really advertise: one whole ad of each site, now and then, and when a site has its first."""
        due = time.monotonic() > self._tried_at + _LEARN_AGAIN or not examples.keys() <= self._tried
        if not examples or not due:
            return
        self._tried_at, self._tried = time.monotonic(), frozenset(examples)
        constraint = " || ".join(f"Name == {classad2.quote(name)}" for name in examples.values())
        try:
            whole = htcondor2.Collector(collectors[0]).query(htcondor2.AdType.Slot, constraint)
        except Exception:  # another time
            self._tried = frozenset()
            return
        self._learnt |= {str(ad.get("AerieSite")): ad for ad in whole}
        self._judge.learn(self._learnt)


def _location(found: dict[str, str]) -> Any:
    ad = classad2.ClassAd()
    for name, value in found.items():
        ad[name] = value
    return ad


def _parameter(name: str) -> str:
    return str(htcondor2.param.get(name) or "")


class Worker:
    """Answers questions, of one kind or of both."""

    def __init__(self) -> None:
        self._watcher: Watcher | None = None
        self._reader: Reader | None = None

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"id": question["id"], "value": self._value(question)}
        except Exception as e:  # no data, whatever it was: the framework lives on
            return {"id": question["id"], "none": f"{e}" if isinstance(e, NoData) else f"{type(e).__name__}: {e}"}

    def _value(self, question: dict[str, Any]) -> dict[str, Any]:
        match question["do"]:
            case "pool":
                self._watcher = self._watcher or Watcher()
                return self._watcher.pool(question["collectors"]) | {"collector": self._watcher.answered_by}
            case "queue":
                self._reader = self._reader or Reader(question["sites"])
                found = self._reader.queue(question["schedd"], question["collectors"], question["examples"])
                return values.queue_to_json(found)
            case "reschedule":
                htcondor2.Schedd(_location(question["schedd"])).reschedule()
                return {}
        raise NoData(f"no such question: {question['do']}")


def main() -> None:
    # What a library prints must not come between the answers.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        out.write(json.dumps(worker.answer(json.loads(line)), separators=(",", ":")) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
