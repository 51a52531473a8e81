"""Flapping: a problem that ends and comes back is one incident with a count; no disk and no clock of its own."""

from datetime import datetime
from typing import Any

from core.alerts.alert import FLAP_CALM, FLAP_WINDOW, MAX_FIRINGS, Alert
from core.alerts.lifecycle import Dwell


def incident_of(before: Alert | None, fired: Alert) -> dict[str, Any]:
    """Return the fields of a new firing that say to which incident it belongs.

    Args:
        before: The alert as it resolved last; None if it has never fired.
        fired: The new firing.
    """
    ended_at = None if before is None else before.resolved_at
    if before is None or ended_at is None or fired.last_at - ended_at > FLAP_WINDOW:
        began = {"incident_at": fired.first_at, "untaken_at": fired.first_at}
        return {**began, "firings": [fired.first_at], "n_flaps": 0}
    firings = [*(before.firings or [before.first_at]), fired.first_at][-MAX_FIRINGS:]
    return {
        "incident_at": before.incident_at or before.first_at,
        # Who acknowledged the firing before took that one: this one waits anew.
        "untaken_at": fired.first_at if before.acknowledged_at else before.untaken_since,
        "firings": firings,
        "n_flaps": before.n_flaps + 1,
    }


def flapped(alert: Alert, n: int, now: datetime) -> dict[str, Any]:
    """Return the fields of an open alert whose problem came back before it could resolve.

    Args:
        alert: The alert as stored.
        n: How often it came back.
        now: When it last came back.
    """
    if n == 0:
        return {}
    return {"n_flaps": alert.n_flaps + n, "firings": [*alert.firings, now][-MAX_FIRINGS:]}


def calmed(dwell: Dwell, alert: Alert | None) -> Dwell:
    """Return the dwell of a condition, longer for a flapping alert: it stays open until the flapping has ended.

    Args:
        dwell: The dwell of the rule.
        alert: The alert as stored.
    """
    if alert is None or not alert.is_flapping:
        return dwell
    return Dwell(dwell.to_fire, max(dwell.to_clear, FLAP_CALM))
