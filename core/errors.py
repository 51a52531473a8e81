"""The error tree of the engine, and the exit code of each branch.

An error message is written for the person at the terminal: it names the place (file, field, value) and the remedy.
Only `main()` of the command line turns an error into an exit code.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes that a script reads from `$?`; part of the public interface."""

    GOOD = 0
    FAILING = 1  # a failing gate or a firing alert
    USAGE = 2
    REFUSED = 3
    CONFLICT = 4
    INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
    OUTPUT_LOST = 74  # EX_IOERR of sysexits.h
    STUCK = 75  # EX_TEMPFAIL of sysexits.h: a server ended while a model was still computing
    TIMED_OUT = 124  # a wait ended before its object did; timeout(1) exits with it, too
    INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
    READER_LEFT = 141  # 128 + SIGPIPE, as of ls, grep and git: `bondx … | head` has what it wanted


class CoreError(Exception):
    """The root of all errors that the engine raises deliberately."""

    exit_code: ExitCode = ExitCode.USAGE


class UsageError(CoreError):
    """The input (a file, a field, an argument) is wrong and nothing was done."""


class NotFoundError(UsageError):
    """The requested object does not exist; the message lists the choices."""


class RefusedError(CoreError):
    """The request is valid, but a rule forbids it."""

    exit_code = ExitCode.REFUSED


class ConflictError(CoreError):
    """The object was changed by someone else first, or is held by someone else."""

    exit_code = ExitCode.CONFLICT


class PartlyFailedError(CoreError):
    """Some parts of a change could not be made, and the others were; it is judged by its first failure.

    Attributes:
        first: The first failure.
    """

    def __init__(self, message: str, first: CoreError) -> None:
        super().__init__(message)
        self.first = first
        self.exit_code = first.exit_code
