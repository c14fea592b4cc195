"""Who is told of alerts, as the collector reads it (images/collector/collector/receivers.py). Pure text."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..spec.model import Alerts
from ..spec.monitoring_rules import PASSWORD, TOKEN


def receivers_text(alerts: Alerts, secrets: Mapping[str, str]) -> str:
    """The collector's file `alerts`. `secrets` by their key in Pulumi.federation.yaml. Raises ValueError if one is missing."""
    out: dict[str, object] = {}
    if alerts.webhook:
        token = secrets.get(TOKEN)
        if "{token}" in alerts.webhook and not token:
            raise ValueError(f"monitoring.alerts.webhook has {{token}} in it: {_set(TOKEN)}")
        out["webhook"] = {"url": alerts.webhook, **({"token": token} if token else {})}
    if alerts.mail:
        out["mail"] = alerts.mail.model_dump(exclude_none=True)
        if alerts.mail.user:
            if PASSWORD not in secrets:
                raise ValueError(f"monitoring.alerts.mail.user needs a password: {_set(PASSWORD)}")
            out["mail"] = {**alerts.mail.model_dump(exclude_none=True), "password": secrets[PASSWORD]}
    return json.dumps(out, sort_keys=True)


def _set(name: str) -> str:
    return f"pulumi config set -s federation --secret {name}, then pulumi up -s federation, then this stack's"
