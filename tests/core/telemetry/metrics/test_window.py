"""The recent window: scrapes added one by one, and all at once, are the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.telemetry.metrics.window import RecentWindow

SCRAPES = st.lists(
    st.tuples(st.integers(1, 400), st.dictionaries(st.integers(1, 5), st.floats(allow_nan=False), max_size=5)),
    max_size=40,
)


def packed(scrapes):
    for at_ms, found in scrapes:
        ids = np.array(sorted(found), dtype=np.uint32)
        yield at_ms, ids, np.array([found[int(series)] for series in ids], dtype=np.float64)


def contents(window):
    found = {series: window.between(series, -1, 10_000) for series in range(7)}
    return {series: [column.tolist() for column in each] for series, each in found.items() if each is not None}


@given(SCRAPES, st.integers(0, 40))
def test_scrapes_at_once_are_what_they_are_one_by_one(scrapes, split):
    scrapes = sorted(scrapes, key=lambda scrape: scrape[0])
    one_by_one, at_once = RecentWindow(0, 100, 20), RecentWindow(0, 100, 20)
    for scrape in packed(scrapes):
        one_by_one.add(*scrape)
    for part in (scrapes[:split], scrapes[split:]):
        at_once.add_all(list(packed(part)))
    first = max(one_by_one.after_ms, at_once.after_ms)
    recent = [
        {
            series: [(at, value) for at, value in zip(*columns, strict=True) if at > first]
            for series, columns in contents(window).items()
        }
        for window in (one_by_one, at_once)
    ]
    kept = [{key: value for key, value in each.items() if value} for each in recent]
    assert kept[0] == kept[1]


def test_nothing_is_added_by_no_scrape():
    window = RecentWindow(0, 100, 20)
    window.add_all([])
    assert contents(window) == {}


@pytest.mark.parametrize("n", [1, 15, 16, 17, 400])
def test_a_series_of_any_length_is_held_whole(n):
    window = RecentWindow(0, 10_000, 20)
    window.add_all(list(packed((at, {3: float(at)}) for at in range(1, n + 1))))
    assert contents(window) == {3: [list(range(1, n + 1)), [float(at) for at in range(1, n + 1)]]}
