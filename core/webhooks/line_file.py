"""A file that gets a line for each event, each once: a line that was torn is completed."""

import os
from pathlib import Path

from core.errors import CoreError
from core.files import open_to_write, write_durably
from core.lock_files import locked_within, unlock
from core.output_files import require_output
from core.plain_files import require_plain, require_plain_descriptor
from core.webhooks.request import Attempt

_LOCK_SECONDS, _PAUSE_SECONDS = 5.0, 0.01


def append_event(path: Path, body: str) -> Attempt:
    """Append an event, and wait until it is on disk.

    The events of one webhook come in their order, and each until it is noted as delivered. So an event whose note was
    lost is the last line of the file, and one whose writing was cut off is its open end. Nothing is ever taken out of
    the file, to which others may write as well.

    Args:
        path: The file; it is made for this account alone, and may be renamed at any time.
        body: The event, one line.
    """
    try:
        require_output(path, option="file", follows=True)
        require_plain(path)
        descriptor = open_to_write(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOCTTY)
        try:
            require_plain_descriptor(descriptor)
            if not locked_within(descriptor, _LOCK_SECONDS, pause_seconds=_PAUSE_SECONDS):
                return Attempt(False, True, None, f"{path}: another process is writing to it")
            _append(descriptor, body.encode() + b"\n")
        finally:
            unlock(descriptor)
    except CoreError as error:
        return Attempt(False, False, None, str(error))
    except OSError as error:
        return Attempt(False, True, None, f"{path}: {error.strerror or error}")
    return Attempt(True, False, None, "")


def _append(descriptor: int, line: bytes) -> None:
    """Append a line, or what is missing of it at the end of the file."""
    end = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, len(line) + 1, max(0, end - len(line) - 1))
    if tail.endswith(line) and (len(tail) == len(line) or tail[-len(line) - 1 :][:1] == b"\n"):
        return
    torn = tail.rpartition(b"\n")[2]
    # Else the open end is another program's, or of an event that was given up.
    rest = line[len(torn) :] if line.startswith(torn) else b"\n" + line
    write_durably(descriptor, rest)
