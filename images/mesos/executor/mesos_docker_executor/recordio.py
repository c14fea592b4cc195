"""RecordIO, the framing of Mesos' streaming answers: a length in decimal, a line feed, that many bytes."""

import json
from collections.abc import Iterator
from typing import Any, Protocol

LONGEST = 64 << 20  # bytes; an event is never this large, so more means that the stream is not RecordIO


class Readable(Protocol):
    """The one method of a file or an HTTP response that is used."""

    def read(self, amount: int, /) -> bytes: ...


def records(stream: Readable) -> Iterator[dict[str, Any]]:
    """Each record's JSON object until the stream ends; ConnectionError if it ends within a record."""
    while True:
        header = b""
        while not header.endswith(b"\n"):
            byte = stream.read(1)
            if not byte and not header:
                return
            if not byte or len(header) > 12:
                raise ConnectionError("the event stream broke off")
            header += byte
        length = int(header)
        if not 0 <= length <= LONGEST:
            raise ValueError(f"a record of {length} bytes")
        body = b""
        while len(body) < length:
            part = stream.read(length - len(body))
            if not part:
                raise ConnectionError("the event stream broke off")
            body += part
        yield json.loads(body)
