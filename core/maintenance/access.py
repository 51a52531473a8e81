"""Who can enter the folders of a workspace, lock its locks and read its files, and who owns them."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from core.maintenance.finding import Finding
from core.plain_files import what_it_is
from core.state.workspace import Workspace

OF_OTHERS = 0o077
_OTHERS_WRITE = 0o022
REPAIR = "bondx doctor --repair"


def examine_access(workspace: Workspace) -> Iterator[Finding]:
    """Yield what other accounts can reach, a finding for each folder, and what another account owns."""
    by_place: dict[Path, list[Path]] = {}
    for path in exposed(workspace):
        inside = path.relative_to(workspace.root).parts
        by_place.setdefault(workspace.root / inside[0] if inside else path, []).append(path)
    for place, paths in by_place.items():
        first = paths[0]
        status = first.stat()
        count = f"it and {len(paths) - 1:,} entries in it are" if len(paths) > 1 else "it is"
        yield Finding(
            file=str(place),
            problem=f"{count} open to other accounts ({what_it_is(status.st_mode)} {first.name} has mode "
            f"{stat.S_IMODE(status.st_mode):04o}): whoever can open a lock file can stop every change",
            cure=f"{REPAIR} takes these rights from other accounts",
        )
    owner = workspace.root.stat().st_uid
    if foreign := [path for path, status in _entries(workspace.root) if status.st_uid != owner]:
        name = _name_of(owner)
        yield Finding(
            file=str(foreign[0]),
            problem=f"it and {len(foreign) - 1:,} more entries do not belong to {name}, who owns the workspace",
            cure=f"as root: chown -R {name} {workspace.root}",
        )


def close_to_others(workspace: Workspace) -> list[str]:
    """Take the rights of other accounts from everything that they can reach.

    Returns:
        One sentence for each folder or file that was changed.
    """
    done = []
    for path in list(exposed(workspace)):
        before = stat.S_IMODE(path.stat().st_mode)
        after = before & ~(_OTHERS_WRITE if path == workspace.root else OF_OTHERS)
        path.chmod(after)
        done.append(f"{path}: mode {before:04o} is now {after:04o}.")
    return done


def exposed(workspace: Workspace) -> Iterator[Path]:
    """Yield every entry that another account can enter, read, lock or replace; what lies in a closed folder is safe.

    The root may be a folder that people share, and the settings in it are no secret: of these, only others who may
    write count.
    """
    root = workspace.root
    if root.stat().st_mode & _OTHERS_WRITE:
        yield root
    pending = [root]
    while pending:
        place = pending.pop()
        with os.scandir(place) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                mode = entry.stat(follow_symlinks=False).st_mode
                allowed = mode & (_OTHERS_WRITE if place == root and stat.S_ISREG(mode) else OF_OTHERS)
                if stat.S_ISLNK(mode) or not allowed:
                    continue
                yield Path(entry.path)
                if stat.S_ISDIR(mode) and os.access(entry.path, os.R_OK | os.X_OK):
                    pending.append(Path(entry.path))


def _entries(place: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with os.scandir(place) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            yield Path(entry.path), status
            if stat.S_ISDIR(status.st_mode) and os.access(entry.path, os.R_OK | os.X_OK):
                yield from _entries(Path(entry.path))


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
