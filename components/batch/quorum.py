"""Whether a pool can be made now: a pool's `up` needs a majority of the sites that hold quorum members."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from ..spec.addresses import MARATHON, majority

SECONDS = 5.0  # for one site to answer


class NoQuorum(Exception):
    """Too few sites answer; the text says which do and how many are needed."""


def quorum_problem(answers: Mapping[str, bool]) -> str | None:
    """What is missing, in plain words, or None; `answers` says of each quorum site whether its Marathon answers."""
    up = [site for site, answer in answers.items() if answer]
    down = [site for site, answer in answers.items() if not answer]
    needed = majority(len(answers))
    if len(up) >= needed:
        return None
    return (
        f"no quorum, nothing was changed: {needed} of {len(answers)} sites must be up, "
        f"{'none is' if not up else ', '.join(up) + (' is' if len(up) == 1 else ' are')}; "
        f"no answer from {', '.join(down)} (Marathon, port {MARATHON}). "
        f"Bring one up with: pulumi up -s {down[0]}; see make status"
    )


def answers(address: str, port: int = MARATHON, seconds: float = SECONDS) -> bool:
    """Whether a Marathon answers there. Nothing secret is sent, so whose certificate it is does not matter yet."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    there = http.client.HTTPSConnection(address, port, timeout=seconds, context=context)
    try:
        there.request("GET", "/ping")
        said = there.getresponse()
        # Marathon's own word: where the site is not up, a gateway on the way may answer in its place.
        return said.status == 200 and said.read(64).strip() == b"pong"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        there.close()


def require_quorum(front_ends: Mapping[str, str]) -> None:
    """Raises NoQuorum within seconds if too few of the quorum sites' front-ends answer (site -> address)."""
    with ThreadPoolExecutor(max_workers=len(front_ends) or 1) as pool:
        found = dict(zip(front_ends, pool.map(answers, front_ends.values()), strict=True))
    problem = quorum_problem(found)
    if problem:
        raise NoQuorum(problem)
