"""ZooKeeper's tree as JSON, read and put back by a client. Runs on a front-end, in Marathon's image: no other module of ours.

Standard input is JSON: {"hosts": "...", "users": {NAME: PASSWORD}, "nodes": [...]}; without `nodes` the tree is read, with them
it is put back. Standard output is {"nodes": [...]}, or {"restored": N}. Ephemeral nodes are nobody's to keep.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]
# ZooKeeper's own; and who leads among Mesos' masters, of which nothing lasts.
NOT_OURS = ("/zookeeper", "/mesos")
TRIES, SECONDS = 30, 60
AT_ONCE = 500


class Trouble(Exception):
    """The text says what is wrong."""


def digest(user: str, password: str) -> str:
    """What an ACL of the scheme `digest` says of a user."""
    return f"{user}:{base64.b64encode(hashlib.sha1(f'{user}:{password}'.encode()).digest()).decode()}"


def with_passwords(nodes: Iterable[Json], users: Mapping[str, str]) -> list[Json]:
    """The nodes as those users' who have other passwords by now."""
    now = {user: digest(user, password) for user, password in users.items()}
    out = []
    for node in nodes:
        acl = [
            [p, s, now.get(i.partition(":")[0], i) if s == "digest" and not i.startswith(":") else i]
            for p, s, i in node["acl"]
        ]
        out.append({**node, "acl": acl})
    return out


def depth(path: str) -> int:
    return path.count("/")


def walk(client: Any, gone: type[Exception], refused: type[Exception]) -> dict[str, Json]:
    """Every lasting node, by path; `zxid` is that of its last change."""
    found: dict[str, Json] = {}
    level = [f"/{name}" for name in client.get_children("/")]
    level = [path for path in level if path not in NOT_OURS]
    while level:
        below: list[str] = []
        for start in range(0, len(level), AT_ONCE):
            asked = [
                (p, client.get_async(p), client.get_acls_async(p), client.get_children_async(p))
                for p in level[start : start + AT_ONCE]
            ]
            for path, got, acls, children in asked:
                try:
                    (data, stat), (acl, _), names = got.get(), acls.get(), children.get()
                except gone:
                    continue
                except refused:
                    raise Trouble(f"{path} may not be read with the federation's passwords") from None
                if stat.ephemeralOwner:
                    continue
                found[path] = {
                    "path": path,
                    "data": base64.b64encode(data).decode(),
                    "acl": sorted([a.perms, a.id.scheme, a.id.id] for a in acl),
                    "zxid": [stat.czxid, stat.mzxid, stat.aversion],
                }
                below += [f"{path}/{name}" for name in names]
        level = below
    return found


def stable(look: Callable[[], dict[str, Json]], tries: int = TRIES) -> list[Json]:
    """The nodes as they were at one moment: two looks after each other that saw the same. Raises Trouble."""
    before = look()
    for _ in range(tries):
        now = look()
        if now == before:
            return [{k: v for k, v in now[path].items() if k != "zxid"} for path in sorted(now)]
        before = now
    raise Trouble(f"something changes ZooKeeper's tree all the time: no two of {tries} looks saw the same")


def put_back(client: Any, nodes: list[Json], exceptions: Any, acl_of: Callable[[list[Any]], Any]) -> int:
    """Each top node of `nodes` as it was, with nothing else below it."""
    for top in sorted({f"/{node['path'].split('/')[1]}" for node in nodes}):
        for _ in range(TRIES):
            try:
                client.delete(top, recursive=True)
                break
            except exceptions.NoNodeError:
                break
            except exceptions.NotEmptyError:
                continue
        else:
            raise Trouble(f"somebody goes on writing below {top}")
    ordered = sorted(nodes, key=lambda n: (depth(n["path"]), n["path"]))
    for start in range(0, len(ordered), AT_ONCE):  # in the order in which they were sent
        asked = [
            client.create_async(n["path"], base64.b64decode(n["data"]), acl=[acl_of(a) for a in n["acl"]])
            for n in ordered[start : start + AT_ONCE]
        ]
        for each in asked:
            each.get()
    return len(ordered)


def main() -> int:
    from kazoo import exceptions
    from kazoo.client import KazooClient
    from kazoo.security import ACL, Id

    told = json.load(sys.stdin)
    auth = [("digest", f"{user}:{password}") for user, password in told["users"].items()]
    client = KazooClient(told["hosts"], auth_data=auth)

    def look() -> dict[str, Json]:
        return walk(client, exceptions.NoNodeError, exceptions.NoAuthError)

    try:
        client.start(timeout=SECONDS)
        client.sync("/")
        if "nodes" not in told:
            json.dump({"nodes": stable(look)}, sys.stdout)
            return 0
        nodes = with_passwords(told["nodes"], told["users"])
        number = put_back(client, nodes, exceptions, lambda a: ACL(a[0], Id(a[1], a[2])))
        wanted = {n["path"]: (n["data"], sorted(map(list, n["acl"]))) for n in nodes}
        there = {path: (n["data"], n["acl"]) for path, n in look().items()}
        if other := [path for path in wanted if there.get(path) != wanted[path]]:
            raise Trouble(f"{other[0]} is not as it was put back")
        json.dump({"restored": number}, sys.stdout)
        return 0
    except Trouble as error:
        print(error, file=sys.stderr)
    except client.handler.timeout_exception:
        print(f"ZooKeeper at {told['hosts']} does not answer within {SECONDS} s", file=sys.stderr)
    finally:
        client.stop()
        client.close()
    return 1


if __name__ == "__main__":
    sys.exit(main())
