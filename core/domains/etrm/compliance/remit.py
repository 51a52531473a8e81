"""REMIT: wholesale power, gas and LNG with delivery in the Union."""

import numpy as np

from core.domains.etrm.compliance import constants as law
from core.domains.etrm.compliance.calendars import end_of_working_day, months_later, target_holidays
from core.domains.etrm.compliance.regime import CheckSettings, JudgementDraft, Regime, RegimeJudgement, TradeStatus
from core.domains.etrm.compliance.reports import judge_reports, require_identifiers
from core.domains.etrm.compliance.scope import is_known_hub
from core.domains.etrm.compliance.trades import TradeColumns


def judge(trades: TradeColumns, settings: CheckSettings) -> RegimeJudgement:
    """Judge trades under REMIT.

    Every wholesale energy product is reportable, derivatives and spot alike: a standard contract (made on an exchange
    or an OTF) by the end of the next working day, another within one month.

    Source:
        Regulation (EU) 1227/2011, articles 2(4) and 8; Implementing Regulation (EU) 1348/2014, articles 3 and 7.
    """
    draft = JudgementDraft(trades, "no power, gas or LNG with delivery in the Union")
    is_energy = trades.among("commodity", law.WHOLESALE_ENERGY.value)
    in_scope = is_energy & trades.among("hub", law.UNION_HUBS.value)
    draft.mark(is_energy & ~is_known_hub(trades), TradeStatus.NOT_JUDGED, "the hub is not in the list of known hubs")
    made = trades.instants["trade_ts"]
    next_day = end_of_working_day(made, target_holidays(), after=law.WORKING_DAYS.value)
    if "venue" in trades:
        is_standard = trades.among("venue", ("exchange", "OTF"))
        due = np.where(is_standard, next_day, months_later(made, law.NON_STANDARD_MONTHS.value))
        due[~trades.words["venue"].filled] = np.datetime64("NaT")
        judge_reports(draft, in_scope & is_standard, due, settings, reason="standard contract, next working day")
        judge_reports(draft, in_scope & ~is_standard, due, settings, reason="non-standard contract, one month")
    else:
        draft.notes.append("the column venue is missing, so every contract counts as standard")
        judge_reports(draft, in_scope, next_day, settings, reason="standard contract, next working day")
    require_identifiers(draft, in_scope, with_uti=False)
    return draft.done()


REMIT = Regime("remit", "REMIT, Regulation (EU) 1227/2011", judge)
