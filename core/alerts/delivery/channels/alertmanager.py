"""Existing Alertmanagers: every alert is posted as a Prometheus does, again and again while it fires.

Alertmanager identifies an alert by its labels, so what is posted twice counts once, and what an engine that died did
not post is posted by the next one: this needs no outbox.

Source:
    Alertmanager OpenAPI v2 (POST /api/v2/alerts); Prometheus, notifier and rules/manager.go: resent each minute, with
    an end four times as far away.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.alerts.delivery.channels.alertmanager_json import postable_alert
from core.alerts.delivery.http import HttpOptions, HttpReply, post_json
from core.alerts.delivery.message import NotifiedAlert
from core.alerts.delivery.secret import Secrets

RESEND: Final = timedelta(minutes=1)
VALID_FOR: Final = 4 * RESEND
RESOLVED_FOR: Final = timedelta(minutes=15)
"""How long an alert that ended is posted, so that an Alertmanager that was away hears of it."""
_PATH: Final = "/api/v2/alerts"
_BATCH: Final = 256


def post_alerts(address: str, alerts: Sequence[NotifiedAlert], *, now: datetime, timeout_seconds: float) -> int:
    """Post alerts to one Alertmanager.

    Args:
        address: Its address, with `${NAME}` for a password.
        alerts: Those that fire, and those that ended lately.
        now: The time.
        timeout_seconds: How long each request may take.

    Returns:
        How many alerts were taken.

    Raises:
        DeliveryError: It cannot be reached, or refuses.
    """
    secrets = Secrets(place="alerts.alertmanagers", is_private=False)
    url = secrets.text(address.rstrip("/"), "an address", is_secret="@" in address)
    if not url.reveal().endswith(_PATH):
        url = secrets.keep(url.reveal() + _PATH)
    # Without an alert, an empty list is posted: that it is not reached shows before an alert needs it.
    for start in range(0, max(1, len(alerts)), _BATCH):
        batch = [postable_alert(alert, now=now, valid_for=VALID_FOR) for alert in alerts[start : start + _BATCH]]
        _post(url.reveal(), batch, secrets, timeout_seconds)
    return len(alerts)


def _post(url: str, batch: list[dict[str, object]], secrets: Secrets, timeout_seconds: float) -> HttpReply:
    return post_json(secrets.keep(url), batch, secrets=secrets, timeout_seconds=timeout_seconds, options=HttpOptions())
