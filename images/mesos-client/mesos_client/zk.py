"""ZooKeeper URLs as Mesos and Marathon write them: zk://[user:password@]host:port,host:port/path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from kazoo.client import KazooClient
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.retry import KazooRetry
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(:\d{1,5})?$")


class ZooKeeperUrlError(ValueError):
    """The text is no ZooKeeper URL.  The message never holds the password."""


@dataclass(frozen=True)
class ZooKeeperUrl:
    hosts: tuple[str, ...]
    path: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> ZooKeeperUrl:
        """Read `text`: a zk:// URL, or file:///path of a file that holds one.  Raises ZooKeeperUrlError."""
        text = text.strip()
        if text.startswith("file://"):
            name = text[len("file://") :]
            try:
                text = Path(name).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as e:
                raise ZooKeeperUrlError(f"cannot read the ZooKeeper URL from {name}: {e}") from None
        if not text.startswith("zk://"):
            raise ZooKeeperUrlError("a ZooKeeper URL starts with zk:// (or file:// for a file that holds one)")
        login, _, rest = text[len("zk://") :].rpartition("@")
        hosts, slash, path = rest.partition("/")
        found = tuple(h for h in hosts.split(",") if h)
        bad = [h for h in found if not _HOST.match(h)]
        if not found or bad:
            raise ZooKeeperUrlError(
                f"hosts of a ZooKeeper URL are host:port,host:port (got {', '.join(bad) or 'none'})"
            )
        user = password = None
        if login:
            user, colon, password = login.partition(":")
            if not user or not colon:
                raise ZooKeeperUrlError("the login of a ZooKeeper URL is user:password")
            user, password = unquote(user), unquote(password)
        return cls(
            tuple(h if re.search(r":\d+$", h) else h + ":2181" for h in found),
            "/" + path.strip("/") if slash else "/",
            user,
            password,
        )

    def __str__(self) -> str:
        login = f"{self.user}:********@" if self.user else ""
        return f"zk://{login}{','.join(self.hosts)}{self.path}"

    def acl(self) -> list[ACL]:
        """Rights of the nodes we make: with a login, nobody else may read or write them."""
        return list(CREATOR_ALL_ACL if self.user else OPEN_ACL_UNSAFE)

    def client(self, session_timeout: float = 10.0) -> KazooClient:
        """A client that is not started yet and never gives up on connecting.  `session_timeout` in seconds."""
        auth: Iterable[tuple[str, str]] | None = [("digest", f"{self.user}:{self.password}")] if self.user else None
        return KazooClient(
            hosts=",".join(self.hosts),
            timeout=session_timeout,
            auth_data=auth,
            default_acl=self.acl(),
            randomize_hosts=True,
            handler=SequentialThreadingHandler(),
            connection_retry=KazooRetry(max_tries=-1, delay=0.2, max_delay=3.0),
            command_retry=KazooRetry(max_tries=-1, delay=0.1, max_delay=2.0),
        )
