"""The usual traffic of a model, from the recent predictions of its stable version: what a plan can count on."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from core.telemetry.predictions import RecentTraffic

SECONDS_A_DAY = 86_400.0
TOLERANCE_IN_SDS = 0.1
_LEAST_VALUES = 20  # a standard deviation or a mean of fewer says nothing


class UsualLosses(msgspec.Struct, frozen=True, kw_only=True):
    """The recent losses of the stable version."""

    n: int
    a_day: float
    mean: float
    within: float  # variance of the losses of one caller
    between: float = 0.0  # variance of the mean losses of callers, beyond what `within` explains
    are_binary: bool = False  # 0 or 1

    @property
    def sd(self) -> float:
        """The standard deviation of one loss."""
        return math.sqrt(self.within + self.between)


class UsualTraffic(msgspec.Struct, frozen=True, kw_only=True):
    """What a model and its stable version did lately."""

    seconds: float  # over which it was counted
    requests_a_day: float
    n_callers: int = 0  # who gave a key
    effective_callers: float = 0.0  # how many equally active callers these are worth
    share_with_key: float = 0.0  # of the requests; all others are callers of their own
    failure_rate: float = 0.0  # errors per answer, of the stable version
    n_answers: int = 0
    answer_sd: float | None = None  # standard deviation of its answers
    losses: UsualLosses | None = None  # None: too few outcomes

    @property
    def difference_tolerance(self) -> float | None:
        """From which difference two answers count as different, if the policy does not say."""
        return None if self.answer_sd is None else float(f"{TOLERANCE_IN_SDS * self.answer_sd:.3g}")

    def __str__(self) -> str:
        callers = f" from {self.n_callers:,} callers" if self.n_callers else ""
        losses = self.losses
        outcomes = "no outcomes" if losses is None else f"{_about(losses.a_day)} outcomes a day"
        return (
            f"about {_about(self.requests_a_day)} requests a day{callers}, {self.failure_rate:.2%} errors, {outcomes}"
        )


def usual_traffic(recent: "RecentTraffic | None") -> UsualTraffic | None:
    """Reduce recent traffic to what a plan needs; None without any."""
    if recent is None:
        return None
    days = recent.seconds / SECONDS_A_DAY
    n, total, squares = recent.values
    variance = (squares - total * total / n) / (n - 1) if n >= _LEAST_VALUES else 0.0
    return UsualTraffic(
        seconds=recent.seconds,
        requests_a_day=recent.n_requests / days,
        n_callers=len(recent.callers),
        effective_callers=_kish(recent.callers),
        share_with_key=sum(recent.callers) / recent.n_requests,
        failure_rate=recent.n_failed / recent.n_answers if recent.n_answers else 0.0,
        n_answers=recent.n_answers,
        answer_sd=variance**0.5 if variance > 0 else None,
        losses=_losses(recent.losses, days if recent.losses_seconds is None else recent.losses_seconds / SECONDS_A_DAY),
    )


def _kish(counts: Sequence[int]) -> float:
    """Return the effective sample size of unequal weights (Kish, Survey Sampling, 1965)."""
    return sum(counts) ** 2 / sum(count * count for count in counts) if counts else 0.0


def _losses(losses: Sequence[tuple[float, int | None]], days: float) -> UsualLosses | None:
    """Part the variance of losses into that of one caller and that between callers.

    Source:
        The one-way analysis of variance with unequal groups: Searle, Casella and McCulloch, Variance Components, 1992,
        section 3.6.
    """
    n = len(losses)
    if n < _LEAST_VALUES:
        return None
    mean = sum(loss for loss, _ in losses) / n
    callers: dict[object, list[float]] = {}
    for number, (loss, unit) in enumerate(losses):
        callers.setdefault((number,) if unit is None else unit, []).append(loss)
    k = len(callers)
    own = [(len(values), sum(values) / len(values)) for values in callers.values()]
    inside = sum((loss - m) ** 2 for values, (_, m) in zip(callers.values(), own, strict=True) for loss in values)
    outside = sum(size * (m - mean) ** 2 for size, m in own)
    within, between = (inside + outside) / (n - 1), 0.0
    if 1 < k < n:
        size = (n - sum(each * each for each, _ in own) / n) / (k - 1)
        within = inside / (n - k)
        between = max(0.0, (outside / (k - 1) - within) / size)
    are_binary = all(loss in (0.0, 1.0) for loss, _ in losses)
    return UsualLosses(n=n, a_day=n / days, mean=mean, within=within, between=between, are_binary=are_binary)


def _about(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.0f}" if number >= 10 else f"{number:.2g}"
