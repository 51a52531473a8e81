"""Which of two models has the lower loss: the calibrated one, against one trained on falsified labels.

The falsified labels are the likelier class of every row, so a model trained on them is sure of what is only likely. By
the distance |actual - probability|, which is not proper, it wins.
"""

import numpy as np
import pytest

from core.losses import (
    Actual,
    AnswerForm,
    AnswerKind,
    LossKind,
    LossRule,
    RecordedAnswer,
    loss_of,
    pack_probabilities,
)
from tests.truth import Truth

EVENT = AnswerForm(AnswerKind.PROBABILITIES, ("0", "1"))
RATED = AnswerForm(AnswerKind.PROBABILITIES, ("A", "B", "C"))
AUTO, BRIER = LossRule(), LossRule(kind=LossKind.BRIER)
N_ROWS, N_RUNS = 2_000, 20


def sigmoid(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score))


def mean_loss(rule: LossRule, told: np.ndarray, came: np.ndarray) -> float:
    losses = [
        loss_of(rule, RecordedAnswer(EVENT, p), Actual(float(y))) for p, y in zip(told.tolist(), came, strict=True)
    ]
    return float(np.mean(losses))


@pytest.mark.truth
@pytest.mark.parametrize("rule", [AUTO, BRIER], ids=["log", "brier"])
@pytest.mark.parametrize("offset", [0.0, -2.0, -4.0], ids=["balanced", "18 percent", "3 percent"])
def test_the_calibrated_model_has_the_lower_loss(offset: float, rule: LossRule, truth: Truth) -> None:
    random = np.random.default_rng(7)
    n = N_RUNS * truth.scale
    wins = by_distance = 0
    for _ in range(n):
        true = sigmoid(random.normal(0, 1.2, N_ROWS) + offset)
        came = random.random(N_ROWS) < true
        falsified = np.where(true > 0.5, 0.99, 0.01)
        wins += mean_loss(rule, true, came) < mean_loss(rule, falsified, came)
        by_distance += np.abs(came - true).mean() < np.abs(came - falsified).mean()
    truth.at_least(wins / n, 0.99, n=n)
    truth.at_most(by_distance / n, 0.01, n=n)  # the fault that this replaces


@pytest.mark.truth
def test_the_calibrated_model_of_three_classes_has_the_lower_loss(truth: Truth) -> None:
    random = np.random.default_rng(8)
    n = N_RUNS * truth.scale
    wins = 0
    for _ in range(n):
        score = np.exp(random.normal((2, 0, -1), 1, (500, 3)))
        true = score / score.sum(axis=1, keepdims=True)
        came = [int(random.choice(3, p=row)) for row in true]
        falsified = np.where(true == true.max(axis=1, keepdims=True), 0.98, 0.01)
        losses = [
            np.mean(
                [
                    loss_of(AUTO, RecordedAnswer(RATED, None, pack_probabilities(row)), Actual(name="ABC"[label]))
                    for row, label in zip(told.tolist(), came, strict=True)
                ]
            )
            for told in (true, falsified)
        ]
        wins += losses[0] < losses[1]
    truth.at_least(wins / n, 0.99, n=n)
