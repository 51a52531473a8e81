"""Months, quarters and weeks order rows as times do, whatever their writing; other words are no times."""

import numpy as np
import pandas as pd
import pytest

from core.tables import ColumnKind, TableError, TaskRequest, describe, read_table
from core.tables.periods import with_instants


@pytest.fixture
def read(tmp_path):
    """Read a column `when` of these cells, repeated, beside numbers."""

    def made(cells):
        n = 40 * len(cells)
        rng = np.random.default_rng(1)
        frame = pd.DataFrame({"when": cells * 40, "size": rng.normal(size=n), "price": rng.normal(size=n)})
        frame.to_csv(tmp_path / "data.csv", index=False)
        return read_table(tmp_path / "data.csv")

    return made


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        pytest.param(["2020-01", "2019-12", "2020-11"], ["2020-01-01", "2019-12-01", "2020-11-01"], id="months"),
        pytest.param(["01/2020", "12/2019", "2/2020"], ["2020-01-01", "2019-12-01", "2020-02-01"], id="month first"),
        pytest.param(["2000 Q1", "1999 Q4", "2000 Q3"], ["2000-01-01", "1999-10-01", "2000-07-01"], id="quarters"),
        pytest.param(["2000Q1", "1999q4"], ["2000-01-01", "1999-10-01"], id="quarters without a blank"),
        pytest.param(["Q1 2000", "Q4 1999"], ["2000-01-01", "1999-10-01"], id="quarter first"),
        pytest.param(["2026-W01", "2026-W53", "2025-W52"], ["2025-12-29", "2026-12-28", "2025-12-22"], id="ISO weeks"),
    ],
)
def test_periods_are_the_day_on_which_they_begin(cells, days, read):
    table = with_instants(read(cells), "when")

    assert table.kinds["when"] is ColumnKind.TIME
    assert table.frame["when"].dt.strftime("%Y-%m-%d").tolist()[: len(cells)] == days
    assert describe(table, TaskRequest(target="price", time="when")).names == ("size",)


@pytest.mark.parametrize(
    "cells", [["2012-13", "2011-12"], ["2020-01", "soon"], ["2020-01", "2020 Q2"], ["2025-W53", "2025-W52"]]
)
def test_other_words_are_no_times_and_one_of_them_is_named(cells, read):
    table = with_instants(read(cells), "when")

    with pytest.raises(TableError, match=r"is not a time.*months as 2026-03"):
        describe(table, TaskRequest(target="price", time="when"))


def test_a_column_of_periods_that_is_no_time_stays_a_category(read):
    table = read(["2020-01", "2019-12"])

    assert with_instants(table, None).kinds["when"] is ColumnKind.CATEGORY
    assert "when" in describe(table, TaskRequest(target="price")).names
