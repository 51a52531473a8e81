"""`bondx explain`: why a version answers a row as it does, and what it relies on."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from console.commands.reading import add_reading_arguments, reading_rules
from console.commands.typed_numbers import count, share, whole
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.explain.documents import GlobalExplanation, LocalExplanation
    from core.training.own_data.explanation import ExplainRequest

METHODS = ("auto", "path-dependent", "background", "permutation", "exact", "lime")
_WIDTH = 24  # of the longest bar
_MOST_LINES = 20
_MOST_PAIRS = 10


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "explain", help="why a version answers a row as it does, or what it relies on")
    parser.add_argument("named", metavar="MODEL[@VERSION]", help="by default the live version, else the newest")
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="rows: CSV, Parquet or JSON lines (default: rows that it kept)"
    )
    parser.add_argument(
        "--row", metavar="N|JSON", help="one row: its position from 0, or its cells as a JSON object (default: all)"
    )
    parser.add_argument("--method", choices=METHODS, default="auto", help="default: the exact one, where there is one")
    parser.add_argument("--class", dest="output", metavar="NAME", help="of several classes the one to explain")
    parser.add_argument("--reference", type=whole, metavar="N", help="compare the row with row N instead of the mean")
    parser.add_argument(
        "--turn", nargs="?", const="", metavar="SIDE",
        help="also search the smallest change that turns the answer, such as '>=0.5' (default: the decision)",
    )  # fmt: skip
    parser.add_argument(
        "--fix",
        dest="fixed",
        action="append",
        default=[],
        metavar="COL",
        help="a column that may not change (repeatable)",
    )
    parser.add_argument("--interval", type=share, metavar="LEVEL", help="with an interval of the answer, such as 0.9")
    parser.add_argument(
        "--rows", type=count, metavar="N", help="how many rows explain the version (default: the settings)"
    )
    parser.add_argument(
        "--interactions", action="store_true", help="also measure how much pairs of columns do together"
    )
    parser.add_argument("--against", metavar="VERSION", help="compare what two versions rely on: this one is before")
    parser.add_argument(
        "--over", metavar="TIME", help="what it relied on while it served, such as 24h or 7d, and changes"
    )
    add_reading_arguments(parser)
    add_json_argument(parser)
    parser.set_defaults(command=explain)


def explain(args: argparse.Namespace) -> int:
    """Explain a row, or a version."""
    from console.cli.output import print_json, printable
    from core.serving.explained_cells import taken_as_served
    from core.training.own_data.explanation import explain_one, explain_version

    if args.over is not None:
        return _over(args)
    request = _request(args)
    workspace = open_workspace(args)
    if args.against is not None:
        return _compare(args, request)
    if request.row is None:
        whole_version = explain_version(workspace, request)
        if args.json:
            print_json(whole_version)
            return ExitCode.GOOD
        print(f"{printable(whole_version.model)} {whole_version.version} ({whole_version.stage})")
        _print_version(whole_version.report, whole_version.rows)
        _print_notes(whole_version.reading)
        return ExitCode.GOOD
    found = explain_one(workspace, taken_as_served(workspace, request))
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    print(f"{printable(found.model)} {found.version} ({found.stage}), {printable(found.rows)}")
    _print_row(found.report)
    _print_notes(found.reading)
    return ExitCode.GOOD


def _compare(args: argparse.Namespace, request: "ExplainRequest") -> int:
    from console.cli.output import print_json, print_table, printable
    from core.training.own_data.explanation import compare_explained

    if request.row is not None:
        raise UsageError("--against compares whole versions; --row names one row. Leave one out.")
    found = compare_explained(open_workspace(args), request, args.against)
    if args.json:
        print_json(found)
        return ExitCode.GOOD
    rows = [
        {
            "feature": entry.feature,
            found.before: "-" if entry.before is None else f"{entry.before:.1%}",
            found.after: "-" if entry.after is None else f"{entry.after:.1%}",
            "change": f"{100 * entry.change:+.1f}",
            "rank": f"{entry.rank_before or '-'} > {entry.rank_after or '-'}",
            "": "clear" if entry.is_clear else "",
        }
        for entry in found.features[:_MOST_LINES]
    ]
    print(f"{printable(found.model)}: share of the importance, in points of a hundred")
    print_table(rows, ("feature", found.before, found.after, "change", "rank", ""), empty="no columns")
    print(f"methods: {printable(found.algorithms[0])} / {printable(found.algorithms[1])}")
    return ExitCode.GOOD


def _over(args: argparse.Namespace) -> int:
    from console.cli.output import print_json
    from console.commands.served_trend import print_trends
    from core.clock import read_duration
    from core.training.own_data.served_trend import explain_over

    given = (args.data, args.row, args.output, args.reference, args.turn, args.interval, args.rows, args.against)
    if any(each is not None for each in given) or args.fixed or args.interactions or args.method != "auto":
        raise UsageError("--over explains served answers. It can only be combined with --json.")
    model, _, version = args.named.partition("@")
    found = explain_over(open_workspace(args), model, read_duration(args.over), version=version or None)
    if args.json:
        print_json(found)
    else:
        print_trends(found)
    return ExitCode.GOOD


def _request(args: argparse.Namespace) -> "ExplainRequest":
    from core.explain.explainer import ExplainMethod
    from core.training.own_data.explanation import ExplainRequest

    model, _, version = args.named.partition("@")
    row = _row(args.row)
    if row is None and (args.fixed or any(each is not None for each in (args.turn, args.reference, args.interval))):
        raise UsageError("--turn, --fix, --reference and --interval go with --row.")
    if row is not None and args.rows is not None:
        raise UsageError("--rows is of a whole version; --row names one row. Leave one out.")
    if args.interactions and (row is not None or args.against is not None):
        raise UsageError("--interactions is of one whole version: leave --row and --against out.")
    return ExplainRequest(
        model=model,
        version=version or None,
        data=args.data,
        row=row,
        method=ExplainMethod(args.method),
        output=args.output,
        reference_row=args.reference,
        turn=args.turn,
        fixed=args.fixed,
        interval=args.interval,
        n_rows=args.rows,
        interactions=args.interactions,
        reading=reading_rules(args),
    )


def _row(text: str | None) -> int | dict[str, Any] | None:
    import msgspec

    from core.escape import shown
    from core.json_documents import decode_json, repeated_key
    from core.typed_numbers import whole_number

    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return whole_number(text)
    try:
        found = decode_json(text.encode())
    except (msgspec.DecodeError, UnicodeEncodeError):
        found = None
    if not isinstance(found, dict):
        raise UsageError(
            f"--row {shown(text)}: it must be the position of a row, from 0, or a JSON object such as "
            """'{"age": 9}'."""
        )
    if (repeated := repeated_key(text)) is not None:
        raise UsageError(f"--row has the key {shown(repeated)} twice in one object. Give each field once.")
    return found


def _print_version(report: "GlobalExplanation", rows: str) -> None:
    from console.cli.output import print_table, printable

    longest = max((entry.importance for entry in report.features), default=0.0)
    lines = [
        {
            "feature": entry.feature,
            "importance": f"{entry.importance:.4g}",
            "95 %": "-" if entry.low is None else f"{entry.low:.4g} to {entry.high:.4g}",
            "rank": f"{entry.best_rank}-{entry.worst_rank}" if entry.best_rank != entry.worst_rank else entry.best_rank,
            "rises with it": "-" if entry.direction is None else f"{entry.direction:+.2f}",
            "": _bar(entry.importance, longest),
        }
        for entry in report.features[:_MOST_LINES]
    ]
    print_table(lines, ("feature", "importance", "95 %", "rank", "rises with it", ""), empty="no columns")
    if len(report.features) > _MOST_LINES:
        print(f"and {len(report.features) - _MOST_LINES} columns more (--json)")
    if report.interaction_method:
        pairs = [
            {
                "together": " x ".join(entry.features),
                "strength": f"{entry.strength:.4g}",
                "95 %": "" if entry.low is None else f"{entry.low:.4g} to {entry.high:.4g}",
                "H": "" if entry.h_statistic is None else f"{entry.h_statistic:.2f}",
            }
            for entry in report.interactions[:_MOST_PAIRS]
        ]
        print_table(pairs, ("together", "strength", "95 %" if report.interactions_are_exact else "H"), empty="no pairs")
        print(f"interactions: {printable(report.interaction_method)}")
    if report.surrogate is not None:
        print(f"a small tree imitates the model with R² {report.surrogate.fidelity:.2f} (--json has its rules)")
        print(f"it is furthest from the model where {printable(report.surrogate.disagrees)}")
    scale = printable(report.scale)
    print(f"{report.n_rows:,} of {printable(rows)}; importance is the mean size of contributions to {scale}")
    _print_method(report)


def _print_row(report: "LocalExplanation") -> None:
    from console.cli.output import print_table, printable

    longest = max((abs(entry.contribution) for entry in report.contributions), default=0.0)
    lines = [
        {
            "feature": entry.feature,
            "value": entry.value,
            "contribution": f"{entry.contribution:+.4g}",
            "spread": "" if entry.error is None else f"{entry.error:.2g}",
            "": _signed_bar(entry.contribution, longest),
        }
        for entry in report.contributions[:_MOST_LINES]
        if entry.contribution
    ]
    output = "" if report.output is None else f", the probability of {printable(report.output)}"
    print(f"answer {report.prediction:.6g}{output}")
    if report.interval is not None:
        print(
            f"{report.interval.level:.0%} interval {report.interval.low:.6g} to {report.interval.high:.6g} "
            f"({printable(report.interval.method)})"
        )
    spread = ("spread",) if any(entry.error is not None for entry in report.contributions) else ()
    print_table(lines, ("feature", "value", "contribution", *spread, ""), empty="no columns")
    rest = report.contributions[_MOST_LINES:]
    if any(entry.contribution for entry in rest):
        print(f"{len(rest)} columns more add {sum(entry.contribution for entry in rest):+.4g} (--json)")
    print(f"base {report.base:.6g} + contributions = {report.margin:.6g} ({printable(report.scale)})")
    mean = "" if report.reference.startswith("row ") else "mean "
    print(f"the base is the {mean}answer to {printable(report.reference)}, on the same scale")
    if (found := report.counterfactual) is not None:
        changes = ", ".join(f"{c.feature} from {_cell(c.before)} to {_cell(c.after)}" for c in found.changes)
        print(f"the smallest change that turns it: {printable(changes)}; then it is {found.prediction:.6g}")
    near = [
        {
            "near row": each.row,
            "distance": f"{each.distance:.3f}",
            "answer": f"{each.prediction:.6g}",
            "actual": each.actual,
        }
        for each in report.nearest
    ]
    print_table(near, ("near row", "distance", "answer", "actual"), empty="")
    _print_method(report)


def _print_method(report: "GlobalExplanation | LocalExplanation") -> None:
    from console.cli.output import printable

    print(
        f"method: {printable(report.algorithm)}; {printable(report.cost)}; sums miss by at most {report.sum_error:.1e}"
    )
    _print_notes(report.notes)


def _print_notes(notes: Iterable[str]) -> None:
    from console.cli.output import printable

    for note in notes:
        print(f"note: {printable(note)}")


def _cell(value: float | str | None) -> float | str | None:
    """Return a cell, a whole number without its ".0"."""
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else value


def _bar(value: float, longest: float) -> str:
    return "#" * round(_WIDTH * value / longest) if longest else ""


def _signed_bar(value: float, longest: float) -> str:
    """Draw a bar to the left of the middle for less, to the right for more."""
    half = _WIDTH // 2
    size = round(half * abs(value) / longest) if longest else 0
    return f"{'-' * size:>{half}}|" if value < 0 else f"{'':>{half}}|{'+' * size}"
