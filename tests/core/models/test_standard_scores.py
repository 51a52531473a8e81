"""The standard scores: scikit-learn's names, and scikit-learn's values."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from core.models.standard_scores import DECISIONS, PROBABILITIES, REGRESSION, standard_scores

RNG = np.random.default_rng(5)
HAPPENED = (RNG.random(400) < 0.2).astype(float)
CHANCE = np.clip(0.5 * HAPPENED + 0.5 * RNG.random(400), 0.0, 1.0)
NUMBERS = RNG.normal(100.0, 30.0, 400)


@pytest.mark.parametrize("name", REGRESSION)
def test_errors_of_numbers_are_those_of_scikit_learn(name):
    answer = NUMBERS + RNG.normal(0.0, 10.0, 400)
    scores = standard_scores("regression", NUMBERS, answer, None)
    assert scores.keys() == set(REGRESSION)
    assert scores[name] == pytest.approx(getattr(sklearn_metrics, name)(NUMBERS, answer))


@pytest.mark.parametrize("name", [*DECISIONS, *PROBABILITIES])
@pytest.mark.parametrize("chance", [CHANCE, np.clip(CHANCE, 0.0, 0.4), HAPPENED], ids=["mixed", "never", "certain"])
def test_scores_of_probabilities_are_those_of_scikit_learn(name, chance):
    decided = chance >= 0.5
    scores = standard_scores("classification", HAPPENED, chance, decided)
    answer = decided.astype(float) if name in DECISIONS else chance
    extra = {"zero_division": 0.0} if name in ("precision_score", "recall_score", "f1_score") else {}
    assert scores[name] == pytest.approx(getattr(sklearn_metrics, name)(HAPPENED, answer, **extra))


def test_anomaly_scores_have_no_log_loss_and_are_ranked_and_decided():
    scores = standard_scores("detection", HAPPENED, 10 * CHANCE - 5, CHANCE >= 0.5)
    assert scores.keys() == {"roc_auc_score", *DECISIONS}
    assert standard_scores("detection", HAPPENED, CHANCE, None).keys() == {"roc_auc_score"}


@pytest.mark.parametrize(
    ("task", "actual", "answer"),
    [
        ("classification", np.array(["a", "b"]), np.array([0.1, 0.9])),
        ("classification", np.array([0.0, 2.0]), np.array([0.1, 0.9])),
        ("classification", np.array([0.0, 1.0]), np.array([[0.1, 0.9], [0.9, 0.1]])),
        ("regression", np.array([1.0, 2.0]), np.array([np.nan, 1.0])),
        ("regression", np.array([]), np.array([])),
    ],
    ids=["names", "three classes", "a matrix", "not finite", "empty"],
)
def test_scores_that_do_not_apply_are_left_out(task, actual, answer):
    assert standard_scores(task, actual, answer, None) == {}


def test_one_outcome_alone_has_no_auc_and_equal_numbers_have_no_r2():
    assert "roc_auc_score" not in standard_scores("classification", np.zeros(3), np.full(3, 0.1), np.zeros(3, bool))
    assert "r2_score" not in standard_scores("regression", np.ones(3), np.zeros(3), None)
