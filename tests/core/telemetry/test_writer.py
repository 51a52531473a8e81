"""The thread that commits, those who feed it, and those who read meanwhile."""

import math
import multiprocessing
import os
import signal
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.telemetry import TelemetryError, TelemetryReader, TelemetryWriter
from tests.waiting import until

T0 = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
_forked = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry" / "telemetry.db"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_a_missing_file_gives_empty_answers(path):
    reader = TelemetryReader(path)
    assert reader.samples("a", at(0), at(9)) == []
    assert reader.latest("a") is None
    assert reader.recent("a", 60) == []
    assert reader.epochs("r-0001") == {}
    with TelemetryWriter(path):
        assert reader.epochs("r-0001") == {}


def test_added_samples_are_stored_after_a_flush(path):
    reader = TelemetryReader(path, clock=lambda: at(1))
    with TelemetryWriter(path) as writer:
        writer.add("a", at(1), 42.0)
        writer.add_epoch("r-0001", 1, {"score": 0.9}, at(1))
        writer.flush()
        assert reader.latest("a") == (at(1).timestamp(), 42.0)
        assert reader.recent("a", 60) == [(at(1).timestamp(), 42.0)]
        assert reader.epochs("r-0001") == {"score": [(1, 0.9)]}


def test_closing_stores_queued_samples(path):
    writer = TelemetryWriter(path, commit_seconds=3600)
    writer.add("a", at(1), 1.0)
    writer.close()
    writer.close()
    assert TelemetryReader(path).latest("a") is not None
    with pytest.raises(TelemetryError, match="closed"):
        writer.flush()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_a_value_that_is_not_finite_is_skipped_and_counted(path, value):
    with TelemetryWriter(path) as writer:
        writer.add("a", at(1), value)
        writer.add_epoch("r", 1, {"good": 1.0, "bad": math.nan}, at(1))
        writer.flush()
        assert writer.health().n_skipped == 2
    reader = TelemetryReader(path)
    assert reader.latest("a") is None
    assert list(reader.epochs("r")) == ["good"]


def test_a_time_without_a_zone_is_refused_to_its_caller(path):
    with TelemetryWriter(path) as writer, pytest.raises(TypeError):
        writer.add("a", datetime(2026, 1, 1), 1.0)


def test_maintenance_goes_by_the_injected_clock(path):
    now = T0
    with TelemetryWriter(path, clock=lambda: now) as writer:
        writer.add("a", at(1), 1.0)
        writer.flush()
        reader = TelemetryReader(path)
        assert reader.minutes("a", at(0), at(60)) == []
        now = at(61 * 60 + 1)
        writer.flush()
        assert len(reader.minutes("a", at(0), at(60))) == 1
        assert reader.samples("a", at(0), at(60)) == []


def test_measurements_are_buffered_while_the_store_is_locked_and_the_oldest_are_dropped_first(path, monkeypatch):
    monkeypatch.setattr("core.telemetry.schema.BUSY_SECONDS", 0.01)
    with TelemetryWriter(path, max_waiting=3) as writer:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        for second in range(5):
            writer.add("a", at(second), second)
        with pytest.raises(TelemetryError):
            writer.flush(timeout_seconds=0.2)
        until(lambda: (writer.health().n_waiting, writer.health().n_dropped) == (3, 2), "a try that dropped the oldest")
        assert "cannot be used now" in writer.health().failure
        blocker.execute("ROLLBACK")
        writer.flush()
        assert writer.health().failure is None
        assert [value for _, value in TelemetryReader(path).samples("a", at(0), at(9))] == [2, 3, 4]


def test_an_invalid_batch_is_dropped_and_the_next_is_stored(path, caplog):
    with TelemetryWriter(path) as writer:
        writer._samples.append(("a", "not a time", 1.0))
        writer.flush()
        writer.add("a", at(1), 1.0)
    assert writer.health().n_dropped == 1
    assert "dropped" in caplog.text
    assert TelemetryReader(path).latest("a") == (at(1).timestamp(), 1.0)


def test_readers_see_whole_batches_while_the_writer_writes(path):
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        reader = TelemetryReader(path)
        while not done.is_set():
            seen.append(len(reader.samples("a", at(0), at(999))))

    thread = threading.Thread(target=read)
    with TelemetryWriter(path) as writer:
        thread.start()
        for batch in range(50):
            for i in range(10):
                writer.add("a", at(batch + i / 10), i)
            writer.flush()
        done.set()
        thread.join()
        assert writer.health().wal_bytes < 64 << 20
    assert seen == sorted(seen)
    assert len(TelemetryReader(path).samples("a", at(0), at(999))) == 500


def test_a_reader_that_keeps_a_transaction_open_raises_the_alarm_and_the_log_shrinks_when_it_goes(path, monkeypatch):
    monkeypatch.setattr("core.telemetry.writer.WAL_ALARM_BYTES", 200_000)
    now = T0
    with TelemetryWriter(path, clock=lambda: now) as writer:
        writer.add("a", at(0), 1.0)
        writer.flush()
        sleeper = sqlite3.connect(path, isolation_level=None)
        sleeper.execute("BEGIN")
        sleeper.execute("SELECT * FROM sample").fetchall()
        for batch in range(40):
            writer.add_epoch(f"r-{batch}", 1, {f"metric {i}": 1.0 for i in range(200)}, at(batch))
            writer.flush()
        assert writer.health().wal_alarm
        sleeper.execute("COMMIT")
        now = at(61)
        writer.flush()
        writer.flush()
        assert not writer.health().wal_alarm


def write_epochs(path: Path, run_id: str) -> None:
    with TelemetryWriter(path) as writer:
        for epoch in range(1, 31):
            writer.add_epoch(run_id, epoch, {"score": epoch / 30, "loss": 1 / epoch}, at(epoch))
            writer.flush()


def test_several_processes_write_epoch_metrics_concurrently(path):
    runs = ["r-0001", "r-0002", "r-0003"]
    processes = [_forked.Process(target=write_epochs, args=(path, run)) for run in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    reader = TelemetryReader(path)
    assert all(len(reader.epochs(run)["loss"]) == 30 for run in runs)


def flush_and_die(path: Path) -> None:
    writer = TelemetryWriter(path)
    writer.add_epoch("r", 1, {"score": 0.5}, at(1))
    writer.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def test_flushed_samples_survive_kill_9(path):
    process = _forked.Process(target=flush_and_die, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert TelemetryReader(path).epochs("r") == {"score": [(1, 0.5)]}
    with TelemetryWriter(path) as writer:
        writer.add_epoch("r", 2, {"score": 0.6}, at(2))
    assert len(TelemetryReader(path).epochs("r")["score"]) == 2


def test_a_flush_after_the_file_was_removed_writes_a_new_file(path):
    with TelemetryWriter(path, clock=lambda: at(9), commit_seconds=3600) as writer:  # it looks at its file in a flush
        writer.add_epoch("run-1", 1, {"loss": 1.0}, at(1))
        writer.flush()
        for file in path.parent.glob(path.name + "*"):
            file.unlink()
        writer.add_epoch("run-1", 2, {"loss": 0.5}, at(1))
        writer.flush()
        assert TelemetryReader(path).epochs("run-1") == {"loss": [(2, 0.5)]}
