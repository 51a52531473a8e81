"""Reasons as callers may read them: what is wrong, without the folders of this machine. The log has the whole error."""

import re
from pathlib import Path

_FOLDERS = re.compile(r"(?<![\w.:/~-])/(?:[^\s/:;,'\"()]+/)+")


def reason_of(error: BaseException, root: Path) -> str:
    """Say why something failed: files by their names alone, and no full stop.

    Args:
        error: The error.
        root: The folder of the workspace.

    >>> reason_of(ValueError("/srv/w/artifacts/a/model.json is damaged."), Path("/srv/w"))
    'model.json is damaged'
    >>> reason_of(FileNotFoundError(2, "No such file or directory", "/tmp/x"), Path("/srv/w"))
    'No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error) or type(error).__name__
    return _FOLDERS.sub("", within(text, root, above="/")).rstrip(".")


def within(text: str, root: Path, *, above: str = "") -> str:
    """Return a text with the paths of a workspace as seen from there.

    >>> within("/srv/w/state/registry.json is damaged.", Path("/srv/w"))
    'state/registry.json is damaged.'
    """
    return text.replace(f"{root}/", above)
