"""Position limits against a recomputation day by day."""

from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.etrm.compliance.calendars import federal_holidays
from core.domains.etrm.compliance.check import check_trades
from core.domains.etrm.compliance.limits import legs_of
from core.domains.etrm.compliance.regime import CheckSettings, PositionBreach
from core.domains.etrm.compliance.trades import TradeColumns
from core.errors import UsageError
from tests.core.domains.etrm.compliance.desk import trades

FUTURE = {"instrument": "future", "venue": "exchange", "cleared": True}
HH = FUTURE | {"commodity": "GAS_HH", "hub": "HH", "currency": "USD"}
WTI = FUTURE | {"commodity": "CRUDE", "hub": "WTI", "currency": "USD"}
APRIL = {"trade_ts": "2024-03-05T10:00:00", "delivery_start": "2024-04-01", "delivery_end": "2024-04-30"}


LATER = CheckSettings(as_of=np.datetime64("2030-01-01T00:00:00"))  # when every delivery of these tests is over


def positions(regime: str, *changes: dict, at: CheckSettings = LATER) -> list[PositionBreach]:
    check = check_trades(TradeColumns.of(trades(*changes)), regimes=[regime], settings=at)
    return list(check.judgements[0][1].positions)


def alone(regime: str, *changes: dict, at: CheckSettings = LATER) -> list[bool]:
    check = check_trades(TradeColumns.of(trades(*changes)), regimes=[regime], settings=at)
    return (check.judgements[0][1].violations == 8).tolist()


LATE_MARCH = {"trade_ts": "2024-03-28T10:00:00"}  # the second-last of the three days of the federal limits
CONTRACTS = [("dodd-frank", HH, 2_000), ("dodd-frank", WTI, 5_000), ("mifid2", FUTURE, 2_500)]


@pytest.mark.parametrize(("regime", "contract", "limit"), CONTRACTS)
def test_a_trade_above_the_limit_of_the_spot_month_by_itself_is_a_violation(regime, contract, limit):
    above = contract | APRIL | LATE_MARCH | {"quantity_lots": float(limit + 1)}
    june = above | {"delivery_start": "2024-06-01", "delivery_end": "2024-06-30"}
    now = CheckSettings(as_of=np.datetime64("2024-03-28T20:00:00"))
    assert [alone(regime, each, at=now)[0] for each in (above, above | {"side": "sell"})] == [True, True]
    for change in ({"quantity_lots": limit - 2_000.0}, {"hedge_flag": True}, {"status": "cancelled"}):
        assert alone(regime, above | change, at=now) == [False]
    assert alone(regime, above | {"instrument": "spot"}, at=now) == [False]
    assert alone(regime, june, at=now) == [False]  # its spot month has not come


@pytest.mark.parametrize(("regime", "contract", "limit"), CONTRACTS)
def test_a_trade_is_judged_by_the_position_that_it_leads_to(regime, contract, limit):
    bought = contract | APRIL | {"quantity_lots": limit + 100.0}
    sold = bought | {"side": "sell"}
    late = bought | LATE_MARCH
    assert alone(regime, late, sold | {"trade_ts": "2024-03-28T15:00:00"}) == [True, False]  # the sale closes it
    january, february = {"trade_ts": "2024-01-10T10:00:00"}, {"trade_ts": "2024-02-20T10:00:00"}
    assert alone(regime, bought | january, sold | february) == [False, False]  # closed before the limit applies
    assert alone(regime, bought | january) == [True]  # held into it
    eve = CheckSettings(as_of=np.datetime64("2024-02-29T20:00:00"))
    assert alone(regime, bought | january, at=eve) == [False]
    short = {"quantity_lots": limit * 1.5, "side": "sell"}
    assert alone(regime, late | short | january, late | {"quantity_lots": limit * 2.0})[1] is False
    assert alone(regime, bought | {"trade_ts": "2024-04-02T10:00:00"}) == [False]  # in delivery


def test_the_purchase_and_sale_of_a_position_long_before_its_spot_days_break_no_limit():
    future = HH | {"delivery_start": "2024-02-01", "delivery_end": "2024-02-29", "quantity_lots": 2_100.0}
    pair = (future | {"trade_ts": "2024-01-02T11:12:00"}, future | {"trade_ts": "2024-01-03T11:12:00", "side": "sell"})
    assert alone("dodd-frank", *pair) == [False, False]


