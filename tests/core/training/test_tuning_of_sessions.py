"""Sessions that search parameters: what is planned, what is searched on which rows, and what the verdict decides."""

import json

import msgspec
import pytest

from core.domains.catalogue import create, load_model
from core.domains.registry import session_domain
from core.errors import CoreError, UsageError
from core.models.ensembles.improvement import Improvement
from core.models.tuning.trial import TrialState
from core.settings import ModelSettings, QualityGates, TrainingSettings
from core.settings.training import AdvancedSettings, ParameterRange, TuningSettings
from core.training import panels as panels_module
from core.training.panels import TUNING, TUNING_VERDICT, SessionPanels
from core.training.session import as_document
from core.training.session_domain import checked, not_done
from core.training.session_work import SessionWork
from core.training.tuning import verdict
from core.training.tuning.plan import rows_of, tuning_of

RANGES = {"num_leaves": (4, 8, 16), "learning_rate": ParameterRange(low=0.05, high=0.3, log=True)}
TUNED = TrainingSettings(
    dataset_size=150,
    max_epochs=2,
    models={"spread": ModelSettings(algorithm="lightgbm", parameters={"first_trees": 20}), "anomaly": ModelSettings()},
    advanced=AdvancedSettings(enable_hyperparameter_tuning=True, parameter_ranges=RANGES),
    tuning=TuningSettings(trials=6, folds=3, rows=400),
)


@pytest.fixture(autouse=True)
def small_panels(monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 500)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 800)


def with_verdict(monkeypatch, low):
    """Let the comparison find what a test needs."""

    def found(given, tuned, group, *, seed):
        return Improvement(low + 0.01, low, low + 0.02, float(given.mean()), len(given), 40)

    monkeypatch.setattr(verdict, "improvement", found)


def searched(work, *, stop_after=10_000):
    trials, n = [], 0
    while True:
        progress = work.tune("stopped by ada" if n >= stop_after else "")
        n += 1
        trials += progress.trials
        if progress.is_done:
            return progress, trials


def finished(settings, folder):
    work = SessionWork(settings, folder)
    searched(work)
    for epoch in range(1, settings.max_epochs + 1):
        work.run_epoch(epoch)
    return work.finish()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_session_trains_with_the_tuned_parameters_where_they_are_shown_to_be_better(monkeypatch, tmp_path):
    with_verdict(monkeypatch, 0.01)

    final = finished(TUNED, tmp_path)

    (record,) = final.tuning
    assert record.ships
    assert record.best["first_trees"] == 20
    spread = next(model for model in final.models if model.name == "spread")
    shipped = load_model(tmp_path / spread.folder)
    assert shipped.parameters == record.best != {"first_trees": 20}
    assert spread.report["tuning"]["why"] == record.why
    assert final.sections[0].title == "Tuning"
    assert final.sections[0].rows[0][-1] == "tuned"


def test_otherwise_it_trains_as_the_settings_say_and_the_report_says_so(monkeypatch, tmp_path):
    with_verdict(monkeypatch, 0.0)

    final = finished(TUNED, tmp_path)

    (record,) = final.tuning
    assert not record.ships
    spread = next(model for model in final.models if model.name == "spread")
    assert load_model(tmp_path / spread.folder).parameters == {"first_trees": 20}
    assert record.why.startswith("the settings' recipe stays: on fresh rows the loss of the tuned parameters is not")
    assert final.sections[0].rows[0][-1] == "settings"


def test_the_rows_of_the_search_and_of_the_verdict_are_of_no_other_panel(tmp_path):
    final = finished(TUNED, tmp_path)

    panels = SessionPanels(TUNED)
    draws = [panels.tuning(400), panels.tuning_verdict(), panels.validation(), panels.epoch(1), panels.test("test")]
    issuers = [set(draw.panel.frame["issuer_id"]) for draw in draws]
    assert sum(map(len, issuers)) == len(set().union(*issuers))
    assert [draw.purpose for draw in final.draws[:2]] == [TUNING, TUNING_VERDICT]
    assert final.draws[0] == draws[0].record


def test_the_verdict_pairs_both_recipes_on_the_same_fresh_rows(tmp_path):
    progress, trials = searched(SessionWork(TUNED, tmp_path))

    (record,) = progress.records
    own = next(each.trial for each in trials if each.trial.number == 0)
    assert record.given_loss == own.loss
    assert record.best_loss == min(each.trial.loss for each in trials if each.trial.loss is not None)
    assert record.improvement == pytest.approx(record.fresh_given_loss - record.fresh_loss)
    assert record.low < record.improvement < record.high
    assert record.fresh_low < record.fresh_loss < record.fresh_high
    assert {"given.attainment", "tuned.attainment"} <= set(record.scores)


