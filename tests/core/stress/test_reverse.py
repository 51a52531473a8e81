"""Reverse stress tests: the smallest shock that loses as much as was asked, and nothing smaller does."""

import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data.panel import generate
from core.domains.bonds.data.settings import PanelSettings
from core.domains.bonds.stress.plausible import FACTORS, plausible_shock, yearly_root
from core.domains.registry import session_domain
from core.domains.stress import fields_set
from core.errors import UsageError
from core.quality.report import assess
from core.settings.quality import QualityGates
from core.stress.choosing import drawn_request, portfolio_of_file, stress_engine
from core.stress.reverse import (
    MOST_SD,
    along_scenario,
    first_crossing,
    gate_target,
    impact_target,
    least_favourable,
    loss_target,
)
from core.stress.stress_test import ReverseAim, StressRequest, reverse_stress

ENGINE = stress_engine("bonds")
BY_NAME = {scenario.name: scenario for scenario in ENGINE.scenarios}


@pytest.fixture(scope="module")
def held():
    return ENGINE.drawn_portfolio(generate(PanelSettings(n_rows=200, seed=4)).frame)


def test_the_share_of_a_rate_shock_is_the_closed_form():
    """A zero-coupon bond of ten years at 4 %: the yield at which it has lost a tenth follows from the price alone."""
    zero = {"bond_id": ["A"], "rating": ["A"], "coupon_pct": [0.0], "maturity_years": [10.0]}
    held = ENGINE.drawn_portfolio(pd.DataFrame(zero | {"base_yield_pct": [3.0], "spread_bps": [100.0]}))
    found = along_scenario(ENGINE, held, BY_NAME["rates_up"], "severe", loss_target(ENGINE, held, 0.1))
    needed = 2 * (1.02 * 0.9 ** (-1 / 20) - 1) * 1e4 - 400
    assert found.size == pytest.approx(needed / 300, abs=1e-9)
    assert found.shock["parallel_bps"] == pytest.approx(needed, abs=1e-6)


@pytest.mark.parametrize("name", ["rates_up", "inflation", "fx_risk", "global_liquidity_freeze"])
def test_nothing_smaller_loses_as_much(held, name):
    found = along_scenario(ENGINE, held, BY_NAME[name], "severe", loss_target(ENGINE, held, 0.05))
    shock = BY_NAME[name].steps[0].ladder[2]
    assert found.pnl_share <= -0.05 * (1 - 1e-9)
    for share in np.linspace(0, found.size, 40)[:-1]:
        assert -ENGINE.profit(held, ENGINE.scaled(shock, share)) / held.market_value < 0.05


def test_a_loss_that_no_share_reaches_is_said(held):
    found = along_scenario(ENGINE, held, BY_NAME["rates_down"], "severe", loss_target(ENGINE, held, 0.05))
    assert found.size is None
    assert found.pnl_share > 0


def test_the_least_favourable_direction_is_nearer_than_any_other(held):
    found = least_favourable(ENGINE, held, loss_target(ENGINE, held, 0.05))
    assert found.pnl_share == pytest.approx(-0.05, abs=2e-3)
    rng = np.random.default_rng(1)
    for _ in range(60):
        direction = rng.standard_normal(ENGINE.n_plausible)
        direction /= np.linalg.norm(direction)

        def loss(size, along=direction):
            return -ENGINE.profit(held, ENGINE.plausible(size * along)) / held.market_value

        size = first_crossing(loss, 0.05, MOST_SD)
        assert size is None or size >= found.size * 0.999


LONG_AND_SHORT = """\
bond_id,issuer_id,rating,sector,region,coupon_pct,maturity_years,spread_bps,position_musd
B0,I0,A,industrials,north_america,6.701,12.182,46.964,12.897
B1,I1,A,industrials,north_america,1.354,5.699,100.502,-22.606
B2,I2,AA,technology,north_america,2.194,26.011,421.025,7.097
B3,I3,BBB,utilities,north_america,0.762,22.91,209.072,3.994
B4,I4,BB,industrials,north_america,8.686,10.692,494.249,1.223
B5,I5,BBB,banks,north_america,0.515,10.693,327.833,-37.027
B6,I6,B,energy,north_america,2.714,9.462,303.564,17.777
B7,I7,AA,energy,north_america,5.167,8.479,73.683,-1.384
B8,I8,AA,technology,north_america,6.943,12.673,389.899,2.178
B9,I9,AA,banks,north_america,3.676,24.019,460.158,-8.316
B10,I10,A,banks,north_america,1.81,27.299,357.217,33.932
B11,I11,BBB,utilities,north_america,1.367,19.272,194.883,27.673
"""


