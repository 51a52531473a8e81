"""Dodd-Frank: reports of swaps, federal position limits, and the dealer's de minimis threshold."""

from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.calendars import end_of_working_day, federal_holidays
from core.domains.etrm.compliance.limits import (
    ABOVE_ALONE,
    LIMIT_COLUMNS,
    JudgedPositions,
    exceed_alone,
    federal_breaches,
    federal_windows,
    legs_of,
)
from core.domains.etrm.compliance.regime import (
    CheckSettings,
    FirmThreshold,
    JudgementDraft,
    Regime,
    RegimeJudgement,
    TradeStatus,
    Violation,
)
from core.domains.etrm.compliance.reports import as_of_day, judge_reports, require_identifiers
from core.domains.etrm.compliance.scope import US_DOLLAR, is_known_hub, is_over_the_counter, is_swap_or_future
from core.domains.etrm.compliance.thresholds import NOTIONAL_COLUMNS, last_year_notional
from core.domains.etrm.compliance.trades import TradeColumns


def judge(trades: TradeColumns, settings: CheckSettings) -> RegimeJudgement:
    """Judge trades and positions of American commodities.

    Swaps and options outside exchanges are reported by the end of the next working day. Federal limits bind the net
    position of Henry Hub gas and WTI crude on the last three working days before delivery; a bona fide hedge is
    exempt. A firm that deals in swaps of more than USD 8 bn in twelve months must register.

    Source:
        17 CFR 45.3; 17 CFR 150.2 and appendix E; 17 CFR 1.3 (swap dealer, paragraph 4).
    """
    draft = JudgementDraft(trades, "no swap and no limited contract of the United States")
    in_us = trades.among("hub", law.US_HUBS.value)
    is_other = trades.among("instrument", ("forward", "option")) & is_swap_or_future(trades)
    swaps = trades.among("instrument", ("swap",)) | (is_other & is_over_the_counter(trades))
    in_scope = in_us & swaps
    draft.mark(swaps & ~is_known_hub(trades), TradeStatus.NOT_JUDGED, "the hub is not in the list of known hubs")
    positions, ahead = _limits(draft, settings)
    due = end_of_working_day(trades.instants["trade_ts"], federal_holidays(), after=law.WORKING_DAYS.value)
    above = (draft.violations & Violation.LIMIT_BREACH) > 0
    judge_reports(draft, in_scope, due, settings, reason="swap, next working day")
    draft.explain(above & in_scope, ABOVE_ALONE)
    require_identifiers(draft, in_scope, with_uti=True)
    if missing := trades.missing((*NOTIONAL_COLUMNS, "hedge_flag")):
        draft.notes.append(f"the column {missing[0]} is missing, so the dealer's threshold is not judged")
        return draft.done(positions=positions, ahead=ahead)
    dealt = in_scope & trades.is_live & ~trades.is_flag("hedge_flag")
    total, n_left_out, gap = last_year_notional(trades, dealt, settings, US_DOLLAR)
    threshold = FirmThreshold(
        "swaps of the last 12 months, no hedges",
        total,
        law.DE_MINIMIS_USD.value,
        US_DOLLAR,
        "a firm that deals in them must register as a swap dealer",
        n_left_out,
        gap,
    )
    return draft.done(positions=positions, ahead=ahead, thresholds=(threshold,))


def _limits(draft: JudgementDraft, settings: CheckSettings) -> JudgedPositions:
    trades = draft.trades
    bound = is_swap_or_future(trades) & trades.among("hub", tuple(law.US_SPOT_LOTS.value))
    is_exempt = bound & trades.is_flag("hedge_flag")
    counted = bound & ~is_exempt & trades.is_live
    draft.mark(bound, TradeStatus.LIMITED, "a position limit applies")
    draft.mark(bound & ~trades.is_live, TradeStatus.LIMITED, "cancelled, and weighs nothing")
    draft.mark(is_exempt, TradeStatus.EXEMPT, "a bona fide hedge, to which no position limit applies")
    if missing := trades.missing(LIMIT_COLUMNS):
        draft.mark(counted, TradeStatus.NOT_JUDGED, f"the column {missing[0]} is missing")
        draft.notes.append(f"the column {missing[0]} is missing, so position limits are not judged")
        return JudgedPositions()
    today = as_of_day(trades, settings)
    legs = legs_of(trades, counted, today)
    draft.flag(exceed_alone(trades, legs, today, federal_windows), Violation.LIMIT_BREACH, ABOVE_ALONE)
    return federal_breaches(trades, legs, today)


DODD_FRANK = Regime("dodd-frank", "Dodd-Frank, 17 CFR 45 and 150", judge)
