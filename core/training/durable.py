"""Files that are either whole or absent: written beside their place, forced to the disk, then renamed into it."""

import hashlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

UNFINISHED = ".new"
N_SYNCS = 8


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_file(path: Path, content: bytes) -> str:
    """Replace a file in one step.

    Returns:
        SHA-256 of the content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED)
    with unfinished.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(path)
    _sync(path.parent)
    return hashlib.sha256(content).hexdigest()


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Put a folder in its place in one step, replacing what stands there.

    Args:
        path: Where the folder belongs.
        fill: Writes the files into the folder it is handed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    fill(unfinished)
    with ThreadPoolExecutor(N_SYNCS, thread_name_prefix="sync") as pool:  # the disk takes several in one go
        list(pool.map(_sync, (unfinished, *unfinished.rglob("*"))))  # raises what any of them raised
    shutil.rmtree(path, ignore_errors=True)
    unfinished.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
