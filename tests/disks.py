"""Small disks that tests fill."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path

import pytest

from tests.waiting import until


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Mount an empty disk of a size such as 256k; skip the test where this account may not."""
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
    )
    if mounting.returncode != 0:
        pytest.skip(f"needs the right to mount a small disk: {mounting.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: the traceback of a failed test keeps a file open, and a mount left behind breaks every later clean-up.
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Fill a disk to its last byte, and free it afterwards."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:

            def is_full() -> bool:
                """Whoever works there may free something meanwhile."""
                _write_until_full(file)
                return not shutil.disk_usage(disk).free

            until(is_full, "a full disk")
        yield
    finally:
        filler.unlink()


def _write_until_full(file: RawIOBase) -> None:
    """Write until there is no room; any other refusal of the operating system is no full disk."""
    while True:
        try:
            file.write(b"x" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return


def refuse_to_list(monkeypatch, folder):
    """Let a folder be one that this account may not list; the tests may run as root, who may list every folder."""
    scandir, access = os.scandir, os.access

    def scanned(place="."):
        if place == folder or place == str(folder):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", scanned)
    monkeypatch.setattr(os, "access", lambda place, mode: str(place) != str(folder) and access(place, mode))
