"""Of all connections that write to a store, one at a time writes or checkpoints; what was promised is durable."""

import fcntl
import os
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.telemetry import TelemetryError, TelemetryWriter
from core.telemetry.past import PastWriter
from core.telemetry.predictions import OutcomeRecord, PredictionRecord, PredictionWriter
from core.telemetry.predictions.schema import open_store
from core.telemetry.schema import connect_to_write
from tests.waiting import until

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def is_locked(file: Path) -> bool:
    """Whether some connection holds the lock of the writers."""
    descriptor = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def test_a_second_connection_waits_until_the_first_has_written(file: Path) -> None:
    first, second = open_store(file), open_store(file)
    order: list[str] = []

    def write() -> None:
        with second.transaction():
            order.append("second")

    with first.transaction():
        waiting = threading.Thread(target=write)
        waiting.start()
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    first.close()
    second.close()


def test_a_connection_that_waits_too_long_says_why(file: Path, monkeypatch) -> None:
    first = open_store(file)
    monkeypatch.setattr("core.telemetry.schema.BUSY_SECONDS", 0.01)
    second = connect_to_write(file.with_name("other.db"))
    second.file = file
    too_long = pytest.raises(sqlite3.OperationalError, match="has been writing to it for too long")
    with first.transaction(), too_long, second.transaction():
        pass
    first.close()
    second.close()


def test_the_lock_is_only_for_its_owner(file: Path) -> None:
    open_store(file).close()
    assert file.with_name("store.db.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every file")
def test_a_lock_that_cannot_be_opened_is_an_error_of_the_store(file: Path) -> None:
    open_store(file).close()
    file.with_name("store.db.lock").chmod(0)
    with pytest.raises(TelemetryError, match=r"store\.db\.lock cannot be opened"):
        open_store(file)


class Watched:
    """Notes for each statement of a connection whether the lock was held, and how far the disk was waited for."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self.commits: list[tuple[bool, int]] = []
        self._file, self._connection = file, connection
        connection.set_trace_callback(self._note)

    def _note(self, statement: str) -> None:
        if statement == "COMMIT":
            (synchronous,) = self._connection.execute("PRAGMA synchronous").fetchone()
            self.commits.append((is_locked(self._file), synchronous))


NORMAL, FULL = 1, 2


def test_outcomes_are_durable_once_they_are_flushed_and_predictions_are_not_waited_for(file: Path) -> None:
    with PredictionWriter(file, clock=lambda: NOON, commit_seconds=60) as writer:
        watched = Watched(file, writer._connection)
        writer.add(PredictionRecord("r-1", NOON, "spread", "1.0.0", 2.0))
        writer.flush()
        assert watched.commits == [(True, NORMAL)]
        writer.add_outcome(OutcomeRecord("r-1", NOON, 1.0))
        writer.flush()
        assert watched.commits == [(True, NORMAL), (True, FULL)]


def test_measurements_are_written_under_the_lock(file: Path) -> None:
    with TelemetryWriter(file, clock=lambda: NOON, commit_seconds=60) as writer:
        watched = Watched(file, writer._store._connection)
        writer.add("cpu", NOON, 0.5)
        writer.flush()
        until(lambda: watched.commits, "a commit")
        assert set(watched.commits) == {(True, NORMAL)}


def test_the_past_is_written_under_the_lock(file: Path) -> None:
    writer = PastWriter(file)
    watched = Watched(file, writer._connection)
    writer.write(NOON, {}, since=NOON, is_moment=True)
    writer.expire(NOON)
    assert set(watched.commits) == {(True, NORMAL)}
    writer.close()


def test_no_other_module_opens_a_connection_that_writes() -> None:
    root = Path(__file__).parents[3]
    found = {
        str(path.relative_to(root))
        for folder in ("core", "console", "bondx")
        for path in (root / folder).rglob("*.py")
        if "sqlite3.connect(" in path.read_text(encoding="utf-8")
    }
    assert found == {"core/telemetry/schema.py"}
