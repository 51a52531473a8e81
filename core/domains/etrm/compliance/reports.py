"""Reports of trades: in time, late, still due, or missing; and the identifiers that a report must carry."""

import numpy as np

from core.arrays import BoolArray, DateArray
from core.domains.etrm.compliance.regime import CheckSettings, JudgementDraft, TradeStatus, Violation
from core.domains.etrm.compliance.trades import NO, TradeColumns

NO_REPORT_TIMES = "the column reported_ts is missing, so nobody can say which trades were reported late"


def judge_reports(
    draft: JudgementDraft, in_scope: BoolArray, due: DateArray, settings: CheckSettings, *, reason: str
) -> None:
    """Judge whether each trade in scope was reported by its due time.

    Args:
        draft: Takes the due times, statuses and flags.
        in_scope: Which trades must be reported, shape (n,).
        due: The end of the time to report, datetime64[s], shape (n,); NaT leaves a trade unjudged.
        settings: Say the time of the check.
        reason: Why a trade in scope must be reported.
    """
    trades = draft.trades
    draft.due[in_scope] = due[in_scope]
    known = in_scope & ~np.isnat(due)
    draft.mark(in_scope & ~known, TradeStatus.NOT_JUDGED, "a cell that the due time follows from is empty")
    if "reported_ts" not in trades:
        draft.mark(known, TradeStatus.NOT_JUDGED, f"{reason}; the time of its report is unknown")
        draft.notes.append(NO_REPORT_TIMES)
        return
    reported = trades.instants["reported_ts"]
    has_report = ~np.isnat(reported)
    is_late, is_over = known & has_report & (reported > due), known & ~has_report & (due < as_of(trades, settings))
    draft.mark(known & has_report & ~is_late, TradeStatus.REPORTED, reason)
    draft.mark(known & ~has_report & ~is_over, TradeStatus.PENDING, f"{reason}; the time to report has not ended")
    draft.mark(is_late, TradeStatus.LATE, reason)
    draft.mark(is_over, TradeStatus.UNREPORTED, reason)
    draft.flag(is_late, Violation.LATE_REPORT, "reported after its due time")
    draft.flag(is_over, Violation.LATE_REPORT, "no report by its due time")
    made = trades.instants["trade_ts"]
    if n := int((known & has_report & (reported < made)).sum()):
        draft.notes.append(f"{n:,} trades have a report that is older than the trade")


def require_identifiers(draft: JudgementDraft, in_scope: BoolArray, *, with_uti: bool) -> None:
    """Flag trades in scope whose counterparty has no valid LEI, or which have no unique trade identifier."""
    wanted = [("lei_like", Violation.MISSING_LEI, "the counterparty has no valid LEI")]
    if with_uti:
        wanted.append(("uti", Violation.MISSING_UTI, "no unique trade identifier"))
    for column, violation, reason in wanted:
        if column in draft.trades:
            draft.flag(in_scope & (draft.trades.flags[column] == NO), violation, reason)
        else:
            draft.notes.append(f"the column {column} is missing, so nobody can say which trades lack it")


def as_of(trades: TradeColumns, settings: CheckSettings) -> np.datetime64:
    """Return the time of the check: the given one, else that of the last trade or report."""
    if settings.as_of is not None:
        return settings.as_of
    times = [trades.instants[name] for name in ("trade_ts", "reported_ts") if name in trades]
    known = np.concatenate([column[~np.isnat(column)] for column in times])
    return known[int(np.argmax(known))] if len(known) else np.datetime64("NaT", "s")


def as_of_day(trades: TradeColumns, settings: CheckSettings) -> np.datetime64:
    """Return the day of the check, which counts as far as it has come; NaT if nothing has a time."""
    day: np.datetime64 = as_of(trades, settings).astype("datetime64[D]")
    return day
