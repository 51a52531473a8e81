"""Where the version that an alert names stands now: what an operator may take back, and what is not affected."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from core.alerts import Alert
from core.view.remembered import of_the_same

if TYPE_CHECKING:
    from core.view.snapshot import Snapshot


class VersionStanding(StrEnum):
    """What a version of a model does now."""

    LIVE = "live"
    CANDIDATE = "candidate"  # of an active rollout
    IDLE = "idle"  # in another stage, and in no rollout
    GONE = "gone"  # not registered any more


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A version, where it stands now, and which version of its model is live."""

    model: str
    version: str  # empty if only the model is known
    standing: VersionStanding
    where: str  # in words: "is in Staging"
    live: str | None
    rollout_id: str | None = None  # the active rollout of which it is the candidate
    alerts_on_live: bool = False  # the live version has an open alert of the same rule
    is_first: bool = False  # it is live, and no version of its model was live before it
    returns_to: str | None = None  # of a model without a live version, if no version is named: the one before it

    @property
    def spares_live(self) -> str | None:
        """Say that the live version is not affected, where it is so."""
        if self.live is None or self.standing is VersionStanding.LIVE or self.alerts_on_live:
            return None
        rest = " and answers the other requests" if self.standing is VersionStanding.CANDIDATE else ""
        return f"live {self.live} is not affected{rest}"

    def __str__(self) -> str:
        rest = f"; {spared}" if (spared := self.spares_live) else ""
        if self.alerts_on_live:
            rest = f"; live {self.live} has an alert of the same rule"
        if self.version and self.live is None and self.standing is not VersionStanding.LIVE:
            rest = f"; no version of {self.model} is live"
        return f"{' '.join(filter(None, (self.model, self.version)))} {self.where}{rest}."


def suspect_of(alert: Alert, snapshot: "Snapshot") -> Suspect | None:
    """Return the version that an alert is about; None if it names no model.

    An alert about a rollout is about its candidate, as far as that rollout gives it traffic; an alert about a model
    alone is about its live version.
    """
    model, rollout_id = alert.labels.get("model"), alert.labels.get("rollout")
    if model is None:
        return None
    if rollout_id is not None:
        return _candidate_of(model, rollout_id, snapshot)
    found = standing_of(model, alert.labels.get("version"), snapshot)
    if found.live is None or found.standing is VersionStanding.LIVE:
        return found
    alerted = _alerted_versions(snapshot.alerts).get((alert.rule, model), frozenset())
    return msgspec.structs.replace(found, alerts_on_live=not alerted.isdisjoint((None, found.live)))


@of_the_same
def _alerted_versions(alerts: Sequence[Alert]) -> Mapping[tuple[str, str], frozenset[str | None]]:
    """Return the versions with an open alert by rule and model; None stands for the live version."""
    found: dict[tuple[str, str], frozenset[str | None]] = {}
    for alert in alerts:
        if alert.state.is_open and "rollout" not in alert.labels and (model := alert.labels.get("model")) is not None:
            key = (alert.rule, model)
            found[key] = found.get(key, frozenset()) | {alert.labels.get("version")}
    return found


def _candidate_of(model: str, rollout_id: str, snapshot: "Snapshot") -> Suspect:
    """Say where the candidate of a rollout stands: what it got another way since is not this rollout's doing."""
    rollout = snapshot.rollout(rollout_id)
    if rollout is None:
        live = standing_of(model, None, snapshot).live
        where = f"has no rollout {rollout_id} any more"
        return Suspect(model=model, version="", standing=VersionStanding.GONE, where=where, live=live)
    found = standing_of(model, rollout.candidate, snapshot)
    if found.standing is VersionStanding.LIVE and not rollout.is_live:
        where = f"has gone live another way since {rollout_id} ended"
    elif found.standing is VersionStanding.CANDIDATE and found.rollout_id != rollout_id:
        where = f"is the candidate of {found.rollout_id} now, and this is about {rollout_id}"
    else:
        return found
    return msgspec.structs.replace(found, standing=VersionStanding.IDLE, where=where, rollout_id=None)


def standing_of(model: str, version: str | None, snapshot: "Snapshot") -> Suspect:
    """Say where a version stands now; without a number, the live version of the model."""
    registered = next((found for found in snapshot.models if found.model == model), None)
    live = registered.production if registered else None
    number = version or live or ""
    if live is not None and number == live:
        return Suspect(
            model=model,
            version=number,
            standing=VersionStanding.LIVE,
            where="is live",
            live=live,
            is_first=registered is not None and not registered.previous_production,
        )
    rollout = snapshot.active_rollout(model)
    if rollout is not None and rollout.candidate == number:
        return Suspect(
            model=model,
            version=number,
            standing=VersionStanding.CANDIDATE,
            where=f"is the candidate of {rollout.rollout_id} with {rollout.share * 100:g}% of the traffic",
            live=live,
            rollout_id=rollout.rollout_id,
        )
    found = snapshot.version(model, number)
    if found is None:
        where = "is not registered any more" if number else "has no live version"
        before = registered.previous_production if registered and not number else ()
        return Suspect(
            model=model,
            version=number,
            standing=VersionStanding.GONE,
            where=where,
            live=live,
            returns_to=before[-1] if before else None,
        )
    return Suspect(model=model, version=number, standing=VersionStanding.IDLE, where=f"is in {found.stage}", live=live)


class LocatedAlert(Alert, frozen=True, kw_only=True):
    """An alert, and where the version that it names stands now."""

    suspect: Suspect | None = None

    @property
    def told(self) -> str:
        """The problem, and that the live version is not affected, where it is so."""
        spared = self.suspect.spares_live if self.suspect and self.state.is_open else None
        return f"{self.summary}; {spared}" if spared else self.summary


def locate(alert: Alert, snapshot: "Snapshot") -> LocatedAlert:
    """Say where the version that an alert names stands now."""
    return LocatedAlert(**msgspec.structs.asdict(alert), suspect=suspect_of(alert, snapshot))
