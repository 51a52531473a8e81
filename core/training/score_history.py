"""The scores of a session's earlier epochs, in segments beside its checkpoints, so that no checkpoint repeats them.

A segment holds 1,000 epochs and the SHA-256 of the segment before it. A checkpoint names the SHA-256 of the last one,
which covers them all. Segments never change: an epoch that is repeated after a crash writes the same bytes.
"""

from pathlib import Path

import msgspec

from core.files import digest, write_file
from core.json_documents import decode_json
from core.plain_files import read_file
from core.training.errors import CheckpointDamagedError
from core.training.scores import EpochScore, EpochScores

SEGMENT_EPOCHS = 1_000


class _Segment(msgspec.Struct, frozen=True, kw_only=True):
    previous: str  # the SHA-256 of the segment before it; empty for the first
    scores: tuple[tuple[float | None, float], ...]  # score and quality score


class ScoreHistory:
    """The segments of one session."""

    def __init__(self, folder: Path) -> None:
        """Open the segments; nothing is read or written yet.

        Args:
            folder: Where they are.
        """
        self._folder = folder
        self._last = 0, ""  # the epochs in segments that are known to be there, and the SHA-256 of the last segment

    def write(self, history: EpochScores) -> tuple[int, str]:
        """Put every full segment of a history on the disk.

        Args:
            history: All epochs so far.
        Returns:
            The number of epochs in segments, and the SHA-256 of the last segment.
        """
        n, last = self._last
        if n > len(history):  # an earlier checkpoint is continued
            n, last = 0, ""
        while n + SEGMENT_EPOCHS <= len(history):
            scores = tuple((entry.score, entry.quality_score) for entry in history[n : n + SEGMENT_EPOCHS])
            last = write_file(self._file(n), msgspec.json.encode(_Segment(previous=last, scores=scores)) + b"\n")
            n += SEGMENT_EPOCHS
        self._last = n, last
        return n, last

    def read(self, n: int, last: str) -> EpochScores:
        """Return the epochs of the segments that a checkpoint names.

        Args:
            n: The number of epochs.
            last: The SHA-256 of the last segment.
        Raises:
            CheckpointDamagedError: A segment is missing, or differs from what was written.
        """
        expected, segments = last, []
        for start in range(n - SEGMENT_EPOCHS, -1, -SEGMENT_EPOCHS):
            segment = self._segment(start, expected)
            segments.append(EpochScores(EpochScore(*entry) for entry in segment.scores))
            expected = segment.previous
        self._last = n, last
        return EpochScores.joined(reversed(segments))

    def _segment(self, start: int, expected: str) -> _Segment:
        file = self._file(start)
        try:
            content = read_file(file)
            if digest(content) != expected:
                raise CheckpointDamagedError(f"{file}: its hash differs from the recorded hash.")
            return decode_json(content, _Segment)
        except (OSError, msgspec.DecodeError) as error:
            raise CheckpointDamagedError(f"{file} cannot be read: {error}") from None

    def _file(self, start: int) -> Path:
        return self._folder / f"scores_{start + 1:06d}.json"
