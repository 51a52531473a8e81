"""What a command logs: to `logs/mlops_cli.log` or `logs/bondx.log` of its workspace, and on stderr.

An engine, a server and a console keep logs of their own; see `core.log_folder`.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.errors import CoreError
from core.plain_files import read_file

if TYPE_CHECKING:
    from core.settings import LoggingSettings

_Command = TypeVar("_Command", bound=Callable[[argparse.Namespace], int])
LOGS = {"bondx-mlops": "mlops_cli"}
"""The log of a program; that of any other is `bondx`."""

_MAY_DIFFER = re.compile(
    rb"logging[\"']?:[ \t]*[^\s#]|^[ \t]+[\"']?(?:level|format)[\"']?[ \t]*:(?![ \t]*(?:info|text)\b)", re.MULTILINE
)
"""What settings other than the defaults look like; importing the settings takes longer than most commands."""


def keeps_its_log(command: _Command) -> _Command:
    """Mark a command that keeps a log of its own, as it runs for long."""
    command.keeps_its_log = True  # type: ignore[attr-defined]
    return command


@contextmanager
def command_log(args: argparse.Namespace, program: str) -> Iterator[Callable[[int], int]]:
    """Within it, this process logs: warnings on stderr, and what the level lets through in the log of its program.

    Args:
        args: The parsed command line, with `workspace`, `verbose` and `command`.
        program: The name of the program.
    Yields:
        A function that takes the exit code, and returns it.
    Raises:
        UnknownLevelError: `LOG_LEVEL` names no level.
    """
    from core.log_level import asked_level, verbose

    asked_level()
    with ExitStack() as stack:
        if args.verbose:
            stack.enter_context(verbose())
        if not getattr(args.command, "keeps_its_log", False):
            stack.callback(_show_on_stderr(is_verbose=args.verbose))
            with suppress(CoreError):  # the command itself reports what is wrong with its workspace
                if (folder := _logs_of(args)) is not None:
                    stack.callback(_write(folder, program))
            yield stack.enter_context(_outcome_logged(program))
            return
        yield int


def log_bug(args: argparse.Namespace, error: Exception, program: str) -> str:
    """Write the traceback of a bug to the log of its program; say where it is."""
    import logging

    try:
        if (folder := _logs_of(args)) is None:
            raise FileNotFoundError
        stop = _write(folder, program)
    except (OSError, CoreError):
        return "no workspace to log details in"
    logging.getLogger("bondx.cli").error("internal error in %s", sys.argv[1:], exc_info=error)
    stop()
    return f"details: {folder / LOGS.get(program, 'bondx')}.log"


def _logs_of(args: argparse.Namespace) -> Path | None:
    """Return the folder of the logs if the workspace exists."""
    from console.commands.opening import workspace_root

    folder = workspace_root(args) / "logs"
    return folder if folder.is_dir() else None


def _write(folder: Path, program: str) -> Callable[[], None]:
    from core.log_folder import write_logs
    from core.log_level import level_in_force

    level, form = "info", "text"
    if (settings := _settings_of(folder.parent)) is not None:
        level, form = settings.level, settings.format
    return write_logs(folder, LOGS.get(program, "bondx"), level=level_in_force(level), as_json=form == "json")


def _settings_of(root: Path) -> "LoggingSettings | None":
    """Return the settings of the logs; None where they are the defaults, or cannot be read."""
    files = [root / "bondx.yaml", *map(Path, filter(None, [os.environ.get("BONDX_CONFIG")]))]
    try:
        if not any(_MAY_DIFFER.search(read_file(file)) for file in files):
            return None
        from core.settings import settings_in_force

        return settings_in_force(root, cached_in=root / "cache" / "settings.json").logging
    except (OSError, CoreError):
        return None


def _show_on_stderr(*, is_verbose: bool) -> Callable[[], None]:
    """Print warnings and worse, or everything; return the function that ends it."""
    import logging

    from core.log_folder import OWN_LOGGERS
    from core.log_lines import LogLines

    handler = logging.StreamHandler()
    handler.setLevel(logging.DEBUG if is_verbose else logging.WARNING)
    handler.setFormatter(LogLines() if is_verbose else LogLines("%(message)s"))
    logging.getLogger().addHandler(handler)
    before = {logger: logger.level for logger in map(logging.getLogger, OWN_LOGGERS)}
    for logger in before if is_verbose else ():
        logger.setLevel(logging.DEBUG)

    def stop() -> None:
        logging.getLogger().removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)

    return stop


@contextmanager
def _outcome_logged(program: str) -> Iterator[Callable[[int], int]]:
    """Log the command line with how it ended and how long it took; of `bondx`, which only looks mostly, at DEBUG."""
    import logging
    import time

    log, began = logging.getLogger("bondx.cli"), time.monotonic()
    level = logging.INFO if program in LOGS else logging.DEBUG
    outcome = ""

    def take(code: int) -> int:
        nonlocal outcome
        outcome = f"exit code {code}"
        return code

    try:
        yield take
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    except BaseException as error:
        outcome = str(error)
        raise
    finally:
        if log.isEnabledFor(level):
            import shlex

            log.log(level, "%s: %s after %.1f s", shlex.join(sys.argv[1:]), outcome, time.monotonic() - began)
