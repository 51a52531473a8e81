"""Rows that depend on each other, long tails, unknown weekdays: no verdict without drift."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from core.arrays import FloatArray
from core.monitoring.coarse_cells import cell_codes
from core.monitoring.profiling import kinds_of, profile_columns, profile_of, time_of
from core.monitoring.sequential import BinnedMinute, SequentialDrift, Streams
from core.monitoring.sequential.alike_minute import alike_rows
from core.monitoring.sequential.effects import is_beyond_harmless
from core.monitoring.sequential.layout import ColumnLayout, MinuteCounts
from core.monitoring.sequential.scores import Aspect
from core.monitoring.verdicts import DriftVerdict
from tests.core.monitoring.sequential.populations import FEATURE, MONDAY

INCOME = (FEATURE, "income")
Draw = Callable[[np.random.Generator, int], FloatArray]


def one_request(rng: np.random.Generator, minute: int) -> FloatArray:
    """Draw eight equal rows."""
    return np.repeat(rng.normal(size=1), 8)


def one_large_request(rng: np.random.Generator, minute: int) -> FloatArray:
    """Draw a hundred equal rows."""
    return np.repeat(rng.normal(size=1), 100)


def own_caller(rng: np.random.Generator, minute: int) -> FloatArray:
    """Draw the rows of a caller of its own for each minute."""
    return np.sqrt(1 - 0.3**2) * rng.normal(size=50) + 0.3 * rng.normal()


class Wandering:
    """Draws rows whose mean wanders from minute to minute."""

    def __init__(self) -> None:
        self._mean = 0.0

    def __call__(self, rng: np.random.Generator, minute: int) -> FloatArray:
        self._mean = 0.5 * self._mean + np.sqrt(1 - 0.5**2) * rng.normal()
        return np.asarray(np.sqrt(1 - 0.3**2) * rng.normal(size=50) + 0.3 * self._mean)


def batch(rng: np.random.Generator, minute: int) -> FloatArray:
    """Draw a large batch with a mean of its own every six hours."""
    return rng.normal(size=5_000) + 0.3 * rng.normal() if minute % 360 == 0 else np.zeros(0)


def now_and_then_many(rng: np.random.Generator, minute: int) -> FloatArray:
    """Draw the rows of a caller of its own for each minute, sometimes 250 times as many."""
    n = 20 if rng.random() < 0.95 else 5_000
    return np.asarray(np.sqrt(1 - 0.3**2) * rng.normal(size=n) + 0.3 * rng.normal())


def a_hundred_times_as_many(rng: np.random.Generator, minute: int) -> FloatArray:
    """Draw the rows of a caller of its own for each minute, after two hours a hundred times as many."""
    n = 50 if minute < 120 else 5_000
    return np.asarray(np.sqrt(1 - 0.3**2) * rng.normal(size=n) + 0.3 * rng.normal())


def observe(drift: SequentialDrift, draw: Draw, rng: np.random.Generator, minutes: range) -> None:
    layout = drift.streams.layouts[INCOME]
    for minute in minutes:
        values = draw(rng, minute)
        if len(values):
            cells = np.bincount(layout.cells.codes(values), minlength=layout.missing)
            drift.observe([BinnedMinute(MONDAY + timedelta(minutes=minute), {INCOME: layout.counts(cells, 0, 0)})])


@pytest.mark.parametrize(
    ("draw", "n_minutes"),
    [
        pytest.param(one_request, 600, id="one request of equal rows a minute"),
        pytest.param(one_large_request, 600, id="one large request of equal rows a minute"),
        pytest.param(own_caller, 600, id="each minute its own caller"),
        pytest.param(Wandering(), 600, id="minutes that depend on each other"),
        pytest.param(batch, 15 * 1440, id="large batches"),
        pytest.param(now_and_then_many, 180, id="minutes of a caller who sends many rows"),
        pytest.param(a_hundred_times_as_many, 180, id="callers who send more than before"),
    ],
)
def test_dependent_rows_alone_are_not_drift(streams, draw, n_minutes):
    for seed in range(2):
        drift = SequentialDrift(streams)
        rng = np.random.default_rng([21, seed])
        for hour in range(0, n_minutes, 60):
            observe(drift, draw, rng, range(hour, hour + 60))
            assert not drift.state.findings


def test_a_burst_of_rows_does_not_make_a_beginner_of_a_version(streams):
    drift, rng = SequentialDrift(streams), np.random.default_rng(28)
    observe(drift, lambda rng, _: rng.normal(size=20), rng, range(120))
    before = drift.design_effect(INCOME)
    observe(drift, lambda rng, _: rng.normal(size=30_000), rng, range(120, 123))
    observe(drift, lambda rng, _: rng.normal(size=20), rng, range(123, 135))
    after = drift.design_effect(INCOME)
    observe(drift, lambda rng, _: rng.normal(size=20) + 1.0, rng, range(135, 150))

    assert after <= 1.5 * before
    assert drift.state.findings


def test_a_small_move_is_found_within_1500_rows(streams):
    drift = SequentialDrift(streams)
    rng = np.random.default_rng(22)
    observe(drift, lambda rng, _: rng.normal(size=10), rng, range(1440))
    assert not drift.state.findings
    observe(drift, lambda rng, _: rng.normal(size=10) + 0.3, rng, range(1440, 1590))

    assert drift.state.findings


def test_the_interval_of_a_small_move_holds_its_beginning_though_evidence_rises_late(streams):
    rng = np.random.default_rng(27)
    layout = streams.layouts[INCOME]
    drift, history, began = SequentialDrift(streams), [], 600
    for minute in range(1_200):
        values = rng.normal(size=10) + 0.3 * (minute >= began)
        cells = np.bincount(layout.cells.codes(values), minlength=layout.missing)
        history.append(BinnedMinute(MONDAY + timedelta(minutes=minute), {INCOME: layout.counts(cells, 0, 0)}))
        drift.observe(history[-1:])
        if drift.state.findings:
            break
    since = drift.history_from
    assert since is not None
    assert since <= MONDAY + timedelta(minutes=began - 60)
    drift.date_findings([each for each in history if each.at >= since])
    [finding] = drift.state.findings.values()
    assert finding.changed_from <= MONDAY + timedelta(minutes=began) <= finding.changed_until


@pytest.fixture(scope="module")
def wide():
    """The bets on twelve columns of numbers whose hours are known."""
    rng = np.random.default_rng(31)
    times = pd.DatetimeIndex(pd.Timestamp("2026-01-05") + pd.to_timedelta(rng.integers(0, 28 * 1440, 5_000), "min"))
    return profiled(pd.DataFrame(rng.normal(size=(5_000, 12)), columns=[f"x{k}" for k in range(12)]), times)


def minutes_until_found(wide: Streams, seed: int, moved: FloatArray, n_minutes: int) -> int | None:
    """Return the minutes from a move of the columns until something is found, if it is."""
    drift, rng = SequentialDrift(wide), np.random.default_rng([32, seed])
    for minute in range(60 + n_minutes):
        values = rng.normal(size=(100, 12)) + moved * (minute >= 60)
        counts = {
            layout.key: layout.counts(np.bincount(layout.cells.codes(column), minlength=layout.missing), 0, 0)
            for layout, column in zip(wide.columns, values.T, strict=True)
        }
        drift.observe([BinnedMinute(MONDAY + timedelta(minutes=minute), counts)])
        if drift.state.findings:
            return minute - 59
    return None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_minutes", [2, 5, 15])
def test_minutes_that_one_caller_fills_are_not_drift(wide, seed, n_minutes):
    level = np.random.default_rng([33, seed]).normal(size=12)

    assert minutes_until_found(wide, seed, level, n_minutes) is None


@pytest.mark.parametrize("seed", range(5))
def test_callers_who_send_the_same_rows_again_are_not_drift(wide, seed):
    drift, rng = SequentialDrift(wide), np.random.default_rng([35, seed])
    for minute in range(40):
        if minute % 20 == 0:  # 30 callers, then 30 others
            values = np.repeat(rng.normal(size=(30, 12)), 10, axis=0)
        counts = {
            layout.key: layout.counts(np.bincount(layout.cells.codes(column), minlength=layout.missing), 0, 0)
            for layout, column in zip(wide.columns, values.T, strict=True)
        }
        drift.observe([BinnedMinute(MONDAY + timedelta(minutes=minute), counts)])

        assert not drift.state.findings


@pytest.mark.parametrize(
    ("n_moved", "most"),
    [
        pytest.param(1, 2, id="one column: as soon as ever"),
        pytest.param(12, 24, id="all columns: the first 20 minutes could be one caller's"),
    ],
)
def test_a_move_for_good_is_found_soon(wide, n_moved, most):
    moved = 1.5 * (np.arange(12) < n_moved)

    assert all(minutes_until_found(wide, seed, moved, 30) <= most for seed in range(3))


def test_the_rows_of_a_minute_are_as_alike_as_most_columns_show_it():
    rng = np.random.default_rng(34)
    n = np.full(25, 100.0)
    before = (n, rng.normal(size=25) * 10)
    alike = [alike_rows((n, (rng.normal(size=25) + 5 * rng.normal(size=25)) * 10), before, n / n) for _ in range(400)]
    single = [alike_rows((n, rng.normal(size=25) * 10), (n, rng.normal(size=25) * 10), n / n) for _ in range(4_000)]
    drifted = [alike_rows((n, rng.normal(size=25) * 10 + 1_000 * (np.arange(25) < 4)), before, n / n)]

    assert np.median(alike) == pytest.approx(26, rel=0.15)  # 1 + 5 squared
    assert np.mean(np.array(single) > 1) <= 0.002
    assert drifted == [1.0]


def long_tailed(rng: np.random.Generator, n: int) -> "pd.DataFrame":
    """Draw five frequent levels and 300 rare ones."""
    is_big = rng.random(n) < 0.6
    big = "big" + pd.Series(rng.integers(0, 5, n)).astype(str)
    return pd.DataFrame({"issuer": np.where(is_big, big, "s" + pd.Series(rng.integers(0, 300, n)).astype(str))})


def even(rng: np.random.Generator, n: int) -> "pd.DataFrame":
    """Draw 50 levels that are equally frequent: the most frequent of the reference are so by chance."""
    return pd.DataFrame({"issuer": "s" + pd.Series(rng.integers(0, 50, n)).astype(str)})


def layout_counts(layout: ColumnLayout, frame: "pd.DataFrame") -> MinuteCounts:
    return {
        layout.key: layout.counts(
            np.bincount(cell_codes(layout.cells, frame.iloc[:, 0]), minlength=layout.missing), 0, 0
        )
    }


def profiled(frame: "pd.DataFrame", times: "pd.DatetimeIndex | None" = None) -> Streams:
    if times is not None:
        frame = frame.assign(at=times)
    kinds = kinds_of(frame)
    columns = profile_columns(frame, kinds, None, time_of(kinds))
    found = profile_of(columns, features=tuple(kinds), target=None, group=None, held_out=None, time=time_of(kinds))
    return Streams(found)


@pytest.mark.parametrize("draw", [long_tailed, even])
@pytest.mark.parametrize("n_reference", [500, 1_000])
def test_rare_levels_that_the_reference_happened_to_see_are_not_drift(draw, n_reference):
    rng = np.random.default_rng([23, n_reference])
    times = pd.DatetimeIndex(
        pd.Timestamp("2026-01-05") + pd.to_timedelta(rng.integers(0, 28 * 1440, n_reference), "min")
    )
    streams = profiled(draw(rng, n_reference), times)
    drift = SequentialDrift(streams)
    [layout] = streams.columns
    for quarter in range(150):
        drift.observe([BinnedMinute(MONDAY + timedelta(minutes=15 * quarter), layout_counts(layout, draw(rng, 60)))])

    assert not drift.state.findings


def test_a_weekend_that_the_reference_does_not_have_is_not_an_alarm():
    rng = np.random.default_rng(24)
    times = pd.DatetimeIndex(pd.Timestamp("2026-01-05") + pd.to_timedelta(rng.integers(0, 42 * 1440, 7_000), "min"))
    times = times[times.day_of_week < 5]
    streams = profiled(pd.DataFrame({"income": rng.normal(size=len(times))}), times)
    drift = SequentialDrift(streams)

    def draw(rng: np.random.Generator, minute: int) -> FloatArray:
        is_weekend = (MONDAY + timedelta(minutes=minute)).weekday() >= 5
        return rng.normal(size=50) + 0.3 * is_weekend if minute % 10 == 0 else np.zeros(0)

    for day in range(14):
        observe(drift, draw, rng, range(1440 * day, 1440 * (day + 1)))
        drift.judge_findings()
        assert all(found.verdict is not DriftVerdict.ALARM for found in drift.state.findings.values())


def test_a_share_of_empty_cells_three_times_as_large_is_beyond_harmless():
    rng = np.random.default_rng(25)
    values = np.where(rng.random(5_000) < 0.02, np.nan, rng.normal(size=5_000))
    [layout] = profiled(pd.DataFrame({"income": values})).columns
    rows = np.zeros(layout.width, dtype=np.int64)
    rows[: layout.n_values], rows[layout.missing] = 3_000 // layout.n_values, 190

    assert is_beyond_harmless(layout, rows, Aspect.MISSING, 1.0, 0.1)


def test_a_new_level_in_three_rows_of_a_hundred_is_beyond_harmless():
    rng = np.random.default_rng(26)
    [layout] = profiled(pd.DataFrame({"grade": rng.choice(list("abcd"), 5_000)})).columns
    rows = np.array([700, 700, 700, 700, 90, 0, 0])

    assert is_beyond_harmless(layout, rows[: layout.width], Aspect.UNSEEN, 1.0, 0.1)
