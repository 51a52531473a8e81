"""The command line: parse, call one verb of the engine, print its answer.

`main()` alone turns a `CoreError` into an exit code. Nothing heavy is imported here: `bondx --help` costs
argparse and no more.
"""

import argparse
import contextlib
import errno
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from console.cli.completion import is_asked
from console.cli.escaped_text import KEPT
from console.cli.parser import CommandParser
from console.cli.process_log import command_log, log_bug
from console.cli.progress_line import progress_shown, title_of
from console.cli.streams import only_answers, output_failure, prepare_streams
from console.commands.opening import add_workspace_argument, unquoted_columns
from core.errors import CoreError, ExitCode, UsageError
from core.escape import is_shown_as_is, spelled_out

COMMANDS = (
    "run",
    "serve",
    "attach",
    "init",
    "status",
    "show",
    "view",
    "session",
    "runs",
    "registry",
    "rollout",
    "retrain",
    "policy",
    "alerts",
    "shift",
    "webhooks",
    "data",
    "compliance",
    "drift",
    "telemetry",
    "performance",
    "stress",
    "text",
    "explain",
    "labels",
    "access",
    "audit",
    "evidence",
    "logs",
    "workspaces",
    "config",
    "completion",
    "man",
    "cluster",
    "health",
    "doctor",
    "backup",
    "restore",
    "prune",
)
EXIT_CODES: Mapping[int, str] = {
    ExitCode.GOOD: "success",
    ExitCode.FAILING: "failing gate, firing alert or finding",
    ExitCode.USAGE: "usage",
    ExitCode.REFUSED: "refused",
    ExitCode.CONFLICT: "conflict",
    ExitCode.INTERNAL_ERROR: "internal error",
    ExitCode.OUTPUT_LOST: "the output could not be written",
    ExitCode.STUCK: "a server ended while a model was still computing",
    ExitCode.TIMED_OUT: "a wait timed out",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.READER_LEFT: "the reader of the output left",
}
OPTIONS_WITH_VALUE = ("--workspace", "--config", "--theme")
_OF_FILES = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
        errno.EXDEV,  # of `core.confinement`: the sentence names the link
    }
)
"""Errors of the file that a command names, or of its disk; any other error of the system is a bug."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `core.errors.ExitCode`)."""
    words = sys.argv[1:] if argv is None else argv
    if is_asked(words):
        from console.cli.completion.answer import answer

        return answer(words, parser_to_complete)
    return carry_out(build_parser(commands_needed(words)), argv)


def parser_to_complete(words: Sequence[str], *, shows_meanings: bool) -> argparse.ArgumentParser:
    """Assemble the parser that can read an unfinished command line.

    Args:
        words: The words so far.
        shows_meanings: Whether it shows beside the commands what they do; else only their names are known.
    """
    needed = commands_needed(words)
    if not needed and not shows_meanings:
        return build_parser((), only_named=COMMANDS)
    return build_parser(needed or COMMANDS)


def commands_needed(words: Sequence[str]) -> Sequence[str]:
    """Return the commands that a command line can mean, so that only their modules are imported.

    >>> commands_needed(["--workspace", "w", "status", "--json"])
    ('status',)
    >>> commands_needed(["--workspace", "w"])
    ()
    >>> commands_needed(["nonsense"]) == commands_needed(["--help"]) == COMMANDS
    True
    """
    if "--spec" in words:
        return COMMANDS
    if named := tuple(name for name in COMMANDS if name in words):
        return named
    values = {place + 1 for place, word in enumerate(words) if word in OPTIONS_WITH_VALUE}
    opens_console = all(
        place in values or (word.startswith("-") and word not in ("-h", "--help")) for place, word in enumerate(words)
    )
    return () if opens_console else COMMANDS


