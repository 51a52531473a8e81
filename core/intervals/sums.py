"""Intervals of means of losses and of ratios of their sums: studentised, with the skewness removed.

The mean of skewed losses needs a longer arm above than below. Hall's transformation removes the skewness to the same
order as a studentised bootstrap, without a draw, so it costs one pass over the rows. Each unit is left out once for
the variance, which is safe where units differ in size; the interval also covers the limits of Student's t on the log
scale.
"""

import math

import numpy as np

from core.arrays import AnyArray, FloatArray
from core.intervals.units import ERROR_RATE, TAIL, Interval, Units, t_quantile

SKEWNESS_MARGIN = 8.0  # a sample of n units shows too little skewness: it is taken as 1 + 8/n times what is seen


def mean_interval(
    loss: FloatArray, group: AnyArray, *, reference: float, unseen: FloatArray | None = None
) -> Interval | None:
    """Bound the mean of losses that are not negative.

    Args:
        loss: The loss of each row, shape (n,).
        group: Group of each row, shape (n,).
        reference: The mean loss of a unit unlike those seen, such as of a constant prediction; it bounds the mean
            where the losses do not vary.
        unseen: What a mistake would have cost in each row of a kind that shows none, elsewhere 0, shape (n,): as many
            units cannot exclude it.
    Returns:
        None for fewer than two units.
    """
    units = Units(group)
    found = _ratio(units.sums(loss), units.sizes, units, reference=reference, is_heavy=True)
    return _with_unseen(found, loss, float(len(loss)), unseen, units)


def ratio_interval(
    part: FloatArray, whole: FloatArray, group: AnyArray, *, unseen: FloatArray | None = None
) -> Interval | None:
    """Bound the ratio of two sums over rows, such as of the losses of a model and of a constant prediction.

    Args:
        part: The numerator of each row, shape (n,).
        whole: The denominator of each row, shape (n,).
        group: Group of each row, shape (n,).
        unseen: The numerator that a mistake would have had in each row of a kind that shows none, elsewhere 0, shape
            (n,): as many units cannot exclude it.
    Returns:
        None for fewer than two units, or if the whole is zero.
    """
    units = Units(group)
    found = _ratio(units.sums(part), units.sums(whole), units, reference=1.0)
    return _with_unseen(found, part, float(whole.sum()), unseen, units)


def unexplained_interval(squared_error: FloatArray, actual: FloatArray, group: AnyArray) -> Interval | None:
    """Bound the unexplained share of the variance, 1 - R².

    Returns:
        None for fewer than two units, or if the actual values do not vary.
    """
    units = Units(group)
    centred = actual - actual.mean()
    errors, first, second = units.sums(squared_error), units.sums(centred), units.sums(np.square(centred))
    if units.n < 2 or second.sum() <= 0:
        return None
    spread = (second.sum() - second) - np.square(first.sum() - first) / (len(actual) - units.sizes)
    # The sample's variance is too small by the mean that it is taken from.
    too_small = 1.0 - 1.0 / units.n
    value = float(errors.sum() / second.sum()) * too_small
    rest = np.divide(errors.sum() - errors, spread, out=np.full(units.n, value), where=spread > 0) * too_small
    return _positive(value, rest, units, is_heavy=True) or _unseen(value, 1.0, units.n)


def difference_interval(difference: FloatArray, group: AnyArray, *, tail: float = TAIL) -> Interval | None:
    """Bound the mean of paired differences, such as of the losses of two models on the same rows.

    Args:
        difference: Of each row, shape (n,).
        group: Group of each row, shape (n,).
        tail: The probability that each limit holds by itself.
    Returns:
        None for fewer than two units, or if all differences are equal.
    """
    units = Units(group)
    if units.n < 2:
        return None
    sums = units.sums(difference)
    value = float(sums.sum() / units.sizes.sum())
    pseudo = _pseudo_values(value, (sums.sum() - sums) / (units.sizes.sum() - units.sizes), units)
    quantile = t_quantile(units.degrees_of_freedom, tail)
    low, high = _limits(value, pseudo, quantile)
    reach = quantile * _error(pseudo)
    return _checked(min(low, value - reach), max(high, value + reach))


