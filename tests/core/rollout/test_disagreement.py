"""Differences between the answers of both versions: shares, means and quantiles, by slice, without outcomes."""

import numpy as np
import pytest

from core.rollout.difference_sums import DifferenceSums
from core.rollout.slices import Slice, packed
from core.telemetry.predictions import AnswerPair

REGION = Slice(column="region", names=("missing", "EU", "US", "other"), levels=("EU", "US"))
SIZE = Slice(column="size", names=("missing", "below 5", "5 or more"), cuts=(5.0,))


def rows(n=4000):
    """The candidate answers one more on a tenth of the rows, and five more on all rows of US."""
    random = np.random.default_rng(1)
    stable = random.normal(100, 10, n)
    region, size = random.integers(1, 3, n), random.integers(1, 3, n)
    difference = np.where(random.random(n) < 0.1, 1.0, 0.0) + 5.0 * (region == 2)
    pairs = [
        AnswerPair(float(a), float(a + d), packed([int(r), int(s)]))
        for a, d, r, s in zip(stable, difference, region, size, strict=True)
    ]
    return pairs, difference, region


def test_all_rows_come_first_and_then_the_level_that_differs_most():
    pairs, difference, region = rows()
    sums = DifferenceSums((REGION, SIZE), 0.5)
    sums.add(pairs[:1500])
    sums.add(pairs[1500:])
    everything, worst, *others = sums.summary()
    assert (everything.subject, everything.n) == ("all rows", 4000)
    assert everything.share_different == (difference > 0.5).mean()
    assert everything.mean == pytest.approx(difference.mean())
    assert everything.p95 == pytest.approx(np.quantile(difference, 0.95), rel=0.05)
    assert (worst.subject, worst.share_different) == ("region=US", 1.0)
    assert worst.mean == pytest.approx(difference[region == 2].mean())
    assert {each.subject for each in others} == {"region=EU", "size=below 5", "size=5 or more"}


def test_classes_change_where_probabilities_lie_on_different_sides_of_one_half():
    sums = DifferenceSums((), 0.2)
    sums.add([AnswerPair(0.45, 0.55), AnswerPair(0.1, 0.4), AnswerPair(0.9, 0.9)])
    (everything,) = sums.summary()
    assert (everything.n_class_changed, everything.n_different) == (1, 1)


def test_equal_answers_differ_by_nothing():
    sums = DifferenceSums((REGION,), None)
    assert sums.summary() == ()
    sums.add([AnswerPair(3.0, 3.0, None)] * 5)
    (everything,) = sums.summary()
    assert (everything.share_different, everything.mean, everything.p95) == (0.0, 0.0, 0.0)


def test_sums_go_on_from_what_was_stored_and_refuse_what_does_not_fit():
    pairs, _, _ = rows(600)
    whole, first = DifferenceSums((REGION, SIZE), 0.5), DifferenceSums((REGION, SIZE), 0.5)
    whole.add(pairs)
    first.add(pairs[:200])
    second = DifferenceSums((REGION, SIZE), 0.5, first.stored)
    second.add(pairs[200:])
    assert [each.n for each in second.summary()] == [each.n for each in whole.summary()]
    assert second.summary()[0].mean == pytest.approx(whole.summary()[0].mean)
    with pytest.raises(ValueError, match="cannot be read"):
        DifferenceSums((REGION,), 0.5, first.stored)


def test_huge_answers_break_nothing():
    sums = DifferenceSums((), 0.0)
    sums.add([AnswerPair(-1.5e308, 1.5e308), AnswerPair(0.0, 1e-300)])
    (everything,) = sums.summary()
    assert np.isfinite([everything.mean, everything.p95]).all()
