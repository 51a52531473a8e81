"""Conformal intervals of answers, from rows that a version did not learn from.

The residuals of held-out rows say how far outcomes fall from answers. An interval of level 90 % is the answer plus and
minus the quantile of these residuals that covers a new row in at least 90 % of cases, whatever the model and the law of
the data, if the new row is of a group like the groups that were held out.

*By group*: rows of one group (an issuer) are alike, so the groups count, not the rows: each group has weight 1/(K + 1),
shared by its rows, and the rest of the weight lies at infinity.
*Normalised*: residuals are divided by a scale that follows the answer, fitted on half of the groups, so that wide
answers get wide intervals; the other half calibrates.
For classes the outcome's lack of probability takes the place of the residual, and the interval is a set of classes.

Sources:
    Vovk, Gammerman and Shafer, Algorithmic learning in a random world (2005); Lei, G'Sell, Rinaldo, Tibshirani and
    Wasserman, Distribution-free predictive inference for regression, JASA 113 (2018): split and normalised.
    Lee, Barber and Willett, Distribution-free inference with hierarchical data, arXiv 2306.06342: by group (their
    hierarchical conformal prediction).
"""

import math
from pathlib import Path
from typing import Final, Literal, Self

import msgspec
import numpy as np

from core.arrays import AnyArray, FloatArray, IntArray
from core.errors import UsageError
from core.explain.documents import AnswerInterval
from core.json_documents import decode_json
from core.settings.sealing import read_content

CONFORMAL_NAME: Final = "conformal.json"
MOST_BYTES: Final = 1 << 20
LEVELS: Final = tuple(k / 200 for k in range(100, 200))  # 0.5, 0.505 … 0.995
LEAST_LEVEL: Final = LEVELS[0]
N_KNOTS: Final = 12
ROWS_PER_KNOT: Final = 40
LEAST_GROUPS_TO_NORMALISE: Final = 60


class ConformalError(UsageError):
    """A version has no interval of this level."""


