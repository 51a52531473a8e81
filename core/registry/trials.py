"""Trials of versions: each is parsed in a child process before any other process loads it.

A version that killed its loader is quarantined until an operator releases it: the verdict is kept, so that no restart
loads it again. A version that loads is remembered by the hash of its files, and tried once instead of at each start.
"""

import contextlib
import functools
import logging
import os
import platform
import stat
from datetime import datetime
from pathlib import Path

import msgspec

from core.actor import Actor
from core.clock import Clock
from core.errors import CoreError, RefusedError
from core.files import write_file
from core.installed_packages import DISTRIBUTION, installed_packages, installed_version
from core.plain_files import read_file
from core.progress import begins
from core.registry.changes import registry_change
from core.registry.contents import ANSWERED, MODEL_NAME, NO_MODEL, NOT_CHECKED, WROTE, is_own_header, onnx_files
from core.registry.documents import ModelVersion
from core.registry.errors import ArtifactRefusedError
from core.registry.free_memory import SHORT_MIB, free_mib
from core.registry.records import DATABASE
from core.registry.trial_child import TrialFailedError, TrialOutcome, end_trials, try_folder
from core.settings import ServingSettings, settings_in_force
from core.state import Workspace

log = logging.getLogger(__name__)

TABLE = "quarantine"
TRIED_NAME = ".tried"
_THEN_ROWS = b"\nrows "  # in a mark, between the software and the number of rows that the version answered
_TRIALS = 2  # that must be fatal before a version is quarantined
_LOADED_SIZE = 4  # a loaded model takes about as many times the size of its files, at most


class Quarantine(msgspec.Struct, frozen=True, kw_only=True):
    """A version that killed its loader, until an operator releases it."""

    key: str
    model: str
    version: str
    problem: str
    at: datetime
    revision: int = 0


class QuarantinedError(RefusedError):
    """The version killed its loader; no process loads it."""

    def __init__(self, quarantine: Quarantine) -> None:
        model, version = quarantine.model, quarantine.version
        super().__init__(
            f"{model} {version} is quarantined: {quarantine.problem}. Use another version; "
            f"`bondx registry release {model} {version}` lets it be tried again."
        )


