"""Voting, blending and stacking as algorithms of the models with a label."""

import numpy as np
import pytest

from core.domains.catalogue import create, load_model
from core.models.algorithms import ENSEMBLES, MEMBERS
from core.models.errors import (
    ArtifactError,
    MissingExtraError,
    NoSuchMemberError,
    NotReweighableError,
    UnknownParameterError,
)
from core.models.learners.combination import MetaLearner, Votes, WeightedMean
from core.models.learners.samples import Matrices, Sample
from core.models.parameters import ParameterValueError
from core.models.scoring.fields import Rows

PAIR = {"members": "lightgbm, linear"}


def learned(name, algorithm, draw, **more):
    model = create(name, algorithm=algorithm, settings={**PAIR, **more})
    model.update(draw(1, 400), seed=1)
    return model


def members_of(model):
    (ensemble,) = model.learners.values()
    return ensemble


@pytest.mark.parametrize("name", ["spread", "downgrade"])
@pytest.mark.parametrize("algorithm", ENSEMBLES)
def test_an_ensemble_is_saved_and_read_like_any_model_and_answers_the_same(name, algorithm, draw, fresh, tmp_path):
    model = learned(name, algorithm, draw)

    model.save(tmp_path / "model")
    found = load_model(tmp_path / "model")

    np.testing.assert_array_equal(found.predict(fresh.bonds), model.predict(fresh.bonds))
    assert found.report() == model.report()
    assert found.feature_importance() == model.feature_importance()
    assert sum(found.feature_importance().values()) == pytest.approx(1.0)


@pytest.mark.parametrize("algorithm", ENSEMBLES)
def test_the_report_lists_the_members_with_weights_and_shares(algorithm, draw):
    account = learned("spread", algorithm, draw).report()["ensemble"]

    assert [entry["member"] for entry in account["members"]] == ["lightgbm", "linear"]
    assert sum(entry["share"] for entry in account["members"]) == pytest.approx(1.0)
    assert all(entry["weight"] is not None for entry in account["members"])
    assert account["strategy"] == {"voting": "soft voting"}.get(algorithm, algorithm)


@pytest.mark.parametrize("meta", ["lightgbm", "gradient_boosting", "hist_gradient_boosting", "random_forest"])
def test_trees_as_a_meta_learner_have_shares_but_no_weights(meta, draw, fresh, tmp_path):
    model = learned("downgrade", "stacking", draw, meta_learner=meta, folds=3)

    account = model.report()["ensemble"]
    assert account["meta_learner"] == meta
    assert all(entry["weight"] is None for entry in account["members"])
    assert sum(entry["share"] for entry in account["members"]) == pytest.approx(1.0)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict(fresh.bonds), model.predict(fresh.bonds))


def test_the_weights_follow_panels_that_the_members_have_not_learned_from(draw):
    model = learned("spread", "blending", draw)
    seen = members_of(model).combination.errors.n_rows

    model.update(draw(2, 400), seed=2)

    assert members_of(model).combination.errors.n_rows == pytest.approx(0.9 * seen + len(draw(2, 400).bonds), rel=0.05)


def test_the_better_member_has_the_greater_weight(draw):
    model = create("spread", algorithm="voting", settings={**PAIR, "voting": "weighted"})
    model.update(draw(1, 600), seed=1)

    weight = {entry["member"]: entry["weight"] for entry in model.report()["ensemble"]["members"]}
    assert weight["linear"] > weight["lightgbm"]


@pytest.mark.parametrize("algorithm", ENSEMBLES)
def test_one_row_gets_the_answer_that_it_has_among_many(algorithm, draw, fresh):
    model = learned("spread", algorithm, draw)
    table = fresh.bonds.head(20)
    scorer = model.row_scorer()
    is_text = [field.kind == "category" for field in scorer.fields]
    names = np.array([field.name for field in scorer.fields])
    numbers = table[names[np.logical_not(is_text)]].to_numpy(dtype=np.float64, na_value=np.nan)
    texts = list(table[names[is_text]].astype(object).itertuples(index=False, name=None))

    one_by_one = [float(scorer.answer(Rows(numbers[[k]], texts[k : k + 1]))[0]) for k in range(len(table))]

    np.testing.assert_allclose(one_by_one, model.predict(table), rtol=1e-9)
    assert scorer.is_fast


