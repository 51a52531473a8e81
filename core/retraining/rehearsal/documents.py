"""A rehearsal and its events. Light to import."""

from datetime import datetime
from enum import StrEnum

import msgspec


class RehearsedKind(StrEnum):
    """What an event is about."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    ROLLOUT = "rollout"
    RETRAINING = "retraining"
    ALERT = "alert"


class Would(StrEnum):
    """Whether an event would have happened under the other policy."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class RehearsedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the past, or one that the other policy would have caused.

    Attributes:
        kind: What it is about.
        model: The model.
        at: When it happened, or would have.
        what: What it is, a few words.
        happened: Whether it did happen.
        would: Whether it would have.
        reason: Why, one sentence.
        seconds: What it computed, or would have if it took as long as the model's recorded retrainings; None: unknown.
        is_estimate: Whether `seconds` is such an estimate.
    """

    kind: RehearsedKind
    model: str
    at: datetime
    what: str
    happened: bool
    would: Would
    reason: str
    seconds: float | None = None
    is_estimate: bool = False

    @property
    def differs(self) -> bool:
        """Whether the other policy would have changed it."""
        return (self.would is Would.YES) != self.happened and self.would is not Would.UNKNOWN


class RehearsedCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of a kind happened, and would have."""

    kind: RehearsedKind
    happened: int
    would: int
    unknown: int
    seconds: float  # computed by what happened
    would_seconds: float  # by what would have, as far as it is known or estimated


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """The recorded past under another policy.

    Attributes:
        since: Its beginning.
        until: Its end.
        recorded_since: Since when the states of monitoring are recorded; None if they are not.
        events: In the order of time.
        unknown: What cannot be said, a sentence each.
    """

    since: datetime
    until: datetime
    recorded_since: datetime | None
    events: tuple[RehearsedEvent, ...]
    unknown: tuple[str, ...] = ()

    def counts(self) -> tuple[RehearsedCount, ...]:
        """Count the events of each kind that has any."""
        found = []
        for kind in RehearsedKind:
            of_kind = [event for event in self.events if event.kind is kind]
            if of_kind:
                did = [event for event in of_kind if event.happened]
                would = [event for event in of_kind if event.would is Would.YES]
                found.append(
                    RehearsedCount(
                        kind=kind,
                        happened=len(did),
                        would=len(would),
                        unknown=sum(event.would is Would.UNKNOWN for event in of_kind),
                        seconds=sum(event.seconds or 0.0 for event in did),
                        would_seconds=sum(event.seconds or 0.0 for event in would),
                    )
                )
        return tuple(found)
