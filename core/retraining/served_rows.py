"""Served rows whose outcomes are known: what was asked, what was answered, and what came of it."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from core.arrays import BoolArray, FloatArray
from core.losses import Actual
from core.registry import ModelVersion
from core.settings.retraining import DataWindow
from core.state import Workspace
from core.telemetry.features import LoggedFeatures, logged_features
from core.telemetry.predictions import PredictionReader

SELECTED_RATIO = 3.0
"""Outcomes that are so many times rarer for one half of the answers were probably seen only because of the answer."""
_LEAST_COMPARED = 50
MOST_BANDS = 10


class AnswerBand(NamedTuple):
    """Rows with similar answers.

    Attributes:
        rows: Which rows, shape (n,).
        share: The share of them whose outcome is known: the chance that a row with such an answer is seen.
    """

    rows: BoolArray
    share: float


def selection_chances(bands: Sequence[AnswerBand]) -> FloatArray:
    """Return the chance to keep each row, so that rows with all answers count alike: the inverse of that to see it.

    Source:
        Horvitz and Thompson, Journal of the American Statistical Association 47, 1952; by rejection, since learners
        and comparisons take rows without weights.

    >>> low, high = np.array([True, True, False, False]), np.array([False, False, True, True])
    >>> selection_chances([AnswerBand(low, 1.0), AnswerBand(high, 0.5)]).tolist()
    [0.5, 0.5, 1.0, 1.0]
    """
    chances = np.ones(len(bands[0].rows) if bands else 0)
    rarest = min((band.share for band in bands if band.share > 0), default=1.0)
    for band in bands:
        if band.share > 0:
            chances[band.rows] = rarest / band.share
    return chances


@dataclass(frozen=True, slots=True)
class ServedRows:
    """Rows that versions of a model answered.

    Attributes:
        logged: The sampled rows, in order of time.
        actual: What came of each; None where no outcome is known.
    """

    logged: LoggedFeatures
    actual: list[Actual | None]

    @property
    def labelled(self) -> BoolArray:
        """The rows whose outcome is known."""
        return np.array([each is not None for each in self.actual], dtype=np.bool_)

    @property
    def answers(self) -> FloatArray:
        """The answers; NaN for what is no number."""
        return np.array([_number_of(each) for each in self.logged.predictions], dtype=np.float64)

    def answer_bands(self) -> list[AnswerBand]:
        """Divide the rows by their answers, and count the outcomes of each part.

        Returns:
            Bands of about equally many answers, the lowest first; one band where the answers are few, or no numbers.
        """
        answers, labelled = self.answers, self.labelled
        if not np.isfinite(answers).all() or len(answers) < 2 * _LEAST_COMPARED:
            share = float(labelled.mean()) if len(labelled) else 0.0
            return [AnswerBand(np.ones(len(answers), dtype=np.bool_), share)]
        n_bands = min(MOST_BANDS, len(answers) // _LEAST_COMPARED)
        edges = np.unique(np.quantile(answers, np.linspace(0.0, 1.0, n_bands + 1)[1:-1]))
        band = np.searchsorted(edges, answers, side="right")
        bands = [band == number for number in np.unique(band)]
        return [AnswerBand(rows, float(labelled[rows].mean())) for rows in bands]

    def selection(self) -> str:
        """Say that outcomes are known mostly for some answers, which is selection; empty where they are not."""
        answers = self.answers
        known = np.isfinite(answers)
        labelled = self.labelled[known]
        if known.sum() < 2 * _LEAST_COMPARED:
            return ""
        high = answers[known] > float(np.median(answers[known]))
        if min(high.sum(), (~high).sum()) < _LEAST_COMPARED:
            return ""
        shares = [(float(labelled[side].mean()), word) for side, word in ((high, "high"), (~high, "low"))]
        (less, rare), (more, usual) = sorted(shares)
        if more == 0 or less * SELECTED_RATIO >= more:
            return ""
        return (
            f"selection: outcomes are known of {more:.0%} of the {usual} answers and of {less:.0%} of the {rare} ones, "
            "so the rows are those that the model itself chose"
        )


def window_start(window: DataWindow, *, live_since: datetime | None, as_of: datetime) -> datetime | None:
    """Return from when rows count; None: from the first."""
    starts = [] if window.days is None else [as_of - timedelta(days=window.days)]
    if window.since_live and live_since is not None:
        starts.append(live_since)
    return max(starts, default=None)


def served_rows(workspace: Workspace, live: ModelVersion, *, start: datetime | None, as_of: datetime) -> ServedRows:
    """Read the sampled rows of all versions of a model, with their outcomes: the newest 200,000 at most.

    Args:
        workspace: The workspace.
        live: The live version.
        start: Only rows from then on.
        as_of: Only rows up to then.
    Raises:
        TelemetryError: The rows or their outcomes cannot be read.
    """
    logged = logged_features(workspace.features_file, live.model, start=start, end=as_of)
    by_version: dict[str, list[int]] = defaultdict(list)
    for row, version in enumerate(logged.versions):
        by_version[version].append(row)
    actual: list[Actual | None] = [None] * len(logged)
    with closing(PredictionReader(workspace.predictions_file)) as reader:
        for version, rows in by_version.items():
            found = reader.followed(live.model, version, [logged.requests[row] for row in rows])
            for row in rows:
                followed = found.get(logged.requests[row])
                actual[row] = None if followed is None else followed.actual
    return ServedRows(logged, actual)


def _number_of(prediction: Any) -> float:
    """Reduce an answer to one number: of probabilities that of the last class."""
    if isinstance(prediction, list | tuple):
        return float(prediction[-1]) if prediction else float("nan")
    return float(prediction) if isinstance(prediction, int | float) else float("nan")


def half_life_weights(age_days: FloatArray, half_life_days: float) -> FloatArray:
    """Return the chance to keep each row: half as much for each half-life of age.

    >>> half_life_weights(np.array([0.0, 10.0, 20.0]), 10.0).tolist()
    [1.0, 0.5, 0.25]
    """
    return np.asarray(0.5 ** (np.maximum(age_days, 0.0) / half_life_days))
