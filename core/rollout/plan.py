"""What a rollout intends: its steps, the shares of traffic, how long it dwells, and what it is judged by."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0, le=1)]
Probability = Annotated[float, Meta(gt=0, lt=0.5)]


class Strategy(StrEnum):
    """How traffic gets to a candidate."""

    CANARY = "canary"  # a little, then more, then all
    BLUE_GREEN = "blue_green"  # all at once, and back at once
    AB = "ab"  # a fixed split, to learn which side is better
    SHADOW = "shadow"  # copies of requests; the candidate answers nobody

    @property
    def promotes(self) -> bool:
        """Whether the candidate goes live at the end; the others end in a finding."""
        return self in (Strategy.CANARY, Strategy.BLUE_GREEN)


class Source(StrEnum):
    """What a guard looks at."""

    ERRORS = "errors"  # rate of answers that failed
    SLOW = "slow"  # rate of answers later than the limit: how a p99 is judged, which is no mean
    POOR = "poor"  # rate of predictions whose loss, once known, exceeds the limit
    LOSS = "loss"  # mean loss of predictions, once known
    LATENCY = "latency"  # mean latency

    @property
    def is_rate(self) -> bool:
        """Whether failures are counted; otherwise a mean is taken."""
        return self in (Source.ERRORS, Source.SLOW, Source.POOR)

    @property
    def needs_limit(self) -> bool:
        """Whether a limit says what a failure is."""
        return self in (Source.SLOW, Source.POOR)

    @property
    def needs_outcomes(self) -> bool:
        """Whether it is known only once outcomes are reported."""
        return self in (Source.POOR, Source.LOSS)


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric on which candidate and stable version are compared."""

    name: str
    source: Source
    limit: float | None = None  # ms for `slow`, loss for `poor`
    margin: Annotated[float, Meta(gt=1)] = 1.5  # candidate to stable: the ratio from which it is not acceptable
    tolerated_share: Annotated[float, Meta(gt=0, lt=0.5)] | None = None  # a failure rate that is good enough anyway
    required: bool = True  # to be shown safe before the candidate goes live; otherwise it can only take it back

    def __post_init__(self) -> None:
        if self.source.needs_limit and self.limit is None:
            raise ValueError(f"guard {self.name!r} counts {self.source} answers, so it needs a limit")
        if self.tolerated_share is not None and not self.source.is_rate:
            raise ValueError(f"guard {self.name!r} judges a mean, which has no tolerated_share")


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One share of the traffic, and what it takes to leave it."""

    share: Share
    dwell_seconds: Annotated[float, Meta(ge=0)] = 300.0
    min_samples: Annotated[int, Meta(ge=0)] = 100  # answers of the candidate, or copies it was given


class RolloutPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is decided before the first request; nothing of it changes afterwards."""

    strategy: Strategy
    steps: tuple[Step, ...]
    ceiling: Share = 0.2  # of a canary's share before it takes all
    alpha: Probability = 0.01  # the most probability that a good candidate is ever taken back
    beta: Probability = 0.05  # the most probability that a bad one is ever called safe, guard by guard
    deadline_seconds: Annotated[float, Meta(gt=0)] = 86_400.0
    guards: tuple[Guard, ...]
    mirror_share: Share = 1.0  # of the requests that a shadow is given copies of
    primary: str = ""  # the guard that decides an A/B experiment

    def __post_init__(self) -> None:
        names = [guard.name for guard in self.guards]
        shares = [step.share for step in self.steps]
        if not names or len(set(names)) < len(names):
            raise ValueError("a rollout needs guards, each with a name of its own")
        if not any(guard.required for guard in self.guards):
            raise ValueError("at least one guard has to be required: nothing else could show that a candidate is safe")
        if not shares or any(later <= earlier for earlier, later in pairwise(shares)):
            raise ValueError(f"the shares of the steps must grow, not {shares}")
        if self.strategy is Strategy.CANARY and not 0 < shares[0] <= shares[-1] <= self.ceiling < 1:
            raise ValueError(f"a canary's shares {shares} must lie between 0 and its ceiling {self.ceiling}")
        if self.strategy is not Strategy.CANARY and len(shares) > 1:
            raise ValueError(f"{self.strategy} has one step, not {len(shares)}")
        if self.strategy is Strategy.AB and (self.primary not in names or not 0 < shares[0] < 1):
            raise ValueError("an A/B split needs a share between 0 and 1, and a primary among its guards")
        if self.strategy is Strategy.BLUE_GREEN and any(
            guard.required and guard.tolerated_share is None for guard in self.guards
        ):
            raise ValueError("after a switch there is nothing to compare: required guards need a tolerated_share")

    @property
    def last_step(self) -> int:
        """The index of the last step before the candidate takes all."""
        return len(self.steps) - 1

    @property
    def alpha_per_guard(self) -> float:
        """Each guard's part of alpha, so that all together take back a good candidate no more often than that."""
        return self.alpha / len(self.guards)


class RolloutPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people set for rollouts; a plan is made of it for each."""

    shares: Annotated[tuple[float, ...], Meta(min_length=1, description="Shares of the traffic of a canary.")] = (
        0.05,
        0.10,
        0.20,
    )
    ceiling: Annotated[float, Meta(gt=0, lt=1, description="Most traffic of a canary before it takes all.")] = 0.20
    ab_share: Annotated[float, Meta(gt=0, lt=1, description="The candidate's side of an A/B split.")] = 0.5
    mirror_share: Annotated[float, Meta(gt=0, le=1, description="Requests that a shadow is given copies of.")] = 1.0
    dwell_seconds: Annotated[float, Meta(ge=0, description="Least time at a step.")] = 300.0
    min_samples: Annotated[int, Meta(ge=1, description="Least answers of the candidate at a step.")] = 100
    deadline_seconds: Annotated[float, Meta(gt=0, description="From then on a person has to decide.")] = 86_400.0
    alpha: Annotated[float, Meta(gt=0, lt=0.5, description="Most probability of taking a good one back.")] = 0.01
    promotion_threshold: Annotated[
        float, Meta(gt=0.5, lt=1, description="Least confidence that the candidate is within the margins.")
    ] = 0.95
    rate_margin: Annotated[float, Meta(gt=1, description="Ratio of failure rates that is not acceptable.")] = 1.5
    loss_margin: Annotated[float, Meta(gt=1, description="Ratio of mean losses that is not acceptable.")] = 1.1
    tolerated_error_share: Annotated[
        float, Meta(gt=0, lt=0.5, description="Errors this rare are good enough, whatever the stable version has.")
    ] = 0.001
    latency_limit_ms: Annotated[
        float | None, Meta(description="An answer later than this is slow; by default the stable version's p99.")
    ] = None
    tolerated_slow_share: Annotated[
        float, Meta(gt=0, lt=0.5, description="Slow answers this rare are good enough.")
    ] = 0.02
    require_loss: Annotated[
        bool, Meta(description="Wait for outcomes until the loss is shown to be within its margin, too.")
    ] = False


def make_plan(
    strategy: Strategy, policy: RolloutPolicy | None = None, *, latency_limit_ms: float | None = None
) -> RolloutPlan:
    """Make a plan of a policy.

    Args:
        strategy: How traffic gets to the candidate.
        policy: What people have set; the defaults if None.
        latency_limit_ms: The stable version's p99, for a policy without a limit of its own. Without either, latency
            is not judged.
    Raises:
        ValueError: The policy contradicts itself; the message says where.

    >>> [step.share for step in make_plan(Strategy.CANARY).steps]
    [0.05, 0.1, 0.2]
    """
    policy = policy or RolloutPolicy()
    shares = {
        Strategy.CANARY: policy.shares,
        Strategy.BLUE_GREEN: (1.0,),
        Strategy.AB: (policy.ab_share,),
        Strategy.SHADOW: (0.0,),
    }[strategy]
    guards = [
        Guard(
            name="errors",
            source=Source.ERRORS,
            margin=policy.rate_margin,
            tolerated_share=policy.tolerated_error_share,
        )
    ]
    if (limit := policy.latency_limit_ms or latency_limit_ms) is not None:
        guards.append(
            Guard(
                name="slow",
                source=Source.SLOW,
                limit=limit,
                margin=policy.rate_margin,
                tolerated_share=policy.tolerated_slow_share,
            )
        )
    # After a switch there is nothing that a mean could be compared with.
    if strategy is not Strategy.BLUE_GREEN:
        is_needed = policy.require_loss or strategy is Strategy.AB
        guards.append(Guard(name="loss", source=Source.LOSS, margin=policy.loss_margin, required=is_needed))
    return RolloutPlan(
        strategy=strategy,
        steps=tuple(
            Step(share=share, dwell_seconds=policy.dwell_seconds, min_samples=policy.min_samples) for share in shares
        ),
        ceiling=policy.ceiling,
        alpha=policy.alpha,
        beta=round(1 - policy.promotion_threshold, 9),
        deadline_seconds=policy.deadline_seconds,
        guards=tuple(guards),
        mirror_share=policy.mirror_share,
        primary="loss" if strategy is Strategy.AB else "",
    )
