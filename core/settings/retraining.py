"""The `retraining` section of the policy: when a model is trained anew, on what, and what becomes of it."""

from datetime import datetime, time, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.settings.cron import CronSchedule, zone_of
from core.settings.names import Name
from core.settings.training import AdvancedSettings
from core.settings.units import Share

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TimeOfDay = Annotated[
    str,
    Meta(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](?![\s\S])",
        extra={"form_of_text": 'expected a time of day in quotes, such as "22:00"'},
    ),
]


class DriftTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Train when what the live version is asked has moved."""

    verdict: Annotated[Literal["alarm", "watch"], Meta(description="The mildest verdict that counts.")] = "alarm"
    importance_share: Annotated[
        Share, Meta(description="Share of the model's importance that the moved columns must have.")
    ] = 0.0


class PerformanceTrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Train when the live version does worse than on its held-out rows."""

    drop: Annotated[
        Annotated[float, Meta(gt=0, le=10)] | None,
        Meta(description="Share by which the metric must certainly be worse; null: by the verdict of monitoring."),
    ] = None
    by: Annotated[
        Literal["any", "realised", "estimated"],
        Meta(description="By outcomes, by the estimate without them, or either."),
    ] = "any"


class DataWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which rows are trained on: the newest that all of these limits allow."""

    days: Annotated[Annotated[float, Meta(gt=0, le=36_500)] | None, Meta(description="Rows of the last days.")] = 30.0
    rows: Annotated[int, Meta(ge=10, le=10_000_000, description="The newest rows at most.")] = 100_000
    since_live: Annotated[bool, Meta(description="Only rows since the live version went live.")] = False
    half_life_days: Annotated[
        Annotated[float, Meta(gt=0, le=36_500)] | None,
        Meta(description="A row this much older is kept half as often; null: all rows alike."),
    ] = None
    correct_selection: Annotated[
        bool,
        Meta(
            description="Where outcomes are known more often for some answers than for others, keep served rows whose "
            "outcomes are often known less often: by the share of such answers that have outcomes."
        ),
    ] = False


class RetrainingSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the rows come from."""

    kind: Annotated[
        Literal["served", "files", "command", "generator"],
        Meta(
            description="Served rows with their outcomes; files that a pattern names; a file that a command writes; or "
            "fresh draws of the domain, for a model that a session trained."
        ),
    ] = "served"
    path: Annotated[
        str, Meta(description="Of files: a file, a folder, or a pattern such as /data/deals/*.parquet.")
    ] = ""
    command: Annotated[
        tuple[Name, ...], Meta(description="The program and its arguments; {out} is the Parquet file that it writes.")
    ] = ()

    def __post_init__(self) -> None:
        if self.kind == "files" and not self.path.strip():
            raise ValueError("source.kind is files: name them as source.path, such as /data/deals/*.parquet")
        if self.kind != "files" and self.path:
            raise ValueError(f"source.path is only read with source.kind files, and it is {self.kind}")
        if self.kind == "command" and not any("{out}" in word for word in self.command):
            raise ValueError("source.command must have the word {out}, which becomes the file that it writes")
        if self.kind != "command" and self.command:
            raise ValueError(f"source.command is only read with source.kind command, and it is {self.kind}")


class Blackout(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"begins": "from", "ends": "to"}
):
    """A time of day, on some days, at which no retraining starts."""

    begins: Annotated[TimeOfDay, Meta(description="When it begins, in time_zone.")] = "00:00"
    ends: Annotated[TimeOfDay, Meta(description="When it ends; not after the beginning: on the next day.")] = "00:00"
    days: Annotated[tuple[Weekday, ...], Meta(description="The days on which it begins; empty: every day.")] = ()

    def ends_at(self, local: datetime) -> datetime | None:
        """Return when the blackout that an instant lies in ends; None outside of it.

        Args:
            local: An instant in the zone of the policy.
        """
        first, last = time.fromisoformat(self.begins), time.fromisoformat(self.ends)
        for day in (local.date(), local.date() - timedelta(days=1)):
            if self.days and _WEEKDAYS[day.weekday()] not in self.days:
                continue
            begin = datetime.combine(day, first, local.tzinfo)
            end = datetime.combine(day if last > first else day + timedelta(days=1), last, local.tzinfo)
            if begin.timestamp() <= local.timestamp() < end.timestamp():
                return end
        return None


