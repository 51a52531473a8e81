"""Columns side by side: the results stand in their order, and the first error in that order is the one that is told."""

import threading

import pytest

from core.columnwise import columnwise
from tests.waiting import PATIENCE_SECONDS


def test_results_stand_in_the_order_of_the_columns_whichever_is_done_first(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    last_is_done = threading.Event()

    def work(column: int) -> int:
        if column == 0:
            assert last_is_done.wait(PATIENCE_SECONDS)
        else:
            last_is_done.set()
        return column * 10

    assert columnwise(work, range(40)) == [10 * column for column in range(40)]


def test_the_error_of_the_first_column_that_has_one_is_told():
    def work(column: int) -> int:
        if column >= 3:
            raise ValueError(f"column {column} is wrong")
        return column

    with pytest.raises(ValueError, match="column 3 is wrong"):
        columnwise(work, range(40))