def test_net_positions_are_judged_on_the_last_three_working_days():
    # The last working days before April 2024 are 27, 28 and 29 March: Good Friday is no federal holiday.
    lots = {"quantity_lots": 1_500.0}
    found = positions("dodd-frank", HH | APRIL | lots, HH | APRIL | lots | {"trade_ts": "2024-03-28T10:00:00"})
    assert found == [PositionBreach("HH", "2024-04", "2024-03-28", 3_000.0, 2_000.0, "T2")]
    assert positions("dodd-frank", HH | APRIL | lots, HH | APRIL | lots | {"side": "sell"}) == []


@pytest.mark.parametrize(
    ("regime", "deal", "first", "lots"),
    [
        ("dodd-frank", HH | APRIL, "2024-03-27", 2_100.0),
        ("mifid2", FUTURE, "2024-05-01", 2_600.0),
        ("mifid2", FUTURE | {"delivery_start": "2024-08-01", "delivery_end": "2024-08-31"}, "2024-07-01", 2_600.0),
    ],
)
def test_a_position_is_above_its_limit_on_days_that_have_come_and_a_note_before(regime, deal, first, lots):
    columns = TradeColumns.of(trades(deal | {"quantity_lots": lots}))
    day_before = str(np.datetime64(first) - 1)
    for until, has_come in ((None, False), (f"{day_before}T23:00:00", False), (f"{first}T08:00:00", True)):
        at = CheckSettings(as_of=until and np.datetime64(until))
        check = check_trades(columns, regimes=[regime], settings=at)
        judgement = check.judgements[0][1]
        found, empty = (judgement.positions, judgement.ahead)[:: 1 if has_come else -1]
        assert [(each.day, each.net_lots) for each in found] == [(first, lots)]
        assert empty == ()
        assert bool(judgement.positions) == has_come


def test_a_trade_after_the_check_has_not_been_made():
    sale = HH | APRIL | {"quantity_lots": 2_100.0, "side": "sell", "trade_ts": "2024-03-28T10:00:00"}
    bought = HH | APRIL | {"quantity_lots": 2_100.0}
    (found,) = positions("dodd-frank", bought, sale, at=CheckSettings(as_of=np.datetime64("2024-03-27T18:00:00")))
    assert (found.day, found.net_lots) == ("2024-03-27", 2_100.0)
    before = CheckSettings(as_of=np.datetime64("2024-03-04T18:00:00"))
    columns = TradeColumns.of(trades(bought, sale))
    assert check_trades(columns, regimes=["dodd-frank"], settings=before).judgements[0][1].ahead == ()


def test_the_limit_of_crude_falls_day_by_day():
    for lots, day in ((4_500.0, "2024-03-29"), (5_500.0, "2024-03-28")):
        (found,) = positions("dodd-frank", WTI | APRIL | {"quantity_lots": lots})
        assert (found.day, found.net_lots) == (day, lots)
    assert positions("dodd-frank", WTI | APRIL | {"quantity_lots": 4_000.0}) == []


def test_the_limit_of_the_spot_month_begins_with_the_month_before_delivery():
    early = FUTURE | {"quantity_lots": 2_600.0, "trade_ts": "2024-01-10T10:00:00"}
    (found,) = positions("mifid2", early)
    assert (found.delivery_month, found.day, found.net_lots) == ("2024-06", "2024-05-01", 2_600.0)


def test_later_months_are_netted_together():
    large = FUTURE | {"quantity_lots": 15_000.0, "delivery_start": "2024-09-01", "delivery_end": "2024-10-31"}
    found = positions("mifid2", large)
    assert ("later months", 30_000.0, 25_000.0) in [
        (each.delivery_month, each.net_lots, each.limit_lots) for each in found
    ]
    sold = large | {"side": "sell"}
    assert positions("mifid2", large, sold) == []


def test_a_put_counts_against_its_side():
    option = HH | APRIL | {"instrument": "option", "quantity_lots": 1_200.0}
    call, put = option | {"option_type": "call"}, option | {"option_type": "put"}
    assert positions("dodd-frank", call, put) == []
    assert len(positions("dodd-frank", call, put | {"side": "sell"})) == 1


def test_deliveries_longer_than_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr("core.domains.etrm.compliance.limits.MOST_LEGS", 30)
    with pytest.raises(UsageError, match="deliver in 31 months together"):
        positions("mifid2", FUTURE | {"delivery_end": "2026-12-31"})


