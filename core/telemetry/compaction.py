"""Giving the space of deleted rows back to the disk: a little at a time while a store is written, or all at once.

SQLite keeps the pages of deleted rows for later rows, so a file never shrinks by itself. That is right while as much
comes as goes; it is wrong once much was deleted and little comes.

Source: https://sqlite.org/pragma.html#pragma_incremental_vacuum, https://sqlite.org/lang_vacuum.html
"""

import logging
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

from core.errors import RefusedError
from core.telemetry.errors import translated
from core.telemetry.schema import connect_as_it_is
from core.telemetry.writing import WriteConnection

log = logging.getLogger(__name__)

FREE_SHARE = 0.25
"""The share of free pages from which a file is shrunk; below it, the next rows will need them."""
_LEAST_PAGES = 256
_SLICE_PAGES = 512
_SLICES_AT_ONCE = 4
_INCREMENTAL = 2


class StorePages(NamedTuple):
    """The pages of a store."""

    page_bytes: int
    n_pages: int
    n_free: int

    @property
    def used_bytes(self) -> int:
        """The size of what is stored."""
        return (self.n_pages - self.n_free) * self.page_bytes

    @property
    def free_bytes(self) -> int:
        """The size of the pages of deleted rows."""
        return self.n_free * self.page_bytes


def pages_of(connection: sqlite3.Connection) -> StorePages:
    """Count the pages of a store."""
    names = ("page_size", "page_count", "freelist_count")
    return StorePages(*(int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in names))


def shrink(connection: WriteConnection) -> int:
    """Give some of the free pages back, if there are many; for a thread that writes the store, about once a minute.

    Returns:
        How many bytes the file became smaller, once its log is recycled.
    Raises:
        sqlite3.Error: The store cannot be written now.
    """
    pages = pages_of(connection)
    if pages.n_free < max(_LEAST_PAGES, FREE_SHARE * pages.n_pages):
        return 0
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
        return 0  # made by an earlier release: `compact` makes it one that shrinks
    for _ in range(_SLICES_AT_ONCE):
        if not _free_slice(connection):
            break
    return (pages.n_pages - pages_of(connection).n_pages) * pages.page_bytes


def _free_slice(connection: WriteConnection) -> bool:
    """Give a slice of the free pages back, and let other writers write; return whether some may be left."""
    with connection.transaction():
        connection.execute(f"PRAGMA incremental_vacuum({_SLICE_PAGES})").fetchall()
    connection.give_way()
    return pages_of(connection).n_free > 0


def compact(file: Path) -> tuple[int, int]:
    """Give all free pages of a store back, slice by slice: no other writer waits for more than a slice.

    A store that an earlier release made cannot be shrunk so. It is rewritten, once; other writers wait, readers do not.

    Args:
        file: The store.
    Returns:
        Its size before and after.
    Raises:
        RefusedError: The disk has no room for the second copy that a rewriting needs.
        TelemetryError: The store cannot be written now.
    """
    with translated(file):
        connection = connect_as_it_is(file)
        try:
            before = _size(file)
            if connection.execute("PRAGMA auto_vacuum").fetchone()[0] == _INCREMENTAL:
                while _free_slice(connection):
                    pass
            else:
                _rewrite(connection, file)
            with connection.alone():
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return before, _size(file)
        finally:
            connection.close()


def _rewrite(connection: WriteConnection, file: Path) -> None:
    # The copy is written beside the store and then through its log.
    needed, free = 2 * pages_of(connection).used_bytes, shutil.disk_usage(file.parent).free
    if needed > free:
        raise RefusedError(
            f"{file.name} was not compacted: that needs {needed / 2**20:,.0f} MiB for a while, and "
            f"{free / 2**20:,.0f} MiB are free. Free some space first."
        )
    with connection.alone():
        connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        connection.execute("VACUUM")


def _size(file: Path) -> int:
    companions = (file, *(file.with_name(file.name + suffix) for suffix in ("-wal", "-shm")))
    return sum(each.stat().st_size for each in companions if each.exists())
