"""How often a small table proves a model, by simulation: hardly ever without a relation, and alike under every seed."""

import pytest

from core.quality.checks.fitted_model import BEATS_CONSTANT, FittedModel
from core.settings import QualityGates
from core.tables.signature import Task
from tests.core.domains.table.models.test_choice_of_learner import described, noise

N_ROWS = 120
N_SEEDS = 6
SIGNALS = (0.0, 0.25, 0.5, 1.0)


def passes(frame, seed: int, **options) -> bool:
    """Judge the method on all rows, as the gate does."""
    found = described(frame, algorithm="linear", **options).cross_validate(frame, seed=seed)
    fitted = FittedModel(n_rows=len(frame), metrics=found.metrics, is_cross_validated=True)
    return BEATS_CONSTANT.apply(fitted, QualityGates()).passed


@pytest.mark.truth
def test_a_table_without_a_relation_does_not_prove_a_model(truth):
    n = 40 * truth.scale
    proven = sum(passes(noise(N_ROWS, seed=seed), seed) for seed in range(n))

    truth.at_most(proven / n, 0.05, n=n)


@pytest.mark.truth
def test_a_table_without_a_relation_does_not_prove_a_classifier(truth):
    n = 20 * truth.scale
    tables = (noise(N_ROWS, seed=seed) for seed in range(n))
    classes = {"task": Task.CLASSIFICATION, "classes": ("0", "1")}
    proven = sum(passes(frame.assign(y=(frame["y"] > 0).astype(float)), 1, **classes) for frame in tables)

    truth.at_most(proven / n, 0.05, n=n)


@pytest.mark.truth
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_table_gets_the_same_verdict_under_every_seed(signal, truth):
    n = 3 * truth.scale
    verdicts = [
        {passes(noise(N_ROWS, seed=table, signal=signal), seed) for seed in range(N_SEEDS)} for table in range(n)
    ]

    truth.at_most(sum(len(found) > 1 for found in verdicts) / n, 1 / 12, n=n)


@pytest.mark.truth
def test_a_clear_relation_is_proven(truth):
    n = 10 * truth.scale
    proven = sum(passes(noise(N_ROWS, seed=table, signal=1.0), 1) for table in range(n))

    truth.at_least(proven / n, 0.95, n=n)
