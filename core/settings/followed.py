"""Which workspace a replica follows: asked for at every change, so the files are parsed only when one has changed."""

import re
from pathlib import Path

from core.errors import RefusedError
from core.plain_files import read_file, signatures_of
from core.settings.errors import SettingsError
from core.settings.in_force import settings_files, settings_in_force

_read: dict[tuple[Path, ...], tuple[object, str | None]] = {}
_MOST = 64
_NOBODY = re.compile(rb"\bfollow:\s*null$")


def followed_url(root: Path) -> str | None:
    """Return the URL that a workspace follows by `serving.follow`; None if it is no replica.

    Settings that cannot be used name no URL: no server starts with them, and what they break must not be refused its
    repair.

    Args:
        root: The folder of the workspace.
    """
    files = settings_files(root)
    signatures = signatures_of(files)
    if (known := _read.get(files)) is not None and known[0] == signatures:
        return known[1]
    try:
        follow = settings_in_force(root).serving.follow if any(map(_may_follow, files)) else None
    except SettingsError:
        return None
    if len(_read) >= _MOST:
        _read.clear()
    url = None if follow is None else follow.url
    _read[files] = signatures, url
    return url


def require_no_replica(root: Path) -> None:
    """Refuse to start an engine in a replica: what it would judge and change is replaced by the state of the desk.

    Args:
        root: The folder of the workspace.
    Raises:
        RefusedError: The workspace follows another.
    """
    if (url := followed_url(root)) is not None:
        raise RefusedError(
            f"No engine runs here: this workspace is a replica of {url}, whose engine trains and judges. Make changes "
            "there; bondx serve follows them."
        )


def _may_follow(file: Path) -> bool:
    """Say whether a file names what is followed; most do not, and reading YAML takes as long as a change itself."""
    try:
        lines = read_file(file).splitlines()
    except OSError:
        return False
    heads = (line.partition(b" #")[0].rstrip() for line in lines)
    return any(b"follow" in head and _NOBODY.search(head) is None and not head.startswith(b"#") for head in heads)
