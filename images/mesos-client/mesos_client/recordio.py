"""RecordIO, the framing of the event stream: the length in decimal, a newline, then that many bytes."""

MAX_RECORD = 64 * 1024 * 1024
_MAX_DIGITS = 20


class RecordError(ValueError):
    """The bytes are no RecordIO; the stream cannot be read any further."""


def encode(record: bytes) -> bytes:
    return b"%d\n%s" % (len(record), record)


class Decoder:
    """Cuts a stream of bytes, in chunks of any size, into records."""

    def __init__(self, max_record: int = MAX_RECORD) -> None:
        self._buffer = bytearray()
        self._length: int | None = None
        self._max = max_record

    def feed(self, chunk: bytes) -> list[bytes]:
        """The records that are complete once `chunk` has come.  Raises RecordError."""
        self._buffer += chunk
        records: list[bytes] = []
        start = 0
        while True:
            if self._length is None:
                end = self._buffer.find(b"\n", start)
                if end < 0:
                    if len(self._buffer) - start > _MAX_DIGITS:
                        raise RecordError("no record length where one is due")
                    break
                digits = bytes(self._buffer[start:end])
                if not digits.isdigit() or len(digits) > _MAX_DIGITS:
                    raise RecordError(f"not a record length: {digits[:40]!r}")
                self._length = int(digits)
                if self._length > self._max:
                    raise RecordError(f"a record of {self._length} bytes is over the limit of {self._max}")
                start = end + 1
            if len(self._buffer) - start < self._length:
                break
            records.append(bytes(self._buffer[start : start + self._length]))
            start += self._length
            self._length = None
        del self._buffer[:start]
        return records
