"""Logs: lines on standard output, and as JSON over the network where MARATHON_LOGSTASH says."""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import socket
import ssl
import sys
from datetime import UTC, datetime
from urllib.parse import urlsplit

_WAITING = 10_000  # lines that wait for a collector that is away; what is more is lost there, not on standard output


class JsonLine(logging.Formatter):
    """One line as an object in logstash's form."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "@version": "1",
            "level": record.levelname,
            "logger_name": record.name,
            "thread_name": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(said)


class Datagrams(logging.handlers.DatagramHandler):
    def makePickle(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode() + b"\n"


class Stream(logging.handlers.SocketHandler):
    """TCP; it connects again by itself."""

    def __init__(self, host: str, port: int, tls: bool) -> None:
        super().__init__(host, port)
        self._tls = ssl.create_default_context() if tls else None

    def makeSocket(self, timeout: float = 5.0) -> socket.socket:
        plain = super().makeSocket(timeout)
        return self._tls.wrap_socket(plain, server_hostname=self.host) if self._tls else plain

    def makePickle(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode() + b"\n"

    def handleError(self, record: logging.LogRecord) -> None:
        """A collector that is away is no reason to write of it for each line."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class _Queue(logging.handlers.QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return


def collector(url: str) -> logging.Handler:
    """The handler for udp://, tcp:// or ssl://host:port."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    handler: logging.Handler = (
        Datagrams(host, port) if parts.scheme == "udp" else Stream(host, port, parts.scheme == "ssl")
    )
    handler.setFormatter(JsonLine())
    return handler


def start(level: int, logstash: str | None) -> logging.handlers.QueueListener | None:
    """Set up the logs.  What is returned is to be stopped at the end, so that the last lines get out."""
    logging.basicConfig(level=level, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kazoo").setLevel(max(level, logging.WARNING))
    if logstash is None:
        return None
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_WAITING)
    logging.getLogger().addHandler(_Queue(waiting))
    listener = logging.handlers.QueueListener(waiting, collector(logstash))
    listener.start()
    return listener
