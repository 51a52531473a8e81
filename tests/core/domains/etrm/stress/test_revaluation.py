"""Every price after a shock is that of the price model with its factors moved, and every profit adds up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from core.domains.etrm.data.market import open_market
from core.domains.etrm.data.prices import ForwardCurves
from core.domains.etrm.data.trade_block import CALL, month_price, option_values
from core.domains.etrm.stress.engine import ENGINE
from core.domains.etrm.stress.revaluation import FACTORS, LOADING, revalue
from core.domains.etrm.stress.shock import CALM, HUB_NAMES, EtrmShock
from core.domains.stress import SEVERITIES

LINE = "as_of_date,hub,delivery_month,net_quantity_units,mark_price,fx_rate\n"
EVERYTHING = EtrmShock(
    level={"POWER": 0.3, "GAS_TTF": -0.2, "CRUDE": 0.4},
    front={"POWER": -0.8, "GAS_HH": 1.1},
    hub_level={"FR": 0.2, "WTI": -0.1},
    hub_front={"DE": 0.4},
    hub_add={"WTI": -30.0},
    volatility_factor={"POWER": 1.5, "CRUDE": 2.0},
    bid_ask_factor={"GAS_TTF": 3.0},
    hub_freeze={"TTF": 0.5},
    usd=0.1,
)


def moved_curve(market, day, shock):
    """Return the price model on one day with its factors moved: another way to the same prices."""
    prices = market.prices
    hubs, commodities = prices.hubs, [hub.commodity for hub in prices.hubs]
    load = np.array([hub.loading for hub in hubs])
    short, long = (getattr(prices, name).copy() for name in ("short_factor", "long_factor"))
    for factor, common, own in ((short, shock.front, shock.hub_front), (long, shock.level, shock.hub_level)):
        factor[day] += load * [common.get(name, 0.0) for name in commodities]
        factor[day] += [own.get(hub.name, 0.0) for hub in hubs]
    return ForwardCurves(prices.days, prices.names, prices.commodity_index, short, long)


def test_positions_are_revalued_on_the_curves_of_the_price_model(market, positions, held):
    shock = EtrmShock(level=EVERYTHING.level, front=EVERYTHING.front, hub_level={"FR": 0.2}, hub_front={"DE": 0.4})
    days = market.prices.days
    day = days.at(positions["as_of_date"].iloc[0])
    before, after = market.prices.curve, moved_curve(market, day, shock)
    hub = np.array([market.prices.names.index(name) for name in positions["hub"]])
    month = days.month[[days.at(first) for first in positions["delivery_month"]]]
    strike, is_call = positions["strike"].to_numpy(), (positions["option_type"] == "call").to_numpy()
    at = np.full(len(hub), day)
    is_option = positions["option_type"].notna().to_numpy()
    profit = month_price(after, at, hub, month) - month_price(before, at, hub, month)
    strike = np.where(is_option, strike, 1.0)
    options = [option_values(curve, at, hub, month, strike, is_call).value for curve in (after, before)]
    profit = np.where(is_option, options[0] - options[1], profit)
    profit *= positions["net_quantity_units"] * positions["fx_rate"] / 1e6
    assert is_option.sum() >= 5
    assert CALL == 1
    assert held.n_instruments == len(positions)
    stressed = revalue(held, shock).factors[: FACTORS.index("liquidity")].sum(axis=0)
    assert stressed[~is_option] == pytest.approx(profit[~is_option], rel=1e-9, abs=1e-9)
    # premiums of a millionth of the price say little about a volatility
    assert stressed[is_option] == pytest.approx(profit[is_option], rel=1e-6, abs=1e-6)


def test_a_linear_position_is_worth_what_the_closed_form_says(of_text):
    held = of_text(LINE + "2026-03-31,TTF,2026-09-01,1000000,28,1\n2026-03-31,WTI,2026-04-01,1000000,70,0.9\n")
    found = revalue(held, EtrmShock(level={"GAS_TTF": 0.4, "CRUDE": 0.1}, front={"GAS_TTF": 0.5}, hub_add={"WTI": -56}))
    # to the middle of the month, 16 September, are 121 weekdays; to 16 April 12, and 16 calendar days
    near, far = np.exp(-11 * 121 / 252), np.exp(-0.3 * 121 / 252)
    moved = found.profit - found.factors[FACTORS.index("liquidity")]
    assert moved[0] == pytest.approx(28 * np.expm1(0.4 * far + 0.5 * near), abs=1e-9)
    level = 70 * np.exp(0.93 * 0.1 * np.exp(-0.3 * 12 / 252))
    assert found.price[1] == pytest.approx(level - 56 * np.exp(-24 * 16 / 365), abs=1e-9)
    assert moved[1] == pytest.approx(0.9 * (found.price[1] - 70), abs=1e-9)


def test_an_option_is_valued_by_blacks_formula_at_the_volatility_of_its_price(of_text):
    head = "hub,tenor_months,net_quantity_units,mark_price,option_type,strike,underlying_price\n"
    root, forward = 0.25, 28.0

    def black(price, strike, root):
        upper = np.log(price / strike) / root + root / 2
        return price * norm.cdf(upper) - strike * norm.cdf(upper - root)

    premium = float(black(forward, 30.0, root))
    held = of_text(head + f"TTF,6,1000000,{premium!r},call,30,28\nTTF,6,-1000000,{premium + 2!r},put,30,28\n")
    assert np.sqrt(held.variance) == pytest.approx(root, abs=1e-9)
    found = revalue(held, EtrmShock(hub_level={"TTF": 0.2}, volatility_factor={"GAS_TTF": 2.0}))
    moved = forward * np.exp(0.2 * np.exp(-0.3 * 6 / 12))
    assert found.factors[FACTORS.index("basis"), 0] == pytest.approx(black(moved, 30, root) - premium, abs=1e-9)
    volatility = found.factors[FACTORS.index("volatility")]
    assert volatility[0] == pytest.approx(black(moved, 30, 2 * root) - black(moved, 30, root), abs=1e-9)
    # a call bought and a put sold are a forward: volatility does nothing
    assert volatility.sum() == pytest.approx(0, abs=1e-9)
    assert found.profit.sum() - found.factors[FACTORS.index("liquidity")].sum() == pytest.approx(moved - 28, abs=1e-9)


def test_a_price_far_below_zero_leaves_a_call_worthless_and_a_put_certain(of_text):
    head = "hub,tenor_months,net_quantity_units,mark_price,option_type,strike,underlying_price\n"
    held = of_text(head + "WTI,0,1000000,3,call,20,20\nWTI,0,1000000,3,put,20,20\n")
    found = revalue(held, EtrmShock(hub_add={"WTI": -60}))
    assert found.price[0] == pytest.approx(-40)
    assert found.unit.value[0] < 0.001  # of a premium of 3
    assert found.unit.value[1] - found.unit.value[0] == pytest.approx(60, abs=1e-9)
    certain = revalue(held, EtrmShock(hub_add={"WTI": 60}))
    assert certain.unit.value.tolist() == pytest.approx([60, 0], abs=1e-9)


def test_no_shock_does_nothing(held):
    calm = revalue(held, CALM)
    assert not calm.factors.any()
    assert (calm.price == held.forward).all() or calm.price == pytest.approx(held.forward, abs=1e-9)
    assert ENGINE.profit(held, EtrmShock(usd=0.0)) == 0


def test_factors_positions_and_slices_add_up(held):
    cases = ENGINE.run(held, ENGINE.scenarios, SEVERITIES)
    for case in cases:
        assert sum(case.factors.values()) == pytest.approx(case.pnl, abs=1e-9)
        assert sum(part.points for part in case.parts) == pytest.approx(case.impact, abs=1e-12)
        assert 0 <= case.impact <= 1
        for slicing in {part.slicing for part in case.slices}:
            parts = [part for part in case.slices if part.slicing == slicing]
            assert sum(part.metrics["pnl"] for part in parts) == pytest.approx(case.pnl, abs=1e-9)
            assert sum(part.n for part in parts) == held.n_instruments
    table = ENGINE.instruments(held, ENGINE.scenarios[0], "severe")
    assert table["pnl"].sum() == pytest.approx(cases[2].pnl, abs=1e-9)
    assert table[list(FACTORS)].sum(axis=1).to_numpy() == pytest.approx(table["pnl"].to_numpy(), abs=1e-9)


def test_a_position_in_two_halves_is_the_position(of_text):
    whole = of_text(LINE + "2026-03-31,DE,2026-09-01,200000,60,1\n")
    halves = of_text(LINE + "2026-03-31,DE,2026-09-01,100000,60,1\n" * 2)
    one, two = (ENGINE.run(each, ENGINE.scenarios, ["severe"]) for each in (whole, halves))
    assert [case.pnl for case in one] == pytest.approx([case.pnl for case in two], abs=1e-9)
    assert [case.metrics["es975"] for case in one] == pytest.approx([case.metrics["es975"] for case in two], abs=1e-9)


def test_what_is_bought_and_sold_loses_its_liquidity_alone(of_text):
    flat = of_text(LINE + "2026-03-31,DE,2026-09-01,100000,60,1\n2026-03-31,DE,2026-09-01,-100000,60,1\n")
    found = revalue(flat, EVERYTHING)
    assert found.profit.sum() == pytest.approx(found.factors[FACTORS.index("liquidity")].sum(), abs=1e-9)


def test_the_dollar_moves_what_was_won_before_as_well(of_text):
    head = LINE.replace("mark_price", "avg_price,mark_price")
    held = of_text(head + "2026-03-31,WTI,2026-09-01,1000000,60,70,0.9\n2026-03-31,DE,2026-09-01,1,10,70,1\n")
    assert revalue(held, EtrmShock(usd=0.1)).profit.tolist() == pytest.approx([0.1 * 10 * 0.9, 0.0])


def test_a_hub_follows_its_commodity_as_far_as_the_model_says(of_text):
    text = "".join(f"2026-03-31,{hub},2026-09-01,1000,60,1\n" for hub in ("DE", "FR", "PJM"))
    move = revalue(of_text(LINE + text), EtrmShock(level={"POWER": 0.5})).common_move
    assert move / move[0] == pytest.approx([LOADING[HUB_NAMES.index(hub)] for hub in ("DE", "FR", "PJM")])


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30))
def test_factors_add_up_for_whatever_positions(seed, n):
    from core.domains.etrm.deals.panel import draw_deals
    from core.domains.etrm.deals.settings import DealSettings

    held = ENGINE.drawn_portfolio(draw_deals(n + 20, seed, 3, DealSettings(n_years=1)).frame)
    found = revalue(held, EVERYTHING)
    assert found.factors.sum() == pytest.approx(found.profit.sum(), abs=1e-9)
    assert np.isfinite(found.factors).all()


def test_the_same_input_gives_the_same_cases(positions):
    held = [ENGINE.drawn_portfolio(positions) for _ in range(2)]
    assert ENGINE.run(held[0], ENGINE.scenarios[:3], ["severe"]) == ENGINE.run(
        held[1], ENGINE.scenarios[:3], ["severe"]
    )


def test_another_market_of_the_same_seed_is_the_same(market):
    assert (open_market(market.settings).prices.spot == market.prices.spot).all()
