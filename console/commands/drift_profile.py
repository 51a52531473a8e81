"""`bondx drift profile`: what a version learned from, and a profile made later, of a version that has none."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from console.commands.opening import (
    Subparsers,
    add_json_argument,
    add_reason_argument,
    command_parser,
    open_workspace,
    person,
)
from console.commands.reading import add_reading_arguments, reading_rules
from core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from core.training.own_data.profile import ProfiledColumn, VersionProfile

_COLUMNS = ("column", "kind", "missing", "edges", "levels", "mean", "sd", "least", "most")
MOST_LISTED = 60
_MOST_NAMED = 12


def add_profile(verbs: Subparsers) -> None:
    """Add the verb to the noun."""
    profile = command_parser(verbs, "profile", help="what a version learned from; with --data, make a missing profile")
    profile.add_argument("model", metavar="MODEL")
    profile.add_argument("--version", metavar="V", help="the version (default: the live version, else the newest)")
    profile.add_argument(
        "--data", type=Path, metavar="FILE", help="make the profile from the rows that it learned from"
    )
    profile.add_argument(
        "--held-out",
        action="store_true",
        help="with --data: rows that it did not learn from, whose errors and calibration count",
    )
    add_reading_arguments(profile)
    add_reason_argument(profile)
    add_json_argument(profile)
    profile.set_defaults(command=show_profile)


def show_profile(args: argparse.Namespace) -> int:
    """Show a profile, or make one and show it."""
    from console.cli.output import print_json
    from core.training.own_data.profile import make_profile, version_profile

    workspace = open_workspace(args)
    if args.data is None:
        if args.held_out or args.reason:
            raise UsageError(f"{'--held-out' if args.held_out else '--reason'} goes with --data FILE.")
        found = version_profile(workspace, args.model, version=args.version)
    else:
        found = make_profile(
            workspace,
            args.model,
            args.data,
            actor=person(),
            version=args.version,
            held_out=args.held_out,
            reason=args.reason,
            reading=reading_rules(args),
        )
    if args.json:
        print_json(found)
    else:
        _print(found)
    return ExitCode.GOOD


def _print(found: "VersionProfile") -> None:
    from console.cli.output import print_table, printable

    print(f"{printable(found.model)} {found.version} ({found.stage}): {found.rows:,} rows")
    own = [
        *((column.name, column) for column in found.features),
        *((f"({word})", column) for word, column in _answers(found) if column is not None),
    ]
    print_table([_row(name, column) for name, column in own[:MOST_LISTED]], _COLUMNS, empty="")
    if len(own) > MOST_LISTED:
        print(f"and {len(own) - MOST_LISTED} more columns, which --json lists")
    print(_held_out(found))
    if found.slices:
        shown = ", ".join(found.slices[:_MOST_NAMED])
        more = len(found.slices) - _MOST_NAMED
        print(f"slices: {printable(shown)}{f' and {more} more' if more > 0 else ''}")
    if found.group is not None:
        print(f"rows that depend on each other share {printable(found.group)}")
    if found.time is not None:
        print(f"hours and weekdays of {printable(found.time)}")
    for note in found.notes:
        print(f"note: {printable(note)}")
    print(_made(found))
    print(f"{found.file}, {found.n_bytes:,} bytes, SHA-256 {found.sha256}")


def _answers(found: "VersionProfile") -> "list[tuple[str, ProfiledColumn | None]]":
    return [("target", found.target), ("prediction", found.prediction), ("residual", found.residual)]


def _row(name: str, column: "ProfiledColumn") -> dict[str, str | float | None]:
    return {
        "column": name,
        "kind": column.kind,
        "missing": f"{column.missing_share:.1%}" if column.missing_share else None,
        "edges": column.n_edges or None,
        "levels": column.n_levels or None,
        **{word: getattr(column, word) for word in ("mean", "sd", "least", "most")},
    }


def _held_out(found: "VersionProfile") -> str:
    if not found.held_out:
        return "no answers to held-out rows: predictions and errors are not compared"
    said = [f"answers to {found.held_out:,} held-out rows"]
    if found.calibration:
        n = sum(part.rows for part in found.calibration)
        off = sum(part.rows * abs(part.observed - part.predicted) for part in found.calibration) / n
        said.append(f"calibration in {len(found.calibration)} tenths, off by {off:.1%} on average")
    if found.residual is None:
        said.append("their outcomes are not known")
    return "; ".join(said)


def _made(found: "VersionProfile") -> str:
    from console.cli.output import printable
    from core.clock import in_words

    made = found.made
    if made is None:
        return "in the artifact, hashed with its other files"
    rows = "held-out rows" if made.is_unchecked else "rows that it did not learn from" if made.is_held_out else "rows"
    why = f" ({printable(made.reason)})" if made.reason else ""
    said = [*(f"--na {word}" for word in made.na), *(f"--read {how}" for how in made.read)]
    how = f", read with {printable(' '.join(said))}" if said else ""
    whence = f"{made.n_rows:,} {rows}{how}, SHA-256 {made.data_sha256}"
    return f"made by {printable(made.by)} at {in_words(made.at)}{why} of {whence}"
