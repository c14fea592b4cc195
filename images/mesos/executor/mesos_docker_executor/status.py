"""TaskStatus messages, and the book of those that the agent has not acknowledged yet."""

import base64
import threading
import time
import uuid
from typing import Any

Json = dict[str, Any]

TERMINAL = frozenset({"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"})


def make(task: Json, executor_id: str, state: str, network: Json | None, message: str | None, fields: Json) -> Json:
    """One TaskStatus with a fresh uuid."""
    status: Json = {
        "task_id": task["task_id"],
        "executor_id": {"value": executor_id},
        "state": state,
        "source": "SOURCE_EXECUTOR",
        "timestamp": time.time(),
        "uuid": base64.b64encode(uuid.uuid4().bytes).decode(),
        **fields,
    }
    if message:
        status["message"] = message
    if network:
        status.setdefault("container_status", {"network_infos": [network]})
    return status


def network_info(task: Json, inspected: Json) -> Json | None:
    """The task's address as `docker inspect` shows it, in the shape of a NetworkInfo; None without one."""
    settings = inspected.get("NetworkSettings") or {}
    addresses = [settings.get("IPAddress")] + [n.get("IPAddress") for n in (settings.get("Networks") or {}).values()]
    address = next((a for a in addresses if a), None)
    if address is None:
        return None
    wanted = ((task.get("container") or {}).get("network_infos") or [{}])[0]
    return {**wanted, "ip_addresses": [{"ip_address": address, "protocol": "IPv4"}]}


def address_of(network: Json | None) -> str:
    """Where to reach the task; on the host's own network it has no address of its own."""
    return str(network["ip_addresses"][0]["ip_address"]) if network else "127.0.0.1"


class Book:
    """What must be told again after a reconnection: tasks and updates without acknowledgement.  Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[str, Json] = {}
        self._updates: dict[str, Json] = {}

    def task(self, task: Json) -> None:
        with self._lock:
            self._tasks[task["task_id"]["value"]] = task

    def update(self, status: Json) -> None:
        with self._lock:
            self._updates[status["uuid"]] = {"status": status}

    def acknowledged(self, task_id: str, uuid_: str) -> str | None:
        """Strike off; the state that was acknowledged, or None if it was not ours."""
        with self._lock:
            self._tasks.pop(task_id, None)
            done = self._updates.pop(uuid_, None)
        return str(done["status"]["state"]) if done else None

    def pending(self) -> Json:
        """The body of SUBSCRIBE."""
        with self._lock:
            return {
                "unacknowledged_tasks": list(self._tasks.values()),
                "unacknowledged_updates": list(self._updates.values()),
            }
