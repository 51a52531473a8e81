"""Profiles that were made later, for versions whose artifact holds none: a file beside the artifacts, and its record.

An artifact is hashed and never changes, so such a profile lies in `artifacts/MODEL/profiles/VERSION-SHA256.json`. The
file is durable before its record is, and the record has its hash: a process that is killed leaves the profile that was
there before. A file goes with its version alone: the registry may be restored to an earlier state, whose records name
the profiles of that time. What a profile holds is the business of `core.monitoring`; here it is bytes.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from core.actor import Actor
from core.clock import Clock
from core.files import UNFINISHED, FileAccessError, digest, remove_file, write_file
from core.governance.audit import require_access
from core.governance.record import Evidence
from core.plain_files import NotPlainError
from core.registry.artifacts import ArtifactStore
from core.registry.changes import registry_change
from core.registry.documents import MADE_PROFILE_FOLDER, MadeProfile, ModelVersion
from core.registry.errors import ChangedFileError, ReasonNeededError
from core.registry.records import Records
from core.sealed_files import seal
from core.settings.encryption import SealedKind
from core.settings.sealing import read_content, sealer_to_write
from core.state import Workspace
from core.state.errors import StateError
from core.text_limits import require_reason

OWN_NAME = "profile.json"  # the file of an artifact that was registered with a profile
MAKE = "version.make_profile"
CURE_OF_FOLDER = "make it a folder of its own that this account can read: move away what is in its place"

log = logging.getLogger(__name__)

_FILE = re.compile(r"(.+)-[0-9a-f]{64}\.json")


class ProfileFile(NamedTuple):
    """The bytes of the profile of a version.

    Attributes:
        content: The bytes.
        path: Where they lie, below `artifacts/`.
        sha256: Their hash, as recorded.
        made: The record of a profile that was made later; None of a profile in the artifact.
    """

    content: bytes
    path: str
    sha256: str
    made: MadeProfile | None


class ProfileProblem(NamedTuple):
    """A file below `profiles/` that is not as recorded, or a `profiles/` that cannot be listed."""

    file: Path
    version: str  # the version that it is about, as its name says; empty if it does not, and of a `profiles/`
    problem: str
    is_orphan: bool = False  # it is of no version, or unfinished: the next sweep removes it
    is_unrecorded: bool = False  # no profile of its version is recorded


class DamagedProfileError(ChangedFileError):
    """The file of a profile that was made is not what was recorded."""


class MadeProfiles:
    """The profiles that were made for the versions of one workspace."""

    def __init__(self, workspace: Workspace, records: Records, store: ArtifactStore, clock: Clock) -> None:
        self._workspace = workspace
        self._records = records
        self._store = store
        self._documents = records.made_profiles
        self._clock = clock

    def find(self, key: str) -> MadeProfile | None:
        """Return the record of a version, if a profile was made for it."""
        return self._documents.find(key)

    def file(self, key: str) -> ProfileFile | None:
        """Return the profile that was made for a version, compared with its hash; None if there is none.

        Raises:
            DamagedProfileError: The file is missing, or is not what was recorded.
        """
        made = self.find(key)
        while made is not None:
            try:
                return ProfileFile(self._content(made), made.path, made.sha256, made)
            except DamagedProfileError:
                if (now := self.find(key)) == made:
                    raise
                made = now  # its version was pruned, or a damaged file replaced, between the two looks
        return None

    def keep(
        self,
        version: ModelVersion,
        content: bytes,
        *,
        data_sha256: str,
        n_rows: int,
        is_held_out: bool,
        notes: Sequence[str],
        actor: Actor,
        reason: str,
        is_unchecked: bool,
        counts: str,
        na: tuple[str, ...],
        read: tuple[str, ...],
    ) -> MadeProfile:
        """Keep the profile of a version, in place of the one that was made before; see `Registry.make_profile`."""
        require_reason(reason)
        require_access(
            self._workspace,
            actor,
            MAKE,
            object=version.key,
            model=version.model,
            stage=version.stage,
            clock=self._clock,
        )
        wanted = MadeProfile(
            key=version.key,
            model=version.model,
            version=version.version,
            sha256=digest(content),
            n_bytes=len(content),
            made_at=self._clock(),
            made_by=str(actor),
            reason=reason,
            data_sha256=data_sha256,
            n_rows=n_rows,
            is_held_out=is_held_out,
            notes=tuple(notes),
            is_unchecked=is_unchecked,
            na=na,
            read=read,
            learned_counts="" if is_held_out else counts,
        )
        if (same := self._same(wanted)) is not None:
            return same
        self._require_place(wanted)
        sealer = sealer_to_write(self._workspace.root, SealedKind.ARTIFACTS)
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            stage = self._records.version(version.model, version.version).stage
            before = self.find(version.key)
            if before is not None and is_held_out:  # what the version learned from stays known
                known = {"learned_counts": before.learned_counts, "learned_sha256": before.learned_file}
                wanted = msgspec.structs.replace(wanted, **known)
            if before is None:
                stored = self._documents.insert(wanted)
            elif not reason.strip():
                raise self._wants_reason(before)
            else:
                stored = self._documents.replace(msgspec.structs.replace(wanted, revision=before.revision))
            change.record(
                MAKE,
                version.key,
                before=_figures(before),
                after=_figures(wanted),
                evidence=[Evidence(path=f"artifacts/{wanted.path}", sha256=wanted.sha256)],
                stage=stage,
            )
            sealed = content if sealer is None else seal(content, sealer)
            write_file(self._store.root / wanted.path, sealed)  # durable before the record
        return stored

    def forget(self, keys: Iterable[str]) -> None:
        """Remove the records of versions, inside a transaction; `sweep` removes their files."""
        known = set(self._documents.all_keys())
        self._documents.remove_all([key for key in keys if key in known])

    def sweep(self) -> int:
        """Remove the unfinished files and those of no version, and return their number."""
        for found in self._unlisted(None):
            log.warning("not swept: %s: %s", found.file, found.problem)
        if not any(found.is_orphan for found in self._unrecorded(None)):
            return 0
        n_removed = 0
        with self._records.database.transaction():  # a file is written and recorded in one: none is on its way now
            for found in self._unrecorded(None):
                if not found.is_orphan:
                    continue
                with suppress(FileAccessError):
                    remove_file(found.file)
                    n_removed += 1
        return n_removed

    def problems(self, model: str | None = None) -> list[ProfileProblem]:
        """List the files that are missing or damaged, and those that should be recorded or go, of one model or of all.

        A folder that cannot be listed is a problem, too.
        """
        return self.damaged(model) + self._settled_unrecorded(model) + self._unlisted(model)

    def damaged(self, model: str | None = None) -> list[ProfileProblem]:
        """List the files that are missing or not what was recorded, of one model or of all."""
        problems = []
        for found in self._documents.all():
            if model not in (None, found.model):
                continue
            try:
                self._content(found)
            except DamagedProfileError as error:
                if self.find(found.key) == found:
                    place = self._store.root / found.path
                    problems.append(ProfileProblem(place, found.version, str(error)))
        return problems

    def _settled_unrecorded(self, model: str | None) -> list[ProfileProblem]:
        """List the files without a record; a file that is just being recorded is none, where the lock can tell."""
        found = self._unrecorded(model)
        with suppress(StateError, FileAccessError):  # such as that of a disk that is read-only
            if found:
                with self._records.database.transaction():  # it waits for a writer that is about to record one of them
                    found = [each for each in self._unrecorded(model) if each in found]
        return found

    def _unrecorded(self, model: str | None) -> list[ProfileProblem]:
        """List the files of versions without a recorded profile, those of no version, and those that are unfinished.

        The files that a profile of a version has replaced are none of them.
        """
        problems, versions = [], set(self._records.versions.all_keys())
        for path in self._files(model):
            match = _FILE.fullmatch(path.name)
            if match is None and not path.name.endswith(UNFINISHED):
                continue
            of, problem = match[1] if match else "", f"no record names {path.relative_to(self._store.root).as_posix()}"
            if (key := f"{path.parent.parent.name}/{of}") not in versions:
                problems.append(ProfileProblem(path, of, problem, is_orphan=True))
            elif self.find(key) is None:
                problems.append(ProfileProblem(path, of, problem, is_unrecorded=True))
        return problems

    def _unlisted(self, model: str | None) -> list[ProfileProblem]:
        """List the folders of profiles that cannot be listed."""
        found = [(folder, _listed(folder)[1]) for folder in self._folders(model)]
        return [ProfileProblem(folder, "", problem) for folder, problem in found if problem]

    def _wants_reason(self, before: MadeProfile) -> ReasonNeededError:
        made = f"a profile that {before.made_by} made on {before.made_at:%Y-%m-%d %H:%M} UTC"
        place = f"{before.model} {before.version}"
        try:
            self._content(before)
        except DamagedProfileError as error:
            return ReasonNeededError(f"{place} had {made}: {error}", to_do="make it again")
        return ReasonNeededError(f"{place} has {made}", to_do="replace it")

    def _require_place(self, wanted: MadeProfile) -> None:
        place = self._store.root / wanted.path
        if problem := _listed(place.parent)[1]:
            raise FileAccessError(place.parent, "write", f"{problem}; {CURE_OF_FOLDER}")
        if place.is_dir() and not place.is_symlink():
            raise FileAccessError(place, "write", "it is a folder; move it away and try again")

    def _same(self, wanted: MadeProfile) -> MadeProfile | None:
        """Return the record if this very profile is kept already, from the same data."""
        found = self.find(wanted.key)
        if found is None:
            return None
        of_data = (found.sha256, found.data_sha256, found.is_held_out)
        if of_data != (wanted.sha256, wanted.data_sha256, wanted.is_held_out):
            return None
        try:
            self._content(found)
        except DamagedProfileError:
            return None
        return found

    def _content(self, made: MadeProfile) -> bytes:
        place = self._store.root / made.path
        try:
            content = read_content(place, most=made.n_bytes)
        except FileNotFoundError:
            raise DamagedProfileError(f"{made.path} is missing") from None
        except NotPlainError as error:
            raise DamagedProfileError(f"{made.path} cannot be read ({error.strerror}): move it away first") from error
        except OSError as error:
            raise DamagedProfileError(f"{made.path} cannot be read ({error.strerror or error})") from error
        if digest(content) != made.sha256:
            raise DamagedProfileError(f"{made.path} was changed")
        return content

    def _files(self, model: str | None) -> Iterator[Path]:
        for folder in self._folders(model):
            yield from _listed(folder)[0]

    def _folders(self, model: str | None) -> Iterator[Path]:
        names = [model] if model is not None else sorted(found.model for found in self._records.models.all())
        for name in names:
            yield self._store.root / name / MADE_PROFILE_FOLDER


def _listed(folder: Path) -> tuple[list[Path], str]:
    """Return the entries of a folder that are no folders, or why it cannot be listed; a missing folder holds none."""
    try:
        for place in (folder.parent, folder):
            if place.is_symlink():
                return [], f"{'it' if place == folder else place} is a link, which is not followed"
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False)), ""
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"it cannot be listed ({error.strerror or error})"


def _figures(made: MadeProfile | None) -> dict[str, object] | None:
    """Return what the audit log says of a profile."""
    if made is None:
        return None
    figures = {"sha256": made.sha256, "data_sha256": made.data_sha256, "n_rows": made.n_rows}
    said = {"unchecked": made.is_unchecked, "na": made.na, "read": made.read}
    return {**figures, "held_out": made.is_held_out, **{name: value for name, value in said.items() if value}}
