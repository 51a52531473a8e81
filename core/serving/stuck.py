"""Threads of a server that do not end when it stops, each named with its version and its place in the code.

Python cannot end a thread, and waits for every worker thread before a process ends. A model that never returns would
hold up a restart for ever, so the process of a server ends itself beside such a thread.
"""

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from core.serving.table import LoadedVersion

STORE_SECONDS = 5.0
"""How long a server may take to store its queued records, beyond the time in which it stops answering."""


def described(threads: Sequence[threading.Thread]) -> list[str]:
    """Describe each thread: the version that it computes, if any, and the line that it executes.

    Returns:
        Such as `spread 1.2.0 in predict (model.py, line 14)`.
    """
    frames = sys._current_frames()
    return [_described(thread, frames.get(thread.ident or 0)) for thread in threads]


def _described(thread: threading.Thread, frame: FrameType | None) -> str:
    if frame is None:
        return thread.name
    code = frame.f_code
    version = _version_of(frame)
    what = thread.name if version is None else f"{version.model} {version.version}"
    return f"{what} in {code.co_name} ({Path(code.co_filename).name}, line {frame.f_lineno})"


def _version_of(frame: FrameType | None) -> LoadedVersion | None:
    """Return the version for which a thread works: a local variable of one of its callers."""
    while frame is not None:
        for value in frame.f_locals.values():
            if isinstance(value, LoadedVersion):
                return value
        frame = frame.f_back
    return None
