"""`bondx performance show`: how well a version does, of the answers whose outcomes are known."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from console.commands.opening import add_json_argument, command_parser, open_workspace
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from console.commands.opening import Subparsers
    from core.monitoring.documents import MonitoredMetric
    from core.monitoring.performance.shown import Calibration, PerformanceReport
    from core.view.version_performance import VersionPerformance

MOST_SLICES = 12
_COLUMNS = ("metric", "value", "from", "to", "held_out", "outcomes", "verdict")
_SLICES = ("slice", "metric", "value", "from", "to", "held_out", "outcomes", "verdict")
_CURVE = ("predicted", "observed", "from", "to", "outcomes")


def add_show(verbs: "Subparsers") -> None:
    """Add the verb to the noun."""
    parser = command_parser(
        verbs,
        "show",
        help="how well a version does by the outcomes that are known: exit code 1 if it fell",
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--version", metavar="V", help="the version (default: the live version, else the newest)")
    parser.add_argument(
        "--window",
        metavar="WINDOW",
        default="life",
        help="only answers of the last hour, day or week, or of another window of the settings (default: life)",
    )
    parser.add_argument("--by", metavar="COLUMN", default="", help="list every slice of this column")
    add_json_argument(parser)
    parser.set_defaults(command=show_performance)


def show_performance(args: argparse.Namespace) -> int:
    """Print the report of a version."""
    from console.cli.output import print_json
    from core.clock import utc_now
    from core.monitoring.verdicts import PerformanceVerdict
    from core.view.version_performance import version_performance

    found = version_performance(open_workspace(args), args.model, args.version, by=args.by, now=utc_now())
    if args.window not in (known := ("life", *found.report.judged_windows)):
        raise UsageError(f"--window {args.window!r}: the windows of {found.model} are {', '.join(known)}.")
    if args.json:
        print_json(found)
    else:
        _print(found, "" if args.window == "life" else args.window, args.by)
    return ExitCode.FAILING if found.report.verdict is PerformanceVerdict.FELL else ExitCode.GOOD


def _print(found: "VersionPerformance", window: str, by: str) -> None:
    from console.cli.output import print_table, printable
    from core.monitoring.sentences import performance_rules_sentence

    report = found.report
    print(f"{printable(found.model)} {found.version} ({found.stage})")
    print(_counts(report, window))
    shown = [each for each in report.metrics if each.window == window]
    print_table([_row(each) for each in shown], _COLUMNS, empty="no outcomes in this time" if report.metrics else "")
    slices = report.slices if by else report.slices[:MOST_SLICES]
    if slices:
        print("\nslices, over their whole life or the last week, the worst first; corrected for looking at all:")
        print_table([{"slice": each.slice, **_row(each)} for each in slices], _SLICES, empty="")
        if len(report.slices) > len(slices):
            print(f"and {len(report.slices) - len(slices)} more, which --json lists")
    if report.calibration is not None:
        _print_curve(report.calibration)
    for note in report.notes:
        print(f"note: {printable(note)}")
    print(performance_rules_sentence(report.margin, report.judged_windows))
    print(f"{report.verdict}: {printable(report.reason)}")


def _counts(report: "PerformanceReport", window: str) -> str:
    """Say how many outcomes there are, of how many answers, since when."""
    from core.monitoring.column_words import instant

    of = next((each for each in report.windows if each.window == window), None)
    if of is None:
        return f"no outcomes of {report.n_answered:,} answers"
    awaited = "" if of.awaited_share is None else f"; {of.awaited_share:.0%} are still awaited"
    return f"{of.n_outcomes:,} outcomes of {of.n_answered:,} answers since {instant(of.since)}{awaited}"


def _row(found: "MonitoredMetric") -> dict[str, Any]:
    deciding = found.metric in ("rmse", "brier", "shortfall") and found.reference is not None
    return {
        "metric": found.metric,
        "value": _figure(found.value),
        "from": _figure(found.low),
        "to": _figure(found.high),
        "held_out": _figure(found.reference),
        "outcomes": f"{found.n:,}",
        "verdict": str(found.verdict) if deciding else None,
    }


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _print_curve(found: "Calibration") -> None:
    from console.cli.output import print_table

    print(f"\nreliability, by tenths of the answers; mean distance {found.error:.3f}:")
    print_table(list(_curve(found)), _CURVE, empty="")
    print(f"calibration {found.verdict}: {found.reason}")


def _curve(found: "Calibration") -> Iterable[dict[str, str]]:
    for point in found.points:
        yield {
            "predicted": f"{point.predicted:.3f}",
            "observed": f"{point.observed:.3f}",
            "from": f"{point.low:.3f}",
            "to": f"{point.high:.3f}",
            "outcomes": f"{point.n:,}",
        }
