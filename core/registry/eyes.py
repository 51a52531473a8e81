"""Whose approvals count for a promotion: those that must have come from different people.

A token can have been used by whoever made it, and a name given with `--user` is the word of one account. So an
approval and a promotion count as two pairs of eyes only where nobody can be behind both.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from core.actor import Actor
from core.registry.documents import ModelVersion


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word that a version may go to Production."""

    key: str  # "spread/1.4.0/ana": a second word of the same person is the same word
    model: str
    version: str
    manifest_sha256: str
    person: str  # the account; the same person on another host is no second person
    behind: tuple[str, ...] = ()  # who else can have given it
    approved_by: str
    approved_at: datetime
    origin: str
    reason: str
    used_by: int | None = None  # the number of the transition that rested on it
    revision: int = 0

    @property
    def persons(self) -> frozenset[str]:
        """Everybody who can have given it."""
        return frozenset(name.casefold() for name in (self.person, *self.behind))


class Eyes(msgspec.Struct, frozen=True, kw_only=True):
    """The approvals of a version, weighed."""

    counting: tuple[str, ...] = ()  # persons
    notes: tuple[str, ...] = ()  # why each of the others does not count

    @property
    def n_approvals(self) -> int:
        """How many there are, whether or not they count."""
        return len(self.counting) + len(self.notes)


def weigh(approvals: Sequence[Approval], version: ModelVersion, promoter: Actor | None) -> Eyes:
    """Say which approvals of a version count for its promotion.

    Args:
        approvals: Those on record for its very files.
        version: Whose authors cannot approve it.
        promoter: Who promotes, if known; neither can they.
    """
    taken = dict.fromkeys(version.authors, "the registration")
    if promoter is not None:
        taken |= dict.fromkeys(promoter.persons, "the promotion")
    counting, notes = [], []
    # Those that fewest people can have given first: at worst too few are counted, never too many.
    for approval in sorted(approvals, key=lambda found: (len(found.persons), found.approved_at)):
        if shared := sorted(approval.persons & taken.keys(), key=lambda name: name != approval.person.casefold()):
            notes.append(_why_not(approval, shared[0], taken[shared[0]]))
            continue
        counting.append(approval.person)
        taken |= dict.fromkeys(approval.persons, f"the approval of {approval.person}")
    return Eyes(counting=tuple(sorted(counting)), notes=tuple(notes))


def _why_not(approval: Approval, shared: str, deed: str) -> str:
    person = approval.person
    if shared != person.casefold():
        return f"the approval of {person} does not count: {shared} can be behind it and behind {deed}"
    if deed == "the promotion":
        return f"{person} cannot approve a promotion of their own"
    if deed == "the registration":
        return f"{person} cannot approve what they have registered"
    return f"the approval of {person} does not count: {person} can be behind {deed} as well"
