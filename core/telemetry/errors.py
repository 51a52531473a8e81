"""Errors of the time series store."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import CoreError, ExitCode

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class TelemetryError(CoreError):
    """The store cannot be read or written now; nothing in it was lost."""

    exit_code = ExitCode.REFUSED


class TelemetryDamagedError(TelemetryError):
    """The file is no longer a valid database."""

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        super().__init__(
            f"The time series in {file} are damaged ({problem}). `bondx doctor --restore {file.name}` moves the file "
            f"aside and starts a new one; models, sessions and the audit log are not touched."
        )


@contextmanager
def translated(file: Path) -> Iterator[None]:
    """Turn an error of SQLite into one of ours, which names the file and the remedy.

    Raises:
        TelemetryDamagedError: The file is not a valid database.
        TelemetryError: The file cannot be used now: locked, no space, no permission.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _DAMAGE:
            raise TelemetryDamagedError(file, str(error)) from error
        raise TelemetryError(f"The time series in {file} cannot be used now: {error}.") from error
    except OSError as error:
        raise TelemetryError(f"The time series in {file} cannot be used: {error.strerror or error}.") from error
