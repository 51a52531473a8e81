"""Deals under a shock: truth of the generator, labels that follow it, and nothing else moved."""

import numpy as np
import pandas as pd
import pytest

from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.stress.portfolio import EnergyPortfolio
from core.domains.etrm.stress.redraw import deal_moves, stressed_deals
from core.domains.etrm.stress.revaluation import revalue
from core.domains.etrm.stress.shock import CALM, EtrmShock
from core.domains.registry import session_domain
from core.stress.choosing import drawn_request, label_engine, stress_engine

SETTINGS = DealSettings(n_years=1)
SAME = ["deal_id", "book_id", "as_of_date", "commodity", "hub", "volume", "side"]
SHOCK = EtrmShock(
    level={"POWER": 0.4, "GAS_TTF": 0.6},
    front={"GAS_TTF": 0.5},
    hub_add={"WTI": -5.0},
    volatility_factor={"POWER": 2.0, "GAS_TTF": 2.0},
    bid_ask_factor={"GAS_TTF": 3.0},
    hub_freeze={"TTF": 0.5},
)


@pytest.fixture(scope="module")
def calm():
    return draw_deals(1_500, 7, 11, SETTINGS)


@pytest.fixture(scope="module")
def shocked():
    return stressed_deals(1_500, 7, 11, SETTINGS, SHOCK)


def test_no_shock_gives_the_panel_itself(calm):
    still = stressed_deals(1_500, 7, 11, SETTINGS, CALM)
    pd.testing.assert_frame_equal(still.frame, calm.frame)
    pd.testing.assert_frame_equal(still.truth, calm.truth)
    nearly = draw_deals(1_500, 7, 11, SETTINGS, deal_moves(CALM))
    pd.testing.assert_frame_equal(nearly.frame, calm.frame)


def test_markets_move_as_positions_do_and_deals_stay(calm, shocked):
    pd.testing.assert_frame_equal(shocked.frame[SAME], calm.frame[SAME])
    known = (calm.frame["tenor_months"].notna() & (calm.frame["status"] != "cancelled")).to_numpy()
    held = EnergyPortfolio.of_deals(calm.frame[known])
    price = revalue(held, SHOCK).price
    assert shocked.frame["market_price"].to_numpy()[known] == pytest.approx(price, abs=1e-3)
    power = (calm.frame["commodity"] == "POWER").to_numpy()
    ratio = (shocked.frame["volatility"] / calm.frame["volatility"]).to_numpy()
    assert np.nanmedian(ratio[power]) == pytest.approx(2.0, abs=0.01)
    crude = (calm.frame["commodity"] == "CRUDE").to_numpy()
    assert np.nanmedian(ratio[crude]) == 1.0
    ttf = (calm.frame["hub"] == "TTF").to_numpy()
    slower = (shocked.frame["liquidation_days"] / calm.frame["liquidation_days"]).to_numpy()
    assert np.nanmedian(slower[ttf]) == pytest.approx(6.0, abs=0.01)


def test_truth_and_labels_follow_the_shock(calm, shocked):
    moved = (calm.frame["commodity"].isin(["POWER", "GAS_TTF"])).to_numpy()
    assert (shocked.truth["log_odds"] - calm.truth["log_odds"])[moved].mean() > 0.3
    assert shocked.frame["risk_score"][moved].mean() > calm.frame["risk_score"][moved].mean() + 0.03
    assert (shocked.truth["breach_chance"] >= calm.truth["breach_chance"] - 1e-9).all()
    assert (shocked.frame["limit_breach_5d"] >= calm.frame["limit_breach_5d"]).all()
    share, chance = shocked.frame["limit_breach_5d"].mean(), shocked.truth["breach_chance"].mean()
    assert share == pytest.approx(chance, abs=0.1)


def test_the_engine_draws_what_the_domain_draws():
    engine = label_engine("etrm", stress_engine("etrm"))
    request = drawn_request("etrm", n_rows=60, seed=4)
    drawn = session_domain("etrm").draw(request)
    pd.testing.assert_frame_equal(engine.stressed_panel(request, CALM).frame, drawn.frame)
