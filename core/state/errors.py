"""Errors of the workspace and its files, each with its remedy."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from core.clock import in_words
from core.errors import ConflictError, CoreError, NotFoundError, RefusedError, UsageError


class StateError(CoreError):
    """The root of the state layer's errors."""


class WorkspaceNotFoundError(StateError, NotFoundError):
    """This folder does not contain a workspace."""

    def __init__(self, root: Path, missing: str) -> None:
        self.reason = f"{root} is not a workspace: {missing}."
        super().__init__(
            f"{self.reason} Run `bondx init --workspace {root}` to make one "
            "(it keeps existing files), or name another folder with --workspace or $BONDX_HOME."
        )


class WorkspaceGoneError(StateError, NotFoundError):
    """The folder of an open workspace does not exist any more, or another has taken its place."""

    def __init__(self, folder: Path, what: str = "does not exist") -> None:
        super().__init__(
            f"{folder} {what}: the workspace was deleted, moved or unmounted while it was in use. Bring it back, or "
            "name another one with --workspace or $BONDX_HOME."
        )


class NoRoomError(StateError):
    """The disk of a workspace is full before work on it begins."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"No engine starts: {problem}")


class UnsuitableFilesystemError(StateError, RefusedError):
    """The folder is on a file system with unreliable locks and renames."""

    def __init__(self, path: Path, mount: Path, kind: str) -> None:
        super().__init__(
            f"{path} is on a network file system ({kind}, mounted at {mount}), where file locks and renames do not "
            "hold across a crash. Choose a folder on a local disk with --workspace or $BONDX_HOME."
        )


class DamagedFileError(StateError, RefusedError):
    """A state file cannot be read; it is left unchanged."""

    def __init__(self, path: Path, damage: str, good_generation: Path | None, *, is_archive: bool = False) -> None:
        self.path = path
        self.damage = damage
        self.good_generation = good_generation
        if is_archive and good_generation is None:
            way_back = f"Its copy {path.name}.prev is damaged, too: restore a backup of either of the two."
        elif is_archive:
            restore = f"`bondx doctor --restore {path.name}`"
            way_back = f"Its copy {path.name}.prev is intact: {restore} restores it, and nothing is lost."
        elif good_generation is None:
            way_back = (
                "No earlier generation of it is readable: restore a backup, or start empty by moving it "
                f"and {path.name}.prev aside."
            )
        else:
            restore = f"`bondx doctor --restore {path.name}`"
            way_back = f"The previous generation, {good_generation}, is intact: {restore} restores it."
        super().__init__(f"{path} is damaged: {damage}. Every byte was kept. {way_back}")


class NewerLayoutError(StateError, RefusedError):
    """A state file was written by a later release, with another layout; it is left unchanged."""

    def __init__(self, path: Path, found: object, known: int) -> None:
        super().__init__(
            f"{path} was written by a newer release of bondx (layout {found}; this release reads up to {known}). "
            "Use that release. Nothing was changed, and nothing is damaged."
        )


class UnstorableValueError(StateError, UsageError):
    """JSON cannot represent a value exactly; storing it would silently change it."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where} {problem}. Nothing was stored.")


class TransactionError(StateError):
    """A transaction was used incorrectly: a mistake in the calling code."""


class ForbiddenCommitError(TransactionError):
    """An inner step failed, so the outer transaction must not commit a partial change."""

    def __init__(self, path: Path, cause: BaseException) -> None:
        super().__init__(
            f"Nothing was written to {path}: a step inside the transaction failed "
            f"({type(cause).__name__}: {cause}), and partial changes are never committed."
        )


class DocumentNotFoundError(StateError, NotFoundError):
    """The table has no document under this key."""

    _N_SHOWN = 8

    def __init__(self, table: str, key: str, known: Iterable[str]) -> None:
        self.key = key
        names = list(known)
        near = difflib.get_close_matches(key, names, n=self._N_SHOWN, cutoff=0.5) or names[-self._N_SHOWN :]
        n_more = len(names) - len(near)
        listed = ", ".join(near) + (f" and {n_more} more" if n_more else "")
        rest = f"choose from {listed}." if names else "there are none."
        super().__init__(f"There is no {key!r} among the {table}; {rest}")


