"""Silences that end soon while they hide firing alerts: the warning before everybody is told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.alerts.alert import Alert, AlertState
from core.alerts.silences.silence import ENDING_RULE, Silence

WARNING: Final = timedelta(minutes=10)
"""How long before its end a silence with firing alerts is an alert itself, at most."""
SHARE: Final = 0.25
"""The share of a silence that is left when it warns, if that is shorter: a short one would warn when it is made."""
_MOST_NAMED: Final = 5


def ending(silences: Sequence[Silence], alerts: Sequence[Alert], now: datetime) -> dict[str, str]:
    """Say of each silence that ends soon and hides firing alerts what will be heard, by the id of the silence.

    The warnings themselves do not count: a silence that hides everything would otherwise warn of its warning.

    Args:
        silences: Every silence.
        alerts: Every alert.
        now: The time.
    """
    soon = [silence for silence in silences if silence.is_active(now) and silence.ends_at - now <= _lead(silence)]
    if not soon:
        return {}
    firing = [alert for alert in alerts if alert.state is AlertState.FIRING and alert.rule != ENDING_RULE]
    found: dict[str, str] = {}
    for silence in soon:
        hidden = [alert for alert in firing if silence.hides(alert)]
        if hidden:
            names = sorted({alert.name for alert in hidden})
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            count = "1 firing alert" if len(hidden) == 1 else f"{len(hidden)} firing alerts"
            found[silence.silence_id] = (
                f"silence {silence.silence_id} of {silence.created_by} ends at {silence.ends_at:%H:%M} UTC and hides "
                f"{count}: {', '.join(names[:_MOST_NAMED])}{more}"
            )
    return found


def _lead(silence: Silence) -> timedelta:
    return min(WARNING, SHARE * (silence.ends_at - silence.starts_at))