class RetrainingChecks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What new rows must pass before anything learns from them."""

    max_duplicate_share: Annotated[Share, Meta(description="Share of rows that repeat another row.")] = 0.3
    max_flip_share: Annotated[
        Share,
        Meta(
            description="Outcomes against both the live version and a second model, beyond the share of held-out rows."
        ),
    ] = 0.05
    max_label_shift: Annotated[
        Share, Meta(description="Share of the outcomes that lie in other classes than in the training data.")
    ] = 0.3


class StressGate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a new version must hold under stress, on the same drawn rows as the live version."""

    scenarios: Annotated[
        tuple[Name, ...], Meta(description="Scenarios or families of the domain; empty: all of them.")
    ] = ()
    severities: Annotated[
        tuple[Literal["mild", "moderate", "severe"], ...], Meta(description="Of each scenario; empty: all three.")
    ] = ("severe",)
    max_error_ratio: Annotated[
        float, Meta(gt=0, le=100, description="Error under a scenario, as times that of the live version under it.")
    ] = 1.1
    rows: Annotated[int, Meta(ge=100, le=100_000, description="Rows that are drawn.")] = 3000


class RetrainingValidation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a new version must show against the live one."""

    held_out_share: Annotated[
        float, Meta(ge=0.05, le=0.5, description="Share of the newest rows on which both are compared.")
    ] = 0.25
    require: Annotated[
        Literal["auto", "superior", "non_inferior"],
        Meta(description="auto: superior after drift or a fall of performance, else not worse than the margin."),
    ] = "auto"
    margin: Annotated[
        float, Meta(ge=0, le=1, description="Unacceptable increase of the mean loss, as a share of the live version's.")
    ] = 0.05
    slice_margin: Annotated[
        float, Meta(ge=0, le=10, description="The same for each slice, which fails if it is certainly exceeded.")
    ] = 0.2
    regression_set: Annotated[
        str, Meta(description="A file with outcomes on which a new version must not be worse; empty: none.")
    ] = ""
    regression_margin: Annotated[float, Meta(ge=0, le=10, description="The margin there.")] = 0.1
    require_explanation: Annotated[
        bool,
        Meta(
            description="Reject a new version that is not explained as promotion.require_explainability wants it; that "
            "setting applies here, too."
        ),
    ] = False
    stress: Annotated[
        StressGate | None, Meta(description="Reject a new version that errs more under stress; null: no test.")
    ] = None


class ChallengerRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a version that a shadow or a split compared with the live one is proposed to a person."""

    min_hours: Annotated[float, Meta(ge=0, le=8760, description="Shortest time of the comparison.")] = 24.0
    min_outcomes: Annotated[int, Meta(ge=1, description="Fewest outcomes of the challenger.")] = 200


class RetrainingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When a model is trained anew, on what, and what happens to the new version."""

    enabled: Annotated[bool, Meta(description="Whether triggers start retrainings; a person always may.")] = False
    combine: Annotated[Literal["any", "all"], Meta(description="Whether one trigger is enough.")] = "any"
    drift: Annotated[DriftTrigger | None, Meta(description="Train when served rows have moved; null: never.")] = None
    performance: Annotated[
        PerformanceTrigger | None, Meta(description="Train when the live version does worse; null: never.")
    ] = None
    schedule: Annotated[
        str | None, Meta(description='When to train, as cron writes it: "0 2 * * 0" is 02:00 on Sundays.')
    ] = None
    time_zone: Annotated[str, Meta(max_length=100, description="Of schedule and blackouts.")] = "UTC"
    min_new_samples: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Train when so many new labelled rows have come.")
    ] = None
    max_age_days: Annotated[
        Annotated[float, Meta(gt=0, le=36_500)] | None, Meta(description="Train when the live version is older.")
    ] = None
    method: Annotated[
        Literal["train", "reweigh"],
        Meta(description="Train anew, or keep the members of a weighted ensemble and let its weights follow outcomes."),
    ] = "train"
    least_weight_move: Annotated[
        Share, Meta(description="Share of the answer that re-weighing must move, or the live version stays.")
    ] = 0.05
    source: RetrainingSource = RetrainingSource()
    window: DataWindow = DataWindow()
    min_samples: Annotated[int, Meta(ge=50, description="Fewest labelled rows to train and validate on.")] = 1000
    tune: Annotated[
        Literal["as_before", "always", "never"],
        Meta(
            description="Search parameters before training: as advanced.enable_hyperparameter_tuning says (for drawn "
            "rows, that of the session), always, or never."
        ),
    ] = "as_before"
    start: Annotated[
        Literal["cold", "warm"],
        Meta(
            description="warm: the live version itself learns on from rows that are new to it, beside a new model, and "
            "the better of both ships; cold: only a new model is trained."
        ),
    ] = "cold"
    checks: RetrainingChecks = RetrainingChecks()
    validation: RetrainingValidation = RetrainingValidation()
    cooldown_hours: Annotated[float, Meta(ge=0, le=8760, description="Shortest time between two retrainings.")] = 24.0
    max_per_day: Annotated[int, Meta(ge=1, le=1000, description="Most retrainings within 24 hours.")] = 2
    blackouts: Annotated[
        tuple[Blackout, ...], Meta(max_length=50, description="Times at which no retraining starts, nor goes live.")
    ] = ()
    strategy: Annotated[Literal["canary", "shadow"], Meta(description="How a new version meets traffic.")] = "canary"
    auto_deploy: Annotated[bool, Meta(description="false: a person approves before it meets traffic.")] = False
    approvals: Annotated[
        int, Meta(ge=0, le=10, description="Persons who must approve; without auto_deploy 1 at least.")
    ] = 0
    challenger: Annotated[
        ChallengerRules | None,
        Meta(description="Propose a version that is shown to be better than the live one; null: never."),
    ] = ChallengerRules()
    watch_minutes: Annotated[
        float, Meta(ge=0, le=43_200, description="How long a new live version may be taken back automatically.")
    ] = 60.0
    rollback_on_failure: Annotated[
        bool, Meta(description="Take a new live version back if it fails while it is watched.")
    ] = True
    max_retries: Annotated[int, Meta(ge=0, le=20, description="Attempts at a step after one that broke off.")] = 3
    retry_seconds: Annotated[
        float, Meta(ge=0, le=86_400, description="Wait before the first of them; each further wait is twice as long.")
    ] = 60.0
    step_minutes: Annotated[float, Meta(gt=0, le=10_080, description="How long a computing step may take.")] = 60.0
    memory_limit_mb: Annotated[
        int, Meta(ge=0, description="Address space that a computing step may use, MiB; 0: no limit.")
    ] = 0

    def __post_init__(self) -> None:
        zone_of(self.time_zone)
        if self.schedule is not None:
            CronSchedule(self.schedule, self.time_zone)
        if self.source.kind == "generator" and self.min_new_samples is not None:
            raise ValueError("min_new_samples counts rows that come; with source.kind generator, rows are drawn")
        if self.source.kind == "generator" and self.method == "reweigh":
            raise ValueError("method reweigh follows outcomes of rows; with source.kind generator, rows are drawn")
        if self.method == "reweigh" and self.start == "warm":
            raise ValueError("method reweigh never trains a new model; start belongs to method train")
        if self.window.correct_selection and self.source.kind != "served":
            raise ValueError(
                f"window.correct_selection counts the answers without outcomes, and source.kind is {self.source.kind}: "
                "only served rows have them"
            )
        if self.enabled and not self.triggers:
            raise ValueError(
                "retraining is enabled without a trigger: set drift, performance, schedule, min_new_samples or "
                "max_age_days"
            )

    def tuned(self, settings: AdvancedSettings) -> AdvancedSettings:
        """Return the settings with the search of parameters switched as the policy says."""
        if self.tune == "as_before":
            return settings
        return msgspec.structs.replace(settings, enable_hyperparameter_tuning=self.tune == "always")

    @property
    def triggers(self) -> tuple[str, ...]:
        """The triggers that are set, by their keys."""
        names = ("drift", "performance", "schedule", "min_new_samples", "max_age_days")
        return tuple(name for name in names if getattr(self, name) is not None)

    @property
    def n_approvals(self) -> int:
        """How many persons must approve a new version before it meets traffic."""
        return self.approvals if self.auto_deploy else max(self.approvals, 1)

    @property
    def cron(self) -> CronSchedule | None:
        """The schedule, if there is one."""
        return None if self.schedule is None else CronSchedule(self.schedule, self.time_zone)

    def blackout_until(self, at: datetime) -> datetime | None:
        """Return when the blackout at an instant ends; None where no blackout is."""
        local = at.astimezone(zone_of(self.time_zone))
        return max(filter(None, (each.ends_at(local) for each in self.blackouts)), default=None)
