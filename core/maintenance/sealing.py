"""Bring the files of a workspace in line with `encryption`, take them to a new key, and unseal what left it.

Every file is replaced by one rename, so each is readable at any instant, sealed or not. What was interrupted goes on
with the next call.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.errors import UsageError
from core.escape import shown_path
from core.files import (
    UNFINISHED,
    access_error,
    is_occupied,
    make_folder,
    remove_file,
    rename,
    write_file,
    write_folder,
    write_new,
)
from core.governance.audit import audited, require_access
from core.key_derivation import KeyDerivation
from core.key_source import KeySource
from core.output_files import require_new_output, require_output
from core.plain_files import read_file
from core.progress import begins
from core.registry.artifacts import ArtifactStore
from core.registry.documents import MADE_PROFILE_FOLDER
from core.registry.manifest import MANIFEST_NAME, walk
from core.retraining.results import COLLECTED_FILES
from core.sealed_files import (
    SEALED_SUFFIX,
    AnotherSealKeyError,
    FileSealer,
    SealedFileError,
    derivation_of,
    is_sealed,
    open_unsealed,
    seal,
    sealer_of,
    unsealed_content,
    with_another_key,
)
from core.settings import settings_in_force
from core.settings.encryption import SealedKind
from core.settings.sealing import OF, sealer_for, take_new_key
from core.state.workspace import Workspace
from core.training.data_lineage import LINEAGE_FILE

_VERB = "workspace.seal"


class SealingResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with the files of a workspace."""

    n_sealed: int = 0
    n_unsealed: int = 0
    n_taken: int = 0  # from a former key to that of the settings
    n_as_they_were: int = 0
    n_bytes: int = 0  # of the contents that were written
    left: tuple[str, ...] = ()  # files that could not be read, and why


class UnsealedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was written unsealed."""

    file: str
    sha256: str
    n_bytes: int


def seal_as_configured(
    workspace: Workspace, *, actor: Actor, reason: str = "", former: KeySource | None = None, clock: Clock = utc_now
) -> SealingResult:
    """Seal the files of a workspace, unseal them, or take them to a new key: as the settings say.

    Args:
        workspace: The workspace.
        actor: The author.
        reason: The reason, for the audit log.
        former: Where the former key is, if the key of the settings is another one now.
        clock: The time.
    Raises:
        AccessRefusedError: The actor may not do it.
        KeySourceError: A key cannot be read.
        SealedFileError: The key is another than before, and the former key is not named or is not that of before.
        SettingsError: The settings cannot be read.
        FileAccessError: A file cannot be written; those before it have been.
    """
    require_access(workspace, actor, _VERB, clock=clock)
    settings = settings_in_force(workspace.root).encryption
    before = None if former is None or former == KeySource() else former.read(of=OF)
    has_key = settings.source != KeySource()
    work = _Sealing(take_new_key(workspace.root, before) if has_key else None, before)
    for path, has_mark in _files_of_data(workspace):
        work.bring(path, is_wanted=SealedKind.DATASETS in settings.apply_to, has_mark=has_mark)
    store, is_wanted = ArtifactStore(workspace.artifacts_dir), SealedKind.ARTIFACTS in settings.apply_to
    for path in _files_of_versions(store):
        work.bring(path, is_wanted=is_wanted, has_mark=False, write=store.rewrite)
    for path in sorted(workspace.artifacts_dir.glob(f"[!.]*/{MADE_PROFILE_FOLDER}/*.json")):
        work.bring(path, is_wanted=is_wanted, has_mark=False)
    result = work.result()
    with audited(workspace, "registry", actor=actor, reason=reason, clock=clock) as change:
        change.record(
            _VERB,
            object="files",
            after={
                "apply_to": [*settings.apply_to],
                "sealed": result.n_sealed,
                "unsealed": result.n_unsealed,
                "taken": result.n_taken,
                "left": len(result.left),
            },
        )
    return result


def unseal(source: Path, out: Path, key: KeySource | None = None) -> list[UnsealedFile]:
    """Write a sealed file, or those of a folder, unsealed into a new place: all or nothing.

    Args:
        source: The file or the folder; of that of a version, all files are written.
        out: The new file or folder, outside of every workspace.
        key: Where the key is; by default that of the workspaces around the file, and in use here.
    Raises:
        UsageError: There is no sealed file, or the new place exists.
        RefusedError: The new place is in a workspace, or a folder that is not empty.
        SealedFileError: The key cannot be had, or a file was changed.
        FileAccessError: Something cannot be read or written.
    """
    if not source.is_dir():
        require_new_output(out)
        unfinished = out.with_name(f".{out.name}{UNFINISHED}")
        remove_file(unfinished)  # left by a killed process
        made = _unsealed(source, unfinished, out.name, key)
        try:
            rename(unfinished, out)
        except OSError as error:
            raise access_error(out, "write", error) from error
        return [made]
    require_output(out)
    if is_occupied(out):
        raise UsageError(f"--out {out} is not empty. Name a new folder.")
    names = _names_of_version(source) or _marked_names(source)
    if not names:
        raise UsageError(f"{shown_path(source)} has no file whose name ends in {SEALED_SUFFIX}.")
    found: list[UnsealedFile] = []

    def fill(folder: Path) -> None:
        for name in names:
            plain = name.removesuffix(SEALED_SUFFIX)
            make_folder((folder / plain).parent)
            found.append(_unsealed(source / name, folder / plain, plain, key, may_be_plain=plain == name))

    write_folder(out, fill)
    return found


class _Sealing:
    """Brings one file after another to where the settings want it."""

    def __init__(self, sealer: FileSealer | None, former: bytes | None) -> None:
        self._sealer, self._former = sealer, former
        self._counts = dict.fromkeys(("n_sealed", "n_unsealed", "n_taken", "n_as_they_were", "n_bytes"), 0)
        self._left: list[str] = []

    def result(self) -> SealingResult:
        return SealingResult(**self._counts, left=tuple(self._left))

    def bring(
        self,
        path: Path,
        *,
        is_wanted: bool,
        has_mark: bool,
        write: Callable[[Path, bytes], object] = write_file,
    ) -> None:
        """Bring a file.

        Args:
            path: The file.
            is_wanted: Whether the settings want it sealed.
            has_mark: Whether its name says if it is sealed.
            write: Writes a content in its place.
        """
        begins(f"looking at {path.name}")
        try:
            derivation = derivation_of(path)
            plain = path.with_name(path.name.removesuffix(SEALED_SUFFIX)) if has_mark else path
            if derivation is None and is_wanted and self._sealer is not None:
                content = read_file(path)
                target = plain.with_name(plain.name + SEALED_SUFFIX) if has_mark else path
                self._replace(write, path, target, seal(content, self._sealer), "n_sealed")
            elif derivation is not None and not is_wanted:
                content = unsealed_content(path, lambda found: self._sealer_of(path, found)) or b""
                self._replace(write, path, plain, content, "n_unsealed")
            elif derivation is not None and self._sealer is not None and derivation != self._sealer.derivation:
                out = io.BytesIO()
                with_another_key(path, out, self._sealer_of(path, derivation), self._sealer)
                self._replace(write, path, path, out.getvalue(), "n_taken")
            else:
                self._counts["n_as_they_were"] += 1
        except FileNotFoundError:  # replaced or removed meanwhile
            return
        except OSError as error:
            self._left.append(f"{path}: {error.strerror or error}")
        except SealedFileError as error:
            self._left.append(str(error))

    def _sealer_of(self, path: Path, derivation: KeyDerivation) -> FileSealer:
        if self._sealer is not None and self._sealer.derivation == derivation:
            return self._sealer
        if self._former is not None:
            try:
                return sealer_of(self._former, derivation)
            except AnotherSealKeyError:
                pass
            except ValueError as error:
                raise SealedFileError(f"{path} is sealed, and {error}.") from None
        return sealer_for(path)(derivation)

    def _replace(
        self, write: Callable[[Path, bytes], object], path: Path, target: Path, content: bytes, count: str
    ) -> None:
        write(target, content)
        if target != path:
            remove_file(path)
        self._counts[count] += 1
        self._counts["n_bytes"] += len(content)


def _files_of_data(workspace: Workspace) -> Iterator[tuple[Path, bool]]:
    """Yield the files that `datasets` names, and whether the name of each says that it is sealed."""
    for lineage in sorted(workspace.reports_dir.glob(f"*/datasets/[!.]*/{LINEAGE_FILE}")):
        yield from ((path, True) for path in sorted(lineage.parent.iterdir()) if _has_rows(path))
    for name in COLLECTED_FILES:
        yield from ((path, False) for path in sorted(workspace.datasets_dir.glob(f"retraining/*/{name}")))


def _files_of_versions(store: ArtifactStore) -> Iterator[Path]:
    """Yield the files of versions but for their manifests."""
    for model, version in store.published():
        folder = store.folder(model, version)
        with suppress(FileNotFoundError):  # pruned meanwhile
            files = [name for name, entry in walk(folder) if entry.is_file(follow_symlinks=False)]
            yield from (folder / name for name in files if name != MANIFEST_NAME)


def _has_rows(path: Path) -> bool:
    """Whether a file of a data set holds rows; its lineage and its notice do not."""
    return path.name.removesuffix(SEALED_SUFFIX) != path.name or path.suffix in (".parquet", ".csv", ".jsonl")


def _names_of_version(folder: Path) -> list[str]:
    """Return the names of a version's files if one of them is sealed, which no name tells; none of other folders."""
    try:
        if not (folder / MANIFEST_NAME).is_file():
            return []
        names = [name for name, entry in walk(folder) if entry.is_file(follow_symlinks=False)]
        return names if any(is_sealed(folder / name) for name in names) else []
    except OSError as error:
        raise access_error(folder, "read", error) from error


def _marked_names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_file() and path.name.endswith(SEALED_SUFFIX))
    except OSError as error:
        raise access_error(folder, "read", error) from error


def _unsealed(
    source: Path, target: Path, name: str, key: KeySource | None, *, may_be_plain: bool = False
) -> UnsealedFile:
    begins(f"unsealing {source.name}")
    try:
        if not may_be_plain and derivation_of(source) is None:
            raise UsageError(f"{shown_path(source)} is not sealed.")
        with open_unsealed(source, sealer_for(source, key)) as content:
            sha256, n_bytes = write_new(target, content)
    except OSError as error:
        raise access_error(source, "read", error) from error
    return UnsealedFile(file=name, sha256=sha256, n_bytes=n_bytes)
