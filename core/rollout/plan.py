"""The plan of a rollout: its steps, shares of traffic, dwell times, and guards."""

import math
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from msgspec import Meta

from core.losses import AnswerForm, AnswerKind, LossKind, LossRule
from core.rollout.slices import Slice, levels_of
from core.rollout.strategies import Strategy
from core.settings.policy import CanaryPolicy
from core.settings.units import Share

if TYPE_CHECKING:
    from core.telemetry.predictions import OutcomeDelay

Probability = Annotated[float, Meta(gt=0, lt=0.5)]


class GuardSource(StrEnum):
    """What a guard measures."""

    ERRORS = "errors"  # rate of answers that failed
    SLOW = "slow"  # rate of answers later than the limit: a p99 is judged as a rate
    POOR = "poor"  # rate of predictions whose loss, once known, exceeds the limit
    LOSS = "loss"  # mean loss of predictions, once known
    LATENCY = "latency"  # mean latency
    FACTS = "facts"  # share of whole texts whose facts contradict each other
    CUT = "cut"  # share of texts that a limit of tokens or time has cut off, of those whose end is left to the model
    TRAFFIC = "traffic"  # a check, not a guard: requests by arm against the share
    ARRIVALS = "arrivals"  # a check: outcomes by arm against answers

    @property
    def is_rate(self) -> bool:
        """Whether failures are counted; otherwise a mean is taken."""
        return self in (GuardSource.ERRORS, GuardSource.SLOW, GuardSource.POOR) or self.is_check

    @property
    def is_check(self) -> bool:
        """Whether it says if the arms can be compared; no plan names it."""
        return self in (GuardSource.TRAFFIC, GuardSource.ARRIVALS)

    @property
    def needs_limit(self) -> bool:
        """Whether a limit defines a failure."""
        return self in (GuardSource.SLOW, GuardSource.POOR)

    @property
    def is_of_texts(self) -> bool:
        """Whether it is a share of the texts of a model of language."""
        return self in (GuardSource.FACTS, GuardSource.CUT)

    @property
    def needs_outcomes(self) -> bool:
        """Whether it is known only once outcomes are reported."""
        return self in (GuardSource.POOR, GuardSource.LOSS)


_CHECKS = (GuardSource.TRAFFIC, GuardSource.ARRIVALS)
_SLICED = (GuardSource.ERRORS, GuardSource.LOSS)


class Guard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric on which candidate and stable version are compared."""

    name: str
    source: GuardSource
    limit: float | None = None  # ms for `slow`, loss for `poor`
    margin: Annotated[float, Meta(gt=1)] = (
        1.5  # candidate to stable: the ratio from which the candidate is not acceptable
    )
    margin_difference: Annotated[float, Meta(gt=0)] | None = None  # of means; replaces the ratio, for negative losses
    tolerated_share: Annotated[float, Meta(gt=0, lt=0.5)] | None = None  # a failure rate that is acceptable in any case
    required: bool = True  # must be shown safe before the candidate goes live; otherwise it can only roll back

    @property
    def margin_text(self) -> str:
        """The margin: a multiple of the stable version's value, or a difference from it."""
        if self.margin_difference is None:
            return f"below {self.margin:g}x"
        if self.source.is_of_texts:
            return f"below +{100 * self.margin_difference:g} points"
        return f"below +{self.margin_difference:g}"

    def __post_init__(self) -> None:
        if self.source.needs_limit and self.limit is None:
            raise ValueError(f"guard {self.name!r} counts {self.source} answers, so it needs a limit")
        if self.source.is_check or self.name in _CHECKS:
            raise ValueError(f"guard {self.name!r}: {self.source} is checked in every rollout, under a name of its own")
        if self.tolerated_share is not None and not self.source.is_rate:
            raise ValueError(f"guard {self.name!r} judges a mean, which has no tolerated_share")
        if self.margin_difference is not None and self.source.is_rate:
            raise ValueError(f"guard {self.name!r} judges a rate, whose margin is a ratio")
        if self.margin_difference is None and self.source.is_of_texts:
            raise ValueError(f"guard {self.name!r} compares shares of texts, so it needs a margin_difference")


