"""An encrypted stream: AES-256-GCM in chunks (the STREAM construction), its key by scrypt from a passphrase.

The file is a line of JSON in the clear, which every chunk authenticates, and the chunks. A chunk's nonce holds its number and
whether it is the last, so that none can be left out, moved or appended, and a file that was cut off is found out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ..terminal import UNABLE, Refused

FORMAT = 1
CHUNK = 1 << 20  # bytes of plain text
TAG = 16
SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}  # 32 MB and some 0.1 s
MOST = {"n": 1 << 20, "r": 32, "p": 16}  # what a header may ask of who opens it
LONGEST = 4096  # bytes of the first line


def _key(secret: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(secret)


class _Cipher:
    def __init__(self, secret: bytes, line: bytes, header: dict[str, Any]) -> None:
        salt, self._prefix = (base64.b64decode(header[name]) for name in ("salt", "nonce"))
        self._aead = AESGCM(_key(secret, salt, header["n"], header["r"], header["p"]))
        self._line, self.number = hashlib.sha256(line).digest(), 0

    def nonce(self, last: bool) -> bytes:
        number, self.number = self.number, self.number + 1
        return self._prefix + number.to_bytes(4, "big") + (b"\1" if last else b"\0")

    def seal(self, data: bytes, last: bool) -> bytes:
        return self._aead.encrypt(self.nonce(last), data, self._line)

    def open(self, data: bytes, last: bool) -> bytes:
        return self._aead.decrypt(self.nonce(last), data, self._line)


class Sealer:
    """A file to write to; `close` ends the stream (and leaves `out` open). `about`: what the first line tells everybody."""

    def __init__(self, out: IO[bytes], secret: bytes, about: dict[str, str]) -> None:
        random = {"salt": os.urandom(16), "nonce": os.urandom(7)}
        header = {"aerie-backup": FORMAT, **about, **SCRYPT}
        header |= {name: base64.b64encode(value).decode() for name, value in random.items()}
        line = json.dumps(header).encode() + b"\n"
        out.write(line)
        self._out, self._waiting, self._cipher = out, bytearray(), _Cipher(secret, line, header)

    def write(self, data: bytes) -> int:
        self._waiting += data
        while len(self._waiting) > CHUNK:
            self._out.write(self._cipher.seal(bytes(self._waiting[:CHUNK]), False))
            del self._waiting[:CHUNK]
        return len(data)

    def close(self) -> None:
        self._out.write(self._cipher.seal(bytes(self._waiting), True))


def header_of(file: IO[bytes], name: str) -> tuple[bytes, dict[str, Any]]:
    """The first line, as it is and read. Raises Refused if it is none of ours."""
    line = file.readline(LONGEST)
    try:
        header = json.loads(line)
        known = header["aerie-backup"]
        bounds = all(isinstance(header[key], int) and 0 < header[key] <= most for key, most in MOST.items())
        sizes = [len(base64.b64decode(header[key], validate=True)) for key in ("salt", "nonce")]
    except (ValueError, KeyError, TypeError):
        raise Refused(
            f"{name} is no archive of aerie backup", "name a file that aerie backup has written", UNABLE
        ) from None
    if known != FORMAT:
        raise Refused(
            f"{name} has format {known}, this checkout reads {FORMAT}", "use the checkout that wrote it", UNABLE
        )
    if not bounds or sizes != [16, 7] or not line.endswith(b"\n"):
        raise Refused(f"{name}: its first line is damaged", "take another archive")
    return line, header


class Opener:
    """The plain text of a sealed file, to read from. Raises Refused for a wrong passphrase, and for what is damaged or cut off."""

    def __init__(self, file: IO[bytes], secret: bytes, name: str) -> None:
        line, self.header = header_of(file, name)
        self._file, self._name = file, name
        self._cipher = _Cipher(secret, line, self.header)
        self._next = file.read(CHUNK + TAG)
        self._plain, self._at, self._ended = b"", 0, False

    def read(self, size: int = -1) -> bytes:
        out = bytearray()
        while size < 0 or len(out) < size:
            if self._at == len(self._plain) and not self._more():
                break
            part = self._plain[self._at : self._at + size - len(out)] if size >= 0 else self._plain[self._at :]
            self._at += len(part)
            out += part
        return bytes(out)

    def _more(self) -> bool:
        if self._ended:
            return False
        now, self._next = self._next, self._file.read(CHUNK + TAG)
        self._ended = not self._next
        first = self._cipher.number == 0
        try:
            self._plain, self._at = self._cipher.open(now, self._ended), 0
        except InvalidTag:
            if first:
                text = f"{self._name} does not open: it was sealed with another passphrase, or is damaged"
                raise Refused(text, "give the file with the passphrase of that time by --key FILE") from None
            raise Refused(f"{self._name} is damaged or cut off", "take another archive") from None
        return True
