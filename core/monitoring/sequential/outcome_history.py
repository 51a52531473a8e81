"""Outcomes and errors by the time of their prediction: a move of theirs is dated by them.

Counted minutes are stored (`core.telemetry.live`); outcomes come late and a few at a time, so their counts are kept
here: by minute for the newest hours of predictions, then by hour, then by day.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from core.monitoring.live import LiveSketch, ProfileIndex, from_bytes, merged_bytes, to_bytes
from core.monitoring.sequential.recent_rows import TimedSketch

MINUTE, HOUR, DAY = 60, 3_600, 86_400
BY_MINUTE = 3 * HOUR  # of the newest prediction with an outcome
BY_HOUR = 3 * DAY
KEPT = 15 * DAY


class OutcomeHistory:
    """The counts of one version. They are kept as bytes, since most looks read none of them.

    Attributes:
        parts: By their first minute, seconds since 1970: the counts of a minute, an hour or a day.
    """

    def __init__(self, parts: Mapping[int, bytes] | None = None) -> None:
        """Prepare.

        Args:
            parts: What was kept before.
        """
        self.parts = dict(parts or {})

    def add(self, minutes: Mapping[int, LiveSketch]) -> None:
        """Add outcomes.

        Args:
            minutes: By the minute of their prediction, seconds since 1970.
        """
        if not minutes:
            return
        newest = max(*self.parts, *minutes) if self.parts else max(minutes)
        found: dict[int, list[tuple[int, bytes]]] = {}
        for at, content in [*self.parts.items(), *((at, to_bytes(sketch)) for at, sketch in minutes.items())]:
            if newest - at < KEPT:
                found.setdefault(_beginning(at, newest), []).append((at, content))
        self.parts = {}
        for _, parts in sorted(found.items()):
            first, contents = min(at for at, _ in parts), [content for _, content in parts]
            self.parts[first] = contents[0] if len(contents) == 1 else merged_bytes(contents)

    def since(self, at: datetime, index: ProfileIndex) -> Iterable[TimedSketch]:
        """Return what was counted from an instant on, oldest first.

        Args:
            at: The instant.
            index: The profile.
        Raises:
            SketchError: The counts are damaged.
        """
        for begin, content in self.parts.items():
            if begin >= at.timestamp():
                yield datetime.fromtimestamp(begin, UTC), from_bytes(index, content)


def _beginning(at: int, newest: int) -> int:
    """Return where a part begins that holds an instant: an hour, or a day, is merged as a whole or not at all.

    >>> _beginning(7_265, 7_325), _beginning(7_265, 7_265 + 4 * HOUR), _beginning(7_265, 5 * DAY)
    (7260, 7200, 0)
    """
    if newest - (at - at % DAY) >= BY_HOUR:
        return at - at % DAY
    if newest - (at - at % HOUR) >= BY_MINUTE:
        return at - at % HOUR
    return at - at % MINUTE
