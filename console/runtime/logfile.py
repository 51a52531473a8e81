"""The log of a console: a rotated file, never the screen it draws on."""

import logging
from pathlib import Path

from core.files import open_plain
from core.log_file import LogFile

MAX_BYTES = 100_000_000
N_BACKUPS = 5
_TAIL_BYTES = 60_000


def log_to(file: Path) -> None:
    """Send warnings and worse of this process to a file; a terminal that is being drawn on is no place for them."""
    handler = LogFile(file, max_bytes=MAX_BYTES, n_kept=N_BACKUPS - 1)
    handler.setLevel(logging.WARNING)  # the rest of the engine's messages is in its own log
    logging.getLogger().addHandler(handler)


def newest_lines(folder: Path, n_lines: int = 400) -> list[str]:
    """Read the ends of all logs in a folder, the one written to last at the end."""
    files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime)
    lines: list[str] = []
    for file in files:
        tail = _tail(file).splitlines()[-n_lines // len(files) :]
        lines += [f"--- {file.name} ---", *tail]
    return lines or ["No log has been written yet."]


def _tail(file: Path) -> str:
    with open_plain(file) as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BYTES))
        content = stream.read()
    if size > _TAIL_BYTES:  # the first line is cut somewhere
        content = content.partition(b"\n")[2]
    return content.decode(errors="replace")