TRADES = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.integers(0, 120),
            "months": st.integers(1, 3),
            "start": st.integers(1, 6),
            "lots": st.sampled_from([700.0, 1_300.0, 2_100.0, 5_200.0]),
            "side": st.sampled_from(["buy", "sell"]),
            "hub": st.sampled_from([HH, WTI, FUTURE]),
            "hedge_flag": st.sampled_from([False, False, False, True]),
            "status": st.sampled_from(["new", "amended", "cancelled"]),
        }
    ),
    min_size=1,
    max_size=25,
)


@given(TRADES)
@settings(max_examples=60)
def test_positions_are_those_that_a_clerk_finds_day_by_day(drawn):
    rows = []
    for each in drawn:
        start = np.datetime64("2024-01", "M") + each["start"]
        rows.append(
            each["hub"]
            | {
                "trade_ts": f"{date(2024, 1, 1) + timedelta(days=each['day'])}T10:00:00",
                "delivery_start": str(start.astype("datetime64[D]")),
                "delivery_end": str((start + each["months"]).astype("datetime64[D]") - 1),
                "quantity_lots": each["lots"],
                "side": each["side"],
                "hedge_flag": each["hedge_flag"],
                "status": each["status"],
            }
        )
    frame = trades(*rows)
    check = check_trades(TradeColumns.of(frame), regimes=["mifid2", "dodd-frank"], settings=LATER)
    union, federal = (list(judgement.positions) for _, judgement in check.judgements)
    found = {
        (each.hub, each.delivery_month): (each.day, each.net_lots)
        for each in union
        if each.delivery_month != "later months"
    }
    assert found == by_hand_union(frame)
    assert {(each.hub, each.delivery_month): (each.day, each.net_lots) for each in federal} == by_hand_federal(frame)


def ledger(frame: pd.DataFrame) -> dict[tuple[str, str], list[tuple[str, float]]]:
    """Return by hub and month the days and lots of the trades that count."""
    held = defaultdict(list)
    for row in frame.to_dict("records"):
        if row["hedge_flag"] or row["status"] == "cancelled":
            continue
        month = np.datetime64(row["delivery_start"], "M")
        while month <= np.datetime64(row["delivery_end"], "M"):
            sign = 1 if row["side"] == "buy" else -1
            held[row["hub"], str(month)].append((row["trade_ts"][:10], sign * row["quantity_lots"]))
            month += 1
    return held


def by_hand_federal(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[str, float]]:
    found = {}
    limits = {"HH": (2_000, 2_000, 2_000), "WTI": (6_000, 5_000, 4_000)}
    off = {str(day) for day in federal_holidays()}
    for (hub, month), deals in ledger(frame).items():
        days, day = [], np.datetime64(month, "D")
        while len(days) < 3:
            day -= 1
            if np.is_busday(day) and str(day) not in off:
                days.insert(0, str(day))
        for day, limit in zip(days, limits.get(hub, ()), strict=False):
            net = sum(lots for made, lots in deals if made <= day)
            if abs(net) > limit:
                found[hub, month] = (day, net)
                break
    return found


def by_hand_union(frame: pd.DataFrame) -> dict[tuple[str, str], tuple[str, float]]:
    found = {}
    for (hub, month), deals in ledger(frame).items():
        day = (np.datetime64(month, "M") - 1).astype("datetime64[D]")
        while hub == "TTF" and day < np.datetime64(month, "D"):
            net = sum(lots for made, lots in deals if made <= str(day))
            if abs(net) > 2_500:
                found[hub, month] = (str(day), net)
                break
            day += 1
    return found


def test_legs_split_a_delivery_into_its_months():
    columns = TradeColumns.of(trades({"delivery_end": "2024-08-15"}, {"side": None}, {"delivery_end": "2024-01-01"}))
    legs = legs_of(columns, np.full(3, True), np.datetime64("2024-03-05"))
    assert not len(legs_of(columns, np.full(3, True), np.datetime64("2024-03-04")).row)
    assert [str(np.datetime64(int(month), "M")) for month in legs.month] == ["2024-06", "2024-07", "2024-08"]
    assert legs.row.tolist() == [0, 0, 0]
    assert legs.lots.tolist() == [10.0, 10.0, 10.0]
