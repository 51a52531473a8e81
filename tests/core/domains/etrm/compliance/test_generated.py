"""The checker on synthetic trades, whose violations are known."""

from datetime import date

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.check import WORDS, ComplianceCheck, check_trades
from core.domains.etrm.compliance.limits import union_limits
from core.domains.etrm.compliance.regime import RULE_DEFINED, VIOLATIONS
from core.domains.etrm.compliance.scoring import detection_scores
from core.domains.etrm.compliance.table import compliance_table
from core.domains.etrm.compliance.trades import TradeColumns
from core.domains.etrm.data import calibration
from core.domains.etrm.data.frames import draw_trades
from core.domains.etrm.data.market import open_market
from core.domains.etrm.data.settings import ETRMDataConfig

RULES = [name for name, kind in VIOLATIONS.items() if kind & RULE_DEFINED]


def drawn(n: int, seed: int, **period: date) -> tuple[pd.DataFrame, pd.DataFrame]:
    return draw_trades(open_market(ETRMDataConfig(num_trades=n, random_seed=seed, **period)))


def checked(trades: pd.DataFrame, truth: pd.DataFrame) -> ComplianceCheck:
    return check_trades(TradeColumns.of(trades), marks=truth["fair_price"].to_numpy())


@given(st.integers(50, 4_000), st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_every_violation_of_a_rule_is_found_and_no_other(n, seed):
    trades, truth = drawn(n, seed)
    scores = detection_scores(checked(trades, truth).violations, truth["injected_violation"])
    for name in RULES:
        assert scores[name].n_hit == scores[name].n_true == scores[name].n_found, name


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_trades_without_injected_violations_break_no_rule(seed):
    trades, truth = drawn(2_000, seed)
    clean = trades[(truth["injected_violation"] == "none").to_numpy()].reset_index(drop=True)
    check = check_trades(TradeColumns.of(clean))
    assert not (check.violations & RULE_DEFINED).any()


def test_a_breach_leads_above_the_limit_whatever_the_firm_held_before(monkeypatch):
    """In a firm whose other trades alone are far beyond the limits, over several blocks."""
    monkeypatch.setattr("core.domains.etrm.data.trades.BLOCK_TRADES", 10_000)
    trades, truth = drawn(60_000, 3)
    check = checked(trades, truth)
    assert any(judgement.positions for _, judgement in check.judgements)
    score = detection_scores(check.violations, truth["injected_violation"])["limit_breach"]
    assert score.n_hit == score.n_true == score.n_found == 300
    hubs = trades["hub"][truth["injected_violation"].eq("limit_breach").to_numpy()].astype(str).value_counts()
    assert set(hubs.index) == {"HH", "WTI", "TTF"}
    assert hubs.min() > 60


def test_a_late_report_is_late_on_holidays_too():
    # Around Christmas and Easter a report is due days after the next weekday.
    for seed in range(3):
        trades, truth = drawn(6_000, seed, start_date=date(2024, 12, 19), end_date=date(2024, 12, 31))
        score = detection_scores(checked(trades, truth).violations, truth["injected_violation"])["late_report"]
        assert score.n_hit == score.n_true == score.n_found == 60


def test_the_detectors_find_most_patterns_and_rarely_err():
    bits, injected = [], []
    for seed in range(6):
        trades, truth = drawn(3_000, seed)
        bits.append(checked(trades, truth).violations)
        injected.append(truth["injected_violation"].astype(str))
    scores = detection_scores(np.concatenate(bits), pd.concat(injected, ignore_index=True))
    assert scores["wash_trade"].recall == 1.0
    assert scores["wash_trade"].precision > 0.97
    assert scores["off_market"].recall > 0.85
    assert scores["off_market"].precision > 0.9


def test_the_table_of_generated_trades_carries_their_truth():
    trades, truth = drawn(500, 1)
    table = compliance_table(trades, truth=truth["injected_violation"])
    assert len(table) == 4 * 500
    by_trade = table.groupby("trade_id", observed=True)
    flags = by_trade["flag"].agg(lambda each: {name for cell in each for name in str(cell).split("+") if name})
    told = by_trade["injected_violation"].first().astype(str)
    for name in RULES:
        assert set(flags[[name in each for each in flags]].index) == set(told[told == name].index)


def test_the_generator_and_the_rules_agree_on_hubs_limits_and_rates():
    hubs = {*law.UNION_HUBS.value, *law.US_HUBS.value, *law.OTHER_HUBS.value}
    assert {hub.name for hub in calibration.HUBS.value} == hubs
    spot, _ = union_limits()
    limits = dict(spot) | {hub: lots[0] for hub, lots in law.US_SPOT_LOTS.value.items()}
    assert dict(calibration.POSITION_LIMIT_LOTS.value) == limits
    assert law.EUR_PER_UNIT.value["USD"] == 1 / calibration.EUR_USD.value["mean"]
    assert set(calibration.CONTRACTS.value) == set(WORDS["commodity"])
