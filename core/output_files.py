"""Where a command may write a file that a person named: a new place, reached through no link, in no workspace."""

from pathlib import Path

from core.errors import RefusedError, UsageError

_MARKS = ("bondx.yaml", "state", "audit")  # what every workspace holds


def require_output(path: Path, *, option: str = "--out", follows: bool = False) -> None:
    """Refuse an output that is a link, or lies in a workspace.

    Replacing a link would leave what it points to as it was, and a file in a workspace could be taken for its state.

    Args:
        path: The file or the folder to write; it need not exist.
        option: How the person named it; empty for a path alone.
        follows: Whether the output may be a link: what is appended goes where the link leads.
    Raises:
        UsageError: It is a link, or its way cannot be read.
        RefusedError: It is in a workspace.
    """
    named = f"{option} {path}".strip()
    try:
        if not follows and path.is_symlink():
            raise UsageError(f"{named} is a link to {path.resolve()}. Name the target itself, or a new place.")
        real = path.resolve()
        root = next((place for place in (real, *real.parents) if _is_workspace(place)), None)
    except (OSError, RuntimeError, ValueError) as error:  # a name too long, links in a circle, a zero byte
        raise UsageError(f"{named} cannot be used: {getattr(error, 'strerror', None) or error}.") from None
    if root is not None:
        raise RefusedError(f"{named} is in the workspace {root}, which holds its state. Name a place elsewhere.")


def require_new_output(path: Path, *, option: str = "--out") -> None:
    """Refuse an output file as `require_output` does, and one that exists already.

    Raises:
        UsageError: It exists already, or is a link.
        RefusedError: It is in a workspace.
    """
    require_output(path, option=option)
    if path.exists():
        raise UsageError(f"{option} {path}: this file already exists. Name another, or remove it.")


def write_new_output(path: Path, content: bytes, *, option: str = "--out") -> None:
    """Write a file that a person named: whole or not at all, and never over another.

    Raises:
        UsageError: It exists already, or is a link.
        RefusedError: It is in a workspace.
        FileAccessError: It cannot be written.
    """
    from core.files import create_once

    require_new_output(path, option=option)
    if not create_once(path, content):  # made by another process meanwhile
        require_new_output(path, option=option)


def _is_workspace(folder: Path) -> bool:
    return all((folder / name).exists() for name in _MARKS)
