"""Retention: which versions may be removed, decided beforehand.

The newest versions of each stage stay, as many as the policy says, and all others for as many days as it says. A
version that serves, is referred to, or is the target of a rollback always stays. A removed version leaves a tombstone,
so that its number is never reused.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from core.registry.documents import ModelVersion, RegisteredModel, Transition
from core.registry.lineage import parents_of
from core.registry.numbering import SemanticVersion
from core.registry.stages import Stage
from core.settings.policy import RetentionPolicy

WAYS_BACK = 2  # former Production versions that stay, so that two rollbacks in a row have a target


class PruneCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """One version, and whether and why it stays."""

    model: str
    version: str
    stage: Stage
    n_bytes: int
    manifest_sha256: str
    goes: bool
    reason: str
    files_left: str = ""  # why its files could not be deleted with its record, if they could not


class PrunePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The versions a prune would remove, and the versions it would keep and why."""

    candidates: tuple[PruneCandidate, ...]
    keep: int | None = None  # of each stage; None: as the policy says

    @property
    def doomed(self) -> tuple[PruneCandidate, ...]:
        """The versions that would be removed."""
        return tuple(candidate for candidate in self.candidates if candidate.goes)

    @property
    def n_bytes(self) -> int:
        """The space that would be freed."""
        return sum(candidate.n_bytes for candidate in self.doomed)


def plan(
    model: RegisteredModel,
    versions: Sequence[ModelVersion],
    policy: RetentionPolicy,
    *,
    next_to_undo: Transition | None,
    aliases: Mapping[str, str],
    holds: Mapping[str, str],
    approved: Collection[str],
    children: Mapping[str, str],
    now: datetime,
) -> tuple[PruneCandidate, ...]:
    """Decide about every version of one model.

    Args:
        model: The model.
        versions: All its versions.
        policy: How many of each stage stay, and how long all others.
        next_to_undo: The transition that an undo would reverse.
        aliases: The version behind each alias.
        holds: The rollout that holds a version, by version.
        approved: Versions with an approval that still counts.
        children: A child of each version, by the key of the parent.
        now: The present: a version that came to its stage lately stays, too, if the policy says so.
    """
    days = {
        Stage.DEVELOPMENT: policy.keep_development_days,
        Stage.STAGING: policy.keep_staging_days,
        Stage.ARCHIVED: policy.keep_archived_days,
    }
    keep = {
        Stage.DEVELOPMENT: policy.keep_development,
        Stage.STAGING: policy.keep_staging,
        Stage.ARCHIVED: policy.keep_archived,
    }
    named = {version: f"@{alias}" for alias, version in aliases.items()}
    returning = {change.version for change in next_to_undo.changes} if next_to_undo else set()
    seen = dict.fromkeys(Stage, 0)
    decided = []
    for version in sorted(versions, key=_number, reverse=True):
        number = version.version
        seen[version.stage] += 1
        if version.stage is Stage.PRODUCTION:
            reason = "serves"
        elif number in model.previous_production[-WAYS_BACK:]:
            reason = "is the target of a rollback"
        elif number in returning:
            reason = "would be moved back by an undo"
        elif number in holds:
            reason = f"is in rollout {holds[number]}"
        elif number in named:
            reason = f"is {named[number]}"
        elif number in approved:
            reason = "is approved and awaits promotion"
        elif version.key in children:
            reason = f"is a parent of {children[version.key]}"
        elif seen[version.stage] <= keep[version.stage]:
            reason = f"is one of the newest {keep[version.stage]} in {version.stage}"
        elif now - version.stage_since < timedelta(days=days[version.stage]):
            reason = f"has been in {version.stage} for less than {days[version.stage]:g} days"
        else:
            reason = ""
        decided.append(
            PruneCandidate(
                model=version.model,
                version=number,
                stage=version.stage,
                n_bytes=version.n_bytes,
                manifest_sha256=version.manifest_sha256,
                goes=not reason,
                reason=reason or _why_it_goes(version.stage, keep[version.stage], days[version.stage]),
            )
        )
    return tuple(decided)


def _why_it_goes(stage: Stage, n_kept: int, days: float) -> str:
    since = f", and in {stage} for {days:g} days or more" if days else ""
    return f"older than the newest {n_kept} in {stage}{since}"


def children_of(versions: Sequence[ModelVersion]) -> dict[str, str]:
    """Return a child of each parent, by the parent's key."""
    return {parent: version.key for version in versions for parent in parents_of(version)}


def _number(version: ModelVersion) -> SemanticVersion:
    return SemanticVersion.parse(version.version)