@pytest.mark.parametrize(
    ("algorithm", "parameters", "problem"),
    [
        pytest.param("stacking", {"members": "linear"}, "two or more different algorithms", id="one member"),
        pytest.param("voting", {"members": "linear, linear"}, "two or more different", id="the same member twice"),
        pytest.param("voting", {"members": "linear, stacking"}, "two or more different", id="an ensemble as a member"),
        pytest.param("voting", {"members": 3}, "two or more different", id="a number of members"),
        pytest.param("voting", {"voting": "loud"}, "soft or hard or weighted", id="unknown vote"),
        pytest.param("stacking", {"folds": 1}, "a whole number from 2 to 20", id="one fold"),
        pytest.param("stacking", {"meta_learner": "voting"}, "linear or lightgbm", id="unknown meta-learner"),
        pytest.param("blending", {"held_share": 0.99}, "a number from 0.05 to 0.5", id="hold-out of almost all"),
        pytest.param("blending", {"diversity": -1}, "a number of at least 0", id="diversity below 0"),
        pytest.param("blending", {"weight_bounds": 0.5}, "such as .lightgbm 0.2 to 0.8", id="bounds of nobody"),
        pytest.param("blending", {"weight_bounds": "linear 0 up to 1"}, "such as", id="bounds of another form"),
        pytest.param("blending", {"weight_bounds": "linear 0 to 1, linear 0 to 1"}, "such as", id="bounds twice"),
        pytest.param("voting", {"weight_bounds": "xgboost 0 to 1"}, "bounds of members", id="bounds of another"),
        pytest.param("voting", {"weight_bounds": "linear 0.5 to 0.2"}, "0 <= least <= greatest", id="bounds crossed"),
        pytest.param("voting", {"weight_bounds": "linear 0 to 1.5"}, "0 <= least <= greatest", id="bounds beyond 1"),
        pytest.param(
            "voting",
            {"members": "linear, lightgbm", "weight_bounds": "linear 0 to 0.3, lightgbm 0 to 0.6"},
            "greatest weights that sum to 1 or more",
            id="bounds that sum to less than 1",
        ),
    ],
)
def test_parameters_that_make_no_ensemble_are_refused(algorithm, parameters, problem):
    with pytest.raises(ParameterValueError, match=problem):
        create("spread", algorithm=algorithm, settings=parameters)


def test_a_parameter_of_another_strategy_is_refused():
    with pytest.raises(UnknownParameterError):
        create("spread", algorithm="voting", settings={"meta_learner": "linear"})


def test_a_member_whose_extra_is_missing_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("core.models.algorithms.find_spec", lambda _: None)

    with pytest.raises(MissingExtraError, match="xgboost"):
        create("spread", algorithm="voting", settings={"members": "linear, xgboost"})


def test_ensembles_are_no_members():
    assert not set(ENSEMBLES) & set(MEMBERS)
    assert {"linear", "lightgbm", "random_forest"} <= set(MEMBERS)


def rows(n=40):
    rng = np.random.default_rng(0)
    target = (rng.random(n) < 0.5).astype(np.float64)
    return Sample(Matrices.of(np.zeros((n, 1))), target, np.ones(n), np.arange(n))


def test_a_soft_vote_is_the_mean_of_probabilities_and_a_hard_vote_counts_members():
    odds = np.log(np.array([[0.9, 0.6, 0.3]]) / (1 - np.array([[0.9, 0.6, 0.3]])))

    soft = Votes("abc", "classification").score(odds)
    hard = Votes("abc", "classification", is_hard=True).score(odds)

    assert 1 / (1 + np.exp(-soft)) == pytest.approx([0.6])
    assert 1 / (1 + np.exp(-hard)) == pytest.approx([2.5 / 4])
    assert Votes("abc", "regression", is_hard=True).score(np.array([[1.0, 2.0, 30.0]])) == pytest.approx([2.0])
    assert Votes("abc", "regression").score(np.array([[1.0, 2.0, 30.0]])) == pytest.approx([11.0])


def test_weights_that_do_not_sum_to_one_are_refused_in_a_file():
    mean = WeightedMean("ab", "regression")
    state, arrays, _ = mean.dump()

    for damaged in (np.array([0.9, 0.9]), np.array([np.nan, 1.0]), np.array([1.0])):
        with pytest.raises(ValueError, match=r"weights"):
            WeightedMean("ab", "regression").restore(state, {**arrays, "weights": damaged}, {})


def test_a_linear_meta_learner_without_evidence_is_the_mean_of_the_members():
    meta = MetaLearner("ab", "regression")

    assert meta.score(np.array([[1.0, 3.0]])) == pytest.approx([2.0])
    assert meta.weights == pytest.approx([0.5, 0.5])


def test_a_damaged_artifact_is_one_error(draw, tmp_path):
    model = learned("spread", "stacking", draw)
    header, files = model.dump()
    del header["learners"]["stacking"]["combination"]

    with pytest.raises(ArtifactError, match="inconsistent"):
        type(model).restore(header, files)


