"""`bondx compliance`: check a trades file against REMIT, EMIR, MiFID II and Dodd-Frank."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, unquoted_columns
from console.commands.reading import add_reading_arguments, reading_rules
from console.commands.typed_numbers import count
from core.errors import ExitCode, UsageError
from core.typed_numbers import decimal_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.domains.etrm.compliance.regime import CheckSettings, PositionBreach
    from core.domains.etrm.compliance.report import ComplianceReport

LISTED, LISTED_AS_JSON = 20, 1_000
EMIR_METHODS = ("old", "uncleared")


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verb."""
    verbs = noun_parser(
        commands,
        "compliance",
        help="check energy trades against reporting rules and position limits; expected credit losses by IFRS 9",
    )
    ecl = command_parser(verbs, "ecl", help="stages and expected credit losses of a file of exposures, by IFRS 9")
    ecl.add_argument("exposures", type=Path, metavar="EXPOSURES", help="the exposures: CSV (also gzipped) or Parquet")
    add_reading_arguments(ecl)
    ecl.add_argument("--most", type=count, metavar="N", help="list at most N exposures (default 20)")
    add_json_argument(ecl)
    ecl.set_defaults(command=show_expected_losses)
    check = command_parser(verbs, "check", help="check a trades file: exit code 1 if there are findings")
    check.add_argument("trades", type=Path, metavar="TRADES", help="the trades: CSV (also gzipped) or Parquet")
    check.add_argument(
        "--regime",
        dest="regimes",
        action="append",
        metavar="NAME",
        help="check only this regime: remit, emir, mifid2 or dodd-frank (repeatable)",
    )
    check.add_argument(
        "--column",
        dest="columns",
        action="append",
        default=[],
        metavar="OURS=THEIRS",
        help="the file's name of a column, such as trade_id='Deal No' (repeatable)",
    )
    add_reading_arguments(check)
    check.add_argument(
        "--emir-method",
        choices=EMIR_METHODS,
        default=EMIR_METHODS[0],
        help="count all positions outside exchanges (old), or those that are not cleared (EMIR 3)",
    )
    check.add_argument(
        "--rate",
        dest="rates",
        action="append",
        default=[],
        metavar="CURRENCY=EUR",
        help="euros per unit of a currency, for the thresholds, such as USD=0.91 (repeatable)",
    )
    check.add_argument(
        "--as-of", metavar="TIME", help="the time of the check (default: that of the last trade or report)"
    )
    check.add_argument("--most", type=count, metavar="N", help="list at most N findings (default 20; 1000 as JSON)")
    check.add_argument(
        "--out", type=Path, metavar="FILE", help="write every trade and regime into a new .csv or .parquet file"
    )
    add_json_argument(check)
    check.set_defaults(command=check_file)


def show_expected_losses(args: argparse.Namespace) -> int:
    """Print the expected credit losses of a file of exposures."""
    from console.cli.output import print_json, print_table
    from core.domains.bonds.ifrs9 import ecl_report, read_exposures

    hidden = unquoted_columns(args)
    report = ecl_report(read_exposures(args.exposures, rules=reading_rules(args))).without_cells(hidden.denies)
    if args.json:
        print_json(report)
        return ExitCode.GOOD
    print(f"{report.n:,} exposures of {report.ead:,.2f} USD m: expected credit loss {report.loss:,.4f} USD m")
    stages = [
        {
            "stage": str(each.stage),
            "exposures": f"{each.n:,}",
            "EAD": f"{each.ead:,.2f}",
            "loss": f"{each.loss:,.4f}",
            "coverage": "-" if each.coverage is None else f"{each.coverage:.3%}",
        }
        for each in report.stages
    ]
    print_table(stages, ("stage", "exposures", "EAD", "loss", "coverage"), empty="")
    for title, amounts in (("scenario", report.scenarios), ("sensitivity", report.sensitivity)):
        sign = "+" if title == "sensitivity" else ""
        rows = [{title: name, "USD m": f"{amount:{sign},.4f}"} for name, amount in amounts.items()]
        print_table(rows, (title, "USD m"), empty="")
    if report.reconciliation:
        moves = [
            {"before": m.before, "now": str(m.after), "exposures": f"{m.n:,}", "EAD": f"{m.ead:,.2f}"}
            for m in report.migration
        ]
        print_table(moves, ("before", "now", "exposures", "EAD"), empty="")
        lines = [{"reconciliation": each.line, "USD m": f"{each.amount:,.4f}"} for each in report.reconciliation]
        print_table(lines, ("reconciliation", "USD m"), empty="")
    largest = sorted(report.exposures, key=lambda each: -each.loss)[: args.most or LISTED]
    rows = [
        {
            "exposure": e.name,
            "stage": str(e.stage),
            "EAD": "-" if e.ead is None else f"{e.ead:,.2f}",
            "loss": f"{e.loss:,.4f}",
            "reason": e.reason,
        }
        for e in largest
    ]
    print_table(rows, ("exposure", "stage", "EAD", "loss", "reason"), empty="no exposure")
    for note in report.notes:
        print(f"note: {note}")
    return ExitCode.GOOD