def test_a_book_of_long_and_short_bonds_is_looked_at_from_every_side(tmp_path):
    """One slope from the middle leads to a side of this book that is nearly twice as far."""
    (tmp_path / "book.csv").write_text(LONG_AND_SHORT)
    held = portfolio_of_file(ENGINE, tmp_path / "book.csv")
    target = loss_target(ENGINE, held, 0.02)
    found = least_favourable(ENGINE, held, target)
    known = np.array([0.226, 0.111, -0.1, -0.479, 0.835])  # by 4,000 random directions, the best of them turned
    size = first_crossing(lambda size: target.value(ENGINE.plausible(size * known / np.linalg.norm(known))), 0.02, 3)
    assert found.size <= size * 1.001
    assert found.size == pytest.approx(2.394, abs=0.002)


STRANGLE = """\
book,hub,as_of_date,delivery_month,net_quantity_units,mark_price,option_type,strike
A,TTF,2026-03-31,2026-09-01,1000,28,,
A,TTF,2026-03-31,2026-09-01,-100000,1.4,call,34
A,TTF,2026-03-31,2026-09-01,-300000,1.5,put,24
B,DE,2026-03-31,2026-09-01,100,62,,
"""


@pytest.mark.parametrize("loss", [0.1, 0.5])
def test_options_that_were_sold_on_both_sides_are_looked_at_from_both_sides(tmp_path, loss):
    (tmp_path / "strangle.csv").write_text(STRANGLE)
    engine = stress_engine("etrm")
    held = portfolio_of_file(engine, tmp_path / "strangle.csv")
    target = loss_target(engine, held, loss)
    found = least_favourable(engine, held, target)
    rng = np.random.default_rng(2)
    axes = np.eye(engine.n_plausible)
    for direction in (*axes, *-axes, *rng.standard_normal((100, engine.n_plausible))):
        along = direction / np.linalg.norm(direction)
        size = first_crossing(lambda size, along=along: target.value(engine.plausible(size * along)), loss, MOST_SD)
        assert size is None or size >= found.size * 0.999


def test_the_ellipsoid_is_that_of_the_macro_model():
    root = yearly_root()
    covariance = root @ root.T
    assert len(FACTORS) == ENGINE.n_plausible
    # The credit cycle: unit variance in the long run, 1 - exp(-2 kappa) of it within a year.
    assert covariance[3, 3] == pytest.approx(1 - np.exp(-0.72))
    assert covariance[0, 4] / np.sqrt(covariance[0, 0] * covariance[4, 4]) == pytest.approx(-0.6, abs=0.01)
    assert plausible_shock(np.array([1.0, 0, 0, 0, 0])).policy_bps == pytest.approx(100 * np.sqrt(covariance[0, 0]))


@pytest.mark.parametrize("loss", [0.0, -0.1, 1.5, float("nan")])
def test_a_loss_out_of_range_is_refused(held, loss):
    with pytest.raises(UsageError, match="must be a share above 0"):
        loss_target(ENGINE, held, loss)


def test_the_smallest_shock_of_an_impact_has_it_and_half_of_it_has_not(held):
    scenario = BY_NAME["rates_up"]
    target = impact_target(ENGINE, held, 0.2)
    found = along_scenario(ENGINE, held, scenario, "severe", target)
    assert found.value == pytest.approx(0.2, abs=1e-3)
    shock = scenario.steps[0].ladder[2]
    assert target.value(ENGINE.scaled(shock, found.size * 0.99)) < 0.2
    # prices alone: the fall of value against its cap of 25 %, weighed 0.35
    assert 0.35 * -found.pnl_share / 0.25 == pytest.approx(0.2, abs=1e-3)
    with pytest.raises(UsageError, match="must be above 0"):
        impact_target(ENGINE, held, 0.0)


