"""Sessions that choose the columns of their models: the choice, its verdict on fresh rows, and what ships."""

import msgspec
import numpy as np
import pytest

from core.domains.catalogue import create, load_model
from core.errors import UsageError
from core.models.ensembles.improvement import Improvement
from core.settings import ModelSettings, TrainingSettings
from core.settings.training import AdvancedSettings, TuningSettings
from core.training import panels as panels_module
from core.training.panels import SELECTION_VERDICT, TUNING, SessionPanels
from core.training.session_domain import checked, not_done
from core.training.session_work import SessionWork
from core.training.tuning import feature_choice

DECOYS = {"web_traffic_z", "news_count", "satellite_activity", "supplier_stress"}
CHOOSING = TrainingSettings(
    dataset_size=150,
    max_epochs=1,
    models={"spread": ModelSettings(algorithm="linear"), "anomaly": ModelSettings()},
    advanced=AdvancedSettings(enable_feature_selection=True, max_features=12),
    tuning=TuningSettings(folds=3, rows=800),
)


@pytest.fixture(autouse=True)
def small_panels(monkeypatch):
    monkeypatch.setattr(panels_module, "VALIDATION_ROWS", 500)
    monkeypatch.setattr(panels_module, "TEST_ROWS", 800)


def with_verdict(monkeypatch, low):
    def found(whole, narrow, group, *, seed):
        loss = float(whole.mean())
        return Improvement((low + 0.01) * loss, low * loss, (low + 0.02) * loss, loss, len(whole), 40)

    monkeypatch.setattr(feature_choice, "improvement", found)


def prepared(settings, folder):
    work = SessionWork(settings, folder)
    while not (progress := work.tune()).is_done:
        pass
    return work, progress


def finished(settings, folder):
    work, _ = prepared(settings, folder)
    work.run_epoch(1)
    return work.finish()


@pytest.mark.parametrize("method", ["importance", "mutual_information", "recursive"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_decoys_of_the_bonds_fall(method, seed, tmp_path):
    settings = msgspec.structs.replace(
        CHOOSING,
        random_seed=seed,
        models={"spread": ModelSettings(algorithm="linear")},
        advanced=msgspec.structs.replace(CHOOSING.advanced, selection_method=method),
    )

    (record,) = prepared(settings, tmp_path)[1].selections

    judged = {each.name for each in record.columns}
    assert judged & DECOYS
    assert not {each.name for each in record.columns if each.is_kept} & DECOYS
    assert not set(record.features) & DECOYS & judged
    assert next(each for each in record.columns if each.name == "rating_num").is_kept


def test_the_columns_kept_are_used_where_fresh_rows_show_no_loss(monkeypatch, tmp_path):
    with_verdict(monkeypatch, -0.009)

    final = finished(CHOOSING, tmp_path)

    (record,) = final.selections
    assert record.ships
    spread = next(model for model in final.models if model.name == "spread")
    shipped = load_model(tmp_path / spread.folder)
    assert shipped.parameters["features"] == ", ".join(record.features)
    assert not set(spread.importance) & DECOYS
    assert spread.report["columns"]["why"] == record.why
    assert final.sections[0].title == "Columns"
    assert {row[-1] for row in final.sections[0].rows} == {"kept", "dropped"}
    bonds = SessionPanels(CHOOSING).test("test").panel.frame
    answers = shipped.predict(bonds)
    without = bonds.drop(columns=sorted(DECOYS & set(bonds.columns)))
    np.testing.assert_array_equal(shipped.predict(without), answers)
    scorer = shipped.row_scorer()
    assert not {field.name for field in scorer.fields} & DECOYS
    assert [draw.purpose for draw in final.draws[:2]] == [TUNING, SELECTION_VERDICT]


def test_all_columns_stay_where_fewer_may_cost_more(monkeypatch, tmp_path):
    with_verdict(monkeypatch, -0.011)

    final = finished(CHOOSING, tmp_path)

    (record,) = final.selections
    assert not record.ships
    assert record.why.startswith("all columns stay: on fresh rows those kept may cost more than 1%")
    spread = next(model for model in final.models if model.name == "spread")
    assert "features" not in load_model(tmp_path / spread.folder).parameters
    assert {row[-1] for row in final.sections[0].rows} == {"would keep", "would drop"}


def test_a_search_of_parameters_follows_on_the_columns_that_are_used(monkeypatch, tmp_path):
    with_verdict(monkeypatch, 0.0)
    both = msgspec.structs.replace(
        CHOOSING,
        advanced=msgspec.structs.replace(
            CHOOSING.advanced, enable_hyperparameter_tuning=True, parameter_ranges={"strength": (0.3, 3.0)}
        ),
        tuning=TuningSettings(folds=3, rows=500, trials=2),
    )

    _, progress = prepared(both, tmp_path)

    (record,) = progress.records
    assert record.given["features"] == ", ".join(progress.selections[0].features)
    assert record.best["features"] == record.given["features"]
    again = SessionWork(both, tmp_path)
    assert again.where_it_stands().tuning.selections == progress.selections


def test_a_model_may_name_its_columns_by_hand_and_unknown_ones_are_refused():
    model = create(
        "spread", algorithm="linear", settings={"features": "rating_num, rating, sector, interest_coverage_x"}
    )
    assert set(model.design.columns) & DECOYS == set()

    with pytest.raises(UsageError, match="features of linear is 'colour': expected columns with commas"):
        create("spread", algorithm="linear", settings={"features": "colour"})


def test_what_has_no_columns_to_choose_is_said():
    by_hand = {"spread": ModelSettings(parameters={"features": "rating, sector"}), "anomaly": ModelSettings()}

    told = " ".join(not_done(checked(msgspec.structs.replace(CHOOSING, models=by_hand))))

    assert "anomaly has no target to judge columns by" in told
    assert "models.spread.parameters names the columns of spread" in told
