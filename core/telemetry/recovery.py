"""Recovery of a damaged store: move it aside, and save its readable rows into a new store."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.files import rename
from core.telemetry.epoch_store import build_spans
from core.telemetry.errors import TelemetryDamagedError, translated
from core.telemetry.schema import connect_as_it_is, connect_to_read, connect_to_write
from core.telemetry.writing import WriteConnection

_TABLES = {"series": 2, "epoch": 5, "minute": 7, "second": 6, "sample": 4}  # with their columns; most valuable first
_OF_MANY_EPOCHS = {"epoch_series": 9, "epoch_span": 16}  # also of epochs whose single values were pruned
_KEYS = {
    "series": "id {0}",
    "epoch": "run {0}, epoch {0}, name {0}",
    "epoch_series": "run {0}, name {0}",
    "epoch_span": "run {0}, level {0}, epoch {0}, name {0}",
}
_COMPANIONS = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result of a recovery."""

    set_aside: Path
    n_rows: dict[str, int]


def check(path: Path) -> str | None:
    """Check a whole store.

    Returns:
        The problem, or None; a missing file is valid.

    Raises:
        TelemetryError: It cannot be read now.
    """
    if not path.exists():
        return None
    try:
        with translated(path):
            connection = connect_to_read(path)
            try:
                (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                connection.close()
    except TelemetryDamagedError as error:
        return str(error)
    return None if answer == "ok" else str(TelemetryDamagedError(path, answer))


def recover(path: Path, *, now: datetime) -> Recovery:
    """Move a store aside unchanged, and start a new store with its readable rows.

    Args:
        path: The store; nobody else may have it open.
        now: For the name of the file set aside.

    Raises:
        TelemetryError: The new store cannot be written.
    """
    aside = set_aside(path, now=now)
    n_rows = dict.fromkeys(_TABLES, 0)
    fresh = connect_to_write(path)
    try:
        with translated(path):
            for table, n_columns in _TABLES.items():
                statement = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * n_columns)})"
                with fresh.transaction():
                    for row in _readable_rows(aside, table):
                        n_rows[table] += fresh.execute(statement, row).rowcount
            _recover_spans(aside, fresh)
    finally:
        fresh.close()
    return Recovery(aside, n_rows)


def _recover_spans(aside: Path, fresh: WriteConnection) -> None:
    """Make the spans of the saved values, and then save the readable spans over them, which know more."""
    with fresh.transaction():
        build_spans(fresh)
        for table, n_columns in _OF_MANY_EPOCHS.items():
            statement = f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * n_columns)})"
            fresh.executemany(statement, _readable_rows(aside, table))


def set_aside(path: Path, *, now: datetime) -> Path:
    """Give a store another name, with every byte kept.

    Args:
        path: The store; nobody else may have it open.
        now: For the name.
    Returns:
        Where it is now.
    """
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S}")
    with translated(path):
        for companion in _COMPANIONS:
            file = path.with_name(path.name + companion)
            if file.exists():
                rename(file, aside.with_name(aside.name + companion))
    return aside


def _readable_rows(file: Path, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table from its beginning up to the damage, then from its end back to it."""
    key = _KEYS.get(table, "series {0}, at {0}")
    for direction in ("ASC", "DESC"):
        try:
            connection = connect_as_it_is(file)
            try:
                yield from connection.execute(f"SELECT * FROM {table} ORDER BY {key.format(direction)}")
            finally:
                connection.close()
            return
        except (sqlite3.DatabaseError, sqlite3.Warning):
            continue
