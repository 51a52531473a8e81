"""`bondx drift`: has a batch, or what servers are asked, moved away from what a version learned from?"""

import argparse
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.waiting import seconds
from console.commands.drift_profile import add_profile
from console.commands.drift_watched import add_watched
from console.commands.opening import Subparsers, add_json_argument, command_parser, noun_parser, open_workspace
from console.commands.reading import add_reading_arguments, reading_rules
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.monitoring.profile_check import ColumnDrift, DriftAlert, ProfileDrift
    from core.settings.policy import DriftPolicy
    from core.state import Workspace
    from core.training.own_data.drift import VersionDrift

_LONGEST_SECONDS = 3650 * 86_400.0
WIDEST_NAME = 16
MOST_LISTED = 30
_COLUMNS = ("column", "verdict", "psi", "ks", "x2", "js", "moved_by", "of_model")


def add_parser(commands: Subparsers) -> None:
    """Add the noun and its verbs."""
    verbs = noun_parser(commands, "drift", help="how far data have moved from what a version learned from")
    check = command_parser(
        verbs, "check", help="compare a file, or what was served, with the profile of a version: exit code 1 on drift"
    )
    check.add_argument("model", metavar="MODEL")
    rows = check.add_mutually_exclusive_group(required=True)
    rows.add_argument("--data", type=Path, metavar="FILE", help="CSV, Parquet or JSON lines")
    rows.add_argument("--live", action="store_true", help="the rows that servers have answered lately")
    check.add_argument(
        "--since", type=seconds, metavar="TIME", help="with --live: how far back, such as 30m, 6h or 7d (default: 1h)"
    )
    check.add_argument("--version", metavar="V", help="the version (default: the live version, else the newest)")
    add_reading_arguments(check)
    add_json_argument(check)
    check.set_defaults(command=check_rows)
    add_profile(verbs)
    add_watched(verbs)


def check_rows(args: argparse.Namespace) -> int:
    """Check a file, or what was served."""
    from console.cli.output import print_json
    from core.monitoring.drift_check import DriftVerdict
    from core.settings import load_policy

    workspace = open_workspace(args)
    rules = load_policy(workspace.root).for_model(args.model).drift
    found = _check_served(args, workspace, rules) if args.live else _check_file(args, workspace, rules)
    if args.json:
        print_json(found)
    else:
        _print(found, args.data)
    return ExitCode.FAILING if found.report.verdict is DriftVerdict.ALARM else ExitCode.GOOD


def _check_file(args: argparse.Namespace, workspace: "Workspace", rules: "DriftPolicy") -> "VersionDrift":
    from core.training.own_data.drift import check_version

    if args.since is not None:
        raise UsageError("--since goes with --live; a file is checked whole.")
    return check_version(workspace, args.model, args.data, rules, version=args.version, reading=reading_rules(args))


def _check_served(args: argparse.Namespace, workspace: "Workspace", rules: "DriftPolicy") -> "VersionDrift":
    from core.training.own_data.live_drift import check_served

    since = timedelta(hours=1) if args.since is None else timedelta(seconds=min(args.since, _LONGEST_SECONDS))
    return check_served(workspace, args.model, rules, since=since, version=args.version)


def _print(found: "VersionDrift", path: Path | None) -> None:
    from console.cli.output import print_table, printable

    report = found.report
    print(f"{printable(found.model)} {found.version} ({found.stage})")
    shown = report.columns
    if len(shown) > MOST_LISTED:
        shown = tuple(one for one in shown if one.found.verdict != "stable")
    if shown:
        print_table([_row(one) for one in shown], _COLUMNS, empty="")
    if left_out := len(report.columns) - len(shown):
        print(f"and {left_out} stable columns, which --json lists")
    if report.alerts:
        print()
        print_table([_finding(alert) for alert in report.alerts], ("verdict", "kind", "finding"), empty="")
        print()
    _print_answers(report)
    if report.not_judged:
        print(f"not compared, for want of data: {', '.join(report.not_judged)}")
    for note in (*found.reading, *report.notes):
        print(f"note: {printable(note)}")
    rows = f"{report.n_current:,} rows of {printable(path)}" if path is not None else _served(found)
    print(f"{report.verdict}: {rows} against {report.n_reference:,}")


def _served(found: "VersionDrift") -> str:
    from core.clock import in_words

    assert found.since is not None
    n = found.report.n_current
    counted = f"{n:,} of {n + found.n_dropped:,}" if found.n_dropped else f"{n:,}"
    return f"{counted} rows served since {in_words(found.since)}"


def _row(one: "ColumnDrift") -> "dict[str, str | None]":
    found = one.found
    name = found.feature if one.type == "feature" else one.type
    return {
        "column": name if len(name) <= WIDEST_NAME else f"{name[: WIDEST_NAME - 3]}...",
        "verdict": found.verdict,
        "psi": _figure(found.psi),
        "ks": _figure(found.ks_statistic if found.total_variation is None else found.total_variation),
        "x2": _figure(found.chi_square),
        "js": _figure(found.jensen_shannon),
        "moved_by": _figure(found.wasserstein),
        "of_model": None if one.importance is None else f"{one.importance:.0%}",
    }


def _figure(value: float | None) -> str | None:
    """Write a measure in few cells."""
    if value is None:
        return None
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1e4 else f"{value:.1e}"


def _finding(alert: "DriftAlert") -> dict[str, str]:
    share = "" if alert.importance is None else f"; it has {alert.importance:.0%} of the model's importance"
    return {"verdict": alert.verdict, "kind": alert.type, "finding": f"{alert.message}{share}"}


def _print_answers(report: "ProfileDrift") -> None:
    """Say how the predictions moved beside the features, and the slice whose errors moved most."""
    for one in report.columns:
        if one.type == "prediction" and one.mean_reference is not None and one.mean_current is not None:
            move = one.mean_current - one.mean_reference
            by = f" ({move / one.sd_reference:+.2f} sd)" if one.sd_reference else ""
            print(f"predictions: mean {one.mean_reference:.4g} -> {one.mean_current:.4g}{by}, {one.found.verdict}")
    moved = {
        name: (slice_.then.residual, slice_.now.residual)
        for name, slice_ in report.slices.items()
        if slice_.then.residual is not None and slice_.now.residual is not None
    }
    if moved and any(alert.type == "residual" for alert in report.alerts):
        from console.cli.output import printable

        worst = max(moved, key=lambda name: abs(moved[name][1] - moved[name][0]))
        then, now = moved[worst]
        print(f"errors moved most where {printable(worst)}: mean residual {then:.4g} -> {now:.4g}")
