"""The same words and times, stored in any type of Parquet, are read alike; what cannot be read is named."""

from datetime import time, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.tables import ColumnKind, ReadingRules, read_table
from core.tables.rules import manners_of

WORDS = ["ab", "cd", None, "ab"]
BYTES = [None if word is None else word.encode() for word in WORDS]


@pytest.fixture
def read(tmp_path):
    """Store a column x beside numbers, and read both."""

    def made(cells, rules=None, *, lenient=False):
        pq.write_table(pa.table({"x": cells, "z": list(range(len(cells)))}), tmp_path / "data.parquet")
        return read_table(tmp_path / "data.parquet", rules=rules, lenient=lenient)

    return made


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(pa.array(WORDS), id="string"),
        pytest.param(pa.array(WORDS, pa.large_string()), id="large string"),
        pytest.param(pa.array(WORDS, pa.string_view()), id="string view"),
        pytest.param(pa.array(BYTES, pa.binary()), id="bytes"),
        pytest.param(pa.array(BYTES, pa.large_binary()), id="large bytes"),
        pytest.param(pa.array(BYTES, pa.binary_view()), id="binary view"),
        pytest.param(pa.array(BYTES, pa.binary(2)), id="bytes of one length"),
        pytest.param(pa.array(WORDS).dictionary_encode(), id="dictionary of strings"),
        pytest.param(pa.array(WORDS, pa.large_string()).dictionary_encode(), id="dictionary of large strings"),
        pytest.param(pa.array(BYTES).dictionary_encode(), id="dictionary of bytes"),
    ],
)
def test_text_is_text_in_every_layout(cells, read):
    table = read(cells)

    assert table.left_out == {}
    assert table.kinds["x"] is ColumnKind.CATEGORY
    assert table.frame["x"].astype(object).where(table.frame["x"].notna(), None).tolist() == WORDS
    assert read(cells, ReadingRules(manners=manners_of(["x=category"]))).frame.equals(table.frame)


def test_bytes_that_are_no_text_are_left_out_and_named_or_counted_by_a_lenient_reading(read):
    cells = pa.array([b"\xff\xfe", b"a"])
    assert "bytes that are not text" in read(cells).left_out["x"]

    found = read(cells, ReadingRules(kinds={"x": ColumnKind.CATEGORY}), lenient=True)
    assert found.unreadable == {"x": 2}


CLOCK = [time(9, 35), None, time(0, 0, 30)]
SPANS = [timedelta(seconds=90), None, timedelta(days=-1, milliseconds=500)]


@pytest.mark.parametrize("kind", [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")], ids=str)
def test_times_of_the_day_are_minutes_as_in_a_text_file(kind, read):
    table = read(pa.array(CLOCK, kind))

    assert table.frame["x"].fillna(-1).tolist() == [575.0, -1, 0.5]
    assert table.forms["x"].time == "clock"
    assert table.notes == ("x is read as clock times, in minutes of the day.",)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_durations_are_seconds(unit, read):
    table = read(pa.array(SPANS, pa.duration(unit)))

    assert table.frame["x"].fillna(-1).tolist() == [90.0, -1, -86399.5]
    assert table.notes == ("x is read as durations, in seconds.",)
    flags = ReadingRules(kinds={"x": ColumnKind.FLAG})
    assert read(pa.array(SPANS, pa.duration(unit)), flags, lenient=True).unreadable == {"x": 2}
    words = ReadingRules(manners=manners_of(["x=category"]))
    assert read(pa.array(SPANS, pa.duration(unit)), words).kinds["x"] is ColumnKind.CATEGORY
