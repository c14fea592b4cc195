"""A server on loopback that speaks the REST calls of GitHub and of GitLab that tools/preview/comment.py makes. No platform: a stand-in.

It keeps comments and issues in lists, pages them, wants the token, and can be told to be ill for some calls."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
TOKEN = "token-of-the-tests"


@dataclass
class Rest:
    """`ill`: statuses to answer with, one a call, before anything is done; `next_at`: where the next page is said to be."""

    platform: str
    page: int = 2
    me: str = "github-actions[bot]"
    may_ask_who: bool = False
    ill: list[int] = field(default_factory=list)
    next_at: str = ""
    comments: list[Json] = field(default_factory=list)
    issues: list[Json] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    url: str = ""
    count: int = 100

    @property
    def env(self) -> dict[str, str]:
        """What a CI would set."""
        if self.platform == "github":
            names = {"GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": "farm/aerie", "GITHUB_TOKEN": TOKEN}
            return {**names, "GITHUB_REF": "refs/pull/7/merge"}
        names = {"CI_API_V4_URL": f"{self.url}/api/v4", "CI_PROJECT_ID": "42", "AERIE_GITLAB_TOKEN": TOKEN}
        return {**names, "CI_MERGE_REQUEST_IID": "7"}

    def by(self, name: str) -> Json:
        return {"user": {"login": name}} if self.platform == "github" else {"author": {"username": name}}

    def add(self, body: str, author: str = "") -> Json:
        """A comment that is there already."""
        self.count += 1
        made = {"id": self.count, "body": body, **self.by(author or self.me)}
        self.comments.append(made)
        return made

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Json) -> tuple[int, Any]:
        """The status and the JSON of one call."""
        base = "/repos/farm/aerie" if self.platform == "github" else "/api/v4/projects/42"
        if path in ("/user", "/api/v4/user"):
            return (
                (200, {"login": self.me, "username": self.me})
                if self.may_ask_who
                else (403, {"message": "Resource not accessible"})
            )
        if not path.startswith(base):
            return 404, {"message": "Not Found"}
        path = path.removeprefix(base)
        listing = "/issues/7/comments" if self.platform == "github" else "/merge_requests/7/notes"
        if path == listing:
            return (200, self.comments) if method == "GET" else (201, self.add(body["body"]))
        one = re.fullmatch(r"/issues/comments/(\d+)|/merge_requests/7/notes/(\d+)", path)
        if one and method == ("PATCH" if self.platform == "github" else "PUT"):
            found = next(c for c in self.comments if c["id"] == int(one[1] or one[2]))
            found["body"] = body["body"]
            return 200, found
        if path == "/issues":
            return self._issues(method, query, body)
        if note := re.fullmatch(r"/issues/(\d+)/(?:comments|notes)", path):
            self.notes.append(f"{note[1]}: {body['body']}")
            return 201, {}
        if issue := re.fullmatch(r"/issues/(\d+)", path):
            found = next(i for i in self.issues if i["number"] == int(issue[1]))
            if body.pop("state_event", "") == "close":
                body["state"] = "closed"
            found.update(body)
            return 200, found
        return 404, {"message": "Not Found"}

    def _issues(self, method: str, query: dict[str, list[str]], body: Json) -> tuple[int, Any]:
        if method == "GET":
            wanted = query["labels"][0]
            assert query["state"] == ["open" if self.platform == "github" else "opened"]
            return 200, [i for i in self.issues if i["state"] != "closed" and wanted in i["labels"]]
        self.count += 1
        made = {"number": self.count, "iid": self.count, "state": "open", **self.by(self.me), **body}
        self.issues.append(made)
        return 201, made


class _Handler(BaseHTTPRequestHandler):
    rest: Rest

    def _do(self) -> None:
        rest, parts = self.rest, urlsplit(self.path)
        rest.calls.append(f"{self.command} {parts.path}")
        query, length = parse_qs(parts.query), int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        wanted = ("Authorization", f"Bearer {TOKEN}") if rest.platform == "github" else ("PRIVATE-TOKEN", TOKEN)
        if rest.ill:
            return self._say(rest.ill.pop(0), {"message": "ill"}, {"Retry-After": "0"})
        if self.headers.get(wanted[0]) != wanted[1]:
            return self._say(401, {"message": "Bad credentials"})
        status, said = rest.answer(self.command, parts.path, query, body)
        headers = {}
        if isinstance(said, list):
            number = int(query.get("page", ["1"])[0])
            rows = said[(number - 1) * rest.page : number * rest.page]
            if number * rest.page < len(said):
                more = f"{rest.next_at or rest.url}{parts.path}?{parts.query.partition('&page=')[0]}&page={number + 1}"
                headers["Link"] = f'<{more}>; rel="next"'
            said = rows
        self._say(status, said, headers)

    def _say(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(text)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = _do

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(rest: Rest) -> Iterator[Rest]:
    """The server, on a port of its own."""
    handler = type("Handler", (_Handler,), {"rest": rest})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    rest.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield rest
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