class Trials:
    """The trials and the quarantine of one workspace."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        self._workspace = workspace
        self._clock = clock
        self._quarantine = workspace.database(DATABASE).documents(TABLE, Quarantine, "key")

    def quarantined(self, version: ModelVersion) -> Quarantine | None:
        """Return why a version must not be loaded, or None."""
        return self._quarantine.find(version.key)

    def all(self) -> list[Quarantine]:
        """Return every quarantined version."""
        return sorted(self._quarantine.all(), key=lambda quarantine: quarantine.key)

    def known(self, version: ModelVersion) -> TrialOutcome | None:
        """Return the outcome of an earlier trial of these files by this software, or None."""
        if (quarantine := self.quarantined(version)) is not None:
            return TrialOutcome(problem=quarantine.problem, is_fatal=True)
        try:
            mark = self._mark(version.manifest_sha256)
            software, _, n_rows = read_file(mark).partition(_THEN_ROWS)
            is_known = all(map(_is_ours, (mark.parent, mark))) and software == _software() and n_rows.isdigit()
        except OSError:
            return None
        return TrialOutcome(n_rows=int(n_rows)) if is_known else None

    def outcome(self, version: ModelVersion, folder: Path) -> TrialOutcome:
        """Return what an earlier trial found, or try the version now; a version that kills its loader is quarantined.

        Args:
            version: The version.
            folder: Its files, checked against the registered hashes.
        Raises:
            TrialFailedError: No trial can take place, or the machine is too short of memory for one to prove anything.
        """
        if (found := self.known(version)) is not None:
            return found
        if not (folder / MODEL_NAME).is_file():
            return TrialOutcome(problem=NO_MODEL)
        found = self._confirmed(version, folder)
        if found.is_fatal:
            self._put_away(version, found.problem)
        elif not found.problem:
            self._remember(version.manifest_sha256, found.n_rows)
        return found

    def read_once(self, folder: Path, manifest_sha256: str) -> str:
        """Load a model that is about to be registered, in the child, and let it answer rows of its own signature.

        Args:
            folder: Its complete files, copied and hashed.
            manifest_sha256: The hash of their manifest.
        Returns:
            What was done, or why nothing could be; the version is tried again before it goes live in any case.
        Raises:
            ArtifactRefusedError: It cannot be loaded, or does not answer.
        """
        if (folder / MODEL_NAME).exists():
            if not is_own_header(folder / MODEL_NAME):  # XGBoost's models often have this name
                why = f"its {MODEL_NAME} was written by another program, so this program cannot serve it"
                return f"{NOT_CHECKED}: {why}"
        elif not onnx_files(folder):
            return f"{NOT_CHECKED}: {NO_MODEL}"
        limits, found = self._limits(), TrialOutcome()
        try:
            begins("loading the model once, in a process of its own")
            for _ in range(_TRIALS):
                found = try_folder(folder, memory_mib=limits.load_memory_mib, seconds=limits.load_seconds)
                if not found.is_fatal:
                    break
                if (free := free_mib()) < SHORT_MIB:
                    return f"{NOT_CHECKED}: {found.problem}, but the machine has only {free:,} MiB of memory free"
        except TrialFailedError as error:
            return f"{NOT_CHECKED}: {error}"
        if found.problem:
            problem = found.problem.replace(f"{folder}/", "").replace(str(folder), "its folder")
            raise ArtifactRefusedError(f"The model cannot be used: {problem.rstrip('.')}.")
        if found.found in (ANSWERED, WROTE):
            self._remember(manifest_sha256, found.n_rows)
        return found.found

    def _remember(self, manifest_sha256: str, n_rows: int) -> None:
        with contextlib.suppress(CoreError):  # it is tried again then
            write_file(self._mark(manifest_sha256), _software() + _THEN_ROWS + b"%d" % n_rows, durable=False)

    def _confirmed(self, version: ModelVersion, folder: Path) -> TrialOutcome:
        """Try a version, and again each time it is fatal, each time in a child of its own.

        One death proves little: the machine may be short of memory, or a library may stumble. A version that loaded
        before needs one more.
        """
        begins(f"loading {version.key} in a process of its own")
        limits = self._limits()
        n_trials = _TRIALS + 1 if self._has_loaded(version) else _TRIALS
        found = TrialOutcome()
        for number in range(n_trials):
            if number:
                end_trials()
            found = try_folder(folder, memory_mib=limits.load_memory_mib, seconds=limits.load_seconds)
            if not found.is_fatal:
                return found
            if (free := free_mib()) < max(SHORT_MIB, version.n_bytes * _LOADED_SIZE >> 20):
                raise TrialFailedError(
                    f"it failed ({found.problem}), but the machine has only {free:,} MiB of memory free"
                )
            log.warning(
                "%s %s: %s (trial %d of %d)", version.model, version.version, found.problem, number + 1, n_trials
            )
        return msgspec.structs.replace(found, problem=f"{found.problem}, in {n_trials} of {n_trials} trials")

    def _has_loaded(self, version: ModelVersion) -> bool:
        """Whether these files loaded before, with whatever software."""
        mark = self._mark(version.manifest_sha256)
        try:
            return all(map(_is_ours, (mark.parent, mark)))
        except OSError:
            return False

    def release(self, version: ModelVersion, *, actor: Actor, reason: str = "") -> Quarantine:
        """Let a quarantined version be tried again, in a child as before.

        Raises:
            RefusedError: It is not quarantined.
        """
        from core.alerts import Alerts

        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            quarantine = self._quarantine.find(version.key)
            if quarantine is None:
                raise RefusedError(f"{version.model} {version.version} is not quarantined.")
            self._quarantine.remove(version.key)
            before = {"problem": quarantine.problem}
            change.record("version.release", version.key, before=before, stage=version.stage)
        labels = {"model": version.model, "version": version.version}
        Alerts(self._workspace).clear("version_quarantined", labels=labels, now=self._clock(), reason="released")
        return quarantine

    def _put_away(self, version: ModelVersion, problem: str) -> None:
        from core.alerts import Alerts

        log.error("%s %s is quarantined: %s", version.model, version.version, problem)
        quarantine = Quarantine(
            key=version.key, model=version.model, version=version.version, problem=problem, at=self._clock()
        )
        engine = Actor.engine()
        with registry_change(self._workspace, actor=engine, reason=problem, clock=self._clock) as change:
            if self._quarantine.find(version.key) is None:
                self._quarantine.insert(quarantine)
            change.record("version.quarantine", version.key, after={"problem": problem})
        Alerts(self._workspace).fire(
            "version_quarantined",
            labels={"model": version.model, "version": version.version},
            summary=f"{version.model} {version.version}: {problem}",
            now=self._clock(),
        )

    def _mark(self, manifest_sha256: str) -> Path:
        return self._workspace.artifacts_dir / TRIED_NAME / manifest_sha256

    def _limits(self) -> ServingSettings:
        try:
            return settings_in_force(self._workspace.root).serving
        except CoreError:  # a broken settings file must not stop a rollback
            return ServingSettings()


def _is_ours(path: Path) -> bool:
    """Whether only this account can have written a file, or into a folder; nobody else's mark spares a trial."""
    found = path.lstat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022 and not stat.S_ISLNK(found.st_mode)


def _software() -> bytes:
    """Name the software that a verdict depends on beside the files: another release may read them in another way."""
    return _software_of(installed_packages())


@functools.lru_cache(maxsize=1)
def _software_of(_installed: frozenset[str]) -> bytes:
    """Read the versions once while the same packages are installed: reading metadata takes a millisecond each."""
    names = (DISTRIBUTION, "lightgbm", "scikit-learn", "skops", "numpy", "torch")
    versions = (f"{name} {installed_version(name) or 'none'}" for name in names)
    parts = [f"python {platform.python_version()}", *versions]
    return " ".join(parts).encode()
