"""Waiting for a document to end, for scripts: driven by changes of the files, reported on stderr, ended by a time-out.

Nothing here depends on anybody reading: an output that cannot be written must not change the exit code of a wait.
"""

import argparse
import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from console.cli.escaped_text import json_text
from console.cli.output import printable
from console.cli.streams import print_or_drop
from core.errors import ExitCode

if TYPE_CHECKING:
    from core.state import Workspace

Document = TypeVar("Document")
_LOOK_SECONDS = 2.0  # between two looks without a change: the end of an engine changes no document
_SECONDS_OF_UNIT = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def add_timeout_argument(parser: argparse.ArgumentParser) -> None:
    """Accept `--timeout`."""
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="TIME",
        help="wait no longer than this, such as 90s, 10m or 2h; then the exit code is 124 (default: no limit)",
    )


def seconds(text: str) -> float:
    """Read a duration from an argument (an argparse type).

    >>> [seconds(text) for text in ("90", "90s", "1.5h")]
    [90.0, 90.0, 5400.0]
    """
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number with s, m, h or d, such as 10m")
    return float(found[1]) * _SECONDS_OF_UNIT[found[2] or "s"]


def wait_for(
    workspace: "Workspace",
    look: Callable[[], Document],
    *,
    describe: Callable[[Document], str],
    has_ended: Callable[[Document], bool],
    timeout_seconds: float | None = None,
) -> Document:
    """Wait until a document has ended or the time is up, and report each change before that in a line on stderr.

    Args:
        workspace: The workspace with the document.
        look: Reads the document.
        describe: Spells its present state in one line.
        has_ended: Whether there is nothing left to wait for.
        timeout_seconds: The maximum wait; None is no limit.
    Returns:
        The document as last read; it has not ended if the time is up.
    """
    from core.state import ChangeWatch

    watch, never = ChangeWatch(workspace), threading.Event()
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    reported = ""
    while True:
        found = look()
        rest = _LOOK_SECONDS if deadline is None else deadline - time.monotonic()
        if has_ended(found) or rest <= 0:
            return found  # the last state is the result, which the caller prints on stdout
        if (line := describe(found)) != reported:
            reported = line
            print_or_drop(printable(line), "stderr")
        watch.wait(min(rest, _LOOK_SECONDS), never)


def print_outcome(document: object, sentence: str, *, has_ended: bool, is_success: bool, as_json: bool) -> int:
    """Print what a wait found, and return its exit code.

    Args:
        document: The document, for `--json`.
        sentence: The same in one line.
        has_ended: Whether it has ended.
        is_success: Whether it ended well.
        as_json: Print the document.
    """
    print_or_drop(json_text(document, indent=2) if as_json else printable(sentence), "stdout")
    if not has_ended:
        return ExitCode.TIMED_OUT
    return ExitCode.GOOD if is_success else ExitCode.FAILING
