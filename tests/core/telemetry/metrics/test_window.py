"""The recent window: scrapes added one by one, and all at once, are the same."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.telemetry.metrics.held import HeldSeries
from core.telemetry.metrics.samples import STALE, STALE_BITS
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


@pytest.mark.parametrize("n", [1, 15, 16, 17, 31, 32, 33, 400])
def test_a_series_of_any_length_is_held_whole(n):
    window = RecentWindow(0, 10_000, 20)
    window.add_all(list(packed((at, {3: float(at)}) for at in range(1, n + 1))))
    assert contents(window) == {3: [list(range(1, n + 1)), [float(at) for at in range(1, n + 1)]]}


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 34, 100])
def test_a_series_that_grows_by_scrapes_is_held_whole_and_in_every_bit(n):
    window = RecentWindow(0, 10_000, 20)
    for at in (*range(1, n + 1), n):  # the last one twice: a clock that was set back
        window.add(at, np.array([3], np.uint32), np.array([STALE], np.float64))
    at_ms, values = window.between(3, -1, 10_000)
    assert at_ms.tolist() == list(range(1, n + 1))
    assert values.view(np.uint64).tolist() == [STALE_BITS] * n


def test_what_was_handed_out_stays_when_more_comes_and_when_it_is_dropped():
    window = RecentWindow(0, 100, 20)
    for at in (10, 20):
        window.add(at, np.array([3], np.uint32), np.array([float(at)]))
    at_ms, values = window.between(3, -1, 100)
    for at in (30, 400):
        window.add(at, np.array([3], np.uint32), np.array([float(at)]))
    assert (at_ms.tolist(), values.tolist()) == ([10, 20], [10.0, 20.0])
    assert contents(window) == {3: [[400], [400.0]]}


def test_a_series_of_two_samples_takes_little_memory():
    window, n_series = RecentWindow(0, 1_000_000, 20), 5_000
    tracemalloc.start()
    try:
        for series in range(n_series):
            for at in (2 * series + 1, 2 * series + 2):
                window.add(at, np.array([series], np.uint32), np.array([1.0]))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 250 * n_series  # their samples are 32 bytes; two arrays would take 450 more


def test_a_series_that_ends_after_thirty_samples_takes_little_more_than_the_samples():
    window, n_series, n_samples = RecentWindow(0, 1_000_000, 20), 500, 30
    tracemalloc.start()
    try:
        for at in range(1, n_samples + 1):
            window.add(at, np.arange(n_series, dtype=np.uint32), np.ones(n_series))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < n_series * (16 * n_samples + 250)


def test_a_series_that_pauses_while_its_name_is_asked_for_first_is_held_once_it_returns():
    labels = {1: (("__name__", "x"),), 2: (("__name__", "y"),)}
    held, ids, both = HeldSeries(), np.array([2], dtype=np.uint32), np.array([1, 2], dtype=np.uint32)
    held.add("y", RecentWindow(0, 600_000, 120_000), [], {})

    def take(at_s, series):
        held.take(
            [(1_000 * at_s, series, np.ones(len(series)))], lambda unknown: {each: labels[each] for each in unknown}
        )

    take(10, both)
    take(20, ids)
    held.add("x", RecentWindow(15_000, 600_000, 120_000), [(20_000, ids, np.ones(1))], {})
    take(30, both)
    found = held.between("x", 1, 15_000, 40_000)
    assert found is not None
    assert found[0].tolist() == [30_000]
