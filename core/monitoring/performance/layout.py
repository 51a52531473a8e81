"""What is added up of labelled answers, by kind of answer: one vector of sums, which any two groups of rows may add.

A vector has scalars, and blocks: counts by class, by tenth of the probability, by bin of the score. Its last numbers
are greatest values, which are combined by the maximum.
"""

from enum import StrEnum
from functools import cached_property

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.losses import AnswerForm, AnswerKind
from core.monitoring.data_profile import DataProfile
from core.monitoring.number_sketch import tenth_ranks

N_TENTHS = 10
MOST_RANKED_CLASSES = 12  # more have no AUC
N_CLASS_BINS = 64
_UNIFORM = 100
_TAILS = (1e-5, 1e-4, 1e-3, 0.003, 0.01)


class MeasuredTask(StrEnum):
    """What a version answers, as its performance is measured."""

    NUMBER = "number"
    EVENT = "event"  # the probability of the second of two classes
    CLASSES = "classes"  # the probabilities of three classes or more
    CLASS = "class"  # the name of a class alone
    REPORTED = "reported"  # only losses that the caller computed


SCALARS = {
    # e: answer less outcome; d: outcome less the centre
    MeasuredTask.NUMBER: ("n", "e", "abs", "e2", "e4", "d", "d2", "d3", "d4", "e2d", "e2d2"),
    # b: Brier score; e: probability less event
    MeasuredTask.EVENT: ("n", "y", "tp", "fp", "fn", "log", "log2", "b", "b2", "e"),
    # s: what the true class lacks of 1
    MeasuredTask.CLASSES: ("n", "correct", "log", "log2", "b", "b2", "s2", "s4"),
    MeasuredTask.CLASS: ("n", "correct"),
    MeasuredTask.REPORTED: (),
}
REPORTED = ("reported_n", "reported", "reported2")  # of every task
GREATEST = ("max_e", "max_reported")
SCORES = {
    MeasuredTask.NUMBER: ("e", "abs", "e2"),
    MeasuredTask.EVENT: ("correct", "log", "b", "e"),
    MeasuredTask.CLASSES: ("correct", "log", "b", "s2"),
    MeasuredTask.CLASS: ("correct",),
    MeasuredTask.REPORTED: (),
}
"""What is also added up by caller, from which it follows how alike the rows of one caller are."""


class Layout(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The places in the vector of sums of one version.

    Attributes:
        task: What it answers.
        classes: The names of its classes.
        edges: The inner edges of the bins of its scores.
        tenths: The inner edges of the tenths of its probabilities.
        centre: What outcomes are counted from, so that their sums of powers stay exact.
    """

    task: MeasuredTask
    classes: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    tenths: tuple[float, ...] = ()
    centre: float = 0.0

    @classmethod
    def of(cls, form: AnswerForm, profile: DataProfile | None, centre: float) -> "Layout":
        """Lay out the sums of a version.

        Args:
            form: What it answers.
            profile: Its profile, whose quantiles of the answers become bins.
            centre: An outcome, for a version whose profile does not know the mean of the outcomes.
        """
        if form.kind is AnswerKind.SCORE:
            return cls(task=MeasuredTask.REPORTED)
        if form.kind is AnswerKind.CLASS:
            return cls(task=MeasuredTask.CLASS, classes=form.classes)
        if form.kind is not AnswerKind.PROBABILITIES:
            known = profile.target.mean if profile is not None and profile.target is not None else None
            return cls(task=MeasuredTask.NUMBER, centre=centre if known is None else known)
        if len(form.classes) > 2:
            uniform = tuple(np.linspace(0.0, 1.0, N_TENTHS + 1)[1:-1].tolist())
            edges = tuple(np.linspace(0.0, 1.0, N_CLASS_BINS + 1)[1:-1].tolist())
            return cls(task=MeasuredTask.CLASSES, classes=form.classes, edges=edges, tenths=uniform)
        classes = form.classes or ("0", "1")
        return cls(task=MeasuredTask.EVENT, classes=classes, edges=_edges(profile), tenths=_tenths(profile))

    def has_bins_of(self, profile: DataProfile) -> bool:
        """Whether the sums are in the bins that the profile would give them today."""
        if self.task is not MeasuredTask.EVENT:
            return True
        return (self.edges, self.tenths) == (_edges(profile), _tenths(profile))

    @property
    def n_bins(self) -> int:
        """The bins of a score."""
        return len(self.edges) + 1

    @property
    def n_ranked(self) -> int:
        """The scores that are ranked: one of an event, one a class."""
        if self.task is MeasuredTask.EVENT:
            return 1
        is_ranked = self.task is MeasuredTask.CLASSES and len(self.classes) <= MOST_RANKED_CLASSES
        return len(self.classes) if is_ranked else 0

    @cached_property
    def places(self) -> dict[str, slice]:
        """The place of each scalar and block."""
        sizes = dict.fromkeys((*SCALARS[self.task], *REPORTED), 1)
        if self.task in (MeasuredTask.CLASSES, MeasuredTask.CLASS):
            sizes["by_class"] = 3 * len(self.classes)  # hits, answers, outcomes
        if self.task in (MeasuredTask.EVENT, MeasuredTask.CLASSES):
            sizes["by_tenth"] = 3 * N_TENTHS  # rows, sum of the probabilities, events
        if self.n_ranked:
            sizes["by_bin"] = 2 * self.n_bins * self.n_ranked  # others, events
        sizes |= dict.fromkeys(GREATEST, 1)
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}

    @property
    def n_sums(self) -> int:
        """The length of a vector."""
        return int(self.places["max_reported"].stop)

    @property
    def n_added(self) -> int:
        """How many of its numbers are added; the rest are greatest values."""
        return self.n_sums - len(GREATEST)

    def scalar(self, sums: FloatArray, name: str) -> float:
        """Return one number of a vector."""
        return float(sums[self.places[name].start])

    def n_outcomes(self, sums: FloatArray) -> int:
        """Return the outcomes in a vector, those of which only a loss is reported included."""
        n = self.scalar(sums, "n") if "n" in self.places else 0.0
        return int(n + self.scalar(sums, "reported_n"))

    def block(self, sums: FloatArray, name: str, *shape: int) -> FloatArray:
        """Return one block of a vector."""
        return sums[self.places[name]].reshape(shape)

    def combine(self, into: FloatArray, other: FloatArray) -> None:
        """Add vectors, of shape (..., n_sums), to others."""
        into[..., : self.n_added] += other[..., : self.n_added]
        np.maximum(into[..., self.n_added :], other[..., self.n_added :], out=into[..., self.n_added :])


def _edges(profile: DataProfile | None) -> tuple[float, ...]:
    """Return bins of about a hundredth of the answers each, and even ones where held-out answers were few."""
    tails = [*_TAILS, *(1.0 - tail for tail in _TAILS)]
    found = {*tails, *np.linspace(0.0, 1.0, _UNIFORM + 1)[1:-1].tolist()}
    if profile is not None and profile.prediction is not None:
        found |= {point for point in profile.prediction.points if 0.0 < point < 1.0}
    return tuple(sorted(found))


def _tenths(profile: DataProfile | None) -> tuple[float, ...]:
    """Return the edges of the tenths of the held-out answers, as the profile's calibration has them."""
    if profile is None or profile.prediction is None or not profile.prediction.points:
        return tuple(np.linspace(0.0, 1.0, N_TENTHS + 1)[1:-1].tolist())
    sketch = profile.prediction.sketch()
    return tuple(sketch.value(tenth_ranks(sketch.n)).tolist())
