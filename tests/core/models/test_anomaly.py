import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data.ratings import notch_matrix, recent_downgrade_share
from core.domains.bonds.models.consistency import contradictions
from core.domains.bonds.models.mistyped import mistyped_evidence
from core.domains.bonds.models.rating_context import Belief, RatingLaw
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


def test_a_rating_at_odds_with_the_issuers_other_bonds_is_found(watchful, fresh):
    odds = mistyped_evidence(fresh.bonds, watchful.spread)
    kind = fresh.bonds["anomaly_type"]
    assert set(kind[odds > np.log(1_000)]) == {"rating_typo"}
    assert (odds[kind == "rating_typo"] > np.log(20)).mean() > 0.9


def rated(notches, fell=False, days=("2020-06-30",)):
    """Bonds of one issuer, in the order given, over one or more reviews."""
    day = np.repeat(np.array(days, dtype="datetime64[s]"), len(notches) // len(days))
    return pd.DataFrame({"issuer_id": "i", "as_of_date": day, "rating_num": notches, "recent_downgrade": fell})


YEARS = ("2019-06-30", "2020-06-30", "2021-06-30")


@pytest.mark.parametrize(
    ("bonds", "typo"),
    [
        pytest.param(rated([5, 5, 10]), 2, id="one of three bonds on one day"),
        pytest.param(rated([5, 10, 5], days=YEARS), 1, id="one year among its neighbours"),
        pytest.param(rated([5, 5, 10], days=YEARS), 2, id="the last year, said not to have fallen"),
        pytest.param(rated([10, 5, 5], days=YEARS), 0, id="the first year: a rise of five notches is rare"),
    ],
)
def test_a_mistyped_rating_is_told_from_its_neighbours(bonds, typo):
    law = RatingLaw.of((4, 6), 0.003)
    odds = Belief.of(bonds, law).typo_odds(law)
    assert np.argmax(odds) == typo
    assert odds[typo] > 0
    assert np.delete(odds, typo).max() < 0


def test_bonds_that_agree_and_fall_together_are_not_mistyped():
    law = RatingLaw.of((4, 6), 0.003)
    fell = rated([5, 5, 10, 10, 10, 10], fell=np.repeat([False, True, False], 2), days=YEARS)
    assert Belief.of(fell, law).typo_odds(law).max() < 0


def test_the_context_of_a_rating_is_its_posterior_by_enumeration():
    """Against the sum over every path of true ratings of an issuer with two reviews."""
    law = RatingLaw.of((4, 6), 0.003, split=0.01, flag_error=0.01)
    bonds = rated([7, 7, 8, 12], fell=np.array([False, False, True, True]), days=YEARS[:2])
    live = notch_matrix()[:21, :21] * np.where(np.triu(np.ones((21, 21)), 1) > 0, 0.99, 0.01)
    start = 1 - recent_downgrade_share()
    joint = start[:, None] * live * (law.shown[:, 7] ** 2)[:, None] * law.shown[:, 8]
    wanted = joint.sum(axis=0)
    found = np.exp(Belief.of(bonds, law).log_chance[3])
    assert found / found.sum() == pytest.approx(wanted / wanted.sum(), abs=1e-9)


def test_a_prediction_far_from_what_was_learned_is_trusted_less(watchful, fresh):
    usual = fresh.bonds.head(200)
    strange = usual.assign(leverage_x=usual["leverage_x"] * 30, credit_cycle=usual["credit_cycle"] + 4)
    assert (watchful.spread.expect(strange)[1] > watchful.spread.expect(usual)[1]).mean() > 0.95
    spread_bps = np.array([100.0, 100.0])
    sure, unsure = residual_evidence(spread_bps, np.arcsinh([30.0, 30.0]), 0.3, np.array([0.0, 1.0]))
    assert unsure < sure


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
