"""The course of importances over served time: buckets, errors, and changes that are called so rightly."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from core.explain.deny_list import DenyList
from core.explain.served_sketch import ContributionBasis, ContributionSketch
from core.explain.served_trend import bucket_step, trend_report
from core.explain.trend_moves import compared, ratio_estimate

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(hours=6)
NAMES = tuple(f"c{k}" for k in range(20))
BASIS = ContributionBasis(NAMES, "TreeSHAP", "price", None, "40 rows")


def served(random, *, n_buckets=28, n_rows=2_000, n_explained=60, factor=1.0, restless=0.0, basis=BASIS, first=0):
    """Sketches of a version: rows whose columns move together, traffic by the hour, buckets that differ anyway."""
    found = []
    for place in range(n_buckets):
        n = round(n_rows * (1 + 0.9 * np.sin(np.pi * place / 2)))
        k = min(n_explained, n)
        values = np.exp(0.7 * random.normal(size=(k, 1)) + 0.8 * random.normal(size=(k, len(basis.names))))
        values *= np.exp(restless * random.normal(size=len(basis.names)))
        values *= random.choice([-1.0, 1.0], size=values.shape)
        values[:, 0] *= factor if place >= n_buckets / 2 else 1.0
        found.append((START + (first + place) * STEP, ContributionSketch.of(basis, values, n)))
    return found


def report(sketches, *, n_buckets=28, **options):
    return trend_report(sketches, start=START, end=START + n_buckets * STEP, step=STEP, **options)


def test_a_bucket_has_the_mean_size_over_the_rows_that_it_stands_for():
    one = ContributionSketch.of(ContributionBasis(("a", "b"), "", "", None, ""), np.array([[1.0, -3.0]]), 1)
    other = ContributionSketch.of(one.basis, np.array([[2.0, 1.0], [4.0, 1.0]]), 6)
    found = report({"1.0.0": [(START, one), (START + timedelta(hours=5), other), (START + 3 * STEP, one)]}, n_buckets=5)
    (trend,) = found.trends
    assert [entry.feature for entry in trend.features] == ["a", "b"]
    first = trend.features[0]
    assert first.sizes == pytest.approx((19 / 7, None, None, 1.0, None))
    assert first.importance == pytest.approx(20 / 8)
    assert first.errors[0] == pytest.approx(np.sqrt(36 * (1 - 2 / 6) * 2.0 / 2) / 7)
    assert first.errors[3] == 0.0
    assert [bucket.n_rows for bucket in trend.buckets] == [7, 0, 0, 1, 0]
    assert trend.features[1].mean == pytest.approx((-3 - 3 + 6) / 8)
    assert first.move is None
    assert "Too few buckets" in trend.notes[-1]
    assert (trend.n_rows, trend.n_explained) == (8, 4)


def test_a_change_is_called_one_with_its_direction_and_the_rest_is_not():
    (trend,) = report({"1.0.0": served(np.random.default_rng(3), factor=1.5)}).trends
    moved = {entry.feature: entry.move for entry in trend.features if entry.move.is_change}
    assert list(moved) == ["c0"]
    assert moved["c0"].after / moved["c0"].before == pytest.approx(1.5, abs=0.15)
    assert 0 < moved["c0"].low < moved["c0"].after - moved["c0"].before < moved["c0"].high


@pytest.mark.truth
@pytest.mark.parametrize(
    "case",
    [
        pytest.param({}, id="rows alike in all buckets"),
        pytest.param({"restless": 0.2}, id="buckets that differ anyway"),
        pytest.param({"n_buckets": 8, "n_rows": 40, "n_explained": 20}, id="few buckets of few rows"),
    ],
)
def test_where_nothing_changed_anything_is_called_a_change_in_at_most_one_window_of_twenty(case, truth):
    random, n_windows = np.random.default_rng(11), 150 * truth.scale
    n_false = 0
    for _ in range(n_windows):
        (trend,) = report({"1.0.0": served(random, **case)}, n_buckets=case.get("n_buckets", 28)).trends
        n_false += any(entry.move is not None and entry.move.is_change for entry in trend.features)
    assert n_false / n_windows <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_windows)


def test_an_error_of_rows_alone_would_call_restless_buckets_changes():
    """Why buckets are the units: with rows as units, the same windows are full of changes."""
    random, n_false = np.random.default_rng(5), 0
    for _ in range(20):
        (trend,) = report({"1.0.0": served(random, restless=0.2, n_explained=500)}).trends
        entry = trend.features[0]
        halves = np.array(entry.sizes).reshape(2, -1).mean(axis=1)
        error = np.sqrt((np.array(entry.errors) ** 2).sum() / 14**2)
        n_false += abs(halves[1] - halves[0]) > 3.0 * error
        assert not entry.move.is_change
    assert n_false >= 5


def test_versions_are_compared_by_shares_and_a_new_column_is_a_change():
    random = np.random.default_rng(8)
    wider = ContributionBasis((*NAMES, "new"), "TreeSHAP", "log odds", None, "40 rows")
    found = report(
        {"1.1.0": served(random, n_buckets=14, basis=wider, first=14), "1.0.0": served(random, n_buckets=14)}
    )
    assert [trend.version for trend in found.trends] == ["1.0.0", "1.1.0"]
    (step,) = found.steps
    changed = [entry.feature for entry in step.features if entry.move.is_change]
    assert changed[0] == "new"
    assert step.features[0].before is None
    assert step.features[0].after == pytest.approx(1 / 21, abs=0.01)
    assert found.n_compared == 20 + 21 + 21
    # without the share that the new column takes, nothing moved: each lost about a twentieth of its share
    assert all(entry.after < entry.before + 0.01 for entry in step.features[1:])


def test_versions_that_serve_from_the_same_bucket_on_are_ordered_by_their_numbers():
    random = np.random.default_rng(8)
    found = report({version: served(random) for version in ("1.10.0", "1.9.0")})
    assert [trend.version for trend in found.trends] == ["1.9.0", "1.10.0"]
    assert [(step.before, step.after) for step in found.steps] == [("1.9.0", "1.10.0")]


def test_a_version_of_half_the_window_is_compared_with_itself():
    random = np.random.default_rng(9)
    (trend,) = report({"1.0.0": served(random, n_buckets=14, first=14, factor=4.0)}).trends
    assert trend.features[0].move.is_change


def test_columns_denied_since_are_left_out_and_said():
    (trend,) = report({"1.0.0": served(np.random.default_rng(1))}, denied=DenyList(["c1*"])).trends
    assert len(trend.features) == 9
    assert trend.notes == ("Left out, because denied later: 11 of 20 columns.",)


def test_a_short_window_says_that_a_day_has_a_rhythm():
    sketch = ContributionSketch.of(BASIS, np.ones((2, 20)), 2)
    found = trend_report(
        {"1": [(START, sketch)]}, start=START, end=START + timedelta(hours=1), step=timedelta(minutes=5)
    )
    assert "rhythm of a day" in found.notes[0]
    assert len(found.trends[0].buckets) == 12


@pytest.mark.parametrize(
    ("window", "step", "n"),
    [
        (timedelta(minutes=1), timedelta(minutes=1), 1),
        (timedelta(minutes=33), timedelta(minutes=5), 7),
        (timedelta(days=1), timedelta(hours=1), 24),
        (timedelta(days=7), timedelta(hours=6), 28),
        (timedelta(days=30), timedelta(days=1), 30),
        (timedelta(days=3650), timedelta(days=30), 122),
    ],
)
def test_buckets_are_of_round_lengths(window, step, n):
    assert bucket_step(window) == step
    assert -(-window // step) == n


def test_figures_that_do_not_vary_are_no_change_by_rounding():
    block = np.array([0.1 + 0.2] * 5)
    same = compared(ratio_estimate(block, np.ones(5)), ratio_estimate(np.array([0.3] * 5), np.ones(5)), 0.999)
    assert not same.is_change
    twice = compared(ratio_estimate(block, np.ones(5)), ratio_estimate(2 * block, np.ones(5)), 0.999)
    assert twice.is_change


def test_one_bucket_that_weighs_more_than_all_others_counts_as_few():
    heavy = ratio_estimate(np.ones(8), np.array([1e6, *[1.0] * 7]))
    assert heavy.n_blocks == pytest.approx(1.0, abs=0.01)
    assert compared(heavy, heavy, 0.975) is None
    assert compared(ratio_estimate(np.zeros(0), np.zeros(0)), heavy, 0.975) is None
