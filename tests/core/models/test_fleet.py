import pytest

from core.domains.bonds.domain import MODEL_NAMES
from core.domains.catalogue import create
from core.models import train_all
from core.models.selection import CandidateComparison


def taught(draw, names, n_threads):
    models = {name: create(name) for name in names}
    for epoch in range(2):
        train_all(models, draw(epoch, 300), epoch, n_threads)
    return models


def test_the_number_of_threads_changes_only_the_time(draw, saved):
    alone, together = taught(draw, MODEL_NAMES, 1), taught(draw, MODEL_NAMES, 4)
    assert {name: saved(alone[name]) for name in MODEL_NAMES} == {name: saved(together[name]) for name in MODEL_NAMES}


def test_a_model_learns_the_same_beside_any_other_model(draw, saved):
    few, all_four = taught(draw, ("downgrade",), 1), taught(draw, MODEL_NAMES, 2)
    assert saved(few["downgrade"]) == saved(all_four["downgrade"])


def test_the_anomaly_model_takes_its_residuals_from_the_spread_model_beside_it(draw):
    models = taught(draw, MODEL_NAMES, 2)
    assert models["anomaly"].spread is models["spread"]
    assert models["spread"].n_updates == 2


def test_it_keeps_its_own_spread_model_when_the_other_is_trained_differently(draw):
    models = {"spread": create("spread", algorithm="linear"), "anomaly": create("anomaly")}
    train_all(models, draw(0, 300), 0, 2)
    assert models["anomaly"].spread is not models["spread"]
    assert models["anomaly"].spread.n_updates == 1


def test_the_error_of_one_model_reaches_the_caller(draw):
    models = {name: create(name) for name in MODEL_NAMES}
    with pytest.raises(Exception, match="downgrade cannot read this table"):
        train_all(models, draw(0, 300).bonds.drop(columns=["market_implied_gap"]), 0, 2)


def test_a_more_complex_candidate_wins_only_with_a_clear_gain():
    import numpy as np

    rng = np.random.default_rng(0)
    issuer, weight = np.repeat(np.arange(50), 4), np.ones(200)
    loss = rng.random(200)
    comparison = CandidateComparison(("simple", "complex"))
    comparison.judge({"simple": loss, "complex": loss - 0.01 * rng.normal(0.05, 1, 200)}, weight, issuer)
    assert comparison.leader == "simple"
    comparison.judge({"simple": loss, "complex": loss - 0.05}, weight, issuer)
    assert comparison.leader == "complex"
    assert not comparison.hopeless("complex")
    assert comparison.hopeless("simple")
    assert CandidateComparison.restore(comparison.dump()).standing() == comparison.standing()
