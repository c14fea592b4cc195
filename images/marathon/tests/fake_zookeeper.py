"""As much of a kazoo client as the store uses, over a dictionary of nodes."""

from kazoo.exceptions import NodeExistsError, NoNodeError, RolledBackError


class _Result:
    def __init__(self, client: "FakeZooKeeper", path: str) -> None:
        self._client, self._path = client, path

    def get(self, timeout: float) -> tuple[bytes, None]:
        return self._client.get(self._path)


class _Transaction:
    def __init__(self, client: "FakeZooKeeper") -> None:
        self._client, self._work = client, []

    def check(self, path: str, _version: int) -> None:
        self._work.append(("check", path, b""))

    def create(self, path: str, data: bytes, acl: object = None) -> None:
        self._work.append(("create", path, data))

    def set_data(self, path: str, data: bytes) -> None:
        self._work.append(("set", path, data))

    def delete(self, path: str) -> None:
        self._work.append(("delete", path, b""))

    def commit(self) -> list:
        nodes = dict(self._client.nodes)
        for n, (what, path, data) in enumerate(self._work):
            there = path in nodes
            if what == "create" and there:
                return self._failed(n, NodeExistsError())
            if what != "create" and not there:
                return self._failed(n, NoNodeError())
            if what == "create" or what == "set":
                nodes[path] = data
            elif what == "delete":
                del nodes[path]
        self._client.nodes = nodes
        return [True] * len(self._work)

    def _failed(self, at: int, error: Exception) -> list:
        return [error if n == at else RolledBackError() for n in range(len(self._work))]


class FakeZooKeeper:
    """`nodes`: data by path; parents need not be there."""

    default_acl = None

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {}

    def put(self, path: str, data: bytes) -> None:
        self.nodes[path] = data

    def ensure_path(self, path: str) -> None:
        pass

    def sync(self, path: str) -> None:
        pass

    def exists(self, path: str) -> bool:
        return path in self.nodes

    def get(self, path: str) -> tuple[bytes, None]:
        if path not in self.nodes:
            raise NoNodeError
        return self.nodes[path], None

    def get_async(self, path: str) -> _Result:
        return _Result(self, path)

    def get_children(self, path: str) -> list[str]:
        start = path + "/"
        return sorted({n[len(start) :].split("/")[0] for n in self.nodes if n.startswith(start)})

    def transaction(self) -> _Transaction:
        return _Transaction(self)
