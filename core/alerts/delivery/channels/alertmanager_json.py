"""The JSON of Alertmanager: version 4 for its webhooks, and the alerts of its API.

Source:
    Prometheus documentation, Alertmanager configuration, `webhook_config`; Alertmanager OpenAPI v2, `postableAlert`.
"""

from datetime import datetime, timedelta
from typing import Any

from core.alerts.alert import value_words
from core.alerts.delivery.message import AlertMessage, NotifiedAlert
from core.clock import to_iso

_NO_TIME = "0001-01-01T00:00:00Z"  # Go's zero time, which receivers take for "not ended"


def webhook_document(message: AlertMessage, *, most_alerts: int = 0) -> dict[str, Any]:
    """Return a message as the body of a webhook.

    Args:
        message: The message.
        most_alerts: How many alerts it may hold; 0 for all.
    """
    shown = message.alerts[:most_alerts] if most_alerts else message.alerts
    return {
        "version": "4",
        "groupKey": message.group_key,
        "truncatedAlerts": message.n_truncated + len(message.alerts) - len(shown),
        "status": "firing" if message.firing else "resolved",
        "receiver": message.receiver_pattern,
        "groupLabels": message.group_labels,
        "commonLabels": message.common("labels"),
        "commonAnnotations": message.common("annotations"),
        "externalURL": "",
        "notification_reason": message.reason,
        "alerts": [_webhook_alert(alert) for alert in shown],
    }


def _webhook_alert(alert: NotifiedAlert) -> dict[str, Any]:
    return {
        "status": "firing" if alert.is_firing else "resolved",
        "labels": alert.labels,
        "annotations": _annotations(alert),
        "startsAt": to_iso(alert.starts_at),
        "endsAt": to_iso(alert.ends_at) if alert.ends_at and not alert.is_firing else _NO_TIME,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def postable_alert(alert: NotifiedAlert, *, now: datetime, valid_for: timedelta) -> dict[str, Any]:
    """Return an alert as Prometheus posts it to an Alertmanager.

    Args:
        alert: The alert.
        now: The time.
        valid_for: How long it counts as firing without being posted again.
    """
    ends_at = now + valid_for if alert.is_firing else alert.ends_at or now
    return {
        "labels": alert.labels,
        "annotations": _annotations(alert),
        "startsAt": to_iso(alert.starts_at),
        "endsAt": to_iso(ends_at),
        "generatorURL": alert.generator_url,
    }


def _annotations(alert: NotifiedAlert) -> dict[str, str]:
    """Return its annotations, with what BondX knows beyond them."""
    known = {
        "suspect_version": alert.suspect,
        "what_to_do": alert.advice,
        "acknowledge": alert.acknowledge_command if alert.is_firing and alert.fingerprint else "",
        "value": "" if alert.value is None else value_words(alert.value),
        "limit": "" if alert.threshold is None else value_words(alert.threshold),
    }
    return {**{name: text for name, text in known.items() if text}, **alert.annotations}
