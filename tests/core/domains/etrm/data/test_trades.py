from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.etrm.data import ETRMDataConfig, draw_trades, open_market
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.desks import OWN_LEI, counterparty_leis
from core.domains.etrm.data.frames import trade_frames

COLUMNS = [
    "trade_id",
    "trade_ts",
    "book",
    "trader_id",
    "counterparty_id",
    "lei_like",
    "commodity",
    "hub",
    "instrument",
    "side",
    "quantity_lots",
    "quantity_units",
    "price",
    "currency",
    "delivery_start",
    "delivery_end",
    "settlement",
    "venue",
    "cleared",
    "hedge_flag",
    "option_type",
    "strike",
    "status",
    "uti",
    "broker",
    "fee",
    "reported_ts",
]


@pytest.fixture(scope="module")
def tables():
    return draw_trades(open_market(ETRMDataConfig(num_trades=5_000)))


def configs():
    return st.builds(
        lambda n, seed, start, length, commodities: ETRMDataConfig(
            num_trades=n,
            random_seed=seed,
            start_date=start,
            end_date=start + timedelta(days=length),
            commodities=tuple(commodities),
        ),
        st.integers(1, 400),
        st.integers(0, 2**63 - 1),
        st.dates(date(1995, 1, 1), date(2040, 1, 1)),
        st.integers(2, 500),
        st.lists(st.sampled_from(cal.COMMODITIES), min_size=1, unique=True),
    )


def test_the_columns_are_those_of_the_dictionary_and_the_rows_are_met_exactly(tables):
    trades, truth = tables
    assert list(trades.columns) == COLUMNS
    assert len(trades) == len(truth) == 5_000
    assert (trades["trade_id"] == truth["trade_id"]).all()
    assert trades["trade_id"].is_unique
    assert trades["uti"].is_unique


def test_violations_are_injected_by_count(tables):
    _, truth = tables
    counts = truth["injected_violation"].value_counts()
    for name, share in cal.VIOLATION_SHARES.value.items():
        assert counts[name] == round(share * 5_000) * (2 if name == "wash_trade" else 1)


def test_a_wash_pair_buys_and_sells_the_same_thing_within_minutes(tables):
    trades, truth = tables
    first = truth["injected_violation"].eq("wash_trade") & (truth["wash_partner"] > truth["trade_id"])
    for row in np.flatnonzero(first):
        one, other = trades.iloc[row], trades.iloc[row + 1]
        assert truth["wash_partner"][row] == other["trade_id"]
        assert {one["side"], other["side"]} == {"buy", "sell"}
        assert pd.Timedelta(0) <= other["trade_ts"] - one["trade_ts"] <= pd.Timedelta(minutes=4)
        same = ["book", "trader_id", "counterparty_id", "hub", "instrument", "quantity_lots", "price", "delivery_start"]
        assert one[same].tolist() == other[same].tolist()


def test_only_a_late_report_misses_the_end_of_the_next_working_day(tables):
    trades, truth = tables
    day = trades["trade_ts"].to_numpy().astype("datetime64[D]")
    due = np.busday_offset(day, 1) + np.timedelta64(1, "D")
    late = trades["reported_ts"].to_numpy() >= due.astype("datetime64[s]")
    assert (late == truth["injected_violation"].eq("late_report").to_numpy()).all()
    assert (trades["reported_ts"] > trades["trade_ts"]).all()


def test_only_the_trade_without_a_lei_lacks_it(tables):
    trades, truth = tables
    assert (trades["lei_like"].isna() == truth["injected_violation"].eq("missing_lei")).all()


