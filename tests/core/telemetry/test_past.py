"""Documents over time: what each said at any instant, and what is forgotten."""

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from core.telemetry.errors import TelemetryDamagedError, TelemetryError
from core.telemetry.past import PastKey, PastReader, PastWriter

T0 = datetime(2026, 3, 2, 3, 4, 5, 123456, tzinfo=UTC)
SPREAD, ANOMALY = PastKey("models", "spread"), PastKey("models", "anomaly")


def at(seconds):
    return T0 + timedelta(seconds=seconds)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "telemetry" / "past.db"


@pytest.fixture
def writer(file):
    found = PastWriter(file)
    yield found
    found.close()


@pytest.fixture
def reader(file):
    return PastReader(file)


def write(writer, seconds, states, *, is_moment=True, since=0):
    writer.write(at(seconds), states, since=at(since), is_moment=is_moment)


def test_without_a_file_there_is_no_past(reader):
    assert reader.as_of(T0) == []
    assert (reader.first(), reader.span_at(T0), reader.moment_before(T0), reader.moment_after(T0)) == (None,) * 4


def test_each_instant_has_the_newest_state_before_it(writer, reader):
    write(writer, 0, {SPREAD: b"a", ANOMALY: b"x"})
    write(writer, 10, {SPREAD: b"b"})
    write(writer, 20, {ANOMALY: None})
    write(writer, 30, {ANOMALY: b"y"})
    assert [dict(reader.as_of(at(seconds))) for seconds in (-1, 0, 9.999999, 10, 20, 30)] == [
        {},
        {SPREAD: b"a", ANOMALY: b"x"},
        {SPREAD: b"a", ANOMALY: b"x"},
        {SPREAD: b"b", ANOMALY: b"x"},
        {SPREAD: b"b"},
        {SPREAD: b"b", ANOMALY: b"y"},
    ]
    assert writer.newest() == {SPREAD: b"b", ANOMALY: b"y"}


def test_one_goes_from_moment_to_moment_and_not_to_what_merely_moved(writer, reader):
    write(writer, 0, {SPREAD: b"a"})
    write(writer, 5, {SPREAD: b"b"}, is_moment=False)
    write(writer, 9, {})
    assert reader.moment_before(at(9)) == at(0)
    assert reader.moment_after(at(0)) == at(9)
    assert reader.moment_before(at(0)) is None
    assert reader.moment_after(at(9)) is None


def test_stretches_of_watching_are_told_apart(writer, reader):
    write(writer, 0, {}, since=0)
    write(writer, 10, {}, since=0)
    write(writer, 100, {}, since=100)
    assert reader.first() == at(0)
    assert reader.span_at(at(50)) == (at(0), at(10))
    assert reader.span_at(at(500)) == (at(100), at(100))


def test_what_still_held_at_the_horizon_is_kept_when_the_rest_is_forgotten(file, writer, reader):
    write(writer, 0, {SPREAD: b"a", ANOMALY: b"x", PastKey("models", "gone"): b"z"})
    write(writer, 10, {SPREAD: b"b"})
    write(writer, 15, {PastKey("models", "gone"): None})
    write(writer, 30, {SPREAD: b"c"}, since=30)
    writer.expire(at(20))
    assert dict(reader.as_of(at(20))) == {SPREAD: b"b", ANOMALY: b"x"}
    assert dict(reader.as_of(at(30))) == {SPREAD: b"c", ANOMALY: b"x"}
    assert reader.moment_before(at(30)) is None
    assert reader.first() == at(30)
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT count(*) FROM object").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM state").fetchone() == (3,)


def test_a_write_that_fails_half_way_leaves_nothing(writer, reader):
    with pytest.raises(TelemetryError):
        write(writer, 0, {SPREAD: b"a", ANOMALY: object()})
    assert reader.as_of(at(1)) == []
    write(writer, 2, {SPREAD: b"a"})
    assert dict(reader.as_of(at(2))) == {SPREAD: b"a"}


def test_a_damaged_file_is_named_with_the_way_back(file, reader):
    file.parent.mkdir()
    file.write_bytes(b"SQLite it is not" * 100)
    for use in (lambda: PastWriter(file), lambda: reader.as_of(T0)):
        with pytest.raises(TelemetryDamagedError, match=r"bondx doctor --restore past\.db"):
            use()


def test_a_file_of_a_newer_version_is_left_alone(file):
    PastWriter(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(TelemetryError, match="newer version"):
        PastWriter(file)


def test_a_writer_of_a_removed_file_says_so_and_the_next_starts_a_new_file(file, writer, reader):
    write(writer, 0, {SPREAD: b"a"})
    for companion in file.parent.glob(file.name + "*"):
        companion.unlink()
    with pytest.raises(TelemetryError, match="removed or replaced"):
        write(writer, 1, {SPREAD: b"b"})
    successor = PastWriter(file)
    assert successor.newest() == {}
    write(successor, 2, {SPREAD: b"c"})
    assert dict(reader.as_of(at(2))) == {SPREAD: b"c"}
    successor.close()
