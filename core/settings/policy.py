"""The `policy` section: the rules under which models drift, roll out, serve, and are kept.

Each rule has one place: rules for all models are in the sections, rules for some models in `overrides` by name or
pattern. `Policy.for_model` returns the rules of a model.
"""

import fnmatch
import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.json_documents import converted
from core.settings.health import HealthPolicy
from core.settings.names import ModelPattern, Name
from core.settings.overlay import overlay
from core.settings.promotion import PromotionSettings
from core.settings.retraining import RetrainingPolicy
from core.settings.units import PositiveShare


class DriftPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The drift thresholds: effect sizes, judged together with significance and never as bare cut-offs."""

    feature: Annotated[float, Meta(gt=0, description="PSI of a feature, in nats.")] = 0.1
    target: Annotated[float, Meta(gt=0, description="PSI of the target, in nats.")] = 0.15
    residual: Annotated[float, Meta(gt=0, description="PSI of the residuals, once outcomes are known, in nats.")] = 0.2


MAX_SLICES = 5
MAX_LEVELS = 12  # with a name of their own; all others are judged together
MAX_CUTS = 12


class SliceRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A column of the requests by whose levels candidates are judged, and how its values are divided."""

    column: Annotated[Name, Meta(description="A column that the model reads.")]
    levels: Annotated[
        tuple[str, ...],
        Meta(description="Values of a categorical column that are judged separately; by default its first twelve."),
    ] = ()
    cuts: Annotated[
        tuple[float, ...], Meta(description="Where a numeric column is divided, ascending; by default at quantiles.")
    ] = ()
    bins: Annotated[int, Meta(ge=2, le=10, description="Number of quantile bins of a numeric column without cuts.")] = 4

    def __post_init__(self) -> None:
        for name, values, most in (("levels", self.levels, MAX_LEVELS), ("cuts", self.cuts, MAX_CUTS)):
            if len(values) > most:
                raise ValueError(f"slice column {self.column!r} has {len(values)} {name}, and may have {most}")
            if len(set(values)) < len(values):
                raise ValueError(f"slice column {self.column!r} names one of its {name} twice")
        if list(self.cuts) != sorted(self.cuts):
            raise ValueError(f"the cuts {list(self.cuts)} of slice column {self.column!r} must ascend")
        if self.levels and self.cuts:
            raise ValueError(
                f"slice column {self.column!r} has levels and cuts: give levels of a text, cuts of a number"
            )


class CanaryPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How traffic moves to a candidate, and when the rollout ends; also for other strategies, where applicable."""

    initial_share: Annotated[PositiveShare, Meta(description="Share of the traffic in the first step.")] = 0.05
    max_share: Annotated[PositiveShare, Meta(description="Largest share before full traffic.")] = 0.20
    steps: Annotated[
        tuple[PositiveShare, ...],
        Meta(description="Shares between the two, ascending; empty: each step doubles the share."),
    ] = ()
    dwell_seconds: Annotated[float, Meta(ge=0, description="Minimum time at a step.")] = 300.0
    min_samples: Annotated[int, Meta(ge=1, description="Minimum answers of the candidate at a step.")] = 100
    deadline_hours: Annotated[
        float, Meta(gt=0, le=8760, description="If a rollout is undecided by then, an operator decides.")
    ] = 24.0
    settle_hours: Annotated[
        Annotated[float, Meta(ge=0, le=8760)] | None,
        Meta(description="Safety is judged by answers older than this; by default as long as outcomes took lately."),
    ] = None
    promotion_threshold: Annotated[
        float, Meta(gt=0.5, lt=1, description="Minimum confidence that the candidate is within the margins.")
    ] = 0.95
    alpha: Annotated[
        float, Meta(gt=0, lt=0.5, description="Maximum probability that a good candidate is rolled back.")
    ] = 0.01
    rate_margin: Annotated[float, Meta(gt=1, description="Unacceptable ratio of failure rates.")] = 1.5
    loss_margin: Annotated[float, Meta(gt=1, description="Unacceptable ratio of mean losses.")] = 1.1
    loss_margin_difference: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="Unacceptable difference of mean losses; replaces the ratio, for losses that can be negative."
        ),
    ] = None
    tolerated_error_share: Annotated[
        float, Meta(gt=0, lt=0.5, description="Error share that is acceptable, whatever the stable version has.")
    ] = 0.001
    loss: Annotated[
        Literal["auto", "log", "brier", "absolute", "squared", "quantile"],
        Meta(description="Loss of an outcome; where it does not fit a model's answers, as auto."),
    ] = "auto"
    loss_quantile: Annotated[float, Meta(gt=0, lt=1, description="The quantile of the quantile loss.")] = 0.5
    loss_cap: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Losses beyond it count as it, so that one absurd value does not decide; by default none do."),
    ] = None
    latency_limit_ms: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="A slower answer counts as slow; by default from the stable version's p99."),
    ] = None
    latency_floor_ms: Annotated[float, Meta(gt=0, description="Smallest limit that comes from the p99.")] = 5.0
    latency_factor: Annotated[float, Meta(ge=1, description="The limit as a multiple of the p99.")] = 1.5
    tolerated_slow_share: Annotated[
        float, Meta(gt=0, lt=0.5, description="Share of slow answers that is acceptable.")
    ] = 0.02
    facts_margin: Annotated[
        float,
        Meta(
            gt=0,
            lt=0.5,
            description="Of a model of language: unacceptable difference of the shares of texts that contradict "
            "themselves.",
        ),
    ] = 0.03
    cut_margin: Annotated[
        float,
        Meta(gt=0, lt=0.5, description="Of a model of language: unacceptable difference of the shares of cut texts."),
    ] = 0.1
    require_loss: Annotated[
        bool | Literal["auto"],
        Meta(description="Wait for outcomes that show the loss to be within its margin; auto: where outcomes come."),
    ] = "auto"
    ab_share: Annotated[float, Meta(gt=0, lt=1, description="The candidate's side of an A/B split.")] = 0.5
    mirror_share: Annotated[
        PositiveShare, Meta(description="Share of requests copied to the version that does not answer them.")
    ] = 1.0
    answer_changes_outcome: Annotated[
        bool, Meta(description="false: both versions score every row, and their losses are compared row by row.")
    ] = True
    slices: Annotated[
        tuple[Name | SliceRule, ...],
        Meta(max_length=MAX_SLICES, description="Columns by whose levels a candidate is judged, at most five."),
    ] = ()
    difference_tolerance: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="Answers of both versions that differ by more count as different; by default a tenth of the "
            "standard deviation of the stable version's answers."
        ),
    ] = None

    def __post_init__(self) -> None:
        columns = [rule.column for rule in self.slice_rules]
        if len(set(columns)) < len(columns):
            raise ValueError(f"slices names a column twice: {', '.join(columns)}")
        if self.initial_share > self.max_share:
            raise ValueError(f"initial_share ({self.initial_share}) must not be above max_share ({self.max_share})")
        if self.max_share == 1:
            raise ValueError("max_share is 1: it must be below 1, so that the stable version keeps some traffic")
        shares = (self.initial_share, *self.steps, self.max_share)
        if self.steps and any(after <= before for before, after in itertools.pairwise(shares)):
            raise ValueError(
                f"steps {list(self.steps)} must ascend between initial_share ({self.initial_share}) "
                f"and max_share ({self.max_share})"
            )

    @property
    def shares(self) -> tuple[float, ...]:
        """The traffic share of every step before full traffic.

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
    def slice_rules(self) -> tuple[SliceRule, ...]:
        """The slice columns, each with its rule."""
        return tuple(SliceRule(column=rule) if isinstance(rule, str) else rule for rule in self.slices)

    @property
    def ceiling(self) -> float:
        """The largest share before full traffic, under its name in rollout plans."""
        return self.max_share

    @property
    def deadline_seconds(self) -> float:
        """When an undecided rollout starts to wait for a person."""
        return self.deadline_hours * 3600


class RetentionPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many versions a prune keeps in each stage; live and referenced versions are always kept."""

    keep_development: Annotated[int, Meta(ge=0, description="Newest versions in Development to keep.")] = 20
    keep_staging: Annotated[int, Meta(ge=0, description="Newest versions in Staging to keep.")] = 10
    keep_archived: Annotated[int, Meta(ge=0, description="Newest archived versions to keep.")] = 20
    keep_development_days: Annotated[
        float, Meta(ge=0, le=36_500, description="Days in Development during which more versions stay.")
    ] = 0.0
    keep_staging_days: Annotated[
        float, Meta(ge=0, le=36_500, description="Days in Staging during which more versions stay.")
    ] = 0.0
    keep_archived_days: Annotated[
        float, Meta(ge=0, le=36_500, description="Days in the archive during which more versions stay.")
    ] = 0.0


class TrackingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Recording of runs that other processes log."""

    heartbeat_seconds: Annotated[
        float, Meta(ge=0.05, le=3600, description="Interval between heartbeats of a logging process.")
    ] = 10.0
    lost_after_seconds: Annotated[
        float, Meta(ge=3, le=86_400, description="A run without a heartbeat for longer is lost.")
    ] = 60.0  # a heartbeat reaches the disk within a second or two
    keep_runs: Annotated[int, Meta(ge=1, description="Number of runs that `bondx runs prune` keeps.")] = 1000
    required_tags: Annotated[
        tuple[Name, ...], Meta(description="Tags that every run of another process must have.")
    ] = ()

    def __post_init__(self) -> None:
        if self.lost_after_seconds < 2 * self.heartbeat_seconds:
            raise ValueError(
                f"lost_after_seconds ({self.lost_after_seconds:g}) must be at least twice heartbeat_seconds "
                f"({self.heartbeat_seconds:g}), or a single late heartbeat marks a run as lost"
            )


class ModelPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules for one model."""

    drift: DriftPolicy = DriftPolicy()
    canary: CanaryPolicy = CanaryPolicy()
    health: HealthPolicy = HealthPolicy()
    promotion: PromotionSettings = PromotionSettings()
    retention: RetentionPolicy = RetentionPolicy()
    retraining: RetrainingPolicy = RetrainingPolicy()

    @property
    def sha256(self) -> str:
        """The digest of the rules: equal rules have the same digest, whatever their files."""
        import hashlib  # not needed to read settings

        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules for all models, and overrides for some by name or pattern."""

    drift: DriftPolicy = DriftPolicy()
    canary: CanaryPolicy = CanaryPolicy()
    health: HealthPolicy = HealthPolicy()
    promotion: PromotionSettings = PromotionSettings()
    retention: RetentionPolicy = RetentionPolicy()
    retraining: RetrainingPolicy = RetrainingPolicy()
    tracking: TrackingPolicy = TrackingPolicy()
    overrides: Annotated[
        dict[ModelPattern, dict[str, Any]],
        Meta(description="Keys of the sections above for some models, by name (`spread`) or pattern (`desk_*`)."),
    ] = {}

    def for_model(self, model: str) -> ModelPolicy:
        """Return the rules of a model: the sections, then matching patterns in order, then its own name.

        >>> Policy(overrides={"s*": {"promotion": {"min_accuracy": 0.9}}}).for_model("spread").promotion.min_accuracy
        0.9
        """
        values = self.shared_values()
        for entry in self._entries(model):
            values = overlay(values, entry)
        return converted(values, ModelPolicy)

    def shared_values(self) -> dict[str, Any]:
        """Return the sections that an override may change, as plain values."""
        return {name: msgspec.to_builtins(getattr(self, name)) for name in ModelPolicy.__struct_fields__}

    def _entries(self, model: str) -> list[Mapping[str, Any]]:
        names = [name for name in self.overrides if name != model and fnmatch.fnmatchcase(model, name)]
        return [self.overrides[name] for name in (*names, model) if name in self.overrides]