@pytest.mark.parametrize("method", ["random_search", "grid_search", "bayesian"])
def test_a_session_killed_between_any_two_batches_ends_in_the_same_bytes(method, tmp_path):
    if method == "bayesian":
        pytest.importorskip("optuna")
    settings = msgspec.structs.replace(
        TUNED, max_epochs=1, advanced=msgspec.structs.replace(TUNED.advanced, tuning_method=method)
    )

    whole = finished(settings, tmp_path / "whole")

    place = tmp_path / "pieces"
    while not SessionWork(settings, place).tune().is_done:
        pass
    SessionWork(settings, place).run_epoch(1)
    pieces = SessionWork(settings, place).finish()
    assert whole == pieces
    assert contents(tmp_path / "whole") == contents(place)


def test_a_damaged_trial_is_run_again(tmp_path):
    work = SessionWork(TUNED, tmp_path)
    work.tune()
    before = contents(tmp_path)
    file = tmp_path / "tuning" / "spread" / "trial_0002.json"
    file.write_bytes(file.read_bytes()[:20])

    SessionWork(TUNED, tmp_path).tune()

    assert contents(tmp_path) == before


def test_a_stopped_search_compares_the_best_so_far_and_stays_stopped(tmp_path):
    progress, trials = searched(SessionWork(TUNED, tmp_path), stop_after=1)

    assert (len(trials), progress.stopped) == (4, "stopped by ada")
    assert progress.records[0].n_trials == 4
    again = SessionWork(TUNED, tmp_path)
    assert again.where_it_stands().tuning.is_done
    assert again.tune().stopped == "stopped by ada"
    again.run_epoch(1)


def test_a_search_that_is_stopped_before_its_first_trial_says_so(tmp_path):
    progress, trials = searched(SessionWork(TUNED, tmp_path), stop_after=0)

    assert not trials
    assert "stopped before its first trial" in progress.records[0].why


def test_epochs_wait_for_the_search(tmp_path):
    work = SessionWork(TUNED, tmp_path)

    with pytest.raises(ValueError, match="the search of parameters is next"):
        work.run_epoch(1)


def test_rows_that_fail_a_gate_are_not_searched(tmp_path):
    settings = msgspec.structs.replace(TUNED, quality_gates=QualityGates(esg_missing_max=0.0))

    progress, trials = searched(SessionWork(settings, tmp_path))

    assert not trials
    assert "failed esg_missing: nothing was searched" in progress.records[0].why


def test_models_take_turns_so_that_a_budget_reaches_all_of_them(tmp_path):
    both = {name: ModelSettings(algorithm="lightgbm") for name in ("spread", "downgrade")}
    work = SessionWork(msgspec.structs.replace(TUNED, models=both), tmp_path)

    work.tune()
    standings = work.tune().standings

    assert [(each.model, each.n_trials, each.n_planned) for each in standings] == [
        ("spread", 4, 7),
        ("downgrade", 4, 7),
    ]


def test_a_session_of_energy_trading_is_tuned_over_books(tmp_path):
    settings = msgspec.structs.replace(
        TUNED, domain="etrm", models={"etrm_risk": ModelSettings(algorithm="lightgbm")}, dataset_size=300
    )

    progress, trials = searched(SessionWork(settings, tmp_path))

    assert len(trials) == 7
    (record,) = progress.records
    assert record.best is not None
    assert "books" in record.why or "none of 6 trials" in record.why


def test_without_a_search_a_session_is_what_it_was(tmp_path):
    plain = msgspec.structs.replace(TUNED, advanced=AdvancedSettings(), tuning=TuningSettings())

    assert SessionWork(plain, tmp_path).where_it_stands().tuning.is_done
    assert not (tmp_path / "tuning").exists()
    assert "tuning" not in as_document(plain)
    assert as_document(TUNED)["tuning"]["trials"] == 6


