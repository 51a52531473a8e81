"""A file that gets a line for each event, each once: a line that was torn is written again, whole."""

import os
from pathlib import Path

from core.errors import CoreError
from core.output_files import require_output
from core.webhooks.request import Attempt


def append_event(path: Path, body: str) -> Attempt:
    """Append an event, and wait until it is on disk.

    The events of one webhook come in their order, and each until it is noted as delivered. So an event whose note was
    lost is the last line of the file, and one whose writing was cut off is its open end.

    Args:
        path: The file; it is made for this account alone, and may be renamed at any time.
        body: The event, one line.
    """
    line = body.encode() + b"\n"
    try:
        require_output(path, option="file", follows=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "r+b") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - len(line) - 1))
            tail = file.read()
            if tail.endswith(line) and (len(tail) == len(line) or tail[-len(line) - 1 :][:1] == b"\n"):
                return Attempt(True, False, None, "")
            torn = tail.rpartition(b"\n")[2]
            if torn and line.startswith(torn):
                file.truncate(end - len(torn))
            elif torn:
                line = b"\n" + line  # another program's, or of an event that was given up
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except CoreError as error:
        return Attempt(False, False, None, str(error))
    except OSError as error:
        return Attempt(False, True, None, f"{path}: {error.strerror or error}")
    return Attempt(True, False, None, "")
