"""Sessions with ensembles: what the settings plan, and the comparison that decides whether an ensemble ships."""

import msgspec
import numpy as np
import pytest

from core.domains.catalogue import load_model
from core.domains.registry import session_domain
from core.errors import UsageError
from core.models.ensembles.improvement import Improvement
from core.settings import ModelSettings, TrainingSettings
from core.settings.training import AdvancedSettings, EnsembleSettings
from core.training import ensemble_fit
from core.training import panels as panels_module
from core.training.ensemble_fit import sections_of
from core.training.ensemble_plan import plan_of
from core.training.panels import SessionPanels
from core.training.records import EnsembleRecord, MemberRecord
from core.training.session_domain import checked, not_done
from core.training.session_work import SessionWork

PAIR = ("lightgbm", "random_forest")
FOREST = {"spread": ModelSettings(algorithm="lightgbm"), "anomaly": ModelSettings()}
VOTING = TrainingSettings(
    dataset_size=150,
    max_epochs=2,
    models=FOREST,
    advanced=AdvancedSettings(
        enable_ensemble_methods=True, ensemble_strategy="voting", voting="weighted", base_models=PAIR
    ),
)


@pytest.fixture(autouse=True)
def small_panels(monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 500)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 800)


def finished(settings, folder):
    session = SessionWork(settings, folder)
    for epoch in range(1, settings.max_epochs + 1):
        session.run_epoch(epoch)
    return session.finish()


def with_verdict(monkeypatch, low):
    """Let the comparison find what a test needs."""

    def found(single, ensemble, group, *, seed):
        return Improvement(low + 0.01, low, low + 0.02, float(single.mean()), len(single), len(np.unique(group)))

    monkeypatch.setattr(ensemble_fit, "improvement", found)


def test_an_ensemble_ships_where_the_whole_interval_is_above_zero(monkeypatch, tmp_path):
    with_verdict(monkeypatch, 0.01)

    final = finished(VOTING, tmp_path)

    (record,) = final.ensembles
    spread = next(model for model in final.models if model.name == "spread")
    assert record.ships
    assert (spread.way, spread.chosen) == ("ensemble", "voting")
    assert spread.metrics["comparison.improvement_low"] == 0.01
    assert spread.report["ensemble"]["members"][0]["weight"] == record.members[0].weight
    assert spread.report["ensemble_comparison"]["why"] == record.why
    shipped = load_model(tmp_path / spread.folder)
    assert shipped.report()["ensemble"]["strategy"] == "weighted voting"
    bonds = SessionPanels(VOTING).test("test").panel.frame
    assert np.isfinite(shipped.predict(bonds)).all()


def test_otherwise_the_single_model_ships_and_the_report_says_so(monkeypatch, tmp_path):
    with_verdict(monkeypatch, 0.0)

    final = finished(VOTING, tmp_path)

    (record,) = final.ensembles
    spread = next(model for model in final.models if model.name == "spread")
    assert not record.ships
    assert spread.chosen == "lightgbm"
    own = "lightgbm, the session's own model, ships"
    assert record.why.startswith(f"{own}: the ensemble is not shown to have a lower loss")
    assert f"Of spread {own}: " in final.sections[0].about
    assert spread.metrics["comparison.improvement_low"] == 0.0
    compared, members = final.sections[:2]
    assert compared.rows[0][0] == "spread"
    assert compared.rows[0][-1] == "single"
    assert [row[1] for row in members.rows] == list(PAIR)


def test_the_comparison_is_on_groups_that_trained_nothing_and_chose_nothing(tmp_path):
    final = finished(VOTING, tmp_path)

    panels = SessionPanels(VOTING)
    draws = [panels.comparison(), panels.validation(), panels.epoch(1), panels.epoch(2), panels.test("test")]
    issuers = [set(draw.panel.frame["issuer_id"]) for draw in draws]
    assert sum(map(len, issuers)) == len(set().union(*issuers))
    assert draws[0].record in final.draws
    (record,) = final.ensembles
    assert record.n_groups <= len(issuers[0])
    assert set(record.validation) == {"voting", "single own", *(f"single {name}" for name in PAIR)}


def test_the_same_settings_end_in_the_same_bytes(tmp_path):
    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    stacked = msgspec.structs.replace(
        VOTING,
        models={"downgrade": ModelSettings()},
        advanced=AdvancedSettings(),
        ensemble=EnsembleSettings(enable_stacking=True, base_models=("lightgbm", "linear"), cross_validation_folds=3),
    )
    whole, again = (finished(stacked, tmp_path / name) for name in ("one", "two"))

    assert whole == again
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_member_that_cannot_be_trained_costs_the_ensemble_and_not_the_session(monkeypatch, tmp_path):
    def failing(*_, **__):
        raise ValueError("y contains one class")

    monkeypatch.setattr("core.models.learners.members.out_of_fold", failing)

    final = finished(VOTING, tmp_path)

    assert not final.ensembles
    assert {model.name for model in final.models} == {"spread", "anomaly"}


