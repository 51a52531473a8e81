"""A worse shock is worse: what moves moves further, costs more, and loses more on the side that it is against."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.etrm.stress.engine import ENGINE
from core.domains.etrm.stress.revaluation import FACTORS, revalue
from core.domains.etrm.stress.shock import HUB_NAMES, EtrmShock, combined, scaled
from core.domains.etrm.stress.tail_risk import calm_state, stressed_state, tail_risks
from core.domains.stress import SEVERITIES
from core.errors import UsageError

HIGHER = ("price_move", "basis_move", "frozen_share", "negative_share", "turnover_share")
LIQUIDITY = FACTORS.index("liquidity")
HEAD = "hub,tenor_months,net_quantity_units,mark_price\n"


@pytest.fixture
def both_sides(of_text):
    """Return every hub bought, and every hub sold."""
    rows = "".join(f"{hub},{tenor},{{sign}}10000,30\n" for hub in HUB_NAMES for tenor in (0, 3, 18))
    return [of_text(HEAD + rows.format(sign=sign)) for sign in ("", "-")]


@pytest.mark.parametrize("scenario", ENGINE.scenarios, ids=lambda scenario: scenario.name)
def test_mild_is_no_worse_than_moderate_and_moderate_than_severe(both_sides, scenario):
    for held in both_sides:
        ladder = [revalue(held, step) for step in scenario.steps[0].ladder]
        for lesser, worse in itertools.pairwise(ladder):
            assert (abs(worse.common_move) >= abs(lesser.common_move) - 1e-12).all()
            assert (abs(worse.hub_move) >= abs(lesser.hub_move) - 1e-12).all()
            assert worse.factors[LIQUIDITY].sum() <= lesser.factors[LIQUIDITY].sum() + 1e-12
    worst = [min(revalue(held, step).profit.sum() for held in both_sides) for step in scenario.steps[0].ladder]
    assert 0 > worst[0] > worst[1] > worst[2]


def test_the_figures_of_a_portfolio_rise_with_the_severity(held):
    cases = ENGINE.run(held, ENGINE.scenarios, SEVERITIES)
    at_once = [case for case in cases if case.month == 0]
    for scenario in ENGINE.scenarios:
        ladder = [case for case in at_once if case.scenario == scenario.name]
        for lesser, worse in itertools.pairwise(ladder):
            for metric in HIGHER:
                assert lesser.metrics[metric] <= worse.metrics[metric] + 1e-12, (scenario.name, metric)


UP = st.floats(0, 1.0)


@settings(max_examples=25)
@given(level=UP, front=UP, hub=UP, more=UP, freeze=st.floats(0, 0.45), bid_ask=st.floats(1, 4))
def test_more_of_a_rise_is_never_better_for_who_is_short(level, front, hub, more, freeze, bid_ask):
    from core.domains.etrm.deals.panel import draw_deals
    from core.domains.etrm.deals.settings import DealSettings

    deals = draw_deals(60, 3, 3, DealSettings(n_years=1)).frame
    held = ENGINE.drawn_portfolio(deals.assign(side="sell", instrument="future"))

    def profit(times):
        shock = EtrmShock(
            level={"POWER": level * times, "CRUDE": level * times},
            front={"GAS_TTF": front * times},
            hub_level={"FR": hub * times},
            hub_freeze={"DE": freeze * times},
            bid_ask_factor={"POWER": bid_ask**times},
        )
        return revalue(held, shock).profit

    assert (profit(1 + more) <= profit(1.0) + 1e-9).all()


def test_risk_rises_with_volatility_freezes_and_lost_correlations_of_a_hedge(of_text):
    hedge = of_text(HEAD + "DE,6,100000,60\nFR,6,-90000,61\n")

    def risk(shock):
        return tail_risks(hedge, [stressed_state(hedge, revalue(hedge, shock))])[0]

    calm = tail_risks(hedge, [calm_state(hedge)])[0]
    assert risk(EtrmShock()) == calm
    assert calm.var95 < calm.var99 < risk(EtrmShock(volatility_factor={"POWER": 1.5})).var99
    assert calm.es975 < risk(EtrmShock(correlation_loss=0.3)).es975 < risk(EtrmShock(correlation_loss=0.9)).es975
    assert calm.es975 < risk(EtrmShock(hub_freeze={"DE": 0.5})).es975
    assert calm.es975 >= calm.var95


def test_the_risk_of_a_linear_position_is_that_of_the_price_model(of_text):
    held = of_text(HEAD + "TTF,12,1000000,28\n")
    found = tail_risks(held, [calm_state(held)])[0]
    sd = 0.35 * ((1 - 2.718281828 ** (-0.6 * 30 * 252 / 365 / 252)) / 0.6) ** 0.5 * 2.718281828**-0.3
    assert found.var95 == pytest.approx(28 * sd * 1.645, rel=0.06)


@settings(max_examples=25)
@given(level=st.floats(-1, 1), freeze=st.floats(0, 0.9), times=st.floats(0.5, 3))
def test_all_of_a_shock_is_the_shock_and_none_of_it_is_nothing(level, freeze, times):
    one = EtrmShock(level={"POWER": level}, hub_freeze={"TTF": freeze}, bid_ask_factor={"CRUDE": times}, usd=0.1)
    assert scaled(one, 1.0) == one
    assert scaled(one, 0.0) == EtrmShock()
    assert combined([one]) == one
    half = scaled(one, 0.5)
    assert (half.level["POWER"], half.bid_ask_factor["CRUDE"]) == (level / 2, pytest.approx(times**0.5))
    assert scaled(one, 3.0).hub_freeze["TTF"] <= 0.99


def test_shocks_at_once_add_up_but_one_crisis_counts_once():
    both = combined(
        [
            EtrmShock(level={"POWER": 0.2}, bid_ask_factor={"POWER": 3.0}, correlation_loss=0.4, usd=0.1),
            EtrmShock(
                level={"POWER": 0.3, "CRUDE": 0.1}, bid_ask_factor={"POWER": 2.0}, hub_freeze={"DE": 0.5}, usd=0.1
            ),
        ]
    )
    assert both.level == {"POWER": pytest.approx(0.5), "CRUDE": 0.1}
    assert (both.bid_ask_factor, both.correlation_loss) == ({"POWER": 3.0}, 0.4)
    assert (both.hub_freeze, both.usd) == ({"DE": 0.5}, pytest.approx(0.21))
    with pytest.raises(UsageError, match="cannot be combined"):
        combined([EtrmShock(level={"POWER": 5.0})] * 2)
    with pytest.raises(ValueError, match="'GAS' is not known; known: POWER, GAS_TTF"):
        EtrmShock(level={"GAS": 1.0})
