"""The `policy` section: the rules under which models drift, roll out, serve, and are kept.

One place for each rule: what holds for all models stands in the sections, what holds for some stands in `overrides`
by name or pattern. `Policy.for_model` is the one way to ask.
"""

import fnmatch
import itertools
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from core.settings.overlay import overlay
from core.settings.promotion import PromotionSettings
from core.settings.units import PositiveShare


class DriftPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From which size on a drift counts: effect sizes, judged beside significance and never as bare cut-offs."""

    feature: Annotated[float, Meta(gt=0, description="Of one feature, population stability index in nats.")] = 0.1
    target: Annotated[float, Meta(gt=0, description="Of what is predicted, in nats.")] = 0.15
    residual: Annotated[float, Meta(gt=0, description="Of the errors once outcomes are known, in nats.")] = 0.2


class CanaryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How traffic moves to a candidate, and what ends the attempt; for the other strategies as far as it applies."""

    initial_share: Annotated[PositiveShare, Meta(description="Share of the traffic in the first step.")] = 0.05
    max_share: Annotated[PositiveShare, Meta(description="Largest share before the candidate takes all.")] = 0.20
    steps: Annotated[
        tuple[PositiveShare, ...],
        Meta(description="Shares between the two, ascending; empty: each step doubles the last."),
    ] = ()
    dwell_seconds: Annotated[float, Meta(ge=0, description="Least time at a step.")] = 300.0
    min_samples: Annotated[int, Meta(ge=1, description="Least answers of the candidate at a step.")] = 100
    deadline_hours: Annotated[float, Meta(gt=0, le=8760, description="Undecided by then, it waits for a person.")] = (
        24.0
    )
    promotion_threshold: Annotated[
        float, Meta(gt=0.5, lt=1, description="Least confidence that the candidate is within the margins.")
    ] = 0.95
    alpha: Annotated[
        float, Meta(gt=0, lt=0.5, description="Most probability that a good candidate is ever taken back.")
    ] = 0.01
    rate_margin: Annotated[float, Meta(gt=1, description="Ratio of failure rates that is not acceptable.")] = 1.5
    loss_margin: Annotated[float, Meta(gt=1, description="Ratio of mean losses that is not acceptable.")] = 1.1
    tolerated_error_share: Annotated[
        float, Meta(gt=0, lt=0.5, description="Errors this rare are good enough, whatever the stable version has.")
    ] = 0.001
    latency_limit_ms: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="An answer later than this is slow; by default the stable version's p99."),
    ] = None
    tolerated_slow_share: Annotated[
        float, Meta(gt=0, lt=0.5, description="Slow answers this rare are good enough.")
    ] = 0.02
    require_loss: Annotated[
        bool, Meta(description="Wait for outcomes until the loss is shown to be within its margin, too.")
    ] = False
    ab_share: Annotated[float, Meta(gt=0, lt=1, description="The candidate's side of an A/B split.")] = 0.5
    mirror_share: Annotated[PositiveShare, Meta(description="Requests that a shadow is given copies of.")] = 1.0

    def __post_init__(self) -> None:
        if self.initial_share > self.max_share:
            raise ValueError(f"initial_share ({self.initial_share}) must not be above max_share ({self.max_share})")
        if self.max_share == 1:
            raise ValueError("max_share is 1: before the candidate takes all, the stable version must have some")
        shares = (self.initial_share, *self.steps, self.max_share)
        if self.steps and any(after <= before for before, after in itertools.pairwise(shares)):
            raise ValueError(
                f"steps {list(self.steps)} must ascend between initial_share ({self.initial_share}) "
                f"and max_share ({self.max_share})"
            )

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

    @property
    def ceiling(self) -> float:
        """The largest share before the candidate takes all, as plans of rollouts call it."""
        return self.max_share

    @property
    def deadline_seconds(self) -> float:
        """From when on a rollout waits for a person."""
        return self.deadline_hours * 3600


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
        float, Meta(ge=3, le=86_400, description="A run whose process is silent for longer is lost.")
    ] = 60.0  # what a process says reaches the disk within a second or two
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

    @property
    def sha256(self) -> str:
        """Names these very rules: the same digest, the same rules, whatever files they came from."""
        import hashlib  # whoever only reads the settings does not need it

        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


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
