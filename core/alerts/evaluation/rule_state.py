"""The life cycle of the alerts of one rule, as Prometheus has it; no disk and no clock of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.promql import SeriesLabels


@dataclass(slots=True)
class ActiveAlert:
    """One series that the expression returns, or returned until a moment ago. Times are ms since 1970."""

    labels: SeriesLabels  # those of the rule included
    active_at_ms: int
    value: float
    is_firing: bool = False
    kept_since_ms: int | None = None  # since when only `keep_firing_for` keeps it
    fault: str = ""  # why a text of it could not be made when it was last told


@dataclass(frozen=True, slots=True)
class StateChanges:
    """What one evaluation changed."""

    begun: tuple[ActiveAlert, ...]  # new, pending or firing
    fired: tuple[ActiveAlert, ...]
    ended: tuple[ActiveAlert, ...]  # pending or firing before
    kept: tuple[ActiveAlert, ...]  # `keep_firing_for` began or ended

    @property
    def is_empty(self) -> bool:
        """Whether the state is as before, values aside."""
        return not (self.begun or self.fired or self.ended or self.kept)


@dataclass(slots=True)
class RuleState:
    """The pending and firing alerts of one rule, by their labels."""

    active: dict[SeriesLabels, ActiveAlert] = field(default_factory=dict)

    def advance(
        self,
        found: Mapping[SeriesLabels, float],
        at_ms: int,
        *,
        for_ms: int,
        keep_ms: Callable[[SeriesLabels], int],
    ) -> StateChanges:
        """Take what the expression returned at an instant.

        Args:
            found: The values by labels.
            at_ms: The instant.
            for_ms: How long a series must be returned without a break before it fires.
            keep_ms: How long an alert fires on after its series ended.
        """
        begun, fired, ended, kept = [], [], [], []
        for labels, value in found.items():
            if (alert := self.active.get(labels)) is None:
                alert = self.active[labels] = ActiveAlert(labels, at_ms, value)
                begun.append(alert)
            else:
                alert.value = value
                if alert.kept_since_ms is not None:
                    alert.kept_since_ms = None
                    kept.append(alert)
            if not alert.is_firing and at_ms - alert.active_at_ms >= for_ms:
                alert.is_firing = True
                fired.append(alert)
        for labels in [labels for labels in self.active if labels not in found]:
            alert = self.active[labels]
            if alert.is_firing and (keep := keep_ms(labels)) > 0:
                if alert.kept_since_ms is None:
                    alert.kept_since_ms = at_ms
                    kept.append(alert)
                if at_ms - alert.kept_since_ms < keep:
                    continue
            ended.append(self.active.pop(labels))
        return StateChanges(tuple(begun), tuple(fired), tuple(ended), tuple(kept))
