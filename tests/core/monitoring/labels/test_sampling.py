"""Rows drawn for labels, and bounds that hold at every look."""

import numpy as np
import pytest

from core.monitoring.estimation.held_out import HeldOutRows
from core.monitoring.estimation.possible_losses import PossibleLosses, possible_losses
from core.monitoring.labels.reference import HeldOutLoss, held_out_loss
from core.monitoring.labels.sampling import (
    CorrectionEnds,
    correction_ends,
    draw_chances,
    draws,
    is_undecidable,
    labelled_mean,
    mean_of_draws,
    wanted_rows,
)
from core.monitoring.verdicts import PerformanceVerdict
from tests.truth import most_expected

N = 400
FELL, HOLDS, OPEN = PerformanceVerdict.FELL, PerformanceVerdict.HOLDS, PerformanceVerdict.OPEN
exactly = HeldOutLoss.exactly
ANY_ERROR = PossibleLosses(np.zeros(N), None)


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
            found = labelled_mean(expected, chance, losses, held_out=exactly(1.0), possible=ANY_ERROR, seed=k)
            if found.value is not None and not found.low <= loss.mean() <= found.high:
                missed += 1
                break
    truth.at_most(missed / n, most_expected(0.05, n), n=n)


def test_a_changed_relation_is_proved_by_few_labels_and_until_then_the_verdict_is_open():
    rng = np.random.default_rng(7)
    expected, loss = world(rng, wrong=3.0)
    chance, held_out = draw_chances(expected), exactly(float(expected.mean()))
    drawn = draws(chance, 300, seed=1)
    few = labelled_mean(
        expected, chance, {int(row): float(loss[row]) for row in drawn[:25]}, held_out, possible=ANY_ERROR, seed=1
    )
    many = labelled_mean(
        expected, chance, {int(row): float(loss[row]) for row in drawn}, held_out, possible=ANY_ERROR, seed=1
    )
    assert few.n_draws >= 25
    assert few.verdict is PerformanceVerdict.OPEN or few.low > held_out.mean
    assert many.verdict is PerformanceVerdict.FELL
    assert many.n_needed is None


def test_outcomes_after_a_gap_do_not_count():
    expected, loss = world(np.random.default_rng(8))
    chance = draw_chances(expected)
    drawn = draws(chance, 200, seed=2)
    losses = {int(row): float(loss[row]) for row in drawn}
    del losses[int(drawn[3])]
    found = labelled_mean(expected, chance, losses, held_out=exactly(1.0), possible=ANY_ERROR, seed=2)
    assert (found.n_draws, found.value, found.verdict) == (3, None, PerformanceVerdict.OPEN)


def rare_events(seed, base, factor, n=3_000):
    """Draw losses of events that come `factor` times as often as the answers say; return the corrections of 200 draws.

    Returns:
        The mean loss, the mean that was expected, the corrections, and their ends.
    """
    rng = np.random.default_rng([5, seed])
    p = rng.beta(1, 1 / base - 1, n).clip(1e-4, 0.999)
    happened = rng.random(n) < np.clip(p * factor, 0, 0.999)
    event, other = -np.log(p), -np.log1p(-p)
    expected, loss = p * event + (1 - p) * other, np.where(happened, event, other)
    chance = draw_chances(np.sqrt(p * (1 - p)) * np.abs(event - other))
    drawn = draws(chance, 200, seed=seed)
    correction = (loss[drawn] - expected[drawn]) / (n * chance[drawn])
    ends = correction_ends(expected, chance, possible_losses(p, 2))
    return loss.mean(), expected.mean(), correction, ends


@pytest.mark.truth
@pytest.mark.parametrize(("base", "factor"), [(0.01, 1), (0.01, 3), (0.03, 3), (0.1, 1)])
def test_rare_events_that_have_not_come_yet_prove_nothing(base, factor, truth):
    n, missed, wrong = 20 * truth.scale, 0, 0
    for seed in range(n):
        mean, expected, correction, ends = rare_events(seed, base, factor)
        found = [mean_of_draws(correction[:k], expected, exactly(expected), ends) for k in (20, 40, 60, 100, 150, 200)]
        missed += any(not each.low <= mean <= each.high for each in found)
        wrong += any(each.verdict is PerformanceVerdict.HOLDS and mean > 1.1 * expected for each in found)
    assert wrong == 0
    truth.at_most(missed / n, most_expected(0.05, n), n=n)


def test_three_times_the_events_are_proved_where_enough_of_them_come():
    mean, expected, correction, ends = rare_events(1, 0.1, 3)
    found = mean_of_draws(correction, expected, exactly(expected), ends)
    assert found.verdict is PerformanceVerdict.FELL
    assert expected < found.low <= mean <= found.high


