"""The targets that can be learned from a table, and the errors for those that cannot."""

import numpy as np
import pandas as pd
import pytest

from core.tables import ColumnKind, TableError, Task, TaskRequest, describe, read_table


@pytest.fixture
def table(tmp_path):
    """Write a table of usable columns, some replaced, and read it back."""

    def make(n=120, **columns):
        rng = np.random.default_rng(1)
        good = {
            "size": rng.normal(size=n).round(4),
            "grade": rng.choice(["A", "B"], n),
            "desk": [f"d{k % 12}" for k in range(n)],
            "day": pd.date_range("2026-01-01", periods=n).strftime("%Y-%m-%d"),
            "price": rng.normal(size=n).round(4),
            "late": rng.choice(["no", "yes"], n),
        }
        pd.DataFrame(good | columns).to_csv(tmp_path / "data.csv", index=False)
        return read_table(tmp_path / "data.csv")

    return make


@pytest.mark.parametrize(
    ("column", "values", "task"),
    [
        pytest.param("price", None, Task.REGRESSION, id="numbers"),
        pytest.param("late", None, Task.CLASSIFICATION, id="words"),
        pytest.param("hit", [0, 1] * 60, Task.CLASSIFICATION, id="zeros and ones"),
        pytest.param("flag", [True, False] * 60, Task.CLASSIFICATION, id="flags"),
        pytest.param("notch", list(range(6)) * 20, Task.CLASSIFICATION, id="classes coded from 0"),
        pytest.param("grade_no", [1, 2, 3] * 40, Task.CLASSIFICATION, id="classes coded from 1"),
        pytest.param("notch", list(range(12)) * 10, Task.REGRESSION, id="more whole numbers than classes"),
        pytest.param("rating", [3, 4, 5, 6] * 30, Task.REGRESSION, id="whole numbers that start at three"),
        pytest.param("gap", [0, 1, 3] * 40, Task.REGRESSION, id="whole numbers with a gap"),
        pytest.param("count", [0] * 80 + [1] * 30 + [2] * 8 + [3] * 2, Task.REGRESSION, id="counts with a thin tail"),
        pytest.param("half", [0.5, 1.5, 2.5] * 40, Task.REGRESSION, id="few numbers with decimals"),
    ],
)
def test_the_task_follows_from_the_target(column, values, task, table):
    found = describe(table(**({column: values} if values else {})), TaskRequest(target=column))

    assert found.task is task


def test_the_signature_has_kinds_ranges_levels_and_which_columns_may_be_missing(table):
    size = np.arange(120.0)
    size[5] = np.nan
    found = describe(table(size=size), TaskRequest(target="price", group="desk"))

    by_name = {column.name: column for column in found.columns}
    assert set(by_name) == {"size", "grade", "late"}
    assert (by_name["size"].least, by_name["size"].most, by_name["size"].allows_missing) == (0.0, 119.0, True)
    assert (by_name["grade"].kind, by_name["grade"].levels) == (ColumnKind.CATEGORY, ("A", "B"))
    assert [column.name for column in found.ignored] == ["day"]
    assert [output.name for output in found.outputs] == ["price"]


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        pytest.param("id", [f"row {k}" for k in range(120)], "identifies rows", id="row identifiers"),
        pytest.param("constant", [7] * 120, "same in every row", id="one value"),
        pytest.param("nothing", [None] * 120, "empty", id="no value"),
    ],
)
def test_an_uninformative_column_is_left_out_with_the_reason(column, values, reason, table):
    found = describe(table(**{column: values}), TaskRequest(target="price"))

    assert reason in next(ignored.reason for ignored in found.ignored if ignored.name == column)


@pytest.mark.parametrize(
    ("columns", "request_", "parts"),
    [
        pytest.param({}, {"target": "prize"}, ["'prize'", "Did you mean 'price'"], id="a misspelt target"),
        pytest.param({}, {}, ["--target"], id="no target"),
        pytest.param({}, {"target": "price", "group": "nobody"}, ["'nobody'"], id="an unknown group"),
        pytest.param(
            {}, {"target": "price", "group": "price"}, ["'price'", "two different columns"], id="one column, two roles"
        ),
        pytest.param({}, {"target": "price", "time": "grade"}, ["'grade'", "2026-03-31"], id="an invalid time"),
        pytest.param({}, {"target": "day"}, ["'day'", "date"], id="a date as the target"),
        pytest.param(
            {"price": [1.0] * 40 + [None] + [2.0] * 79},
            {"target": "price"},
            ["line 42", "'price'"],
            id="a target with a gap",
        ),
        pytest.param({"price": [3.0] * 120}, {"target": "price"}, ["'price'", "value 3"], id="a constant target"),
        pytest.param({"late": ["no"] * 120}, {"target": "late"}, ["'late'", "class 'no'"], id="a single class"),
        pytest.param(
            {"late": ["no"] * 117 + ["yes"] * 3}, {"target": "late"}, ["line 119", "'yes'", "10"], id="a rare class"
        ),
        pytest.param(
            {}, {"target": "late", "task": Task.REGRESSION}, ["line 2", "not a number"], id="words as numbers"
        ),
        pytest.param(
            {}, {"target": "price", "task": Task.CLASSIFICATION}, ["different values"], id="numbers as classes"
        ),
        pytest.param(
            {"desk": ["d1"] * 60 + [None] * 60}, {"target": "price", "group": "desk"}, ["line 62"], id="no group"
        ),
    ],
)
def test_an_unlearnable_target_is_refused_with_column_line_and_fix(columns, request_, parts, table):
    with pytest.raises(TableError) as caught:
        describe(table(**columns), TaskRequest(**request_))

    for part in parts:
        assert part in str(caught.value)


def test_a_table_with_too_few_rows_is_refused(table):
    with pytest.raises(TableError, match="49 rows"):
        describe(table(n=49), TaskRequest(target="price"))