class LatencyBasis(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the limit of slow answers comes from: the stable version's latency."""

    stable_p99_ms: float
    factor: float
    floor_ms: float

    @property
    def limit_ms(self) -> float:
        """The limit: the larger of the floor and the factor times the p99."""
        return max(self.floor_ms, round(self.factor * self.stable_p99_ms, 3))

    def describe(self) -> str:
        """Say where the limit comes from.

        >>> LatencyBasis(stable_p99_ms=0.4, factor=1.5, floor_ms=5).describe()
        "the larger of 1.5 times stable's p99 0.4 ms and the floor 5 ms"
        """
        p99 = f"{self.factor:g} times stable's p99 {self.stable_p99_ms:g} ms"
        return f"the larger of {p99} and the floor {self.floor_ms:g} ms"


class SettleBasis(StrEnum):
    """Where the age comes from at which answers count as settled."""

    UNKNOWN = "unknown"  # no outcomes to learn from: every answer is settled at once
    POLICY = "policy"
    HISTORY = "history"  # by then 99 % of the stable version's outcomes had come
    SHORT_HISTORY = "short history"  # the same, but no longer delay could have been seen


class TextRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is judged of a model of language."""

    grammar: str = ""  # the domain whose grammar reads the facts of both versions; empty: they are not judged
    why_no_facts: str = ""  # why not
    contradicted_share: float | None = None  # of the documents that the stable version wrote when it was registered


class RolloutStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One share of the traffic, and the conditions to leave the step."""

    share: Share
    dwell_seconds: Annotated[float, Meta(ge=0)] = 300.0
    min_samples: Annotated[int, Meta(ge=0)] = 100  # answers of the candidate, or copies it was given


class RolloutPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything decided before the first request; it does not change afterwards."""

    READ_WHEN_ASKED: ClassVar[tuple[str, ...]] = ("guards", "loss", "latency")
    ALIKE: ClassVar[tuple[str, ...]] = ("steps", "slices")

    strategy: Strategy
    steps: tuple[RolloutStep, ...]
    ceiling: Share = 0.2  # of a canary's share before it takes all
    alpha: Probability = 0.01  # the highest probability that a good candidate is ever rolled back
    beta: Probability = 0.05  # the highest probability that a bad candidate is ever called safe, guard by guard
    deadline_seconds: Annotated[float, Meta(gt=0)] = 86_400.0
    guards: tuple[Guard, ...]
    mirror_share: Share = 1.0  # share of the requests that a shadow receives copies of
    primary: str = ""  # the guard that decides an A/B experiment
    answer_changes_outcome: bool = True  # otherwise both versions score every row, and losses are compared by row
    slices: tuple[Slice, ...] = ()  # the columns by whose levels losses are judged
    difference_tolerance: float | None = None  # answers of both versions to one row that differ by more are different
    loss: LossRule = LossRule()  # how the loss of an answer is computed from its outcome
    latency: LatencyBasis | None = None  # what the limit of slow answers comes from; None: from the policy
    outcomes_come: bool | None = None  # whether outcomes of the stable version came lately; None: nobody looked
    settle_seconds: Annotated[float, Meta(ge=0)] = 0.0  # safety is judged by outcomes of answers older than this
    settle_basis: SettleBasis = SettleBasis.UNKNOWN
    texts: TextRules | None = None  # of a model of language: its texts are judged, and no losses

    def __post_init__(self) -> None:
        names = [guard.name for guard in self.guards]
        shares = [step.share for step in self.steps]
        if not names or len(set(names)) < len(names):
            raise ValueError("a rollout needs guards, each with its own name")
        if not any(guard.required for guard in self.guards):
            raise ValueError("at least one guard must be required, or nothing could show that a candidate is safe")
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
        if self.texts is not None and (self.strategy is not Strategy.CANARY or not self.answer_changes_outcome):
            raise ValueError("texts are compared between the callers of a canary, and no request is copied")

    @property
    def last_step(self) -> int:
        """The index of the last step before the candidate takes all."""
        return len(self.steps) - 1

    @property
    def judges_latency(self) -> bool:
        """Whether slow answers count: only with a limit, from the policy or from the stable version's latency."""
        return any(guard.source is GuardSource.SLOW for guard in self.guards)

    @property
    def is_paired(self) -> bool:
        """Whether both versions answer the same rows, so that losses are compared row by row."""
        return self.strategy is Strategy.SHADOW or self.scores_copies

    @property
    def scores_copies(self) -> bool:
        """Whether the version that does not answer a caller scores a copy of the request."""
        return not self.answer_changes_outcome and self.strategy in (Strategy.CANARY, Strategy.AB)

    @property
    def needs_outcomes(self) -> bool:
        """Whether a guard judges outcomes."""
        return any(guard.source.needs_outcomes for guard in self.guards)

    @property
    def copied_share(self) -> float:
        """The share of the requests that are copied to the version that does not answer them."""
        return self.mirror_share if self.is_paired else 0.0

    @property
    def sliced_guards(self) -> tuple[Guard, ...]:
        """The guards that are also judged by slice."""
        return tuple(guard for guard in self.guards if self.slices and guard.source in _SLICED)

    @property
    def n_slice_tests(self) -> int:
        """How many comparisons are made by slice: one for each level of each column, and each guard."""
        return len(levels_of(self.slices)) * len(self.sliced_guards)

    @property
    def loss_guard(self) -> Guard | None:
        """The guard that judges the loss, if there is one."""
        return next((guard for guard in self.guards if guard.source is GuardSource.LOSS), None)

    def describe_guard(self, guard: Guard) -> str:
        """Name a guard with what it measures in absolute terms."""
        measure = self.measure_of(guard)
        return f"{guard.name} ({measure})" if measure else guard.name

    def measure_of(self, guard: Guard) -> str:
        """Say what a guard measures, in absolute terms; empty where its name says it."""
        if guard.source is GuardSource.SLOW and guard.limit is not None:
            basis = f": {self.latency.describe()}" if self.latency is not None else ""
            return f"slower than {guard.limit:g} ms{basis}"
        if guard.source is GuardSource.LOSS:
            by_difference = "" if guard.margin_difference is None else f"; {guard.margin_text}"
            return f"{self.loss.describe()}{by_difference}{'' if guard.required else '; not required'}"
        if guard.source is GuardSource.FACTS:
            grammar = f", read by the grammar of {self.texts.grammar}" if self.texts is not None else ""
            return f"whole texts that contradict themselves{grammar}; {guard.margin_text}"
        if guard.source is GuardSource.CUT:
            return f"texts cut off by the usual limit or time; {guard.margin_text}"
        return ""

    @property
    def risks_text(self) -> str:
        """The probabilities of wrong verdicts, each with its condition.

        No data bound the mean of losses that have not been seen (Bahadur and Savage, Annals of Mathematical Statistics
        27(4), 1956), so what is called safe holds for losses like those seen.
        """
        of_losses = ", for losses like those seen" if self.loss_guard is not None else ""
        return (
            f"false alarm at most {at_most(self.alpha)} for the whole rollout; "
            f"missed harm at most {at_most(self.beta)} per guard"
            f"{of_losses}"
        )

    @property
    def alpha_per_guard(self) -> float:
        """Each guard's part of alpha, so that all guards together keep to alpha; slices take half of it."""
        return (self.alpha / 2 if self.sliced_guards else self.alpha) / len(self.guards)

    @property
    def alpha_per_level(self) -> float:
        """The part of alpha of each comparison by slice, so that the whole verdict keeps to alpha."""
        return self.alpha / 2 / self.n_slice_tests if self.n_slice_tests else 0.0


def make_plan(
    strategy: Strategy,
    policy: CanaryPolicy | None = None,
    *,
    share: float | None = None,
    slices: tuple[Slice, ...] = (),
    difference_tolerance: float | None = None,
    stable_p99_ms: float | None = None,
    answers: AnswerForm | None = None,
    outcomes_come: bool | None = None,
    delay: "OutcomeDelay | None" = None,
    texts: TextRules | None = None,
) -> RolloutPlan:
    """Make a plan from a policy.

    Args:
        strategy: How traffic gets to the candidate.
        policy: The rules for the model; the defaults if None.
        share: Overrides the policy: the first step of a canary, the candidate's side of an A/B split, the requests
            that a shadow receives copies of.
        slices: The policy's slice columns with their levels.
        difference_tolerance: From which difference two answers count as different, for a policy without a tolerance.
        stable_p99_ms: The stable version's p99, for a policy without a limit. Without either, latency is not judged.
        answers: What the stable version answers, so that the plan names the loss; None if unknown.
        outcomes_come: Whether outcomes of the stable version came lately, so that they may be waited for.
        delay: How long its outcomes took, for a policy that does not say; None if unknown.
        texts: What is judged of a model of language; None of a model of rows.
    Raises:
        ValueError: The share does not fit the policy or the strategy.

    >>> [step.share for step in make_plan(Strategy.CANARY).steps]
    [0.05, 0.1, 0.2]
    >>> [step.share for step in make_plan(Strategy.CANARY, share=0.1).steps]
    [0.1, 0.2]
    """
    policy = policy or CanaryPolicy()
    basis = _latency_basis(policy, stable_p99_ms)
    settle_seconds, settle_basis = _settling(policy, delay)
    shares: tuple[float, ...]
    match strategy:
        case Strategy.CANARY:
            first = policy.initial_share if share is None else share
            shares = (first, *(later for later in policy.shares if later > first))
        case Strategy.AB:
            shares = (policy.ab_share if share is None else share,)
        case Strategy.BLUE_GREEN:
            shares = (1.0,)
        case Strategy.SHADOW:
            shares = (0.0,)
    return RolloutPlan(
        strategy=strategy,
        steps=tuple(
            RolloutStep(share=each, dwell_seconds=policy.dwell_seconds, min_samples=policy.min_samples)
            for each in shares
        ),
        ceiling=policy.ceiling,
        alpha=policy.alpha,
        beta=round(1 - policy.promotion_threshold, 9),
        deadline_seconds=policy.deadline_seconds,
        guards=_guards(
            strategy, policy, basis.limit_ms if basis else policy.latency_limit_ms, bool(outcomes_come), texts
        ),
        mirror_share=share if strategy is Strategy.SHADOW and share is not None else policy.mirror_share,
        primary="loss" if strategy is Strategy.AB else "",
        answer_changes_outcome=policy.answer_changes_outcome or texts is not None,
        slices=slices,
        difference_tolerance=(
            difference_tolerance if policy.difference_tolerance is None else policy.difference_tolerance
        ),
        loss=loss_rule(policy, answers),
        latency=basis,
        outcomes_come=outcomes_come,
        settle_seconds=settle_seconds,
        settle_basis=settle_basis,
        texts=texts,
    )


def _latency_basis(policy: CanaryPolicy, stable_p99_ms: float | None) -> LatencyBasis | None:
    """Derive the limit from the stable version's latency, if the policy sets none.

    A bare p99 lets one answer in a hundred be slow by definition, and where answers take less than a millisecond it
    rolls back for a quarter of a millisecond.
    """
    if policy.latency_limit_ms is not None or stable_p99_ms is None:
        return None
    return LatencyBasis(stable_p99_ms=stable_p99_ms, factor=policy.latency_factor, floor_ms=policy.latency_floor_ms)


def _settling(policy: CanaryPolicy, delay: "OutcomeDelay | None") -> tuple[float, SettleBasis]:
    if policy.settle_hours is not None:
        return policy.settle_hours * 3600, SettleBasis.POLICY
    if delay is None:
        return 0.0, SettleBasis.UNKNOWN
    return float(math.ceil(delay.seconds)), SettleBasis.SHORT_HISTORY if delay.is_short else SettleBasis.HISTORY


def loss_rule(policy: CanaryPolicy, answers: AnswerForm | None = None) -> LossRule:
    """Settle the loss for what the stable version answers; as the policy says where that is unknown."""
    rule = LossRule(kind=LossKind(policy.loss), quantile=policy.loss_quantile, cap=policy.loss_cap)
    if answers is None or answers.kind is AnswerKind.UNKNOWN:
        return rule
    return msgspec.structs.replace(rule, kind=rule.for_form(answers))


def _guards(
    strategy: Strategy,
    policy: CanaryPolicy,
    latency_limit_ms: float | None,
    outcomes_come: bool,
    texts: TextRules | None,
) -> tuple[Guard, ...]:
    def rate(name: str, source: GuardSource, tolerated_share: float, limit: float | None = None) -> Guard:
        return Guard(name=name, source=source, limit=limit, margin=policy.rate_margin, tolerated_share=tolerated_share)

    guards = [rate("errors", GuardSource.ERRORS, policy.tolerated_error_share)]
    if latency_limit_ms is not None:
        guards.append(rate("slow", GuardSource.SLOW, policy.tolerated_slow_share, latency_limit_ms))
    if texts is not None:
        if texts.grammar:
            guards.append(Guard(name="facts", source=GuardSource.FACTS, margin_difference=policy.facts_margin))
        guards.append(Guard(name="cut", source=GuardSource.CUT, margin_difference=policy.cut_margin))
    elif strategy is not Strategy.BLUE_GREEN:  # after a switch there is nothing to compare a mean with
        # Outcomes may be months away, or never reported: a rollout waits for them where they came lately, where people
        # ask for it, and in an experiment. Everywhere a worse loss takes a candidate back.
        is_awaited = outcomes_come if policy.require_loss == "auto" else policy.require_loss
        is_awaited = is_awaited or strategy is Strategy.AB
        guards.append(
            Guard(
                name="loss",
                source=GuardSource.LOSS,
                margin=policy.loss_margin,
                margin_difference=policy.loss_margin_difference,
                required=is_awaited,
            )
        )
    return tuple(guards)


def at_most(share: float) -> str:
    """Spell an upper limit as a percentage, rounded up: a limit that is rounded down promises too much.

    >>> at_most(0.01), at_most(0.0101)
    ('1.0%', '1.1%')
    """
    return f"{math.ceil(round(share * 1000, 9)) / 10:.1f}%"