def carry_out(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parse a command line, run its command, and turn the outcome into an exit code."""
    prepare_streams()
    args, words = argparse.Namespace(workspace=None), sys.argv[1:] if argv is None else argv
    try:
        _require_shown(words)
        parser.parse_args(argv, args)
        _require_heeded(args)
        only_json = only_answers() if getattr(args, "json", False) else contextlib.nullcontext()
        with (
            _config_named(args),
            command_log(args, parser.prog) as ended_with,
            progress_shown(args, title_of(parser, words)),
            only_json,
        ):
            if not getattr(args.command, "judges_config", False):
                _require_usable_config()
            with _denied_cells_withheld(args):
                code = ended_with(int(args.command(args)))
            # `bondx-mlops` judges by the policy, and says itself what is wrong with it; so does what runs for long.
            if parser.prog == "bondx" and not getattr(args.command, "keeps_its_log", False):
                from console.cli.policy_warning import warn_of_policy

                warn_of_policy(args)
    except SystemExit as parsed:  # --help, --version, or a usage error
        code = int(parsed.code or 0)
    except CoreError as error:
        from console.cli.output import complain

        complain(str(error))
        code = int(error.exit_code)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except OSError as error:
        if (problem := _of_a_file(error)) is None:
            return _judge_output() or _report_bug(args, error, parser.prog)
        from console.cli.output import complain

        complain(problem)
        code = ExitCode.USAGE
    except Exception as error:
        return _judge_output() or _report_bug(args, error, parser.prog)
    return _judge_output() or code


@contextlib.contextmanager
def _denied_cells_withheld(args: argparse.Namespace) -> Iterator[None]:
    """Let no refusal of a table quote a cell of a column that is denied, or personal: it is logged, too.

    Raises:
        UsageError: That of the block.
        SettingsError: The settings cannot be read.
    """
    try:
        yield
    except UsageError as error:
        from core.tables.errors import TableError

        if not isinstance(error, TableError):
            raise
        with unquoted_columns(args).withholding():
            raise


def _of_a_file(error: OSError) -> str | None:
    """Say what is wrong with the file that a command could not use; None if the error is not of a file."""
    if error.filename is None or error.errno not in _OF_FILES:
        return None
    return f"{os.fsdecode(error.filename)} cannot be used: {error.strerror}."


def _require_shown(words: Sequence[str]) -> None:
    """Refuse a command line with characters that no terminal shows: the names in it could not be shown either.

    Raises:
        UsageError: A word has such characters.
    """
    for number, word in enumerate(words, start=1):
        if not is_shown_as_is(word, keep=KEPT):
            raise UsageError(
                f"Word {number} of the command line, {spelled_out(word)}, holds characters that no terminal shows; "
                "leave them out, or rename the file."
            )


def _require_heeded(args: argparse.Namespace) -> None:
    """Refuse `--read-only` before a command that would change things all the same.

    Raises:
        UsageError: The command opens no console.
    """
    if getattr(args, "read_only", False) and not getattr(args, "opens_console", True):
        raise UsageError("--read-only is for the console; this command would ignore it. Leave it out.")


def _config_named(args: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """Let the file of `--config` count within it; without one, nothing of the settings is imported."""
    if args.config is None:
        return contextlib.nullcontext()
    from core.settings.in_force import laid_over

    return laid_over(args.config)


def _require_usable_config() -> None:
    """Refuse a file of `--config` that cannot be used, before any command that might not look at it.

    Raises:
        SettingsError: It cannot be read, or holds an unknown key or a value out of its range.
    """
    if os.environ.get("BONDX_CONFIG"):
        from core.settings import load_settings
        from core.settings.in_force import named_config

        load_settings(*filter(None, [named_config()]))


def _judge_output() -> int:
    """Return the exit code of an output that failed, or 0."""
    if (failure := output_failure()) is None:
        return 0
    if isinstance(failure, BrokenPipeError):
        return ExitCode.READER_LEFT
    from console.cli.output import complain

    complain(f"standard output cannot be written: {failure.strerror}")
    return ExitCode.OUTPUT_LOST


def spelled_exit_codes() -> str:
    """Spell the exit codes in one sentence, for the ends of helps."""
    return ", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())


def build_parser(names: Sequence[str] = COMMANDS, *, only_named: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Assemble the parser.

    Args:
        names: The commands whose modules bring their arguments.
        only_named: Commands that are known by their names alone, for completion.
    """
    parser = CommandParser(
        prog="bondx",
        description="Train, watch, promote and roll back machine-learning models from the terminal.",
        epilog=f"Without a command, the console opens. Exit codes: {spelled_exit_codes()}.",
    )
    add_about_arguments(parser)
    add_workspace_argument(parser)
    console = import_module("console.commands.console")
    console.add_console_arguments(parser)
    parser.set_defaults(command=console.open_console)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in names:
        import_module(f"console.commands.{name}").add_parser(commands)
    for name in only_named:
        commands.add_parser(name)
    return parser


def add_about_arguments(parser: argparse.ArgumentParser) -> None:
    """Accept `--version` and `--spec`, which describe the program and exit."""
    parser.add_argument("--version", action=PrintVersion, nargs=0, help="print the version and exit")
    parser.add_argument(
        "--spec", action=PrintSpec, nargs=0, help="print every command, option and exit code as JSON, and exit"
    )


class PrintSpec(argparse.Action):
    """Describes the command line on demand."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the specification, and leave."""
        from console.cli.output import print_json
        from console.cli.spec import spec_of

        print_json(spec_of(parser, EXIT_CODES))
        parser.exit()


class PrintVersion(argparse.Action):
    """Reads the version on demand: the metadata of a distribution costs more than the parser."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the program's name and version, and leave."""
        from core.installed_packages import own_release

        print(f"{parser.prog} {own_release()}")
        parser.exit()


def _report_bug(args: argparse.Namespace, error: Exception, program: str) -> int:
    """Log the traceback, and print one line for the operator."""
    from console.cli.output import complain

    where = log_bug(args, error, program)
    complain(f"internal error, please report it: {type(error).__name__}: {error} ({where})")
    return ExitCode.INTERNAL_ERROR


if __name__ == "__main__":
    sys.exit(main())