def like_held_out(seed, n_held_out, n=2_000):
    """Draw held-out rows and rows of now from one world; return what 400 draws of now prove, and the truth."""
    rng = np.random.default_rng([7, seed])

    def drawn_rows(size):
        p = rng.beta(2, 4, size).clip(0.02, 0.98)
        return p, (rng.random(size) < p).astype(float)

    answer, actual = drawn_rows(n_held_out)
    reference = held_out_loss(HeldOutRows(None, answer, actual, ("no", "yes"), None, None, "", ()))
    p, happened = drawn_rows(n)
    event, other = -np.log(p), -np.log1p(-p)
    expected, loss = p * event + (1 - p) * other, np.where(happened, event, other)
    chance = draw_chances(np.sqrt(p * (1 - p)) * np.abs(event - other))
    drawn = draws(chance, 400, seed=seed)
    correction = (loss[drawn] - expected[drawn]) / (n * chance[drawn])
    ends = correction_ends(expected, chance, possible_losses(p, 2))
    return [
        mean_of_draws(correction[:k], float(expected.mean()), given, ends)
        for given in (reference, exactly(reference.mean))
        for k in (50, 100, 200, 400)
    ]


@pytest.mark.truth
def test_few_held_out_rows_prove_no_fall_where_nothing_has_moved(truth):
    n, verdicts = 40 * truth.scale, []
    for seed in range(n):
        found = [each.verdict is PerformanceVerdict.FELL for each in like_held_out(seed, 60)]
        verdicts.append((any(found[:4]), any(found[4:])))
    fell, fell_if_exact = np.mean(verdicts, axis=0)
    truth.at_most(fell, most_expected(0.05, n), n=n)
    truth.at_least(fell_if_exact, 0.05, n=n)  # an error that is left out is taken for a fall


def test_the_error_of_the_held_out_rows_belongs_to_the_verdict():
    correction, ends = np.tile([0.1, 0.3], 2_000), CorrectionEnds(-1.0, 9.0, is_limited=False)
    found = {
        high: mean_of_draws(correction, 1.0, HeldOutLoss(1.0, 1.0, high), ends).verdict for high in (1.0, 1.1, 1.25)
    }
    assert found == {1.0: FELL, 1.1: FELL, 1.25: OPEN}
    fine = {low: mean_of_draws(correction, 0.8, HeldOutLoss(1.0, low, 1.0), ends).verdict for low in (1.0, 0.85)}
    assert fine == {1.0: HOLDS, 0.85: OPEN}


@pytest.mark.truth
@pytest.mark.parametrize("n_rows", [30, 100])
def test_the_limits_of_the_held_out_loss_hold(n_rows, truth):
    rng, n = np.random.default_rng(3), 200 * truth.scale
    event, number = [], []
    for _ in range(n):
        p = rng.beta(2, 4, n_rows).clip(0.02, 0.98)
        rows = HeldOutRows(None, p, (rng.random(n_rows) < p).astype(float), ("no", "yes"), None, None, "", ())
        event.append(held_out_loss(rows))
        of_group = np.repeat(np.arange(n_rows // 3), 3)[:n_rows]
        error = rng.normal(size=n_rows // 3)[of_group] * rng.choice([0.5, 1.0], len(of_group))
        rows = HeldOutRows(None, np.zeros(len(error)), error, (), None, of_group, "", ())
        number.append(held_out_loss(rows))
    p = rng.beta(2, 4, 400_000).clip(0.02, 0.98)
    mean = float(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean())
    truth.at_most(np.mean([not each.low <= mean <= each.high for each in event]), most_expected(0.07, n), n=n)
    mean = 0.75 * float(np.sqrt(2 / np.pi))
    truth.at_most(np.mean([not each.low <= mean <= each.high for each in number]), most_expected(0.07, n), n=n)


def test_a_held_out_loss_without_a_mistake_or_of_one_group_has_limits():
    every_right = HeldOutRows(
        None, np.tile([0.8, 0.1, 0.1], (40, 1)), np.zeros(40), ("a", "b", "c"), None, None, "", ()
    )
    found = held_out_loss(every_right)
    assert (found.mean, found.low) == (0.0, 0.0)
    assert 0.05 < found.high < 0.15
    one_group = HeldOutRows(None, np.zeros(40), np.ones(40), (), None, np.zeros(40, dtype=np.int64), "", ())
    found = held_out_loss(one_group)
    assert found.in_words == "1 on held-out rows of a single group, which do not tell their error"
    correction, ends = np.tile([4.0, 6.0], 200), CorrectionEnds(-1.0, 9.0, is_limited=False)
    assert mean_of_draws(correction, 1.0, found, ends).verdict is OPEN
    assert is_undecidable(6.0, found)
