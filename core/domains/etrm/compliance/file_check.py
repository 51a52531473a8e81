"""The check of a user's own trades file in one call, as Python programs make it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from core.domains.etrm.compliance.check import check_trades
from core.domains.etrm.compliance.reading import read_trades
from core.domains.etrm.compliance.regime import CheckSettings
from core.domains.etrm.compliance.regimes import regimes_named
from core.domains.etrm.compliance.report import ComplianceReport, report_of
from core.settings.patterns import is_named

MOST_FINDINGS = 1_000


def check_trades_file(
    path: Path | str,
    *,
    regimes: Iterable[str] | None = None,
    columns: Mapping[str, str] | None = None,
    settings: CheckSettings | None = None,
    most_findings: int = MOST_FINDINGS,
    withheld: Sequence[str] = (),
) -> ComplianceReport:
    """Check a trades file.

    Args:
        path: CSV (also gzipped) or Parquet.
        regimes: Names of regimes: remit, emir, mifid2, dodd-frank; all by default.
        columns: The file's name of each column that it calls otherwise.
        settings: The EMIR method, rates of currencies, the time of the check.
        most_findings: How many findings are listed; all are counted.
        withheld: Columns, or patterns such as `trader_*`, of which the report quotes no cell. No settings are read.
    Raises:
        TableError: The file cannot be used; file, place, column, value and fix are named.
        NotFoundError: There is no such regime.
    """
    names = [regime.name for regime in regimes_named(regimes)]
    hidden = tuple(withheld)
    file = read_trades(Path(path), columns=columns, hides=lambda name: is_named(name, hidden))
    return report_of(check_trades(file.trades, regimes=names, settings=settings), most_findings=most_findings)
