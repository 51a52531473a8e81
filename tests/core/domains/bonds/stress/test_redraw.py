"""Panels under a shock: truth of the generator, labels that follow it, and nothing else moved."""

import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data.panel import generate
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.stress.engine import ENGINE
from core.domains.bonds.stress.redraw import stressed_panel
from core.domains.bonds.stress.shock import BondShock
from core.domains.stress import SEVERITIES, shock_at

SETTINGS = PanelSettings(n_rows=900, seed=5, macro_seed=3)
SAME = ["issuer_id", "bond_id", "as_of_date", "sector", "coupon_pct", "issue_size_musd", "news_sentiment"]


@pytest.fixture(scope="module")
def calm():
    return generate(SETTINGS)


def shocked(**fields):
    return stressed_panel(SETTINGS, BondShock(**fields))


def test_no_shock_gives_the_panel_itself(calm):
    still = shocked()
    pd.testing.assert_frame_equal(still.bonds, calm.bonds)
    pd.testing.assert_frame_equal(still.truth, calm.truth)


def test_a_shock_moves_covariates_truth_and_labels_of_the_same_bonds(calm):
    panel = shocked(cycle=2.0, policy_bps=-100, cpi_pp=3.0, dealer_inventory_z=-2.0)
    pd.testing.assert_frame_equal(panel.bonds[SAME], calm.bonds[SAME])
    moved = panel.bonds["credit_cycle"] - calm.bonds["credit_cycle"]
    assert moved.dropna().to_numpy() == pytest.approx(2.0, abs=1e-3)
    assert (panel.truth["p_down"] >= calm.truth["p_down"]).all()
    assert (panel.truth["p_liq"] > calm.truth["p_liq"]).all()
    assert (panel.truth["s_opt"] > calm.truth["s_opt"]).mean() > 0.95
    # the same random numbers: whoever was downgraded in calm is downgraded now
    assert (panel.bonds["downgrade_12m"] >= calm.bonds["downgrade_12m"]).all()
    assert panel.bonds["downgrade_12m"].mean() > 1.3 * calm.bonds["downgrade_12m"].mean()


def test_labels_follow_the_truth_of_the_shock_and_not_that_of_calm():
    settings = PanelSettings(n_rows=20_000, seed=8, macro_seed=3)
    panel = stressed_panel(settings, BondShock(cycle=2.5, bid_ask_factor=3.0))
    rows = panel.bonds.drop_duplicates(["issuer_id", "as_of_date"]).index
    for label, chance, at in (
        ("downgrade_12m", "p_down", rows),
        ("liquidity_shock_1m", "p_liq", panel.bonds.index),
    ):
        happened, truth = panel.bonds.loc[at, label].to_numpy(), panel.truth.loc[at, chance].to_numpy()
        sd = np.sqrt((truth * (1 - truth)).sum()) / len(at)
        # frailty is common to a month: the share may differ by more than independent draws do
        assert abs(happened.mean() - truth.mean()) < 8 * sd + 0.01
    clean = panel.truth["clean_spread"] / panel.truth["s_full"]
    assert clean[panel.truth["s_full"] > 60].mean() == pytest.approx(1, abs=0.03)


def test_the_liquidity_of_a_shock_is_that_of_the_portfolio_engine(calm):
    panel = shocked(cycle=1.0, bid_ask_factor=3.0, turnover_change=-0.4)
    ratio = (panel.bonds["bid_ask_bps"] / calm.bonds["bid_ask_bps"]).dropna()
    assert ratio.to_numpy() == pytest.approx(3.0, rel=0.01)
    volume = (panel.bonds["turnover_annual"] / calm.bonds["turnover_annual"]).dropna()
    assert volume.median() == pytest.approx(0.6, rel=0.01)


def test_curves_move_every_base_yield_and_direct_moves_every_spread(calm):
    panel = shocked(parallel_bps=100.0, ln_spread=0.5, spread_bps=20.0, sector_ln_spread={"energy": 0.2})
    moved = (panel.bonds["base_yield_pct"] - calm.bonds["base_yield_pct"]).dropna()
    assert moved.to_numpy() == pytest.approx(1.0, abs=2e-4)
    energy = (calm.bonds["sector"] == "energy").to_numpy()
    wanted = calm.truth["s_opt"].to_numpy() * np.exp(0.5 + 0.2 * energy) + 20
    assert panel.truth["s_opt"].to_numpy() == pytest.approx(wanted, rel=1e-3, abs=0.01)


def test_the_weakest_are_cut_and_contagion_reaches_the_others(calm):
    alone = shocked(seed_share=0.1, seed_notches=2)
    spread = shocked(seed_share=0.1, seed_notches=2, contagion=1.0)
    cut = (alone.truth["clean_rating_num"] > calm.truth["clean_rating_num"]).to_numpy()
    assert 0.05 < cut.mean() < 0.2
    can_fall = (calm.truth["clean_rating_num"] < 20).to_numpy()
    assert calm.truth["p_down"][cut].min() >= calm.truth["p_down"][~cut & can_fall].max() - 1e-9
    assert (spread.truth["p_down"][~cut] > alone.truth["p_down"][~cut]).mean() > 0.95
    assert (spread.truth["p_down"][cut] == alone.truth["p_down"][cut]).all()


@pytest.mark.parametrize("scenario", ENGINE.scenarios, ids=lambda scenario: scenario.name)
def test_every_scenario_can_be_drawn_and_is_no_better_for_issuers_when_worse(calm, scenario):
    chances = []
    for severity in SEVERITIES:
        panel = stressed_panel(SETTINGS, shock_at(ENGINE, scenario, severity, 0.0))
        assert len(panel.bonds) == len(calm.bonds)
        chances.append(panel.truth["p_liq"].mean())
    assert chances == sorted(chances) or scenario.family == "rate_shock"
