"""Deleting the history of runs that were removed, in slices, so that other writers never wait for long."""

from collections import deque
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from core.telemetry.errors import translated
from core.telemetry.schema import connect_to_read, connect_to_write, fetch
from core.telemetry.spans import LEVEL_BITS, start_of
from core.telemetry.writing import WriteConnection

BY_RUN = ("epoch_series", "epoch_span", "epoch")
"""The tables whose rows belong to a run, by their columns `run` and `epoch`; what leads to the others goes first."""
_HEARTBEATS = "heartbeats"  # in the table `epoch`, under a name of their own
_SLICE = 20_000
_END_OF_SLICE = "SELECT epoch FROM {table} WHERE run = ? ORDER BY epoch LIMIT 1 OFFSET ?"


def forget_runs(file: Path, run_ids: Iterable[str], *, heartbeats: str) -> int:
    """Delete every row of runs.

    Deleting twice, or after a crash in the middle, deletes what is left.

    Args:
        file: The time series.
        run_ids: The runs.
        heartbeats: The name under which the heartbeats of all runs are stored, by the run's id.
    Returns:
        How many rows were deleted.
    Raises:
        TelemetryError: The store cannot be written now.
    """
    if not file.exists():
        return 0
    places = deque((run_id, table) for run_id in run_ids for table in (*BY_RUN, _HEARTBEATS))
    with translated(file), closing(connect_to_write(file)) as connection:
        n_deleted = 0
        while places:
            with connection.transaction():  # small runs share one
                left = _SLICE
                while places and left > 0:
                    n, is_done = _forget_some(connection, *places[0], heartbeats, most=left)
                    n_deleted, left = n_deleted + n, left - max(1, n)
                    if is_done:
                        places.popleft()
            connection.give_way()
        return n_deleted


def _forget_some(
    connection: WriteConnection, run_id: str, table: str, heartbeats: str, *, most: int
) -> tuple[int, bool]:
    """Delete about as many rows of a run; return how many there were, and whether none is left in this table."""
    if table == _HEARTBEATS:
        statement = "DELETE FROM epoch WHERE run = ? AND epoch = 0 AND name = ?"
        return connection.execute(statement, (heartbeats, run_id)).rowcount, True
    end = connection.execute(_END_OF_SLICE.format(table=table), (run_id, most)).fetchone()
    # The epoch at the end goes, too, if it fills a slice on its own.
    within = f"AND epoch <= {int(end[0])}" if end is not None else ""
    return connection.execute(f"DELETE FROM {table} WHERE run = ? {within}", (run_id,)).rowcount, end is None


def values_before(file: Path, run_id: str, keep: int) -> int | None:
    """Return the epoch before which a run's single values are no longer kept, or None if there is none.

    It is the first epoch of a span, so that no span loses a part of its values.

    Args:
        file: The time series.
        run_id: The run.
        keep: The number of newest epochs that keep each value.
    Raises:
        TelemetryError: The store cannot be read now.
    """
    if not file.exists():
        return None
    with translated(file), closing(connect_to_read(file)) as connection:
        ((newest,),) = fetch(connection, "SELECT max(epoch) FROM epoch_series WHERE run = ?", run_id) or [(None,)]
        if newest is None:
            return None
        before = start_of(newest - keep + 1, LEVEL_BITS)
        is_there = fetch(connection, "SELECT 1 FROM epoch WHERE run = ? AND epoch < ? LIMIT 1", run_id, before)
        return before if is_there else None


def forget_values(file: Path, run_id: str, *, before: int) -> int:
    """Delete the single values of a run before an epoch; the spans, of which curves are drawn, stay.

    Deleting twice, or after a crash in the middle, deletes what is left.

    Returns:
        How many values were deleted.
    Raises:
        TelemetryError: The store cannot be written now.
    """
    n_deleted = 0
    with translated(file), closing(connect_to_write(file)) as connection:
        while True:
            with connection.transaction():
                end = connection.execute(_END_OF_SLICE.format(table="epoch"), (run_id, _SLICE)).fetchone()
                last = before - 1 if end is None else min(int(end[0]), before - 1)
                statement = "DELETE FROM epoch WHERE run = ? AND epoch <= ?"
                n_deleted += connection.execute(statement, (run_id, last)).rowcount
            if last == before - 1:
                return n_deleted
            connection.give_way()
