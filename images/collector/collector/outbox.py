"""Messages on their way to one receiver: a thread of its own and a queue with an end, so that no round waits for anybody."""

from __future__ import annotations

import logging
import threading
from collections import deque

from .notices import Notice
from .receivers import Receiver, Refused

log = logging.getLogger(__name__)
MOST = 200  # messages that wait for one receiver
FIRST, LONGEST = 2.0, 300.0  # seconds between two attempts: twice as long each time


class Outbox:
    """Sends in the order that messages came in, each until it is taken or refused. When the queue is full the oldest is dropped."""

    def __init__(self, receiver: Receiver, most: int = MOST, first: float = FIRST, longest: float = LONGEST) -> None:
        self._receiver, self._most, self._first, self._longest = receiver, most, first, longest
        self._queue: deque[Notice] = deque()
        self._lock = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"alerts-{receiver.name}", daemon=True)
        self._trouble, self._busy = "", False
        self.sent = self.errors = self.dropped = 0

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def start(self) -> None:
        self._thread.start()

    def put(self, notice: Notice) -> None:
        """Never waits."""
        with self._lock:
            self._queue.append(notice)
            if len(self._queue) > self._most:
                del self._queue[1 if self._busy else 0]  # not the one that is on its way
                self.dropped += 1
            self._lock.notify()

    def stop(self, seconds: float = 5.0) -> None:
        """What waits is tried once more, for at most so long."""
        self._ended.set()
        with self._lock:
            self._lock.notify()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        pause = self._first
        while True:
            with self._lock:
                self._lock.wait_for(lambda: self._queue or self._ended.is_set())
                notice = self._queue[0] if self._queue else None
                self._busy = notice is not None
            if notice is None:
                return
            if self._tried(notice):
                pause = self._first
            elif self._ended.is_set():
                return
            else:
                self._ended.wait(pause)
                pause = min(pause * 2, self._longest)

    def _tried(self, notice: Notice) -> bool:
        """Whether it is through with it."""
        try:
            self._receiver.send(notice)
        except Refused as error:
            self.errors += 1
            log.warning("alerts, %s: a message is refused and dropped: %s", self._receiver.name, error)
            self.dropped += 1
            self._done()
            return True
        except Exception as error:  # whatever it was, the thread goes on, and the message waits
            self.errors += 1
            why = f"{type(error).__name__}: {error}"[:300]
            if why != self._trouble:
                log.warning("alerts, %s: %s; messages wait", self._receiver.name, why)
            self._trouble = why
            with self._lock:
                self._busy = False  # until it is tried again it may be dropped as any other
            return False
        if self._trouble:
            log.warning("alerts, %s: takes messages again", self._receiver.name)
            self._trouble = ""
        self.sent += 1
        self._done()
        return True

    def _done(self) -> None:
        with self._lock:
            self._queue.popleft()
            self._busy = False
