"""What the commands of `bondx-mlops` share: the model's name, `--json`, stages in any case."""

import argparse
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, command_parser, person

if TYPE_CHECKING:
    from core.actor import Actor
    from core.registry import Stage
    from core.tables import ReadingRules

STAGES = ("development", "staging", "production", "archived")


def verb_parser(commands: Subparsers, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002
    """Add one command, with `--json` as all of them have."""
    parser = command_parser(commands, name, help=help)
    parser.add_argument("--json", action="store_true", help="print only JSON")
    return parser


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


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Accept `--model`."""
    parser.add_argument("--model", required=True, metavar="NAME", help="the model's name in the registry")


def add_user_argument(parser: argparse.ArgumentParser, verb: str) -> None:
    """Accept `--user`: a claim of the account, which the record names, too."""
    parser.add_argument("--user", metavar="NAME", help=f"who {verb}, for the audit log (default: your account)")


def named_person(args: argparse.Namespace) -> "Actor":
    """Return the person who typed the command, in the name of `--user`."""
    return person().in_the_name_of(args.user) if args.user else person()


def stage(text: str) -> "Stage":
    """Read a stage, ignoring case (an argparse type)."""
    from core.registry import Stage

    if text.lower() not in STAGES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a stage; the stages are {', '.join(STAGES)}")
    return Stage(text.capitalize())
