"""The detectors: what they suspect, what they leave alone, and how they are scored."""

import numpy as np
import pandas as pd
import pytest

from core.domains.etrm.compliance.check import check_trades
from core.domains.etrm.compliance.off_market import is_off_market, off_market_scores
from core.domains.etrm.compliance.regime import Violation
from core.domains.etrm.compliance.scoring import detection_scores
from core.domains.etrm.compliance.trades import TradeColumns
from core.domains.etrm.compliance.wash import wash_pairs
from core.errors import UsageError
from tests.core.domains.etrm.compliance.desk import SWAP, trades

LATER = {"trade_ts": "2024-03-05T18:00:00"}
SOLD = {"side": "sell", "trade_ts": "2024-03-05T10:02:00"}


def pairs(*changes: dict) -> list[tuple[int, int]]:
    found = wash_pairs(TradeColumns.of(trades(*changes)))
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_a_purchase_and_a_sale_of_the_same_thing_within_minutes_are_a_pair():
    assert pairs({}, SOLD) == [(0, 1)]
    assert pairs(SOLD, {}) == [(1, 0)]


@pytest.mark.parametrize(
    "change",
    [
        {"side": "buy"},
        {"quantity_lots": 11.0},
        {"counterparty_id": "CP-2"},
        {"hub": "THE"},
        {"instrument": "forward"},
        {"delivery_start": "2024-07-01"},
        {"delivery_end": "2024-07-31"},
        {"option_type": "call"},
        {"strike": 30.0},
        {"trade_ts": "2024-03-05T10:05:01"},
        {"price": 31.0},
        {"status": "cancelled"},
        {"price": None},
        {"side": None},
        {"trade_ts": None},
        {"quantity_lots": None},
    ],
)
def test_trades_that_differ_in_one_term_are_no_pair(change):
    assert pairs({}, SOLD | change) == []


def test_a_trade_is_in_one_pair_at_most_and_the_closest_counts():
    assert pairs({}, SOLD, SOLD | {"trade_ts": "2024-03-05T10:01:00"}) == [(0, 2)]


def test_a_negative_price_pairs_like_any_other():
    power = {"commodity": "POWER", "hub": "DE", "price": -20.0}
    assert pairs(power, power | SOLD) == [(0, 1)]


def test_no_trades_and_one_trade_have_no_pairs():
    assert pairs({}) == []
    assert pairs({"side": None}) == []


def market(n: int, seed: int, *, noise: float = 0.004) -> pd.DataFrame:
    """Return n trades of one delivery around a price of 30, some minutes apart."""
    rng = np.random.default_rng(seed)
    times = np.datetime64("2024-03-05T08:00:00") + (np.arange(n) * 1_800).astype("timedelta64[s]")
    prices = 30 * np.exp(noise * rng.standard_normal(n))
    rows = zip(range(n), times, prices, strict=True)
    return trades(*({"trade_ts": str(t), "price": float(p), "quantity_lots": float(i)} for i, t, p in rows))


def test_a_price_far_from_its_peers_is_suspected_and_the_peers_are_not():
    for seed in range(5):
        frame = market(200, seed)
        frame.loc[77, "price"] *= 1.06
        assert np.flatnonzero(is_off_market(off_market_scores(TradeColumns.of(frame)))).tolist() == [77]


def test_a_moving_market_is_not_suspected():
    frame = market(200, 1)
    frame["price"] *= np.exp(np.linspace(0, 0.8, 200))
    assert not is_off_market(off_market_scores(TradeColumns.of(frame))).any()


def test_a_price_with_too_few_peers_is_not_judged():
    score = off_market_scores(TradeColumns.of(market(3, 1)))
    assert np.isnan(score).all()
    check = check_trades(TradeColumns.of(market(3, 1)))
    assert "3 of 3 prices have too few peers to be compared" in check.notes


def test_given_marks_judge_a_price_without_peers():
    frame = market(40, 2)
    frame["hub"] = [f"H{number}" for number in range(40)]
    frame.loc[5, "price"] *= 0.9
    score = off_market_scores(TradeColumns.of(frame), np.full(40, 30.0))
    assert np.flatnonzero(is_off_market(score)).tolist() == [5]


def test_the_rounding_of_a_cheap_option_is_not_off_the_market():
    frame = market(60, 3)
    frame["instrument"], frame["price"] = "option", 0.0004
    marks = np.full(60, 0.0001)
    assert not is_off_market(off_market_scores(TradeColumns.of(frame), marks)).any()


def test_marks_of_another_length_are_refused():
    with pytest.raises(UsageError, match="marks: has the shape"):
        off_market_scores(TradeColumns.of(market(5, 1)), np.ones(4))


def test_pieces_of_the_peers_join_to_the_whole(monkeypatch):
    columns = TradeColumns.of(market(97, 4))
    whole = off_market_scores(columns)
    monkeypatch.setattr("core.domains.etrm.compliance.off_market.PIECE", 10)
    assert np.array_equal(off_market_scores(columns), whole, equal_nan=True)


def test_a_pattern_names_its_reason():
    frame = pd.concat([trades({}, SOLD), market(60, 5)], ignore_index=True)
    frame.loc[30, "price"] = 40.0
    check = check_trades(TradeColumns.of(frame))
    reasons = [finding.reason for finding in check.findings() if finding.regime == "pattern"]
    assert reasons[:2] == ["mirrors T2 within 300 s", "mirrors T1 within 300 s"]
    assert "robust standard deviations from the market" in reasons[2]
    assert check.counts["wash_trade"] == 2


def test_scores_count_hits_misses_and_false_alarms():
    bits = np.array([Violation.LATE_REPORT, 0, Violation.LATE_REPORT, Violation.WASH_TRADE])
    found = detection_scores(bits, pd.Series(["late_report", "late_report", "none", "wash_trade"]))
    assert (found["late_report"].recall, found["late_report"].precision) == (0.5, 0.5)
    assert (found["wash_trade"].recall, found["wash_trade"].precision) == (1.0, 1.0)
    assert np.isnan(found["limit_breach"].recall)
    assert np.isnan(found["limit_breach"].precision)
    with pytest.raises(UsageError, match="truth: has 1 rows"):
        detection_scores(bits, pd.Series(["none"]))


def test_the_order_of_the_trades_changes_no_verdict():
    frame = pd.concat(
        [trades({}, SOLD, SWAP | {"lei_like": "", "book": "B"} | LATER), market(80, 6)], ignore_index=True
    )
    frame["trade_id"] = [f"N{number}" for number in range(len(frame))]
    frame.loc[40, "price"] = 50.0
    check = check_trades(TradeColumns.of(frame))
    shuffled = frame.sample(frac=1.0, random_state=1)
    other = check_trades(TradeColumns.of(shuffled.reset_index(drop=True)))
    assert dict(zip(shuffled["trade_id"], other.violations, strict=True)) == dict(
        zip(frame["trade_id"], check.violations, strict=True)
    )
