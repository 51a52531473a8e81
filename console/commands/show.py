"""`bondx show SCREEN`: what a screen of the console shows, as text or JSON, without a terminal."""

import argparse
from typing import TYPE_CHECKING, Any

from console.commands.opening import Subparsers, add_json_argument, command_parser, count, open_workspace
from core.errors import ExitCode

if TYPE_CHECKING:
    from console.presentation.screen_tables import ScreenTable
    from widgets.columns import Column

SCREENS = ("overview", "training", "runs", "registry", "rollouts", "alerts", "resources", "audit")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "show", help="the tables of one screen, for scripts and screen readers")
    parser.add_argument("screen", choices=SCREENS, metavar="SCREEN", help=", ".join(SCREENS))
    parser.add_argument("--plain", action="store_true", help="one row per line, each value behind its name")
    parser.add_argument("--width", type=count, metavar="N", help="columns to fit (default: those of the terminal)")
    add_json_argument(parser)
    parser.set_defaults(command=show)


def show(args: argparse.Namespace) -> int:
    """Print the tables of a screen."""
    from console.cli.output import print_json, print_table, printable
    from console.presentation.screen_tables import screen_tables
    from core.clock import utc_now
    from core.view.source import SnapshotSource
    from widgets.glyphs import ASCII

    source = SnapshotSource(open_workspace(args))
    source.look_at_runs(args.screen == "runs")
    snapshot = source.take()
    tables = screen_tables(args.screen, snapshot, utc_now(), ASCII)
    if args.json:
        print_json([{"title": table.title, "rows": _values(table)} for table in tables])
        return ExitCode.GOOD
    for table in tables:
        texts = _texts(table)
        if args.plain:
            for row in texts:
                named = ", ".join(f"{name} {text}" for name, text in row.items() if text)
                print(f"{table.title}: {printable(named)}")
            if not texts:
                print(f"{table.title}: {table.empty}")
        else:
            print(f"{table.title}:")
            print_table(texts, [column.title.lower() for column in _named(table)], empty=table.empty, width=args.width)
            print()
    return ExitCode.GOOD


def _named(table: "ScreenTable") -> "list[Column]":
    return [column for column in table.columns if _is_named(column)]


def _is_named(column: "Column") -> bool:
    """Leave out what only a screen can show: marks and drawn trends."""
    return column.is_titled and column.key != "trend"


def _texts(table: "ScreenTable") -> list[dict[str, str]]:
    return [
        {
            column.title.lower(): text.strip()
            for column, text in zip(table.columns, row.texts, strict=True)
            if _is_named(column)
        }
        for row in table.rows
    ]


def _values(table: "ScreenTable") -> list[dict[str, Any]]:
    return [
        {"key": row.key}
        | {column.field or column.key: row.value(index) for index, column in enumerate(table.columns) if column.title}
        for row in table.rows
    ]
