"""How often a small table proves a model, by simulation: hardly ever without a relation, under every seed with one."""

import pytest

from core.quality.checks.fitted_model import BEATS_CONSTANT, FittedModel
from core.settings import QualityGates
from core.tables.held_rows import split_rows
from tests.core.domains.table.models.test_choice_of_learner import described, noise

N_ROWS = 120
N_SEEDS = 3


def passes(frame, seed: int) -> bool:
    """Train on four fifths, and judge on all rows."""
    model = described(frame, algorithm="linear")
    split = split_rows(frame, model.signature, frame["y"].to_numpy(), 0.2, seed=seed)
    model.fit(frame[split.learn], seed=seed)
    tested = frame[split.held]
    metrics = model.judge(tested) | model.held_out_skill(tested)
    return BEATS_CONSTANT.apply(FittedModel(n_rows=len(frame), metrics=metrics), QualityGates()).passed


@pytest.mark.truth
def test_a_table_without_a_relation_does_not_prove_a_model(truth):
    n = 20 * truth.scale
    proven = sum(passes(noise(N_ROWS, seed=seed), seed) for seed in range(n))

    truth.at_most(proven / n, 0.05, n=n)


@pytest.mark.truth
def test_a_relation_is_proven_under_every_seed_or_under_none(truth):
    n = 6 * truth.scale
    verdicts = [{passes(noise(N_ROWS, seed=table, signal=1.0), seed) for seed in range(N_SEEDS)} for table in range(n)]

    truth.at_least(sum(found == {True} for found in verdicts) / n, 0.95, n=n)