def retrained_interval(
    difference: FloatArray, group: AnyArray, of_halves: FloatArray, *, tail: float = TAIL
) -> Interval | None:
    """Bound the mean of paired differences of two trained models, with the chance of the training rows in it.

    Args:
        difference: Of each judged row, shape (n,).
        group: Group of each row, shape (n,).
        of_halves: The mean difference on the same rows of two models trained on a random half of the training groups,
            for each of B halves, shape (B,).
        tail: The probability that each limit holds by itself.
    Returns:
        None for fewer than two units or halves, or if neither the rows nor the halves differ.
    Source:
        Shao and Wu, Annals of Statistics 17(3), 1989: the jackknife that leaves many out; at one half, the variance
        needs no factor, and the chance within the training itself is not blown up. Satterthwaite, Biometrics Bulletin
        2(6), 1946: the degrees of freedom of the sum of two variances.

    >>> difference = np.array([-1.0, -2.0, -1.5, -2.5])
    >>> low, high = retrained_interval(difference, np.arange(4), np.array([-1.5, -2.0, -1.7]))
    >>> round(low, 2), round(high, 2)
    (-2.8, -0.7)
    """
    units, n_halves = Units(group), len(of_halves)
    if units.n < 2 or n_halves < 2:
        return None
    value, of_rows = float(np.mean(difference)), units.error_of_mean(difference) ** 2
    of_training = float(of_halves.var(ddof=1))
    if (variance := of_rows + of_training) <= 0:
        return None
    freedom = variance**2 / (of_rows**2 / units.degrees_of_freedom + of_training**2 / (n_halves - 1))
    reach = t_quantile(freedom, tail) * math.sqrt(variance)
    return _checked(value - reach, value + reach)


def positive_interval(value: float, relative_influence: FloatArray, group: AnyArray) -> Interval | None:
    """Bound a positive statistic by the influence of each row on its logarithm.

    Args:
        value: The statistic.
        relative_influence: The change of its logarithm per weight of each row, summing to zero, shape (n,).
        group: Group of each row, shape (n,).
    Returns:
        None for fewer than two units, or if no row has an influence.
    """
    units = Units(group)
    if units.n < 2 or value <= 0:
        return None
    relative = units.n * units.sums(relative_influence)
    return _union(value, value * (1.0 + relative), relative, units, t=units.quantile)


def _ratio(
    part: FloatArray, whole: FloatArray, units: Units, *, reference: float, is_heavy: bool = False
) -> Interval | None:
    """Bound the ratio of two sums over units."""
    if units.n < 2 or whole.sum() <= 0:
        return None
    value = float(part.sum() / whole.sum())
    rest = whole.sum() - whole
    without = np.divide(part.sum() - part, rest, out=np.full(units.n, value), where=rest > 0)
    return _positive(value, without, units, is_heavy=is_heavy) or _unseen(value, reference, units.n)


def _positive(value: float, without: FloatArray, units: Units, *, is_heavy: bool) -> Interval | None:
    """Bound a statistic that is not negative by its values without each unit.

    On its own scale the skewness is removed; on the log scale, where every unit leaves something, it is mild.
    """
    logs = _pseudo_values(math.log(value), np.log(without), units) if value > 0 and without.min() > 0 else None
    pseudo = _pseudo_values(value, without, units)
    return _union(value, pseudo, logs, units, t=_heavy_quantile(pseudo, units) if is_heavy else units.quantile)


