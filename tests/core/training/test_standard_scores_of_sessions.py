"""The standard scores of a session: in every epoch, in the final report, and by slice; and the training time."""

import msgspec
import pytest
from sklearn.metrics import brier_score_loss, mean_absolute_error

from core.domains.bonds.slices import MATURITY_BUCKETS
from core.errors import UsageError
from core.models.standard_scores import DECISIONS, PROBABILITIES, REGRESSION
from core.settings import TrainingSettings
from core.training import panels as panels_module
from core.training.convergence import Judgement
from core.training.epoch_slices import MOST_SLICES, scores_by, slice_table, slicings
from core.training.records import EpochRecord
from core.training.reports import epoch_report, final_report, final_report_markdown
from core.training.session import as_document
from core.training.session_work import SessionWork

SETTINGS = TrainingSettings(dataset_size=150, max_epochs=1)
APPLYING = {
    "spread": {*REGRESSION},
    "downgrade": {*DECISIONS, *PROBABILITIES},
    "liquidity_shock": {*DECISIONS, *PROBABILITIES},
    "anomaly": {*DECISIONS, "roc_auc_score"},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panels_module, "VALIDATION_ROWS", 500)
        patch.setattr(panels_module, "TEST_ROWS", 800)
        work = SessionWork(SETTINGS, tmp_path_factory.mktemp("session"))
        done = work.run_epoch(1)
        return work, done, work.finish()


@pytest.mark.parametrize(("model", "names"), APPLYING.items())
def test_every_epoch_and_the_final_test_have_the_scores_that_apply_beside_the_attainment(session, model, names):
    _, done, final = session
    scores = {name.removeprefix(f"{model}.") for name in done.record.metrics if name.startswith(f"{model}.")}
    assert names | {"attainment", "loss"} <= scores
    shipped = next(each for each in final.models if each.name == model)
    for panel in ("test", "test_new_macro"):
        assert {f"{panel}.{name}" for name in names} <= shipped.metrics.keys()


def test_the_scores_are_those_of_the_models_answers_to_the_validation_panel(session):
    work, done, _ = session
    bonds = work._validation.panel.frame
    model = work._model_set.models["liquidity_shock"]
    chance = model.predict(bonds)
    score = done.record.metrics["liquidity_shock.brier_score_loss"]
    assert score == pytest.approx(brier_score_loss(bonds["liquidity_shock_1m"], chance))
    spread, sound = work._model_set.models["spread"], bonds[~bonds["is_anomaly"].astype(bool)]
    error = mean_absolute_error(sound["spread_bps"], spread.predict(sound))
    assert done.record.metrics["spread.mean_absolute_error"] == pytest.approx(error)


def test_every_epoch_has_the_scores_by_sector_rating_maturity_and_region_of_the_validation_panel(session):
    work, done, _ = session
    record = msgspec.json.decode(epoch_report(done.record, notice="synthetic"), type=EpochRecord)
    assert record.slices == done.record.slices
    assert slicings(record.slices) == ["sector", "rating", "maturity", "region"]
    regions = [each for each in scores_by(record.slices, "region") if each.model == "spread"]
    [america] = [each for each in regions if each.level == "north_america"]
    bonds = work._validation.panel.frame
    rows = bonds[(bonds["region"] == "north_america") & ~bonds["is_anomaly"].astype(bool)]
    error = mean_absolute_error(rows["spread_bps"], work._model_set.models["spread"].predict(rows))
    assert (america.n_rows, america.scores["mean_absolute_error"]) == (len(rows), pytest.approx(error, rel=1e-4))
    for model, names in APPLYING.items():
        assert any(names <= each.scores.keys() for each in scores_by(record.slices) if each.model == model)
    assert len(epoch_report(done.record, notice="synthetic")) < 45_000


def test_an_epoch_without_a_slicing_names_the_slicings_it_has(session):
    _, done, _ = session
    with pytest.raises(UsageError, match=r"no scores by 'colour'. Its slices are by: sector, rating, maturity, region"):
        scores_by(done.record.slices, "colour")


def test_a_slicing_may_be_typed_in_any_case(session):
    _, done, _ = session
    assert scores_by(done.record.slices, "Sector") == scores_by(done.record.slices, "sector")


def test_an_epoch_keeps_at_most_sixty_four_slices_of_a_model():
    table = slice_table({f"kind={number}": {"n_rows": 30.0, "r2_score": 0.5} for number in range(100)})
    assert (len(table.slices), len(table.values)) == (MOST_SLICES, MOST_SLICES)


def test_the_final_report_has_the_scores_by_sector_rating_maturity_and_region(session):
    work, done, final = session
    for model in final.models:
        kinds = {name.partition("=")[0] for name in model.slices}
        assert kinds == {"sector", "rating", "maturity", "region"}
        assert all(scores["n_rows"] >= 30 for scores in model.slices.values())
        assert any(APPLYING[model.name] <= scores.keys() for scores in model.slices.values())
    buckets = [name.partition("=")[2] for name in final.models[0].slices if name.startswith("maturity=")]
    assert buckets == [bucket for bucket in MATURITY_BUCKETS if bucket in buckets]
    report = final_report(
        as_document(SETTINGS),
        work._newest.history,
        done.record,
        final,
        judgement=Judgement("epoch limit", "all epochs are done"),
        announcements=(),
        notice="synthetic",
    )
    assert report["models"][0]["slices"]["region=north_america"]["n_rows"] >= 30
    page = final_report_markdown(report, final, done.record, groups="issuers").decode()
    assert "| slice | rows | mean_absolute_error | mean_squared_error |" in page
    assert "| region=north_america |" in page


def test_the_training_time_of_each_model_is_measured_and_stays_out_of_the_reports(session):
    work, done, final = session
    assert done.fit_seconds.keys() == work.fit_seconds.keys() == APPLYING.keys()
    assert all(seconds >= 0 for seconds in done.fit_seconds.values())
    assert b"fit_" not in epoch_report(done.record, notice="synthetic")
    assert b"fit_" not in msgspec.json.encode(final)
