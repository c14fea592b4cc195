"""etcd by /metrics and /health, which it shows to whoever has a certificate of the CA; keys are another matter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from ..http import Web
from ..rates import Rates

_PLAIN = {
    "etcd_server_has_leader": "etcd.has_leader",
    "etcd_server_is_leader": "etcd.leader",
    "etcd_server_leader_changes_seen_total": "etcd.leader_changes_total",
    "etcd_server_proposals_committed_total": "etcd.proposals.committed_total",
    "etcd_server_proposals_failed_total": "etcd.proposals.failed_total",
    "etcd_server_proposals_pending": "etcd.proposals.pending",
    "etcd_mvcc_db_total_size_in_bytes": "etcd.db.size",
    "etcd_mvcc_db_total_size_in_use_in_bytes": "etcd.db.used",
    "etcd_debugging_mvcc_keys_total": "etcd.keys",
    "etcd_debugging_mvcc_watcher_total": "etcd.watchers",
    "process_resident_memory_bytes": "etcd.memory",
}
PEERS = "etcd_network_active_peers"  # one line each: 1, or 0
_MEANS = {
    "etcd_disk_wal_fsync_duration_seconds": "etcd.fsync",
    "etcd_disk_backend_commit_duration_seconds": "etcd.commit",
    "etcd_network_peer_round_trip_time_seconds": "etcd.peer_rtt",
}
# Of two thousand lines some twenty count: they are found by one search, and the others are never looked at.
_WANTED = re.compile(
    rf"^({'|'.join([*_PLAIN, PEERS, *(f'{m}_sum' for m in _MEANS), *(f'{m}_count' for m in _MEANS)])})(?:\{{[^}}\n]*\}})? (\S+)$",
    re.MULTILINE,
)


def samples(text: str) -> Iterator[tuple[str, float]]:
    """The lines of Prometheus' text that count: name and value. A name may come again with other labels."""
    for name, value in _WANTED.findall(text):
        yield name, float(value)


def member(text: str, health: str, rates: Rates, members: int = 1) -> dict[str, float]:
    """From the answers of /metrics and /health. `members` are to be there, this one among them."""
    found: dict[str, float] = {}
    for name, value in samples(text):
        found[name] = found.get(name, 0.0) + value
    out = {name: found[key] for key, name in _PLAIN.items() if key in found}
    out |= {"etcd.members.total": float(members), "etcd.members.active": 1.0 + found.get(PEERS, 0.0)}
    out["etcd.health"] = float(json.loads(health)["health"] == "true")
    for key, name in _MEANS.items():
        mean = rates.mean(name, found.get(f"{key}_sum", 0.0), found.get(f"{key}_count", 0.0))
        if mean is not None:
            out[name] = mean * 1000
    return out


class Etcd:
    name = "etcd"

    def __init__(self, web: Web, members: int = 1) -> None:
        self._web, self._rates, self._members = web, Rates(), members

    def read(self) -> dict[str, float]:
        return member(self._web.text("/metrics"), self._web.text("/health"), self._rates, self._members)
