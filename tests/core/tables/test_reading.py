"""Real-world files: how each is read, and the one clear error for an unreadable file."""

import contextlib
import csv
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.sealed_files import MAGIC, SealedFileError
from core.tables import ColumnKind, ReadingRules, TableError, read_table
from core.tables import limits as table_limits
from core.tables.pieces import pieces_of
from core.tables.source import inspect

NUMBERS = b"1\n" * 20


@pytest.fixture
def write(tmp_path: Path):
    def put(content: bytes | str, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put


@pytest.mark.parametrize(
    ("content", "kind", "values"),
    [
        pytest.param("x\n1\n2\n", ColumnKind.INTEGER, [1.0, 2.0], id="whole numbers"),
        pytest.param("x,z\n1.5,a\n,a\n-2e3,a\n", ColumnKind.NUMBER, [1.5, np.nan, -2000.0], id="numbers with a gap"),
        pytest.param("x\n 1.5\n2 \n", ColumnKind.NUMBER, [1.5, 2.0], id="numbers with blanks around them"),
        pytest.param("x\n1\nNA\nnull\nNaN\n", ColumnKind.INTEGER, [1.0] + [np.nan] * 3, id="words for an empty cell"),
        pytest.param("x\ntrue\nFalse\n", ColumnKind.FLAG, [1.0, 0.0], id="flags"),
        pytest.param("x\nb\na\n", ColumnKind.CATEGORY, ["b", "a"], id="categories"),
        pytest.param("x\n007\n012\n", ColumnKind.CATEGORY, ["007", "012"], id="codes keep their zeros"),
        pytest.param("x\n0\n0.5\n-0\n", ColumnKind.NUMBER, [0.0, 0.5, 0.0], id="zeros are numbers"),
        pytest.param(
            "x\n1234567890123456789\n1234567890123456788\n",
            ColumnKind.CATEGORY,
            ["1234567890123456789", "1234567890123456788"],
            id="account numbers keep their digits",
        ),
        pytest.param("x;y\n1,5;a\n2;b\n", ColumnKind.NUMBER, [1.5, 2.0], id="semicolons and decimal commas"),
        pytest.param("x\ty\n1\ta\n2\tb\n", ColumnKind.INTEGER, [1.0, 2.0], id="tabs"),
        pytest.param(b"\xef\xbb\xbfx\r\n1\r\n2\r\n", ColumnKind.INTEGER, [1.0, 2.0], id="a byte order mark and CRLF"),
        pytest.param(
            'x\n"a, b"\n"say ""so""\nhere"\n', ColumnKind.CATEGORY, ["a, b", 'say "so"\nhere'], id="quoted cells"
        ),
        pytest.param("x,z\nköln,1\n東京,2\n", ColumnKind.CATEGORY, ["köln", "東京"], id="any script"),
    ],
)
def test_the_kind_of_a_column_follows_from_all_its_cells(content, kind, values, write):
    table = read_table(write(content))

    assert table.kinds["x"] is kind
    pd.testing.assert_series_equal(
        pd.Series(table.frame["x"].to_numpy()), pd.Series(values), check_dtype=False, check_names=False
    )


def test_dates_and_instants_are_times_in_utc(write):
    table = read_table(write("x\n2026-03-31\n2026-03-31T09:30:00+02:00\n"))

    assert table.kinds["x"] is ColumnKind.TIME
    assert table.frame["x"].tolist() == [pd.Timestamp("2026-03-31"), pd.Timestamp("2026-03-31 07:30")]


def test_the_three_formats_give_the_same_table(write, tmp_path):
    frame = pd.DataFrame(
        {
            "a": [1.5, None, 3.0],
            "n": [1, 2, 3],
            "f": [True, False, True],
            "c": ["x", None, "z"],
            "d": ["2026-01-02"] * 3,
        }
    )
    frame.to_parquet(tmp_path / "data.parquet")
    csv = read_table(write(frame.to_csv(index=False)))
    packed = read_table(write(gzip.compress(frame.to_csv(index=False).encode()), "data.csv.gz"))
    lines = read_table(write(frame.to_json(orient="records", lines=True), "data.jsonl"))
    parquet = read_table(tmp_path / "data.parquet")

    for other in (packed, lines, parquet):
        assert other.kinds == csv.kinds
        pd.testing.assert_frame_equal(other.frame, csv.frame)


def test_columns_that_hold_lists_are_left_out_and_named(write):
    table = read_table(write('{"a": 1, "b": [1]}\n{"a": 2, "b": [2]}\n', "data.jsonl"))

    assert list(table.frame) == ["a"]
    assert "b" in table.left_out


@pytest.mark.parametrize("name", ["data.csv", "data.jsonl", "data.parquet"])
def test_a_file_without_any_of_the_columns_to_read_keeps_its_rows_for_the_caller_to_name_the_missing(name, tmp_path):
    frame = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
    path = tmp_path / name
    {"csv": lambda: frame.to_csv(path, index=False), "parquet": lambda: frame.to_parquet(path)}.get(
        path.suffix[1:], lambda: frame.to_json(path, orient="records", lines=True)
    )()
    table = read_table(path, rules=ReadingRules(only=frozenset({"area"})))

    assert (len(table), list(table.frame)) == (2, [])


def test_a_known_kind_takes_precedence_over_the_look_of_the_cells(write):
    table = read_table(write("grade,size\n1,3\n2,4\n"), kinds={"grade": ColumnKind.CATEGORY, "size": ColumnKind.NUMBER})

    assert table.kinds == {"grade": ColumnKind.CATEGORY, "size": ColumnKind.NUMBER}
    assert table.frame["grade"].tolist() == ["1", "2"]


@pytest.mark.parametrize("kind", [ColumnKind.NUMBER, ColumnKind.INTEGER, ColumnKind.TIME])
@pytest.mark.parametrize(
    ("content", "name"), [("a,b\n1,true\n2,false\n", "data.csv"), ('{"b": true}\n{"b": false}\n', "data.jsonl")]
)
def test_true_is_neither_a_number_nor_a_date(kind, content, name, write):
    with pytest.raises(TableError, match=r"line [12], column 'b': 'true' is not a (number|date)"):
        read_table(write(content, name), kinds={"b": kind})


@pytest.mark.parametrize(
    ("content", "name"), [("a,b\n1,true\n2,false\n", "data.csv"), ('{"b": true}\n{"b": false}\n', "data.jsonl")]
)
def test_true_is_a_level_of_a_category(content, name, write):
    table = read_table(write(content, name), kinds={"b": ColumnKind.CATEGORY})
    assert (table.kinds["b"], table.frame["b"].tolist()) == (ColumnKind.CATEGORY, ["true", "false"])


@pytest.mark.parametrize(
    ("content", "name", "parts"),
    [
        pytest.param(b"", "data.csv", ["is empty"], id="empty"),
        pytest.param(b"\n\n", "data.csv", ["first line is empty"], id="blank lines only"),
        pytest.param(b"a,b\n", "data.csv", ["no rows"], id="header only"),
        pytest.param(b"a,a\n1,2\n", "data.csv", ["column 'a'", "more than one"], id="a column twice"),
        pytest.param(b"a,\n1,2\n", "data.csv", ["line 1", "column 2", "empty"], id="a column without a name"),
        pytest.param(b"a,b,\n1,2\n", "data.csv", ["line 2", "2 cells"], id="a separator only behind the header"),
        pytest.param(b"a,b\n1,2,\n3,4,\n", "data.csv", ["line 2", "separator at the end"], id="one behind each row"),
        pytest.param(b"Report\na,b\n1,2\n", "data.csv", ["line 2", "line 1 is a title"], id="a title"),
        pytest.param(b"a" * 1_001 + b",b\n1,2\n", "data.csv", ["1,000 characters"], id="an endless name"),
        pytest.param(b"a,=cmd|x\n1,2\n", "data.csv", ["'=cmd|x'", "formula"], id="a formula as a name"),
        pytest.param(b"a,b\n1,2\n3\n", "data.csv", ["line 3", "1 cells", "2"], id="a short row"),
        pytest.param(b"a,b\n1,2\n3,4,5\n", "data.csv", ["line 3", "3 cells", "2"], id="a long row"),
        pytest.param(b'a,b\n"x\ny",2\n\n3,4\n5\n', "data.csv", ["line 6"], id="lines count, not rows"),
        pytest.param(b'a,b\n1,2\n3,"x\n4,5\n', "data.csv", ["line 3", "never closed"], id="an open quote"),
        pytest.param(b'a,b,c\n1,2,3\n4,"x,6\n7,8,9\n', "data.csv", ["line 3", "never closed"], id="an open quote amid"),
        pytest.param(b"a\n" + NUMBERS + b"abc\n", "data.csv", ["line 22", "'a'", "'abc'"], id="a word among numbers"),
        pytest.param(b"a\n" + NUMBERS + b"inf\n", "data.csv", ["line 22", "'a'", "inf"], id="infinity"),
        pytest.param(b"a\n2026-02-30\n", "data.csv", ["line 2", "2026-02-30"], id="an impossible day"),
        pytest.param(b"a,b\n1,caf\xe9\n", "data.csv", ["line 2", "0xE9", "iconv"], id="Latin-1"),
        pytest.param("a,b\n1,2\n".encode("utf-16"), "data.csv", ["UTF-16", "iconv"], id="UTF-16"),
        pytest.param(b"a,b\n1,\x002\n", "data.csv", ["line 2", "zero byte"], id="a zero byte"),
        pytest.param(b"a" * (3 << 20), "data.csv", ["line 1", "1 MiB"], id="one endless line"),
        pytest.param(b"a\n" + b"1" * (3 << 20), "data.csv", ["line 2", "1 MiB"], id="an endless second line"),
        pytest.param(b",".join(b"c%d" % i for i in range(2_001)) + b"\n", "data.csv", ["2,001 columns"], id="too wide"),
        pytest.param(b"PK\x03\x04....", "data.csv", ["Excel", "CSV"], id="an Excel workbook"),
        pytest.param(b"a,b\n1,2\n", "data.xlsx", [".csv"], id="an unknown extension"),
        pytest.param(b"a,b\n1,2\n", "data.parquet", ["not Parquet"], id="CSV named as Parquet"),
        pytest.param(b"PAR1....", "data.csv", ["Parquet"], id="Parquet named as CSV"),
        pytest.param(b"PAR1........", "data.parquet", ["damaged"], id="damaged Parquet"),
        pytest.param(b"\x1f\x8b\x08\x00junk", "data.csv.gz", ["gzip", "damaged"], id="damaged gzip"),
        pytest.param(b"[1]\n", "data.jsonl", ["line 1", "one JSON object"], id="lists instead of objects"),
        pytest.param(b'{"a": NaN}\n', "data.jsonl", ["line 1", "'a'", "NaN", "null"], id="NaN in JSON"),
        pytest.param(
            b'{"a": 1}\n{"b": -Infinity}\n', "data.jsonl", ["line 2", "'b'", "-Infinity", "null"], id="infinity"
        ),
        pytest.param(
            b'{"a": "1"}\n{"a": "x"}\n{"a": 2}\n', "data.jsonl", ["line 3", "quotes"], id="a number among text"
        ),
        pytest.param(b'{"a": 1}\n{"a": \n', "data.jsonl", ["line 2"], id="half an object"),
        pytest.param(b'{"a": 1, "a": 2}\n', "data.jsonl", ["line 1", "'a' twice"], id="a key twice"),
        pytest.param(b'{"a": 1}\n{"a": 2}\n{"a": "x"}\n', "data.jsonl", ["line 3", "'x'"], id="text among numbers"),
        pytest.param(b'{"a": 1}\n{"a": true}\n{"a": 2}\n', "data.jsonl", ["line 2"], id="a flag among numbers"),
        pytest.param(
            b'{"a": 1}\n{"a": null}\n{"a": [2]}\n{"a": 3}\n',
            "data.jsonl",
            ["line 3", "'a'", "'[2]' is a list, while 2 of 3 values are plain", "null"],
            id="a list among numbers",
        ),
        pytest.param(
            b'{"a": "x"}\n{"a": {"b": 1}}\n', "data.jsonl", ["line 2", "'a'", "is an object"], id="an object among text"
        ),
        pytest.param(
            b'{"a": ' + b"9" * 400 + b"}\n", "data.jsonl", ["line 1", "'a'"], id="a number too large for a float"
        ),
        pytest.param(b'{"a":' * 500 + b"1" + b"}" * 500, "data.jsonl", ["plain values", "'a'"], id="nesting"),
        pytest.param(b'{"a":' * 100_000, "data.jsonl", ["line 1"], id="bottomless nesting"),
        pytest.param(b'{"=a": 1}\n', "data.jsonl", ["formula"], id="a formula as a key"),
    ],
)
def test_a_bad_file_gets_one_error_with_file_place_and_fix(content, name, parts, write):
    path = write(content, name)

    with pytest.raises(TableError) as caught:
        read_table(path)

    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert message.rstrip().endswith((".", "}", "NEW", "null."))
    for part in parts:
        assert part in message


def test_a_gzip_bomb_is_refused_before_it_unpacks(write):
    path = write(gzip.compress(b"a,b\n" + b"1,2\n" * (30 << 20)), "bomb.csv.gz")

    with pytest.raises(TableError, match="100 times its size"):
        read_table(path)


def test_a_parquet_file_of_too_many_rows_is_refused_from_its_metadata(tmp_path, monkeypatch):
    pd.DataFrame({"a": np.zeros(1_000)}).to_parquet(tmp_path / "data.parquet")
    monkeypatch.setattr(table_limits, "MOST_CELLS", 999)

    with pytest.raises(TableError, match="1,000 rows"):
        read_table(tmp_path / "data.parquet")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda path: None, "no such file", id="missing"),
        pytest.param(lambda path: path.mkdir(), "a folder", id="a folder"),
        pytest.param(os.mkfifo, "not a regular file", id="a pipe"),
    ],
)
def test_a_path_that_is_not_a_file_is_refused_immediately(make, problem, tmp_path):
    make(tmp_path / "data.csv")

    with pytest.raises(TableError, match=problem):
        read_table(tmp_path / "data.csv")


