"""Documents over time: what each said at any instant, and what is forgotten."""

import random
import sqlite3
import zlib
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from core.telemetry.chunk import to_us
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
        write(writer, 0, {SPREAD: b"a", PastKey("models", object()): b"x"})
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


def a_document(n, size=4_000):
    """A document of which little changes: like a session at work, mostly settings and gates."""
    fixed = random.Random(7).randbytes(size)
    return fixed[: size // 2] + n.to_bytes(8, "big") + fixed[size // 2 :]


def test_a_state_is_stored_as_its_difference_from_a_whole_one(file, writer, reader):
    for second in range(100):
        write(writer, second, {SPREAD: a_document(second)})
    with closing(sqlite3.connect(file)) as connection:
        (n_bytes,) = connection.execute("SELECT sum(length(body)) FROM state").fetchone()
        assert connection.execute("SELECT count(*) FROM state WHERE base IS NULL").fetchone() == (1,)
    assert n_bytes < 4_100 + 100 * 60
    for second in (0, 1, 50, 99):
        assert reader.as_of(at(second)) == [(SPREAD, a_document(second))]
    assert writer.newest() == {SPREAD: a_document(99)}


def test_a_document_that_changes_wholly_is_stored_whole(file, writer, reader):
    for second in range(3):
        write(writer, second, {SPREAD: random.Random(second).randbytes(500)})
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM state WHERE base IS NULL").fetchone() == (3,)
    assert reader.as_of(at(1)) == [(SPREAD, random.Random(1).randbytes(500))]


def test_a_whole_state_stays_as_long_as_a_difference_needs_it_and_no_longer(file, writer, reader):
    hour = 3_600
    for minute in range(3 * 60):
        write(writer, minute * 60, {SPREAD: a_document(minute)})
    writer.expire(at(hour + 1_800))
    assert reader.as_of(at(hour + 1_800)) == [(SPREAD, a_document(90))]
    assert reader.as_of(at(3 * hour)) == [(SPREAD, a_document(179))]
    with closing(sqlite3.connect(file)) as connection:
        whole = [at_us for (at_us,) in connection.execute("SELECT at FROM state WHERE base IS NULL ORDER BY at")]
        (n_orphans,) = connection.execute(
            "SELECT count(*) FROM state WHERE base IS NOT NULL AND (object, base) NOT IN (SELECT object, at FROM state)"
        ).fetchone()
    assert [(at_us - to_us(T0)) // 60_000_000 for at_us in whole] == [60, 120]
    assert n_orphans == 0


def test_a_past_that_is_too_large_loses_its_oldest_part(file, writer, reader):
    for minute in range(100):
        write(writer, minute * 60, {SPREAD: random.Random(minute).randbytes(20_000)})
    horizon = writer.expire(at(-1), most_bytes=1_000_000, now=at(6_000))
    assert at(2_400) < horizon < at(4_800)
    assert reader.as_of(at(5_940)) == [(SPREAD, random.Random(99).randbytes(20_000))]
    with closing(sqlite3.connect(file)) as connection:
        (n_states,) = connection.execute("SELECT count(*) FROM state").fetchone()
    assert 25 < n_states < 45


def test_a_past_of_the_first_format_is_read_and_continued(file, reader):
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript("""
            CREATE TABLE object (id INTEGER PRIMARY KEY, part TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (part, key));
            CREATE TABLE state (object INTEGER NOT NULL, at INTEGER NOT NULL, body BLOB, PRIMARY KEY (object, at))
                WITHOUT ROWID;
            CREATE TABLE moment (at INTEGER PRIMARY KEY);
            CREATE TABLE span (start INTEGER PRIMARY KEY, until INTEGER NOT NULL);
            INSERT INTO object VALUES (1, 'models', 'spread');
            PRAGMA user_version = 1;""")
        connection.execute("INSERT INTO state VALUES (1, ?, ?)", (to_us(T0), zlib.compress(a_document(0))))
    with closing(PastWriter(file)) as writer:
        assert writer.newest() == {SPREAD: a_document(0)}
        write(writer, 1, {SPREAD: a_document(1)})
    assert reader.as_of(at(0)) == [(SPREAD, a_document(0))]
    assert reader.as_of(at(1)) == [(SPREAD, a_document(1))]
