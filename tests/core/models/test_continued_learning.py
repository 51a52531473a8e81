import re

import numpy as np
import pytest

from core.domains.catalogue import create
from core.models.learners.feature_space import FeatureSpace
from core.models.learners.linear import LinearLearner
from core.models.learners.samples import Matrices, Sample

SMALL = {
    "random_forest": {"n_estimators": 10},
    "gradient_boosting": {"n_estimators": 20},
    "hist_gradient_boosting": {"max_iter": 20},
    "isolation_forest": {"n_estimators": 20},
    "voting": {"members": "lightgbm, random_forest"},
    "blending": {"members": "lightgbm, linear"},
    "stacking": {"members": "lightgbm, linear", "folds": 3},
}


@pytest.mark.parametrize(
    ("name", "n_rows"),
    [
        pytest.param("spread", 1_000, id="spread"),
        pytest.param("downgrade", 1_000, id="downgrade"),
        pytest.param("liquidity_shock", 400, id="liquidity shock"),
    ],
)
def test_fifteen_panels_teach_more_than_one(name, n_rows, draw, fresh):
    model = create(name)
    lacking = []
    for epoch in range(15):
        model.update(draw(epoch, n_rows), seed=epoch)
        lacking.append(1 - model.evaluate(fresh)["attainment"])
    assert lacking[-1] < lacking[0] / 2
    assert np.mean(lacking[-5:]) < np.mean(lacking[:5])


def test_anomalies_are_found_better_as_the_spread_model_learns(draw, fresh):
    model = create("anomaly", algorithm="residual")
    model.update(draw(0), seed=0)
    first = model.evaluate(fresh)["attainment"]
    for epoch in range(1, 8):
        model.update(draw(epoch), seed=epoch)
    assert model.evaluate(fresh)["attainment"] > first + 0.02


def test_boosting_alone_also_keeps_learning_and_stops_growing_at_its_cap(draw, fresh):
    model = create("spread", algorithm="lightgbm", settings={"max_trees": 100, "trees_per_epoch": 10})
    model.update(draw(0), seed=0)
    first = model.evaluate(fresh)["attainment"]
    n_trees = []
    for epoch in range(1, 12):
        model.update(draw(epoch), seed=epoch)
        n_trees.append(model.learners["lightgbm"].booster.num_trees())
    assert n_trees[:2] == [90, 100]
    assert set(n_trees[2:]) == {100}
    assert model.evaluate(fresh)["attainment"] > first + 0.02


def test_ridge_after_many_panels_is_one_ridge_on_all_rows(draw):
    model = create("spread")
    space = FeatureSpace.learn(model.design, draw(0).bonds, model="spread")
    parts = []
    for seed in range(4):
        bonds = draw(seed).bonds
        group = bonds["issuer_id"].factorize()[0] + 1_000 * seed
        design = space.linear(bonds)
        parts.append(Sample(Matrices(design, design[:, :0]), model.target(bonds), np.ones(len(bonds)), group))
    whole = Sample(
        Matrices(np.concatenate([p.matrices.linear for p in parts]), np.empty((4 * len(parts[0]), 0), np.float32)),
        np.concatenate([p.target for p in parts]),
        np.concatenate([p.weight for p in parts]),
        np.concatenate([p.group for p in parts]),
    )
    stepwise, at_once = (LinearLearner(space, "regression", {"strength": 3.0}) for _ in range(2))
    for part in parts:
        stepwise.learn(part, seed=0)
    at_once.learn(whole, seed=0)
    np.testing.assert_allclose(stepwise.coefficients, at_once.coefficients, atol=1e-8)


def test_a_continued_logistic_posterior_is_close_to_one_fit_on_all_rows(draw):
    model = create("liquidity_shock")
    space = FeatureSpace.learn(model.design, draw(0).bonds, model="liquidity_shock")
    parts = []
    for seed in range(6):
        bonds = draw(seed).bonds
        design = space.linear(bonds)
        rows = np.arange(len(bonds))
        parts.append(Sample(Matrices(design, design[:, :0]), model.target(bonds), np.ones(len(bonds)), rows))
    whole = Sample(
        Matrices(np.concatenate([p.matrices.linear for p in parts]), np.empty((6 * len(parts[0]), 0), np.float32)),
        np.concatenate([p.target for p in parts]),
        np.ones(6 * len(parts[0])),
        np.arange(6 * len(parts[0])),
    )
    stepwise, at_once = (LinearLearner(space, "classification", {"strength": 3.0}) for _ in range(2))
    for part in parts:
        stepwise.learn(part, seed=0)
    at_once.learn(whole, seed=0)
    scores = stepwise.score(whole.matrices), at_once.score(whole.matrices)
    assert np.corrcoef(*scores)[0, 1] > 0.97
    assert abs(np.mean(scores[0]) - np.mean(scores[1])) < 0.25


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("spread", "auto"),
        ("downgrade", "auto"),
        ("liquidity_shock", "linear"),
        ("anomaly", "auto"),
        ("spread", "lightgbm"),
        ("downgrade", "random_forest"),
        ("spread", "gradient_boosting"),
        ("downgrade", "hist_gradient_boosting"),
        ("anomaly", "isolation_forest"),
        ("spread", "voting"),
        ("downgrade", "blending"),
        ("spread", "stacking"),
        ("downgrade", "stacking"),
    ],
)
def test_continuing_from_a_file_equals_continuing_in_memory(name, algorithm, draw, saved, tmp_path):
    kept = create(name, algorithm=algorithm, settings=SMALL.get(algorithm))
    for epoch in range(2):
        kept.update(draw(epoch, 300), seed=epoch)
    kept.save(tmp_path / "checkpoint")
    taken_up = type(kept).load(tmp_path / "checkpoint")
    assert saved(taken_up) == saved(kept)
    for epoch in range(2, 4):
        kept.update(draw(epoch, 300), seed=epoch)
        taken_up.update(draw(epoch, 300), seed=epoch)
    assert saved(taken_up) == saved(kept)
    np.testing.assert_array_equal(taken_up.predict(draw(4, 300).bonds), kept.predict(draw(4, 300).bonds))


