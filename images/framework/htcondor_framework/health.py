"""`htcondor-framework health`, for Marathon's health check.

It asks whether the process answers, not whether all is well: were the scheduler restarted because Mesos, ZooKeeper or HTCondor are
away, a fault of theirs would become one of ours, and the restart would help nothing. Its event loop, which does all the work,
is the one that answers. `/ping` says 200 only to a scheduler that leads.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl

TIMEOUT = 5.0  # seconds


def port_of(text: str) -> int:
    """The REST port in the framework's configuration, without reading all of it strictly: this is run every few seconds, and in a
    scheduler that runs the rest is in order. Raises ValueError."""
    try:
        return int(json.loads(base64.b64decode(text, validate=True))["rest"]["port"])
    except (ValueError, KeyError, TypeError) as e:
        raise ValueError(f"it holds no rest.port: {type(e).__name__}") from None


def answers(port: int, host: str = "127.0.0.1") -> str:
    """ "" if the process answers, with whatever status; else why not."""
    # It asks its own process, which nobody else can be on this port; the certificate is for the name that clients use.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/ping")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as e:
        return f"no answer on port {port}: {type(e).__name__}: {e}"
    finally:
        connection.close()
    return "" if status in (200, 503) else f"/ping answers {status}"
