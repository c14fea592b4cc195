"""What a run that was cut off leaves, told from what somebody else is doing right now."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from tools.recovery import half_made, locked, recover, stale_locks


def test_a_lock_is_stale_only_if_its_process_ended_here() -> None:
    lock = {"pid": 7, "hostname": "here"}
    assert stale_locks([lock], "here", lambda pid: False)
    assert not stale_locks([lock], "here", lambda pid: pid == 7)
    assert not stale_locks([lock], "elsewhere", lambda pid: False)
    assert not stale_locks([lock, {"pid": 8, "hostname": "here"}], "here", lambda pid: pid == 8)
    assert not stale_locks([], "here", lambda pid: False)


def test_only_docker_objects_whose_creation_had_begun_are_half_made() -> None:
    def operation(kind: str, what: str, name: str) -> dict[str, object]:
        return {"type": what, "resource": {"urn": f"urn:{name}", "type": kind, "inputs": {"name": name}}}

    container = "docker:index/container:Container"
    pending = [
        operation(container, "creating", "aerie-torino-agent-3"),
        operation(container, "deleting", "aerie-torino-agent-2"),
        operation("command:remote:Command", "creating", "x"),
        operation("docker:index/volume:Volume", "creating", "aerie-torino-agent-3-docker"),
    ]
    state: dict[str, Any] = {"version": 3, "checkpoint": {"latest": {"pending_operations": pending}}}
    assert half_made(state) == [
        (container, "aerie-torino-agent-3"),
        ("docker:index/volume:Volume", "aerie-torino-agent-3-docker"),
    ]
    assert half_made({}) == []
    # A later run has made the machine: it is one in use, and Pulumi's note of the first try stays all the same.
    state["checkpoint"]["latest"]["resources"] = [{"urn": "urn:aerie-torino-agent-3"}]
    assert half_made(state) == [("docker:index/volume:Volume", "aerie-torino-agent-3-docker")]


def test_a_lock_of_a_dead_process_is_taken_away_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "state" / ".pulumi" / "locks" / "organization" / "aerie" / "cnaf"
    folder.mkdir(parents=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead = {"pid": ended.pid, "hostname": socket.gethostname()}
    (folder / "a.json").write_text(json.dumps(dead))
    assert locked(tmp_path, "cnaf") and not locked(tmp_path, "bari")
    assert recover(tmp_path, "cnaf", "aerie") == ["cnaf: freed from a run that was cut off"]
    assert list(folder.iterdir()) == []
    for other in ({**dead, "pid": os.getpid()}, {**dead, "hostname": "elsewhere"}, {}):
        (folder / "a.json").write_text(json.dumps(other))
        assert recover(tmp_path, "cnaf", "aerie") == []
        assert (folder / "a.json").is_file()
