"""`bondx performance`: how well a version does, and how well it is likely to do before outcomes are known."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, open_workspace
from console.commands.performance_shown import add_show
from console.commands.reading import add_reading_arguments, reading_rules
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.monitoring.estimation.estimate import EstimatedFigure
    from core.training.own_data.estimation import VersionEstimate

_COLUMNS = ("metric", "estimate", "low", "high", "held_out", "verdict")


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "performance", help="how well a version does, with and without known outcomes")
    estimate = command_parser(
        verbs,
        "estimate",
        help="estimate the performance without outcomes, on a file or of live rows: exit code 1 if it fell",
    )
    estimate.add_argument("model", metavar="MODEL")
    estimate.add_argument(
        "--data", type=Path, metavar="FILE", help="CSV, Parquet or JSON lines (default: the engine's last estimate)"
    )
    estimate.add_argument("--version", metavar="V", help="the version (default: the live version, else the newest)")
    add_reading_arguments(estimate)
    add_json_argument(estimate)
    estimate.set_defaults(command=estimate_file)
    add_show(verbs)


def estimate_file(args: argparse.Namespace) -> int:
    """Estimate the performance on a file."""
    if args.data is None:
        return _show_last(args)
    from console.cli.output import print_json
    from core.monitoring.verdicts import PerformanceVerdict
    from core.training.own_data.estimation import estimate_on_file

    workspace = open_workspace(args)
    found = estimate_on_file(workspace, args.model, args.data, version=args.version, reading=reading_rules(args))
    if args.json:
        print_json(found)
    else:
        _print(found, args.data)
    return ExitCode.FAILING if found.report.verdict is PerformanceVerdict.FELL else ExitCode.GOOD


def _show_last(args: argparse.Namespace) -> int:
    from console.cli.output import print_json, printable
    from console.commands.drift_watched import estimate_lines
    from core.monitoring.monitoring_store import MonitoringStore
    from core.monitoring.verdicts import PerformanceVerdict

    found = MonitoringStore(open_workspace(args)).last_estimate(args.model, args.version)
    if args.json:
        print_json(found)
    else:
        print(f"{printable(found.model)} {found.version}, {found.estimate.as_of:%Y-%m-%d %H:%M} UTC")
        for line in estimate_lines(found.estimate):
            print(printable(line))
    return ExitCode.FAILING if found.estimate.verdict is PerformanceVerdict.FELL else ExitCode.GOOD


def _print(found: "VersionEstimate", path: Path) -> None:
    from console.cli.output import print_table, printable

    report = found.report
    print(f"{printable(found.model)} {found.version} ({found.stage})")
    print_table([_row(figure) for figure in report.figures], _COLUMNS, empty="")
    print(f"method: {report.method}")
    if report.effective_share is not None and not report.is_far:  # else a note says how they were compared
        share = f"{report.effective_share:.0%} of the {report.n_held_out:,} held-out rows"
        print(f"weighted to be like the rows, {share} count")
    print(f"note: {report.blind_to}")
    for note in (*found.reading, *report.notes):
        print(f"note: {printable(note)}")
    print(f"{report.verdict}: {report.reason}; {report.n_rows:,} rows of {printable(path)}")


def _row(figure: "EstimatedFigure") -> "dict[str, str | None]":
    from core.monitoring.estimation.expected_scores import IN_WORDS

    return {
        "metric": IN_WORDS.get(figure.metric, figure.metric),
        "estimate": f"{figure.value:.4g}",
        "low": f"{figure.low:.4g}",
        "high": f"{figure.high:.4g}",
        "held_out": f"{figure.held_out:.4g}",
        "verdict": figure.verdict,
    }
