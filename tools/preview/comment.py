"""One comment on a pull request (GitHub) or a merge request (GitLab), edited at every push; and one issue for drift.

    python -m tools.preview.comment FILE      the text of FILE as the comment

Where it goes and the token come from the environment of the CI:
    GitHub: GITHUB_TOKEN, GITHUB_REPOSITORY, GITHUB_API_URL, and GITHUB_REF (refs/pull/N/merge) or AERIE_PULL_REQUEST
    GitLab: AERIE_GITLAB_TOKEN (a project's access token, scope api), CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID

Exit status: 0 it is there; 1 the platform refused, told why; 2 wrong usage, or not in a CI.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import requests

from .markdown import LIMITS, MARKER

Json = dict[str, Any]
Platform = Literal["github", "gitlab"]
TRIES, PAUSE, SECONDS = 5, 2.0, 30.0
MOST_PAGES = 200
BOT = "github-actions[bot]"  # whose comments GITHUB_TOKEN writes; it may not ask who it is


class Refused(Exception):
    """The platform did not do it; the text says why."""


class NotHere(Exception):
    """The environment does not say where a comment would go."""


@dataclass(frozen=True)
class Place:
    """`api` is the REST API of the project, without a `/` at its end; `number` that of the pull request, "" outside of one."""

    platform: Platform
    api: str
    token: str = field(repr=False)
    number: str = ""


def place(env: Mapping[str, str]) -> Place:
    """Where the CI's environment says that we are. Raises NotHere with what is missing."""
    if env.get("GITHUB_REPOSITORY"):
        if not env.get("GITHUB_TOKEN"):
            raise NotHere("GITHUB_TOKEN is not set: give the step `env: GITHUB_TOKEN: ${{ github.token }}`")
        found = re.fullmatch(r"refs/pull/(\d+)/(?:merge|head)", env.get("GITHUB_REF", ""))
        number = env.get("AERIE_PULL_REQUEST") or (found[1] if found else "")
        if number and not number.isdigit():
            raise NotHere(f"AERIE_PULL_REQUEST is {number!r}: write a number")
        api = env.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")
        return Place("github", f"{api}/repos/{env['GITHUB_REPOSITORY']}", env["GITHUB_TOKEN"], number)
    if env.get("CI_PROJECT_ID"):
        if not env.get("AERIE_GITLAB_TOKEN"):
            raise NotHere(
                "AERIE_GITLAB_TOKEN is not set: make a project access token (role Reporter, scope api) and set it as a masked variable"
            )
        api = env.get("CI_API_V4_URL", "https://gitlab.com/api/v4").rstrip("/")
        return Place(
            "gitlab",
            f"{api}/projects/{env['CI_PROJECT_ID']}",
            env["AERIE_GITLAB_TOKEN"],
            env.get("CI_MERGE_REQUEST_IID", ""),
        )
    raise NotHere("neither GITHUB_REPOSITORY nor CI_PROJECT_ID is set: this runs in GitHub Actions or GitLab CI")


class Client:
    """The REST calls that are needed, of either platform. `wait` passes so many seconds."""

    def __init__(self, where: Place, wait: Callable[[float], None] = time.sleep) -> None:
        self.where, self._wait = where, wait
        self._session = requests.Session()
        if where.platform == "github":
            self._session.headers.update(
                {
                    "Authorization": f"Bearer {where.token}",
                    "Accept": "application/vnd.github+json",
                    "X-GitHub-Api-Version": "2022-11-28",
                }
            )
        else:
            self._session.headers["PRIVATE-TOKEN"] = where.token

    def call(self, method: str, url: str, **more: Any) -> requests.Response:
        """One call; tried again where the platform is busy or ill. Raises Refused.

        A POST that got no answer is not sent again: it may have been done."""
        again = method != "POST"
        for attempt in range(1, TRIES + 1):
            pause = PAUSE * 2 ** (attempt - 1)
            try:
                answer = self._session.request(method, url, timeout=SECONDS, allow_redirects=False, **more)
            except requests.RequestException as error:
                if attempt == TRIES or not (again or isinstance(error, requests.ConnectTimeout)):
                    raise Refused(f"{method} {urlsplit(url).path}: no answer ({type(error).__name__})") from error
            else:
                if answer.status_code < 300:
                    return answer
                if attempt == TRIES or not (answer.status_code >= 500 or answer.status_code == 429):
                    raise Refused(_refusal(method, url, answer))
                after = answer.headers.get("Retry-After", "")
                pause = min(float(after), 60.0) if after.isdigit() else pause
            self._wait(pause)
        raise AssertionError("unreachable")

    def pages(self, path: str, **query: str) -> Iterator[Json]:
        """All entries of a list, however many pages it has. A next page elsewhere than at the platform is not asked for."""
        url, params = f"{self.where.api}{path}", {"per_page": "100", **query}
        for _ in range(MOST_PAGES):
            answer = self.call("GET", url, params=params)
            yield from answer.json()
            following = answer.links.get("next", {}).get("url")
            if not following:
                return
            url, params = urljoin(url, following), {}
            if urlsplit(url)[:2] != urlsplit(self.where.api)[:2]:
                raise Refused(f"the next page of {path} would be at {urlsplit(url).netloc}: not asked there")

    def me(self) -> str:
        """The name under which the token writes."""
        base = self.where.api.partition("/repos/")[0].partition("/projects/")[0]
        try:
            found = self.call("GET", f"{base}/user").json()
        except Refused:
            return BOT  # GITHUB_TOKEN may not ask
        return str(found.get("login") or found.get("username") or BOT)


