"""The metrics of runs by step, as they are now, or as they were at the shown moment of the past."""

import math
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

from core.state import Workspace
from core.view.snapshot import EpochSeries

if TYPE_CHECKING:
    from core.telemetry.courses import EpochCourses
    from core.telemetry.series_watch import SeriesWatch

MOST_SPANS = 256
"""Of one line on the whole screen: at least as many as it has columns."""

Window: TypeAlias = "tuple[float, float] | None"
"""The first and the last step to read; None is the whole run, also as it goes on."""
ReadHistories: TypeAlias = Callable[[Sequence[str], Window], dict[str, EpochSeries]]


class Shows(Protocol):
    """The console that shows the runs."""

    @property
    def workspace(self) -> Workspace:
        """The workspace that is shown."""

    @property
    def frozen_at(self) -> datetime | None:
        """The moment that is shown, unless it is the present."""


class Histories:
    """Reads the course of metrics at the resolution of a window, and afterwards what is new in it."""

    def __init__(self, workspace: Workspace, until: datetime | None) -> None:
        """Read nothing yet.

        Args:
            workspace: The workspace.
            until: Leave out what came after this instant; by default nothing.
        """
        self._file, self._until = workspace.telemetry_file, until
        self._lock = threading.Lock()  # a newer question may come before the answer to an earlier one
        self._following: tuple[Window, SeriesWatch, EpochCourses] | None = None

    def read(self, run_ids: Sequence[str], window: Window) -> dict[str, EpochSeries]:
        """Return the metrics of runs by their ids; call it in a thread.

        Raises:
            TelemetryError: The store cannot be read now.
        """
        steps = None if window is None else (math.floor(window[0]), math.ceil(window[1]))
        with self._lock:
            return self._as_of(run_ids, steps, self._until) if self._until else self._now(run_ids, window, steps)

    def _as_of(self, run_ids: Sequence[str], steps: tuple[int, int] | None, until: datetime) -> dict[str, EpochSeries]:
        from core.telemetry import TelemetryReader
        from core.telemetry.chunk import to_us
        from core.telemetry.courses import courses_as_of

        reader = TelemetryReader(self._file)
        try:
            return {
                run_id: courses_as_of(reader.of_epochs, run_id, to_us(until), most=MOST_SPANS, window=steps)
                for run_id in run_ids
            }
        finally:
            reader.close()

    def _now(self, run_ids: Sequence[str], window: Window, steps: tuple[int, int] | None) -> dict[str, EpochSeries]:
        from core.telemetry import TelemetryReader
        from core.telemetry.courses import EpochCourses
        from core.telemetry.series_watch import SeriesWatch

        if self._following is None or self._following[0] != window:
            reader = TelemetryReader(self._file)
            courses = EpochCourses(reader.of_epochs, most=MOST_SPANS, window=steps)
            self._following = window, SeriesWatch(reader), courses
        _, watch, courses = self._following
        found = courses.follow(watch.look(run_ids))
        return {run_id: found[run_id] for run_id in run_ids}


def histories_of(app: Shows) -> ReadHistories:
    """Return a function that reads the metrics of runs by their ids; call it in a thread."""
    return Histories(app.workspace, app.frozen_at).read
