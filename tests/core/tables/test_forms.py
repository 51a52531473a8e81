"""Numbers and dates as people write them: one reading, or a refusal that names both."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.tables import ColumnForm, ColumnKind, ReadingRules, TableError, TaskRequest, describe, read_table
from core.tables.date_forms import DAY_FIRST, MONTH_FIRST, read_dates
from core.tables.number_forms import FORMS, read_numbers, taken_apart
from core.tables.rules import manners_of

NAN = np.nan


@pytest.fixture
def read(tmp_path):
    """Write the cells of column x beside a column of words, and read them."""

    def made(cells, rules=None, name="data.csv"):
        quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        (tmp_path / name).write_text("x,z\n" + "".join(f"{cell},a\n" for cell in quoted), encoding="utf-8")
        return read_table(tmp_path / name, rules=rules)

    return made


@pytest.mark.parametrize(
    ("cells", "values", "form"),
    [
        pytest.param(["1,257.00", "-1,321.00"], [1257, -1321], {"decimal": ".", "thousands": ","}, id="thousands"),
        pytest.param(["1.257,00", "0,5"], [1257, 0.5], {"decimal": ",", "thousands": "."}, id="decimal commas"),
        pytest.param(["1,257,000", "3"], [1257000, 3], {"decimal": ".", "thousands": ","}, id="two separators decide"),
        pytest.param(["1.257.000", "3"], [1257000, 3], {"decimal": ",", "thousands": "."}, id="two points decide"),
        pytest.param(["12,34,567", "3,210.5"], [1234567, 3210.5], {"decimal": ".", "thousands": ","}, id="lakhs"),
        pytest.param(["1'257.5", "3"], [1257.5, 3], {"decimal": ".", "thousands": "'"}, id="Swiss apostrophes"),
        pytest.param(["1\u2019257.5", "3"], [1257.5, 3], {"decimal": ".", "thousands": "'"}, id="typographic ones"),
        pytest.param(["1 257,5", "3"], [1257.5, 3], {"decimal": ",", "thousands": " "}, id="blanks"),
        pytest.param(["1\u00a0257,5", "\u22123"], [1257.5, -3], {"decimal": ",", "thousands": " "}, id="hard blanks"),
        pytest.param(["0,5", "1,25"], [0.5, 1.25], {"decimal": ","}, id="commas that are no thousands"),
        pytest.param(["12.3%", "5 %"], [12.3, 5], {"decimal": ".", "unit": "%"}, id="percent"),
        pytest.param(["$12.3", "-$3", "$-4"], [12.3, -3, -4], {"decimal": ".", "unit": "$"}, id="dollars"),
        pytest.param(["12,50 €", "3 €"], [12.5, 3], {"decimal": ",", "unit": "€"}, id="euros"),
        pytest.param(["USD 12", "usd 3.5"], None, None, id="two spellings of a currency"),
        pytest.param(["(1,257.00)", "12.00"], [-1257, 12], {"decimal": ".", "thousands": ","}, id="accounting"),
        pytest.param(["12.5-", "3"], [-12.5, 3], {}, id="a minus behind"),
        pytest.param(["1e3", "+2.5E-1", ".5", "5."], [1000, 0.25, 0.5, 5], {}, id="scientific"),
        pytest.param(["1.2k", "850", "3M"], [1200, 850, 3e6], {"decimal": ".", "scales": ("M", "k")}, id="1.2k and 3M"),
        pytest.param(["2.3M", "-$4.1bn", "€1"], None, None, id="two currencies, scaled"),
        pytest.param(
            ["2.3 M", "-4.1bn"],
            [2_300_000, -4_100_000_000],
            {"decimal": ".", "scales": ("M", "bn")},
            id="exact millions",
        ),
        pytest.param(["1,5K $", "3K $"], [1500, 3000], {"decimal": ",", "unit": "$", "scales": ("K",)}, id="K dollars"),
        pytest.param(["09:35", "9:35 pm", "?"], [575, 1295, NAN], {"time": "clock", "missing": ("?",)}, id="clock"),
        pytest.param(["00:00:30", "23:59:00"], [0.5, 1439], {"time": "clock"}, id="a clock with seconds"),
        pytest.param(["12:00 am", "12:00 p.m."], [0, 720], {"time": "clock"}, id="noon and midnight"),
        pytest.param(["0.5", "-", "2", "?"], [0.5, NAN, 2, NAN], {"decimal": ".", "missing": ("-", "?")}, id="dashes"),
        pytest.param(["#DIV/0!", "2", "n.a."], [NAN, 2, NAN], {"missing": ("#DIV/0!", "n.a.")}, id="errors"),
        pytest.param(["1.257", "1257"], [1.257, 1257], {}, id="no thousands beside an ungrouped number"),
        pytest.param(["0.125", "0.250"], [0.125, 0.25], {}, id="a zero before the point"),
        pytest.param(["9007199254740993", "1"], [9007199254740992.0, 1], {}, id="beyond 2^53, and none merged"),
    ],
)
def test_numbers_are_read_in_the_one_form_that_fits_all_cells(cells, values, form, read):
    if values is None:
        with pytest.raises(TableError, match="is written with"):
            read(cells)
        return
    table = read(cells)

    assert table.kinds["x"] in (ColumnKind.NUMBER, ColumnKind.INTEGER)
    np.testing.assert_array_equal(table.frame["x"].to_numpy(), np.array(values, dtype=float))
    assert table.forms.get("x", ColumnForm()) == (ColumnForm(**form) if form else ColumnForm())
    assert not table.doubts


@pytest.mark.parametrize(
    ("cells", "readings", "options"),
    [
        pytest.param(["12.5", "1.257"], None, None, id="one cell decides"),
        pytest.param(["2.345", "1.257"], ["2.345", "2345"], ["x=decimal-point", "x=decimal-comma"], id="points"),
        pytest.param(["999", "1.257"], ["1.257", "1257"], ["decimal-point", "decimal-comma"], id="and whole numbers"),
        pytest.param(["1,257", "12,345"], ["1.257", "1257"], ["decimal-point", "decimal-comma"], id="commas"),
        pytest.param(["1,257", "-"], ["1.257", "1257"], ["decimal-point", "decimal-comma"], id="commas and gaps"),
    ],
)
def test_two_readings_are_refused_with_both_and_the_option_settles_it(cells, readings, options, read):
    table = read(cells * 40)
    if readings is None:
        assert not table.doubts
        return

    with pytest.raises(TableError) as caught:
        table.require_clear(["x"])
    for part in (*readings, *options, "'x'"):
        assert part in str(caught.value)
    found = [
        read(cells * 40, ReadingRules(manners=manners_of([said]))) for said in ("x=decimal-point", "decimal-comma")
    ]
    assert not found[0].doubts
    assert not found[1].doubts
    assert all(not table.frame["x"].isna().all() for table in found)
    assert found[0].frame["x"].tolist() != found[1].frame["x"].tolist()


def test_other_columns_of_the_file_settle_a_doubt(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1.257,0.5\n2.345,1.5\n")
    (tmp_path / "b.csv").write_text("x;y\n1.257;0,5\n2.345;1,5\n")

    one, other = read_table(tmp_path / "a.csv"), read_table(tmp_path / "b.csv")

    assert one.frame["x"].tolist() == [1.257, 2.345]
    assert other.frame["x"].tolist() == [1257.0, 2345.0]
    assert not one.doubts
    assert not other.doubts
    assert any("decimal comma, as other columns" in note for note in other.notes)


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        pytest.param(["31/12/2020", "01/02/2020"], ["2020-12-31", "2020-02-01"], id="the day first"),
        pytest.param(["12/31/2020", "01/02/2020"], ["2020-12-31", "2020-01-02"], id="the month first"),
        pytest.param(["2020/01/06", "2020-01-07"], ["2020-01-06", "2020-01-07"], id="the year first, mixed"),
        pytest.param(
            ["2020-01-06T10:00:00Z", "2020/1/7 5:30 PM"], ["2020-01-06 10:00", "2020-01-07 17:30"], id="hours"
        ),
        pytest.param(["31.12.2020", "2020-01-07"], ["2020-12-31", "2020-01-07"], id="points, and one of ISO"),
        pytest.param(["31 Dec 2020", "January 5, 2021"], ["2020-12-31", "2021-01-05"], id="names of months"),
        pytest.param(["05/05/2020", "06/06/2020"], ["2020-05-05", "2020-06-06"], id="both orders are one day"),
        pytest.param(["2020-01-06", "-"], ["2020-01-06", None], id="a gap"),
    ],
)
def test_dates_are_read_in_the_one_order_that_fits_all_cells(cells, days, read):
    table = read(cells)

    assert table.kinds["x"] is ColumnKind.TIME
    assert table.frame["x"].tolist() == [pd.NaT if day is None else pd.Timestamp(day) for day in days]
    assert not table.doubts


def test_dates_of_two_orders_are_refused_only_where_they_are_used(tmp_path):
    lines = [f"0{1 + k % 9}/0{1 + k % 8}/2020,{k % 7 + 0.5},{k % 5 + 0.25}" for k in range(120)]
    (tmp_path / "data.csv").write_text("\n".join(["when,size,price", *lines]))
    table = read_table(tmp_path / "data.csv")

    assert "when" not in describe(table, TaskRequest(target="price")).names
    with pytest.raises(TableError) as caught:
        describe(table, TaskRequest(target="price", time="when"))
    for part in (
        "line 3",
        "2020-02-02" if False else "'02/02/2020'" if False else "when=day-first",
        "when=month-first",
    ):
        assert part in str(caught.value) or part == "line 3"
    said = read_table(tmp_path / "data.csv", rules=ReadingRules(manners=manners_of(["when=month-first"])))
    found = describe(said, TaskRequest(target="price", time="when"))
    assert found.forms["when"] == ColumnForm(order="month-first")


def test_a_signature_reads_later_files_as_the_first(read):
    first = read(["1.257,50", "3"])
    rules = ReadingRules(kinds=first.kinds, forms=first.forms)

    assert read(["1.257", "2"], rules).frame["x"].tolist() == [1257.0, 2.0]
    with pytest.raises(TableError, match=r"'0\.5' is not a number with a decimal comma"):
        read(["0.5", "2"], rules)
    percent = read(["12.5%", "3%"])
    with pytest.raises(TableError, match="without a unit, while others are written with %"):
        read(["0.125", "0.03"], ReadingRules(kinds=percent.kinds, forms=percent.forms))


def test_a_column_of_plain_numbers_takes_commas_between_thousands_later(read):
    rules = ReadingRules(kinds=read(["1257", "3"]).kinds)

    assert read(["1,257.00", "3"], rules).frame["x"].tolist() == [1257.0, 3.0]
    assert read(["1.257", "3"], rules).frame["x"].tolist() == [1.257, 3.0]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("x,z\n1,a\n-999,b\nnix,c\n", "data.csv"),
        ('{"x": 1, "z": "a"}\n{"x": -999, "z": "b"}\n{"x": "nix", "z": "c"}\n', "data.jsonl"),
    ],
)
def test_declared_words_and_numbers_are_missing_cells(content, name, tmp_path):
    (tmp_path / name).write_text(content)

    table = read_table(tmp_path / name, rules=ReadingRules(missing=("-999.0", "nix", "b")))

    assert table.frame["x"].tolist()[0] == 1.0
    assert table.frame["x"].isna().tolist() == [False, True, True]
    assert table.frame["z"].isna().tolist() == [False, True, False]
    assert any("x: 2 cells are read as missing" in note for note in table.notes)


def test_text_of_numbers_with_decimals_is_read_as_numbers_in_every_format(tmp_path):
    frame = pd.DataFrame({"x": ["1,257.50", "3.25"], "code": ["123", "456"], "y": [1, 2]})
    frame.to_parquet(tmp_path / "data.parquet")
    frame.to_json(tmp_path / "data.jsonl", orient="records", lines=True)

    for name in ("data.parquet", "data.jsonl"):
        table = read_table(tmp_path / name)
        assert table.frame["x"].tolist() == [1257.5, 3.25]
        assert table.kinds["code"] is ColumnKind.CATEGORY


@pytest.mark.parametrize(
    ("content", "note"),
    [
        pytest.param("# exported\n# by hand\na,b\n1,2\n3,4\n", "lines 1 to 2 are comments", id="comments"),
        pytest.param("# exported 2026\na,b\n1,2\n3,4\n", "line 1 is a comment", id="a comment"),
        pytest.param("sep=;\na;b\n1;2\n3;4\n", "", id="a spreadsheet's separator"),
        pytest.param("\ufeffsep=;\r\na;b\r\n1;2\r\n3;4\r\n", "", id="a byte order mark before it"),
        pytest.param(" a, b\n1, 2\n3, 4\n", "blanks around column names", id="blanks around names"),
        pytest.param(",a,b\n0,1,2\n1,3,4\n", "", id="an index without a name"),
        pytest.param("a,b,\n1,2,\n3,4,\n", "", id="a separator at the end of each line"),
    ],
)
def test_what_surrounds_a_table_is_left_out_with_a_note(content, note, tmp_path):
    (tmp_path / "data.csv").write_bytes(content.encode())

    table = read_table(tmp_path / "data.csv")

    assert table.frame.to_dict("list") == {"a": [1.0, 3.0], "b": [2.0, 4.0]}
    assert note in " ".join(table.notes)


def test_lines_are_counted_from_the_start_of_the_file_whatever_precedes_the_header(tmp_path):
    rows = "".join(f"{k},{k % 3}\n" for k in range(30))
    for start in ("# a comment\n", "sep=,\n"):
        (tmp_path / "data.csv").write_text(f"{start}a,b\n{rows}oops,1\n")
        with pytest.raises(TableError, match="line 33, column 'a': 'oops'"):
            read_table(tmp_path / "data.csv")
        (tmp_path / "data.csv").write_text(f"{start}a,b\n{rows}1\n")
        with pytest.raises(TableError, match="line 33: 1 cells"):
            read_table(tmp_path / "data.csv")


def test_a_header_that_begins_with_a_hash_is_a_header(tmp_path):
    (tmp_path / "data.csv").write_text("#a,b\n1,2\n3,4\n")

    assert list(read_table(tmp_path / "data.csv").frame) == ["#a", "b"]


NUMBERS = st.lists(st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, places=2), min_size=1, max_size=20)


@given(numbers=NUMBERS, marks=st.sampled_from(FORMS))
def test_numbers_with_two_decimals_are_read_back_from_every_form(numbers, marks):
    cells = []
    for number in numbers:
        whole, _, part = f"{number:,.2f}".partition(".")
        cells.append(whole.replace(",", marks.thousands) + marks.decimal + part)

    found = read_numbers(taken_apart(pa.array(cells)))

    assert found is not None
    np.testing.assert_allclose(found.values, [float(number) for number in numbers])
    assert not found.others


@given(days=st.lists(st.dates(), min_size=1, max_size=30), order=st.sampled_from([DAY_FIRST, MONTH_FIRST]))
def test_dates_are_read_back_from_both_orders_or_are_in_doubt(days, order):
    spelled = "%d/%m/%Y" if order == DAY_FIRST else "%m/%d/%Y"
    days = [day for day in days if 1700 <= day.year <= 2200]
    if not days:
        return
    cells = pa.array([day.strftime(spelled) for day in days])
    wanted = np.array(days, dtype="datetime64[us]")

    found = read_dates(cells)

    assert any(one is not None and (one == wanted).all() for one in (found.instants, found.other))
    if any(day.day > 12 for day in days):
        assert found.other is None
        assert found.order == order
    np.testing.assert_array_equal(read_dates(cells, order).instants, wanted)


@pytest.mark.parametrize(
    ("cells", "looks"),
    [
        pytest.param(["12B", "7B", "3A", "4C"], "look like numbers", id="seats"),
        pytest.param(["09:35", "10:20", "late", "11:05"], "look like clock times", id="clock times and a word"),
        pytest.param(["09:35", "10:20", "25:10", "11:05"], "look like clock times", id="an hour that no clock has"),
    ],
)
def test_nearly_scaled_numbers_and_clock_times_stay_words_and_are_named(cells, looks, read):
    table = read(cells)

    assert table.kinds["x"] is ColumnKind.CATEGORY
    assert looks in table.looks["x"]


def test_one_scaled_cell_among_plain_numbers_is_an_error(read):
    with pytest.raises(TableError, match=r"line 22.*'12k' is not a number, while 20 of 21 cells are"):
        read([*map(str, range(20)), "12k"])


def test_a_model_of_clock_times_reads_them_again_and_a_model_of_numbers_refuses_them(read):
    table = read([f"{hour:02d}:{minute:02d}" for hour in range(24) for minute in (5, 35)])
    assert "x is read as clock times, in minutes of the day." in table.notes
    rules = ReadingRules(kinds=table.kinds, forms=table.forms)

    assert read(["10:00", "11:30 am"], rules).frame["x"].tolist() == [600.0, 690.0]
    assert read(["600", "690"], rules).frame["x"].tolist() == [600.0, 690.0]
    with pytest.raises(TableError, match="'10:00' is not a number"):
        read(["10:00", "11:30"], ReadingRules(kinds=table.kinds))
    asked = ReadingRules(kinds=table.kinds, manners=manners_of(["x=number"]))
    assert read(["10:00", "11:30"], asked).frame["x"].tolist() == [600.0, 690.0]
    as_words = read(["10:00", "11:30"], ReadingRules(manners=manners_of(["x=category"])))
    assert as_words.kinds["x"] is ColumnKind.CATEGORY


def test_a_lenient_reading_keeps_the_clock_times_that_can_be_read(read):
    table = read(["09:35", "21:35"])
    rules = ReadingRules(kinds=table.kinds, forms=table.forms, lenient=True)

    found = read(["09:35", "late", "25:00"], rules)

    assert found.frame["x"].tolist()[0] == 575.0
    assert found.unreadable["x"] == 2


@pytest.mark.parametrize("cells", [["09:35", "21:05"], ["1.2k", "3M"]])
def test_text_of_json_and_parquet_is_read_like_that_of_csv(cells, read, tmp_path):
    expected = read(cells)
    frame = pd.DataFrame({"x": cells, "z": ["a"] * len(cells)})
    frame.to_parquet(tmp_path / "data.parquet")
    frame.to_json(tmp_path / "data.jsonl", orient="records", lines=True)

    for name in ("data.parquet", "data.jsonl"):
        found = read_table(tmp_path / name)
        assert found.kinds == expected.kinds
        assert found.forms == expected.forms
        assert found.frame["x"].tolist() == expected.frame["x"].tolist()
