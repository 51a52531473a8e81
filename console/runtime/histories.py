"""The metrics of runs by step, as they are now, or as they were at the shown moment of the past."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from core.state import Workspace
from core.view.snapshot import EpochSeries


class Shows(Protocol):
    """The console that shows the runs."""

    @property
    def workspace(self) -> Workspace:
        """The workspace that is shown."""

    @property
    def frozen_at(self) -> datetime | None:
        """The moment that is shown, unless it is the present."""


def histories_of(app: Shows) -> Callable[[Sequence[str]], dict[str, EpochSeries]]:
    """Return a function that reads the metrics of runs by their ids; call it in a thread."""
    until = app.frozen_at

    def read(run_ids: Sequence[str]) -> dict[str, EpochSeries]:
        from core.telemetry import TelemetryReader

        reader = TelemetryReader(app.workspace.telemetry_file)
        try:
            return {
                run_id: {name: tuple(points) for name, points in reader.epochs(run_id, until).items()}
                for run_id in run_ids
            }
        finally:
            reader.close()

    return read
