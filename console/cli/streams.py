"""The three standard streams of a command: open from the start, and the first failure of stdout is remembered.

Python forgets it where it matters: argparse swallows the error of `--help > /dev/full`, and an error inside a command
does not say that it was the output that failed.
"""

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

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
    """Open the standard descriptors that a caller closed (`>&-`), and watch stdout.

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
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _watched(sys.stdout or open(1, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def output_failure() -> OSError | None:
    """Write what is still in the buffers; return what made stdout fail, if anything did, and write no more to it."""
    _flush(sys.stderr)  # a failure cannot be told anywhere
    failure = _flush(sys.stdout)
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return (isinstance(file, _RememberingFile) and file.failure) or failure


def _watched(stream: TextIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(_RememberingFile(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=bool(stream.line_buffering or getattr(stream, "write_through", False)),
    )


def _flush(stream: TextIO) -> OSError | None:
    """Flush a stream; if it fails, send the rest of its buffer to nowhere: flushing it at exit is no second error."""
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return error
    return None
