"""Simulated: a world that changes is learned, and outcomes that are flipped are not."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from core.models.outcomes import Outcomes
from core.retraining.poisoning import flipped_labels
from core.retraining.second_model import second_answers
from core.tables.signature import ColumnKind, ColumnSignature

COLUMNS = tuple(ColumnSignature(name=name, kind=ColumnKind.NUMBER, allows_missing=False) for name in "abc")
WEIGHTS = np.array([1.0, -1.0, 0.5])
N_ROWS = 1_000


def draw(random: np.random.Generator, n: int, weights: np.ndarray, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rows = random.normal((shift, 0.0, 0.0), size=(n, 3))
    return rows, (random.random(n) < 1 / (1 + np.exp(-3 * (rows @ weights)))).astype(float)


def is_rejected(
    seed: int, *, weights: np.ndarray = WEIGHTS, shift: float = 0.0, flipped: float = 0.0, n_rows: int = N_ROWS
) -> bool:
    random = np.random.default_rng(seed)
    model = LogisticRegression().fit(*draw(random, N_ROWS, WEIGHTS))
    held_rows, held_actual = draw(random, 300, WEIGHTS)
    rows, actual = draw(random, n_rows, weights, shift)
    actual = np.where(random.random(n_rows) < flipped, 1 - actual, actual)
    frame = pd.DataFrame(rows, columns=list("abc"))
    second = second_answers(frame, COLUMNS, actual, 2, np.arange(n_rows), seed=seed)
    live = Outcomes(frame, model.predict_proba(rows)[:, 1], actual, ("no", "yes"))
    return flipped_labels(live, second, model.predict_proba(held_rows)[:, 1], held_actual, 0.05).passed is False


@pytest.mark.truth
@pytest.mark.parametrize(
    ("changed", "rejected"),
    [
        pytest.param({}, False, id="nothing has changed"),
        pytest.param({"shift": 1.5}, False, id="rows have moved by 1.5 sd"),
        pytest.param({"weights": WEIGHTS * [1, 1, -1]}, False, id="one influence is reversed"),
        pytest.param({"weights": -WEIGHTS}, False, id="the world is reversed"),
        pytest.param({"weights": WEIGHTS * 0.4, "n_rows": 6_000}, False, id="the world is less predictable"),
        pytest.param({"flipped": 0.15}, True, id="15 % are flipped"),
        pytest.param({"flipped": 0.3}, True, id="30 % are flipped"),
        pytest.param({"flipped": 0.3, "shift": 1.5}, True, id="30 % are flipped, and rows have moved"),
    ],
)
def test_flips_are_told_from_a_changed_world(changed, rejected, truth):
    n = 4 * truth.scale
    found = sum(is_rejected(seed, **changed) for seed in range(n)) / n
    if rejected:
        truth.at_least(found, 0.9, n=n)
    else:
        truth.at_most(found, 0.05, n=n)
