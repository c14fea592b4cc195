"""Asks the submit node's front-end, and the pool's framework, at the same time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from components.spec.validate import FEDERATION_STACK
from tools.reach import ask as ask_machine
from tools.status_framework import ask_framework
from tools.status_stacks import outputs

from ..federation import Here, into_machine
from . import ask
from .facts import Facts, Framework, JobId, Waiting

ANSWER = 60  # seconds for the submit node; each command of HTCondor there has its own, shorter time


def gather(the: Here, name: str, asked: JobId) -> Facts:
    """Raises Refused, NotUp and PulumiFailed if the pool or its site cannot be asked at all."""
    pool = the.pool(name)
    with ThreadPoolExecutor(max_workers=2) as threads:
        framework = threads.submit(_framework, the, name) if pool.via == "framework" else None
        said = ask_machine(into_machine(the, pool.submit_node.site), ask.script(name, asked), ANSWER)
        told = framework.result() if framework else None
    if said.trouble and not said.text:
        return Facts(name, asked, time.time(), framework=told, trouble=f"the submit node's front-end: {said.trouble}")
    return ask.read(name, asked, said.text, time.time(), told)


def _framework(the: Here, name: str) -> Framework:
    ca = str(outputs(FEDERATION_STACK, the.root).get("ca_certificate", ""))
    found = ask_framework(outputs(name, the.root), ca)
    waiting = tuple(Waiting(w.jobs, w.why, w.never) for w in found.waiting)
    return Framework("" if found.answers else found.trouble, found.paused, waiting)