@pytest.mark.parametrize(("name", "algorithm"), [("spread", "blending"), ("downgrade", "voting")])
def test_weights_follow_outcomes_from_the_trained_ones_and_are_saved_with_them(name, algorithm, draw, fresh, tmp_path):
    model = learned(name, algorithm, draw, **({"voting": "weighted"} if algorithm == "voting" else {}))
    trained = members_of(model).combination.weights.copy()

    found = model.reweigh(draw(7, 400).frame)

    assert found.members == ("lightgbm", "linear")
    assert found.before == tuple(trained.tolist())
    np.testing.assert_array_equal(found.followed.start, trained)
    np.testing.assert_array_equal(members_of(model).combination.weights, found.followed.weights)
    assert found.followed.n_outcomes == len(model.compared_rows(draw(7, 400).frame))
    assert found.moved > 0.0
    assert f"lightgbm {trained[0]:.3f} to " in found.sentence()
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    np.testing.assert_array_equal(loaded.predict(fresh.bonds), model.predict(fresh.bonds))
    for each in (model, loaded):  # from the trained weights again, whatever moved them before
        each.reweigh(draw(8, 300).frame)
    assert loaded.report() == model.report()
    assert members_of(loaded).combination.trained.tolist() == trained.tolist()
    loaded.update(draw(9, 300), seed=3)
    assert members_of(loaded).combination.trained is None


@pytest.mark.parametrize("algorithm", ["blending", "voting"])
def test_weights_keep_their_bounds_when_trained_saved_and_moved_by_outcomes(algorithm, draw, tmp_path):
    more = {"voting": "weighted"} if algorithm == "voting" else {}
    place = int(np.argmin(members_of(learned("spread", algorithm, draw, **more)).combination.weights))
    behind = ("lightgbm", "linear")[place]
    model = learned("spread", algorithm, draw, weight_bounds=f"{behind} 0.6 to 0.7", **more)

    assert members_of(model).combination.weights[place] == pytest.approx(0.6), "as close as the bounds allow"
    model.save(tmp_path)
    loaded = load_model(tmp_path)
    loaded.reweigh(draw(7, 400).frame)
    assert 0.6 - 1e-9 <= members_of(loaded).combination.weights[place] <= 0.7
    assert members_of(loaded).combination.account()["weight_bounds"] == {behind: (0.6, 0.7)}


@pytest.mark.parametrize("algorithm", ["voting", "stacking", "linear"])
def test_what_has_no_weights_refuses_to_follow_outcomes(algorithm, draw):
    model = create("spread", algorithm=algorithm, settings=PAIR if algorithm != "linear" else {})
    model.update(draw(1, 300), seed=1)

    with pytest.raises(NotReweighableError, match="Train it as blending, or as voting with voting: weighted"):
        model.reweigh(draw(2, 300).frame)


def test_a_stack_of_models_has_no_weights_that_could_follow(draw):
    stack = create("spread", algorithm="model_stacking", settings={"member_algorithm": "linear", "folds": 2})
    stack.update(draw(1, 300), seed=1)

    with pytest.raises(NotReweighableError):
        stack.reweigh(draw(2, 300).frame)


@pytest.mark.parametrize("name", ["spread", "downgrade"])
@pytest.mark.parametrize("algorithm", ENSEMBLES)
def test_a_member_taken_out_answers_as_it_does_inside(name, algorithm, draw, fresh, tmp_path):
    model = learned(name, algorithm, draw)
    model.update(draw(2, 300), seed=2)
    inside = members_of(model).member_scores(model.matrices(fresh.bonds))

    assert model.member_names() == ("lightgbm", "linear")
    for place, member in enumerate(model.member_names()):
        model.member(member).save(tmp_path / member)
        taken = load_model(tmp_path / member)

        np.testing.assert_array_equal(taken.score(fresh.bonds), inside[:, place])
        np.testing.assert_array_equal(taken.predict(fresh.bonds), model.answer(inside[:, place]))
        assert (taken.algorithm, taken.report()["ships"]) == (member, member)
        assert taken.member_names() == ()


def test_what_a_member_learns_after_it_was_taken_out_changes_nothing_inside(draw, fresh):
    model = learned("spread", "blending", draw)
    before = model.predict(fresh.bonds)

    for member in model.member_names():
        model.member(member).update(draw(2, 300), seed=2)

    np.testing.assert_array_equal(model.predict(fresh.bonds), before)


def test_a_member_reads_the_columns_that_the_ensemble_may_read(draw, fresh):
    model = learned("spread", "voting", draw, features="rating_num, maturity_years, sector")

    taken = model.member("linear")

    assert set(taken.feature_importance()) <= {"rating_num", "maturity_years", "sector"}
    taken.update(draw(2, 300), seed=2)


def test_of_a_stack_of_models_the_member_of_the_same_target_is_taken_out(draw, fresh):
    stack = create("spread", algorithm="model_stacking", settings={"member_algorithm": "linear", "folds": 2})
    stack.update(draw(1, 300), seed=1)

    taken = stack.member("spread")

    np.testing.assert_array_equal(taken.score(fresh.bonds), stack.member_scores(fresh.bonds)["spread"])
    with pytest.raises(
        NoSuchMemberError,
        match=r"no member 'downgrade' that predicts what it predicts\. Members: spread\. What it is made of otherwise "
        r"predicts something else: downgrade, liquidity_shock\.",
    ):
        stack.member("downgrade")


def test_a_single_model_has_no_members(draw):
    model = create("spread", algorithm="linear")
    model.update(draw(1, 300), seed=1)

    with pytest.raises(NoSuchMemberError, match="Only an ensemble has members"):
        model.member("linear")