def test_a_file_that_changes_while_it_is_being_read_is_refused(write, monkeypatch):
    from core.tables import csv_file

    path = write("a\n1\n2\n")
    honest = csv_file.read_csv

    def slow(source, kinds, **options):
        table = honest(source, kinds, **options)
        path.write_text("a\n1\n2\n3\n")
        return table

    monkeypatch.setattr(csv_file, "read_csv", slow)
    with pytest.raises(TableError, match="changed while it was being read"):
        read_table(path)


CELLS = st.text(alphabet='019+-.,eEinfaNtruelsz \t"\n', max_size=6)


@pytest.mark.fuzz
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=30), separator=st.sampled_from(",;\t|"))
def test_any_cells_give_a_table_or_one_error(rows, separator, tmp_path):
    with (tmp_path / "data.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([("a", "b"), *rows])

    with contextlib.suppress(TableError):
        assert len(read_table(tmp_path / "data.csv")) <= len(rows)


@pytest.mark.fuzz
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), name=st.sampled_from(["data.csv", "data.jsonl", "data.parquet", "data.csv.gz"]))
@example(content=MAGIC, name="data.csv")
def test_any_bytes_give_a_table_or_one_error(content, name, tmp_path):
    (tmp_path / name).write_bytes(content)

    with contextlib.suppress(TableError, SealedFileError):  # bytes can begin as those of a sealed file do
        read_table(tmp_path / name)


