"""How much of what it could learn from unlimited rows a method has learned, where nobody knows the table's law.

The method's own law stands in for the table's: outcomes are drawn from the trained model, the method learns from them,
and since their law is known, so is its *excess*, the loss that it adds to the best possible answers. The excess
corrects the gain over a constant, which real rows show:

    attainment = gain / (gain + excess)

What a method can learn from no number of rows, such as a linear one a curve, is missing in its law as well: other
candidates show that, and attainment says what more rows would bring.

A law that has missed what the method cannot learn teaches more easily than the table. Real rows show that as well: what
the method loses when it learns from a quarter of the rows is known of both. Where the losses differ, the excess is
corrected, as far as the real one is known.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from core.arrays import AnyArray, FloatArray, IntArray
from core.intervals import Units
from core.models.learners.constant import constant_answer
from core.models.learners.learner import FitOnceLearner
from core.models.learners.samples import JudgingFold, Sample, group_folds
from core.models.scores import Metrics, row_losses

N_FOLDS = 5
LEAST_GROUPS = 20  # fewer show no standard error of a gain
LESS = 4  # the smaller samples are a quarter of the larger ones
UNIT_SD = 0.4
"""The standard deviation of a real excess around the one in drawn tables, as a share of the latter.

Over linear, smooth, oscillating and stepwise laws of 800 rows, real excesses were 0.2 to 1.8 times the drawn ones. How
often the interval holds with it is simulated (`make truth`).
"""
Z = 1.96  # of a 95 % interval
LEAST_NOISE = 0.05  # share of the residual variance that is noise at least
LEAST_FACTOR = 0.05  # of a real excess, in units of the drawn one


@dataclass(frozen=True, slots=True)
class EstimatedAttainment:
    """The share of its gain from unlimited rows that a method reaches.

    Attributes:
        value: The share, 0 to 1, when the method learns from `n_learned` rows.
        low: Lower limit of its 95 % interval.
        high: Upper limit.
        doubled: The share from twice as many rows, if the excess falls on as it did.
        n_learned: Rows that the judged models learned from.
        n_tables: Tables drawn.
    """

    value: float
    low: float
    high: float
    doubled: float
    n_learned: int
    n_tables: int

    def metrics(self) -> Metrics:
        """Return the share, its limits, and the share from twice the rows."""
        return {
            "estimated_attainment": self.value,
            "estimated_attainment_low": self.low,
            "estimated_attainment_high": self.high,
            "estimated_attainment_doubled": self.doubled,
        }


class _Real(NamedTuple):
    """What real rows show, of models that did not learn from them."""

    answers: FloatArray
    gain: FloatArray  # of each row, the loss of the constant minus that of the method
    fall: FloatArray  # of each row, the loss from a quarter of the rows minus that from all
    n_learned: int


def estimate_attainment(
    learner: FitOnceLearner, rows: Sample, *, n_tables: int, seed: int
) -> EstimatedAttainment | str:
    """Estimate which share of its gain from unlimited rows a method reaches.

    Args:
        learner: The method with what it has settled, trained on all rows; it learns from others here.
        rows: The rows. The loss of numbers is the squared error, that of classes the log loss.
        n_tables: How many tables are drawn from its law; 2 at least.
        seed: The random seed.
    Returns:
        The estimate; or why there is none, in a clause.
    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 6.5 (draws from a fitted law); Cameron,
        Gelbach and Miller, Bootstrap-based improvements for inference with clustered errors, Review of Economics and
        Statistics 90(3), 2008 (residuals keep their groups, and change sign by group); the standard error of a
        cross-validation: Nadeau and Bengio, Machine Learning 52, 2003.
    """
    group, units = np.unique(rows.group, return_inverse=True)[1], Units(rows.group)
    if units.n < LEAST_GROUPS:
        return f"there are fewer than {LEAST_GROUPS} groups"
    law = learner.answer(rows.matrices.trees)
    folds = [
        JudgingFold(np.flatnonzero(~mask), np.flatnonzero(mask)) for mask in group_folds(group, N_FOLDS, seed=seed)
    ]
    rng = np.random.default_rng(seed)
    real = _real(learner, rows, folds, group, rng, seed=seed)
    if real is None:
        return "a part of the rows lacks a class"
    (gain, gain_error), (fall, fall_error) = (_mean(each, units) for each in (real.gain, real.fall))
    if gain <= 0:
        return "the method predicts no better than a constant"
    n_tables = max(2, n_tables)
    if law.ndim == 2:
        drawn = _classes_drawn(law, rows.target, real.answers, group)
        drawn_excesses = _excesses(learner, rows, law, drawn, group, n_tables, rng, seed=seed)
    else:
        drawn_excesses = _of_numbers(learner, rows, law, real.answers, group, n_tables, rng, seed=seed)
    if len(drawn_excesses) < 2:
        return "a part of the drawn rows lacks a class"
    all_rows, quarter = drawn_excesses.mean(axis=0).tolist()
    if not 0 < all_rows < quarter:
        return "on its own law, the method learns no more from all rows than from a quarter"
    factor, factor_error = _combined(fall / (quarter - all_rows), fall_error / (quarter - all_rows))
    # The excess of these very rows lies around the expected one as those of the drawn tables do.
    drawn_error = float(drawn_excesses[:, 0].std(ddof=1)) * math.sqrt(1 + 1 / len(drawn_excesses)) / all_rows
    factor, margin = max(factor, LEAST_FACTOR), Z * math.hypot(factor_error, drawn_error)
    excess = all_rows * factor
    doubled = excess * (all_rows / quarter) ** (math.log(2) / math.log(LESS))
    return EstimatedAttainment(
        value=_share(gain, excess),
        low=_share(gain - Z * gain_error, all_rows * (factor + margin)),
        high=_share(gain + Z * gain_error, all_rows * max(factor - margin, 0.0)),
        doubled=1.0 - doubled / (gain + excess),
        n_learned=real.n_learned,
        n_tables=len(drawn_excesses),
    )


def _real(
    learner: FitOnceLearner,
    rows: Sample,
    folds: Sequence[JudgingFold],
    group: IntArray,
    rng: np.random.Generator,
    *,
    seed: int,
) -> _Real | None:
    """Judge the method on real rows, trained on all others and on a quarter of these; None if one lacks a class."""
    answers: FloatArray | None = None
    gain, fall = np.empty(len(rows)), np.empty(len(rows))
    for fold in folds:
        less = _quarter(fold.learn, group, rng)
        if not (_has_classes(learner, rows.target[fold.learn]) and _has_classes(learner, rows.target[less])):
            return None
        judged, actual = rows.matrices.trees[fold.judge], rows.target[fold.judge]
        learner.learn(rows.take(less), seed=seed)
        from_less = row_losses(actual, learner.answer(judged))
        learner.learn(rows.take(fold.learn), seed=seed)
        found = learner.answer(judged)
        answers = np.empty((len(rows), *found.shape[1:])) if answers is None else answers
        answers[fold.judge] = found
        constant = constant_answer(rows.target[fold.learn], learner.n_classes)
        loss = row_losses(actual, found)
        gain[fold.judge] = row_losses(actual, np.broadcast_to(constant, found.shape)) - loss
        fall[fold.judge] = from_less - loss
    assert answers is not None
    return _Real(answers, gain, fall, round(len(rows) * (1 - 1 / len(folds))))


def _of_numbers(
    learner: FitOnceLearner,
    rows: Sample,
    law: FloatArray,
    answers: FloatArray,
    group: IntArray,
    n_tables: int,
    rng: np.random.Generator,
    *,
    seed: int,
) -> FloatArray:
    """Find the excesses with real residuals as noise, less the excess that they hold themselves."""
    residuals = rows.target - answers
    variance = float(np.mean(np.square(residuals)))

    def drawn(share: float) -> Callable[[np.random.Generator], FloatArray]:
        signs = (-1.0, 1.0)
        return lambda rng: law + np.sqrt(share) * residuals * rng.choice(signs, int(group.max()) + 1)[group]

    first = _excesses(learner, rows, law, drawn(1.0), group, max(2, n_tables // 2), rng, seed=seed, only_all=True)
    share = max(LEAST_NOISE, 1.0 - float(first[:, 0].mean()) / variance) if variance > 0 else 1.0
    return _excesses(learner, rows, law, drawn(share), group, n_tables, rng, seed=seed)


def _classes_drawn(
    law: FloatArray, actual: FloatArray, answers: FloatArray, group: IntArray
) -> Callable[[np.random.Generator], FloatArray]:
    """Draw classes by the law, those of one group as alike as the real ones.

    The likeness is that of what the answers leave over, as the correlation of normal variables cut at their medians.

    Source:
        Sheppard, On the application of the theory of error to cases of normal distribution, Philosophical
        Transactions A 192, 1899.
    """
    residuals = np.eye(law.shape[1])[actual.astype(np.int64)] - answers
    sizes = np.bincount(group)
    n_pairs = float(np.sum(sizes * (sizes - 1)))
    together = 0.0
    for each in residuals.T:
        together += float(np.sum(np.square(np.bincount(group, weights=each))) - np.sum(np.square(each)))
    own = float(np.mean(np.square(residuals))) * law.shape[1]
    alike = float(np.sin(np.pi / 2 * np.clip(together / n_pairs / own, 0.0, 1.0))) if n_pairs and own else 0.0
    edges = np.cumsum(law, axis=1)[:, :-1]

    def draw(rng: np.random.Generator) -> FloatArray:
        normal = np.sqrt(alike) * rng.normal(size=len(sizes))[group] + np.sqrt(1 - alike) * rng.normal(size=len(group))
        return np.asarray((ndtr(normal)[:, None] > edges).sum(axis=1), dtype=np.float64)

    return draw


def _excesses(
    learner: FitOnceLearner,
    rows: Sample,
    law: FloatArray,
    drawn: Callable[[np.random.Generator], FloatArray],
    group: IntArray,
    n_tables: int,
    rng: np.random.Generator,
    *,
    seed: int,
    only_all: bool = False,
) -> FloatArray:
    """Draw tables, and find the excess of the method on each.

    Returns:
        From four fifths of the rows, and from a quarter of those, shape (tables, 2); the latter 0 if `only_all`. A
        table is left out if a part of it lacks a class.
    """
    found = []
    for _ in range(n_tables):
        target = drawn(rng)
        judged = group_folds(group, N_FOLDS, seed=int(rng.integers(2**31)))[0]
        learned, judge = np.flatnonzero(~judged), np.flatnonzero(judged)
        parts = [learned] if only_all else [learned, _quarter(learned, group, rng)]
        if not all(_has_classes(learner, target[part]) for part in parts):
            continue
        excess = []
        for part in parts:
            sample = Sample(rows.matrices.take(part), target[part], rows.weight[part], rows.group[part])
            learner.learn(sample, seed=seed)
            excess.append(_excess(law[judge], learner.answer(rows.matrices.trees[judge])))
        found.append([*excess, 0.0][:2])
    return np.array(found).reshape(-1, 2)


def _excess(law: FloatArray, answers: FloatArray) -> float:
    """Return the mean loss that answers add to the law's: a squared distance, or a Kullback-Leibler divergence."""
    if law.ndim == 1:
        return float(np.mean(np.square(law - answers)))
    ratio = np.log(np.clip(law, 1e-15, None)) - np.log(np.clip(answers, 1e-15, None))
    return float(np.mean(np.sum(law * ratio, axis=1)))


def _quarter(positions: IntArray, group: IntArray, rng: np.random.Generator) -> IntArray:
    """Take a quarter of the groups of some rows."""
    among = np.unique(group[positions])
    taken = rng.permutation(among)[: max(1, len(among) // LESS)]
    return positions[np.isin(group[positions], taken)]


def _has_classes(learner: FitOnceLearner, target: AnyArray) -> bool:
    return not learner.n_classes or len(np.unique(target)) == learner.n_classes


def _mean(values: FloatArray, units: Units) -> tuple[float, float]:
    """Return a mean over rows of a cross-validation, and its standard error over groups."""
    return float(values.mean()), units.error_of_mean(values) * math.sqrt(1 + 1 / (N_FOLDS - 1))


def _combined(seen: float, seen_error: float) -> tuple[float, float]:
    """Weigh a real excess, in units of the drawn one, with its expectation of 1, by their precisions."""
    if not seen_error:
        return 1.0, UNIT_SD
    precise, expected = 1 / seen_error**2, 1 / UNIT_SD**2
    return (seen * precise + expected) / (precise + expected), 1 / math.sqrt(precise + expected)


def _share(gain: float, excess: float) -> float:
    return max(gain, 0.0) / (gain + excess) if gain > 0 else 0.0
