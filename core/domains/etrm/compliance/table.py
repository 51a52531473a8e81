"""The compliance table: one row for each trade and regime, as `compliance.csv` holds it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.domains.etrm.compliance.check import ComplianceCheck, check_trades, kinds_of
from core.domains.etrm.compliance.regime import STATUSES, CheckSettings, TradeStatus, Violation
from core.domains.etrm.compliance.trades import TradeColumns
from core.errors import UsageError

TABLE_COLUMNS = ("trade_id", "regime", "flag", "due_ts", "status", "reason")
TRUTH_COLUMN = "injected_violation"
MOST_BITS = int(sum(Violation)) + 1


def compliance_table(
    trades: pd.DataFrame,
    *,
    regimes: Iterable[str] | None = None,
    settings: CheckSettings | None = None,
    truth: "pd.Series[Any] | None" = None,
    marks: FloatArray | None = None,
) -> pd.DataFrame:
    """Judge trades and return a row for each trade and regime, trade by trade.

    Args:
        trades: The columns of `trades.csv`, those of `ESSENTIAL` at least.
        regimes: Names of regimes; all by default.
        settings: What the check is told besides.
        truth: The violation that was injected into each trade, "none" for a clean one, in the order of the trades.
        marks: The market price at the time of each trade, shape (n,), if it is known.
    Returns:
        trade_id; regime; flag (the violations, joined by +, "" for none; a pattern stands in the rows of the regimes
        whose scope the trade is in, or in its first row); due_ts; status; reason; and injected_violation if the truth
        is given.
    Raises:
        UsageError: A column that is always needed is missing, or the truth has another length.
        NotFoundError: There is no such regime.
    """
    if truth is not None and len(truth) != len(trades):
        raise UsageError(f"truth: has {len(truth):,} rows, and the trades have {len(trades):,}.")
    check = check_trades(TradeColumns.of(trades), regimes=regimes, settings=settings, marks=marks)
    return table_of(check, 0, len(trades), truth=truth)


def table_of(check: ComplianceCheck, start: int, end: int, *, truth: "pd.Series[Any] | None" = None) -> pd.DataFrame:
    """Return the rows of the trades from one position to another, the last left out.

    Args:
        check: The check.
        start: The first trade.
        end: The trade after the last.
        truth: The injected violation of every trade of the check.
    """
    n, rows, judgements = end - start, slice(start, end), [judgement for _, judgement in check.judgements]
    outside = STATUSES.index(TradeStatus.OUT_OF_SCOPE)
    in_scope = np.stack([judgement.status[rows] != outside for judgement in judgements])
    carries = in_scope.copy()
    carries[0, ~in_scope.any(axis=0)] = True
    patterns = np.where(carries, check.patterns[rows], 0)
    violations = np.stack([judgement.violations[rows] for judgement in judgements]) | patterns
    reasons = tuple(dict.fromkeys(reason for judgement in judgements for reason in judgement.reasons))
    codes = np.stack(
        [np.array([reasons.index(r) for r in each.reasons], dtype=np.int16)[each.reason[rows]] for each in judgements]
    )
    ids, has_times = check.trades.trade_ids(start, n), "trade_ts" not in check.trades.withheld
    due = np.stack([judgement.due[rows] for judgement in judgements]).T.ravel()
    names = [regime.name for regime, _ in check.judgements]
    flags = ["+".join(kinds_of(bits)) for bits in range(MOST_BITS)]
    table = {
        "trade_id": ids.repeat(len(names)).reset_index(drop=True),
        "regime": _category(np.tile(np.arange(len(names)), n), names),
        "flag": _category(violations.T.ravel(), flags),
        "due_ts": due if has_times else np.full_like(due, np.datetime64("NaT")),
        "status": _category(
            np.stack([each.status[rows] for each in judgements]).T.ravel(), [status.value for status in STATUSES]
        ),
        "reason": _category(codes.T.ravel(), reasons),
    }
    if truth is not None:
        table[TRUTH_COLUMN] = truth.iloc[rows].repeat(len(names)).reset_index(drop=True)
    return pd.DataFrame(table, copy=False)


def table_pieces(check: ComplianceCheck, *, n_trades: int = 50_000) -> Iterator[pd.DataFrame]:
    """Yield the table in pieces of so many trades."""
    for start in range(0, len(check.trades), n_trades):
        yield table_of(check, start, min(start + n_trades, len(check.trades)))


_STATUS_NAMES = [status.value for status in STATUSES]


def _category(codes: AnyArray, names: Sequence[str]) -> "pd.Categorical[Any]":
    return pd.Categorical.from_codes(codes.astype(np.int16), dtype=pd.CategoricalDtype(list(names)))
