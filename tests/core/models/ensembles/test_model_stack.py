"""Stacks of models of different targets: what they learn from, what they may not read, and how they are kept."""

import json

import numpy as np
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.models.spread import SpreadModel
from core.domains.catalogue import create, load_model
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.models.errors import ArtifactError, MissingExtraError, TooFewGroupsError, UnknownParameterError
from core.models.learners.samples import Sample, group_folds
from core.models.parameters import ParameterValueError
from core.models.scoring.model_stack import StackScorer
from core.serving.scoring.warming import warm_scorer
from tests.core.serving.test_scoring import CLOSE, EXACT, one_by_one, rows_from

FAST = {"member_algorithm": "linear", "folds": 3}
TARGETS = ("spread", "downgrade", "liquidity_shock", "joint_stress")
GAP = "market_implied_gap"


@pytest.fixture(scope="module")
def stacks(draw):
    found = {}
    for name in TARGETS:
        found[name] = create(name, algorithm="model_stacking", settings=FAST)
        found[name].update(draw(1, 600), seed=1)
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_a_stack_is_one_artifact_that_answers_and_learns_on_as_before(name, draw, fresh, tmp_path):
    stack = create(name, algorithm="model_stacking", settings=FAST)
    stack.update(draw(1, 600), seed=1)

    stack.save(tmp_path / "one")
    found = load_model(tmp_path / "one")

    assert type(found) is type(stack)
    np.testing.assert_array_equal(found.predict(fresh.frame), stack.predict(fresh.frame))
    assert found.report() == stack.report()
    assert found.feature_importance() == stack.feature_importance()
    assert not list((tmp_path / "one").glob("*.pkl"))
    for model, folder in ((stack, "two"), (found, "three")):
        model.update(draw(2, 300), seed=2)
        model.save(tmp_path / folder)
    contents = [{path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in ("two", "three")]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", TARGETS)
def test_one_row_gets_the_answer_that_it_has_in_a_table(name, stacks, fresh, tmp_path):
    stacks[name].save(tmp_path)
    scorer = warm_scorer(tmp_path)
    few = fresh.frame.head(40)

    assert isinstance(scorer.rows, StackScorer)
    assert scorer.rows.is_fast
    np.testing.assert_allclose(scorer.answer(rows_from(scorer, few)), stacks[name].predict(few), **EXACT)
    np.testing.assert_allclose(one_by_one(scorer, rows_from(scorer, few)), stacks[name].predict(few), **CLOSE)


@pytest.mark.parametrize("meta", ["lightgbm", "gradient_boosting"])
def test_trees_combine_the_members_too(meta, draw, fresh, tmp_path):
    stack = create("joint_stress", algorithm="model_stacking", settings={**FAST, "meta_learner": meta})
    stack.update(draw(1, 600), seed=1)

    account = stack.report()["ensemble"]
    assert account["meta_learner"] == meta
    assert [entry["weight"] for entry in account["members"]] == [None] * 3
    stack.save(tmp_path)
    np.testing.assert_array_equal(load_model(tmp_path).predict(fresh.frame), stack.predict(fresh.frame))


@pytest.mark.parametrize("name", ["spread", "joint_stress"])
def test_no_member_reads_a_column_that_leaks_the_target(name, stacks, fresh):
    stack = stacks[name]

    assert GAP not in {field.name for field in stack.row_scorer().fields}
    assert GAP not in stack.feature_importance()
    told = fresh.frame.assign(**{GAP: 9.0})
    np.testing.assert_array_equal(stack.predict(told), stack.predict(fresh.frame))


@pytest.mark.parametrize("name", ["downgrade", "liquidity_shock"])
def test_a_target_that_the_column_does_not_leak_keeps_it(name, stacks):
    assert GAP in {field.name for field in stacks[name].row_scorer().fields}


def test_the_meta_learner_sees_only_answers_to_groups_that_the_members_have_not_seen(draw, monkeypatch):
    table, seen = draw(1, 600).frame, []
    learn, answer = SpreadModel.update, SpreadModel.score

    def learning(self, panel, *, seed):
        frame = getattr(panel, "frame", panel)
        self.issuers = set(frame["issuer_id"])
        learn(self, panel, seed=seed)

    def answering(self, frame):
        seen.append((self.issuers, set(frame["issuer_id"])))
        return answer(self, frame)

    monkeypatch.setattr(SpreadModel, "update", learning)
    monkeypatch.setattr(SpreadModel, "score", answering)
    create("downgrade", algorithm="model_stacking", settings=FAST).update(table, seed=1)

    assert len(seen) == len(group_folds(table["issuer_id"].factorize()[0], 3, seed=1)) == 3
    assert all(not learned & answered for learned, answered in seen)
    assert set().union(*(answered for _, answered in seen)) == set(table["issuer_id"])


@pytest.mark.journey
def test_a_planted_code_of_the_issuer_is_not_exploited(draw):
    """Trees that memorise issuers by a code answer their own rows too well; the slope must not rest on these."""
    table = draw(1, 900).frame
    code = np.random.default_rng(3).normal(size=table["issuer_id"].nunique())
    told = table.assign(web_traffic_z=code[table["issuer_id"].factorize()[0]])
    settings = {"members": "downgrade, liquidity_shock", "member_algorithm": "random_forest", "folds": 3}
    stack = create("downgrade", algorithm="model_stacking", settings=settings)
    stack.update(told, seed=1)

    rows = stack.rows(told)
    in_sample = stack.columns.matrices(np.column_stack(list(stack.member_scores(rows).values())))
    trusting = stack._new_meta()
    group = rows["issuer_id"].factorize()[0]
    trusting.learn(Sample(in_sample, stack.target(rows), np.ones(len(rows)), group), seed=1)
    slope = stack.report()["ensemble"]["members"][0]["weight"]

    assert 0.0 < slope < 1.3
    assert trusting.coefficients[1] > 2.0 * slope


def test_members_are_judged_before_they_learn_from_a_further_panel(draw):
    stack = create("downgrade", algorithm="model_stacking", settings=FAST)
    stack.update(draw(1, 400), seed=1)
    rows = stack.rows(draw(2, 400).frame)
    losses = stack.row_losses(stack.target(rows), stack.score(rows))

    stack.update(draw(2, 400), seed=2)

    (candidate,) = stack.report()["candidates"]
    assert candidate["loss"] == pytest.approx(losses.mean())


def test_one_group_is_too_few():
    table = generate(PanelSettings(n_rows=300, seed=4)).frame
    with pytest.raises(TooFewGroupsError, match="two issuers or more"):
        create("spread", algorithm="model_stacking").update(
            table[table["issuer_id"] == table["issuer_id"].iloc[0]], seed=1
        )


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"members": "spread"}, ParameterValueError, "two or more different models with commas, spread among them"),
        ({"members": "downgrade, liquidity_shock"}, ParameterValueError, "spread among them"),
        ({"members": "spread, anomaly"}, ParameterValueError, "of spread, downgrade, liquidity_shock"),
        ({"members": 3}, ParameterValueError, "members of model_stacking is 3"),
        ({"folds": 1}, ParameterValueError, "a whole number from 2 to 20"),
        ({"meta_learner": "best"}, ParameterValueError, "linear or lightgbm"),
        ({"member_algorithm": "stacking"}, ParameterValueError, "auto or linear"),
        ({"diversity": 0.1}, UnknownParameterError, "takes no parameter 'diversity'"),
    ],
)
def test_parameters_of_another_kind_are_refused(settings, error, said):
    with pytest.raises(error, match=said):
        create("spread", algorithm="model_stacking", settings=settings)