def test_only_a_breaching_trade_exceeds_the_limit_of_its_hub(tables):
    trades, truth = tables
    limit = trades["hub"].astype(str).map(dict(cal.POSITION_LIMIT_LOTS.value))
    exceeds = trades["quantity_lots"] > limit
    assert (exceeds == truth["injected_violation"].eq("limit_breach")).all()
    breaches = trades[exceeds]
    assert not breaches["hedge_flag"].any()
    assert (breaches["instrument"] == "future").all()
    next_month = breaches["trade_ts"].dt.to_period("M") + 1
    assert (breaches["delivery_start"].dt.to_period("M") == next_month).all()


def test_prices_off_the_market_are_many_times_the_noise_away(tables):
    trades, truth = tables
    linear = (trades["instrument"] != "option").to_numpy()
    shift = trades["commodity"].astype(str).map({n: law.shift for n, law in cal.PRICE_LAWS.value.items()})
    noise = trades["commodity"].astype(str).map(dict(cal.PRICE_NOISE.value))
    away = np.log((trades["price"] + shift) / (truth["fair_price"] + shift))[linear] / noise[linear]
    is_off = truth["injected_violation"].eq("off_market")[linear]
    clean = away[~is_off & ~truth["injected_violation"].eq("wash_trade")[linear]]
    assert clean.std() == pytest.approx(1, abs=0.05)
    assert clean.mean() == pytest.approx(0, abs=0.06)
    assert away[is_off].abs().median() > 8


@pytest.mark.parametrize("lei", [OWN_LEI, *counterparty_leis()[:20]])
def test_an_identifier_has_valid_check_digits_and_a_prefix_that_no_issuer_has(lei):
    assert len(lei) == 20
    assert lei.startswith("SYN0")
    assert int("".join(str(int(character, 36)) for character in lei)) % 97 == 1


@settings(max_examples=15, deadline=None)
@given(configs())
def test_trades_of_any_size_and_period_are_consistent(config):
    trades, _ = draw_trades(open_market(config))
    assert len(trades) == config.num_trades
    day = trades["trade_ts"].dt.normalize()
    assert trades["trade_ts"].is_monotonic_increasing
    assert day.dt.day_of_week.max() < 5
    assert pd.Timestamp(config.start_date) <= day.min()
    assert day.max() <= pd.Timestamp(config.end_date)
    assert (trades["delivery_start"] > day).all()
    assert (trades["delivery_end"] >= trades["delivery_start"]).all()
    assert (trades["quantity_lots"] > 0).all()
    assert np.isfinite(trades["price"]).all()
    assert set(trades["hub"].astype(str)) <= {hub.name for hub in config.hubs}
    assert (trades["strike"].notna() == trades["instrument"].eq("option")).all()
    assert (trades["option_type"].notna() == trades["instrument"].eq("option")).all()
    assert (trades["price"][trades["instrument"].eq("option")] >= 0).all()
    assert trades["fee"].gt(0).all()


def test_units_are_lots_times_hours_or_the_contract(tables):
    trades, _ = tables
    days = (trades["delivery_end"] - trades["delivery_start"]).dt.days + 1
    power = trades["commodity"].isin(["POWER", "GAS_TTF"])
    assert (trades["quantity_units"] == trades["quantity_lots"] * days * 24)[power].all()
    crude = trades["commodity"].eq("CRUDE") & trades["instrument"].ne("spot")
    months = (
        trades["delivery_end"].dt.to_period("M").astype("int64")
        - trades["delivery_start"].dt.to_period("M").astype("int64")
    ) + 1
    assert (trades["quantity_units"] == trades["quantity_lots"] * months * 1_000)[crude].all()


def test_tables_of_consecutive_trades_are_the_whole_table_in_pieces(monkeypatch):
    monkeypatch.setattr("core.domains.etrm.data.trades.BLOCK_TRADES", 1_000)
    market = open_market(ETRMDataConfig(num_trades=2_300))
    pieces = list(trade_frames(market))
    assert [len(piece) for piece in pieces] == [1_000, 1_000, 300]
    whole, truth = draw_trades(market)
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole)
    assert truth["injected_violation"].eq("late_report").sum() == 23
