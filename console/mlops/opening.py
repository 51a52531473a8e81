"""What the commands of `bondx-mlops` share: the model's name, `--json`, stages in any case."""

import argparse
from typing import TYPE_CHECKING

from console.commands.opening import Subparsers, command_parser, person

if TYPE_CHECKING:
    from core.actor import Actor
    from core.registry import Stage

STAGES = ("development", "staging", "production", "archived")


def verb_parser(commands: Subparsers, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002
    """Add one command, with `--json` as all of them have."""
    parser = command_parser(commands, name, help=help)
    parser.add_argument("--json", action="store_true", help="print only JSON")
    return parser


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
