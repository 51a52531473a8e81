"""A lenient reading of a table: cells that cannot be read are counted and end nothing."""

from pathlib import Path

import pandas as pd
import pytest

from core.tables import ColumnKind, TableError, read_table

NUMBER, FLAG, TIME, CATEGORY = ColumnKind.NUMBER, ColumnKind.FLAG, ColumnKind.TIME, ColumnKind.CATEGORY


def put(folder: Path, content: str, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("cells", "wanted", "kind", "n_unreadable", "n_empty"),
    [
        pytest.param(["1.5", "inf", "2"], NUMBER, NUMBER, 1, 1, id="one infinite cell"),
        pytest.param(["high", "low", "NA"], NUMBER, NUMBER, 2, 3, id="all text"),
        pytest.param(["1"] * 19 + ["12a"], None, NUMBER, 1, 1, id="one typing error, kind unknown"),
        pytest.param(["1"] * 9 + ["inf"], None, NUMBER, 1, 1, id="one infinite cell, kind unknown"),
        pytest.param(["true", "yes", "0"], FLAG, FLAG, 1, 1, id="a word that is no flag"),
        pytest.param(["2026-01-01", "2026-02-30", "soon"], TIME, TIME, 2, 2, id="a day that does not exist"),
        pytest.param(["1", "2", "3"], TIME, TIME, 3, 3, id="numbers where dates were"),
        pytest.param(["1", "2", "b"], CATEGORY, CATEGORY, 0, 0, id="any text is a level"),
    ],
)
def test_cells_that_cannot_be_read_are_empty_and_counted(tmp_path, cells, wanted, kind, n_unreadable, n_empty):
    path = put(tmp_path, "x,y\n" + "".join(f"{cell},1\n" for cell in cells))

    table = read_table(path, kinds={"x": wanted} if wanted else {}, lenient=True)

    assert table.kinds["x"] is kind
    assert table.unreadable.get("x", 0) == n_unreadable
    assert table.frame["x"].isna().sum() == n_empty
    assert table.frame["y"].tolist() == [1.0] * len(cells)


def test_numbers_with_decimal_commas_survive_a_bad_cell(tmp_path):
    table = read_table(put(tmp_path, "x;y\n1,5;a\nbad;b\n2,5;c,d\n"), kinds={"x": NUMBER}, lenient=True)

    assert table.frame["x"].tolist()[::2] == [1.5, 2.5]
    assert table.frame["y"].tolist() == ["a", "b", "c,d"]


def test_json_lines_and_parquet_are_salvaged_alike(tmp_path):
    lines = put(tmp_path, '{"x": 1.5}\n{"x": [1]}\n{"x": "a"}\n{"x": null}\n', "data.jsonl")
    pd.DataFrame({"x": ["1.5", "inf", "a", None]}).to_parquet(tmp_path / "data.parquet")

    for path in (lines, tmp_path / "data.parquet"):
        table = read_table(path, kinds={"x": NUMBER}, lenient=True)
        assert (table.unreadable["x"], int(table.frame["x"].notna().sum())) == (2, 1)


def test_a_list_is_no_level_of_a_known_category(tmp_path):
    lines = put(tmp_path, '{"x": "a"}\n{"x": "b"}\n{"x": ["a"]}\n', "data.jsonl")
    with pytest.raises(TableError, match=r"""line 3, column 'x': '\["a"\]' is a list, while 2 of 3 values are plain"""):
        read_table(lines, kinds={"x": CATEGORY})


def test_dates_where_numbers_were_are_unreadable_as_numbers(tmp_path):
    pd.DataFrame({"x": pd.to_datetime(["2026-01-01"] * 3)}).to_parquet(tmp_path / "data.parquet")

    assert read_table(tmp_path / "data.parquet", kinds={"x": NUMBER}, lenient=True).unreadable == {"x": 3}


def test_codes_keep_their_text_when_an_empty_cell_turns_them_to_floats(tmp_path):
    pd.DataFrame({"x": [1.0, 2.0, None]}).to_parquet(tmp_path / "data.parquet")

    table = read_table(tmp_path / "data.parquet", kinds={"x": CATEGORY})

    assert table.frame["x"].tolist()[:2] == ["1", "2"]


def test_without_leave_a_bad_cell_is_still_refused(tmp_path):
    with pytest.raises(TableError, match="'abc' is not a number"):
        read_table(put(tmp_path, "x\n1\nabc\n"), kinds={"x": NUMBER})