def check_file(args: argparse.Namespace) -> int:
    """Check a trades file."""
    from console.cli.output import print_json
    from core.domains.etrm.compliance.check import check_trades
    from core.domains.etrm.compliance.reading import columns_from, read_trades
    from core.domains.etrm.compliance.regimes import regimes_named
    from core.domains.etrm.compliance.report import report_of
    from core.domains.etrm.compliance.writing import require_new_table, write_compliance_table

    regimes_named(args.regimes)  # a mistyped name is refused before a large file is read
    settings, columns = _settings(args), columns_from(args.columns)
    if args.out is not None:
        require_new_table(args.out)
    hidden = unquoted_columns(args)
    file = read_trades(args.trades, columns=columns, rules=reading_rules(args), hides=hidden.denies)
    check = check_trades(file.trades, regimes=args.regimes, settings=settings)
    n_rows = write_compliance_table(check, args.out) if args.out is not None else 0
    most = args.most or (LISTED_AS_JSON if args.json else LISTED)
    report = report_of(check, most_findings=most)
    if args.json:
        print_json({"file": str(args.trades), "sha256": file.sha256, "report": report, "reading": file.notes})
    else:
        for note in file.notes:
            print(f"note: {_printable(note)}")
        _print(report, args.trades)
        if args.out is not None:
            print(f"{n_rows:,} rows in {_printable(args.out)}")
    return ExitCode.FAILING if report.has_findings else ExitCode.GOOD


def _settings(args: argparse.Namespace) -> "CheckSettings":
    import numpy as np

    from core.domains.etrm.compliance.regime import CheckSettings, EmirMethod

    rates = {}
    for text in args.rates:
        currency, _, rate = text.partition("=")
        try:
            rates[currency.strip().upper()] = decimal_number(rate)
        except ValueError:
            raise UsageError(f"--rate {text!r}: write CURRENCY=EUR, such as USD=0.91.") from None
    as_of = None
    if args.as_of is not None:
        try:
            as_of = np.datetime64(args.as_of.removesuffix("Z").replace(" ", "T"), "s")
        except (ValueError, OverflowError):
            raise UsageError(f"--as-of {args.as_of!r}: write a time in UTC, such as 2024-12-31T17:00:00.") from None
        if np.isnat(as_of):
            raise UsageError(f"--as-of {args.as_of!r}: write a time in UTC, such as 2024-12-31T17:00:00.")
    return CheckSettings(emir_method=EmirMethod(args.emir_method), eur_per_unit=rates, as_of=as_of)


def _printable(value: object) -> str:
    from console.cli.output import printable

    return printable(value)


def _print(report: "ComplianceReport", path: Path) -> None:
    from console.cli.output import print_table, printable

    rows = [
        {
            "regime": regime.name,
            "in_scope": f"{regime.in_scope:,}",
            "reported": f"{regime.statuses.get('reported', 0):,}",
            "not_judged": f"{regime.statuses.get('not_judged', 0):,}",
            "violations": _counted(regime.violations),
        }
        for regime in report.regimes
    ]
    rows.append({"regime": "pattern", "violations": _counted(report.patterns)})
    print_table(rows, ("regime", "in_scope", "reported", "not_judged", "violations"), empty="")
    _print_positions({regime.name: regime.positions for regime in report.regimes})
    if report.findings:
        print()
        found = [
            {
                "trade_id": finding.trade_id,
                "regime": finding.regime,
                "violation": "+".join(finding.kinds),
                "due": finding.due[:10],  # always the end of this day; JSON has the second
                "reason": finding.reason,
            }
            for finding in report.findings
        ]
        print_table(found, ("trade_id", "regime", "violation", "due", "reason"), empty="")
    if left_out := report.n_findings - len(report.findings):
        print(f"and {left_out:,} more findings; --most N lists more, --out FILE writes all of them")
    if any(regime.ahead for regime in report.regimes):
        print("\nabove the limit on a day that has not come, if held until then (no finding):")
        _print_positions({regime.name: regime.ahead for regime in report.regimes}, is_first=False)
    _print_thresholds(report)
    print()
    for note in report.notes:
        print(f"note: {printable(note)}")
    said = [_number_of(report.n_trades, "trade", "trades")]
    if report.n_findings or not report.n_positions:  # "no findings" only where the exit code says so
        said.append(_number_of(report.n_findings, "finding", "findings"))
    if report.n_positions:
        said.append(f"{_number_of(report.n_positions, 'position', 'positions')} above the limit")
    print(f"{printable(path)}: {', '.join(said)}")


def _number_of(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}" if n else f"no {many}"


def _print_thresholds(report: "ComplianceReport") -> None:
    from console.cli.output import print_table

    rows = []
    for regime in report.regimes:
        for each in regime.thresholds:
            verdict = {"exceeded": f"exceeded, so {each.exceeded}", "undecided": "undecided, at least this"}.get(
                each.verdict, "not exceeded"
            )
            unknown = [each.gap] if each.gap else []
            if each.n_left_out:
                unknown.append(f"{each.n_left_out:,} trades without a known notional left out")
            rows.append(
                {
                    "regime": regime.name,
                    "value": f"{each.value:,.0f}",
                    "threshold": f"{each.limit:,.0f} {each.unit}",
                    "measured": "; ".join([f"{verdict}: {each.name}", *unknown]),
                }
            )
    if rows:
        print()
        print_table(rows, ("regime", "value", "threshold", "measured"), empty="")


def _print_positions(by_regime: "Mapping[str, list[PositionBreach]]", *, is_first: bool = True) -> None:
    from console.cli.output import print_table

    rows = [
        {
            "regime": regime,
            "hub": breach.hub,
            "delivery": breach.delivery_month,
            "first_day": breach.day,
            "net_lots": "-" if breach.net_lots is None else f"{breach.net_lots:,.0f}",
            "limit": f"{breach.limit_lots:,.0f}",
            "trade_id": breach.trade_id,
        }
        for regime, breaches in by_regime.items()
        for breach in breaches[:LISTED]
    ]
    if rows:
        if is_first:
            print()
        print_table(rows, ("regime", "hub", "delivery", "first_day", "net_lots", "limit", "trade_id"), empty="")
    for regime, breaches in by_regime.items():
        if (left_out := len(breaches) - LISTED) > 0:
            print(f"and {left_out:,} more positions under {regime}; --json lists them")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items()) or "none"
