"""The report of a check: what stands where under each regime, the findings, and what was left open."""

from dataclasses import replace
from itertools import islice
from typing import Final

import msgspec

from core.arrays import AnyArray
from core.domains.etrm.compliance.check import ComplianceCheck, TradeFinding, judged_counts
from core.domains.etrm.compliance.limits import LATER
from core.domains.etrm.compliance.regime import VIOLATIONS, FirmThreshold, PositionBreach
from core.domains.etrm.compliance.trades import COLUMNS, TradeColumns

WITHHELD: Final = "(withheld)"


class RegimeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a regime says of all trades.

    Attributes:
        name: The regime.
        title: In words.
        in_scope: How many trades it binds.
        statuses: How many trades stand where.
        violations: How many trades have each kind of violation; only kinds that occur.
        positions: Net positions above their limit, on a day up to that of the check.
        ahead: Net positions that will be above it on a day that has not come, if they are held; no findings.
        thresholds: Figures of the whole firm, with their threshold.
    """

    name: str
    title: str
    in_scope: int
    statuses: dict[str, int]
    violations: dict[str, int]
    positions: list[PositionBreach]
    ahead: list[PositionBreach]
    thresholds: list[FirmThreshold]


class ComplianceReport(msgspec.Struct, frozen=True, kw_only=True):
    """A check of trades.

    Attributes:
        n_trades: How many trades were checked.
        has_findings: Whether there is a finding of a trade, or a position above its limit.
        regimes: What each regime says.
        patterns: How many trades the detectors suspect, by kind.
        n_findings: How many findings of single trades there are.
        n_positions: How many positions are above their limit.
        findings: The first of them.
        missing_columns: Columns that the rules read and the trades do not have.
        notes: What could not be judged, and why.
    """

    n_trades: int
    has_findings: bool
    regimes: list[RegimeReport]
    patterns: dict[str, int]
    n_findings: int
    n_positions: int
    findings: list[TradeFinding]
    missing_columns: list[str]
    notes: list[str]


def report_of(check: ComplianceCheck, *, most_findings: int) -> ComplianceReport:
    """Sum a check up.

    Args:
        check: The check.
        most_findings: How many findings are listed.
    """
    counts = judged_counts(check)
    regimes = []
    for regime, judgement in check.judgements:
        statuses = {name: n for name, n in counts[regime.name].items() if name != "in_scope"}
        regimes.append(
            RegimeReport(
                name=regime.name,
                title=regime.title,
                in_scope=counts[regime.name]["in_scope"],
                statuses=statuses,
                violations=_kinds(judgement.violations),
                positions=[_as_shown(each, check.trades) for each in judgement.positions],
                ahead=[_as_shown(each, check.trades) for each in judgement.ahead],
                thresholds=list(judgement.thresholds),
            )
        )
    n_findings = sum(int((judgement.violations > 0).sum()) for _, judgement in check.judgements)
    return ComplianceReport(
        n_trades=len(check.trades),
        has_findings=check.has_findings,
        regimes=regimes,
        patterns=_kinds(check.patterns),
        n_findings=n_findings + int((check.patterns > 0).sum()),
        n_positions=sum(len(judgement.positions) for _, judgement in check.judgements),
        findings=list(islice(check.findings(), most_findings)),
        missing_columns=[name for name in COLUMNS if name not in check.trades],
        notes=list(check.notes),
    )


def _as_shown(breach: PositionBreach, trades: TradeColumns) -> PositionBreach:
    """Return a position without the cells of columns that are withheld."""
    hidden, later = trades.withheld, breach.delivery_month == LATER
    return replace(
        breach,
        hub=WITHHELD if "hub" in hidden else breach.hub,
        delivery_month=WITHHELD if "delivery_start" in hidden and not later else breach.delivery_month,
        day=WITHHELD if hidden & {"trade_ts", "delivery_start"} else breach.day,
        net_lots=None if "quantity_lots" in hidden else breach.net_lots,
    )


def _kinds(violations: AnyArray) -> dict[str, int]:
    counts = {name: int(((violations & kind) > 0).sum()) for name, kind in VIOLATIONS.items()}
    return {name: n for name, n in counts.items() if n}
