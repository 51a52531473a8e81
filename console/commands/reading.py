"""What a person says of the cells of a file: `--na` and `--read`."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.tables import ReadingRules


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Accept what a person says of the cells of a file."""
    parser.add_argument(
        "--na",
        action="append",
        default=[],
        metavar="WORD",
        help="a word or number that marks an empty cell (repeatable)",
    )
    parser.add_argument(
        "--read",
        action="append",
        default=[],
        metavar="[COL=]HOW",
        help="read a column, or all, as number, category, decimal-point, decimal-comma, day-first or month-first "
        "(repeatable)",
    )


def reading_rules(args: argparse.Namespace) -> "ReadingRules":
    """Turn `--na` and `--read` into rules."""
    from core.tables import ReadingRules
    from core.tables.rules import manners_of

    return ReadingRules(missing=tuple(args.na), manners=manners_of(args.read))
