"""The rule of links: nothing is written or deleted through a link that leads out of a workspace.

The folder of the workspace itself may be a link. Below it, links are read through; but nothing that the program writes
or deletes follows a link that leads out, so that a link put there by another program cannot turn a report or a prune
against files elsewhere. A path outside every workspace, such as an output file that a person typed, may hold links.

The look comes before the write, so this holds against links that are there, not against a race by the same account;
`core.files.remove_tree` holds against both.
"""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_CURE = "remove the link, or move the whole workspace there and link its own folder"
_roots: dict[str, None] = {}  # in the order in which they were named


class LeadsOutError(OSError):
    """A path below a workspace leads out of it through a link."""

    def __init__(self, path: Path | str, link: str) -> None:
        target = os.path.realpath(link)
        super().__init__(
            errno.EXDEV, f"{link} is a link that leads out of the workspace, to {target}: {_CURE}", str(path)
        )


def confine(root: Path) -> None:
    """Hold this process to the rule for everything below a folder, from now on."""
    _roots[str(root)] = None
    _roots[os.path.realpath(root)] = None  # state files go by their real path


def is_root(path: Path) -> bool:
    """Return whether a path is the folder of a workspace, there or not."""
    return str(path) in _roots


def roots_near(path: Path) -> list[Path]:
    """Return the workspaces of this process: first the one that a path is below, if any, then the others."""
    inside = _root_of(_absolute(path))
    return [Path(root) for root in dict.fromkeys([*([inside] if inside else []), *_roots])]


def require_inside(path: Path, *, follows: bool = True) -> None:
    """Refuse a path below a workspace that leads out of it.

    Args:
        path: What is to be written or deleted; a path outside every workspace passes.
        follows: Whether the operation follows a link at the end of the path, as opening does and replacing does not.
    Raises:
        LeadsOutError: It leads out; the message names the link and the cure.
    """
    text = _absolute(path)
    root = _root_of(text)
    if root is None:
        return
    folder, _, name = text.rpartition("/")
    real = os.path.realpath(text) if follows else os.path.join(os.path.realpath(folder), name)
    if not _is_below(real, os.path.realpath(root)):
        raise LeadsOutError(path, _link_out(text, root))


def links_out_of(root: Path) -> Iterator[Path]:
    """Yield the links below a workspace that lead out of it; no link is followed."""
    real_root, folders = os.path.realpath(root), [str(root)]
    while folders:
        try:
            entries = sorted(os.scandir(folders.pop()), key=lambda entry: entry.name)
        except OSError:  # reported by whoever reads the folder
            continue
        for entry in entries:
            if entry.is_symlink():
                if not _is_below(os.path.realpath(entry.path), real_root):
                    yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)


def link_on_the_way(path: Path, *, root: Path) -> Path | None:
    """Return the first component of a path below a root that is a symbolic link, the last one included."""
    way = [path, *path.parents][: len(path.relative_to(root).parts)]
    return next((place for place in reversed(way) if place.is_symlink()), None)


def _absolute(path: Path) -> str:
    """Return an absolute path with one slash at its beginning: two, which POSIX lets mean something else, are kept."""
    return "/" + os.path.abspath(path).lstrip("/")


def _root_of(path: str) -> str | None:
    """Return the innermost workspace that a path is below."""
    while path != "/":
        path = os.path.dirname(path)
        if path in _roots:
            return path
    return None


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _link_out(path: str, root: str) -> str:
    """Return the first component below a root from which a path leads out; the path itself if it changed meanwhile."""
    real_root, place = os.path.realpath(root), root
    for name in path[len(root) :].strip("/").split("/"):
        place = os.path.join(place, name)
        if _is_link(place) and not _is_below(os.path.realpath(place), real_root):
            return place
    return path


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False
