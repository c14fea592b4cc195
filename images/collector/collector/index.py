"""The index of finished jobs: OpenSearch, by the path that the user `writer` may take (images/opensearch). An index for each month."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

USER = "writer"
TIME = (5.0, 60.0)  # seconds to connect, and to answer
# What is left of a document that the index refuses: a user may give a job attributes that no index takes.
CORE = (
    "GlobalJobId", "RecordTime", "ScheddName", "ClusterId", "ProcId", "Owner", "User", "Status", "JobStatus", "Universe", "ExitCode",
    "ExitBySignal", "ExitSignal", "QDate", "JobStartDate", "CompletionDate", "EnteredCurrentStatus", "RemoteWallClockTime",
    "RemoteUserCpu", "RemoteSysCpu", "LastRemoteHost", "StartdName",
)  # fmt: skip
# An index of our own on one node has no second copy; the rest is adstash's.
OURS = {"number_of_shards": 1, "number_of_replicas": 0, "codec": "best_compression"}


@dataclass(frozen=True)
class Document:
    """One job, as history_reader.py gives it."""

    id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """A document that the index would not have, and why; `kept` if it has it without what its user chose."""

    document: Document
    why: str
    kept: bool


class Later(OSError):
    """The index cannot take it now."""


def month(document: Document) -> str:
    """The name of the index that it belongs in: by its own time (UTC), so that it is the same one each time."""
    return time.strftime("history-%Y.%m", time.gmtime(int(document.fields["RecordTime"])))


def bulk(documents: Iterable[Document]) -> bytes:
    """The body of a bulk request. The id is adstash's, and a document that comes twice is one."""
    lines: list[str] = []
    for document in documents:
        lines += [json.dumps({"index": {"_id": document.id}}), json.dumps(document.fields)]
    return "".join(f"{line}\n" for line in lines).encode()


def reduced(document: Document) -> Document:
    """With what every job has, and no user chooses."""
    return Document(document.id, {k: v for k, v in document.fields.items() if k in CORE})


def settings(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The body that makes an index, from adstash's mapping and settings."""
    return {"mappings": mapping["mappings"], "settings": {**mapping["settings"], **OURS}}


@dataclass(frozen=True)
class Outcome:
    """Of a bulk request: what was refused for good, each with the reason; whether the index is not there; what has to wait, if any."""

    refused: tuple[tuple[Document, str], ...] = ()
    missing: bool = False
    later: str = ""


def outcome(documents: list[Document], answer: Mapping[str, Any]) -> Outcome:
    """From the answer, which has an item for each document, in their order."""
    refused, missing, later = [], False, ""
    for document, item in zip(documents, answer["items"], strict=True):
        found = item["index"]
        status, error = found["status"], found.get("error") or {}
        why = f"{error.get('type', '')}: {error.get('reason', '')}"[:300]
        if status == 404:
            missing = True
        elif status == 400:
            refused.append((document, why))
        elif status >= 300:  # 403: the disk is full; 429: too much at once
            later = f"{status} {why}"
    return Outcome(tuple(refused), missing, later)


class Index:
    """One thread's. `base` is https://ADDRESS:PORT, `ca` a file."""

    def __init__(self, base: str, ca: str, password: str) -> None:
        self._base = base
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy stands between, and no ~/.netrc replaces the password
        self._session.verify, self._session.auth = ca, (USER, password)

    def identity(self) -> str:
        """Which index it is, for as long as it keeps its volume. Raises OSError where it does not say so."""
        answer = self._ask("GET", "/", b"", "application/json")
        if answer.status_code >= 300:
            raise Later(f"{answer.status_code} {answer.text[:200]}")
        try:
            found = str(answer.json()["cluster_uuid"])
        except (ValueError, KeyError, TypeError) as error:
            raise Later(f"it does not say which one it is: {answer.text[:200]}") from error
        if found == "_na_":
            raise Later("it is just starting")
        return found

    def put(self, documents: Iterable[Document], mapping: Callable[[], Mapping[str, Any]]) -> list[Refusal]:
        """Returns once all are in the index, but for what it refuses for good. `mapping` gives adstash's mapping, if an index has to be
        made. Raises OSError (requests' exceptions are such) for what may go better later: then none, some or all of them are in."""
        out: list[Refusal] = []
        for name, some in _by_month(documents):
            if refused := self._bulk(name, some, mapping):
                still = {d.id for d, _ in self._bulk(name, [reduced(document) for document, _ in refused], mapping)}
                out += [Refusal(document, why, document.id not in still) for document, why in refused]
        return out

    def _bulk(
        self, name: str, documents: list[Document], mapping: Callable[[], Mapping[str, Any]], again: bool = True
    ) -> tuple[tuple[Document, str], ...]:
        answer = self._ask("POST", f"/{name}/_bulk", bulk(documents), "application/x-ndjson")
        if answer.status_code >= 300:
            raise Later(f"{name}: {answer.status_code} {answer.text[:200]}")
        found = outcome(documents, answer.json())
        if found.missing and again:
            self._make(name, mapping())
            return self._bulk(name, documents, mapping, again=False)
        if found.missing or found.later:
            raise Later(f"{name}: {found.later or 'it is not there'}")
        return found.refused

    def _make(self, name: str, mapping: Mapping[str, Any]) -> None:
        answer = self._ask("PUT", f"/{name}", json.dumps(settings(mapping)).encode(), "application/json")
        if (
            answer.status_code >= 300 and "resource_already_exists" not in answer.text
        ):  # another site's collector was first
            raise Later(f"{name}: cannot be made: {answer.status_code} {answer.text[:300]}")

    def _ask(self, method: str, path: str, body: bytes, kind: str) -> requests.Response:
        return self._session.request(
            method, self._base + path, data=body, headers={"Content-Type": kind}, timeout=TIME, allow_redirects=False
        )


def _by_month(documents: Iterable[Document]) -> Iterator[tuple[str, list[Document]]]:
    found: dict[str, list[Document]] = defaultdict(list)
    for document in documents:
        found[month(document)].append(document)
    yield from sorted(found.items())
