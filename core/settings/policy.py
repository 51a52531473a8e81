"""The `policy` section: the rules under which models drift, roll out, serve, and are kept.

One place for each rule: what holds for all models stands in the sections, what holds for some stands in `overrides`
by name or pattern. `Policy.for_model` is the one way to ask.
"""

import fnmatch
import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.settings.overlay import overlay
from core.settings.promotion import PromotionSettings

Share = Annotated[float, Meta(gt=0, le=1)]
GuardMetric = Literal["errors", "latency", "loss"]


class DriftPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From which size on a drift counts: effect sizes, judged beside significance and never as bare cut-offs."""

    feature: Annotated[float, Meta(gt=0, description="Of one feature, population stability index in nats.")] = 0.1
    target: Annotated[float, Meta(gt=0, description="Of what is predicted, in nats.")] = 0.15
    residual: Annotated[float, Meta(gt=0, description="Of the errors once outcomes are known, in nats.")] = 0.2


class CanaryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How traffic moves to a candidate, and what ends the attempt."""

    initial_share: Annotated[Share, Meta(description="Share of the traffic in the first step.")] = 0.05
    max_share: Annotated[Share, Meta(description="Largest share before the candidate takes all.")] = 0.20
    steps: Annotated[
        tuple[Share, ...], Meta(description="Shares between the two, ascending; empty: each step doubles the last.")
    ] = ()
    promotion_threshold: Annotated[
        float,
        Meta(ge=0.5, lt=1, description="Confidence that the candidate does no harm from which it may take all."),
    ] = 0.95
    rollback_alpha: Annotated[
        float, Meta(gt=0, le=0.2, description="Most probability that a good candidate is ever rolled back.")
    ] = 0.01
    safety_margin: Annotated[
        float, Meta(gt=1, le=10, description="How many times the stable side's failures would be harm.")
    ] = 1.5
    loss_margin: Annotated[
        float,
        Meta(gt=0, le=1, description="How much more loss than the stable side's is harm, as a share of it."),
    ] = 0.05
    dwell_seconds: Annotated[float, Meta(ge=0, description="Least time in each step.")] = 600.0
    min_samples: Annotated[int, Meta(ge=1, description="Least requests of the candidate in each step.")] = 500
    deadline_hours: Annotated[
        float, Meta(gt=0, le=8760, description="A rollout that is undecided by then ends, and the stable side stays.")
    ] = 72.0
    latency_slo_ms: Annotated[float, Meta(gt=0, description="A slower answer breaches its objective.")] = 50.0
    guard_metrics: Annotated[
        tuple[GuardMetric, ...], Meta(min_length=1, description="What a candidate is judged by: errors, latency, loss.")
    ] = ("errors", "latency", "loss")
    auto_advance: Annotated[bool, Meta(description="Take the next step when the verdict is to advance.")] = True
    auto_rollback: Annotated[bool, Meta(description="Roll back when the verdict is harm.")] = True

    def __post_init__(self) -> None:
        if self.initial_share > self.max_share:
            raise ValueError(f"initial_share ({self.initial_share}) must not be above max_share ({self.max_share})")
        shares = (self.initial_share, *self.steps, self.max_share)
        if self.steps and any(after <= before for before, after in itertools.pairwise(shares)):
            raise ValueError(
                f"steps {list(self.steps)} must ascend between initial_share ({self.initial_share}) "
                f"and max_share ({self.max_share})"
            )
        if len(set(self.guard_metrics)) < len(self.guard_metrics):
            raise ValueError("guard_metrics names a metric twice")

    @property
    def shares(self) -> tuple[float, ...]:
        """The traffic share of every step before the candidate takes all.

        >>> CanaryPolicy().shares
        (0.05, 0.1, 0.2)
        """
        if self.steps:
            return (self.initial_share, *self.steps, self.max_share)
        shares = [self.initial_share]
        while shares[-1] * 2 < self.max_share:
            shares.append(shares[-1] * 2)
        return (*shares, self.max_share) if shares[-1] < self.max_share else tuple(shares)


class RetentionPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many versions of a model a prune leaves in each stage; what serves or is referred to stays in any case."""

    keep_development: Annotated[int, Meta(ge=0, description="Newest versions in Development to keep.")] = 20
    keep_staging: Annotated[int, Meta(ge=0, description="Newest versions in Staging to keep.")] = 10
    keep_archived: Annotated[int, Meta(ge=0, description="Newest archived versions to keep.")] = 20


class TrackingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How runs that other processes log are recorded."""

    heartbeat_seconds: Annotated[
        float, Meta(ge=0.05, le=3600, description="How often a logging process says that it is alive.")
    ] = 10.0
    lost_after_seconds: Annotated[
        float, Meta(gt=0, le=86_400, description="A run whose process is silent for longer is lost.")
    ] = 60.0
    keep_runs: Annotated[int, Meta(ge=1, description="Runs that `bondx runs prune` leaves.")] = 1000
    required_tags: Annotated[
        tuple[str, ...], Meta(description="Tags without which no run of another process is started.")
    ] = ()

    def __post_init__(self) -> None:
        if self.lost_after_seconds < 2 * self.heartbeat_seconds:
            raise ValueError(
                f"lost_after_seconds ({self.lost_after_seconds:g}) must be at least twice heartbeat_seconds "
                f"({self.heartbeat_seconds:g}), or one late heartbeat loses a run"
            )


class ModelPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules for one model."""

    drift: DriftPolicy = DriftPolicy()
    canary: CanaryPolicy = CanaryPolicy()
    promotion: PromotionSettings = PromotionSettings()
    retention: RetentionPolicy = RetentionPolicy()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules for all models, and for some by name or pattern."""

    drift: DriftPolicy = DriftPolicy()
    canary: CanaryPolicy = CanaryPolicy()
    promotion: PromotionSettings = PromotionSettings()
    retention: RetentionPolicy = RetentionPolicy()
    tracking: TrackingPolicy = TrackingPolicy()
    overrides: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="Keys of the sections above for single models: `spread`, or a pattern such as `desk_*`."),
    ] = {}

    def for_model(self, model: str) -> ModelPolicy:
        """Return the rules for a model: the sections, then the patterns it matches in their order, then its own name.

        >>> Policy(overrides={"s*": {"promotion": {"min_accuracy": 0.9}}}).for_model("spread").promotion.min_accuracy
        0.9
        """
        values = self.shared_values()
        for entry in self._entries(model):
            values = overlay(values, entry)
        return msgspec.convert(values, ModelPolicy)

    def shared_values(self) -> dict[str, Any]:
        """Return the sections that an override may change, as plain values."""
        return {name: msgspec.to_builtins(getattr(self, name)) for name in ModelPolicy.__struct_fields__}

    def _entries(self, model: str) -> list[Mapping[str, Any]]:
        names = [name for name in self.overrides if name != model and fnmatch.fnmatchcase(model, name)]
        return [self.overrides[name] for name in (*names, model) if name in self.overrides]
