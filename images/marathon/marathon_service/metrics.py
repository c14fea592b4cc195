"""What the service counts, under Marathon's names: as JSON at /metrics and in Prometheus' text at /metrics/prometheus."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .core.model import State
from .core.spec import Json

_KEPT = 1000  # durations, of which the percentiles are made
_PERCENTILES = {"p50": 0.5, "p75": 0.75, "p95": 0.95, "p98": 0.98, "p99": 0.99, "p999": 0.999}
_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH"})
_UNSAFE = re.compile(r"[^a-zA-Z0-9_:]")


class Rate:
    """Events a second, on average over the last 1, 5 and 15 minutes, as a Unix load average is made."""

    def __init__(self, now: float) -> None:
        self.count, self._began, self._ticked, self._fresh = 0, now, now, 0
        self._rates: dict[int, float] = {}

    def mark(self, now: float) -> None:
        self._tick(now)
        self.count += 1
        self._fresh += 1

    def _tick(self, now: float) -> None:
        passed = now - self._ticked
        if passed < 5.0:
            return
        rate, self._fresh, self._ticked = self._fresh / passed, 0, now
        for minutes in (1, 5, 15):
            weight = 1 - math.exp(-passed / (60 * minutes))
            self._rates[minutes] = self._rates.get(minutes, rate) * (1 - weight) + rate * weight

    def json(self, now: float) -> Json:
        self._tick(now)
        mean = self.count / max(1e-9, now - self._began)
        return {
            "count": self.count,
            "m1_rate": self._rates.get(1, mean),
            "m5_rate": self._rates.get(5, mean),
            "m15_rate": self._rates.get(15, mean),
            "mean_rate": mean,
        }


@dataclass
class Timer:
    """Durations in seconds."""

    rate: Rate
    values: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def json(self, now: float) -> Json:
        ordered = sorted(self.values)
        mean = sum(ordered) / len(ordered) if ordered else 0.0
        spread = math.sqrt(sum((v - mean) ** 2 for v in ordered) / len(ordered)) if ordered else 0.0
        return {
            "min": ordered[0] if ordered else 0.0,
            "mean": mean,
            "max": ordered[-1] if ordered else 0.0,
            **{
                k: ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0
                for k, q in _PERCENTILES.items()
            },
            "stddev": spread,
            **self.rate.json(now),
            "duration_units": "seconds",
            "rate_units": "events/second",
        }


class Metrics:
    """Counts of one instance of the service; those of a term begin anew with each."""

    def __init__(self, prefix: str = "marathon", now: float | None = None) -> None:
        self._prefix = prefix
        self._began = time.time() if now is None else now
        self.term_began: float | None = None
        self._counters: dict[str, int] = {}
        self._meters: dict[str, Rate] = {}
        self._timers: dict[str, Timer] = {}
        self.active_requests = 0

    def new_term(self, now: float) -> None:
        self.term_began = now
        self._counters = {k: v for k, v in self._counters.items() if k.startswith("http.")}

    def count(self, name: str, by: int = 1) -> None:
        """`name` is Marathon's, without prefix and type: mesos.offers.declined."""
        self._counters[name] = self._counters.get(name, 0) + by

    def request(self, method: str, status: int, seconds: float, read: int, written: int, now: float) -> None:
        names = ["http.requests.duration"]
        if method in _METHODS:
            names.append(f"http.requests.{method.lower()}.duration")
        for name in names:
            timer = self._timers.get(name) or self._timers.setdefault(name, Timer(Rate(self._began)))
            timer.values.append(seconds)
            timer.rate.mark(now)
        meter = f"http.responses.{status // 100}xx.rate"
        (self._meters.get(meter) or self._meters.setdefault(meter, Rate(self._began))).mark(now)
        self.count("http.requests.size", read)
        self.count("http.responses.size", written)

    def json(self, state: State | None, now: float) -> Json:
        """`state` of the leader; None on an instance that does not lead."""
        gauges = {"uptime.gauge.seconds": now - self._began, "http.requests.active.gauge": self.active_requests}
        if state is not None:
            gauges |= _gauges(state)
            gauges["leadership.duration.gauge.seconds"] = now - (self.term_began or now)
        for kind in range(1, 6):
            self._meters.setdefault(f"http.responses.{kind}xx.rate", Rate(self._began))
        return {
            "version": "5.0.0",
            "counters": {
                f"{self._prefix}.{k}.counter" + (".bytes" if ".size" in k else ""): {"count": v}
                for k, v in sorted(self._counters.items())
            },
            "gauges": {f"{self._prefix}.{k}": {"value": v} for k, v in sorted(gauges.items())},
            "histograms": {},
            "meters": {
                f"{self._prefix}.{k}.meter": {**m.json(now), "units": "events/second"}
                for k, m in sorted(self._meters.items())
            },
            "timers": {f"{self._prefix}.{k}.timer.seconds": t.json(now) for k, t in sorted(self._timers.items())},
        }


def _gauges(state: State) -> dict[str, float]:
    instances = list(state.instances.values())
    killed = [i for i in instances if i.kill_reason is not None]
    groups = {up for a in state.apps for up in _parents(a)} | state.groups.keys()
    return {
        "apps.active.gauge": len(state.apps),
        "pods.active.gauge": 0,
        "groups.active.gauge": len(groups) + 1,
        "deployments.active.gauge": len(state.deployments),
        "instances.running.gauge": sum(i.running for i in instances),
        "instances.staged.gauge": sum(i.state in ("TASK_STAGING", "TASK_STARTING") for i in instances),
        "instances.launch-overdue.gauge": sum(i.kill_reason == "overdue" for i in killed),
        "instances.inflight-kills.gauge": len(killed),
    }


def _parents(path: str) -> Iterable[str]:
    while (path := path.rsplit("/", 1)[0]) != "":
        yield path


def prometheus(metrics: Json) -> str:
    """The same in Prometheus' text format."""
    lines: list[str] = []

    def put(name: str, kind: str, values: Mapping[str, float]) -> None:
        safe = _UNSAFE.sub("_", name)
        lines.append(f"# TYPE {safe} {kind}")
        lines.extend(f"{safe}{suffix} {value}" for suffix, value in values.items())

    for name, value in metrics["counters"].items():
        put(name, "counter", {"": value["count"]})
    for name, value in metrics["gauges"].items():
        put(name, "gauge", {"": value["value"]})
    for name, meter in metrics["meters"].items():
        base = name.removesuffix(".meter")
        put(f"{base}.count.meter", "counter", {"": meter["count"]})
        for rate in ("m1_rate", "m5_rate", "m15_rate", "mean_rate"):
            put(f"{base}.{rate}.meter", "gauge", {"": meter[rate]})
    for name, timer in metrics["timers"].items():
        quantiles = {f'{{quantile="{q}"}}': timer[k] for k, q in _PERCENTILES.items()}
        put(name, "summary", {**quantiles, "_sum": timer["mean"] * timer["count"], "_count": timer["count"]})
    return "\n".join(lines) + "\n"
