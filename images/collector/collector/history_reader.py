"""Run in a submit node's container: jobs that ended after a position, as the documents that HTCondor's own adstash makes of them.

It stands alone (the collector sends its text to that container's Python, and `sources/history.py` asks it), and needs HTCondor's
`classad` and `adstash`, which are in the container anyway: documents, their ids and the index's mapping are adstash's, of the pool's
own version.

    python3 -c TEXT mapping                 {"mappings": ..., "settings": ...}
    python3 -c TEXT after:[POSITION]        a line {"position", "found", "waiting"}, then a line for each job, the oldest first:
                                            {"id", "doc"}, or {"job", "error"} for one that cannot be read

A position is INODE:OFFSET:CHECK: the file up to whose byte OFFSET everything was read, and the CRC of the line before it. HTCondor
rotates a history by renaming its file, so that the inode stays; the CRC tells an inode that was given to another file. `found` is
false if no file is the position's: then all that there is comes, from the oldest on. `waiting`: jobs that came after this answer's.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import zlib
from typing import IO, Any

JOBS, BYTES = 500, 2_000_000  # of one answer, at most (but one job at least)
MARK = b"*** "  # starts the line after a job's attributes
LINE = 8192  # bytes: no such line is longer


def files(history: str) -> list[IO[bytes]]:
    """The history and what was rotated out of it, open, the oldest first."""
    folder, name = os.path.split(history)
    # The time of the rotation is in its name; what is none of HTCondor's own is not read.
    rotated = re.compile(re.escape(name) + r"\.\d{8}T\d{6}(\.\d+)?")

    def names() -> list[str]:
        return [*sorted(n for n in os.listdir(folder) if rotated.fullmatch(n)), name]

    while True:
        before = names()
        opened: list[IO[bytes]] = []
        for n in before:
            try:
                opened.append(open(os.path.join(folder, n), "rb"))  # noqa: SIM115 (whoever asks reads them, once)
            except FileNotFoundError:  # it is not there yet, or was rotated away just now
                continue
        if names() == before:  # else one was renamed meanwhile, and might be missing, or be there twice
            return opened
        for file in opened:
            file.close()


def check(file: IO[bytes], offset: int) -> int:
    """The CRC of the line that ends at `offset`."""
    file.seek(max(0, offset - LINE))
    return zlib.crc32(file.read(min(offset, LINE)).splitlines(True)[-1]) if offset else 0


def start(opened: list[IO[bytes]], position: str) -> tuple[int, int, bool]:
    """Where to go on: the file's number, the byte in it, and whether that is the position's."""
    if position:
        inode, offset, crc = map(int, position.split(":"))
        for number, file in enumerate(opened):
            known = os.fstat(file.fileno())
            if known.st_ino == inode and known.st_size >= offset and check(file, offset) == crc:
                return number, offset, True
    return 0, 0, not position


def records(data: bytes) -> list[bytes]:
    """The jobs' attributes and the line after each, as far as they are whole."""
    out, began = [], 0
    for mark in re.finditer(rb"^\*\*\* .*\n", data, re.MULTILINE):
        out.append(data[began : mark.end()])
        began = mark.end()
    return out


def some(file: IO[bytes], offset: int, size: int) -> list[bytes]:
    """Whole records from `offset` on, of about `size` bytes together; none only if there is none."""
    while True:
        file.seek(offset)
        data = file.read(size)
        if (found := records(data)) or len(data) < size:
            return found
        size *= 2


def left(file: IO[bytes], offset: int) -> int:
    """How many whole records there are from `offset` on. Line by line: a history may be larger than the container's memory."""
    file.seek(offset)
    return sum(line.startswith(MARK) and line.endswith(b"\n") for line in file)


def read(
    opened: list[IO[bytes]], position: str, jobs: int = JOBS, most: int = BYTES
) -> tuple[list[bytes], str, bool, int]:
    """Records after the position, the position after them, whether it was found, and how many more wait."""
    number, offset, found = start(opened, position)
    taken: list[bytes] = []
    size = waiting = 0
    for at in range(number, len(opened)):
        begin = offset if at == number else 0
        for record in some(opened[at], begin, most) if not waiting else ():
            if len(taken) == jobs or (taken and size + len(record) > most):
                break
            taken.append(record)
            size += len(record)
            begin += len(record)
            number, offset = at, begin
        waiting += left(opened[at], begin)
    if not opened:
        return [], position, found, 0
    inode = os.fstat(opened[number].fileno()).st_ino
    return taken, f"{inode}:{offset}:{check(opened[number], offset)}", found, waiting


def finite(value: Any) -> Any:
    """Without numbers that JSON does not have."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items() if not (isinstance(v, float) and not math.isfinite(v))}
    return value


def documents(taken: list[bytes]) -> list[dict[str, Any]]:
    """What adstash makes of the records. To load it takes longer than all the rest, so it is not where there is none."""
    if not taken:
        return []
    import classad
    from adstash import convert

    out: list[dict[str, Any]] = []
    for record in taken:
        attributes, _, mark = record.rpartition(MARK)
        try:
            ad = classad.parseOne(attributes.decode(errors="replace"))
            # A job's time is part of its document's id. adstash wants that of its last change for a removed job, but up to HTCondor 24 it
            # takes the time of its own start, with another id after each: so that is the time of the last change here.
            convert._LAUNCH_TIME = int(ad.get("EnteredCurrentStatus", ad.get("QDate", 0)))
            doc = finite(convert.to_json(ad, return_dict=True))
            out.append({"id": convert.unique_doc_id(doc), "doc": doc})
        except Exception as error:  # of this job alone
            out.append({"job": mark.decode(errors="replace")[:200], "error": f"{type(error).__name__}: {error}"[:200]})
    return out


def mapping() -> dict[str, Any]:
    """adstash's mapping of the index. Its module wants a client's library, of which the mapping needs nothing."""
    from types import ModuleType

    client: Any = ModuleType("elasticsearch")
    client.VERSION = (8, 0, 0)
    sys.modules["elasticsearch"] = client
    from adstash.interfaces.elasticsearch import ElasticsearchInterface

    interface = ElasticsearchInterface()
    return {"mappings": interface.make_mappings(), "settings": interface.make_settings()}


def configured(name: str) -> str:
    """A value of the node's own configuration."""
    return subprocess.run(["condor_config_val", name], capture_output=True, text=True, check=True).stdout.strip()


def main(word: str) -> None:
    if word == "mapping":
        sys.path.insert(0, configured("LIBEXEC"))
        print(json.dumps(mapping()))
        return
    taken, position, found, waiting = read(files(configured("HISTORY")), word.removeprefix("after:"))
    print(json.dumps({"position": position, "found": found, "waiting": waiting}))
    if taken:
        sys.path.insert(0, configured("LIBEXEC"))
    for one in documents(taken):
        print(json.dumps(one, allow_nan=False))


if __name__ == "__main__":
    main(sys.argv[1])
