"""`bondx show SCREEN`: what a screen of the console shows, as text, CSV or JSON, without a terminal."""

import argparse
from typing import TYPE_CHECKING, Any

from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from console.commands.typed_numbers import count
from core.errors import ExitCode, NotFoundError

if TYPE_CHECKING:
    from console.presentation.screen_tables import ScreenTable
    from core.settings import AlertSettings
    from widgets.columns import Column
    from widgets.rows import CellValue

SCREENS = (
    "overview",
    "view",
    "training",
    "runs",
    "registry",
    "rollouts",
    "retrainings",
    "drift",
    "alerts",
    "resources",
    "stress",
    "audit",
)


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(commands, "show", help="the tables of one screen, for scripts and screen readers")
    parser.add_argument("screen", choices=SCREENS, metavar="SCREEN", help=", ".join(SCREENS))
    parser.add_argument("--plain", action="store_true", help="one row per line, each value behind its name")
    parser.add_argument("--width", type=count, metavar="N", help="columns to fit (default: those of the terminal)")
    parser.add_argument("--table", metavar="TITLE", help="only the table whose title begins with this")
    parser.add_argument("--csv", action="store_true", help="print CSV with all digits, tables parted by an empty line")
    add_json_argument(parser)
    parser.set_defaults(command=show)


def show(args: argparse.Namespace) -> int:
    """Print the tables of a screen; what cannot be read is said on stderr, since its table is empty."""
    from console.cli.output import complain
    from console.presentation.screen_tables import screen_tables
    from core.clock import utc_now
    from core.settings import settings_in_force
    from core.view.source import SnapshotSource
    from widgets.glyphs import ASCII

    workspace = open_workspace(args)
    source = SnapshotSource(workspace, looks_at_epochs=args.screen in ("overview", "training"))
    source.look_at_runs(args.screen == "runs")

    def limits() -> "AlertSettings":
        return settings_in_force(workspace.root, cached_in=workspace.cache_dir / "settings.json").alerts

    snapshot = source.take()
    tables = screen_tables(args.screen, snapshot, utc_now(), ASCII, limits=limits)
    print_tables(args, _chosen(tables, args.table) if args.table else tables)
    for problem in snapshot.problems:
        complain(problem)
    return ExitCode.FAILING if snapshot.problems else ExitCode.GOOD


def _chosen(tables: "list[ScreenTable]", title: str) -> "list[ScreenTable]":
    """Return the table that a title, or the beginning of its title, names."""
    found = [table for table in tables if table.title.casefold().startswith(title.casefold())]
    if not found:
        titles = ", ".join(table.title for table in tables)
        raise NotFoundError(f"There is no table {title!r} on this screen. Tables to choose from: {titles}.")
    return found[:1]


def print_tables(args: argparse.Namespace, tables: "list[ScreenTable]") -> None:
    """Print tables as the flags ask for them."""
    from console.cli.output import print_json, print_table, printable

    if args.json:
        print_json([{"title": table.title, "rows": _values(table)} for table in tables])
    elif args.csv:
        print("\n".join(_csv(table) for table in tables), end="")
    for table in tables if not (args.json or args.csv) else ():
        texts = _texts(table)
        if args.plain:
            for row in texts:
                named = ", ".join(f"{name} {text}" for name, text in row.items() if text)
                print(f"{table.title}: {printable(named)}")
            if not texts:
                print(f"{table.title}: {table.empty}")
        else:
            print(f"{table.title}:")
            print_table(
                texts, [column.title.lower() for _, column in _named(table)], empty=table.empty, width=args.width
            )
            print()


def _csv(table: "ScreenTable") -> str:
    from console.presentation.csv_export import csv_text

    return csv_text(_named(table), table.rows).replace("\r\n", "\n")


def _named(table: "ScreenTable") -> "list[tuple[int, Column]]":
    """Return the columns with their places, without what only a screen can show: marks and drawn trends."""
    return [(index, column) for index, column in enumerate(table.columns) if column.is_titled and column.key != "trend"]


def _texts(table: "ScreenTable") -> list[dict[str, str]]:
    return [{column.title.lower(): row.text(index).strip() for index, column in _named(table)} for row in table.rows]


def _values(table: "ScreenTable") -> list[dict[str, Any]]:
    return [
        {"key": row.key} | {column.field or column.key: _value(row.value(index)) for index, column in _named(table)}
        for row in table.rows
    ]


def _value(value: "CellValue") -> "CellValue | None":
    """Return a number or an instant as it is, and null for a cell without a value."""
    from widgets.ordering import MISSING

    if not isinstance(value, str):
        return value
    return None if (text := value.strip()) in MISSING else text
