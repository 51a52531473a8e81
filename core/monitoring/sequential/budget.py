"""The false-alarm budget of a workspace: how many false pages a month, and which model may spend them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

MONTH_DAYS = 30.0


@dataclass(frozen=True, slots=True)
class FiredPage:
    """An alarm of drift that has fired.

    Attributes:
        at: When.
        model: The model.
        is_true: Whether a person has confirmed the drift; None while nobody has said so.
    """

    at: datetime
    model: str
    is_true: bool | None = None


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How a budget is spent in the last 30 days.

    Attributes:
        pages: Pages that may be false in that time.
        fired: Alarms that fired.
        spent: Those that nobody has confirmed: each may be false.
        left: What remains, 0 at least.
        by_model: The alarms spent by each model that has any, the most first.
    """

    pages: float
    fired: int
    spent: int
    left: float
    by_model: dict[str, int]


@dataclass(frozen=True, slots=True)
class FalseAlarmBudget:
    """The budget.

    Attributes:
        pages_a_month: False pages of drift in 30 days that are acceptable in the whole workspace.
        days_a_model: The least mean number of days to a false alarm of one model.
        weights: By watched model, its share of the budget relative to the others; a model of more weight is allowed
            more false alarms, and so finds drift sooner.
    """

    pages_a_month: float
    days_a_model: float
    weights: Mapping[str, float]

    def share(self, model: str) -> float:
        """Return the share of the budget that a model may spend; a model that is not among the others adds itself."""
        own = max(self.weights.get(model, 1.0), 0.0)
        total = sum(max(weight, 0.0) for weight in self.weights.values()) + (own if model not in self.weights else 0.0)
        return own / total if total > 0 else 1.0

    def false_alarm_days(self, model: str) -> float:
        """Return the mean number of days to a false alarm that a model must keep.

        Alarms at these rates add up to the pages of the budget at most: rates of several detectors add up.

        >>> FalseAlarmBudget(1.0, 30.0, {"a": 1.0, "b": 1.0, "c": 2.0}).false_alarm_days("c")
        60.0
        """
        rate = self.share(model) * self.pages_a_month / MONTH_DAYS
        return max(self.days_a_model, 1.0 / rate) if rate > 0 else self.days_a_model

    def use(self, fired: Iterable[FiredPage], now: datetime) -> BudgetUse:
        """Return what the alarms of the last 30 days have spent.

        Args:
            fired: Alarms of drift, in any order.
            now: The time.
        """
        recent = [page for page in fired if now - timedelta(days=MONTH_DAYS) < page.at <= now]
        spent = [page.model for page in recent if not page.is_true]
        counts = {model: spent.count(model) for model in spent}
        return BudgetUse(
            pages=self.pages_a_month,
            fired=len(recent),
            spent=len(spent),
            left=max(self.pages_a_month - len(spent), 0.0),
            by_model=dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        )
