import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from core.errors import RefusedError
from core.telemetry import TelemetryWriter
from core.telemetry.compaction import compact, pages_of, shrink
from core.telemetry.schema import connect_to_write
from tests.clocks import HandClock


def fill(file, n_rows=40_000):
    with closing(connect_to_write(file)) as connection, connection.transaction():
        rows = ((f"r-{number % 9:04d}", number, "a_metric_with_a_name", number, 0.5) for number in range(n_rows))
        connection.executemany("INSERT INTO epoch (run, epoch, name, at, value) VALUES (?, ?, ?, ?, ?)", rows)


def delete_all(file):
    with closing(connect_to_write(file)) as connection, connection.transaction():
        connection.execute("DELETE FROM epoch")


def make_as_earlier_releases_did(file):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "telemetry.db"


def test_a_store_gives_the_space_of_deleted_rows_back_a_slice_at_a_time(file, monkeypatch):
    monkeypatch.setattr("core.telemetry.compaction._SLICE_PAGES", 200)
    fill(file)
    full = file.stat().st_size
    delete_all(file)
    freed = []
    with closing(connect_to_write(file)) as connection:
        while (n_bytes := shrink(connection)) > 0:
            freed.append(n_bytes)
        assert pages_of(connection).free_bytes < 256 * 4096
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert len(freed) > 1
    assert file.stat().st_size == full - sum(freed)


def test_a_store_keeps_the_space_that_its_next_rows_will_need(file):
    fill(file)
    with closing(connect_to_write(file)) as connection:
        with connection.transaction():
            connection.execute("DELETE FROM epoch WHERE run = 'r-0003'")
        assert pages_of(connection).n_free > 0
        assert shrink(connection) == 0


def test_the_thread_that_writes_shrinks_its_store(file):
    fill(file)
    delete_all(file)
    clock = HandClock()
    with TelemetryWriter(file, clock=clock) as writer:
        clock.now += timedelta(minutes=2)
        writer.flush()
        with closing(connect_to_write(file)) as connection:
            n_free = pages_of(connection).n_free
            clock.now += timedelta(minutes=2)
            writer.flush()
            assert n_free < 256 or pages_of(connection).n_free < n_free


@pytest.mark.parametrize("is_old", [True, False], ids=["made by an earlier release", "of this release"])
def test_compaction_frees_everything_and_keeps_every_row(file, is_old):
    fill(file)
    if is_old:
        make_as_earlier_releases_did(file)
    with closing(connect_to_write(file)) as connection:
        with connection.transaction():
            connection.execute("DELETE FROM epoch WHERE epoch >= 100")
        assert (shrink(connection) == 0) == is_old
    before, after = compact(file)
    assert before > 1_900_000 > 100_000 > after
    with closing(connect_to_write(file)) as connection:
        assert connection.execute("SELECT count(*) FROM epoch").fetchone() == (100,)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)


def test_a_disk_without_room_for_the_copy_is_a_refusal(file, monkeypatch):
    fill(file, 1_000)
    make_as_earlier_releases_did(file)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(RefusedError, match=r"telemetry\.db was not compacted: that needs"):
        compact(file)


def test_compaction_of_a_store_of_this_release_lets_other_writers_write_between_its_slices(file, monkeypatch):
    monkeypatch.setattr("core.telemetry.compaction._SLICE_PAGES", 100)
    fill(file)
    delete_all(file)
    n_written = []

    def write_meanwhile(_connection):
        with closing(connect_to_write(file)) as other, other.transaction():
            other.execute("INSERT INTO series (name) VALUES (?)", (f"s-{len(n_written)}",))
        n_written.append(1)

    monkeypatch.setattr("core.telemetry.writing.WriteConnection.give_way", write_meanwhile)
    before, after = compact(file)
    assert before > 1_900_000 > 100_000 > after
    assert len(n_written) > 5
