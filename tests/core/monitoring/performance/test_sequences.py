"""Intervals that are looked at after every outcome miss the truth, at any look, as seldom as they say."""

import numpy as np
import pytest

from core.intervals import Interval
from core.monitoring.performance.metrics import auc_of_bins
from core.monitoring.performance.sequences import (
    Moments,
    figure_sequence,
    mean_sequence,
    rows_to_settle,
    share_sequence,
)

LOOKS = np.unique(np.concatenate((np.arange(20, 200, 4), np.geomspace(200, 10_000, 40)))).astype(int)
LEVEL = 0.05


def log_losses(rng, n, a, b):
    p = rng.beta(a, b, n)
    return -np.log(np.clip(np.where(rng.random(n) < p, p, 1 - p), 1e-6, 1))


def briers(rng, n):
    p = rng.beta(0.3, 30, n)
    return np.square((rng.random(n) < p) - p)


# A draw, and the largest loss there can be: None of unbounded losses, where the largest seen counts.
LOSSES = {
    "squared errors": (lambda rng, n: np.square(rng.normal(size=n)), None),
    "absolute errors with heavy tails": (lambda rng, n: np.abs(rng.standard_t(4, n)), None),
    "squares of lognormal errors": (lambda rng, n: np.exp(2.4 * rng.normal(size=n)), None),
    "log losses": (lambda rng, n: log_losses(rng, n, 1, 8), 13.8156),
    "log losses of rare events": (lambda rng, n: log_losses(rng, n, 0.3, 30), 13.8156),
    "Brier scores of rare events": (briers, 1.0),
}


def misses_at_any_look(losses, truth, most):
    total, squares = np.cumsum(losses), np.cumsum(np.square(losses))
    largest = np.maximum.accumulate(losses)
    for n in LOOKS:
        mean = total[n - 1] / n
        variance = max(squares[n - 1] / n - mean * mean, 0.0) * n / (n - 1)
        above = most or largest[n - 1]
        found = mean_sequence(Moments(mean, variance, n, 2 * mean, above, is_above_seen=most is None), LEVEL)
        if found is not None and not found.low <= truth <= found.high:
            return True
    return False


@pytest.mark.truth
@pytest.mark.parametrize("name", LOSSES)
def test_a_mean_loss_watched_at_every_look_is_missed_as_seldom_as_promised(name, truth):
    draw, most = LOSSES[name]
    mean = float(np.mean(draw(np.random.default_rng(0), 4_000_000)))
    rng, n = np.random.default_rng(1), 60 * truth.scale
    missed = sum(misses_at_any_look(draw(rng, LOOKS[-1]), mean, most) for _ in range(n))
    assert missed <= np.ceil(LEVEL * n) + 2 * np.sqrt(LEVEL * n)


@pytest.mark.truth
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_a_share_watched_at_every_look_is_missed_as_seldom_as_promised(share, truth):
    rng, n, missed = np.random.default_rng(2), 100 * truth.scale, 0
    for _ in range(n):
        hits = np.cumsum(rng.random(LOOKS[-1]) < share)
        for k in (1, 2, 5, *LOOKS):
            found = share_sequence(hits[k - 1], k, LEVEL)
            if not found.low <= share <= found.high:
                missed += 1
                break
    assert missed <= np.ceil(LEVEL * n) + 2 * np.sqrt(LEVEL * n)


@pytest.mark.truth
def test_an_auc_watched_at_every_look_is_missed_as_seldom_as_promised(truth):
    rng, n, missed = np.random.default_rng(3), 60 * truth.scale, 0
    edges = np.linspace(-4, 5, 199)
    auc = 0.7602499389  # of normal scores one standard deviation apart: the normal distribution at 1/sqrt(2)
    for _ in range(n):
        happened = rng.random(4_000) < 0.2
        bins = np.searchsorted(edges, rng.normal(size=4_000) + happened)
        for k in LOOKS[(LOOKS > 60) & (LOOKS <= 4_000)]:
            others = np.bincount(bins[:k][~happened[:k]], minlength=200)
            events = np.bincount(bins[:k][happened[:k]], minlength=200)
            found = auc_of_bins(others, events, level=LEVEL)
            if (
                found is not None
                and found.interval is not None
                and not found.interval.low <= auc <= found.interval.high
            ):
                missed += 1
                break
    assert missed <= np.ceil(LEVEL * n) + 2 * np.sqrt(LEVEL * n)


def test_an_interval_of_fixed_size_would_have_missed_far_more_often():
    rng, n, missed = np.random.default_rng(4), 100, 0
    for _ in range(n):
        total = np.cumsum(rng.normal(size=10_000))
        missed += bool(np.any(np.abs(total[LOOKS - 1]) > 1.96 * np.sqrt(LOOKS)))
    assert missed > 4 * LEVEL * n


def test_sequences_narrow_with_rows_and_widen_with_dependence():
    of = Moments(1.0, 2.0, 1_000, 2.0, 8.0)
    alone, more = mean_sequence(of), mean_sequence(of._replace(n=100_000))
    assert alone.low < more.low < 1.0 < more.high < alone.high
    assert mean_sequence(of, design_effect=10) == pytest.approx(mean_sequence(of._replace(n=100)))
    assert share_sequence(900, 1_000, design_effect=10) == pytest.approx(share_sequence(90, 100))
    assert figure_sequence(0.8, 0.1, 1_000, design_effect=10) == pytest.approx(figure_sequence(0.8, 0.1, 100))


def test_too_few_rows_have_no_sequence_of_a_mean_and_every_share_has_one():
    assert mean_sequence(Moments(1.0, 1.0, 19, 1.0, 1.0)) is None
    assert figure_sequence(1.0, 1.0, 19) is None
    assert share_sequence(0, 0) is None
    assert share_sequence(1, 1) == Interval(pytest.approx(0.025, abs=1e-4), 1.0)


def test_the_rows_that_settle_a_question_settle_it():
    of = Moments(1.0, 2.0, 100, 2.0, 8.0)
    needed = rows_to_settle(of, 0.9, LEVEL)
    assert mean_sequence(of._replace(n=needed), LEVEL).low > 0.9
    assert mean_sequence(of._replace(n=int(needed * 0.98)), LEVEL).low < 0.9
    assert rows_to_settle(of, 1.0, LEVEL) is None
