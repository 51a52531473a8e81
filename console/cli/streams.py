"""The three standard streams of a command: open from the start, and the first failure of stdout is remembered.

Python forgets it where it matters: argparse swallows the error of `--help > /dev/full`, and an error inside a command
does not say that it was the output that failed.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, TextIO

from console.cli.escaped_text import EscapedText

if TYPE_CHECKING:
    from typing_extensions import Buffer


class _RememberingFile(io.FileIO):
    """Standard output as a file that remembers its failure."""

    failure: OSError | None = None

    def write(self, content: "Buffer", /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            self.failure = error
            raise


def prepare_streams() -> None:
    """Open the standard descriptors that a caller closed (`>&-`), watch stdout, and keep control characters out.

    Else the next file of the workspace would get the number of a closed one, and every print would land in it.
    Whatever is written to a closed stdout still fails: its stand-in cannot be written to.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # open() takes the lowest free number, which is this one
            os.set_inheritable(os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY), True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text_on(_RememberingFile(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text_on(io.FileIO(2, "w", closefd=False), sys.stderr, line_buffering=True)


def output_failure() -> OSError | None:
    """Write what is still in the buffers; return what made stdout fail, if anything did, and write no more to it."""
    _flush(sys.stderr)  # its failure cannot be reported anywhere
    failure = _flush(sys.stdout)
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return (isinstance(file, _RememberingFile) and file.failure) or failure


class _Answers:
    """Where the answer of the command in progress goes while stdout leads elsewhere."""

    stream: TextIO | None = None


def answers() -> TextIO:
    """Return the stream for the answer of a command: standard output, also within `only_answers`."""
    return _Answers.stream or sys.stdout


@contextlib.contextmanager
def only_answers() -> Iterator[None]:
    """Within it, stdout gets only what goes to `answers`; other prints, as by a library, go to stderr."""
    outer, _Answers.stream = _Answers.stream, answers()
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        # It may have been replaced meanwhile, by one that takes nothing.
        sys.stdout, _Answers.stream = answers(), outer


def print_or_drop(line: str, stream: Literal["stdout", "stderr"]) -> None:
    """Print a line; if its stream takes nothing, drop this line and all later lines, and count no failure."""
    into = answers() if stream == "stdout" else sys.stderr
    try:
        print(line, file=into, flush=True)
    except (OSError, ValueError):
        _send_nowhere(into)
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        if into is _Answers.stream:
            _Answers.stream = nowhere
        else:
            setattr(sys, stream, nowhere)


def _text_on(file: io.FileIO, before: TextIO | None, *, line_buffering: bool = False) -> EscapedText:
    """Return text on a file, in the encoding of the stream it replaces; what cannot be encoded is escaped."""
    is_unbuffered = getattr(before, "write_through", False) or getattr(before, "line_buffering", False)
    return EscapedText(
        io.BufferedWriter(file),
        encoding=before.encoding if before else "utf-8",
        errors="backslashreplace",
        line_buffering=line_buffering or bool(is_unbuffered),
    )


def _flush(stream: TextIO) -> OSError | None:
    """Flush a stream, and return what made it fail."""
    try:
        stream.flush()
    except OSError as error:
        _send_nowhere(stream)
        return error
    return None


def _send_nowhere(stream: TextIO) -> None:
    """Discard the rest of a stream's buffer: flushing it at exit must not fail a second time."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
