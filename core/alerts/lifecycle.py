"""The next step of an alert after its condition was evaluated; no disk and no clock of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from core.alerts.alert import Alert

STILL_SO_EVERY = timedelta(minutes=1)
"""How often an open alert is written again only to confirm that it still holds."""


class NextStep(Enum):
    """The next step for an alert."""

    NOTHING = auto()
    WAIT = auto()  # the condition has changed, but not yet for long enough
    FIRE = auto()
    STILL_SO = auto()
    RESOLVE = auto()
    REARM = auto()  # the condition has ended, which a person had resolved before: it may fire again


@dataclass(frozen=True, slots=True)
class Dwell:
    """How long a change of the condition must last before it counts."""

    to_fire: timedelta = timedelta()
    to_clear: timedelta = timedelta()

    @classmethod
    def of_seconds(cls, to_fire: float, to_clear: float) -> "Dwell":
        """Return the dwell of two settings; Prometheus calls them `for` and `keep_firing_for`."""
        return cls(timedelta(seconds=to_fire), timedelta(seconds=to_clear))


AT_ONCE = Dwell()


def next_step(
    alert: Alert | None, *, is_breached: bool, changed_at: datetime | None, dwell: Dwell, now: datetime
) -> NextStep:
    """Decide the next step for one fingerprint.

    Args:
        alert: The alert as stored, of this firing or an earlier one; None if it has never fired.
        is_breached: Whether the condition is wrong now.
        changed_at: Since when the condition has contradicted the stored state without a break; None if only now.
        dwell: How long the contradiction must last.
        now: The time of the evaluation.
    """
    is_open = alert is not None and alert.state.is_open
    if alert is not None and alert.outlasted:
        if is_breached:
            return NextStep.NOTHING
        return NextStep.REARM if now - (changed_at or now) >= dwell.to_clear else NextStep.WAIT
    if is_breached == is_open:
        is_old_news = alert is not None and is_open and now - alert.last_at >= STILL_SO_EVERY
        return NextStep.STILL_SO if is_old_news else NextStep.NOTHING
    lasted = now - (changed_at or now)
    if is_breached:
        return NextStep.FIRE if lasted >= dwell.to_fire else NextStep.WAIT
    return NextStep.RESOLVE if lasted >= dwell.to_clear else NextStep.WAIT
