"""The inventory of silences as lines: when each ends, what it hides now, and those that ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from console.presentation.phrases import counted, duration, instant
from core.alerts import Alert, AlertState
from widgets.line import Line

if TYPE_CHECKING:
    from core.alerts.silences import Silence

_MOST_NAMED: Final = 5
_MOST_EXPIRED: Final = 10


def silence_lines(silences: "Sequence[Silence]", alerts: Sequence[Alert], now: datetime) -> list[Line]:
    """Write out the silences, the next to end first, then those that ended.

    Args:
        silences: Every silence.
        alerts: Every alert.
        now: The present.
    """
    current = sorted((each for each in silences if not each.is_over(now)), key=lambda each: each.ends_at)
    over = sorted((each for each in silences if each.is_over(now)), key=lambda each: each.ends_at, reverse=True)
    if not current and not over:
        return [Line((("No silences. :silence MATCHERS for 2h COMMENT makes one.", "muted"),))]
    open_alerts = [alert for alert in alerts if alert.state.is_open]
    lines = [] if current else [Line((("No silence is active.", "muted"),))]
    for silence in current:
        lines += [*([Line()] if lines else []), *_current(silence, open_alerts, now)]
    if current:
        lines += [Line(), Line(((":expire SILENCE", "key"), (" ends one before its time; Tab completes it.", "muted")))]
    if over:
        lines += [Line(), Line((("Ended", "title"),))]
        lines += [_ended(silence) for silence in over[:_MOST_EXPIRED]]
    return lines


def _current(silence: "Silence", open_alerts: Sequence[Alert], now: datetime) -> list[Line]:
    left = duration((silence.ends_at - now).total_seconds())
    when = f"ends in {left}, {instant(silence.ends_at)}"
    if not silence.is_active(now):
        when = f"begins {instant(silence.starts_at)}, ends {instant(silence.ends_at)}"
    hidden = [alert for alert in open_alerts if silence.is_active(now) and silence.hides(alert)]
    n_firing = sum(alert.state is AlertState.FIRING for alert in hidden)
    names = ", ".join(alert.brief_name for alert in hidden[:_MOST_NAMED])
    more = f" and {len(hidden) - _MOST_NAMED:,} more" if len(hidden) > _MOST_NAMED else ""
    told = f"hides {counted(len(hidden), 'open alert')}, {n_firing:,} firing{': ' if names else ''}"
    return [
        Line(((f"{silence.silence_id}  ", "strong"), (when, "accent"))),
        Line((("  ", ""), (silence.matcher_text, ""))),
        Line((("  ", ""), (f"{silence.created_by}: {silence.comment}", "muted"))),
        Line((("  ", ""), (told, "warn" if n_firing else ""), (f"{names}{more}", ""))),
    ]


def _ended(silence: "Silence") -> Line:
    by = f" by {silence.expired_by}" if silence.expired_by else ""
    return Line(
        (
            (f"{silence.silence_id}  ", "muted"),
            (f"ended {instant(silence.ends_at)}{by}: {silence.matcher_text} ({silence.comment})", "muted"),
        )
    )
