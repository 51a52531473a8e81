"""What is known of a live version when its health is assessed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from core.monitoring.documents import (
    DriftPart,
    EstimatePart,
    HealthReason,
    HealthState,
    LabelsPart,
    PerformancePart,
    TrafficPart,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    """One version at one instant.

    Attributes:
        now: The instant.
        created_at: When the version was registered.
        live_since: When it went live, if that is known.
        unserved: Why servers cannot load it; empty if no server has reported that.
        no_profile: Why it has no profile of what it learned from; empty if it has.
        traffic: What it answered lately.
        drift: The verdict on what it was asked and answered.
        performance: How well it did, of the answers whose outcomes are known.
        estimate: How well it is likely to do, estimated without outcomes.
        labels: What the outcomes of a few wanted requests prove.
        failures: By watcher, why it could not look.
        writes_texts: Whether it is a model of language.
    """

    now: datetime
    created_at: datetime
    live_since: datetime | None = None
    unserved: str = ""
    no_profile: str = ""
    traffic: TrafficPart | None = None
    drift: DriftPart | None = None
    performance: PerformancePart | None = None
    estimate: EstimatePart | None = None
    labels: LabelsPart | None = None
    failures: Mapping[str, str] = field(default_factory=dict)
    writes_texts: bool = False


class JudgedSource(NamedTuple):
    """What one source says.

    Attributes:
        reason: Why the version is not healthy, or what to look at; None: nothing is wrong.
        missing: What the source lacks to judge, a clause; empty if it can.
    """

    reason: HealthReason | None = None
    missing: str = ""

    @property
    def is_known(self) -> bool:
        """Whether the source could judge."""
        return not self.missing


MOST_WEIGHT = 10.0


def wrong(source: str, state: HealthState, weight: float, text: str) -> JudgedSource:
    """Return a reason; a weight beyond ten says no more than ten."""
    return JudgedSource(HealthReason(source=source, state=state, weight=round(min(weight, MOST_WEIGHT), 2), text=text))