def test_a_member_whose_library_is_missing_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("core.models.algorithms.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="xgboost"):
        create("spread", algorithm="model_stacking", settings={"member_algorithm": "xgboost"})


def test_a_class_that_does_not_train_the_stack_says_which_one_does():
    with pytest.raises(TypeError, match="model_stacking is trained by SpreadStack, not by SpreadModel"):
        SpreadModel("model_stacking")


def test_a_stack_without_a_member_is_damaged(stacks, tmp_path):
    stacks["spread"].save(tmp_path)
    header = json.loads((tmp_path / "model.json").read_text())
    del header["members"]["downgrade"]
    (tmp_path / "model.json").write_text(json.dumps(header))

    with pytest.raises(ArtifactError, match="inconsistent"):
        load_model(tmp_path)


def test_the_models_of_deals_are_stacked_too(tmp_path):
    deals = draw_deals(400, 1, 2, DealSettings())
    for name in ("etrm_risk", "etrm_breach"):
        stack = create(name, algorithm="model_stacking", settings=FAST)
        stack.update(deals, seed=1)
        assert [entry["member"] for entry in stack.report()["ensemble"]["members"]] == ["etrm_risk", "etrm_breach"]
        stack.save(tmp_path / name)
        few = deals.frame.head(20)
        np.testing.assert_array_equal(load_model(tmp_path / name).predict(few), stack.predict(few))
