"""What must hold of every case: parts add up, nobody is cut twice, nothing happens without a shock."""

import msgspec
import numpy as np
import pytest

from core.domains.bonds.stress.cascade import Contagion
from core.domains.bonds.stress.engine import ENGINE, METRICS, SLICINGS
from core.domains.bonds.stress.market import BondMarket
from core.domains.bonds.stress.shock import CALM, BondShock
from core.domains.stress import SEVERITIES


@pytest.fixture(scope="module")
def cases(held):
    return ENGINE.run(held, ENGINE.scenarios, SEVERITIES)


def test_without_a_shock_nothing_happens(held):
    stressed = held.stressed(CALM)
    assert not stressed.factors.any()
    assert not stressed.cascade.is_cut.any()
    assert (stressed.spread == held.bonds.spread).all()
    assert (stressed.liquidity.index == held.bonds.numbers["liquidity_index"]).all()
    assert stressed.default_chance == pytest.approx(held.contagion.calm_default[held.bonds.issuer], abs=1e-15)


def test_the_factors_the_slices_and_the_instruments_add_up_to_the_profit(held, cases):
    for case in cases:
        assert sum(case.factors.values()) == pytest.approx(case.pnl, rel=1e-9, abs=1e-9 * held.market_value)
        for slicing in SLICINGS:
            parts = [each for each in case.slices if each.slicing == slicing]
            assert sum(each.metrics["pnl"] for each in parts) == pytest.approx(case.pnl, rel=1e-9, abs=1e-6)
            assert sum(each.n for each in parts) == held.n_instruments
            assert sum(each.value for each in parts) == pytest.approx(held.market_value)


def test_every_instrument_adds_up(held):
    scenario = ENGINE.scenarios[-1]
    frame = ENGINE.instruments(held, scenario, "severe")
    (case,) = ENGINE.run(held, [scenario], ["severe"])
    factors = frame[list(case.factors)].sum(axis=1)
    assert factors.to_numpy() == pytest.approx(frame["pnl"].to_numpy(), abs=1e-9 * held.market_value)
    assert frame["pnl"].sum() == pytest.approx(case.pnl)
    assert case.worst[0].name == frame.loc[frame["pnl"].idxmin(), "bond_id"]


def test_every_cut_issuer_is_cut_in_exactly_one_round(held):
    for scenario in ENGINE.scenarios:
        for step in scenario.steps[0].ladder:
            cascade = held.stressed(step).cascade
            n_times = sum(each.cut.astype(int) for each in cascade.rounds)
            assert (n_times == cascade.is_cut).all()


def test_the_rounds_of_a_case_add_up(held, cases):
    for case in cases:
        n_cut = sum(each.n_new for each in case.rounds)
        assert n_cut == pytest.approx(case.metrics["cut_share"] * held.bonds.n_issuers)
        assert all(sum(each.by_slice.values()) == each.n_new for each in case.rounds)
        if case.rounds:
            assert case.rounds[-1].n_total == n_cut


def test_a_cut_issuer_is_never_above_the_worst_live_rating(held):
    cascade = held.stressed(BondShock(notches=20, contagion=1.0)).cascade
    assert (held.contagion.notch + cascade.notches <= 20).all()


def test_without_contagion_there_is_one_round_after_the_seeds(held):
    cascade = held.stressed(BondShock(cycle=3.0, seed_share=0.1, seed_notches=2)).cascade
    assert len(cascade.rounds) == 2
    assert cascade.radius == 0


def test_a_cascade_dies_out(cases):
    assert all(case.metrics["contagion_radius"] < 1 for case in cases)


def test_the_radius_is_that_of_finite_differences(held):
    """The largest eigenvalue against a Jacobian by differences of the mean chance, group by group."""
    contagion, shock = held.contagion, BondShock(cycle=2.0, contagion=1.0)
    odds = contagion._odds(shock)
    groups = [contagion.sector == k for k in range(19)] + [contagion.region == k for k in range(7)]
    weights = [2.0] * 19 + [1.0] * 7
    step, jacobian = 1e-6, np.zeros((26, 26))
    for column, (member, weight) in enumerate(zip(groups, weights, strict=True)):
        moved = [1 / (1 + np.exp(-(odds + sign * step * weight * member))) for sign in (1, -1)]
        change = (moved[0] - moved[1]) / (2 * step)
        jacobian[:, column] = [change[rows].mean() if rows.any() else 0.0 for rows in groups]
    radius = np.abs(np.linalg.eigvals(jacobian)).max()
    assert contagion.run(shock).radius == pytest.approx(radius, abs=1e-5)


def test_the_impact_is_the_sum_of_its_parts(cases):
    for case in cases:
        assert case.impact == pytest.approx(sum(part.points for part in case.parts))
        assert sum(part.weight for part in case.parts) == pytest.approx(1)
        assert 0 <= case.impact <= 1


def test_a_case_has_every_metric_and_can_be_written(cases):
    for case in cases:
        assert list(case.metrics) == [metric.name for metric in METRICS]
        assert np.isfinite(list(case.metrics.values())).all()
    assert msgspec.json.decode(msgspec.json.encode(cases[0]), type=type(cases[0])) == cases[0]


def test_the_same_test_gives_the_same_bytes(held, bonds_frame, cases):
    again = ENGINE.run(ENGINE.drawn_portfolio(bonds_frame), ENGINE.scenarios, SEVERITIES)
    assert msgspec.json.encode(again) == msgspec.json.encode(cases)


def test_the_order_of_the_rows_does_not_matter(bonds_frame, cases):
    shuffled = bonds_frame.sample(frac=1, random_state=3)
    again = ENGINE.run(ENGINE.drawn_portfolio(shuffled), ENGINE.scenarios[:2], ["severe"])
    wanted = [case for case in cases if case.severity == "severe"][:2]
    for found, case in zip(again, wanted, strict=True):
        assert found.pnl == pytest.approx(case.pnl, rel=1e-9)
        assert found.metrics["cut_share"] == case.metrics["cut_share"]


def test_expected_shortfall_is_beyond_the_value_at_risk(cases):
    for case in cases:
        for name in ("", "_before"):
            assert case.metrics[f"var95{name}"] <= case.metrics[f"var99{name}"]
            assert case.metrics[f"var95{name}"] <= case.metrics[f"es975{name}"]
    assert len({case.metrics["var99_before"] for case in cases}) == 1


def test_the_market_of_a_portfolio_knows_its_spreads_before_a_shock(held):
    market = BondMarket(held.bonds)
    assert Contagion(market).n == held.bonds.n_issuers
    assert market.expected == pytest.approx(market.expected)
    assert ((market.own_level > 0.4) & (market.own_level < 2.5)).all()
