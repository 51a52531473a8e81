"""What one evaluation may read, and how long it may take."""

import threading

import numpy as np
import pytest

from core.promql import (
    EvaluationBudget,
    EvaluationLimits,
    EvaluationStoppedError,
    Expression,
    PromqlError,
    SeriesInMemory,
    SeriesSamples,
)
from core.promql import plan as plan_module
from core.promql import windows as windows_module

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
NOW = 40 * DAY


def series(n_series=1, n_samples=100, step=MINUTE):
    """Return series that end now."""
    at_ms = NOW - step * np.arange(n_samples, dtype=np.int64)[::-1]
    return SeriesInMemory(
        SeriesSamples((("__name__", "a"), ("n", str(n))), at_ms, np.arange(n_samples) * (n + 1.0))
        for n in range(n_series)
    )


class SteppingClock:
    """Seconds that pass with each look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("sum_over_time(a[2h])", id="a range"),
        pytest.param("sum_over_time(sum(a)[2h:1s])", id="a subquery"),
        pytest.param("absent_over_time(vector(1)[2h:1s])", id="a subquery that must be there"),
        pytest.param("sum_over_time(sum_over_time(sum(a)[10m:1m])[40m:1m])", id="windows of windows"),
    ],
)
def test_an_expression_that_needs_too_many_samples_is_refused(text):
    with pytest.raises(PromqlError, match="more than 300 samples"):
        Expression.parse(text).at(series(n_series=20), NOW, EvaluationLimits(max_samples=300).begin())


def test_each_instant_of_a_range_may_look_at_as_many_samples():
    expression = Expression.parse("sum_over_time(a[1h])")
    limits = EvaluationLimits(max_samples=400)
    (found,) = expression.over(series(), NOW - 50 * MINUTE, NOW, MINUTE, limits.begin())  # 51 windows of up to 60
    assert found.at_ms.size == 51


def test_a_long_range_is_counted_before_all_of_it_is_read():
    class Counting(SeriesInMemory):
        n_selects = 0

        def select(self, matchers, from_ms, to_ms):
            self.n_selects += 1
            return super().select(matchers, from_ms, to_ms)

    source = Counting([SeriesSamples((("__name__", "a"),), NOW - DAY * np.arange(40)[::-1] + 1, np.ones(40))])
    with pytest.raises(PromqlError, match="more than 5 samples"):
        Expression.parse("sum_over_time(a[40d])").at(source, NOW + 1, EvaluationLimits(max_samples=5).begin())
    assert source.n_selects < 40
    for text in ("count_over_time(a[40d])", "count_over_time(a[30y])"):
        (found,) = Expression.parse(text).at(source, NOW + 1)
        assert found.value == 40


def test_an_evaluation_ends_when_its_time_is_over():
    budget = EvaluationBudget(EvaluationLimits(seconds=3), SteppingClock())
    with pytest.raises(PromqlError, match="given up after 3 s"):
        Expression.parse("a + a + a + a + a + a").at(series(), NOW, budget)


@pytest.mark.parametrize("text", ["topk(1, a)", "count_values('v', a)", "quantile(0.5, a)", "a * on (n) a", "-a"])
def test_an_evaluation_ends_when_it_is_stopped(text):
    stop = threading.Event()

    class Stopping(SeriesInMemory):
        def select(self, matchers, from_ms, to_ms):
            stop.set()
            return super().select(matchers, from_ms, to_ms)

    source = Stopping([SeriesSamples((("__name__", "a"),), np.array([NOW]), np.ones(1))])
    with pytest.raises(EvaluationStoppedError):
        Expression.parse(text).at(source, NOW, EvaluationLimits(stop=stop).begin())


@pytest.mark.parametrize("at_once", [1, 7, 100, 1000])
@pytest.mark.parametrize("function", ["sum_over_time", "rate", "changes", "stddev_over_time", "last_over_time"])
def test_windows_in_portions_are_the_windows_at_once(monkeypatch, function, at_once):
    expression = Expression.parse(f"{function}(a[5m])")
    source, span = series(n_series=5, n_samples=30), (NOW - 40 * MINUTE, NOW + 10 * MINUTE, MINUTE)
    whole = expression.over(source, *span)
    monkeypatch.setattr(windows_module, "MAXIMUM_SAMPLES_AT_ONCE", at_once)
    parts = expression.over(source, *span)
    assert [one.labels for one in parts] == [one.labels for one in whole]
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(one.at_ms, other.at_ms)
        np.testing.assert_allclose(one.values, other.values)


@pytest.mark.parametrize("at_once", [1, 7, 60])
@pytest.mark.parametrize(
    "text",
    [
        "sum_over_time(rate(a[5m])[1h:1m])",
        "max_over_time((a > 20)[30m:15s] offset 5m)",
        "count_over_time(topk(1, a)[1h:1m])",
        "absent_over_time((a > 1e9)[1h:1m])",
        "avg_over_time(max_over_time(a[5m:1m])[1h:5m])",
    ],
)
def test_a_subquery_in_portions_is_the_subquery_at_once(monkeypatch, text, at_once):
    expression, source = Expression.parse(text), series(n_series=5, n_samples=60)
    whole = expression.over(source, NOW - 10 * MINUTE, NOW, 5 * MINUTE)
    monkeypatch.setattr(plan_module, "STEPS_AT_ONCE", at_once)
    parts = expression.over(source, NOW - 10 * MINUTE, NOW, 5 * MINUTE)
    assert {one.labels: one.values.tolist() for one in parts} == {one.labels: one.values.tolist() for one in whole}
    assert whole


def test_a_range_whose_keys_would_overflow_is_refused():
    spread = [SeriesSamples((("__name__", "a"), ("n", str(n))), np.array([0, 2**61]), np.ones(2)) for n in range(10)]
    with pytest.raises(PromqlError, match="too long for 10 series"):
        windows_module.FlatSeries(spread)
