"""Restore a damaged file of a workspace to its last good generation, and keep the damaged bytes."""

import os
from pathlib import Path

import msgspec

from core.actor import Actor
from core.clock import utc_now
from core.errors import CoreError, NotFoundError, RefusedError
from core.files import access_error, give_second_name, rename, sha256_of, write_file
from core.governance.audit import audited, require_access
from core.governance.audit_log import AuditLog
from core.governance.head import DATABASE as AUDIT_DATABASE
from core.governance.record import Evidence
from core.governance.sealed import changed_documents, unvouched_sentence
from core.maintenance.state_files import archive_file, archive_files, state_files
from core.plain_files import read_file
from core.state.archive import FOLDER, archive_damage, copy_of, database_of
from core.state.encoding import decode
from core.state.errors import DamagedFileError
from core.state.fair_lock import FairLock
from core.state.generation import load, previous_of, replace
from core.state.lease import read_lease
from core.state.workspace import Workspace
from core.telemetry import check, recover, set_aside
from core.text_limits import cut


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `restore`."""

    file: str
    damage: str
    kept_as: str | None  # the file with the damaged bytes; None if the file was missing
    n_documents: int
    unaudited_because: str | None = None
    is_copy: bool = False  # an archive file: the same bytes again
    is_partial: bool = False  # telemetry: the readable rows instead of a generation
    unvouched: tuple[str, ...] = ()  # documents that no record left like this; `verify` goes on to name them
    n_lost: int = 0  # documents that the last records left, and that are gone

    def __str__(self) -> str:
        kept = f"; the damaged bytes are kept as {self.kept_as}" if self.kept_as else ""
        if self.is_copy:
            return f"{self.file} was restored with all of its {self.n_documents:,} documents{kept}."
        if self.is_partial and self.n_documents == 0:
            return f"{self.file} is new and empty{kept}."
        if self.is_partial:
            return f"{self.file} was rebuilt from {self.n_documents:,} readable rows{kept}."
        doubt = f". {unvouched_sentence(self.unvouched)}" if self.unvouched else ""
        lost = f" ({self.n_lost:,} documents)" if self.n_lost else ""
        unaudited = f". The audit log could not record it: {self.unaudited_because}" if self.unaudited_because else ""
        return (
            f"{self.file} was restored to its last good generation with {self.n_documents:,} documents{kept}. "
            f"Later changes are lost{lost}: check what is missing{doubt}{unaudited}"
        )


def restore(workspace: Workspace, file: Path, *, actor: Actor) -> Restored:
    """Restore a damaged state file to its previous generation, and keep the damaged bytes beside it.

    An archive file of older documents never changes, and is restored from its second copy.

    The telemetry has no generations: its readable rows are saved into a new file. Predictions and the recorded past
    start with an empty file.

    Args:
        workspace: The workspace.
        file: The state file, by path, name or name of its database; or a telemetry file.
        actor: The author of the restoration, for the audit log.

    Raises:
        NotFoundError: The workspace has no such state file.
        RefusedError: The file is intact, so there is nothing to restore.
        DamagedFileError: There is no good generation.
        FileAccessError: The operating system refuses; nothing was changed.
    """
    require_access(workspace, actor, "state.restore", object=file.name)
    if file.name in (workspace.telemetry_file.name, workspace.telemetry_file.stem):
        return _restore_telemetry(workspace)
    for perishable in (
        workspace.predictions_file,
        workspace.live_file,
        workspace.contributions_file,
        workspace.features_file,
        workspace.metrics_file,
        workspace.past_file,
    ):
        if file.name in (perishable.name, perishable.stem):
            return _begin_anew(workspace, perishable)
    if (archived := archive_file(workspace, file)) is not None:
        return _restore_archive(workspace, archived, actor)
    path = _state_file(workspace, file)
    try:
        with FairLock(path).held():
            damage = _damage(path)
            kept_as = _keep_aside(path)
            encoded = read_file(previous_of(path))
            tables = load(path, previous=True).tables
            replace(path, encoded, tables, keep_previous=False)
    except OSError as error:
        raise access_error(path, "restore", error) from error
    restored = Restored(
        file=str(path),
        damage=damage,
        kept_as=str(kept_as) if kept_as else None,
        n_documents=sum(map(len, tables.values())),
    )
    try:
        restored = _recorded(workspace, restored, kept_as, actor)
    except CoreError as error:  # the file is restored nevertheless; the message must state both
        return msgspec.structs.replace(restored, unaudited_because=str(error))
    return restored


def _restore_archive(workspace: Workspace, path: Path, actor: Actor) -> Restored:
    """Restore an archive file from its second copy: the very same bytes, so no change is lost."""
    copy, database = copy_of(path), database_of(path)
    try:
        with FairLock(workspace.state_file(database)).held():
            if (damage := archive_damage(path)) is None:
                raise RefusedError(f"{path} is whole, so there is nothing to restore.")
            if archive_damage(copy) is not None:
                raise DamagedFileError(path, damage, None, is_archive=True)
            encoded = read_file(copy)
            kept_as = _keep_aside(path)
            write_file(path, encoded)
    except OSError as error:
        raise access_error(path, "restore", error) from error
    kept = str(kept_as) if kept_as else None
    n_documents = sum(map(len, decode(encoded).values()))
    # The file is restored already, so its record waits if it must.
    with audited(workspace, database, actor=actor, reason=cut(f"{path.name}: {damage}"), may_wait=True) as change:
        after = {"n_documents": n_documents, "kept_as": kept}
        change.record("state.restore", f"state/{FOLDER}/{path.name}", after=after)
    return Restored(file=str(path), damage=damage, kept_as=kept, n_documents=n_documents, is_copy=True)


def _restore_telemetry(workspace: Workspace) -> Restored:
    path = workspace.telemetry_file
    damage = _telemetry_damage(path)
    _require_no_engine(workspace, path)
    recovery = recover(path, now=utc_now())
    n_rows = sum(recovery.n_rows.values())
    return Restored(file=str(path), damage=damage, kept_as=str(recovery.set_aside), n_documents=n_rows, is_partial=True)


def _begin_anew(workspace: Workspace, path: Path) -> Restored:
    """Move aside a store of perishable data, which is kept for a day at most."""
    damage = _telemetry_damage(path)
    if path == workspace.past_file:
        _require_no_engine(workspace, path)
    aside = set_aside(path, now=utc_now())
    return Restored(file=str(path), damage=damage, kept_as=str(aside), n_documents=0, is_partial=True)


def _require_no_engine(workspace: Workspace, path: Path) -> None:
    if (holder := read_lease(workspace)) is not None:
        engine = f"{holder.user}@{holder.host} (process {holder.pid})"
        raise RefusedError(f"The engine of {engine} is writing to {path}: stop it first.")


def _telemetry_damage(path: Path) -> str:
    if not path.exists():
        raise RefusedError(f"{path} does not exist, so there is nothing to restore; the first record creates it.")
    damage = check(path)
    if damage is None:
        raise RefusedError(f"{path} is whole, so there is nothing to restore.")
    return damage


def _state_file(workspace: Workspace, file: Path) -> Path:
    files = state_files(workspace)
    for path in files:
        if file.absolute() == path or str(file) in (path.name, path.stem, f"{workspace.state_dir.name}/{path.name}"):
            return path
    choices = ", ".join(path.name for path in (*files, *archive_files(workspace))) or "none yet"
    raise NotFoundError(f"{file} is not a state file of {workspace.root}. State files: {choices}.")


def _damage(path: Path) -> str:
    try:
        load(path)
    except DamagedFileError as error:
        if error.good_generation is None or error.path != path:  # an archive file is restored without a loss
            raise
        return error.damage
    raise RefusedError(f"{path} is whole, so there is nothing to restore.")


def _keep_aside(path: Path) -> Path | None:
    """Give the damaged bytes a second name; the old name stays until the file is replaced."""
    n = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.damaged-{n}")):
        n += 1
    if not os.path.lexists(path):
        return None
    if path.is_file():
        give_second_name(path, aside)
    else:  # a folder, a pipe or a dangling link, which a file cannot replace, or which has no second name
        rename(path, aside)
    return aside


def _recorded(workspace: Workspace, restored: Restored, kept_as: Path | None, actor: Actor) -> Restored:
    """Record the restoration, and the digests of all documents that a record vouches for."""
    database = Path(restored.file).stem
    evidence = [] if kept_as is None or not kept_as.is_file() else [Evidence(str(kept_as), sha256_of(kept_as))]
    # The audit log's own state file has no outbox, so its restoration is recorded through another file's.
    outbox = "sessions" if database == AUDIT_DATABASE else database
    witness = AuditLog(workspace).witness()
    with audited(
        workspace, outbox, actor=actor, reason=cut(f"{Path(restored.file).name}: {restored.damage}")
    ) as change:
        if outbox == database:
            present = changed_documents(database, {}, change.db.storage.read())
            unvouched = tuple(name for name, found in present.items() if not witness.vouches_for(name, found))
            lost = witness.lost(database, present)
            change.restored(lost=lost)
            change.vouch_not_for(unvouched)
            restored = msgspec.structs.replace(restored, unvouched=unvouched, n_lost=len(lost))
        change.record(
            "state.restore",
            f"state/{database}.json",
            after={
                "n_documents": restored.n_documents,
                "kept_as": restored.kept_as,
                "n_lost": restored.n_lost,
                "not_as_recorded": restored.unvouched,
            },
            evidence=evidence,
        )
    return restored
