import numpy as np
import pytest

from core.domains.bonds.models.consistency import contradictions
from core.domains.bonds.models.residual import residual_evidence, share_of_anomalies
from core.domains.catalogue import create


@pytest.fixture(scope="module")
def watchful(draw):
    model = create("anomaly")
    for epoch in range(3):
        model.update(draw(epoch, 1_000), seed=epoch)
    return model


def test_the_residual_detector_finds_what_a_forest_cannot(watchful, draw, fresh):
    forest = create("anomaly", algorithm="isolation_forest")
    forest.update(draw(0, 1_000), seed=0)
    assert forest.evaluate(fresh)["off_market_precision"] < 0.2
    figures = watchful.evaluate(fresh)
    assert figures["off_market_precision"] > 0.6
    assert figures["attainment"] > 0.8


def test_the_report_says_which_detector_ships_and_on_which_figures(watchful):
    report = watchful.report()
    assert report["ships"] == "residual"
    residual, forest = report["candidates"]
    assert residual["average_precision"] > 5 * forest["average_precision"]
    assert "residual 0." in report["why"]


def test_rows_it_calls_anomalous_mostly_are(watchful, fresh):
    flagged = watchful.flag(fresh.bonds)
    assert fresh.bonds["is_anomaly"][flagged].mean() > 0.85
    assert flagged[fresh.bonds["is_anomaly"] == 1].mean() > 0.5


def test_its_threshold_follows_the_share_of_anomalies_in_the_data(draw):
    few, many = create("anomaly", algorithm="residual"), create("anomaly", algorithm="residual")
    for epoch in range(3):
        bonds = draw(epoch, 600).bonds
        few.update(bonds[bonds["is_anomaly"] == 0], seed=epoch)
        wrong = bonds["spread_bps"].where(np.arange(len(bonds)) % 10 > 0, bonds["spread_bps"] * 4)
        many.update(bonds.assign(spread_bps=wrong), seed=epoch)
    assert few.share < 0.02 < 0.05 < many.share < 0.15
    assert many.threshold < few.threshold


@pytest.mark.parametrize(
    ("check", "kind"), [("duplicate", "duplicate"), ("stale", "stale_price"), ("maturity", "maturity_error")]
)
def test_a_row_that_contradicts_the_table_is_found_without_a_model(check, kind, fresh):
    broken = contradictions(fresh.bonds)[check]
    assert broken[fresh.bonds["anomaly_type"] == kind].mean() > 0.9
    assert broken[fresh.bonds["anomaly_type"] == "none"].mean() < 0.002


def test_a_rating_at_odds_with_the_issuers_other_bonds_is_found(fresh):
    broken = contradictions(fresh.bonds)["rating"]
    assert set(fresh.bonds["anomaly_type"][broken]) == {"rating_typo"}


def test_evidence_rises_with_the_residual_and_is_weaker_for_narrow_spreads():
    score = np.arcsinh(np.full(4, 200.0) / 10)
    evidence = residual_evidence(np.array([200.0, 300.0, 500.0, 20_000.0]), score, 0.3)
    assert (np.diff(evidence) > 0).all()
    narrow = residual_evidence(np.array([6.0]), np.arcsinh(np.array([0.3])), 0.3)
    wide = residual_evidence(np.array([600.0]), np.arcsinh(np.array([30.0])), 0.3)
    assert narrow < wide


def test_the_share_of_anomalies_is_estimated_from_their_evidence():
    evidence = np.concatenate((np.full(9_500, -3.0), np.full(500, 12.0)))
    assert share_of_anomalies(evidence, 0.02) == pytest.approx(0.05, abs=0.005)