def test_a_session_of_energy_trading_compares_its_ensembles_over_books(tmp_path):
    settings = TrainingSettings(
        domain="etrm",
        dataset_size=300,
        max_epochs=1,
        models={"etrm_risk": ModelSettings(algorithm="linear")},
        ensemble=EnsembleSettings(enable_blending=True, base_models=("linear", "lightgbm")),
    )

    (record,) = finished(settings, tmp_path).ensembles

    assert record.strategy == "blending"
    assert "books" in record.why


def planned(**more):
    settings = checked(TrainingSettings(**more))
    return plan_of(settings, session_domain(settings.domain))


def test_each_switch_plans_its_strategy_with_its_members():
    plan = planned(
        ensemble=EnsembleSettings(
            enable_stacking=True,
            enable_blending=True,
            base_models=PAIR,
            meta_learner="lightgbm",
            cross_validation_folds=4,
        ),
        advanced=AdvancedSettings(enable_ensemble_methods=True, ensemble_strategy="voting", voting="hard"),
    )

    assert [each.strategy for each in plan.ensembles] == ["stacking", "blending", "voting"]
    expected = {"members": "lightgbm, random_forest", "folds": 4, "meta_learner": "lightgbm"}
    assert plan.ensembles[0].parameters == expected
    assert plan.ensembles[2].parameters["voting"] == "hard"
    assert plan.models == ("spread", "downgrade", "liquidity_shock")
    assert any("anomaly" in sentence and "singly" in sentence for sentence in plan.left_out)


def test_bounds_of_the_settings_are_those_of_the_members_and_none_that_no_weights_meet():
    own = {"enable_ensemble_methods": True, "ensemble_strategy": "voting", "voting": "weighted", "base_models": PAIR}

    plan = planned(advanced=AdvancedSettings(**own, weight_bounds={"random_forest": (0.1, 0.5)}))

    assert plan.ensembles[0].parameters["weight_bounds"] == "random_forest 0.1 to 0.5"
    with pytest.raises(UsageError, match=r"weight_bounds names 'linear', which is in no base_models.*lightgbm, random"):
        planned(
            ensemble=EnsembleSettings(base_models=PAIR),
            advanced=AdvancedSettings(**own, weight_bounds={"linear": (0.1, 0.5)}),
        )
    with pytest.raises(ValueError, match=r"weight_bounds.lightgbm is from 0.5 to 0.1; the least weight comes first"):
        AdvancedSettings(**own, weight_bounds={"lightgbm": (0.5, 0.1)})


def test_without_a_switch_nothing_is_planned_and_nothing_is_said():
    assert planned() == plan_of(TrainingSettings(), session_domain("bonds"))
    assert not_done(TrainingSettings()) == ()
    assert planned().ensembles == ()


def test_a_member_that_is_not_installed_is_left_out_by_name(monkeypatch):
    monkeypatch.setattr("core.training.ensemble_plan.is_installed", lambda name: name != "xgboost")
    members = ("xgboost", "random_forest", "gradient_boosting")

    plan = planned(
        advanced=AdvancedSettings(enable_ensemble_methods=True, ensemble_strategy="voting", base_models=members)
    )

    assert plan.ensembles[0].members == ("random_forest", "gradient_boosting")
    assert any("xgboost is not installed" in sentence for sentence in plan.left_out)


STACKED = EnsembleSettings(
    enable_stacking=True, base_models=("spread_model", "downgrade_model", "liquidity_shock_model")
)


def test_models_of_the_domain_as_members_plan_a_stack_for_each_and_for_the_joint_stress_score():
    plan = planned(ensemble=STACKED)

    (stack,) = plan.ensembles
    assert (stack.strategy, stack.members) == ("model_stacking", ("spread", "downgrade", "liquidity_shock"))
    assert stack.parameters == {"members": "spread, downgrade, liquidity_shock", "folds": 5, "meta_learner": "linear"}
    assert plan.models == stack.models == ("spread", "downgrade", "liquidity_shock", "joint_stress")
    assert [sentence for sentence in plan.left_out if "stack" in sentence] == []


def test_the_joint_stress_score_is_trained_only_where_a_stack_is_on_or_it_is_named():
    assert "joint_stress" not in checked(TrainingSettings()).models
    assert "joint_stress" in checked(TrainingSettings(ensemble=STACKED)).models
    named = checked(TrainingSettings(ensemble=STACKED, models={"spread": ModelSettings()}))
    assert planned(ensemble=STACKED, models=named.models).models == ("spread",)
    assert "joint_stress" in checked(TrainingSettings(models={"joint_stress": ModelSettings()})).models


