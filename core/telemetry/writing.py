"""Connections that write to a store, of which only one at a time writes or checkpoints.

SQLite lets one connection write while another moves the write-ahead log into the database. Before 3.51.3 (3.50.7 and
3.44.6 have the fix, too) the two can race and corrupt the store, and several server processes, or a server and a
program that reports outcomes, have a connection each. So each holds a lock of our own while it writes; a checkpoint
runs within the commit that filled the log, and thus under the same lock. Readers open a store read-only, and a
read-only connection never checkpoints. Closing needs no lock: SQLite checkpoints only for the last connection.

Source: https://sqlite.org/wal.html, "The WAL-Reset Bug"
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.lock_files import locked_within, open_lock, unlock

_LOOK_SECONDS = 0.001
_GIVE_WAY_SECONDS = 3 * _LOOK_SECONDS


class WriteConnection(sqlite3.Connection):
    """A connection that writes.

    Attributes:
        file: The store.
        patience_seconds: How long it waits for others that write.
    """

    file: Path
    patience_seconds: float

    @contextmanager
    def transaction(self, *, is_durable: bool = False) -> Iterator["WriteConnection"]:
        """Write all or nothing.

        Args:
            is_durable: Whether what is committed survives a power cut. Otherwise the last seconds may be lost, and
                nothing else is: the disk is not waited for.
        Raises:
            sqlite3.Error: The store cannot be written now.
        """
        with self.alone():
            self.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            self.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self.execute("COMMIT")
            finally:
                if self.in_transaction:
                    self.execute("ROLLBACK")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock of the writers of this store; not re-entrant.

        Raises:
            sqlite3.OperationalError: Another process holds it for longer, or its file cannot be opened.
        """
        path = self.file.with_name(self.file.name + ".lock")
        try:
            descriptor = open_lock(path)
        except OSError as error:
            raise sqlite3.OperationalError(f"its lock {path.name} cannot be opened: {error.strerror}") from error
        try:
            if not locked_within(descriptor, self.patience_seconds, pause_seconds=_LOOK_SECONDS):
                raise sqlite3.OperationalError("another process has been writing to it for too long")
            yield
        finally:
            unlock(descriptor)

    def give_way(self) -> None:
        """Let waiting writers write, between two transactions of a long piece of work."""
        time.sleep(_GIVE_WAY_SECONDS)
