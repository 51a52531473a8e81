"""The error tree of the engine, and the exit code each branch stands for.

An error message is written for the person at the terminal: it names what was wrong (the file, the field,
the value) and what to do about it. `main()` of the command line alone turns an error into an exit code.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script reads off `$?`; part of the public interface."""

    GOOD = 0
    FAILING = 1  # a failing gate or a firing alert
    USAGE = 2
    REFUSED = 3
    CONFLICT = 4


class CoreError(Exception):
    """The root of every error the engine raises on purpose."""

    exit_code: ExitCode = ExitCode.USAGE


class UsageError(CoreError):
    """The input (a file, a field, an argument) is wrong and nothing was done."""


class NotFoundError(UsageError):
    """What was asked for is not there; the message lists what is."""


class RefusedError(CoreError):
    """The request was understood and a rule forbids it."""

    exit_code = ExitCode.REFUSED


class ConflictError(CoreError):
    """Somebody else changed the object, or holds it, since it was looked at."""

    exit_code = ExitCode.CONFLICT
