"""What a rule file holds: groups of alerting and recording rules, each rule with its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from core.promql import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule:
    """A rule that fires for every series that its expression returns."""

    name: str
    expression: Expression
    place: str  # "file:line:column"
    for_: timedelta = timedelta()
    keep_firing_for: timedelta = timedelta()
    labels: Mapping[str, str] = field(default_factory=dict)  # templates; those of the group included
    annotations: Mapping[str, str] = field(default_factory=dict)  # templates


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """A rule whose result is recorded as a series with a name of its own."""

    name: str
    expression: Expression
    place: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Rules that are evaluated one after the other, at the same instant."""

    name: str
    rules: tuple[AlertingRule | RecordingRule, ...]
    interval: timedelta | None = None  # None: that of the settings
    limit: int = 0  # of the series or alerts of one rule; 0: none
    query_offset: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """One file that was read and checked."""

    path: Path
    groups: tuple[RuleGroup, ...]
    warnings: tuple[str, ...] = ()  # "file:line:column: …": what a Prometheus accepts and nobody wants

    @property
    def rules(self) -> Iterator[AlertingRule | RecordingRule]:
        """All rules of the file, in their order."""
        return (rule for group in self.groups for rule in group.rules)
