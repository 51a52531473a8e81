"""Four eyes: who has reviewed a version and approved it for Production.

An approval names its files by the hash of their manifest, and counts for one promotion to Production. A version that is
live is approved for its claim alone, which a server may demand: such an approval is on record as one of the promotion
that made the version live, and counts for no other.

The person who created a token can use it too, and a name given with `--user` is only that account's claim. So an
approval and a promotion count as two persons' only if no single person can be behind both.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from core.actor import Actor, Origin
from core.clock import Clock, to_iso
from core.errors import RefusedError
from core.governance.outbox import AuditedChange
from core.registry.changes import registry_change
from core.registry.claims import signed_claim
from core.registry.documents import ModelVersion, Transition
from core.registry.errors import ApprovalNotFoundError
from core.registry.records import Records
from core.registry.registration import evidence
from core.registry.stages import Stage
from core.state import Workspace


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One person's approval for a version to go to Production."""

    key: str  # "spread/1.4.0/ana": a person approves a version once
    model: str
    version: str
    manifest_sha256: str
    person: str  # the account; the same person on another host is not a second person
    behind: tuple[str, ...] = ()  # who else may have given it
    approved_by: str
    approved_at: datetime
    origin: str
    reason: str
    claim: str = ""  # the same, signed: an envelope of DSSE
    used_by: int | None = None  # the number of the transition that used it
    revision: int = 0

    @property
    def persons(self) -> frozenset[str]:
        """Everyone who may have given it."""
        return frozenset(name.casefold() for name in (self.person, *self.behind))


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

    def claims_of(self, version: ModelVersion) -> list[str]:
        """Return the signed approvals of a version, those that a promotion has used included."""
        return [
            approval.claim
            for approval in self._documents.all()
            if (approval.model, approval.version) == (version.model, version.version) and approval.claim
        ]

    def approve(
        self, model: str, number: str, *, actor: Actor, reason: str, asks_for_others: Callable[[], bool]
    ) -> Approval:
        """Record a person's approval, and sign it.

        Args:
            model: The model.
            number: The version.
            actor: The person.
            reason: Why, for the audit log.
            asks_for_others: Whether the policy asks for approvals of others than those who register and promote.
        Raises:
            RefusedError: The actor is not a person, approved the version before, or made a live version live where the
                policy asks for others.
        """
        if actor.origin is Origin.ENGINE:
            raise RefusedError("The engine cannot approve a promotion; a person must.")
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            version = self._records.version(model, number)
            is_live = version.stage is Stage.PRODUCTION
            live_by = self._to_production(version) if is_live else None
            if is_live and asks_for_others():
                _require_other(actor, version, live_by)
            key = f"{version.key}/{actor.name}"
            before = self._documents.find(key)
            # An approval that fewer people may have given, such as from the person's own account, replaces the other.
            counts = before is not None and before in self.of(version)
            if before is not None and counts and not is_live and not actor.persons < before.persons:
                earlier = f"{before.approved_at:%Y-%m-%d %H:%M} UTC"
                raise RefusedError(f"{actor.name} already approved {model} {number} at {earlier}.")
            at = self._clock()
            said = {"approved_by": str(actor), "at": to_iso(at), "reason": reason}
            approval = Approval(
                key=key,
                model=model,
                version=number,
                manifest_sha256=version.manifest_sha256,
                person=actor.name,
                behind=tuple(sorted(actor.behind)),
                approved_by=str(actor),
                approved_at=at,
                origin=actor.origin,
                reason=reason,
                claim=signed_claim(self._workspace, "validated_by", version.key, version.manifest_sha256, said),
                used_by=(live_by.number if live_by else self._records.model(model).revision)
                if is_live and not counts
                else None,
                revision=before.revision if before else 0,
            )
            stored = self._documents.replace(approval) if before else self._documents.insert(approval)
            change.record(
                "version.approve",
                version.key,
                after=_summary(stored),
                evidence=[evidence(version)],
                stage=Stage.PRODUCTION,
            )
            return stored

    def _to_production(self, version: ModelVersion) -> Transition | None:
        """Find the move that made a live version live."""
        moves = self._records.moves_of(self._records.model(version.model))
        change = (version.version, Stage.PRODUCTION)
        return next((move for move in moves if change in {(each.version, each.after) for each in move.changes}), None)

    def withdraw(self, model: str, number: str, *, actor: Actor, reason: str) -> Approval:
        """Withdraw the actor's own approval.

        Raises:
            ApprovalNotFoundError: No approval of the actor still counts.
        """
        with registry_change(self._workspace, actor=actor, reason=reason, clock=self._clock) as change:
            version = self._records.version(model, number)
            counting = self.of(version)
            own = next((approval for approval in counting if approval.person == actor.name), None)
            if own is None:
                raise ApprovalNotFoundError(model, number, actor.name, [approval.person for approval in counting])
            self._documents.remove(own.key)
            change.record(
                "version.withdraw_approval",
                version.key,
                before=_summary(own),
                evidence=[evidence(version)],
                stage=Stage.PRODUCTION,
            )
            return own

    def use(self, change: AuditedChange, version: ModelVersion, transition: int) -> None:
        """Mark the approvals that a promotion used, in the transaction of `change`."""
        for approval in self.of(version):
            used = self._documents.replace(msgspec.structs.replace(approval, used_by=transition))
            change.record("approval.use", used.key, before={"used_by": None}, after={"used_by": transition})


