"""The scores of a session's epochs in 16 bytes each, with what every epoch asks about all of them carried along."""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class EpochScore:
    """What convergence looks at in one epoch.

    Attributes:
        score: Mean attainment of the models on the validation panel; None for a skipped epoch.
        quality_score: The quality of the data drawn in this epoch, 0 to 1.
    """

    score: float | None
    quality_score: float


@dataclass(frozen=True, slots=True)
class _Improvement:
    """The last score that beat the best score before it by a threshold, and the epochs since."""

    threshold: float
    best: float | None = None
    since: int = 0
    gain: float | None = None  # of the newest score over that score

    def then(self, score: float | None) -> "_Improvement":
        gain = None if score is None or self.best is None else score - self.best
        if score is not None and (self.best is None or score >= self.best + self.threshold):
            return _Improvement(self.threshold, score, 0, gain)
        return _Improvement(self.threshold, self.best, self.since + 1, gain)


class EpochScores(Sequence[EpochScore]):
    """The epochs of a session so far, oldest first; it never changes.

    `then` shares the numbers of the earlier epochs, so an epoch costs the same after ten epochs and after a million.
    """

    __slots__ = ("_improvement", "_n", "_quality", "_scores", "best_epoch", "n_skipped")

    def __init__(self, epochs: Iterable[EpochScore] = ()) -> None:
        """Put epochs together.

        Args:
            epochs: Oldest first.
        """
        self._scores, self._quality = array("d"), array("d")
        for epoch in epochs:
            self._scores.append(math.nan if epoch.score is None else epoch.score)
            self._quality.append(epoch.quality_score)
        self._count()

    @classmethod
    def joined(cls, parts: Iterable["EpochScores"]) -> "EpochScores":
        """Return the epochs of several parts as one."""
        whole = cls()
        for part in parts:
            whole._scores += part._scores[: part._n]
            whole._quality += part._quality[: part._n]
        whole._count()
        return whole

    def _count(self) -> None:
        self._n = len(self._scores)
        self._improvement: _Improvement | None = None
        self.best_epoch: int | None = None
        """The number, from 1, of the first epoch with the highest score; None if no epoch has a score."""
        self.n_skipped = 0
        """How many epochs were skipped."""
        for number, score in enumerate(self._scores, start=1):
            self._take(number, None if math.isnan(score) else score)

    def _take(self, number: int, score: float | None) -> None:
        if score is None:
            self.n_skipped += 1
        elif self.best_epoch is None or score > self._scores[self.best_epoch - 1]:
            self.best_epoch = number

    def then(self, epoch: EpochScore) -> "EpochScores":
        """Return these epochs and one more."""
        after = object.__new__(EpochScores)
        is_newest = self._n == len(self._scores)  # else another epoch followed on this one before
        after._scores = self._scores if is_newest else self._scores[: self._n]
        after._quality = self._quality if is_newest else self._quality[: self._n]
        after._scores.append(math.nan if epoch.score is None else epoch.score)
        after._quality.append(epoch.quality_score)
        after._n = self._n + 1
        after.best_epoch, after.n_skipped = self.best_epoch, self.n_skipped
        after._take(after._n, epoch.score)
        after._improvement = self._improvement and self._improvement.then(epoch.score)
        return after

    def without_improvement(self, threshold: float) -> int:
        """Count the epochs since a score last beat the previous best by at least `threshold`.

        A skipped epoch counts as an epoch without improvement: a session whose data keeps failing its gates
        must end, too.

        >>> EpochScores([EpochScore(0.8, 1), EpochScore(0.9, 1), EpochScore(0.9004, 1)]).without_improvement(0.001)
        1
        """
        return self._improved(threshold).since

    def newest_gain(self, threshold: float) -> float | None:
        """Return by how much the newest score beat the last improvement of `threshold`; None if there is none.

        >>> round(EpochScores([EpochScore(0.8, 1), EpochScore(0.7, 1)]).newest_gain(0.001), 4)
        -0.1
        """
        return self._improved(threshold).gain

    def _improved(self, threshold: float) -> _Improvement:
        if self._improvement is None or self._improvement.threshold != threshold:
            found = _Improvement(threshold)
            for score in self._scores[: self._n]:
                found = found.then(None if math.isnan(score) else score)
            self._improvement = found
        return self._improvement

    def recent_quality(self, n_epochs: int) -> Sequence[float]:
        """Return the quality scores of the newest epochs."""
        return self._quality[max(0, self._n - n_epochs) : self._n]

    @override
    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, index: int) -> EpochScore: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[EpochScore, ...]: ...
    @override
    def __getitem__(self, index: int | slice) -> EpochScore | tuple[EpochScore, ...]:
        if isinstance(index, slice):
            return tuple(map(self._at, range(*index.indices(self._n))))
        return self._at(range(self._n)[index])

    def _at(self, index: int) -> EpochScore:
        score = self._scores[index]
        return EpochScore(None if math.isnan(score) else score, self._quality[index])

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == self._n and all(map(EpochScore.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]


def merit(figures: Mapping[str, float], prefix: str) -> float:
    """Reduce metrics to one number, 0 to about 1.

    Args:
        figures: Metrics by name.
        prefix: The part before the point in the names to use: a model, or a panel.
    Returns:
        The attainment; where the optimum is unknown, 1 / (1 + loss), which at least ranks in the same order.

    >>> merit({"spread.attainment": 0.9, "spread.loss": 3.0}, "spread"), merit({"own.loss": 3.0}, "own")
    (0.9, 0.25)
    """
    attainment = figures.get(f"{prefix}.attainment")
    return attainment if attainment is not None else 1.0 / (1.0 + max(figures.get(f"{prefix}.loss", math.inf), 0.0))
