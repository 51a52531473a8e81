"""`bondx logs`: the newest lines of all logs of the workspace, and what is written from then on."""

import argparse
import errno
import os
import select
from pathlib import Path

from console.cli.streams import answers
from console.commands.opening import Subparsers, add_json_argument, command_parser, open_workspace
from console.commands.typed_numbers import count
from core.errors import ExitCode
from core.log_level import LEVELS
from core.log_reading import LogFilter, LogLine, LogReader

FOLLOW_SECONDS = 0.25


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = command_parser(
        commands,
        "logs",
        help="the newest lines of all logs: engine, training, registry, drift, server, console, commands",
    )
    parser.add_argument("--follow", "-f", action="store_true", help="print new lines as they come, until interrupted")
    parser.add_argument("--level", choices=LEVELS, default=LEVELS[0], help="only lines of this severity or worse")
    parser.add_argument("--grep", default="", metavar="TEXT", help="only lines with this text, ignoring case")
    parser.add_argument(
        "-n", type=_n_lines, default=100, metavar="N", help="number of lines to begin with (default 100)"
    )
    add_json_argument(parser)
    parser.set_defaults(command=show_logs)


def _n_lines(text: str) -> int:
    """Read a number of lines: none is a number, too, for a reader who waits for new ones."""
    return 0 if text == "0" else count(text)


def show_logs(args: argparse.Namespace) -> int:
    """Print the wanted lines, each with the name of its log."""
    import logging

    wanted = LogFilter(getattr(logging, args.level.upper()), args.grep)
    folder = open_workspace(args).logs_dir
    _require_readable(folder)
    reader = LogReader(folder)
    lines = reader.newest(args.n, wanted)
    if not lines and args.n and not args.follow and not args.json:
        print("no log line matches" if args.grep or wanted.level > logging.DEBUG else "no log has been written yet")
    while True:
        for line in lines:
            if wanted.accepts(line):
                print(_spelled(line, as_json=args.json), file=answers())
        answers().flush()
        if not args.follow:
            reader.close()
            return ExitCode.GOOD
        if _reader_left_within(FOLLOW_SECONDS):
            return ExitCode.READER_LEFT
        lines = reader.poll()


def _require_readable(folder: Path) -> None:
    """Refuse logs that this account may not read: they would look empty.

    Raises:
        PermissionError: The folder, or one of its logs.
    """
    for place in (folder, *folder.glob("*.log")):
        if place.exists() and not os.access(place, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def _reader_left_within(seconds: float) -> bool:
    """Wait, and return whether the reader of a pipe left meanwhile: without a new line, no write would fail."""
    poll = select.poll()
    poll.register(answers().fileno(), 0)  # errors are reported without being asked for
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(1000 * seconds))


def _spelled(line: LogLine, *, as_json: bool) -> str:
    if not as_json:
        return f"{line.log}: {line.text}"
    import logging

    from console.cli.escaped_text import json_text

    return json_text({"log": line.log, "level": logging.getLevelName(line.level).lower(), "text": line.text})
