"""A frozen snapshot that is looked at further: epochs that were not read when it was taken, as they were then."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.state import Workspace


def with_epochs_of(snapshot: Snapshot, workspace: "Workspace", run_id: str, around: int | None = None) -> Snapshot:
    """Return a snapshot with one more page of a run's epochs, as of its own instant.

    Args:
        snapshot: The frozen snapshot.
        workspace: Its workspace.
        run_id: The run.
        around: An epoch that the page shall have; by default the newest.

    Raises:
        TelemetryError: The store cannot be read now.
    """
    from core.telemetry import TelemetryReader
    from core.telemetry.chunk import to_us
    from core.telemetry.courses import courses_as_of
    from core.telemetry.epoch_page import page_as_of

    until_us, shown = to_us(snapshot.taken_at), snapshot.epoch_pages.get(run_id)
    with closing(TelemetryReader(workspace.telemetry_file)) as reader:
        course = snapshot.epochs.get(run_id) or courses_as_of(reader.of_epochs, run_id, until_us)
        newest = max((points[-1][0] for points in course.values() if points), default=None)
        if shown is not None and shown.n_recorded:
            newest = shown.newest
        page = page_as_of(reader.of_epochs, run_id, until_us, newest, around)
    return replace(
        snapshot,
        epochs=_with(snapshot.epochs, run_id, course),
        epoch_pages=_with(snapshot.epoch_pages, run_id, page),
    )


def _with(known: Mapping[str, Any], run_id: str, found: object) -> Mapping[str, Any]:
    return MappingProxyType({**known, run_id: found})
