"""The `monitoring` block: how often the verdicts on live data may be wrong, and which moves they report."""

import fnmatch
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.json_documents import converted
from core.settings.names import ModelPattern
from core.settings.overlay import overlay


class MonitoringRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The rules of one model."""

    false_alarm_days: Annotated[
        float,
        Meta(
            ge=1,
            le=36500,
            description="Least mean number of days to a false drift alarm of a model, over all its columns together.",
        ),
    ] = 30.0
    weight: Annotated[
        float,
        Meta(
            gt=0,
            le=1000,
            description="Share of the false-alarm budget relative to other models: more weight finds drift sooner.",
        ),
    ] = 1.0
    harmless_sd: Annotated[
        float,
        Meta(ge=0, le=1, description="Moves of live data up to this are never reported, standard deviations."),
    ] = 0.02
    performance_margin: Annotated[
        float,
        Meta(
            ge=0, le=10, description="Share by which a metric may be worse than on held-out rows without having fallen."
        ),
    ] = 0.1
    performance_windows: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=168)], ...],
        Meta(
            min_length=1,
            max_length=6,
            description="Rolling windows of performance, hours; beside them the whole life is judged.",
        ),
    ] = (1, 24, 168)


RuleName = Literal["false_alarm_days", "weight", "harmless_sd", "performance_margin", "performance_windows"]
RuleValue = float | list[int]


class MonitoringSettings(MonitoringRules, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How live versions are watched."""

    false_pages_a_month: Annotated[
        float,
        Meta(
            gt=0,
            le=1000,
            description="Acceptable false drift alarms of the workspace in 30 days, split over its live models.",
        ),
    ] = 1.0
    overrides: Annotated[
        dict[ModelPattern, dict[RuleName, RuleValue]],
        Meta(description="The rules above for some models, by name or pattern: patterns in order, then the own name."),
    ] = {}

    def __post_init__(self) -> None:
        _require_different(self.performance_windows)
        for pattern, override in self.overrides.items():
            try:
                _require_different(self._with(MonitoringRules(), override).performance_windows)
            except (msgspec.ValidationError, ValueError) as error:
                raise ValueError(f"overrides for {pattern!r}: {error}") from error

    def for_model(self, model: str) -> MonitoringRules:
        """Return the rules of a model."""
        rules = MonitoringRules(**{name: getattr(self, name) for name in MonitoringRules.__struct_fields__})
        patterns = [pattern for pattern in self.overrides if pattern != model and fnmatch.fnmatchcase(model, pattern)]
        for pattern in [*patterns, *([model] if model in self.overrides else [])]:
            rules = self._with(rules, self.overrides[pattern])
        return rules

    @staticmethod
    def _with(rules: MonitoringRules, override: Mapping[RuleName, RuleValue]) -> MonitoringRules:
        return converted(
            overlay(msgspec.to_builtins(rules), {str(name): value for name, value in override.items()}), MonitoringRules
        )


def _require_different(hours: tuple[int, ...]) -> None:
    if len(set(hours)) < len(hours):
        raise ValueError(f"performance_windows {list(hours)}: name each window once")
