"""Where the criteria that end a session stand, and the earliest epoch at which each could end it."""

from collections.abc import Sequence
from statistics import fmean, pvariance

from core.settings import TrainingSettings
from core.settings.text_model import TextModelSettings
from core.training.convergence import PLATEAU_PATIENCES, STEADY_QUALITY_VARIANCE
from core.training.criterion import Criterion
from core.training.scores import EpochScores
from core.training.text_training import TextEpoch

_ROUNDING = 1e-9


def criteria(history: EpochScores, settings: TrainingSettings) -> tuple[Criterion, ...]:
    """Say where the criteria of `core.training.convergence` stand after the newest epoch.

    Args:
        history: Every epoch so far, oldest first.
        settings: The thresholds.

    >>> from core.training.scores import EpochScore
    >>> history = EpochScores([EpochScore(0.8, 1.0), EpochScore(0.9, 1.0), EpochScore(0.9004, 1.0)])
    >>> for criterion in criteria(history, TrainingSettings(patience=4)):
    ...     print(criterion.text)
    improvement +0.0004 in the newest epoch, and 0.001 counts
    1 of 4 epochs without improvement: earliest epoch 6
    quality score steady (variance 0.0000, below 0.01), mean 1.000 (at least 0.95)
    1 of 8 epochs without improvement, whatever the data: earliest epoch 10
    """
    n = len(history)
    threshold, patience = settings.convergence_threshold, settings.patience
    since = history.without_improvement(threshold)
    return (
        _improvement(history.newest_gain(threshold), threshold, n),
        _waiting("patience", since, patience, n),
        _quality(history.recent_quality(patience), patience, settings.quality_threshold, n),
        _waiting("plateau", since, PLATEAU_PATIENCES * patience, n, ", whatever the data"),
    )


def text_criteria(epoch: int, newest: TextEpoch, text_model: TextModelSettings) -> tuple[Criterion, ...]:
    """Say where the patience of the training of a model of language stands; none without patience.

    Args:
        epoch: The newest epoch, which is an evaluation.
        newest: What it measured.
        text_model: The settings.
    """
    if not text_model.patience:
        return ()
    return (_waiting("patience", newest.n_worse, text_model.patience, epoch),)


def _improvement(gain: float | None, threshold: float, n: int) -> Criterion:
    is_met = gain is None or gain < threshold
    found = "no improvement to measure" if gain is None else f"improvement {gain:+.4f} in the newest epoch"
    return Criterion(
        name="improvement",
        value=gain,
        limit=threshold,
        is_met=is_met,
        at_epoch=n if is_met else n + 1,
        text=f"{found}, and {threshold:g} counts{'' if is_met else f': earliest epoch {n + 1}'}",
    )


def _waiting(name: str, since: int, limit: int, n: int, note: str = "") -> Criterion:
    is_met = since >= limit
    at_epoch = n if is_met else n + limit - since
    when = "" if is_met else f": earliest epoch {at_epoch}"
    return Criterion(
        name=name,
        value=float(since),
        limit=float(limit),
        is_met=is_met,
        at_epoch=at_epoch,
        text=f"{since} of {limit} epochs without improvement{note}{when}",
    )


def _quality(recent: Sequence[float], patience: int, least: float, n: int) -> Criterion:
    """Judge the newest quality scores; those still to come are taken as perfect for the earliest epoch."""
    mean, variance = fmean(recent), pvariance(recent)
    is_steady, is_enough = variance < STEADY_QUALITY_VARIANCE, mean >= least
    n_more = _epochs_of_perfect_data(recent, patience, least)
    when = f": earliest epoch {n + n_more}" if n_more else ""
    return Criterion(
        name="quality",
        value=variance,
        limit=STEADY_QUALITY_VARIANCE,
        is_met=is_steady and is_enough,
        at_epoch=n + n_more,
        text=f"quality score {'steady' if is_steady else 'not steady'} (variance {variance:.4f}, "
        f"{'below' if is_steady else 'at least'} {STEADY_QUALITY_VARIANCE:g}), "
        f"mean {mean:.3f} ({'at least' if is_enough else 'below'} {least:g}){when}",
    )


def _epochs_of_perfect_data(recent: Sequence[float], patience: int, least: float) -> int:
    """Count the perfect draws after which the newest `patience` quality scores are steady and good enough."""
    size, total, squares = len(recent), sum(recent), sum(score * score for score in recent)
    for n_more in range(patience):
        n_leaving = max(0, len(recent) + n_more - patience)
        variance, mean = squares / size - (total / size) ** 2, total / size
        # The sums differ from the exact figures by rounding: they rule out, and the exact figures decide.
        if variance < STEADY_QUALITY_VARIANCE + _ROUNDING and mean >= least - _ROUNDING:
            scores = [*recent[n_leaving:], *[1.0] * n_more]
            if pvariance(scores) < STEADY_QUALITY_VARIANCE and fmean(scores) >= least:
                return n_more
        leaving = recent[n_leaving] if size == patience else None
        size += leaving is None
        total += 1.0 - (leaving or 0.0)
        squares += 1.0 - (leaving or 0.0) ** 2
    return patience