def _refusal(method: str, url: str, answer: requests.Response) -> str:
    hints = {
        401: "the token is not valid, or has expired",
        403: "the token may not do this: GitHub needs `pull-requests: write` (or `issues: write`), GitLab scope `api`",
        404: "there is no such thing, or the token may not see it",
        422: "the text is refused, such as for its length",
    }
    try:
        said = str(answer.json().get("message", ""))[:200]
    except (ValueError, AttributeError):
        said = ""
    return f"{method} {urlsplit(url).path}: {answer.status_code} {said} ({hints.get(answer.status_code, 'see the status of the platform')})"


def _author(entry: Json) -> str:
    user = entry.get("user") or entry.get("author") or {}
    return str(user.get("login") or user.get("username") or "")


def _own(entries: Iterator[Json], marker: str, me: str) -> list[Json]:
    """Those that begin with the marker and that we wrote: anybody may copy it."""
    return [
        e for e in entries if str(e.get("body") or e.get("description") or "").startswith(marker) and _author(e) == me
    ]


def put_comment(client: Client, body: str, marker: str = MARKER) -> str:
    """Writes the comment, or edits the one that is there; how, in one word. Raises Refused, NotHere."""
    where = client.where
    if not where.number:
        raise NotHere("this is no pull request: nothing to comment on")
    if where.platform == "github":
        listing, one = f"/issues/{where.number}/comments", "/issues/comments/{id}"
    else:
        listing = f"/merge_requests/{where.number}/notes"
        one = f"{listing}/{{id}}"
    found = _own(client.pages(listing), marker, client.me())
    if not found:
        client.call("POST", f"{where.api}{listing}", json={"body": body})
        return "written"
    if found[0].get("body") == body:
        return "unchanged"
    method = "PATCH" if where.platform == "github" else "PUT"
    client.call(method, f"{where.api}{one.format(id=found[0]['id'])}", json={"body": body})
    return "edited"


def _issue(client: Client, marker: str, label: str) -> Json | None:
    state = "open" if client.where.platform == "github" else "opened"
    entries = (e for e in client.pages("/issues", state=state, labels=label) if "pull_request" not in e)
    found = _own(entries, marker, client.me())
    return found[0] if found else None


def put_issue(client: Client, title: str, body: str, marker: str, label: str) -> str:
    """Opens the issue, or edits the open one; how, in one word. Raises Refused."""
    where, found = client.where, _issue(client, marker, label)
    text, number = ("body", "number") if where.platform == "github" else ("description", "iid")
    labels: Any = [label] if where.platform == "github" else label
    if found is None:
        client.call("POST", f"{where.api}/issues", json={"title": title, text: body, "labels": labels})
        return "opened"
    if found.get(text) == body and found.get("title") == title:
        return "unchanged"
    method = "PATCH" if where.platform == "github" else "PUT"
    client.call(method, f"{where.api}/issues/{found[number]}", json={"title": title, text: body})
    return "edited"


def close_issue(client: Client, why: str, marker: str, label: str) -> str:
    """Closes the open issue with a last word, if there is one; what was done, in one word. Raises Refused."""
    where, found = client.where, _issue(client, marker, label)
    if found is None:
        return "none"
    if where.platform == "github":
        at = f"{where.api}/issues/{found['number']}"
        client.call("POST", f"{at}/comments", json={"body": why})
        client.call("PATCH", at, json={"state": "closed", "state_reason": "completed"})
    else:
        at = f"{where.api}/issues/{found['iid']}"
        client.call("POST", f"{at}/notes", json={"body": why})
        client.call("PUT", at, json={"state_event": "close"})
    return "closed"


def main(argv: list[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="comment", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="the comment, as tools.preview --markdown wrote it")
    args = parser.parse_args(argv)
    try:
        where = place(os.environ if env is None else env)
        body = args.file.read_text()
        if not body.startswith(MARKER) or len(body.encode()) > LIMITS[where.platform]:
            raise NotHere(
                f"{args.file} is no comment for {where.platform}: make it with tools.preview --markdown --platform {where.platform}"
            )
        print(f"the comment is {put_comment(Client(where), body)}")
    except (NotHere, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except Refused as error:
        print(f"the comment was not written: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
