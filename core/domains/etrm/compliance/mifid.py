"""MiFID II: position limits of commodity derivatives."""

from core.domains.etrm.compliance.limits import (
    ABOVE_ALONE,
    LIMIT_COLUMNS,
    exceed_alone,
    legs_of,
    union_breaches,
    union_limits,
    union_windows,
)
from core.domains.etrm.compliance.regime import (
    CheckSettings,
    JudgementDraft,
    Regime,
    RegimeJudgement,
    TradeStatus,
    Violation,
)
from core.domains.etrm.compliance.reports import as_of_day
from core.domains.etrm.compliance.scope import is_derivative
from core.domains.etrm.compliance.trades import TradeColumns


def judge(trades: TradeColumns, settings: CheckSettings) -> RegimeJudgement:
    """Judge trades and positions under the position limits of MiFID II.

    Limits bind critical or significant contracts: in energy, TTF gas. The limit of the spot month is 25 % of the
    deliverable supply, that of the other months 25 % of the open interest. Hedges of a non-financial firm are exempt.

    Source:
        Directive 2014/65/EU, article 57; Delegated Regulation (EU) 2022/1302.
    """
    spot, other = union_limits()
    draft = JudgementDraft(trades, "no position limit binds this contract")
    bound = is_derivative(trades) & trades.among("hub", tuple(spot))
    is_exempt = bound & trades.is_flag("hedge_flag")
    counted = bound & ~is_exempt & trades.is_live
    draft.mark(bound, TradeStatus.LIMITED, "a position limit applies")
    draft.mark(bound & ~trades.is_live, TradeStatus.LIMITED, "cancelled, and weighs nothing")
    draft.mark(is_exempt, TradeStatus.EXEMPT, "a hedge, to which no position limit applies")
    if "hedge_flag" not in trades:
        draft.notes.append("the column hedge_flag is missing, so no trade is exempt as a hedge")
    if missing := trades.missing(LIMIT_COLUMNS):
        draft.mark(counted, TradeStatus.NOT_JUDGED, f"the column {missing[0]} is missing")
        draft.notes.append(f"the column {missing[0]} is missing, so position limits are not judged")
        return draft.done()
    today = as_of_day(trades, settings)
    legs = legs_of(trades, counted, today)
    draft.flag(exceed_alone(trades, legs, today, union_windows), Violation.LIMIT_BREACH, ABOVE_ALONE)
    positions, ahead = union_breaches(trades, legs, today, spot, other)
    return draft.done(positions=positions, ahead=ahead)


MIFID = Regime("mifid2", "MiFID II position limits, Directive 2014/65/EU, article 57", judge)
