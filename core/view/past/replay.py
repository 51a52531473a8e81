"""A snapshot as of an instant that has passed."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from core.clock import to_iso
from core.errors import NotFoundError, RefusedError
from core.telemetry.past import PastReader
from core.view import parts
from core.view.parts.part import HistoryPart, PartSource
from core.view.past.pages import fields_of
from core.view.past.recorder import COARSE_SECONDS
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.state import Workspace

log = logging.getLogger(__name__)

_BREAK = timedelta(seconds=2 * COARSE_SECONDS)
"""A stretch of watching is extended at least every `COARSE_SECONDS`; what lies further behind its end is unrecorded."""


class RecordedPast:
    """What an engine has recorded of a workspace. Only reads; cheap to make."""

    def __init__(self, workspace: "Workspace") -> None:
        self._workspace = workspace
        self._reader = PastReader(workspace.past_file)

    def before(self, when: datetime) -> datetime | None:
        """Return the last moment before an instant at which somebody or the engine had changed something, or None."""
        return self._reader.moment_before(when)

    def after(self, when: datetime) -> datetime | None:
        """Return the first moment after an instant at which somebody or the engine had changed something, or None."""
        return self._reader.moment_after(when)

    def at(self, when: datetime, *, follow: Iterable[str] = ()) -> Snapshot:
        """Show the workspace as it was.

        Args:
            when: The instant.
            follow: Runs whose epochs are wanted, beside those of the session that was at work.

        Returns:
            The snapshot of then. `problems` says so when nobody watched at that instant; it then shows the last that
            was seen before.

        Raises:
            NotFoundError: The past does not reach back so far, or nothing is recorded yet.
            RefusedError: It was recorded by a version of the program that this one cannot read.
            TelemetryError: The past cannot be read just now, or its file is damaged.
        """
        span = self._reader.span_at(when)
        if span is None:
            first = self._reader.first()
            reach = f"it begins at {to_iso(first)}" if first else "nothing is recorded yet: a running engine does it"
            raise NotFoundError(f"The recorded past does not reach back to {to_iso(when)}; {reach}.")
        try:
            fields = fields_of(self._reader.as_of(when))
        except msgspec.DecodeError as error:
            log.warning("the past at %s cannot be read: %s", when, error)
            raise RefusedError(
                f"What was recorded at {to_iso(when)} was written by another version of the program, which laid it out "
                "otherwise; later moments can be read."
            ) from error
        if when > span.until + _BREAK:
            gap = f"No engine recorded at this time: this is what was seen last, at {to_iso(span.until)}."
            fields |= {"problems": (gap,), "engine": None}
        snapshot = Snapshot(taken_at=when, workspace=self._workspace.root, **fields)
        return self._with_histories(snapshot, follow)

    def _with_histories(self, snapshot: Snapshot, follow: Iterable[str]) -> Snapshot:
        """Add what is kept as a history of its own: samples, epochs, audit records."""
        look = PartSource(
            workspace=self._workspace, clock=lambda: snapshot.taken_at, seen=snapshot, followed=frozenset(follow)
        )
        try:
            for part in parts.PARTS:
                if issubclass(part, HistoryPart):
                    look.seen = replace(look.seen, **part(look).read_as_of(snapshot.taken_at))
        finally:
            look.close()
        return look.seen
