"""Paths as people write them, with `~` for their home and `~NAME` for that of another account."""

import os.path
from pathlib import Path

from core.errors import UsageError
from core.escape import shown


def at_home(path: str | Path) -> Path:
    """Return a path with the home in place of its `~`.

    Raises:
        UsageError: No account has the name after the `~`.

    >>> at_home("a/~b"), at_home("~nobody-has-this-name/keys")
    Traceback (most recent call last):
    core.errors.UsageError: '~nobody-has-this-name/keys' cannot be used: no account of this machine has this home.
    """
    found = os.path.expanduser(path)
    if found.startswith("~"):
        raise UsageError(f"{shown(str(path), most=300)} cannot be used: no account of this machine has this home.")
    return Path(found)