@pytest.mark.fuzz
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from("ab"), st.none() | st.booleans() | st.integers() | st.floats() | CELLS),
        min_size=1,
        max_size=20,
    )
)
def test_any_objects_give_a_table_or_one_error(rows, tmp_path):
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))

    with contextlib.suppress(TableError):
        assert len(read_table(tmp_path / "data.jsonl")) == len(rows)


LONG = "y" * 200_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"a,b\n1,{LONG}\n2,x\n", "line 2, column 'b': a cell is longer than 131,072 characters. Shorten it."),
        (f"a,b\n1,x\n\n2,{LONG}\n", "line 4, column 'b': a cell is longer than 131,072 characters. Shorten it."),
        (f'a,b\n"x\ny",1\n"{LONG}, and",2\n', "line 4, column 'a': a cell is longer than 131,072 characters."),
        (f"# said\na,b\n1,x\n{LONG},2\n", "line 4, column 'a': a cell is longer than 131,072 characters."),
        (f"a,{LONG}\n1,2\n", "line 1, column '(column 2)': a cell is longer than 131,072 characters."),
        (f"{LONG}\n1\n", "line 1, column '(column 1)': a cell is longer than 131,072 characters."),
        (f'a,b\n1,x\n2,"{LONG}\n3,x\n', "line 3: a quote is opened and never closed"),
        (f"a,b\n1,x\n2,3,4\n5,{LONG}\n", "line 3: 3 cells where the header has 2"),
    ],
)
@pytest.mark.parametrize("reads", [read_table, lambda path: [*pieces_of(inspect(path)).read(("a", "b"))]])
def test_a_cell_that_is_too_long_is_named_by_line_and_column(write, content, said, reads):
    with pytest.raises(TableError) as caught:
        reads(write(content))
    assert said in str(caught.value)


def test_a_header_longer_than_a_cell_may_be_is_read(write):
    names = [f"column_{number}_{'x' * 100}" for number in range(1_500)]
    path = write(",".join(names) + "\n" + ",".join(["1"] * 1_500) + "\n")
    assert pieces_of(inspect(path)).names == tuple(names)
    read_table(path)
