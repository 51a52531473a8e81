"""Who is on call at an instant. Pure; no disk, no clock.

A handover is at a local time of the zone, so that its instant moves with the clock changes of the zone. A local time
that a clock change skips is that long after the change; one that occurs twice is the first.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from core.settings.alert_escalation import WEEKDAYS, RotationOverrideSettings, RotationSettings

_LAST_DAY: Final = date.max.toordinal() - 2  # in every zone within the calendar


class Duty(NamedTuple):
    """A receiver on call."""

    receiver: str
    ends_at: datetime | None  # when somebody else takes over; None: nobody else does
    is_override: bool


def receiver_on_call(rotation: RotationSettings, at: datetime) -> str | None:
    """Return who is on call; None before the rotation begins."""
    found = _receiver(rotation, at)
    return found[0] if found is not None else None


def on_call(rotation: RotationSettings, at: datetime) -> Duty | None:
    """Return who is on call, and until when.

    Args:
        rotation: The rotation.
        at: An aware time.

    Returns:
        The duty; None before the rotation begins, unless somebody takes over then.
    """
    found = _receiver(rotation, at)
    if found is None:
        return None
    receiver, is_override = found
    for change in _changes(rotation, at):
        later = _receiver(rotation, change)
        if later is None or later[0] != receiver:
            return Duty(receiver, change, is_override)
    return Duty(receiver, None, is_override)


def next_duty(rotation: RotationSettings, at: datetime) -> tuple[datetime, Duty] | None:
    """Return who is on call after the one at an instant, and from when; None if nobody else ever is."""
    now = on_call(rotation, at)
    for change in _changes(rotation, at):
        later = on_call(rotation, change)
        if later is not None and (now is None or later.receiver != now.receiver):
            return change, later
    return None


def _receiver(rotation: RotationSettings, at: datetime) -> tuple[str, bool] | None:
    for override in reversed(rotation.overrides):
        starts_at, ends_at = _span(rotation, override)
        if starts_at <= at < ends_at:
            return override.receiver, True
    if at < _began(rotation):
        return None
    return rotation.people[_turn(rotation, at) % len(rotation.people)], False


def _changes(rotation: RotationSettings, at: datetime) -> Iterator[datetime]:
    """Yield the instants after `at` at which somebody else may be on call, as many as it takes to see everyone."""
    edges = sorted({at for each in rotation.overrides for at in _span(rotation, each)} | {_began(rotation)})
    now, n_handovers = at, 0
    while True:
        found = _receiver(rotation, now)
        coming = [edge for edge in edges if edge > now][:1]
        # During an override no handover counts; a round of handovers without one has shown everyone.
        if found is not None and not found[1] and n_handovers < len(rotation.people):
            coming += [each for each in (_start(rotation, _turn(rotation, now) + 1),) if each > now]
        if not coming:
            return
        now, n_handovers = min(coming), 0 if min(coming) in edges else n_handovers + 1
        yield now


def _turn(rotation: RotationSettings, at: datetime) -> int:
    """Return the number of the turn at an instant, from 0."""
    local = at.astimezone(rotation.zone).date()
    turn = max(0, (local - _first_handover(rotation)).days // rotation.days)
    if at < _start(rotation, turn):
        turn -= 1
    elif at >= _start(rotation, turn + 1):  # a clock change at midnight can move the local date
        turn += 1
    return max(0, turn)


def _start(rotation: RotationSettings, turn: int) -> datetime:
    number = _first_handover(rotation).toordinal() + turn * rotation.days
    return _instant(rotation, date.fromordinal(min(number, _LAST_DAY)))


def _began(rotation: RotationSettings) -> datetime:
    return _instant(rotation, rotation.first_day)


def _span(rotation: RotationSettings, override: RotationOverrideSettings) -> tuple[datetime, datetime]:
    return rotation.instant(override.starts_at), rotation.instant(override.ends_at)


def _first_handover(rotation: RotationSettings) -> date:
    """Return the date of the handover with which the turn of the first date began."""
    first = rotation.first_day
    if rotation.weekday is None:
        return first
    return first - timedelta(days=(first.weekday() - WEEKDAYS.index(rotation.weekday)) % 7)


def _instant(rotation: RotationSettings, day: date) -> datetime:
    return datetime.combine(day, rotation.handover_time, rotation.zone).astimezone(UTC)