def test_the_smallest_shock_that_fails_a_gate_is_found_and_the_gate_named():
    request = StressRequest(domain="bonds", n_rows=200, seed=4, scenarios=["global_liquidity_freeze", "rates_up"])
    freeze, rates, least = reverse_stress(request, ReverseAim(gates=["liquidity_index_median"]))
    assert freeze.gates == ("liquidity_index_median",)
    assert 0 < freeze.size < 3
    assert (rates.size, rates.gates) == (None, ())
    assert (least.direction, least.gates) == ("least favourable", ("liquidity_index_median",))
    shock = BY_NAME["global_liquidity_freeze"].steps[0].ladder[2]
    panel = drawn_request("bonds", n_rows=200, seed=4)
    for times, fails in ((0.99, False), (1.0, True)):
        frame = ENGINE.stressed_panel(panel, ENGINE.scaled(shock, freeze.size * times)).frame
        gates = {gate.name: gate.blocks for gate in assess(frame, session_domain("bonds").checks).gates}
        assert gates["liquidity_index_median"] is fails


def test_a_gate_that_fails_without_a_shock_is_refused():
    panel, checks = drawn_request("bonds", n_rows=100, seed=4), session_domain("bonds").checks
    strict = QualityGates(liquidity_index_median_min=100.0)
    with pytest.raises(UsageError, match="liquidity_index_median fails already without a shock: leave it out"):
        gate_target(ENGINE, panel, checks, gates=strict, wanted=["liquidity_index_median"])
    assert "liquidity_index_median" not in gate_target(ENGINE, panel, checks, gates=strict).gates(ENGINE.shock())


def test_a_gate_that_no_shock_moves_is_not_reached_at_the_largest_shock_rather_than_in_calm():
    request = StressRequest(domain="bonds", n_rows=60, seed=4, scenarios=["rates_up"])
    *_, least = reverse_stress(request, ReverseAim(gates=["duplicates"]))
    assert (least.direction, least.size, least.gates) == ("least favourable", None, ())
    assert least.shock != dict(fields_set(ENGINE.shock()))
    assert least.pnl_share < 0


@pytest.mark.journey
def test_no_shock_that_is_nearer_fails_the_gate():
    panel, checks = drawn_request("bonds", n_rows=100, seed=4), session_domain("bonds").checks
    target = gate_target(ENGINE, panel, checks, wanted=["liquidity_index_median"])
    held = ENGINE.drawn_portfolio(ENGINE.stressed_panel(panel, ENGINE.shock()).frame)
    found = least_favourable(ENGINE, held, target)
    assert found.gates == ("liquidity_index_median",)
    along_axes = [
        first_crossing(
            lambda size, at=axis: target.value(ENGINE.plausible(size * at)), 1.0, MOST_SD, grid=8, halvings=7
        )
        for axis in (*np.eye(5), *-np.eye(5))
    ]
    nearest = min(size for size in along_axes if size is not None)
    assert found.size < nearest  # no axis is the least favourable direction
    place = int(np.argmin([np.inf if size is None else size for size in along_axes]))
    axis, rng = (*np.eye(5), *-np.eye(5))[place], np.random.default_rng(3)
    for k in range(30):  # half of them near the best axis, which no uniform direction is
        direction = rng.standard_normal(5) + (4 * axis if k % 2 else 0)
        direction *= found.size / np.linalg.norm(direction)
        for part in (0.9, 0.98):
            assert not target.value(ENGINE.plausible(part * direction))


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        ({}, "exactly one of a loss, an impact and gates"),
        ({"loss_share": 0.1, "any_gate": True}, "exactly one of a loss, an impact and gates"),
    ],
)
def test_exactly_one_target_is_searched(aim, message):
    with pytest.raises(UsageError, match=message):
        ReverseAim(**aim)


def test_gates_need_a_panel_and_a_name_that_is_known(tmp_path):
    path = tmp_path / "book.csv"
    path.write_text("bond_id,rating,coupon_pct,maturity_years,ytm_pct\nA,BBB,4,5,4\n")
    request = StressRequest(domain="bonds", portfolio=path, scenarios=["rates_up"])
    with pytest.raises(UsageError, match="leave the file of positions out"):
        reverse_stress(request, ReverseAim(any_gate=True))
    with pytest.raises(UsageError, match="There is no gate 'gale'; choose from coverage"):
        reverse_stress(request.of_panel(60, 1), ReverseAim(gates=["gale"]))
