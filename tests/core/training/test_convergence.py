import pytest

from core.settings import TrainingSettings
from core.training.convergence import EndReason, judge
from core.training.scores import EpochScore, EpochScores

SETTINGS = TrainingSettings(
    max_epochs=20, patience=3, convergence_threshold=0.01, quality_threshold=0.9, convergence_timeout_hours=1
)
STEADY = [0.95] * 20
WILD = [0.5, 1.0] * 10  # variance 0.0625
POOR = [0.8] * 20


def a_history(scores, quality=STEADY):
    return EpochScores(EpochScore(score, quality[index]) for index, score in enumerate(scores))


@pytest.mark.parametrize(
    ("scores", "quality", "trained_seconds", "end"),
    [
        pytest.param([], STEADY, 0, None, id="no epoch yet"),
        pytest.param([0.8, 0.85, 0.9], STEADY, 0, None, id="still improving"),
        pytest.param([0.9, 0.905, 0.905], STEADY, 0, None, id="patience is not used up"),
        pytest.param(
            [0.9, 0.905, 0.905, 0.905], STEADY, 0, EndReason.CONVERGED, id="no improvement for as long as patience"
        ),
        pytest.param([0.9, 0.905, 0.905, 0.92], STEADY, 0, None, id="an improvement resets the count"),
        pytest.param([0.9, 0.904, 0.908, 0.912], STEADY, 0, None, id="small steps add up to an improvement"),
        pytest.param([0.9, 0.9, 0.9, 0.9], WILD, 0, None, id="unsteady quality forbids convergence"),
        pytest.param([0.9, 0.9, 0.9, 0.9], POOR, 0, None, id="poor quality forbids convergence"),
        pytest.param([0.9] * 7, WILD, 0, EndReason.PLATEAU, id="twice the patience ends it on unsteady data"),
        pytest.param([0.9] * 7, POOR, 0, EndReason.PLATEAU, id="twice the patience ends it on poor data"),
        pytest.param([None] * 3, STEADY, 0, EndReason.CONVERGED, id="skipped epochs count as no improvement"),
        pytest.param([i / 20 for i in range(20)], STEADY, 0, EndReason.EPOCH_LIMIT, id="the epoch limit"),
        pytest.param([0.8, 0.85], STEADY, 3600, EndReason.TIME_LIMIT, id="the time limit, reached exactly"),
        pytest.param([0.8, 0.85], STEADY, 3599.9, None, id="a moment before the time limit"),
        pytest.param([0.9] * 4, STEADY, 3600, EndReason.CONVERGED, id="converged takes precedence over plateau"),
    ],
)
def test_a_session_ends_for_the_first_reason_that_holds(scores, quality, trained_seconds, end):
    assert judge(a_history(scores, quality), SETTINGS, trained_seconds=trained_seconds).end is end


def test_a_plateau_says_why_it_is_not_convergence():
    assert "quality_threshold 0.9" in judge(a_history([0.9] * 7, POOR), SETTINGS, trained_seconds=0).reason


def test_a_quality_variance_at_the_limit_is_not_steady():
    quality = [0.9, 1.1, 0.9, 1.1]  # variance 0.01 over the last four
    settings = TrainingSettings(patience=4, max_epochs=20, quality_threshold=0.5)
    history = a_history([0.9] * 5, [1.0, *quality])
    assert judge(history, settings, trained_seconds=0).end is None


@pytest.mark.parametrize(
    ("scores", "since"),
    [
        pytest.param([], 0, id="no epochs"),
        pytest.param([0.5], 0, id="the first score is an improvement"),
        pytest.param([0.5, 0.51], 0, id="a step of just the threshold counts"),
        pytest.param([0.5, 0.505, 0.4], 2, id="a smaller step does not, nor a fall"),
    ],
)
def test_epochs_without_improvement_are_counted_from_the_last_one(scores, since):
    assert a_history(scores).without_improvement(0.01) == since


def test_the_best_epoch_is_the_first_of_the_highest_scores():
    assert a_history([0.5, None, 0.9, 0.9, 0.8]).best_epoch == 3
    assert a_history([None]).best_epoch is None