class DocumentExistsError(StateError, ConflictError):
    """A document with this key already exists."""

    def __init__(self, table: str, key: str) -> None:
        self.key = key
        super().__init__(f"{table} has {key!r} already.")


class DocumentFormatError(StateError):
    """A stored document is valid JSON, but not in the form that this version of the program expects."""

    def __init__(self, path: Path, table: str, key: object, problem: str) -> None:
        self.table = table
        self.problem = problem
        super().__init__(
            f"{path}, table {table}, document {key!r} does not read as expected: {problem}. "
            "It was written by another version of the program, or by hand; nothing was changed."
        )


class Steered(Protocol):
    """A document with a desired state, which people write."""

    @property
    def desired(self) -> str:
        """The desired state."""

    @property
    def desired_by(self) -> str:
        """The author of the desired state."""

    @property
    def desired_at(self) -> datetime:
        """The time of the request."""

    @property
    def revision(self) -> int:
        """The revision of the whole document."""


_BOOKKEEPING = ("_by", "_at", "_revision")
"""The ends of fields that say who decided and when, which the sentence says itself."""


class StaleRevisionError(StateError, ConflictError):
    """The document was changed after the caller had looked at it.

    Attributes:
        changes: Field -> (value that the caller saw, current value). Empty if the earlier revision is no longer known.
        news: Who changed what, and when, as a sentence without its mark.
    """

    def __init__(
        self,
        table: str,
        key: str,
        *,
        expected: int,
        found: int,
        changes: Mapping[str, tuple[object, object]],
        by: str | None = None,
        at: datetime | None = None,
        now: str = "",
    ) -> None:
        self.key = key
        self.expected = expected
        self.found = found
        self.changes = dict(changes)
        author = (f" by {by}" if by else "") + (f" at {in_words(at)}" if at else "")
        told = {name: values for name, values in changes.items() if not name.endswith(_BOOKKEEPING)}
        what = now or "; ".join(
            f"{name.replace('_', ' ')} {_brief(old)} → {_brief(new)}" for name, (old, new) in told.items()
        )
        seen = f" ({what})" if what else ""
        self.news = f"{_singular(table)} {key} was changed{author} since you viewed it{seen}"
        super().__init__(f"{self.news}. This change was not made. Review and decide again.")

    @classmethod
    def asked_otherwise(cls, table: str, key: str, steered: Steered, *, expected: int, desired: str = "") -> Self:
        """Return the error for a document whose desired state was changed by someone else first.

        Args:
            table: The table of the document.
            key: Its key.
            steered: The document.
            expected: The revision that the caller saw.
            desired: The desired state as people say it, if not by its stored name.
        """
        return cls(
            table,
            key,
            expected=expected,
            found=steered.revision,
            changes={},
            by=steered.desired_by,
            at=steered.desired_at,
            now=f"asked for now: {desired or steered.desired}",
        )


class LockHeldError(StateError, ConflictError):
    """Another process has kept a lock for longer than any change takes."""

    def __init__(self, path: Path, holder: str, seconds: float) -> None:
        super().__init__(
            f"{path} is still locked after {seconds:.0f} s by {holder}, so nothing was written there. If that process "
            "is not a change under way, end it and try again; `bondx doctor` checks who may lock the files."
        )


class LeaseHeldError(StateError, ConflictError):
    """Another engine works on this workspace."""


def _singular(table: str) -> str:
    """Name one document of a table.

    >>> _singular("alerts"), _singular("aliases"), _singular("Model")
    ('alert', 'alias', 'Model')
    """
    return table.removesuffix("es") if table.endswith("ses") else table.removesuffix("s")


def _brief(value: object) -> str:
    text = in_words(value) if isinstance(value, datetime) else "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
