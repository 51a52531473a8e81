"""The command line of `bondx-mlops`; errors become exit codes as they do in `bondx`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from console.cli.completion import is_asked
from console.cli.main import add_about_arguments, carry_out, spelled_exit_codes
from console.cli.parser import CommandParser
from console.commands.opening import add_workspace_argument

COMMANDS = ("train", "evaluate", "register", "promote", "deploy", "drift_check", "listing")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `core.errors.ExitCode`)."""
    words = sys.argv[1:] if argv is None else argv
    if is_asked(words):
        from console.cli.completion.answer import answer

        return answer(words, parser_to_complete)
    return carry_out(build_parser(), argv)


def parser_to_complete(words: Sequence[str], *, shows_meanings: bool) -> argparse.ArgumentParser:
    """Assemble the parser that can read an unfinished command line: the whole one, which is small."""
    return build_parser()


def build_parser() -> argparse.ArgumentParser:
    """Assemble the parser from the modules of `console.mlops.commands`, each of which brings its own arguments."""
    parser = CommandParser(
        prog="bondx-mlops",
        description="Train on your own data, compare, register, promote, deploy and watch for drift.",
        epilog=f"Exit codes: {spelled_exit_codes()}.",
    )
    add_about_arguments(parser)
    add_workspace_argument(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"console.mlops.commands.{name}").add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
