"""Batches, rollups and retention, with the time as an argument."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.settings import TelemetrySettings
from core.telemetry import TelemetryReader
from core.telemetry.chunk import to_us
from core.telemetry.epoch_store import EpochMetric
from core.telemetry.schema import connect_to_write
from core.telemetry.store import MetricSample, TelemetryStore

T0 = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def samples(series: str, *points: tuple[float, float]) -> list[MetricSample]:
    return [MetricSample(series, to_us(at(seconds)), value) for seconds, value in points]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
def store(path: Path) -> TelemetryStore:
    return TelemetryStore(path, TelemetrySettings())


@pytest.fixture
def reader(path: Path) -> TelemetryReader:
    return TelemetryReader(path)


def n_rows(path: Path, table: str) -> int:
    with sqlite3.connect(path) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_writer_keeps_a_quarter_of_the_pages_that_sqlite_would(path):
    connection = connect_to_write(path)
    assert connection.execute("PRAGMA cache_size").fetchone() == (-512,)
    connection.close()


def test_samples_come_back_in_order_of_time_with_their_microseconds(store, reader):
    store.write(samples("a", (2.000001, 2.5), (1, 1.5), (3, 3.5)))
    store.write(samples("a", (0.5, 0.5)))
    start = T0.timestamp()
    assert reader.samples("a", at(0), at(10)) == [
        (start + 0.5, 0.5),
        (start + 1, 1.5),
        (start + 2.000001, 2.5),
        (start + 3, 3.5),
    ]
    assert reader.samples("a", at(1), at(3))[0] == (start + 1, 1.5), "the start belongs to the span"
    assert len(reader.samples("a", at(1), at(3))) == 2, "the end does not"
    assert reader.samples("b", at(0), at(10)) == []
    assert reader.latest("a") == (start + 3, 3.5)
    assert reader.latest("b") is None


def test_a_slow_series_shares_a_row_for_a_minute(store, path):
    for second in range(120):
        store.write(samples("a", (second, second)))
    assert n_rows(path, "sample") == 2


def test_two_writers_of_one_series_keep_all_samples(path, reader):
    one, two = TelemetryStore(path, TelemetrySettings()), TelemetryStore(path, TelemetrySettings())
    for second in range(10):
        one.write(samples("a", (second, 1)))
        two.write(samples("a", (second, 2)))
    assert len(reader.samples("a", at(0), at(60))) == 20


def test_seconds_add_up_over_batches(store, reader):
    store.write(samples("a", (1.1, 10), (1.2, 20)))
    store.write(samples("a", (1.9, 60), (2.0, 5)))
    first, second = reader.seconds("a", at(0), at(10))
    assert (first.at, first.n, first.mean, first.low, first.high) == (at(1).timestamp(), 3, 30, 10, 60)
    assert second.n == 1


def test_a_finished_minute_is_rolled_up(store, reader):
    store.write(samples("a", *((second, second + 1) for second in range(90))))
    assert store.roll_up(at(62)) == 0, "late samples are waited for"
    assert store.roll_up(at(65)) == 1
    (minute,) = reader.minutes("a", at(0), at(300))
    assert (minute.n, minute.mean, minute.low, minute.high) == (60, 30.5, 1, 60)
    assert minute.quantile(0.5) == pytest.approx(30.5, rel=0.05)
    assert store.roll_up(at(66)) == 0, "and only once"


def test_a_late_sample_is_counted_into_its_minute(store, reader):
    store.write(samples("a", (1, 10)))
    store.roll_up(at(65))
    store.write(samples("a", (2, 20)))
    store.roll_up(at(70))
    (minute,) = reader.minutes("a", at(0), at(60))
    assert (minute.n, minute.high) == (2, 20)


def test_a_rollup_missed_by_a_killed_process_is_made_later(store, path, reader):
    store.write(samples("a", (1, 10)))
    store.write(samples("b", (1, 10), (61, 10)))
    again = TelemetryStore(path, TelemetrySettings())
    assert again.roll_up(at(130)) == 3
    assert len(reader.minutes("b", at(0), at(300))) == 2


def test_each_resolution_is_deleted_after_its_retention(store, path, reader):
    store.write(samples("a", (0, 1)))
    store.roll_up(at(100))
    kept = {"sample": timedelta(hours=1), "second": timedelta(hours=24), "minute": timedelta(days=90)}
    for table, retention in kept.items():
        assert store.expire(T0 + retention) == 0
        assert n_rows(path, table) == 1
        assert store.expire(T0 + retention + timedelta(seconds=1)) == 1
        assert n_rows(path, table) == 0
    assert reader.samples("a", at(-9), at(9)) == []


def test_deletion_works_in_slices(store, path, monkeypatch):
    monkeypatch.setattr("core.telemetry.store._SLICE", 10)
    store.write(samples("a", *((second, 1) for second in range(25))))
    later = T0 + timedelta(hours=30)
    assert [store.expire(later) for _ in range(4)] == [11, 10, 5, 0], "seconds by tens, the one chunk with the first"


def test_deletion_lets_other_writers_write_between_its_transactions(store, path, monkeypatch):
    monkeypatch.setattr("core.telemetry.store._SLICE", 10)
    monkeypatch.setattr("core.telemetry.store._ROWS_A_TRANSACTION", 15)
    ways = []
    monkeypatch.setattr(
        "core.telemetry.writing.WriteConnection.give_way", lambda _: ways.append(n_rows(path, "second"))
    )
    for name in "abcd":
        store.write(samples(name, *((second, 1) for second in range(10))))
    assert store.expire(T0 + timedelta(hours=30)) == 44
    assert ways == [20, 0], "the four chunks with the seconds of two series, then those of the others"


def test_a_minute_is_not_counted_again_from_its_remaining_samples(store, reader):
    store.write(samples("a", (1, 10), (2, 30)))
    store.roll_up(at(65))
    late = T0 + timedelta(hours=1, seconds=90)
    store.expire(late)
    store.write(samples("a", (3, 99)))
    store.roll_up(late)
    (minute,) = reader.minutes("a", at(0), at(60))
    assert (minute.n, minute.high) == (2, 30)


def test_an_epoch_that_is_run_again_replaces_its_values(store, reader):
    store.write([], [EpochMetric("r-0001", 1, "score", 0, 0.5), EpochMetric("r-0001", 2, "score", 0, 0.1)])
    store.write([], [EpochMetric("r-0001", 2, "score", 0, 0.7), EpochMetric("r-0002", 1, "score", 0, 0.9)])
    assert reader.epochs("r-0001") == {"score": [(1, 0.5), (2, 0.7)]}
    assert reader.epochs("r-0404") == {}
    assert (reader.latest_metrics("r-0001"), reader.latest_metrics("r-0404")) == ({"score": 0.7}, {})


def test_epoch_metrics_keep_their_full_precision_and_never_expire(store, reader):
    store.write([], [EpochMetric("r", 1, "loss", to_us(T0), 0.1234567890123)])
    store.expire(T0 + timedelta(days=4000))
    assert reader.epochs("r") == {"loss": [(1, 0.1234567890123)]}


def test_a_batch_that_fails_leaves_nothing_behind(store, reader):
    with pytest.raises(OverflowError):
        store.write([*samples("new", (0, 1)), *samples("bad", (0, 1e300))])
    store.write(samples("new", (5, 2)))
    assert reader.samples("new", at(0), at(9)) == [(at(5).timestamp(), 2)]
