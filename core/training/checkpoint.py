"""Checkpoints: everything a session needs to continue after its last epoch, hashed, one folder each.

A rename makes each folder appear complete. `checkpoint.json` names the SHA-256 of every file beside it, so its own hash
covers the whole checkpoint; a checkpoint that does not match is skipped in favour of the previous one. The scores of
all but the last epochs are in segments that the checkpoints share (`score_history`).
"""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.confinement import link_on_the_way
from core.files import UNFINISHED, FileAccessError, remove_tree, sha256_of, write_file, write_folder
from core.json_documents import decode_json
from core.plain_files import read_file
from core.training.errors import CheckpointDamagedError
from core.training.records import EpochRecord
from core.training.score_history import ScoreHistory
from core.training.scores import EpochScore, EpochScores
from core.training.wire import Prepared

log = logging.getLogger(__name__)

MANIFEST = "checkpoint.json"
MODELS = "models"
_FOLDER = re.compile(r"epoch_([0-9]+)")


class CheckpointManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `checkpoint.json` holds: the last scores, what leads to the earlier ones, and the hashes of the models."""

    record: EpochRecord
    history: tuple[EpochScore, ...]  # of the epochs that are in no segment
    files: dict[str, str]
    n_in_segments: int = 0
    last_segment_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk whose files match their hashes."""

    folder: Path
    sha256: str
    manifest: CheckpointManifest
    history: EpochScores
    """The scores of all epochs so far."""

    @property
    def epoch(self) -> int:
        """The last epoch it was trained on."""
        return self.manifest.record.epoch

    @property
    def models(self) -> Path:
        """The folder that holds the models' folders."""
        return self.folder / MODELS


def prepared_after(newest: Checkpoint | None, damaged: Sequence[CheckpointDamagedError]) -> Prepared:
    """Say after which epoch a session continues.

    Args:
        newest: Its newest sound checkpoint; None: it begins.
        damaged: What was wrong with newer ones.
    """
    told = tuple(map(str, damaged))
    if newest is None:
        return Prepared(history=(), record=None, checkpoint=None, checkpoint_sha256=None, damaged=told)
    manifest = newest.manifest
    return Prepared(
        history=manifest.history,
        n_in_segments=manifest.n_in_segments,
        last_segment_sha256=manifest.last_segment_sha256,
        record=manifest.record,
        checkpoint=str(newest.folder),
        checkpoint_sha256=newest.sha256,
        damaged=told,
    )


class Checkpoints:
    """The checkpoints of one session."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._scores = ScoreHistory(folder / "scores")

    def write(self, record: EpochRecord, history: EpochScores, save: Callable[[Path], None]) -> Checkpoint:
        """Save the state after an epoch.

        Args:
            record: What the epoch measured.
            history: The scores of all epochs so far, this one included.
            save: Writes the models into the folder it is given.
        """

        def fill(unfinished: Path) -> None:
            save(unfinished / MODELS)
            manifest = CheckpointManifest(
                record=record,
                history=history[n_in_segments:],
                files=_hashes(unfinished),
                n_in_segments=n_in_segments,
                last_segment_sha256=last,
            )
            write_file(unfinished / MANIFEST, to_json(manifest), durable=False)

        n_in_segments, last = self._scores.write(history)  # before the checkpoint that names them
        folder = self._folder_of(record.epoch)
        write_folder(folder, fill)
        return Checkpoint(folder, *_read(folder), history)

    def newest(self) -> tuple[Checkpoint | None, tuple[CheckpointDamagedError, ...]]:
        """Return the newest intact checkpoint, and what was wrong with any newer one."""
        damaged: list[CheckpointDamagedError] = []
        for epoch in sorted(self.epochs(), reverse=True):
            try:
                return self.read(epoch), tuple(damaged)
            except CheckpointDamagedError as error:
                damaged.append(error)
        return None, tuple(damaged)

    def read(self, epoch: int) -> Checkpoint:
        """Return a checkpoint after comparing every file with its hash.

        Raises:
            CheckpointDamagedError: It is missing, or differs from what was written.
        """
        folder = self._folder_of(epoch)
        sha256, manifest = _read(folder)
        checkpoint = Checkpoint(folder, sha256, manifest, self.history_of(manifest))
        for name, expected in checkpoint.manifest.files.items():
            file = checkpoint.folder / name
            if not file.is_file():
                raise CheckpointDamagedError(f"{checkpoint.folder}: {name} is missing.")
            if sha256_of(file) != expected:
                raise CheckpointDamagedError(f"{checkpoint.folder}: the hash of {name} differs from the recorded hash.")
        return checkpoint

    def history_of(self, end: CheckpointManifest | Prepared) -> EpochScores:
        """Return the scores of all epochs up to a checkpoint.

        Raises:
            CheckpointDamagedError: A segment is missing, or differs from what was written.
        """
        earlier = self._scores.read(end.n_in_segments, end.last_segment_sha256)
        return EpochScores.joined((earlier, EpochScores(end.history)))

    def epochs(self) -> list[int]:
        """Return the epochs that have a checkpoint, intact or damaged."""
        if not self.folder.is_dir():
            return []
        return sorted(int(match[1]) for entry in self.folder.iterdir() if (match := _FOLDER.fullmatch(entry.name)))

    def keep_only(self, epochs: Collection[int]) -> None:
        """Remove every other checkpoint, and what a killed writer left behind."""
        if link := link_on_the_way(self.folder, root=self.folder.parents[2]):
            log.warning("no checkpoint removed: %s is reached through the link %s", self.folder, link)
            return
        others = [self._folder_of(epoch) for epoch in set(self.epochs()) - set(epochs)]
        for folder in (*others, *self.folder.glob(f"*{UNFINISHED}")):
            with suppress(FileAccessError):
                remove_tree(folder, root=self.folder.parents[2])

    def _folder_of(self, epoch: int) -> Path:
        return self.folder / f"epoch_{epoch:04d}"


def to_json(document: msgspec.Struct) -> bytes:
    """Format a record as all our files are: sorted keys, an indent of two spaces, a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=2) + b"\n"


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in files}


def _read(folder: Path) -> tuple[str, CheckpointManifest]:
    file = folder / MANIFEST
    try:
        return sha256_of(file), decode_json(read_file(file), CheckpointManifest)
    except (OSError, msgspec.DecodeError) as error:
        raise CheckpointDamagedError(f"{file} cannot be read: {error}") from None
