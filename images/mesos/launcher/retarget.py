#!/usr/bin/env python3
"""retarget.py IN OUT: make the shared object of the egg, linked on Ubuntu 16.04 (OpenSSL 1.0, libcurl 3),
ask for Debian's OpenSSL 3 and libcurl 4 instead.

Every new name is no longer than the old one, so the ELF file is edited in place: the names in .dynstr, and
the hashes of the renamed versions in .gnu.version_r.
"""

import struct
import sys
from pathlib import Path

NAMES = {
    "libssl.so.1.0.0": "libssl.so.3",
    "libcrypto.so.1.0.0": "libcrypto.so.3",
    "OPENSSL_1.0.0": "OPENSSL_3.0.0",
    "OPENSSL_1.0.1": "OPENSSL_3.0.0",
    "OPENSSL_1.0.2": "OPENSSL_3.0.0",
    "CURL_OPENSSL_3": "CURL_OPENSSL_4",
}
_VERNEED = 0x6FFFFFFE


def elf_hash(name: str) -> int:
    """The System V ABI's hash of a symbol or version name."""
    h = 0
    for c in name.encode():
        h = (h << 4) + c
        g = h & 0xF0000000
        h = (h ^ (g >> 24)) & ~g & 0xFFFFFFFF
    return h


def rename(data: bytearray, start: int, end: int, old: str, new: str) -> None:
    find = b"\0" + old.encode() + b"\0"
    at = data.index(find, start, end)
    if data.find(find, at + 1, end) >= 0 or len(new) > len(old):
        raise ValueError(f"cannot rename {old} to {new}")
    data[at : at + len(find)] = (b"\0" + new.encode()).ljust(len(find), b"\0")


def rehash(data: bytearray, entry: int, strings: int) -> None:
    while True:
        _, count, _, auxiliary, following = struct.unpack_from("<HHIII", data, entry)
        at = entry + auxiliary
        for _ in range(count):
            name, step = struct.unpack_from("<II", data, at + 8)
            text = data[strings + name : data.index(0, strings + name)].decode()
            struct.pack_into("<I", data, at, elf_hash(text))
            at += step
        if not following:
            return
        entry += following


def main(source: str, target: str) -> None:
    data = bytearray(Path(source).read_bytes())
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, _ = struct.unpack_from("<HHH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]
    needed = next(s for s in sections if s[1] == _VERNEED)
    strings = sections[needed[6]]
    for old, new in NAMES.items():
        rename(data, strings[4], strings[4] + strings[5], old, new)
    rehash(data, needed[4], strings[4])
    Path(target).write_bytes(data)


if __name__ == "__main__":
    main(*sys.argv[1:3])
