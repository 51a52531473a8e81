"""Panels of deals: deterministic, sound by their own gates, and labelled by the law that the truth states."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.domain import DrawRequest
from core.domains.etrm.deals import calibration as cal
from core.domains.etrm.deals.checks import DEAL_CHECKS
from core.domains.etrm.deals.columns import COLUMNS
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.quotes import off_market_evidence
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.domain import ETRM, NEW_PRICES
from core.domains.etrm.levels import risk_level
from core.errors import UsageError
from core.quality import assess
from core.settings.quality import QualityGates

PRICES = 7


def draw(n_rows=1_000, seed=1, **changed):
    return draw_deals(n_rows, seed, PRICES, DealSettings(**changed))


@pytest.fixture(scope="module")
def large():
    return draw(20_000)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**31 - 1))
def test_a_panel_of_any_size_and_seed_passes_every_gate_that_blocks(n_rows, seed):
    frame = draw(n_rows, seed, missing_rate=0.0).frame
    assert len(frame) == n_rows
    assert tuple(frame) == tuple(column.name for column in COLUMNS)
    assert [gate.name for gate in assess(frame, DEAL_CHECKS).gates if gate.blocks] == []


def test_the_same_request_gives_the_same_panel_and_another_seed_shares_no_book():
    first, again, other = draw(), draw(), draw(seed=2)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert not set(first.frame["book_id"]) & set(other.frame["book_id"])


def test_only_the_second_test_panel_has_other_prices():
    def prices(purpose):
        request = DrawRequest(purpose, 3_000, seed=5, session_seed=42, settings=DealSettings())
        frame = ETRM.draw(request).frame
        return frame.set_index("deal_id")["market_price"]

    assert prices("draw").equals(prices("test"))
    assert not prices("draw").equals(prices(NEW_PRICES))


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        pytest.param(lambda f: f.assign(mtm_eur=f["mtm_eur"] * 2 + 5), "value_identity", id="a value of its own"),
        pytest.param(lambda f: f.assign(status="new", mtm_eur=0.0), "value_identity", id="a deal that weighs nothing"),
        pytest.param(lambda f: f.assign(var99_eur=f["var95_eur"] * 0.9), "var_order", id="VaR upside down"),
        pytest.param(lambda f: f.assign(over_limit=1 - f["over_limit"]), "limit_identity", id="a flag that lies"),
        pytest.param(lambda f: f.assign(utilisation=f["utilisation"] * 1.1), "limit_identity", id="another ratio"),
        pytest.param(
            lambda f: f.assign(net_exposure_meur=f["gross_exposure_meur"] + 1), "net_within_gross", id="net above gross"
        ),
        pytest.param(lambda f: f.drop(columns="volatility"), "coverage", id="a lost column"),
    ],
)
def test_a_broken_identity_fails_its_gate_and_no_other(change, gate):
    failed = [found.name for found in assess(change(draw().frame), DEAL_CHECKS).gates if found.blocks]
    assert failed == [gate] or failed == [gate, "empty_columns"]


def test_the_settings_inject_contradictions_that_the_gate_finds():
    assert not assess(draw(identity_error_rate=0.05).frame, DEAL_CHECKS).passed


def test_a_score_is_its_expected_log_odds_with_the_stated_noise(large):
    score = large.frame["risk_score"].to_numpy()
    miss = np.log(score / (1 - score)) - large.truth["log_odds"].to_numpy()
    assert miss.mean() == pytest.approx(0, abs=0.02)
    assert miss.var() == pytest.approx(0.3**2 + cal.SCORE_BOOK_SD.value**2, rel=0.1)


def test_breaches_happen_as_often_as_their_probability_says(large):
    one = large.frame.assign(p=large.truth["breach_chance"]).drop_duplicates(["book_id", "as_of_date"])
    for _, group in one.groupby(pd.qcut(one["p"], 5), observed=True):
        error = np.sqrt(group["p"].mean() / len(group))
        assert group["limit_breach_5d"].mean() == pytest.approx(group["p"].mean(), abs=4 * error)


def test_the_evidence_of_a_price_is_the_ratio_of_two_densities():
    z = np.linspace(-40, 40, 400_001)
    ratio = np.exp(off_market_evidence(z, np.ones(len(z))))
    sound = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
    seen = np.abs(z) < 20  # further out the density of sound prices is nought
    assert np.trapezoid((ratio * sound)[seen], z[seen]) == pytest.approx(1, abs=1e-3)


def test_levels_are_cut_as_stated():
    assert [risk_level(cut) for cut in cal.LEVEL_CUTS.value] == list(cal.LEVELS[1:])
    assert risk_level(0.0) == cal.LEVELS[0]


def test_every_constant_has_a_unit_a_grade_and_a_source():
    for name, constant in cal.constants().items():
        assert constant.unit, name
        assert constant.grade == "J", name
        assert constant.source in cal.SOURCES, name


def test_the_settings_set_the_limit_of_any_gate_of_the_domain():
    frame = draw(identity_error_rate=0.05).frame
    lenient = assess(frame, DEAL_CHECKS, QualityGates(limits={"value_identity": 20.0}))
    assert lenient.passed
    assert next(gate.threshold for gate in lenient.gates if gate.name == "value_identity") == 20.0
    with pytest.raises(
        UsageError, match="limits names 'value_identiy', which is no gate here: coverage, value_identity"
    ):
        assess(frame, DEAL_CHECKS, QualityGates(limits={"value_identiy": 20.0}))
