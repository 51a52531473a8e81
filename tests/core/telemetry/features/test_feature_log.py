"""Sampled rows of features in their store: private, bounded, and read by one function."""

import os
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from core.settings.feature_log import FeatureLogSettings
from core.telemetry import TelemetryError
from core.telemetry.features import FeatureBatch, FeatureWriter, logged_features
from tests.clocks import HandClock
from tests.waiting import until

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AT = START.timestamp()


def batch(number, *, n=2, version="1.0.0", **columns):
    columns = columns or {"size": [float(number)] * n, "grade": ["A", None][:n]}
    requests = tuple(f"r{number}/{row}" for row in range(n))
    return FeatureBatch("spread", version, (AT + number,) * n, requests, columns, [0.5] * n)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "telemetry" / "features.db"


@pytest.fixture
def clock():
    return HandClock(START)


def stored(file, clock, batches, **limits):
    with FeatureWriter(file, FeatureLogSettings(share=1.0, **limits), clock=clock) as writer:
        for each in batches:
            assert writer.add(each)
    return logged_features(file, "spread")


def test_rows_come_back_in_order_of_time_with_their_requests(file, clock):
    found = stored(file, clock, [batch(1), batch(0, version="1.1.0", size=[7.0, None], other=[True, False])])
    assert found.at == [START] * 2 + [START + timedelta(seconds=1)] * 2
    assert found.versions == ["1.1.0", "1.1.0", "1.0.0", "1.0.0"]
    assert found.requests == ["r0/0", "r0/1", "r1/0", "r1/1"]
    assert found.columns == {
        "size": [7.0, None, 1.0, 1.0],
        "other": [True, False, None, None],
        "grade": [None, None, "A", None],
    }
    frame = found.frame()
    assert len(frame) == 4
    assert str(frame["grade"].dtype) == "category"
    assert logged_features(file, "spread", "1.1.0").requests == ["r0/0", "r0/1"]
    assert logged_features(file, "spread", start=START + timedelta(seconds=1)).requests == ["r1/0", "r1/1"]
    assert logged_features(file, "spread", end=START + timedelta(seconds=1)).requests == ["r0/0", "r0/1"]
    assert logged_features(file, "spread", most=1).requests == ["r1/1"]
    assert len(logged_features(file, "other")) == 0


def test_nothing_is_there_while_it_is_off(file):
    assert len(logged_features(file, "spread")) == 0


def test_only_its_owner_can_read_it(file, clock):
    stored(file, clock, [batch(0)])
    assert os.stat(file).st_mode & 0o077 == 0


def test_old_rows_and_too_many_rows_are_deleted_the_oldest_first(file, clock):
    assert len(stored(file, clock, [batch(number) for number in range(5)])) == 10
    clock.pass_by(61)
    found = stored(file, clock, [], keep_rows=5)
    assert found.requests == ["r3/0", "r3/1", "r4/0", "r4/1"]
    clock.pass_by(2 * 86_400)
    assert len(stored(file, clock, [], keep_days=1)) == 0


def test_rows_wait_while_the_store_refuses_and_new_ones_are_dropped_and_counted(file, clock, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    limits = FeatureLogSettings(share=1.0)
    with FeatureWriter(file, limits, clock=clock, commit_seconds=0.01, max_waiting=3) as writer:
        monkeypatch.setattr(FeatureWriter, "_store", full)
        assert writer.add(batch(0))
        until(lambda: writer._failure, "the failure")
        assert not writer.add(batch(1))
        assert writer.n_dropped == 2
        monkeypatch.undo()
        writer.flush()
    assert logged_features(file, "spread").requests == ["r0/0", "r0/1"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: bytes(len(content)), id="overwritten"),
        pytest.param(lambda content: content[:-3], id="cut off"),
        pytest.param(lambda content: content + b"x", id="with bytes behind them"),
    ],
)
def test_damaged_rows_are_refused_by_name(file, clock, damage):
    stored(file, clock, [batch(0)])
    with sqlite3.connect(file) as connection:
        (content,) = connection.execute("SELECT content FROM batch").fetchone()
        connection.execute("UPDATE batch SET content = ?", (damage(content),))
    connection.close()
    with pytest.raises(TelemetryError, match="are damaged"):
        logged_features(file, "spread")
