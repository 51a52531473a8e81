"""Floods and flips are found; a world that has changed is not taken for them."""

import numpy as np
import pandas as pd
import pytest

from core.models.outcomes import Outcomes
from core.retraining.poisoning import flipped_labels, repeated_rows, shifted_classes

N = 2_000


def answers_of(chance: np.ndarray, actual: np.ndarray) -> Outcomes:
    return Outcomes(pd.DataFrame(index=range(len(actual))), chance, actual.astype(float), ("no", "yes"))


@pytest.fixture
def sure():
    """A live version that is right, and sure, of nearly all rows."""
    random = np.random.default_rng(1)
    actual = random.integers(0, 2, N)
    wrong = random.random(N) < 0.02
    return np.where(actual ^ wrong, 0.95, 0.05), actual


def test_flips_contradict_both_models(sure):
    chance, actual = sure
    flipped = np.where(np.random.default_rng(2).random(N) < 0.3, 1 - actual, actual)
    found = flipped_labels(answers_of(chance, flipped), chance, chance, actual.astype(float), 0.05)
    assert found.passed is False
    assert found.figures["share"] == pytest.approx(0.3, abs=0.05)


def test_a_changed_world_agrees_with_the_model_of_new_rows(sure):
    chance, actual = sure
    changed = 1 - actual
    found = flipped_labels(answers_of(chance, changed), 1 - chance, chance, actual.astype(float), 0.05)
    assert found.passed is True


def test_too_few_sure_rows_are_not_judged():
    chance, actual = np.full(N, 0.6), np.zeros(N)
    assert flipped_labels(answers_of(chance, actual), chance, chance, actual, 0.05).passed is None


def test_scrambled_numbers_contradict_both_models_and_more_noise_does_not():
    random = np.random.default_rng(3)
    truth = random.normal(0, 10, N)
    held_out = truth + random.normal(0, 1, N)

    def judged(actual: np.ndarray) -> bool | None:
        live = Outcomes(pd.DataFrame(index=range(N)), truth, actual)
        return flipped_labels(live, truth, truth, held_out, 0.05).passed

    assert judged(truth + random.normal(0, 1.5, N)) is True
    scrambled = np.where(random.random(N) < 0.3, random.permutation(truth), held_out)
    assert judged(scrambled) is False


def test_a_flood_of_one_row_is_found_and_a_table_of_few_values_is_not_judged():
    random = np.random.default_rng(4)
    rows = pd.DataFrame({"x": random.normal(size=N), "y": random.integers(0, 2, N)})
    assert repeated_rows(rows, 0.3).passed is True
    flooded = pd.concat([rows, rows.iloc[[0] * N]])
    assert repeated_rows(flooded, 0.3).passed is False
    assert repeated_rows(rows[["y"]], 0.3).passed is None


def test_shifted_and_vanished_classes_are_found():
    before = np.array([0.0] * 50 + [1.0] * 50)
    assert shifted_classes(before, np.array([0.0] * 60 + [1.0] * 40), ("no", "yes"), 0.3).passed is True
    assert shifted_classes(before, np.array([0.0] * 95 + [1.0] * 5), ("no", "yes"), 0.3).passed is False
    vanished = shifted_classes(before, np.zeros(100), ("no", "yes"), 1.0)
    assert vanished.passed is False
    assert "yes" in vanished.reason