class ApprovalTally(msgspec.Struct, frozen=True, kw_only=True):
    """Which approvals of a version count for a promotion."""

    counting: tuple[str, ...] = ()  # persons
    notes: tuple[str, ...] = ()  # why each of the others does not count

    @property
    def n_approvals(self) -> int:
        """The number of approvals, whether or not they count."""
        return len(self.counting) + len(self.notes)


def tally(approvals: Sequence[Approval], version: ModelVersion, promoter: Actor | None) -> ApprovalTally:
    """Say which approvals of a version count for its promotion.

    Args:
        approvals: The approvals recorded for exactly these files.
        version: The version; its authors cannot approve it.
        promoter: Who promotes, if known; they cannot approve it either.
    """
    taken = dict.fromkeys(version.authors, "the registration")
    if promoter is not None:
        taken |= dict.fromkeys(promoter.persons, "the promotion")
    counting, notes = [], []
    # The approvals that the fewest people may have given come first: at worst too few are counted, never too many.
    for approval in sorted(approvals, key=lambda found: (len(found.persons), found.approved_at)):
        if shared := sorted(approval.persons & taken.keys(), key=lambda name: name != approval.person.casefold()):
            notes.append(_why_not(approval, shared[0], taken[shared[0]]))
            continue
        counting.append(approval.person)
        taken |= dict.fromkeys(approval.persons, f"the approval of {approval.person}")
    return ApprovalTally(counting=tuple(sorted(counting)), notes=tuple(notes))


def _require_other(actor: Actor, version: ModelVersion, promotion: Transition | None) -> None:
    """Refuse the approval of a live version by somebody who may be behind its registration or its promotion.

    Raises:
        RefusedError: It names the deed, and asks for another person.
    """
    persons = {name.casefold() for name in actor.persons}
    names = [f"{person}@" for person in persons]
    is_theirs = not persons.isdisjoint(name.casefold() for name in version.authors)
    deed = "registered it" if is_theirs else "put it into Production"
    if is_theirs or (promotion is not None and promotion.by.casefold().startswith(tuple(names))):
        raise RefusedError(
            f"{actor.name} may not approve {version.model} {version.version}, for they, or who may be behind them, "
            f"{deed}, and policy.promotion.required_approvals asks for others: let another person approve it."
        )


def _why_not(approval: Approval, shared: str, deed: str) -> str:
    person = approval.person
    if shared != person.casefold():
        return f"the approval of {person} does not count: {shared} may be behind both it and {deed}"
    if deed == "the promotion":
        return f"{person} cannot approve their own promotion"
    if deed == "the registration":
        return f"{person} cannot approve a version they registered"
    return f"the approval of {person} does not count: {person} may also be behind {deed}"


def _summary(approval: Approval) -> dict[str, object]:
    summary: dict[str, object] = {"person": approval.person, "manifest_sha256": approval.manifest_sha256}
    summary |= {"behind": approval.behind} if approval.behind else {}
    return summary | ({"used_by": approval.used_by} if approval.used_by is not None else {})
