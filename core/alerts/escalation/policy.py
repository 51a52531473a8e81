"""Which steps an alert has: the entries of `alerts.escalation`, with their matchers read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from core.alerts.alert import Alert
from core.alerts.escalation.rotation import receiver_on_call
from core.alerts.selecting import AlertMatcher, read_matchers
from core.errors import UsageError
from core.settings.alert_escalation import EscalationSettings, EscalationStepSettings, RotationSettings

_MOST_KNOWN: Final = 50_000


class StepTarget(NamedTuple):
    """One receiver, or one rotation, of one step."""

    after: timedelta
    name: str
    is_rotation: bool

    @property
    def key(self) -> str:
        """Its identity in the documents: a change of the settings elsewhere does not tell it again."""
        return f"{self.after.total_seconds() / 60:g} {'oncall' if self.is_rotation else 'receiver'} {self.name}"


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """The steps for the alerts that it accepts."""

    severity: str | None
    matchers: tuple[AlertMatcher, ...]
    targets: tuple[StepTarget, ...]

    def accepts(self, alert: Alert) -> bool:
        """Whether an alert has these steps."""
        if self.severity is not None and alert.severity != self.severity:
            return False
        labels = alert.routing_labels
        return all(matcher.accepts_value(labels.get(matcher.name, "")) for matcher in self.matchers)


class EscalationPolicies:
    """All entries and rotations, and what is wrong with them."""

    def __init__(self, entries: Sequence[EscalationSettings], rotations: Mapping[str, RotationSettings]) -> None:
        """Read the matchers; an entry whose matchers cannot be used is left out, and named in `problems`.

        Args:
            entries: The entries of `alerts.escalation`.
            rotations: The rotations of `alerts.oncall`.
        """
        self.problems: list[str] = []
        self._rotations = rotations
        self._policies: list[EscalationPolicy] = []
        self._known: dict[str, tuple[Alert, tuple[StepTarget, ...]]] = {}
        for number, entry in enumerate(entries, 1):
            try:
                matchers = tuple(matcher for text in entry.matchers for matcher in read_matchers(text))
            except UsageError as error:
                self.problems.append(f"alerts.escalation, entry {number}: {error}")
                continue
            targets = tuple(target for step in entry.steps for target in _targets(step))
            self._policies.append(EscalationPolicy(entry.severity, matchers, targets))

    def targets(self, alert: Alert) -> tuple[StepTarget, ...]:
        """Return whom an alert is told to, and when: the steps of the first entry that accepts it."""
        known = self._known.get(alert.fingerprint)
        if known is not None and known[0].is_routed_like(alert):
            return known[1]
        if len(self._known) >= _MOST_KNOWN:  # of alerts that are gone
            self._known.clear()
        targets = next((policy.targets for policy in self._policies if policy.accepts(alert)), ())
        self._known[alert.fingerprint] = (alert, targets)
        return targets

    def receiver(self, target: StepTarget, now: datetime) -> str | None:
        """Return the receiver of a step now; None while nobody is on call."""
        if not target.is_rotation:
            return target.name
        rotation = self._rotations.get(target.name)
        return receiver_on_call(rotation, now) if rotation is not None else None

    def unknown(self, known: Sequence[str], unsent: Collection[str] = ()) -> list[str]:
        """Say which receivers the steps name that do not exist, and where.

        Args:
            known: The receivers.
            unsent: Those of them that are left to an Alertmanager, which hears of no step.
        """
        names = set(known) - set(unsent)
        found: dict[str, list[str]] = {}
        for policy in self._policies:
            for target in policy.targets:
                for name, place in self._named(target):
                    if name not in names and place not in found.setdefault(name, []):
                        found[name].append(place)
        none = {name: "BondX sends nothing to the" if name in unsent else "there is no" for name in found}
        return [f"{none[name]} receiver {name!r} ({', '.join(places)})" for name, places in found.items()]

    def _named(self, target: StepTarget) -> Iterator[tuple[str, str]]:
        if not target.is_rotation:
            yield target.name, f"a step after {target.after.total_seconds() / 60:g} minutes"
        elif (rotation := self._rotations.get(target.name)) is not None:
            place = f"the rotation {target.name}"
            yield from ((name, place) for name in (*rotation.people, *(each.receiver for each in rotation.overrides)))


def _targets(step: EscalationStepSettings) -> Iterator[StepTarget]:
    after = timedelta(minutes=step.after_minutes)
    yield from (StepTarget(after, name, is_rotation=False) for name in step.receivers)
    if step.oncall is not None:
        yield StepTarget(after, step.oncall, is_rotation=True)
