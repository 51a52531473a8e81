"""`bondx-mlops drift-check`: has the current table moved away from the baseline?"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers
from console.commands.reading import add_reading_arguments, reading_rules
from console.commands.typed_numbers import count
from console.mlops.opening import verb_parser
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.monitoring.drift_check import DriftReport


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = verb_parser(commands, "drift-check", help="compare a table with a baseline: exit code 1 on an alarm")
    parser.add_argument("--baseline", required=True, type=Path, metavar="FILE", help="the table to compare with")
    parser.add_argument("--current", required=True, type=Path, metavar="FILE", help="the table to check")
    parser.add_argument("--model", default="", metavar="NAME", help="use the drift policy of this model")
    dependent = parser.add_mutually_exclusive_group()
    dependent.add_argument("--group", metavar="COL", help="the column that groups rows which depend on each other")
    dependent.add_argument(
        "--block", type=count, metavar="N", help="rows follow each other in time: N consecutive rows form a block"
    )
    add_reading_arguments(parser)
    parser.set_defaults(command=check)


def check(args: argparse.Namespace) -> int:
    """Compare two files column by column."""
    from console.cli.output import print_json
    from console.commands.opening import workspace_root
    from core.monitoring.dependence import units_of
    from core.monitoring.drift_check import DriftVerdict, check_drift, kinds_to_read
    from core.settings.policy_source import load_policy
    from core.tables import read_table

    # No workspace is needed to compare two files; where there is one, its policy counts.
    rules = load_policy(workspace_root(args)).for_model(args.model).drift
    reading = replace(reading_rules(args), lenient=True)
    reference = read_table(args.baseline, rules=reading)
    current = read_table(
        args.current, rules=replace(reading, kinds=kinds_to_read(reference.kinds), forms=reference.forms)
    )
    report = check_drift(
        reference.frame,
        current.frame,
        {name: kind for name, kind in reference.kinds.items() if name != args.group},
        matters=rules.feature,
        unreadable=(reference.unreadable, current.unreadable),
        infinite=(reference.infinite, current.infinite),
        units=units_of(reference.frame, current.frame, args.group, args.block),
    )
    if args.json:
        print_json(report)
    else:
        _print(report)
    return ExitCode.FAILING if report.verdict is DriftVerdict.ALARM else ExitCode.GOOD


def _print(report: "DriftReport") -> None:
    from console.cli.output import print_table, printable

    rows = [
        {
            "feature": found.feature,
            "verdict": found.verdict,
            "psi": found.psi,
            "ks": found.ks_statistic,
            "p": found.adjusted_p_value,
            "missing": f"{found.missing_share_reference:.1%} -> {found.missing_share_current:.1%}",
            "why": found.reason,
        }
        for found in report.features
    ]
    print_table(rows, ("feature", "verdict", "psi", "ks", "p", "missing", "why"), empty="no column to compare")
    for name in report.lost:
        print(f"alarm: {printable(name)} is in the baseline, but not in the current table")
    for name in report.added:
        print(f"note: {printable(name)} is new, so there is nothing to compare it with")
    for note in report.notes:
        print(f"note: {printable(note)}")
    print(f"{report.verdict}: {report.n_current} rows against {report.n_reference}")
