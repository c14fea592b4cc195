"""A client of etcd that writes without end, and knows which writes were acknowledged: a program of its own.

    python etcd_writer.py FOLDER ADDRESS...     FOLDER has ca.crt, client.crt, client.key; ADDRESS is HOST:PORT

Writes a key every 50 ms, to one member after the other where one does not answer, until its standard input ends. Then it reads all keys
back and says as JSON: how many writes were acknowledged, how many of those are lost, the longest time without one (seconds), and how
many calls failed.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from itertools import cycle
from pathlib import Path

import grpc  # type: ignore[import-untyped]

PREFIX, EVERY, PATIENCE = b"/tests/writer/", 0.05, 1.0


def field(number: int, value: bytes) -> bytes:
    """A field of bytes in the wire format of protocol buffers."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """The fields of bytes of a message; numbers are passed over."""
    out, at = [], 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte, at = data[at], at + 1
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 2:
            size = number()
            out.append((key >> 3, data[at : at + size]))
            at += size
        else:
            number()
    return out


class Client:
    """Puts and reads at whichever member answers."""

    def __init__(self, folder: Path, members: list[str]) -> None:
        ca, key, cert = ((folder / name).read_bytes() for name in ("ca.crt", "client.key", "client.crt"))
        # A member that comes back is found again soon.
        options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.initial_reconnect_backoff_ms", 100)]
        credentials = grpc.ssl_channel_credentials(ca, key, cert)
        self._channels = [grpc.secure_channel(member, credentials, options) for member in members]
        self._turn = cycle(self._channels)
        self._now = next(self._turn)

    def call(self, method: str, request: bytes, seconds: float = PATIENCE) -> bytes:
        """One call to the member that answered last; the next one is asked from then on if it fails. Raises grpc.RpcError."""
        try:
            answer: bytes = self._now.unary_unary(f"/etcdserverpb.KV/{method}")(request, timeout=seconds)
            return answer
        except grpc.RpcError:
            self._now = next(self._turn)
            raise

    def put(self, key: bytes, value: bytes) -> None:
        self.call("Put", field(1, key) + field(2, value))

    def everything(self) -> dict[bytes, bytes]:
        """All keys and values below PREFIX, by a read that the quorum agrees to."""
        answer = self.call("Range", field(1, PREFIX) + field(2, PREFIX[:-1] + bytes([PREFIX[-1] + 1])), 30)
        pairs = [dict(fields(kv)) for number, kv in fields(answer) if number == 2]
        return {pair[1]: pair.get(5, b"") for pair in pairs}


def main(folder: str, *members: str) -> None:
    ended = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    client, acknowledged, failed, number = Client(Path(folder), list(members)), dict[bytes, bytes](), 0, 0
    gap, at, last = 0.0, 0.0, time.monotonic()
    began = last
    while not ended.wait(EVERY):
        key, value = PREFIX + b"%08d" % number, b"%d" % number
        number += 1
        try:
            client.put(key, value)
        except grpc.RpcError:
            failed += 1
            continue
        acknowledged[key] = value
        now = time.monotonic()
        if now - last > gap:
            gap, at = now - last, last - began
        last = now
    there: dict[bytes, bytes] = {}
    for _ in range(30):
        try:
            there = client.everything()
            break
        except grpc.RpcError as error:
            print(error, file=sys.stderr)
    lost = [k.decode() for k, v in acknowledged.items() if there.get(k) != v]
    told = {
        "acknowledged": len(acknowledged),
        "lost": lost,
        "longest_gap": round(gap, 2),
        "gap_at": round(at, 1),
        "failed": failed,
    }
    print(json.dumps({**told, "seconds": round(time.monotonic() - began, 1)}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
