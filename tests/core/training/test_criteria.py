"""Where a session stands before its end, and the epoch at which each criterion could end it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.settings import TrainingSettings
from core.training.convergence import EndReason, judge
from core.training.criteria import criteria
from core.training.scores import EpochScore, EpochScores

SETTINGS = TrainingSettings(max_epochs=1000, patience=3, convergence_threshold=0.01, quality_threshold=0.9)
PERFECT = EpochScore(None, 1.0)  # a draw with nothing to improve: perfect data, no better score


def standing(*epochs: tuple[float | None, float]):
    return {each.name: each for each in criteria(EpochScores(EpochScore(*epoch) for epoch in epochs), SETTINGS)}


def test_every_criterion_names_its_figure_its_limit_and_its_earliest_epoch():
    now = standing((0.8, 1.0), (0.9, 0.95), (0.905, 0.95))

    assert now["improvement"].value == pytest.approx(0.005)
    assert (now["improvement"].is_met, now["improvement"].limit) == (True, 0.01)
    assert (now["patience"].value, now["patience"].limit, now["patience"].at_epoch) == (1, 3, 5)
    assert (now["plateau"].value, now["plateau"].limit, now["plateau"].at_epoch) == (1, 6, 8)
    assert (now["quality"].is_met, now["quality"].at_epoch) == (True, 3)


def test_an_improvement_starts_the_wait_again():
    now = standing((0.8, 1.0), (0.9, 1.0))

    assert not now["improvement"].is_met
    assert now["improvement"].at_epoch == 3
    assert now["improvement"].text == "improvement +0.1000 in the newest epoch, and 0.01 counts: earliest epoch 3"
    assert now["patience"].at_epoch == 5


def test_poor_data_hold_the_session_until_enough_good_draws_have_come():
    now = standing((0.9, 0.5), (0.9, 0.5), (0.9, 0.5), (0.9, 0.5))

    assert now["patience"].is_met
    assert (now["quality"].is_met, now["quality"].at_epoch) == (False, 7)
    assert "mean 0.500 (below 0.9): earliest epoch 7" in now["quality"].text


scores = st.one_of(st.none(), st.sampled_from([0.5, 0.7, 0.7004, 0.9]))
epochs = st.lists(st.tuples(scores, st.sampled_from([0.2, 0.85, 0.95, 1.0])), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(epochs)
def test_a_session_with_perfect_data_and_no_improvement_ends_when_the_criteria_say(past):
    """Go on, epoch by epoch, as the session itself would, and compare with what was told."""
    history = EpochScores(EpochScore(*epoch) for epoch in past)
    told = {each.name: each for each in criteria(history, SETTINGS)}
    converges_at = max(told["patience"].at_epoch, told["quality"].at_epoch)
    expected = min((converges_at, EndReason.CONVERGED), (told["plateau"].at_epoch, EndReason.PLATEAU))

    while (end := judge(history, SETTINGS, trained_seconds=0).end) is None:
        history = history.then(PERFECT)

    assert (len(history), end) == (expected[0], expected[1])
