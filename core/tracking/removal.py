"""Removing runs whole: the document and the audit record first, then the metrics, which a killed process leaves listed.

The list of removed runs whose metrics may still be there is in the same file as the runs, so it changes with them. The
removed run with the highest number stays in the list: no number is given twice.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

import msgspec

from core.actor import Actor
from core.clock import Clock
from core.governance.audit import audited
from core.state import Workspace
from core.state.documents import Documents
from core.tracking.heartbeat import HEARTBEATS
from core.tracking.run import Run, run_number

log = logging.getLogger(__name__)

TABLE = "removed"


class RemovedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was removed."""

    run_id: str
    removed_at: datetime
    has_metrics: bool = True  # its metrics may still be there
    revision: int = 0


class Removals:
    """The removed runs of one workspace."""

    def __init__(self, workspace: Workspace, database: str, *, clock: Clock) -> None:
        self._workspace = workspace
        self._database = database
        self._clock = clock
        self._documents: Documents[RemovedRun] = workspace.database(database).documents(TABLE, RemovedRun, "run_id")

    def highest_number(self) -> int:
        """Return the highest number that a removed run had, or 0."""
        return max((run_number(removed.run_id) for removed in self._documents.all()), default=0)

    def add(self, runs: Sequence[Run], now: datetime) -> None:
        """List runs as removed, within the transaction that removes their documents."""
        self._documents.insert_all(RemovedRun(run_id=run.run_id, removed_at=now) for run in runs)

    def complete(self, *, actor: Actor) -> int:
        """Delete the metrics of every removed run, those of a killed process included, and record it.

        Args:
            actor: Who completes it.
        Returns:
            How many rows of metrics were deleted.
        """
        pending = [removed.run_id for removed in self._documents.all() if removed.has_metrics]
        if not pending:
            return 0
        from core.telemetry.forgetting import forget_runs

        n_rows = forget_runs(self._workspace.telemetry_file, pending, heartbeats=HEARTBEATS)
        # The rows are deleted already, so the record waits if it must.
        with audited(
            self._workspace, self._database, actor=actor, reason="removed runs", clock=self._clock, may_wait=True
        ) as change:
            highest, done = self.highest_number(), set(pending)  # what another process completed, too, is not listed
            gone = [removed for removed in self._documents.all() if removed.run_id in done or not removed.has_metrics]
            self._documents.remove_all(removed.run_id for removed in gone if run_number(removed.run_id) < highest)
            for removed in gone:
                if removed.has_metrics and run_number(removed.run_id) == highest:
                    self._documents.replace(msgspec.structs.replace(removed, has_metrics=False))
            change.record(
                "run.forget", f"{pending[0]} to {pending[-1]}", after={"n_runs": len(pending), "n_rows": n_rows}
            )
        log.info("deleted %d rows of metrics of %d removed runs", n_rows, len(pending))
        return n_rows
