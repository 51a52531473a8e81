"""The counts of one version between two instants, added up from the stored minutes and hours."""

from datetime import datetime, timedelta
from typing import NamedTuple

from core.monitoring.live.encoding import from_bytes, profile_number
from core.monitoring.live.sketch import LiveSketch, ProfileIndex
from core.telemetry.live import LiveHour, LiveMinute, LiveReader

BY_HOUR = timedelta(days=1)  # longer windows are added up from hours where there are whole ones


class LiveWindow(NamedTuple):
    """Rows of one version."""

    start: datetime
    end: datetime
    sketch: LiveSketch
    n_dropped: int  # rows answered within it, but not counted
    n_other: int  # rows that were counted in the bins of another profile, or without one


def live_window(
    reader: LiveReader, index: ProfileIndex, model: str, version: str, start: datetime, end: datetime
) -> LiveWindow:
    """Add up what was counted between two instants.

    Args:
        reader: The store.
        index: The profile of the version.
        model: The model.
        version: Its version.
        start: The earliest minute; of a window longer than a day, the hour that contains it.
        end: The minutes that begin before it.
    Raises:
        SketchError: A stored sketch cannot be read.
        TelemetryError: The store cannot be read now.
    """
    parts: list[LiveMinute | LiveHour] = []
    by_minute_from = start
    if end - start > BY_HOUR:
        start, by_minute_from = (at.replace(minute=0, second=0, microsecond=0) for at in (start, end))
        parts += reader.sums(model, version, start, by_minute_from)
    parts += reader.between(model, version, by_minute_from, end)
    own, sketch = profile_number(index.profile), LiveSketch()
    n_dropped = n_other = 0
    for part in parts:
        if part.profile != own:
            n_other += part.n + part.n_dropped
            continue
        n_dropped += part.n_dropped
        if part.sketch:
            sketch.merge(from_bytes(index, part.sketch))
    return LiveWindow(start, end, sketch, n_dropped, n_other)
