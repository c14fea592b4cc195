"""The rules of `monitoring`. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from .model import Federation, FederationStack
from .problems import Problem

FILE = "federation.yaml"
TOKEN, PASSWORD = "alerts_webhook_token", "alerts_mail_password"  # in Pulumi.federation.yaml


def monitoring_problems(federation: Federation) -> Iterator[Problem]:
    """Whether the sites that are to hold Graphite and the history are there, Graphite where Grafana is to be, and whether alerts can be sent."""
    if federation.monitoring.grafana is not None and not federation.monitoring.enabled:
        yield Problem(
            FILE, "monitoring.grafana", "has nothing to show without metrics", "take it away, or write enabled: true"
        )
    history = federation.monitoring.history
    if history is not None and not federation.monitoring.enabled:
        what = "nobody reads what has ended: the collectors do that"
        yield Problem(FILE, "monitoring.history", what, "take it away, or write enabled: true")
    for place, site in (("site", federation.monitoring.site), ("history.site", history.site if history else None)):
        if site is not None and site not in federation.sites:
            near = difflib.get_close_matches(site, federation.sites, n=1, cutoff=0.5)
            mend = f"write {near[0]}" if near else f"write one of {', '.join(federation.sites)}"
            yield Problem(FILE, f"monitoring.{place}", f"there is no site {site}", mend)
    alerts, at = federation.monitoring.alerts, "monitoring.alerts"
    if (alerts.webhook or alerts.mail) and not federation.monitoring.enabled:
        what = "nobody measures, so there are no alerts to send"
        yield Problem(FILE, at, what, "remove it, or write monitoring.enabled: true")
    if alerts.webhook and (port := alerts.webhook.split("/")[2].partition(":")[2]) and not _port(port):
        yield Problem(FILE, f"{at}.webhook", f"{port} is no port", "write 1 to 65535, or none")
    if alerts.mail:
        port = alerts.mail.server.rpartition(":")[2]
        if not _port(port):
            yield Problem(FILE, f"{at}.mail.server", f"{port} is no port", "write 587, 465 (tls: tls) or 25")
        if alerts.mail.tls == "none" and alerts.mail.user:
            what = "its password would be sent in clear"
            yield Problem(FILE, f"{at}.mail.user", what, "remove it, or write tls: starttls")
        if alerts.mail.tls == "starttls" and port == "465":
            yield Problem(FILE, f"{at}.mail.tls", "port 465 speaks TLS from the first byte", "write tls: tls")


def _port(text: str) -> bool:
    return 0 < int(text) < 65536


def alert_secret_problems(stack: FederationStack, federation: Federation, file: str) -> Iterator[Problem]:
    """Secrets that nobody needs, or that would be sent in clear. One that is missing is told by the sites, which need it."""
    alerts = federation.monitoring.alerts
    if stack.alerts_webhook_token is not None:
        if alerts.webhook is None:
            what = f"there is no monitoring.alerts.webhook in {FILE} that it is for"
            yield Problem(file, TOKEN, what, f"write that, or pulumi config rm -s federation {TOKEN}")
        elif not alerts.webhook.startswith("https://"):
            what = f"it would be sent in clear to {alerts.webhook}"
            yield Problem(file, TOKEN, what, f"write https:// as monitoring.alerts.webhook in {FILE}")
    if stack.alerts_mail_password is not None and not (alerts.mail and alerts.mail.user):
        what = f"there is no monitoring.alerts.mail.user in {FILE} whose it is"
        yield Problem(file, PASSWORD, what, f"write that, or pulumi config rm -s federation {PASSWORD}")


def plain_problems(values: Any, file: str) -> Iterator[Problem]:
    """Secrets that the file itself shows. `values`: of the file, not those that Pulumi has opened."""
    for name in (TOKEN, PASSWORD):
        if isinstance(values, dict) and name in values and not isinstance(values[name], dict):
            mend = f"get another one if this was in git, then: pulumi config set -s federation --secret {name}"
            yield Problem(file, name, "can be read by everybody who has the file", mend)
