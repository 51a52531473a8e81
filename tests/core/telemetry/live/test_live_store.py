"""Counts of minutes in the store: nothing twice, nothing lost, whoever writes; hours, retention and faults."""

import os
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from core.errors import CoreError
from core.settings.telemetry import LiveRetention
from core.telemetry import TelemetryDamagedError
from core.telemetry.live import CountedMinute, LiveReader, LiveStates, LiveWriter
from tests.clocks import HandClock
from tests.processes import Child
from tests.waiting import until

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AT = int(START.timestamp())


def minute(number, *, n=10, dropped=0, sketch=b"a", version="1.0.0"):
    return CountedMinute("spread", version, "p", AT + 60 * number, n, dropped, sketch)


def joined(parts):
    if any(part == b"bad" for part in parts):
        raise CoreError("damaged")
    return b"+".join(sorted(b"+".join(parts).split(b"+")))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "telemetry" / "live.db"


@pytest.fixture
def clock():
    return HandClock(START)


@pytest.fixture
def writer(file, clock):
    with LiveWriter(file, joined, clock=clock, commit_seconds=0.01) as found:
        yield found


def tended(writer, clock):
    """Let a minute pass, and the writer look after the store."""
    before = writer._upkeep_times.next_at
    clock.pass_by(61)
    until(lambda: writer._upkeep_times.next_at > before, "the upkeep")
    writer.flush()


def test_minutes_come_in_the_order_of_their_commits_each_once(writer, file):
    reader = LiveReader(file)
    writer.add(minute(1))
    writer.flush()
    first = reader.minutes("spread", "1.0.0")
    writer.add(minute(0, n=7, dropped=2))  # late, from a process that was slow
    writer.add(minute(0, version="1.1.0"))
    writer.flush()
    later = reader.minutes("spread", "1.0.0", first[-1].seq)
    assert [(each.at, each.n, each.n_dropped, each.sketch) for each in first + later] == [
        (START + timedelta(minutes=1), 10, 0, b"a"),
        (START, 7, 2, b"a"),
    ]
    assert reader.minutes("spread", "1.0.0", later[-1].seq) == []
    assert [each.n for each in reader.between("spread", "1.0.0", START, START + timedelta(minutes=5))] == [7, 10]
    assert reader.answered("spread", "1.0.0", START, START + timedelta(minutes=5)) == (19, 2)
    assert reader.answered("spread", "1.0.0", START - timedelta(days=1), START) == (0, 0)
    assert [(each.version, each.last_at) for each in reader.versions()] == [
        ("1.0.0", START),
        ("1.1.0", START),
    ]
    reader.close()


def test_hours_are_the_sums_of_their_minutes_however_late_these_come(writer, file, clock):
    reader = LiveReader(file)
    for number in (0, 1, 60):
        writer.add(minute(number, sketch=b"%d" % number))
    tended(writer, clock)
    writer.add(minute(2, sketch=b"2", dropped=5))
    tended(writer, clock)
    hours = reader.hours("spread", "1.0.0", START, START + timedelta(days=1))
    assert [(each.at, each.n, each.n_dropped, each.sketch) for each in hours] == [
        (START, 30, 5, b"0+1+2"),
        (START + timedelta(hours=1), 10, 0, b"60"),
    ]
    reader.close()


def test_a_damaged_minute_is_left_out_of_its_hour_and_counted(writer, file, clock, caplog):
    writer.add(minute(0))
    writer.add(minute(1, sketch=b"bad", n=3))
    writer.add(minute(2, sketch=b"bad", n=4))
    tended(writer, clock)
    (hour,) = LiveReader(file).hours("spread", "1.0.0", START, START + timedelta(days=1))
    assert (hour.n, hour.n_dropped, hour.sketch) == (10, 7, b"a")
    assert caplog.text.count("cannot be read, and is left out") == 1


def test_old_minutes_and_hours_are_deleted_and_only_what_is_in_an_hour(file, clock):
    retention = LiveRetention(minutes_days=1, hours_days=10)
    reader = LiveReader(file)
    far = START, START + timedelta(days=100)
    with LiveWriter(file, joined, retention=retention, clock=clock, commit_seconds=0.01) as writer:
        writer.add(minute(0))
        tended(writer, clock)
        clock.pass_by(86_400)
        writer.add(minute(60 * 24))
        tended(writer, clock)
        assert [each.at for each in reader.between("spread", "1.0.0", *far)] == [START + timedelta(days=1)]
        assert len(reader.hours("spread", "1.0.0", *far)) == 2
        clock.pass_by(9.5 * 86_400)
        tended(writer, clock)
        assert len(reader.hours("spread", "1.0.0", *far)) == 1
    reader.close()


def test_many_processes_write_at_once_and_nothing_is_lost(file, clock):
    def work():
        with LiveWriter(file, joined, clock=clock) as writer:
            for number in range(200):
                writer.add(minute(number))
                if number % 50 == 0:
                    writer.flush()

    children = [Child(work) for _ in range(3)]
    for child in children:
        child.answer()
    stored = LiveReader(file).minutes("spread", "1.0.0")
    assert len(stored) == 600
    assert [each.seq for each in stored] == list(range(1, 601))


