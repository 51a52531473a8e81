"""A worse shock is worse, on every figure, for whatever portfolio."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.bonds.stress.engine import ENGINE
from core.domains.bonds.stress.shock import BondShock, combined, scaled
from core.domains.stress import SEVERITIES

ADVERSE = [name for name in (s.name for s in ENGINE.scenarios) if name not in ("rates_down", "rates_short_down")]
HIGHER = ("spread_widening_bps", "liquidity_drop", "bid_ask_ratio", "cut_share", "default_rate", "expected_loss")
CREDIT = ("global_liquidity_freeze", "downgrade_cascade", "inflation", "fx_risk", "combined_severe")


@pytest.fixture(scope="module")
def ladders(held):
    cases = ENGINE.run(held, ENGINE.scenarios, SEVERITIES)
    return {s.name: [case for case in cases if case.scenario == s.name] for s in ENGINE.scenarios}


@pytest.mark.parametrize("name", [scenario.name for scenario in ENGINE.scenarios])
def test_mild_is_no_worse_than_moderate_and_moderate_than_severe(ladders, name):
    for lesser, worse in zip(ladders[name], ladders[name][1:], strict=False):
        for metric in HIGHER:
            assert lesser.metrics[metric] <= worse.metrics[metric] + 1e-12, metric
        assert lesser.impact <= worse.impact + 1e-12


@pytest.mark.parametrize("name", CREDIT)
def test_a_worse_credit_scenario_loses_more_and_risks_more(ladders, name):
    mild, moderate, severe = ladders[name]
    assert 0 > mild.pnl > moderate.pnl > severe.pnl
    assert mild.metrics["var99"] <= moderate.metrics["var99"] <= severe.metrics["var99"]


SHOCKS = st.fixed_dictionaries(
    {
        "cycle": st.floats(0, 3),
        "parallel_bps": st.floats(0, 300),
        "cpi_pp": st.floats(0, 6),
        "fund_outflow": st.floats(0, 0.5),
        "emerging_leverage_z": st.floats(0, 2),
        "coverage_z": st.floats(-2, 0),
        "ln_spread": st.floats(0, 0.5),
        "seed_share": st.floats(0, 0.2),
        "contagion": st.floats(0, 1),
    }
)


@settings(max_examples=25)
@given(shock=SHOCKS, more=SHOCKS, notches=st.integers(0, 3))
def test_more_of_any_shock_is_never_better(held, shock, more, notches):
    lesser = held.stressed(BondShock(**shock, seed_notches=notches))
    greater = {name: shock[name] + more[name] * (0.5 if name != "seed_share" else 1) for name in shock}
    worse = held.stressed(BondShock(**greater, seed_notches=notches))
    assert (worse.spread >= lesser.spread - 1e-9).all()
    assert (worse.liquidity.index <= lesser.liquidity.index + 1e-9).all()
    assert (worse.cascade.notches >= lesser.cascade.notches).all()
    assert (worse.default_chance >= lesser.default_chance - 1e-12).all()
    assert worse.profit.sum() <= lesser.profit.sum() + 1e-9


@settings(max_examples=25)
@given(shock=SHOCKS)
def test_all_of_a_shock_is_the_shock_and_none_of_it_is_nothing(shock):
    one = BondShock(**shock)
    assert scaled(one, 1.0) == one
    assert scaled(one, 0.0) == BondShock()
    assert combined([one, BondShock()]) == one


def test_shocks_at_once_add_up_but_one_crisis_counts_once():
    freeze, cascade = (s.steps[0].ladder[1] for s in ENGINE.scenarios[:2])
    both = combined([freeze, cascade, BondShock(parallel_bps=50, fx={"EUR": -0.1}), BondShock(fx={"EUR": -0.1})])
    assert both.cycle == max(freeze.cycle, cascade.cycle)
    assert both.parallel_bps == 50
    assert both.fx["EUR"] == pytest.approx(-0.19)
    assert both.seed_share == cascade.seed_share
    assert both.bid_ask_factor == freeze.bid_ask_factor
