"""EMIR: reports of derivatives, and the clearing threshold."""

from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.calendars import end_of_working_day, target_holidays
from core.domains.etrm.compliance.regime import (
    CheckSettings,
    EmirMethod,
    FirmThreshold,
    JudgementDraft,
    Regime,
    RegimeJudgement,
)
from core.domains.etrm.compliance.reports import judge_reports, require_identifiers
from core.domains.etrm.compliance.scope import EURO, is_derivative, is_over_the_counter
from core.domains.etrm.compliance.thresholds import NOTIONAL_COLUMNS, month_end_average
from core.domains.etrm.compliance.trades import TradeColumns


def judge(trades: TradeColumns, settings: CheckSettings) -> RegimeJudgement:
    """Judge trades under EMIR.

    Every derivative is reported by the end of the next working day, with a unique trade identifier and the LEI of the
    counterparty. The firm is a non-financial counterparty above the threshold (NFC+) if the average of its last twelve
    month-end positions that are no hedges exceeds EUR 4 bn: all positions outside exchanges by the old method,
    those that are not cleared by the method of EMIR 3.

    Source:
        Regulation (EU) 648/2012, articles 9 and 10; Delegated Regulation (EU) 2022/2310; Regulation (EU) 2024/2987.
    """
    draft = JudgementDraft(trades, "not a derivative")
    in_scope = is_derivative(trades)
    due = end_of_working_day(trades.instants["trade_ts"], target_holidays(), after=law.WORKING_DAYS.value)
    judge_reports(draft, in_scope, due, settings, reason="derivative, next working day")
    require_identifiers(draft, in_scope, with_uti=True)
    if missing := trades.missing((*NOTIONAL_COLUMNS, "delivery_end", "hedge_flag")):
        draft.notes.append(f"the column {missing[0]} is missing, so the clearing threshold is not judged")
        return draft.done()
    counted = in_scope & trades.is_live & ~trades.is_flag("hedge_flag") & is_over_the_counter(trades)
    name = "month-end positions outside exchanges, no hedges, 12-month average"
    if settings.emir_method is EmirMethod.UNCLEARED:
        counted &= ~trades.is_flag("cleared")
        name = "month-end positions outside exchanges, not cleared, no hedges, 12-month average"
    average, n_left_out, gap = month_end_average(trades, counted, settings)
    threshold = FirmThreshold(
        name, average, law.CLEARING_THRESHOLD_EUR.value, EURO, "the firm is NFC+ and must clear", n_left_out, gap
    )
    return draft.done(thresholds=(threshold,))


EMIR = Regime("emir", "EMIR, Regulation (EU) 648/2012", judge)