def test_it_goes_on_in_a_new_file_when_the_store_was_removed(file, clock):
    with LiveWriter(file, joined, clock=clock, commit_seconds=3600) as writer:  # it looks at its file in a flush
        writer.add(minute(0))
        writer.flush()
        for suffix in ("", "-wal", "-shm"):
            os.remove(f"{file}{suffix}")
        reader = LiveReader(file)
        assert reader.minutes("spread", "1.0.0") == []
        writer.add(minute(1))
        writer.flush()
        assert [each.at for each in reader.minutes("spread", "1.0.0")] == [START + timedelta(minutes=1)]


def test_minutes_wait_while_the_store_refuses_and_the_oldest_are_dropped_and_counted(file, clock, monkeypatch):
    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with LiveWriter(file, joined, clock=clock, commit_seconds=0.01, max_waiting=3) as writer:
        monkeypatch.setattr(LiveWriter, "_store", staticmethod(full))
        for number in range(5):
            writer.add(minute(number, n=number + 1))
        until(lambda: writer.health().failure, "the failure")
        health = writer.health()
        assert (health.n_waiting, health.n_dropped) == (3, 3)
        monkeypatch.undo()
        writer.flush()
        assert writer.health().failure is None
    assert [each.n for each in LiveReader(file).minutes("spread", "1.0.0")] == [3, 4, 5]


def test_a_damaged_file_says_the_way_back(file, clock):
    file.parent.mkdir()
    file.write_bytes(b"not a database, and long enough to be taken for one" * 100)
    with pytest.raises(TelemetryDamagedError, match=r"doctor --restore live\.db"):
        LiveWriter(file, joined, clock=clock)


def test_states_are_saved_with_their_cursor_all_or_none(file):
    states, reader = LiveStates(file), LiveReader(file)
    assert reader.watch_state("spread", "1.0.0", "drift") is None
    states.save([("spread", "1.0.0", "drift", 7, b"seven"), ("spread", "1.0.0", "other", 8, b"8")])
    states.save([("spread", "1.0.0", "drift", 9, b"nine")])
    assert states.load("spread", "1.0.0", "drift") == b"nine"
    with pytest.raises(Exception, match="NOT NULL"):
        states.save([("spread", "1.0.0", "drift", 10, b"ten"), ("spread", "1.0.0", "x", None, b"")])
    assert reader.watch_state("spread", "1.0.0", "drift") == (9, b"nine")
    assert reader.watch_state("spread", "1.0.0", "other") == (8, b"8")
    os.remove(file)
    states.save([("spread", "1.0.0", "drift", 1, b"one")])
    assert reader.watch_state("spread", "1.0.0", "drift") == (1, b"one")
    states.forget("spread", "1.0.0")
    assert reader.watch_state("spread", "1.0.0", "drift") is None
    states.close()


def test_states_of_a_version_that_left_are_kept_for_a_rollback_and_then_forgotten(file):
    states, keep = LiveStates(file), timedelta(days=14)
    states.forget_unwatched([], START, keep)
    assert not file.exists()
    states.save([("spread", "1.0.0", "drift", 7, b"seven"), ("spread", "1.1.0", "drift", 8, b"eight")])
    states.forget_unwatched([("spread", "1.1.0")], START, keep)
    states.forget_unwatched([("spread", "1.0.0")], START + timedelta(days=13), keep)  # rolled back
    states.forget_unwatched([("spread", "1.0.0")], START + timedelta(days=20), keep)
    assert states.load("spread", "1.0.0", "drift") == b"seven"
    assert states.load("spread", "1.1.0", "drift") == b"eight"
    states.forget_unwatched([("spread", "1.0.0")], START + timedelta(days=27), keep)
    assert states.load("spread", "1.1.0", "drift") is None
    assert states.load("spread", "1.0.0", "drift") == b"seven"
    states.close()


def test_a_store_of_an_earlier_format_is_brought_up_to_date(file, clock):
    with LiveWriter(file, joined, clock=clock) as writer:
        writer.add(minute(0))
    connection = sqlite3.connect(file)
    connection.executescript("DROP INDEX minute_of_series_by_time; PRAGMA user_version = 1")
    connection.close()
    with LiveWriter(file, joined, clock=clock) as writer:
        writer.add(minute(1))
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'minute_of_series_by_time'").fetchone()
    connection.close()
    assert len(LiveReader(file).between("spread", "1.0.0", START, START + timedelta(hours=1))) == 2


def test_a_fault_that_nobody_foresaw_ends_no_thread_and_is_shown(file, clock):
    faults = [ZeroDivisionError("in the merge")]

    def merge(parts):
        if faults:
            raise faults.pop()
        return joined(parts)

    with LiveWriter(file, merge, clock=clock, commit_seconds=0.01) as writer:
        writer.add(minute(1))
        writer.flush()
        clock.pass_by(61)
        until(lambda: writer.health().failure, "the failure")
        assert writer.health().failure == "in the merge"
        writer.add(minute(2))
        writer.flush()
        assert writer.health().failure is None
    assert [found.at for found in LiveReader(file).minutes("spread", "1.0.0")] == [
        START + timedelta(minutes=1),
        START + timedelta(minutes=2),
    ]