def test_models_cannot_be_blended_and_the_session_says_what_stacks_them():
    both = msgspec.structs.replace(STACKED, enable_blending=True)

    plan = planned(ensemble=both)

    assert [each.strategy for each in plan.ensembles] == ["model_stacking"]
    (refusal,) = (sentence for sentence in plan.left_out if "enable_blending" in sentence)
    assert "they learn different targets" in refusal
    offered = refusal.split("two or more of ")[1].split(" in base_models")[0].split(", ")
    works = planned(ensemble=EnsembleSettings(enable_blending=True, base_models=tuple(offered[:2])))
    assert works.ensembles[0].members == tuple(offered[:2])


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (("spread", "anomaly"), "anomaly cannot be a member of a stack in bonds"),
        (("spread",), "a stack needs two or more models that bonds can stack (spread, downgrade, liquidity_shock)"),
    ],
)
def test_a_stack_that_cannot_be_is_said(members, said):
    plan = planned(ensemble=EnsembleSettings(enable_stacking=True, base_models=members))

    assert plan.ensembles == ()
    assert any(said in sentence for sentence in plan.left_out)


def test_algorithms_and_models_may_be_named_together():
    plan = planned(ensemble=EnsembleSettings(enable_stacking=True, base_models=(*PAIR, "spread", "downgrade")))

    assert [each.strategy for each in plan.ensembles] == ["stacking", "model_stacking"]
    assert not plan.ensembles[1].is_for("liquidity_shock")


def test_the_models_of_deals_are_stacked_for_each_other():
    plan = planned(
        domain="etrm", ensemble=EnsembleSettings(enable_stacking=True, base_models=("etrm_risk", "etrm_breach"))
    )

    assert plan.models == ("etrm_risk", "etrm_breach")


def test_a_session_compares_stacks_of_models_and_registers_what_is_shown_to_be_better(monkeypatch, tmp_path):
    settings = checked(
        TrainingSettings(
            dataset_size=300,
            max_epochs=1,
            models={name: ModelSettings(algorithm="linear") for name in ("spread", "downgrade", "joint_stress")},
            ensemble=msgspec.structs.replace(STACKED, cross_validation_folds=2),
        )
    )
    monkeypatch.setattr("core.models.model_stack.AUTO", "linear")

    final = finished(settings, tmp_path)

    assert [record.model for record in final.ensembles] == ["spread", "downgrade", "joint_stress"]
    spread, downgrade, joint = final.ensembles
    assert {record.strategy for record in final.ensembles} == {"model stacking"}
    assert [member.member for member in spread.members] == ["spread", "downgrade", "liquidity_shock"]
    assert [member.loss is None for member in spread.members] == [False, True, True]
    assert [member.loss is None for member in joint.members] == [True, True, True]
    assert set(downgrade.validation) == {"model_stacking", "single own", "single downgrade"}
    assert set(joint.validation) == {"model_stacking", "single own"}
    assert joint.ships == (joint.low > 0)
    shipped = {model.name: model for model in final.models}["joint_stress"]
    assert shipped.way == ("ensemble" if joint.ships else shipped.way)
    found = load_model(tmp_path / shipped.folder)
    assert np.isfinite(found.predict(SessionPanels(settings).test("test").panel.frame)).all()
    _, members = final.sections[:2]
    assert ["joint_stress", "spread"] in [list(row[:2]) for row in members.rows]


def compared(model="liquidity_shock", strategy="weighted voting", **more):
    facts = {"improvement": -0.1, "low": -0.2, "high": -0.05, "n_rows": 900, "n_groups": 90, "ships": False}
    facts["single"] = "hist_gradient_boosting of the session"
    return EnsembleRecord(
        model=model,
        strategy=strategy,
        single_loss=0.5,
        why="",
        members=(MemberRecord(member="hist_gradient_boosting", weight=-0.3, share=0.5, loss=0.31234),),
        validation={},
        **facts | more,
    )


def test_the_tables_of_the_ensembles_fit_a_dialog_of_80_columns():
    for section in sections_of([compared()], "issuers"):
        table = (section.columns, *section.rows)
        widths = [max(len(row[place]) for row in table) for place in range(len(section.columns))]
        assert sum(widths) + 2 * (len(widths) - 1) <= 72


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"improvement": 0.1, "low": 0.05, "high": 0.2, "ships": True}, "the ensemble ships: it is better than"),
        ({"low": -0.1, "high": 0.1, "improvement": 0.0}, "the ensemble is not surely better than"),
        ({}, "the ensemble is worse than"),
        (
            {"low": None, "high": None, "n_groups": 1},
            "Of liquidity_shock the session's own model ships: one of issuers shows nothing",
        ),
        (
            {"single": "linear alone", "own": "hist_gradient_boosting"},
            "hist_gradient_boosting, the session's own model, ships: the ensemble is worse than linear alone",
        ),
    ],
    ids=["better", "nil", "worse", "one group", "another ships than the best single"],
)
def test_the_verdict_is_said_in_words(facts, said):
    section, _ = sections_of([compared(**facts)], "issuers")

    assert said in section.about


def test_figures_stand_to_the_right_and_words_to_the_left():
    ensembles, members = sections_of([compared()], "issuers")

    assert ensembles.figures == (False, False, True, True, False)
    assert members.figures == (False, False, True, True, True)
