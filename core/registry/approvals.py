"""Four eyes: who has looked at a version and found that it may serve.

An approval names the very files it is for by the hash of their manifest and counts for one promotion to Production;
whether it counts beside who promotes, who registered and the other approvals, `eyes.py` says.
"""

import msgspec

from core.actor import Actor, Origin
from core.clock import Clock
from core.errors import RefusedError
from core.governance.audit import audited
from core.governance.outbox import AuditedChange
from core.registry.documents import ModelVersion
from core.registry.errors import ApprovalNotFoundError
from core.registry.eyes import Approval
from core.registry.records import DATABASE, Records
from core.registry.registration import evidence
from core.registry.stages import Stage
from core.state import Workspace


class Approvals:
    """The approvals of all versions."""

    def __init__(self, workspace: Workspace, records: Records, clock: Clock) -> None:
        self._workspace = workspace
        self._records = records
        self._documents = records.database.documents("approvals", Approval, "key")
        self._clock = clock

    def of(self, version: ModelVersion) -> list[Approval]:
        """Return the approvals that count for the next promotion of a version, in the order they were given."""
        counting = (
            approval
            for approval in self._documents.all()
            if (approval.model, approval.version) == (version.model, version.version)
            and approval.manifest_sha256 == version.manifest_sha256
            and approval.used_by is None
        )
        return sorted(counting, key=lambda approval: approval.approved_at)

    def approve(self, model: str, number: str, *, actor: Actor, reason: str) -> Approval:
        """Put a person's approval on record.

        Raises:
            RefusedError: The actor is no person, the version is live already, or the person has approved it before.
        """
        if actor.origin is Origin.ENGINE:
            raise RefusedError("The engine cannot approve a promotion; a person must.")
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            version = self._records.version(model, number)
            if version.stage is Stage.PRODUCTION:
                raise RefusedError(f"{model} {number} is in Production already; there is nothing to approve.")
            key = f"{version.key}/{actor.name}"
            before = self._documents.find(key)
            # A word that fewer people can have given, such as one from the own account, takes the place of another.
            if before is not None and before in self.of(version) and not actor.persons < before.persons:
                at = f"{before.approved_at:%Y-%m-%d %H:%M:%S} UTC"
                raise RefusedError(f"{actor.name} has approved {model} {number} already, at {at}.")
            approval = Approval(
                key=key,
                model=model,
                version=number,
                manifest_sha256=version.manifest_sha256,
                person=actor.name,
                behind=tuple(sorted(actor.behind)),
                approved_by=str(actor),
                approved_at=self._clock(),
                origin=actor.origin,
                reason=reason,
                revision=before.revision if before else 0,
            )
            stored = self._documents.replace(approval) if before else self._documents.insert(approval)
            change.record("version.approve", version.key, after=_told(stored), evidence=[evidence(version)])
            return stored

    def withdraw(self, model: str, number: str, *, actor: Actor, reason: str) -> Approval:
        """Take the actor's own approval back.

        Raises:
            ApprovalNotFoundError: There is none that still counts.
        """
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            version = self._records.version(model, number)
            counting = self.of(version)
            own = next((approval for approval in counting if approval.person == actor.name), None)
            if own is None:
                raise ApprovalNotFoundError(model, number, actor.name, [approval.person for approval in counting])
            self._documents.remove(own.key)
            change.record("version.withdraw_approval", version.key, before=_told(own), evidence=[evidence(version)])
            return own

    def use(self, change: AuditedChange, version: ModelVersion, transition: int) -> None:
        """Mark the approvals that a promotion has rested on, in the transaction of `change`."""
        for approval in self.of(version):
            used = self._documents.replace(msgspec.structs.replace(approval, used_by=transition))
            change.record("approval.use", used.key, before={"used_by": None}, after={"used_by": transition})


def _told(approval: Approval) -> dict[str, object]:
    told: dict[str, object] = {"person": approval.person, "manifest_sha256": approval.manifest_sha256}
    return told | ({"behind": approval.behind} if approval.behind else {})
