"""When a session ends: four reasons, each stated with its figures.

- **converged**: for `patience` epochs no score beat the best score by `convergence_threshold`, *and* the data
  those epochs were measured on was steady and good: the variance of their quality scores is below 0.01 and their
  mean reaches `quality_threshold`. The last condition keeps a session from calling itself converged on poor data.
- **plateau**: no improvement for twice as long, whatever the quality of the data; waiting longer would not help.
- **epoch limit** and **time limit**: the session reached the limit in its settings, converged or not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean, median, pvariance

from core.settings import TrainingSettings
from core.settings.text_model import TextModelSettings
from core.training.scores import EpochScores
from core.training.text_training import TextEpoch

RECENT_EPOCHS = 10

STEADY_QUALITY_VARIANCE = 0.01
PLATEAU_PATIENCES = 2


QUALITY_BANDS = ((0.95, "excellent"), (0.90, "good"), (0.80, "acceptable"))


def quality_band(score: float) -> str:
    """Name the band of a quality score.

    >>> [quality_band(score) for score in (0.97, 0.93, 0.80, 0.5)]
    ['excellent', 'good', 'acceptable', 'below acceptable']
    """
    return next((band for least, band in QUALITY_BANDS if score >= least), "below acceptable")


def expectation(quality: float, threshold: float) -> str:
    """Say how a session on data of this mean quality can end."""
    if quality >= threshold:
        return "such data let a session converge as soon as its scores stop improving"
    return f"below quality_threshold {threshold:g} a session ends on a plateau or at a limit, and does not converge"


class EndReason(StrEnum):
    """Why a session ends automatically."""

    CONVERGED = "converged"
    PLATEAU = "plateau"
    EPOCH_LIMIT = "epoch limit"
    TIME_LIMIT = "time limit"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether to end, and the reason in words."""

    end: EndReason | None
    reason: str


def judge(history: EpochScores, settings: TrainingSettings, *, trained_seconds: float) -> Judgement:
    """Decide whether a session has ended, after its latest epoch.

    Args:
        history: Every epoch so far, oldest first.
        settings: The thresholds; the module's docstring explains each.
        trained_seconds: Time spent training so far, without pauses.
    Returns:
        The reason to end, or None with a sentence on what is still missing.
    """
    n_epochs = len(history)
    since = history.without_improvement(settings.convergence_threshold)
    unimproved = f"{since} epochs without an improvement of {settings.convergence_threshold:g}"
    blocker = ""
    if since >= settings.patience:
        quality = history.recent_quality(settings.patience)
        variance, mean = pvariance(quality), fmean(quality)
        if variance >= STEADY_QUALITY_VARIANCE:
            blocker = f"the quality score varies too much ({variance:.4f} >= {STEADY_QUALITY_VARIANCE:g})"
        elif mean < settings.quality_threshold:
            blocker = f"the mean quality score {mean:.3f} is below quality_threshold {settings.quality_threshold:g}"
        else:
            return Judgement(EndReason.CONVERGED, f"{unimproved}, quality score {mean:.3f}, variance {variance:.4f}")
        if since >= PLATEAU_PATIENCES * settings.patience:
            return Judgement(EndReason.PLATEAU, f"{unimproved}; not converged, because {blocker}")
    if n_epochs >= settings.max_epochs:
        return Judgement(EndReason.EPOCH_LIMIT, f"{n_epochs} of {settings.max_epochs} epochs done; {unimproved}")
    limit_hours = settings.convergence_timeout_hours
    if trained_seconds >= limit_hours * 3600:
        return Judgement(EndReason.TIME_LIMIT, f"{limit_hours:g} h of training used up after {n_epochs} epochs")
    return Judgement(None, f"{unimproved}, patience {settings.patience}" + (f"; {blocker}" if blocker else ""))


def judge_text(
    newest: TextEpoch, text_model: TextModelSettings, settings: TrainingSettings, *, trained_seconds: float
) -> Judgement:
    """Decide whether the training of a model of language has ended, after its latest evaluation.

    Args:
        newest: That evaluation.
        text_model: Its patience.
        settings: The time limit.
        trained_seconds: Time spent training so far, without pauses.
    """
    n_worse, patience = newest.n_worse, text_model.patience
    unimproved = f"{n_worse} evaluation{'' if n_worse == 1 else 's'} without a lower loss"
    if newest.step >= newest.n_steps:
        steps = f"{newest.step:,} of {newest.n_steps:,} steps done"
        return Judgement(EndReason.EPOCH_LIMIT, f"{steps}; {unimproved}")
    if 0 < patience <= n_worse:
        return Judgement(EndReason.CONVERGED, f"{unimproved}, patience {patience}")
    if trained_seconds >= settings.convergence_timeout_hours * 3600:
        hours = f"{settings.convergence_timeout_hours:g} h of training used up"
        return Judgement(EndReason.TIME_LIMIT, f"{hours} after {newest.step:,} of {newest.n_steps:,} steps")
    return Judgement(None, f"{unimproved}, patience {patience}")


def remaining_seconds(durations: Sequence[float], n_left: int) -> float | None:
    """Estimate the time until the last epoch that a session may run.

    The median of the recent durations ignores a single epoch that a busy machine delayed. The estimate is an upper
    bound: convergence may end the session earlier, and cannot be predicted.

    Args:
        durations: Seconds of the epochs timed so far, oldest first.
        n_left: Epochs left until the epoch limit.
    Returns:
        Seconds; 0 when no epoch is left; None until an epoch has been timed.

    >>> remaining_seconds([2.0, 2.0, 9.0], 10)
    20.0
    >>> remaining_seconds([], 10) is None
    True
    """
    if n_left <= 0:
        return 0.0
    if not durations:
        return None
    return median(durations[-RECENT_EPOCHS:]) * n_left