def test_the_ranges_of_the_small_trainer_are_searched_where_a_model_takes_them():
    advanced = AdvancedSettings(
        enable_hyperparameter_tuning=True,
        tuning_method="grid_search",
        parameter_ranges={"learning_rate": (0.01, 0.1, 0.3), "max_depth": (3, 6, 9)},
    )
    models = {"spread": ModelSettings(algorithm="gradient_boosting"), "downgrade": ModelSettings(algorithm="linear")}
    settings = checked(TrainingSettings(models=models, advanced=advanced))

    plan = tuning_of(settings, session_domain("bonds"))

    assert [each.model for each in plan.searches] == ["spread"]
    assert set(plan.searches[0].ranges) == {"learning_rate", "max_depth"}
    assert plan.left_out == (
        "advanced.enable_hyperparameter_tuning is on, but downgrade (linear) takes no parameter of the ranges.",
    )


def test_a_limit_of_depth_bounds_the_trees_of_lightgbm(tmp_path):
    panel = SessionPanels(TUNED).tuning(400).panel
    deep, flat = (
        create("spread", algorithm="lightgbm", settings={"first_trees": 5, "num_leaves": 31, **more})
        for more in ({}, {"max_depth": 2})
    )
    for model in (deep, flat):
        model.update(panel, seed=1)

    leaves = [max(len(values) for values in model.learners["lightgbm"].values) for model in (deep, flat)]
    assert leaves[1] == 4 < leaves[0]


def test_what_is_not_tuned_is_said():
    advanced = AdvancedSettings(enable_hyperparameter_tuning=True, parameter_ranges={"depth_of_sea": (1, 2)})
    models = {
        "spread": ModelSettings(algorithm="voting"),
        "anomaly": ModelSettings(),
        "downgrade": ModelSettings(algorithm="lightgbm"),
    }

    told = " ".join(not_done(checked(TrainingSettings(models=models, advanced=advanced))))

    assert "spread is an ensemble" in told
    assert "anomaly has no loss on rows held out" in told
    assert "downgrade (lightgbm) takes no parameter of the ranges" in told


def test_without_ranges_the_usual_ones_are_searched_but_for_what_the_settings_fix():
    models = {"spread": ModelSettings(algorithm="lightgbm", parameters={"learning_rate": 0.1})}
    settings = TrainingSettings(models=models, advanced=AdvancedSettings(enable_hyperparameter_tuning=True))

    (planned,) = tuning_of(settings, session_domain("bonds")).searches

    assert "learning_rate" not in planned.ranges
    assert {"num_leaves", "lambda_l2", "first_trees"} <= set(planned.ranges)


@pytest.mark.parametrize(
    ("ranges", "told"),
    [
        pytest.param({"num_leaves": ("many",)}, "num_leaves of lightgbm is 'many'", id="a word for a number"),
        pytest.param({"num_leaves": ParameterRange(low=9, high=4)}, "low must be a number not above", id="reversed"),
        pytest.param({"num_leaves": ParameterRange(low=0.5, high=9.5)}, "expected a whole number", id="fractions"),
    ],
)
def test_a_range_that_no_trial_could_use_is_refused_before_the_session(ranges, told):
    advanced = AdvancedSettings(enable_hyperparameter_tuning=True, parameter_ranges=ranges)
    settings = TrainingSettings(models={"spread": ModelSettings(algorithm="lightgbm")}, advanced=advanced)

    with pytest.raises(UsageError, match=told):
        checked(settings)


def test_the_bayesian_search_without_optuna_names_the_extra(monkeypatch):
    monkeypatch.setattr("core.models.tuning.bayesian.find_spec", lambda _: None)
    advanced = AdvancedSettings(enable_hyperparameter_tuning=True, tuning_method="bayesian")

    with pytest.raises(CoreError, match=r"pip install 'bondx-console\[tuning\]'"):
        checked(TrainingSettings(advanced=advanced))


@pytest.mark.parametrize(
    ("n_epochs", "n_rows", "expected"),
    [
        pytest.param(2, 150, 500, id="few"),
        pytest.param(10, 150, 1_500, id="what the epochs draw"),
        pytest.param(500, 1_000, 4_000, id="many"),
    ],
)
def test_a_search_has_as_many_rows_as_the_epochs_within_limits(n_epochs, n_rows, expected):
    assert rows_of(TrainingSettings(max_epochs=n_epochs, dataset_size=n_rows)) == expected


def test_trials_on_disk_are_plain_documents(tmp_path):
    SessionWork(TUNED, tmp_path).tune()

    found = json.loads((tmp_path / "tuning" / "spread" / "trial_0000.json").read_text())

    assert found["parameters"] == {"first_trees": 20}
    assert found["state"] == TrialState.COMPLETE
    assert len(found["curve"]) == 3