@pytest.mark.parametrize("name", ["spread", "downgrade", "liquidity_shock", "anomaly"])
def test_the_same_panels_and_seeds_give_the_same_bytes(name, draw, saved):
    twins = create(name), create(name)
    for twin in twins:
        twin.update(draw(0, 300), seed=7)
        twin.update(draw(1, 300), seed=8)
    assert saved(twins[0]) == saved(twins[1])


def test_fit_forgets_what_was_learned_before(draw, saved):
    tired, rested = create("downgrade"), create("downgrade")
    tired.update(draw(0, 300), seed=1)
    for model in (tired, rested):
        model.fit(draw(1, 300), seed=2)
    assert saved(tired) == saved(rested)


def test_plain_boosting_is_dropped_once_far_behind_and_the_report_keeps_its_figures(draw):
    model = create("spread")
    for epoch in range(8):
        model.update(draw(epoch), seed=epoch)
    tried = {entry["candidate"]: entry for entry in model.report()["candidates"]}
    assert set(tried) == {"linear", "boosting", "boosting_on_linear"}
    assert "boosting" not in model.learners
    assert tried["boosting"]["behind_leader"] > 5 * tried["boosting"]["standard_error"]
    assert tried["boosting"]["retired_after_panels"] >= 3


def test_plain_boosting_stays_where_it_is_never_to_be_dropped(draw):
    model = create("spread", settings={"retire_after": 0})
    for epoch in range(8):
        model.update(draw(epoch), seed=epoch)
    assert model.comparison.hopeless("boosting")
    assert "boosting" in model.learners


def test_the_learning_rate_falls_from_panel_to_panel_where_the_settings_say_so(draw):
    few = {"first_trees": 4, "trees_per_epoch": 2, "max_trees": 8, "learning_rate": 0.2}
    model = create("spread", algorithm="lightgbm", settings={**few, "rate_decay": 0.5})
    usual = create("spread", algorithm="lightgbm", settings=few)
    for epoch in range(4):
        for each in (model, usual):
            each.update(draw(epoch, 300), seed=epoch)
    expected = [0.2] * 4 + [0.1] * 2 + [0.05] * 2
    learner = model.learners["lightgbm"]
    text = learner.booster.model_to_string()
    assert [float(rate) for rate in re.findall(r"^shrinkage=(.+)$", text, re.MULTILINE)] == pytest.approx(expected)
    assert learner.rates(8).tolist() == pytest.approx(expected)
    sizes = [float(np.abs(each.learners["lightgbm"].values[7]).max()) for each in (model, usual)]
    assert sizes[0] < sizes[1] / 2, "the leaves of later trees answer less, also once they have learned on"


@pytest.mark.parametrize("name", ["spread", "downgrade", "liquidity_shock", "anomaly"])
@pytest.mark.parametrize("n_rows", [pytest.param(150, id="few issuers"), pytest.param(12, id="hardly any")])
def test_a_model_can_start_on_a_tiny_panel(name, n_rows, draw, fresh):
    model = create(name)
    model.update(draw(3, n_rows), seed=0)
    assert np.isfinite(model.predict(fresh.bonds)).all()
    model.update(draw(4), seed=1)
    assert model.evaluate(fresh)["attainment"] > 0.3


def test_a_model_can_learn_from_a_panel_without_a_single_event(draw, fresh):
    quiet = draw(1).bonds.assign(downgrade_12m=0)
    for algorithm in ("auto", "random_forest"):
        model = create("downgrade", algorithm=algorithm)
        model.update(quiet, seed=0)
        assert (model.predict(fresh.bonds) < 0.5).all()
