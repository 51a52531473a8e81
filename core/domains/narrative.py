"""A narrative about one row of a file, and where each of its facts is from: what every domain's drafts look like."""

from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import msgspec

from core.domains.registry import domain_names, find_domain
from core.errors import CoreError, UsageError
from core.plugins import load_object


class TracedFact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact of a draft, and where it is from.

    Attributes:
        fact: The column that it is from; empty for a number that is in no cell of the row.
        written: As the draft says it.
        cell: As the file holds it; None where the cell is empty, or there is none.
        place: The row in the file.
        problem: Why it is not confirmed; empty where it is.
    """

    fact: str
    written: str
    cell: str | None
    place: str
    problem: str = ""


class DraftedNarrative(msgspec.Struct, frozen=True, kw_only=True):
    """A draft about one row.

    Attributes:
        about: The row in words, such as "risk report of GAS_DESK on 2024-03-28".
        text: The narrative; what is not confirmed is marked.
        facts: Every fact in it that was looked up.
        file: The file.
        sha256: Of the file.
        n_unconfirmed: How many facts are marked.
        unchecked: What nothing was held against, a sentence each; empty if every statement was checked.
    """

    about: str
    text: str
    facts: tuple[TracedFact, ...]
    file: str
    sha256: str
    n_unconfirmed: int
    unchecked: tuple[str, ...] = ()


class NarrativeOffer(Protocol):
    """Narratives of the rows of a domain's reports: a row is that of a book on a day, by default its last."""

    def worded(self, path: Path, *, book: str | None, date: str | None) -> DraftedNarrative:
        """Word the narrative of a row from its cells."""

    def checked(self, text: str, path: Path, *, book: str | None, date: str | None) -> DraftedNarrative:
        """Trace what somebody has written about a row to its cells."""

    def beginning(self, path: Path, *, book: str | None, date: str | None) -> str:
        """Return the beginning of a narrative, for a model of language to go on from."""


@runtime_checkable
class NarrativeDomain(Protocol):
    """A domain with narratives of its reports; `narratives` is the place of its offer, as `module:attribute`."""

    @property
    def narratives(self) -> str:
        """Where its `NarrativeOffer` is."""


def narrative_domains() -> tuple[str, ...]:
    """Name the domains with narratives; a package that cannot be loaded is left out."""
    found = []
    for name in domain_names():
        try:
            if isinstance(find_domain(name), NarrativeDomain):
                found.append(name)
        except CoreError:
            continue
    return tuple(found)


def narratives_of(domain: str | None) -> NarrativeOffer:
    """Return the narratives of a domain; None: of the only one that has some.

    Raises:
        NotFoundError: There is no such domain.
        UsageError: It has none, or several have and none is named.
    """
    known = narrative_domains()
    if domain is None:
        if len(known) != 1:
            raise UsageError(f"{len(known)} domains have narratives of reports; name one: {', '.join(known)}.")
        domain = known[0]
    found = find_domain(domain)
    if not isinstance(found, NarrativeDomain):
        raise UsageError(f"The domain {domain!r} has no narratives of reports. Domains with them: {', '.join(known)}.")
    return cast(NarrativeOffer, load_object(found.narratives))
