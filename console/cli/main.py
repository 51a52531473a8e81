"""The command line: parse, call one verb of the engine, print its answer.

`main()` alone turns a `CoreError` into an exit code. Nothing heavy is imported here: `bondx --help` costs
argparse and no more.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from console.commands.opening import add_workspace_argument
from core.errors import CoreError, ExitCode

COMMANDS = (
    "run",
    "serve",
    "init",
    "status",
    "session",
    "runs",
    "registry",
    "rollout",
    "alerts",
    "data",
    "audit",
    "doctor",
)
OPTIONS_WITH_VALUE = ("--workspace", "--theme")
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `core.errors.ExitCode`)."""
    words = sys.argv[1:] if argv is None else argv
    return carry_out(build_parser(commands_needed(words)), argv)


def commands_needed(words: Sequence[str]) -> Sequence[str]:
    """Return the commands that a command line can mean, so that only their modules are imported.

    >>> commands_needed(["--workspace", "w", "status", "--json"])
    ('status',)
    >>> commands_needed(["--workspace", "w"])
    ()
    >>> commands_needed(["nonsense"]) == commands_needed(["--help"]) == COMMANDS
    True
    """
    if named := tuple(name for name in COMMANDS if name in words):
        return named
    values = {place + 1 for place, word in enumerate(words) if word in OPTIONS_WITH_VALUE}
    opens_console = all(
        place in values or (word.startswith("-") and word not in ("-h", "--help")) for place, word in enumerate(words)
    )
    return () if opens_console else COMMANDS


def carry_out(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parse a command line, run its command, and turn the outcome into an exit code."""
    args = parser.parse_args(argv)
    try:
        code = int(args.command(args))
        sys.stdout.flush()
    except CoreError as error:
        from console.cli.output import complain

        complain(str(error))
        return int(error.exit_code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `bondx … | head` closed the pipe: that is not an error, and flushing at exit must not make it one.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.GOOD
    except Exception as error:
        return _report_bug(args, error)
    return code


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """Assemble the parser from the modules of these commands, each of which brings its own arguments."""
    parser = argparse.ArgumentParser(
        prog="bondx",
        description="Train, watch, promote and roll back machine-learning models from the terminal.",
        epilog="Without a command, the console opens. Exit codes: 0 success, 1 failing gate or firing alert, 2 usage, "
        "3 refused, 4 conflict, 124 a wait timed out.",
    )
    parser.add_argument("--version", action=PrintVersion, nargs=0, help="print the version and exit")
    add_workspace_argument(parser)
    console = import_module("console.commands.console")
    console.add_console_arguments(parser)
    parser.set_defaults(command=console.open_console)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in names:
        import_module(f"console.commands.{name}").add_parser(commands)
    return parser


class PrintVersion(argparse.Action):
    """Reads the version on demand: the metadata of a distribution costs more than the parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the program's name and version, and leave."""
        from importlib import metadata

        print(f"{parser.prog} {metadata.version('bondx-console')}")
        parser.exit()


def _report_bug(args: argparse.Namespace, error: Exception) -> int:
    """Log the traceback, and print one line for the operator."""
    import logging

    from console.cli.output import complain
    from console.commands.opening import workspace_root

    logs = workspace_root(args) / "logs"
    try:
        if not logs.is_dir():
            raise FileNotFoundError(logs)
        handler = logging.FileHandler(logs / "bondx.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        log = logging.getLogger("bondx.cli")
        log.addHandler(handler)
        log.error("internal error in %s", sys.argv[1:], exc_info=error)
        log.removeHandler(handler)
        handler.close()
        where = f"details: {handler.baseFilename}"
    except OSError:
        where = "no workspace to log details in"
    complain(f"internal error, please report it: {type(error).__name__}: {error} ({where})")
    return INTERNAL_ERROR


if __name__ == "__main__":
    sys.exit(main())
