"""The executor's life: subscribe, run one task, report, answer kills, outlive the agent's restarts."""

import base64
import http.client
import json
import os
import sys
import threading
import time
from typing import Any

from . import dockerargs, health, status
from .agent import Agent
from .docker import Container, DockerError, Gone
from .settings import Settings

Json = dict[str, Any]

_RETRY = 0.5  # seconds between tries to reach an agent or a dockerd that does not answer
_NO_ANSWER = (OSError, http.client.HTTPException)


def log(*words: object) -> None:
    print(time.strftime("%H:%M:%S"), "mesos-docker-executor:", *words, file=sys.stderr, flush=True)


def nanoseconds(of: Json | None) -> float | None:
    """A DurationInfo in seconds; None without one."""
    return float(of["nanoseconds"]) / 1e9 if of and "nanoseconds" in of else None


class Executor:
    """One task in one container.  `_lock` guards the task's state; updates leave in the order of the states."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.agent = Agent(settings)
        self.container = Container(settings.docker, settings.docker_socket, settings.container)
        self.book = status.Book()
        self.task: Json | None = None
        self.framework: Json = {}
        self.network: Json | None = None
        self.ended = threading.Event()  # the container will not run (any more)
        self.acknowledged = threading.Event()  # the terminal update is
        self._lock = threading.RLock()
        self._state = ""
        self._created = self._killed = self._unhealthy = self._timed_out = False

    # ---- reports

    def update(self, state: str, message: str | None = None, **fields: Any) -> None:
        """Send a status update; until its acknowledgement it is sent again with each SUBSCRIBE."""
        with self._lock:
            if self._state in status.TERMINAL or self.task is None:
                return
            self._state = state
            update = status.make(self.task, self.settings.executor_id, state, self.network, message, fields)
            self.book.update(update)
            log(state, message or "")
            try:
                self.agent.update(update)
            except _NO_ANSWER as error:
                log("the agent does not take the update now:", error)

    # ---- the container

    def run(self) -> None:
        """Thread: the container from its creation to its end."""
        assert self.task is not None
        self.update("TASK_STARTING")
        try:
            plan = dockerargs.plan(self.task, self.settings)
            log("docker create", *plan.options, plan.image, *plan.command)
            self.container.create(plan)
            with self._lock:
                self._created = True
                if self._killed:
                    raise DockerError("killed before its start")
            code = self._live()
        except (ValueError, KeyError, TypeError) as error:
            self._end("TASK_FAILED", f"Failed to create docker run options: {error}")
        except (DockerError, *_NO_ANSWER) as error:
            self._end("TASK_KILLED" if self._killed else "TASK_FAILED", f"Failed to run the container: {error}")
        else:
            message = f"Container exited with status {code}"
            if self._timed_out:
                self._end("TASK_FAILED", message, reason="REASON_MAX_COMPLETION_TIME_REACHED")
            elif self._killed:
                self._end("TASK_KILLED", message, **({"healthy": False} if self._unhealthy else {}))
            else:
                self._end("TASK_FINISHED" if code == 0 else "TASK_FAILED", message)

    def _end(self, state: str, message: str, **fields: Any) -> None:
        self.ended.set()
        self.update(state, message, **fields)

    def _live(self) -> int:
        """Start the container, report it, and wait for its exit status."""
        leaving = self.container.next_exit()
        output = self._copy_output(from_now=True)
        self.container.start()
        try:
            inspected = self.container.inspect()
            self.network = status.network_info(self.task or {}, inspected)
            data = base64.b64encode(json.dumps([inspected]).encode()).decode()
        except (DockerError, *_NO_ANSWER):  # gone already, if it had the option --rm
            data = ""
        if not self._killed:
            self.update("TASK_RUNNING", **({"data": data} if data else {}))
        threading.Thread(target=self._check_health, daemon=True).start()
        try:
            code = leaving.status()
        except (ValueError, *_NO_ANSWER):
            code = self._wait_again()
        output.join(5)
        return code

    def _wait_again(self) -> int:
        """dockerd went away: wait until it answers, and for the container's end (live-restore may have kept it)."""
        copying = False
        while True:
            try:
                running = self.container.inspect()["State"]["Running"]
                if running and not copying:
                    self._copy_output(from_now=True)
                    copying = True
                return self.container.wait()
            except Gone:
                raise
            except (DockerError, ValueError, *_NO_ANSWER):
                time.sleep(_RETRY)

    def _copy_output(self, from_now: bool) -> threading.Thread:
        """Attach, and copy into the sandbox's own files: they must grow on while the agent is away."""
        attached = self.container.attach(from_now)

        def copy() -> None:
            try:
                with (
                    open(os.path.join(self.settings.sandbox, "stdout"), "ab") as stdout,
                    open(os.path.join(self.settings.sandbox, "stderr"), "ab") as stderr,
                ):
                    attached.copy(stdout, stderr)
            except (DockerError, *_NO_ANSWER) as error:
                log("the task's output is not copied any more:", error)

        thread = threading.Thread(target=copy, daemon=True)
        thread.start()
        return thread

    # ---- kills

    def kill(self, grace: float) -> None:
        """Stop the container; Docker kills it when `grace` seconds are over."""
        with self._lock:
            first, self._killed = not self._killed, True
            created = self._created
        capabilities = [c.get("type") for c in self.framework.get("capabilities") or []]
        if first and not self._timed_out and "TASK_KILLING_STATE" in capabilities:
            self.update("TASK_KILLING")
        while created and not self.ended.is_set():
            try:
                self.container.stop(grace)
            except Gone:
                return
            except (DockerError, *_NO_ANSWER) as error:
                log("cannot stop the container now:", error)
            self.ended.wait(_RETRY)

    def grace(self, policy: Json | None = None) -> float:
        policy = policy or (self.task or {}).get("kill_policy") or {}
        wanted = nanoseconds(policy.get("grace_period"))
        return self.settings.stop_timeout if wanted is None else wanted

    def _complete_by(self, limit: float) -> None:
        if not self.ended.wait(limit) and not self._killed:
            self._timed_out = True
            self.kill(0)

    def _check_health(self) -> None:
        assert self.task is not None
        check: Json | None = self.task.get("health_check")
        if check is None:
            return None
        start, address = time.monotonic(), status.address_of(self.network)
        tracker = health.Tracker(check.get("grace_period_seconds", 10), check.get("consecutive_failures", 3))

        def execute(argv: list[str], timeout: float | None) -> int:
            try:
                return self.container.execute(argv, timeout)
            except (DockerError, ValueError, TypeError) as error:
                raise OSError(str(error)) from error

        pause = check.get("delay_seconds", 15)
        while not self.ended.wait(pause) and not self._killed:
            verdict = tracker.result(health.probe(check, address, execute), time.monotonic() - start)
            if self.ended.is_set() or self._killed:
                return None
            if verdict.report is not None:
                self.update("TASK_RUNNING", healthy=verdict.report, reason="REASON_TASK_HEALTH_CHECK_STATUS_UPDATED")
            if verdict.kill:
                self._unhealthy = True
                return self.kill(self.grace())
            pause = tracker.pause(check.get("interval_seconds", 10))

    # ---- events

    def handle(self, event: Json) -> None:
        kind = event["type"]
        if kind not in ("HEARTBEAT", "ACKNOWLEDGED"):
            log("event", kind)
        if kind == "SUBSCRIBED":
            self.framework = event["subscribed"].get("framework_info") or {}
        elif kind == "LAUNCH" and self.task is None:
            self._launch(event["launch"]["task"])
        elif kind == "KILL":
            grace = self.grace(event["kill"].get("kill_policy"))
            threading.Thread(target=self.kill, args=(grace,), daemon=True).start()
        elif kind == "ACKNOWLEDGED":
            known = event["acknowledged"]
            if self.book.acknowledged(known["task_id"]["value"], known["uuid"]) in status.TERMINAL:
                self.acknowledged.set()
                leave()
        elif kind == "SHUTDOWN":
            self.shutdown()
        elif kind == "ERROR":
            log(event.get("error"))

    def _launch(self, task: Json) -> None:
        self.task = task
        self.book.task(task)
        threading.Thread(target=self.run, daemon=True).start()
        if limit := nanoseconds(task.get("max_completion_time")):
            threading.Thread(target=self._complete_by, args=(limit,), daemon=True).start()

    def shutdown(self) -> None:
        """Stop the task within the agent's patience, report it if the agent still listens, and leave."""
        if self._created and not self.ended.is_set():
            grace = max(self.settings.shutdown_grace - 2, 0)
            threading.Thread(target=self.kill, args=(grace,), daemon=True).start()
            self.ended.wait(grace + 10)
            self.acknowledged.wait(2)
        leave()

    def main(self) -> None:
        """Subscribe, again and again, until the task is over or the agent has been away for too long."""
        connected = time.monotonic()
        while True:
            try:
                for event in self.agent.events(self.book.pending()):
                    connected = time.monotonic()
                    self.handle(event)
                    connected = time.monotonic()
                log("the agent closed the connection")
            except (ValueError, *_NO_ANSWER) as error:
                log("disconnected from the agent:", repr(error))
            lost = time.monotonic() - connected > self.settings.recovery_timeout
            if lost or (self.task is not None and not self.settings.checkpoint):
                log("giving up on the agent")
                self.shutdown()
            time.sleep(_RETRY)


def leave() -> None:
    """End the process at once; threads may be blocked in a call to Docker."""
    sys.stderr.flush()
    os._exit(0)
