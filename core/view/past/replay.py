"""Snapshots of past instants."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from core.errors import NotFoundError, RefusedError
from core.governance.audit_filter import AuditFilter
from core.telemetry.past import PastReader
from core.view import parts
from core.view.parts.part import HistoryPart, PartSource
from core.view.past.pages import fields_of
from core.view.past.recorder import COARSE_SECONDS
from core.view.snapshot import Snapshot

if TYPE_CHECKING:
    from core.governance import AuditLog, AuditRecord
    from core.state import Workspace

log = logging.getLogger(__name__)

_BREAK = timedelta(seconds=2 * COARSE_SECONDS)
"""A stretch of watching is extended at least every `COARSE_SECONDS`; what lies further behind its end is unrecorded."""


class RecordedPast:
    """The recorded past of a workspace. Read-only; cheap to create."""

    def __init__(self, workspace: "Workspace") -> None:
        self._workspace = workspace
        self._reader = PastReader(workspace.past_file)

    def before(self, when: datetime) -> datetime | None:
        """Return the last moment of a change, by a person or the engine, before an instant, or None."""
        return self._reader.moment_before(when)

    def after(self, when: datetime) -> datetime | None:
        """Return the first moment of a change, by a person or the engine, after an instant, or None."""
        return self._reader.moment_after(when)

    def change_before(self, when: datetime) -> "AuditRecord | None":
        """Return the last change by a person up to an instant, whether or not the moment is recorded."""
        return next(iter(self._log().search(AuditFilter(by_people=True, until=when), limit=1)), None)

    def change_after(self, when: datetime) -> "AuditRecord | None":
        """Return the first change by a person after an instant, if there is one."""
        return self._log().next_change(AuditFilter(by_people=True), when)

    def moment_with(self, change: "AuditRecord") -> datetime | None:
        """Return the moment that was recorded because of a change, or None if the past ends before it."""
        return self._reader.moment_after(change.at - timedelta(microseconds=1))

    def at(self, when: datetime, *, follow: Iterable[str] = (), around: Mapping[str, int] | None = None) -> Snapshot:
        """Return the workspace at a past instant.

        Args:
            when: The instant.
            follow: Runs whose epochs are wanted, beside those of the session that was at work.
            around: By run, the epoch around which a page of epochs is wanted; by default the newest.

        Returns:
            The snapshot of that instant. If no engine was recording then, it shows the last recorded state, and
            `problems` says so.

        Raises:
            NotFoundError: The past does not reach back so far, or nothing is recorded yet.
            RefusedError: Another version of the program recorded it in a different form.
            TelemetryError: The past cannot be read now, or its file is damaged.
        """
        span = self._reader.span_at(when)
        if span is None:
            first = self._reader.first()
            reach = (
                f"it begins at {_spelled(first)}" if first else "nothing is recorded yet: a running engine records it"
            )
            raise NotFoundError(f"The recorded past does not reach back to {_spelled(when)}; {reach}.")
        try:
            fields = fields_of(self._reader.as_of(when))
        except msgspec.DecodeError as error:
            log.warning("the past at %s cannot be read: %s", when, error)
            raise RefusedError(
                f"The record of {_spelled(when)} was written by another version of the program in a different form; "
                "later moments can be read."
            ) from error
        if when > span.until + _BREAK:
            gap = f"No engine recorded at this time: this is the last recorded state, of {_spelled(span.until)}."
            fields |= {"problems": (gap,), "engine": None}
        snapshot = Snapshot(taken_at=when, workspace=self._workspace.root, **fields)
        return self._with_histories(snapshot, follow, around or {})

    def _log(self) -> "AuditLog":
        from core.governance import AuditLog

        return AuditLog(self._workspace)

    def _with_histories(self, snapshot: Snapshot, follow: Iterable[str], around: Mapping[str, int]) -> Snapshot:
        """Add the parts with their own history: samples, epochs, audit records."""
        look = PartSource(
            workspace=self._workspace,
            clock=lambda: snapshot.taken_at,
            seen=snapshot,
            followed=frozenset(follow),
            around=around,
        )
        try:
            for part in parts.PARTS:
                if issubclass(part, HistoryPart):
                    look.seen = replace(look.seen, **part(look).read_as_of(snapshot.taken_at))
        finally:
            look.close()
        return look.seen


def _spelled(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
