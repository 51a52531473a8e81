"""A whole data set, made in one pass over the trades: each block goes to tables, books, rules and texts."""

from collections import Counter
from typing import Any, Protocol

import numpy as np
import pandas as pd

from core.domains.etrm.compliance.table import compliance_table
from core.domains.etrm.data import calibration as cal
from core.domains.etrm.data.documents import DocumentWriter
from core.domains.etrm.data.explanation import explained, is_explained
from core.domains.etrm.data.frames import trades_frame, truth_frame
from core.domains.etrm.data.invariants import PositionSums, mark_error, report_faults
from core.domains.etrm.data.ledger import BookLedger, Holdings, LedgerDays, joined
from core.domains.etrm.data.market import Market
from core.domains.etrm.data.positions import PositionRows, position_days
from core.domains.etrm.data.risk_reports import RiskReports, report_days
from core.domains.etrm.data.series_file import NOTICE
from core.domains.etrm.data.texts import read_document
from core.domains.etrm.data.trade_block import STATUSES, VIOLATIONS, TradeBlock
from core.domains.etrm.data.trades import BLOCK_TRADES, draw_blocks
from core.progress import begins

GENERATOR_VERSION = "1"
TABLES = ("trades", "positions", "risk_reports", "compliance")
_MARK_TOLERANCE = 1e-9


class TableSink(Protocol):
    """Where the tables of a data set go."""

    def rows(self, table: str, frame: pd.DataFrame) -> None:
        """Take the next rows of one of `TABLES`, or of "truth"."""


class TradeTally:
    """Counts of the trades and their violations."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._statuses = np.zeros(len(STATUSES), dtype=np.int64)
        self._violations = np.zeros(len(VIOLATIONS), dtype=np.int64)
        self.rows: Counter[str] = Counter()

    def take(self, block: TradeBlock) -> None:
        """Count the next trades."""
        self._statuses += np.bincount(block.status, minlength=len(STATUSES))
        self._violations += np.bincount(block.violation, minlength=len(VIOLATIONS))

    @property
    def statuses(self) -> dict[str, int]:
        """Trades of each status."""
        return dict(zip(STATUSES, self._statuses.tolist(), strict=True))

    @property
    def violations(self) -> dict[str, int]:
        """Trades with each injected violation."""
        return dict(zip(VIOLATIONS[1:], self._violations[1:].tolist(), strict=True))


def assemble(market: Market, sink: TableSink) -> tuple[list[str], dict[str, Any]]:
    """Make a data set, piece by piece.

    Args:
        market: The market.
        sink: Takes the tables.
    Returns:
        The documents, and the metadata without the files.
    """
    tally, documents = TradeTally(), DocumentWriter(market)
    positions, reports = PositionRows(market), RiskReports(market)
    at_positions, at_reports = set(position_days(market)), set(report_days(market))
    days, held = market.prices.days, dict[int, Holdings]()
    last_two = days.trading[-2:].tolist()
    sums, made_last = PositionSums([pd.Timestamp(days.dates[day]) for day in sorted(at_positions)]), []

    def show(day: int, ledger: BookLedger) -> None:
        if day in at_positions:
            positions.take(day, ledger)
        if day in at_reports:
            reports.take(day, ledger)
        if day in last_two:
            held[day] = ledger.holdings(day)

    books = LedgerDays(market, sorted({*at_positions, *at_reports, *last_two}), show)
    n = market.settings.num_trades
    for block in draw_blocks(market):
        begins(f"drawing trades {int(block.serial[0]) + 1:,} to {int(block.serial[-1]) + 1:,} of {n:,}")
        trades, truth = trades_frame(market, block), truth_frame(block)
        rules = compliance_table(trades, truth=truth["injected_violation"], marks=block.fair)
        for name, frame in (("trades", trades), ("truth", truth), ("compliance", rules)):
            sink.rows(name, frame)
            tally.rows[name] += len(frame)
        books.take(block)
        documents.take(block.serial, trades, rules)
        tally.take(block)
        sums.take(trades)
        made_last.append(block.take(block.day == last_two[-1]))
    begins("marking positions and measuring risk")
    books.close()
    tables = {"positions": positions.frame(), "risk_reports": reports.frame()}
    for name, frame in tables.items():
        sink.rows(name, frame)
        tally.rows[name] += len(frame)
    lines = documents.lines(tables["positions"], tables["risk_reports"])
    identities = {
        "positions_are_sums_of_trades": sums.error(tables["positions"]) <= _MARK_TOLERANCE,
        "change_of_value_explained": len(last_two) < 2
        or is_explained(explained(market, held[last_two[0]], held[last_two[1]], joined(made_last), last_two[0])),
    }
    return lines, _metadata(market, tally, lines, identities, **tables)


def _metadata(
    market: Market,
    tally: TradeTally,
    lines: list[str],
    identities: dict[str, bool],
    positions: pd.DataFrame,
    risk_reports: pd.DataFrame,
) -> dict[str, Any]:
    """Return the facts about a data set; they do not depend on time or machine."""
    settings, prices = market.settings, market.prices
    faults = report_faults(risk_reports)
    unread = sum(read_document(line) is None for line in lines)
    gates = identities | {
        "mark_to_market": mark_error(positions) <= _MARK_TOLERANCE,
        "risk_reports": not faults,
        "spot_finite": bool(np.isfinite(prices.spot).all()),
        "texts_read_back": unread == 0,
    }
    return {
        "dataset": "etrm",
        "synthetic": True,
        "notice": NOTICE,
        "generator_version": GENERATOR_VERSION,
        "calibration_sha256": cal.digest(),
        "seed": settings.random_seed,
        "commodities": list(dict.fromkeys(hub.commodity for hub in prices.hubs)),
        "hubs": list(prices.names),
        "regions": list(settings.regions),
        "first_date": settings.start_date.isoformat(),
        "last_date": settings.end_date.isoformat(),
        "block_trades": BLOCK_TRADES,
        "row_counts": {name: tally.rows[name] for name in TABLES} | {"text_descriptions": len(lines)},
        "statuses": tally.statuses,
        "injected_violations": tally.violations,
        "truth_rates": {name: count / settings.num_trades for name, count in tally.violations.items()},
        "gates": gates,
        "gate_faults": faults,
    }
