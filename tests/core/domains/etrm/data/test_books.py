"""Trades, positions, marks, explanations and risk reports agree, in data sets of many sizes, periods and seeds."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.etrm.data import ETRMDataConfig, draw_trades, open_market
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.explanation import explain_change, is_explained
from core.domains.etrm.data.invariants import (
    KEY,
    PositionSums,
    mark_error,
    net_units,
    position_error,
    report_faults,
)
from core.domains.etrm.data.ledger import BookLedger, LedgerDays, joined
from core.domains.etrm.data.positions import PositionRows, position_days, positions_frame
from core.domains.etrm.data.risk_reports import Exposure, RiskReports, factor_moves, report_days, weekdays_of
from core.domains.etrm.data.trade_block import CANCELLED
from core.domains.etrm.data.trades import draw_blocks
from core.domains.etrm.risk.historical import historical_var
from core.domains.etrm.risk.measures import HIGH
from core.domains.etrm.risk.parametric import covariance_of, parametric_var, z_of

MARKETS = st.builds(
    lambda n, seed, start, length, commodities, regions: ETRMDataConfig(
        num_trades=n,
        num_positions=3_000,
        num_risk_reports=24,
        random_seed=seed,
        start_date=start,
        end_date=start + timedelta(days=length),
        commodities=tuple(commodities),
        regions=tuple({"europe", *regions}),
    ),
    st.integers(1, 1_500),
    st.integers(0, 2**63 - 1),
    st.dates(date(1995, 1, 1), date(2040, 1, 1)),
    st.integers(5, 700),
    st.lists(st.sampled_from([name for name in cal.COMMODITIES if name != "GAS_HH"]), min_size=1, unique=True),
    st.lists(st.sampled_from(["uk", "north_america", "asia_pacific"]), unique=True),
)


def books_of(config):
    """Return the market, and what its books showed: all positions on position days, and the risk reports."""
    market = open_market(config)
    positions, reports = PositionRows(market), RiskReports(market)
    at_positions, at_reports = position_days(market), report_days(market)

    def show(day, ledger):
        if day in at_positions:
            positions.take(day, ledger)
        if day in at_reports:
            reports.take(day, ledger)

    calendar = LedgerDays(market, [*at_positions, *at_reports], show)
    for block in draw_blocks(market):
        calendar.take(block)
    calendar.close()
    return market, positions.frame(), reports.frame()


@settings(max_examples=6, deadline=None)
@given(MARKETS)
def test_positions_are_the_sums_of_their_trades_and_reports_hold_what_they_promise(config):
    market, positions, reports = books_of(config)
    trades, _ = draw_trades(market)
    assert position_error(trades, positions) <= 1e-9
    assert mark_error(positions) <= 1e-9
    assert np.isfinite(positions.drop(columns="strike").select_dtypes("number")).all().all()
    assert report_faults(reports) == []
    assert len(positions) <= config.num_positions
    assert len(reports) <= config.num_risk_reports


@settings(max_examples=6, deadline=None)
@given(MARKETS, st.floats(0, 1, exclude_max=True))
def test_the_change_of_a_books_value_is_explained(config, share):
    market = open_market(config)
    trading = market.prices.days.trading
    day = int(trading[int(share * (len(trading) - 1))])
    parts = explain_change(market, joined(list(draw_blocks(market))), day)
    explained = parts[["market_move", "new_trades", "fees", "fx", "residual"]].sum(axis=1)
    assert np.allclose(explained, parts["change"], rtol=1e-9, atol=1e-6)
    tolerance = pd.Series(1e-6, index=parts.index)
    tolerance["OPTIONS"] = 0.05
    # of the books that hold something; a book that only trades on the second day has no notional to compare with
    assert (parts["residual"].abs() <= (tolerance * parts["notional"] + 1e-6)[parts.index]).all()


def test_every_open_position_is_in_the_file_of_the_last_day():
    market = open_market(ETRMDataConfig(num_trades=2_000))
    shown = {}
    last = int(market.prices.days.trading[-1])
    calendar = LedgerDays(market, [last], lambda day, ledger: shown.setdefault(day, ledger.holdings(day)))
    for block in draw_blocks(market):
        calendar.take(block)
    calendar.close()
    table = positions_frame(market, last, shown[last])
    summed = net_units(draw_trades(market)[0], table["as_of_date"][0])
    assert len(summed) == len(table)
    assert not table.duplicated(KEY).any()
    assert summed.sum() == pytest.approx(table["net_quantity_units"].sum(), rel=1e-9)


def test_cancelled_trades_weigh_nothing():
    market = open_market(ETRMDataConfig(num_trades=2_000))
    (block,) = draw_blocks(market)
    assert (block.status == CANCELLED).any()
    day = int(market.prices.days.trading[-1])
    with_them, without = BookLedger(market), BookLedger(market)
    with_them.take(block)
    without.take(block.take(block.status != CANCELLED))
    one, other = with_them.holdings(day), without.holdings(day)
    assert (one.units == other.units).all()
    assert (one.worth == other.worth).all()


def test_books_filled_in_pieces_are_the_books_filled_at_once():
    market = open_market(ETRMDataConfig(num_trades=2_000))
    (block,) = draw_blocks(market)
    day = int(market.prices.days.trading[-1])
    whole, pieces = BookLedger(market), BookLedger(market)
    whole.take(block)
    for part in np.array_split(np.arange(len(block)), 7):
        pieces.take(block.take(part))
    assert np.allclose(whole.holdings(day).units, pieces.holdings(day).units, rtol=1e-12)
    assert np.allclose(whole.credit(day)[1], pieces.credit(day)[1], rtol=1e-6, atol=1e-3)


def test_parametric_var_is_the_quantile_times_the_root_of_the_quadratic_form():
    market, _, reports = books_of(ETRMDataConfig(num_trades=1_000, num_risk_reports=48))
    days = weekdays_of(market.prices)
    seen = {}
    wanted = report_days(market)
    calendar = LedgerDays(market, wanted, lambda day, ledger: seen.setdefault(day, ledger.holdings(day)))
    calendar.take(joined(list(draw_blocks(market))))
    calendar.close()
    lengths = set()
    for day, table in zip(wanted, np.split(np.arange(len(reports)), len(wanted)), strict=True):
        place = int(np.searchsorted(days, day))
        window = days[place + 1 - cal.VAR_WINDOW.value : place + 1]
        n_days = int(days[place + 1]) - day
        covariance = covariance_of(factor_moves(market.prices, window, n_days))
        lengths.add(n_days)
        for row, book in zip(reports.iloc[table].itertuples(), market.desks.books, strict=True):
            weights = Exposure(market, day, seen[day].of(seen[day].book == book)).weights
            assert row.var99_param == pytest.approx(z_of(HIGH) * np.sqrt(weights @ covariance @ weights), rel=1e-9)
            assert row.var99_param == pytest.approx(parametric_var(weights, covariance, HIGH))
    assert lengths == {1, 3}, "the Fridays of power have three steps ahead"


@pytest.mark.truth
def test_scenarios_have_the_law_of_the_next_move_on_fridays_and_on_other_days(truth):
    """Of the short and the long factor of all hubs.

    A VaR at 99 % of 500 days is exceeded by 1.2 % of the moves, and by a little more where three-day moves overlap.
    """
    shares = {1: [], 3: []}
    for seed in range(4 * truth.scale):
        prices = open_market(ETRMDataConfig(num_trades=1, random_seed=seed)).prices
        days = weekdays_of(prices)
        for place in range(cal.VAR_WINDOW.value, len(days) - 1):
            n_days = int(days[place + 1] - days[place])
            if n_days == 1 and place % 4:
                continue
            window = days[place + 1 - cal.VAR_WINDOW.value : place + 1]
            var = historical_var(factor_moves(prices, window, n_days).T, HIGH)
            shares[n_days].append(-factor_moves(prices, days[place + 1 : place + 2], n_days)[0] > var)
    for n_days, most in ((1, 0.018), (3, 0.022)):
        found = np.array(shares[n_days])
        truth.at_least(found.mean(), 0.006, n=len(found))
        truth.at_most(found.mean(), most, n=len(found))


@pytest.mark.journey
def test_the_next_days_loss_exceeds_var_about_as_often_as_it_says():
    """Over seeds: 5 % and 1 % nominal; a historical VaR of 500 days is exceeded by 5.2 % and 1.2 % on average.

    Reports of one day share their prices, so the counts are wider than binomial: the tolerance is that of 12 paths.
    """
    tables = [
        books_of(ETRMDataConfig(num_trades=600, num_risk_reports=400, random_seed=seed))[2].query("gross_exposure > 0")
        for seed in range(6)
    ]
    reports = pd.concat(tables)
    assert 0.03 < reports["exceed95"].mean() < 0.075
    assert 0.003 < reports["exceed99"].mean() < 0.025
    assert 0.0 < reports["breach_flag"].mean() < 0.4


def test_the_latest_rows_are_kept_and_the_largest_of_the_first_day():
    config = ETRMDataConfig(num_trades=2_000, num_positions=60)
    few = books_of(config)[1]
    many = books_of(ETRMDataConfig(num_trades=2_000, num_positions=5_000))[1]
    assert len(few) == 60
    same_day = many[many["as_of_date"] == few["as_of_date"].iloc[0]]
    assert few["delta_cash"].abs().min() >= same_day["delta_cash"].abs().nlargest(60).min() - 1e-9
    assert many["as_of_date"].is_monotonic_increasing
    assert few["as_of_date"].iloc[-1] == many["as_of_date"].iloc[-1]


def test_reports_are_met_exactly_where_the_period_is_long_enough():
    assert len(books_of(ETRMDataConfig(num_trades=300, num_risk_reports=37))[2]) == 37
    short = ETRMDataConfig(num_trades=300, start_date=date(2023, 1, 2), end_date=date(2023, 1, 4))
    assert len(books_of(short)[2]) == 16  # two days before the last, eight books
    one_day = ETRMDataConfig(num_trades=30, start_date=date(2023, 1, 2), end_date=date(2023, 1, 2))
    market, positions, reports = books_of(one_day)
    assert len(reports) == 0
    assert len(positions) > 0
    assert len(market.prices.days.trading) == 1


def test_the_gates_see_a_wrong_sum_a_wrong_tail_and_a_rest():
    config = ETRMDataConfig(num_trades=1_200, num_risk_reports=16)
    market, positions, reports = books_of(config)
    trades, _ = draw_trades(market)
    assert position_error(trades, positions) <= 1e-9
    assert position_error(trades.iloc[:-40], positions) > 1e-3
    sums = PositionSums([pd.Timestamp(str(day)) for day in positions["as_of_date"].unique()])
    for begin in range(0, len(trades), 500):
        sums.take(trades.iloc[begin : begin + 500])
    assert sums.error(positions) <= 1e-9
    assert report_faults(reports) == []
    # an ES between VaR 95 and VaR 97.5 is above the one and wrong all the same
    between = reports.assign(es975=(reports["var95_hist"] + reports["var975_hist"]) / 2)
    assert report_faults(between[between["var975_hist"] > between["var95_hist"]]) == ["ES 97.5 ≥ VaR 97.5"]
    day = int(market.prices.days.trading[-2])
    parts = explain_change(market, joined(list(draw_blocks(market))), day)
    assert is_explained(parts)
    assert not is_explained(parts.assign(residual=parts["residual"] + parts["notional"] * 0.06 + 1))