def _union(value: float, pseudo: FloatArray, logs: FloatArray | None, units: Units, *, t: float) -> Interval | None:
    low, high = _limits(value, pseudo, t)
    if logs is not None:
        reach = t * _error(logs)
        low, high = min(low, value * math.exp(-reach)), max(high, value * math.exp(min(reach, 700.0)))
    return _checked(max(low, 0.0), high)


def _unseen(value: float, reference: float, n: int) -> Interval | None:
    """Bound a mean that did not vary by the units that the sample cannot exclude.

    Of n units, none was of another kind: at 95 % at most 1 - 0.05^(1/n) of all are, about 3/n.

    Source:
        Hanley and Lippman-Hand, JAMA 249(13), 1983: "If nothing goes wrong, is everything all right?"
    """
    share = _share_not_excluded(n)
    least = (1.0 - share) * value
    return _checked(least, least + share * max(reference, value))


def _with_unseen(
    found: Interval | None, part: FloatArray, whole: float, unseen: FloatArray | None, units: Units
) -> Interval | None:
    """Raise the upper limit to the ratio that holds as many mistakes as the rows without one cannot exclude."""
    if found is None or unseen is None or not unseen.any():
        return found
    share = _share_not_excluded(units.count_with(unseen > 0))
    more = share * float(np.maximum(unseen - part, 0.0).sum(where=unseen > 0))
    return Interval(found.low, max(found.high, (float(part.sum()) + more) / whole))


def _share_not_excluded(n: int) -> float:
    return float(1.0 - ERROR_RATE ** (1.0 / n))


def _pseudo_values(value: float, without: FloatArray, units: Units) -> FloatArray:
    pseudo: FloatArray = units.n * value - (units.n - 1) * without
    return pseudo


def _error(pseudo: FloatArray) -> float:
    return float(pseudo.std(ddof=1)) / math.sqrt(len(pseudo))


def _limits(value: float, pseudo: FloatArray, t: float) -> tuple[float, float]:
    """Student's limits with the skewness removed.

    Source:
        Hall, Journal of the Royal Statistical Society B 54(1), 1992: the monotone cubic transformation.
    """
    n, error = len(pseudo), _error(pseudo)
    skewness = _skewness(pseudo) * (1.0 + SKEWNESS_MARGIN / n) / math.sqrt(n)
    return value - error * _without_skewness(t, skewness), value - error * _without_skewness(-t, skewness)


def _heavy_quantile(pseudo: FloatArray, units: Units) -> float:
    """Student's quantile with as many degrees of freedom as a variance of values with these tails has.

    Source:
        Satterthwaite, Biometrics Bulletin 2(6), 1946, with the variance of a sample variance, which rises with the
        kurtosis (Cramér, Mathematical Methods of Statistics, 1946, section 27.4).
    """
    n, centred = len(pseudo), pseudo - pseudo.mean()
    variance = float(np.mean(np.square(centred)))
    if n < 3 or variance <= 0:
        return units.quantile
    excess = max(float(np.mean(centred**4)) / variance**2 - 3.0, 0.0)
    return t_quantile(min(max(2.0 / (excess / n + 2.0 / (n - 1)), 1.0), units.degrees_of_freedom))


def _skewness(values: FloatArray) -> float:
    """The sample's skewness, without its bias for normal values; 0 for fewer than three."""
    n, centred = len(values), values - values.mean()
    variance = float(np.mean(np.square(centred)))
    if n < 3 or variance <= 0:
        return 0.0
    return float(np.mean(centred**3)) / math.pow(variance, 1.5) * math.sqrt(n * (n - 1)) / (n - 2)


def _without_skewness(t: float, skewness: float) -> float:
    """Solve Hall's transformation for the studentised statistic."""
    if abs(skewness) < 1e-6:
        return t
    cubed = 1.0 + skewness * (t - skewness / 6.0)
    root = math.copysign(abs(cubed) ** (1.0 / 3.0), cubed)
    return float((root - 1.0) * 3.0 / skewness)


def _checked(low: float, high: float) -> Interval | None:
    return Interval(low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None
