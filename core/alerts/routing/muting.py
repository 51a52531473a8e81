"""Why an open alert is not told: acknowledged, snoozed, silenced or inhibited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.alerts.alert import Alert
from core.alerts.routing.placement import Placements
from core.alerts.silences.silence import Silence


@dataclass(frozen=True, slots=True)
class Muted:
    """Why an open alert is not told."""

    by: str  # acknowledged, snoozed, silenced, inhibited
    why: str


def muted_alerts(
    placements: Placements, open_alerts: Sequence[Alert], silences: Sequence[Silence], now: datetime
) -> dict[str, Muted]:
    """Return the open alerts that nobody is told of, by fingerprint, and why.

    Args:
        placements: Where the alerts belong, for the inhibitions.
        open_alerts: The open alerts.
        silences: Every silence.
        now: The time.
    """
    active = [silence for silence in silences if silence.is_active(now)]
    inhibition = placements.inhibition(open_alerts)
    found: dict[str, Muted] = {}
    for alert in open_alerts:
        placement = placements.of(alert)
        if alert.is_acknowledged:
            found[alert.fingerprint] = Muted("acknowledged", f"by {alert.acknowledged_by}")
        elif alert.is_snoozed(now):
            found[alert.fingerprint] = Muted("snoozed", f"until {alert.snoozed_until:%Y-%m-%d %H:%M} UTC")
        elif (silence := next((each for each in active if each.accepts(placement.labels)), None)) is not None:
            found[alert.fingerprint] = Muted("silenced", f"by {silence.silence_id}: {silence.comment}")
        elif (source := inhibition.source_of(placement)) is not None:
            found[alert.fingerprint] = Muted("inhibited", f"by {source.get('alertname', 'another alert')}")
    return found
