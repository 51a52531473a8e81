"""Rows drawn for labels, and bounds that hold at every look."""

import numpy as np
import pytest

from core.monitoring.labels.sampling import draw_chances, draws, labelled_mean, wanted_rows
from core.monitoring.verdicts import PerformanceVerdict
from tests.truth import most_expected

N = 400


def world(rng, *, wrong=1.0):
    """Draw expected losses, and losses that are larger by a factor that nobody expected."""
    expected = np.exp(rng.normal(size=N))
    return expected, wrong * expected * rng.exponential(size=N)


def test_more_draws_begin_with_the_same_rows_and_no_row_is_wanted_twice():
    chance = draw_chances(np.arange(1.0, 51.0))
    assert draws(chance, 30, seed=4)[:10].tolist() == draws(chance, 10, seed=4).tolist()
    few, many = (wanted_rows(chance, n, seed=4).tolist() for n in (10, 30))
    assert many[:10] == few
    assert len(set(many)) == 30
    assert sorted(wanted_rows(chance, 99, seed=4)) == list(range(50))


@pytest.mark.truth
def test_looking_after_every_label_misses_the_mean_in_at_most_one_of_twenty(truth):
    rng, n, missed = np.random.default_rng(6), 60 * truth.scale, 0
    for k in range(n):
        expected, loss = world(rng, wrong=(1.0, 1.6)[k % 2])
        chance = draw_chances(expected)
        drawn = draws(chance, 120, seed=k)
        for stop in range(20, 121, 4):
            losses = {int(row): float(loss[row]) for row in drawn[:stop]}
            found = labelled_mean(expected, chance, losses, held_out=1.0, seed=k)
            if found.value is not None and not found.low <= loss.mean() <= found.high:
                missed += 1
                break
    truth.at_most(missed / n, most_expected(0.05, n), n=n)


def test_a_changed_relation_is_proved_by_few_labels_and_until_then_the_verdict_is_open():
    rng = np.random.default_rng(7)
    expected, loss = world(rng, wrong=3.0)
    chance, held_out = draw_chances(expected), float(expected.mean())
    drawn = draws(chance, 300, seed=1)
    few = labelled_mean(expected, chance, {int(row): float(loss[row]) for row in drawn[:25]}, held_out, seed=1)
    many = labelled_mean(expected, chance, {int(row): float(loss[row]) for row in drawn}, held_out, seed=1)
    assert few.n_draws >= 25
    assert few.verdict is PerformanceVerdict.OPEN or few.low > held_out
    assert many.verdict is PerformanceVerdict.FELL
    assert many.n_needed is None


def test_outcomes_after_a_gap_do_not_count():
    expected, loss = world(np.random.default_rng(8))
    chance = draw_chances(expected)
    drawn = draws(chance, 200, seed=2)
    losses = {int(row): float(loss[row]) for row in drawn}
    del losses[int(drawn[3])]
    found = labelled_mean(expected, chance, losses, held_out=1.0, seed=2)
    assert (found.n_draws, found.value, found.verdict) == (3, None, PerformanceVerdict.OPEN)
