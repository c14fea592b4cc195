"""Tasks and deployments in the JSON of the API."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .events import addresses
from .model import Deployment, Health, Instance, State
from .spec import AppSpec, Json
from .stamps import stamp
from .taskchecks import check_result, port_at


def health_json(instance: Instance, health: Health) -> Json:
    def when(value: float | None) -> str | None:
        return None if value is None else stamp(value)

    return {
        "alive": bool(health.alive),
        "consecutiveFailures": health.consecutive_failures,
        "firstSuccess": when(health.first_success),
        "lastFailure": when(health.last_failure),
        "lastSuccess": when(health.last_success),
        "lastFailureCause": health.last_failure_cause,
        "instanceId": instance.id.partition("._app")[0],
    }


def health_results(spec: AppSpec | None, instance: Instance) -> list[Json]:
    results: list[Json] = []
    for n, check in enumerate(spec.health_checks if spec else ()):
        if check.by_marathon:
            if n < len(instance.health) and instance.health[n] != Health():
                results.append(health_json(instance, instance.health[n]))
        elif instance.mesos_healthy is not None:
            seen = instance.started_at if instance.mesos_healthy else None
            results.append(health_json(instance, Health(instance.mesos_healthy, first_success=seen)))
    return results


def task(state: State, instance: Instance) -> Json:
    spec = state.spec_of(instance)
    body: Json = {
        "id": instance.id,
        "appId": instance.app_id,
        "host": instance.hostname,
        "slaveId": instance.agent_id,
        "state": instance.state,
        "ports": instance.host_ports,
        "stagedAt": stamp(instance.staged_at),
        "startedAt": None if instance.started_at is None else stamp(instance.started_at),
        "version": instance.version,
        "ipAddresses": addresses(instance),
        "role": instance.role,
        "servicePorts": [p.service for p in spec.ports] if spec else [],
        "healthCheckResults": health_results(spec, instance),
    }
    if (checked := check_result(instance.check_status)) is not None:
        body["checkResult"] = checked
    if instance.region:
        body["region"] = instance.region
    if instance.zone:
        body["zone"] = instance.zone
    return body


def tasks_text(state: State, instances: Iterable[Instance], networks: Collection[str] = ()) -> str:
    """One line for each port of each app, as load balancers read it: app, service port, and where it is reached.  Ports inside container
    networks are among them for the `networks` that are named (* for all)."""
    lines: dict[tuple[str, int], list[str]] = {}
    for instance in instances:
        spec = state.spec_of(instance)
        if spec is None or not instance.running:
            continue
        name = instance.app_id.strip("/").replace("/", "_")
        inside = bool(networks) and ("*" in networks or any(n in networks for n in spec.network_names))
        if not spec.ports:
            lines.setdefault((name, 0), []).append(instance.hostname)
        for n, port in enumerate(spec.ports):
            targets = lines.setdefault((name, port.service), [])
            host = instance.ports[n] if n < len(instance.ports) else None
            if host is not None:
                targets.append(f"{instance.hostname}:{host}")
            elif inside:
                targets += [f"{a}:{port_at(spec, instance, n)}" for a in instance.ip_addresses]
    return "".join(
        "\t".join([name, str(port) if port else " ", *targets, ""]) + "\n" for (name, port), targets in lines.items()
    )


def readiness(state: State, app_id: str) -> list[Json]:
    """What the readiness checks of an app's tasks said last."""
    if not state.readiness:
        return []
    return [r for i in state.of_app(app_id) for r in state.readiness.get(i.id, {}).values()]


def steps(d: Deployment) -> list[Json]:
    return [{"actions": [{"action": a.kind, "app": a.app} for a in s]} for s in d.steps]


def deployment(d: Deployment, state: State) -> Json:
    step = min(d.step, max(0, len(d.steps) - 1))
    current = d.steps[step] if d.steps else ()
    return {
        "id": d.id,
        "version": d.version,
        "affectedApps": d.apps,
        "affectedPods": [],
        "steps": steps(d),
        "currentActions": [
            {"action": a.kind, "app": a.app, "readinessCheckResults": readiness(state, a.app)} for a in current
        ],
        "currentStep": step + 1,
        "totalSteps": len(d.steps),
    }