class Conformal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `conformal.json`.

    Attributes:
        format: Of the file.
        n_rows: How many rows calibrate.
        n_groups: How many groups they are of; the rows if they are independent.
        is_grouped: Whether rows come in groups.
        radii: For each of `LEVELS` the quantile of the residuals; None where the groups are too few for a finite one.
        knots: Answers at which the scale is known, ascending; empty: one scale for all answers.
        scales: The scale at each.
        classes: The names of the classes; empty for numbers.
    """

    format: Literal[1] = 1
    n_rows: int
    n_groups: int
    is_grouped: bool
    radii: tuple[float | None, ...]
    knots: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: AnyArray, actual: FloatArray, units: IntArray | None, classes: tuple[str, ...] = ()) -> Self:
        """Calibrate intervals.

        Args:
            answer: The answers to held-out rows: numbers, the probability of the second of two classes, or
                probabilities of shape (n, n_classes).
            actual: The outcomes: numbers, or positions of classes.
            units: The group of each row; None if rows are independent.
            classes: The names of the classes.
        """
        groups = np.arange(len(actual)) if units is None else np.unique(units, return_inverse=True)[1]
        n_groups = int(groups.max(initial=-1)) + 1
        knots, scales = np.empty(0), np.empty(0)
        if classes:
            missed = 1.0 - _chances(answer)[np.arange(len(actual)), actual.astype(np.int64)]
        else:
            missed = np.abs(actual - answer)
            if n_groups >= LEAST_GROUPS_TO_NORMALISE:
                # Every second group: which half a group is in depends on nothing that its rows show.
                fits = np.random.default_rng(0).permutation(n_groups)[groups] % 2 == 0
                knots, scales = _scale_of(np.asarray(answer[fits], dtype=np.float64), missed[fits])
                if len(knots):
                    missed, groups = missed[~fits] / np.interp(answer[~fits], knots, scales), groups[~fits]
        _, groups = np.unique(groups, return_inverse=True)
        n_calibrating = int(groups.max(initial=-1)) + 1
        return cls(
            n_rows=len(missed),
            n_groups=n_calibrating,
            is_grouped=units is not None,
            radii=tuple(_radii(missed, groups, n_calibrating)),
            knots=tuple(map(float, knots)),
            scales=tuple(map(float, scales)),
            classes=classes,
        )

    @property
    def method(self) -> str:
        """The method in words."""
        units = f"{self.n_groups:,} groups" if self.is_grouped else f"{self.n_rows:,} rows"
        words = "split conformal"
        if self.knots:
            words += ", normalised by the answer"
        return f"{words}{', hierarchical by group' if self.is_grouped else ''}, {units}"

    def radius(self, level: float) -> tuple[float, float]:
        """Return the level that is kept, the least of `LEVELS` from the wanted level on, and its radius.

        Raises:
            ConformalError: The level is out of range, or the groups are too few for it.
        """
        if not LEAST_LEVEL <= level <= LEVELS[-1]:
            raise ConformalError(
                f"An interval of level {level:g} is not offered: from {LEAST_LEVEL:g} to {LEVELS[-1]:g}."
            )
        place = next(k for k, known in enumerate(LEVELS) if known >= level - 1e-12)
        radius = self.radii[place]
        if radius is None:
            highest = max((known for known, r in zip(LEVELS, self.radii, strict=True) if r is not None), default=None)
            most = "no level" if highest is None else f"at most {highest:g}"
            few = f"{self.n_groups} groups of held-out rows" if self.is_grouped else f"{self.n_rows} held-out rows"
            half = ", half of all," if self.knots else ""
            raise ConformalError(f"{few}{half} are too few for an interval of level {level:g}: {most}.")
        return LEVELS[place], radius

    def bounds(self, answer: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Return the ends of the intervals of numbers.

        Raises:
            ConformalError: The level is not offered.
        """
        _, radius = self.radius(level)
        scale = np.interp(answer, self.knots, self.scales) if self.knots else np.ones(len(answer))
        return answer - radius * scale, answer + radius * scale

    def classes_of(self, answer: AnyArray, level: float) -> list[list[str]]:
        """Return the set of classes of each answer.

        Raises:
            ConformalError: The level is not offered.
        """
        _, radius = self.radius(level)
        is_in = _chances(answer) >= 1.0 - radius - 1e-12
        return [[name for name, inside in zip(self.classes, row, strict=True) if inside] for row in is_in.tolist()]

    def interval(self, answer: float, level: float) -> AnswerInterval:
        """Return the interval of one number.

        Raises:
            ConformalError: The level is not offered.
        """
        low, high = self.bounds(np.array([answer]), level)
        return AnswerInterval(level=self.radius(level)[0], low=float(low[0]), high=float(high[0]), method=self.method)

    def to_bytes(self) -> bytes:
        """Return the content of the file."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def read(cls, folder: Path, version: str) -> Self:
        """Read the intervals of an artifact.

        Raises:
            ConformalError: It has none, or none that can be read.
        """
        try:
            content = read_content(folder / CONFORMAL_NAME, most=MOST_BYTES, follow_links=True)
        except FileNotFoundError:
            raise ConformalError(
                f"{version} has no conformal intervals: it kept no held-out rows with outcomes, or is of an earlier "
                "release. Train it again."
            ) from None
        except OSError as error:
            raise ConformalError(f"{version}, {CONFORMAL_NAME} cannot be read ({error}).") from error
        try:
            found: Self = decode_json(content if len(content) <= MOST_BYTES else b"", type=cls)
        except msgspec.DecodeError as error:
            raise ConformalError(f"{version}, {CONFORMAL_NAME} is damaged ({error}).") from error
        if fault := found.fault():
            raise ConformalError(f"{version}, {CONFORMAL_NAME} {fault}.")
        return found

    def fault(self) -> str:
        """Say what contradicts itself; empty if nothing does."""
        if len(self.radii) != len(LEVELS) or len(self.knots) != len(self.scales):
            return "has lists of the wrong length"
        known = [radius for radius in self.radii if radius is not None]
        if not all(map(math.isfinite, (*known, *self.knots, *self.scales))):
            return "holds a number that is not finite"
        if sorted(known) != known or sorted(set(self.knots)) != list(self.knots) or min(self.scales, default=1.0) <= 0:
            return "has numbers out of order"
        return ""


def _chances(answer: AnyArray) -> FloatArray:
    return np.asarray(np.column_stack((1.0 - answer, answer)) if answer.ndim == 1 else answer, dtype=np.float64)


def _radii(missed: FloatArray, groups: IntArray, n_groups: int) -> list[float | None]:
    """Return the weighted quantiles of residuals at each level, with 1/(K + 1) of the weight at infinity."""
    sizes = np.bincount(groups, minlength=n_groups)
    weights = 1.0 / ((n_groups + 1.0) * sizes[groups])
    order = np.argsort(missed, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, np.array(LEVELS) - 1e-12, side="left")
    return [float(missed[order][place]) if place < len(order) else None for place in places.tolist()]


def _scale_of(answer: FloatArray, missed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return answers in ascending order, and the mean size of residuals near each; nothing if it hardly varies."""
    n_knots = min(N_KNOTS, len(answer) // ROWS_PER_KNOT)
    if n_knots < 2:
        return np.empty(0), np.empty(0)
    order = np.argsort(answer, kind="stable")
    parts = np.array_split(order, n_knots)
    knots = np.array([float(np.median(answer[part])) for part in parts])
    scales = np.array([float(np.mean(missed[part])) for part in parts])
    knots, first = np.unique(knots, return_index=True)
    scales = np.maximum(scales[first], 0.05 * float(missed.mean()))
    if len(knots) < 2 or not missed.mean():
        return np.empty(0), np.empty(0)
    return knots, scales
