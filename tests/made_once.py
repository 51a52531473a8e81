"""Folders that one process of a run makes and all of them read: what takes a minute to make is made once."""

import fcntl
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that whoever comes first makes, while the others wait; nobody may change what is in it.

    Args:
        factory: Knows the folder of the run.
        name: The folder's name, of this kind of content alone.
        make: Fills the folder, which is there and empty; if it fails, the next one to come tries in a new one.
    """
    base = factory.getbasetemp()
    run = base.parent if base.name.startswith("popen-gw") else base
    folder = run / name
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            trial = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=run))
            make(trial)
            trial.rename(folder)
    return folder
