"""The false-alarm budget of a workspace: how many false pages a month, and which model may spend them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.monitoring.documents import DriftBudget, DriftPage
from core.settings.monitoring import MonitoringSettings

MONTH_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class FalseAlarmBudget:
    """The budget.

    Attributes:
        pages_a_month: False pages of drift in 30 days that are acceptable in the whole workspace.
        days_a_model: The least mean number of days to a false alarm of one model.
        weights: By watched model, its share of the budget relative to the others; a model of more weight is allowed
            more false alarms, and so finds drift sooner.
        own_days: By model, its own least mean number of days, where settings name one.
    """

    pages_a_month: float
    days_a_model: float
    weights: Mapping[str, float]
    own_days: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: MonitoringSettings, models: Iterable[str]) -> "FalseAlarmBudget":
        """Split the budget of the settings.

        Args:
            settings: The settings.
            models: The watched models.
        """
        rules = {model: settings.for_model(model) for model in models}
        return cls(
            pages_a_month=settings.false_pages_a_month,
            days_a_model=settings.false_alarm_days,
            weights={model: rule.weight for model, rule in rules.items()},
            own_days={model: rule.false_alarm_days for model, rule in rules.items()},
        )

    def share(self, model: str) -> float:
        """Return the share of the budget that a model may spend; a model that is not among the others adds itself."""
        own = max(self.weights.get(model, 1.0), 0.0)
        total = sum(max(weight, 0.0) for weight in self.weights.values()) + (own if model not in self.weights else 0.0)
        return own / total if total > 0 else 1.0

    def false_alarm_days(self, model: str, n_versions: int = 1) -> float:
        """Return the mean number of days to a false alarm that each version of a model must keep.

        Alarms at these rates add up to the pages of the budget at most: rates of several detectors add up.

        Args:
            model: The model.
            n_versions: How many of its versions answer, such as two in a rollout: they share its part of the budget.

        >>> FalseAlarmBudget(1.0, 30.0, {"a": 1.0, "b": 1.0, "c": 2.0}).false_alarm_days("c")
        60.0
        """
        rate = self.share(model) * self.pages_a_month / MONTH_DAYS
        least = self.own_days.get(model, self.days_a_model)
        return n_versions * (max(least, 1.0 / rate) if rate > 0 else least)

    def use(self, fired: Iterable[DriftPage], now: datetime) -> DriftBudget:
        """Return what the alerts of the last 30 days have spent: those that no person has found to be true.

        Args:
            fired: Alerts of drift, in any order.
            now: The time.
        """
        recent = [page for page in fired if now - timedelta(days=MONTH_DAYS) < page.at <= now]
        spent = Counter(page.model for page in recent if not page.is_true)
        n_spent = spent.total()
        return DriftBudget(
            acceptable=self.pages_a_month,
            fired=tuple(sorted(recent, key=lambda page: (page.at, page.model, page.version))),
            spent=n_spent,
            left=max(self.pages_a_month - n_spent, 0.0),
            spent_by=dict(sorted(spent.items(), key=lambda pair: (-pair[1], pair[0]))),
            shares={model: round(MONTH_DAYS / self.false_alarm_days(model), 4) for model in sorted(self.weights)},
            updated_at=now,
        )
