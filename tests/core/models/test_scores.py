"""Metrics agree with scikit-learn's, and their intervals have the stated coverage."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from core.domains.table.models.choice import choose
from core.models import scores


def test_metrics_agree_with_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    actual, answer = rng.normal(1e6, 1, 500), rng.normal(1e6, 1, 500)
    found = scores.regression_metrics(actual, answer, np.arange(500))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(actual, answer))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(actual, answer))
    assert found["r2"] == pytest.approx(sk.r2_score(actual, answer))

    chance = rng.dirichlet([1, 1, 1], 500)
    classes = rng.integers(0, 3, 500).astype(float)
    found = scores.classification_metrics(classes, chance, np.arange(500))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(classes, chance.argmax(axis=1)))
    assert found["log_loss"] == pytest.approx(sk.log_loss(classes, chance))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(classes, chance, multi_class="ovr"))

    found = scores.ranking_metrics((classes > 0).astype(float), chance[:, 1], np.arange(500))
    assert found["auc"] == pytest.approx(sk.roc_auc_score(classes > 0, chance[:, 1]))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(classes > 0, chance[:, 1]))


@pytest.mark.truth
def test_an_interval_contains_the_truth_at_its_stated_rate(truth):
    rng = np.random.default_rng(2)
    n_groups, per_group, held = 60, 5, 0
    group = np.repeat(np.arange(n_groups), per_group)
    true_error = np.sqrt(2 / np.pi) * np.sqrt(2)  # mean of |shared + own|, each N(0, 1)
    n = 200 * truth.scale
    for _ in range(n):
        miss = np.repeat(rng.normal(size=n_groups), per_group) + rng.normal(size=n_groups * per_group)
        found = scores.regression_metrics(miss, np.zeros_like(miss), group)
        held += found["mae_low"] <= true_error <= found["mae_high"]

    truth.at_least(held / n, 0.90, n=n)  # 95 %, give or take three standard errors
    truth.at_most(held / n, 0.99, n=n)


@pytest.mark.truth
def test_the_interval_of_a_multiclass_auc_contains_the_truth_at_its_stated_rate(truth):
    rng = np.random.default_rng(4)
    centres, spread = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]), 1.0
    n_groups, per_group = 50, 4
    group = np.repeat(np.arange(n_groups), per_group)

    def drawn(n_groups: int, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        classes = rng.integers(0, 3, n_groups)[group]  # rows of a group share their class, and part of their noise
        shared = rng.normal(size=(n_groups, 3))[group]
        return classes.astype(float), centres[classes] + (shared + spread * rng.normal(size=(len(group), 3))) / 2**0.5

    true_auc = sk.roc_auc_score(*_one_against_rest(*drawn(40_000, np.arange(40_000))), average="macro")
    n, held = 200 * truth.scale, 0
    for _ in range(n):
        classes, score = drawn(n_groups, group)
        found = scores.classification_metrics(classes, np.exp(score), group)
        held += found["auc_low"] <= true_auc <= found["auc_high"]

    truth.at_least(held / n, 0.90, n=n)
    truth.at_most(held / n, 0.99, n=n)


def test_metrics_without_any_mistake_have_an_interval_with_a_width():
    classes = np.repeat([0.0, 1.0, 2.0], 20)
    several = scores.classification_metrics(classes, np.eye(3)[classes.astype(int)], np.arange(60))
    two = scores.classification_metrics(classes[:40], np.eye(2)[classes[:40].astype(int)], np.arange(40))
    numbers = scores.regression_metrics(np.arange(30.0), np.arange(30.0), np.arange(30))
    gained = scores.skill(np.zeros(30), np.ones(30), np.arange(30))

    for found in (several, two, numbers, gained):
        for name in {name.removesuffix("_low") for name in found if name.endswith("_low")}:
            assert found[f"{name}_low"] < found[f"{name}_high"]
            assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]
    assert several["auc"] == several["auc_high"] == 1.0
    assert two.keys() >= {"accuracy_low", "log_loss_low", "auc_low", "average_precision_low"}
    assert numbers["mae_low"] == 0.0 < numbers["mae_high"]
    assert 0.85 < gained["skill_low"] < gained["skill"] == 1.0


@pytest.mark.truth
@pytest.mark.parametrize("n", [20, 100, 400])
def test_mistakes_that_no_row_shows_are_inside_the_interval_of_the_log_loss(truth, n):
    """A confident model is wrong once in fifty: two samples of 20 rows in three show no mistake."""
    rng, sure, right = np.random.default_rng(8), 0.98, 0.98
    true_loss = -right * np.log(sure) - (1 - right) * np.log(1 - sure)
    held, n_samples = 0, 200 * truth.scale
    for _ in range(n_samples):
        said = rng.integers(0, 2, n)
        actual = np.where(rng.random(n) < right, said, 1 - said).astype(float)
        chance = np.where(said == 1, sure, 1 - sure)
        found = scores.classification_metrics(actual, np.stack((1 - chance, chance), axis=1), np.arange(n))
        held += found["log_loss_low"] <= true_loss <= found["log_loss_high"]

    truth.at_least(held / n_samples, 0.94 - 3.1 * (0.05 * 0.95 / n_samples) ** 0.5, n=n_samples)


def test_a_constant_target_has_no_skill_and_no_r2():
    found = scores.regression_metrics(np.ones(30), np.ones(30), np.arange(30))

    assert "r2" not in found
    assert found["mae"] == 0.0
    assert "mae_low" not in found
    assert scores.skill(np.zeros(30), np.zeros(30), np.arange(30)) == {}


def test_one_group_alone_has_metrics_and_no_interval():
    found = scores.regression_metrics(np.arange(30.0), np.arange(30.0) + 1, np.zeros(30))

    assert found.keys() == {"mae", "rmse", "r2", "loss"}


def _one_against_rest(classes: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.eye(3)[classes.astype(int)], score


def test_one_outcome_alone_has_no_ranking():
    assert scores.ranking_metrics(np.ones(50), np.arange(50.0), np.arange(50)) == {}


def test_a_simpler_candidate_ships_when_the_best_is_not_significantly_better():
    rng = np.random.default_rng(3)
    linear = rng.exponential(size=400)
    group = np.arange(400) // 4

    close = choose({"linear": linear, "lightgbm": linear + rng.normal(-0.01, 1, 400)}, group)
    far = choose({"linear": linear, "lightgbm": linear - 0.2 + rng.normal(0, 0.1, 400)}, group)

    assert close.ships == "linear"
    assert far.ships == "lightgbm"
    assert [standing.candidate for standing in far.standings] == ["lightgbm", "linear"]
    assert "+0.2" in far.why


def test_the_skill_of_a_cross_validation_is_less_certain_than_that_of_rows_held_out():
    random = np.random.default_rng(5)
    losses, constant = random.exponential(0.9, 200), random.exponential(1.0, 200)
    held_out = scores.skill(losses, constant, np.arange(200))
    folds = scores.skill(losses, constant, np.arange(200), n_folds=5)

    assert folds["skill"] == held_out["skill"]
    for end in ("skill_low", "skill_high"):
        assert folds[end] - folds["skill"] == pytest.approx(math.sqrt(1.25) * (held_out[end] - held_out["skill"]))
