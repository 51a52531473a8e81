"""Limits known from elsewhere, and cases at the edge."""

import numpy as np
import pytest
from scipy import stats

from core import intervals
from core.models.ranking import auc, average_precision


@pytest.mark.parametrize(
    ("n_held", "n", "low", "high"),
    [
        pytest.param(0, 10, 0.0, 0.2834, id="none of ten"),
        pytest.param(1, 10, 0.0051, 0.4459, id="one of ten"),
        pytest.param(19, 20, 0.7640, 0.9974, id="all but one"),
    ],
)
def test_the_limits_of_a_share_are_inside_those_of_clopper_and_pearson(n_held, n, low, high):
    found = intervals.share_interval(np.arange(n) < n_held, np.arange(n))
    exact = stats.binomtest(n_held, n).proportion_ci(method="exact")

    assert found == pytest.approx((low, high), abs=3e-3)
    assert exact.low - 1e-9 <= found.low < found.high <= exact.high + 1e-9


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 50])
def test_a_share_is_covered_at_its_level_whatever_it_is(n):
    limits = [intervals.share_interval(np.arange(n) < k, np.arange(n)) for k in range(n + 1)]
    for share in np.linspace(0.01, 0.99, 99):
        chance = stats.binom.pmf(np.arange(n + 1), n, share)
        assert sum(p for p, (low, high) in zip(chance, limits, strict=True) if low <= share <= high) >= 0.95


def test_the_influence_of_rows_is_the_change_per_weight():
    rng = np.random.default_rng(1)
    happened, score = (rng.random(60) < 0.4).astype(float), rng.integers(0, 12, 60).astype(float)  # with ties
    for of_rows, metric in (
        (intervals.auc_influence, auc),
        (intervals.average_precision_influence, average_precision),
    ):
        value, influence = of_rows(happened, score)
        assert value == pytest.approx(metric(happened, score))
        assert influence.sum() == pytest.approx(0, abs=1e-12)
        if metric is average_precision:
            for row in (0, 17, 42):
                weight = np.ones(60)
                weight[row] += 1e-6
                change = (metric(happened, score, weight) - value) / 1e-6
                assert influence[row] == pytest.approx(change, rel=1e-3, abs=1e-6)


def test_groups_of_one_row_are_rows():
    rng = np.random.default_rng(2)
    loss, names = rng.exponential(size=40), np.array([f"issuer {k}" for k in range(40)])

    assert intervals.mean_interval(loss, names, reference=1.0) == pytest.approx(
        intervals.mean_interval(loss, np.arange(40), reference=1.0)
    )


def test_repeated_rows_of_a_group_are_no_further_evidence():
    rng = np.random.default_rng(3)
    happened, score = np.arange(40) % 2.0, rng.normal(size=40) + np.arange(40) % 2
    once, five = np.arange(40), np.repeat(np.arange(40), 5)
    for measure, arguments in (
        (intervals.share_interval, (score > 0.5,)),
        (intervals.auc_interval, (happened, score)),
        (intervals.average_precision_interval, (happened, score)),
        (intervals.difference_interval, (score,)),
    ):
        alone = measure(*arguments, once)
        copied = measure(*(np.repeat(argument, 5) for argument in arguments), five)
        assert copied.high - copied.low > 0.85 * (alone.high - alone.low)


@pytest.mark.parametrize("n", [2, 3, 20, 1000])
def test_losses_that_do_not_vary_are_bounded_by_what_cannot_be_excluded(n):
    none = intervals.mean_interval(np.zeros(n), np.arange(n), reference=2.0)
    same = intervals.mean_interval(np.ones(n), np.arange(n), reference=2.0)

    assert none == pytest.approx((0.0, 2.0 * (1 - 0.05 ** (1 / n))))
    assert same.low < 1.0 < same.high


def test_a_single_loss_among_zeros_has_an_interval():
    loss = np.zeros(30)
    loss[4] = 3.0

    low, high = intervals.mean_interval(loss, np.arange(30), reference=1.0)
    assert 0.0 <= low < 0.1 < high
    low, high = intervals.ratio_interval(loss, np.ones(30), np.arange(30))
    assert 0.0 <= low < 0.1 < high


def test_there_is_no_interval_without_a_second_unit():
    one = np.zeros(12)
    values = np.arange(12.0)

    assert intervals.share_interval(values > 3, one) is None
    assert intervals.mean_interval(values, one, reference=1.0) is None
    assert intervals.ratio_interval(values, values, one) is None
    assert intervals.unexplained_interval(values, values, one) is None
    assert intervals.difference_interval(values, one) is None
    assert intervals.auc_interval(values % 2, values, one) is None
    assert intervals.average_precision_interval(values % 2, values, one) is None


def test_differences_that_are_all_equal_have_no_interval():
    assert intervals.difference_interval(np.full(20, 0.25), np.arange(20)) is None


def test_a_million_rows_have_a_narrow_interval_around_the_value():
    rng = np.random.default_rng(5)
    happened = (rng.random(300_000) < 0.1).astype(float)
    score = rng.normal(size=300_000) + happened
    low, high = intervals.auc_interval(happened, score, np.arange(300_000))

    assert low < auc(happened, score) < high
    assert high - low < 0.01


def test_an_auc_of_one_is_not_sure():
    happened = np.repeat([0.0, 1.0], [18, 2])
    low, high = intervals.auc_interval(happened, np.arange(20.0), np.arange(20))

    assert high == 1.0
    assert 0.3 < low < 0.6  # two events prove little
    low, _ = intervals.auc_interval(np.repeat([0.0, 1.0], 50), np.arange(100.0), np.arange(100))
    assert low > 0.94
