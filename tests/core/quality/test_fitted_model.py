"""Whether a model beats a constant prediction: the rule, and the sentence it is told with."""

import numpy as np
import pytest

from core.models import scores
from core.quality.checks.fitted_model import BEATS_CONSTANT, NO_LEAK, FittedModel
from core.settings.quality import QualityGates


def judged(metrics: dict[str, float], n_rows: int = 100):
    return BEATS_CONSTANT.apply(FittedModel(n_rows=n_rows, metrics=metrics), QualityGates())


def classified(actual: np.ndarray, chance: np.ndarray):
    """Judge probabilities against the share of each class."""
    group, answer = np.arange(len(actual)), np.stack((1 - chance, chance), axis=1)
    share = np.full(len(actual), actual.mean())
    constant = scores.row_losses(actual, np.stack((1 - share, share), axis=1))
    metrics = scores.classification_metrics(actual, answer, group)
    metrics |= scores.skill(scores.row_losses(actual, answer), constant, group)
    return judged(metrics, len(actual))


@pytest.mark.parametrize(
    ("metrics", "passes", "said"),
    [
        pytest.param(
            {"r2": 0.8, "skill": 0.8, "skill_low": 0.7, "skill_high": 0.86},
            True,
            "better than a constant prediction on 18 test rows: its squared error is 80.0% lower "
            "(95% interval: 70.0% lower to 86.0% lower)",
            id="surely better",
        ),
        pytest.param(
            {"log_loss": 0.4, "skill": 0.4, "skill_low": -0.383, "skill_high": 0.7, "auc": 1.0, "auc_low": 0.79},
            True,
            "it ranks the classes better than chance (AUC 1.000, at least 0.790); its log loss is 40.0% lower "
            "(95% interval: 38.3% higher to 70.0% lower), which 18 test rows alone do not prove",
            id="a perfect ranking on few rows",
        ),
        pytest.param(
            {"log_loss": 0.9, "skill": -0.3, "skill_low": -5.0, "skill_high": 0.1, "auc": 1.0, "auc_low": 0.9},
            False,
            "it ranks the classes better than chance (AUC 1.000, at least 0.900), but its probabilities are worse than "
            "the share of each class: its log loss is 30.0% higher (95% interval: 6.0 times as high to 10.0% lower). "
            "Calibrate them",
            id="a perfect ranking with bad probabilities",
        ),
        pytest.param(
            {"r2": 0.1, "skill": 0.1, "skill_low": -0.2, "skill_high": 0.3},
            False,
            "not proven better than a constant prediction on 18 test rows: its squared error is 10.0% lower "
            "(95% interval: 20.0% higher to 30.0% lower)",
            id="not proven",
        ),
        pytest.param(
            {"r2": 0.0, "skill": 0.0, "skill_low": 0.0, "skill_high": 0.1},
            False,
            "no better than a constant prediction on 18 test rows: its squared error is the same "
            "(95% interval: the same to 10.0% lower)",
            id="the constant itself",
        ),
        pytest.param(
            {"log_loss": 0.7, "skill": -0.02, "skill_low": -0.1, "skill_high": 0.05, "auc": 0.5, "auc_low": 0.4},
            False,
            "no better than a constant prediction on 18 test rows: its log loss is 2.0% higher "
            "(95% interval: 10.0% higher to 5.0% lower)",
            id="noise",
        ),
        pytest.param({}, False, "the gain over a constant prediction could not be measured", id="nothing measured"),
    ],
)
def test_the_gate_says_in_a_sentence_what_it_found(metrics, passes, said):
    gate = judged(metrics, 18)

    assert gate.passed is passes
    assert gate.blocks is not passes
    assert gate.reason == said


@pytest.mark.parametrize("n", [18, 40, 400])
def test_a_perfect_ranking_with_fair_probabilities_passes(n):
    actual = (np.arange(n) % 3 == 0).astype(float)
    fair = np.where(actual == 1, 0.7, 0.2)
    fair[0] = 0.25  # one event with a poor probability, still above the others
    assert classified(actual, fair).passed


def test_a_perfect_ranking_with_probabilities_far_off_fails_and_asks_for_calibration():
    actual = (np.arange(60) % 3 == 0).astype(float)
    gate = classified(actual, np.where(actual == 1, 1e-3, 1e-5))

    assert gate.blocks
    assert "ranks the classes better than chance (AUC 1.000" in gate.reason
    assert gate.reason.endswith("Calibrate them")


@pytest.mark.truth
@pytest.mark.parametrize("n", [20, 80, 400])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_model_of_noise_rarely_passes(truth, n, kind):
    rng, passed, n_models = np.random.default_rng(5), 0, 300 * truth.scale
    for _ in range(n_models):
        noise = rng.normal(size=n)
        if kind == "classes":
            actual = (rng.random(n) < 0.4).astype(float)
            passed += 0 < actual.sum() < n and classified(actual, 1 / (1 + np.exp(0.4 - 0.15 * noise))).passed
        else:
            actual, group = rng.exponential(size=n), np.arange(n)
            losses = np.square(actual - 1.0 - 0.1 * noise)
            metrics = scores.regression_metrics(actual, 1.0 + 0.1 * noise, group)
            passed += judged(metrics | scores.skill(losses, np.square(actual - 1.0), group), n).passed
    truth.at_most(passed / n_models, 0.05, n=n_models)


@pytest.mark.truth
@pytest.mark.parametrize("n", [20, 40, 80])
def test_a_model_that_separates_the_classes_passes(truth, n):
    """Few rows suffice where the ranking is near perfect."""
    rng, passed, n_models = np.random.default_rng(6), 0, 100 * truth.scale
    for _ in range(n_models):
        actual = (rng.permutation(n) < 0.4 * n).astype(float)
        score = rng.normal(size=n) + 4 * actual - 2
        passed += classified(actual, 1 / (1 + np.exp(-3 * score))).passed
    truth.at_least(passed / n_models, 0.9, n=n_models)


@pytest.mark.parametrize(
    ("is_cross_validated", "which"), [(False, "held out"), (True, "each held out once by cross-validation")]
)
@pytest.mark.parametrize("check", [NO_LEAK, BEATS_CONSTANT], ids=lambda check: check.name)
def test_the_rows_are_named(check, is_cross_validated, which):
    gate = check.apply(FittedModel(n_rows=31, metrics={}, is_cross_validated=is_cross_validated), QualityGates())
    assert gate.basis == f"on 31 rows of the file, {which}"
