"""A narrative about one row of a file, and where each of its facts is from: what every domain's drafts look like."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol, cast, runtime_checkable

import msgspec

from core.domains.registry import domain_names, find_domain
from core.errors import CoreError, UsageError
from core.explain.deny_list import NONE_DENIED, DenyList
from core.plugins import load_object
from core.protection import Masking
from core.settings import settings_in_force

WITHHELD: Final = "(withheld)"


class QuotedCells:
    """Which cells of a row a narrative quotes, and what stands in it in place of the others."""

    def __init__(
        self, cells: DenyList = NONE_DENIED, denied: DenyList = NONE_DENIED, masking: Masking | None = None
    ) -> None:
        """Begin with lists of columns.

        Args:
            cells: The columns of which no cell is quoted.
            denied: Those among them that are not named either.
            masking: What is shown in place of cells of the others.
        """
        self._cells, self._denied, self._masking = cells, denied, masking

    @classmethod
    def in_force(cls, root: Path) -> "QuotedCells":
        """Return what the settings of a workspace allow.

        Raises:
            SettingsError: The settings cannot be read.
        """
        settings = settings_in_force(root)
        return cls(DenyList.of_cells(settings), DenyList.of(settings.explanation), Masking.in_force(root))

    @property
    def hides_some(self) -> bool:
        """Whether there is any column of which no cell is quoted."""
        return bool(self._cells.patterns)

    def hides(self, column: str) -> bool:
        """Whether no cell of a column is quoted."""
        return self._cells.denies(column)

    def leaves_out(self, column: str) -> bool:
        """Whether a column is not even named."""
        return self._denied.denies(column)

    def instead(self, column: str, cell: object) -> str | None:
        """Return what stands in place of a cell of a hidden column; None for an empty cell of one that is named.

        Raises:
            KeySourceError: The key of pseudonyms cannot be read.
        """
        if self.leaves_out(column) or self._masking is None:
            return WITHHELD
        return self._masking.shown(column, cell)

    def withholding(self) -> AbstractContextManager[None]:
        """Let refusals of a table quote no cell of a hidden column."""
        return self._cells.withholding()


ALL_QUOTED: Final = QuotedCells()


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
        unnamed: The row in words without any cell, such as "risk report in line 2".
        named_by: The columns whose cells are in `about`.
        columns: The columns whose cells the program put into the draft.
        of_row: Every column of the row: what a person wrote may quote any.
    """

    about: str
    text: str
    facts: tuple[TracedFact, ...]
    file: str
    sha256: str
    n_unconfirmed: int
    unchecked: tuple[str, ...] = ()
    unnamed: str = ""
    named_by: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    of_row: tuple[str, ...] = ()


class NarrativeOffer(Protocol):
    """Narratives of the rows of a domain's reports: a row is that of a book on a day, by default its last.

    Neither a narrative nor a refusal holds a cell that `quoting` hides.
    """

    def worded(
        self, path: Path, *, book: str | None, date: str | None, quoting: QuotedCells = ALL_QUOTED
    ) -> DraftedNarrative:
        """Word the narrative of a row from its cells."""

    def checked(
        self, text: str, path: Path, *, book: str | None, date: str | None, quoting: QuotedCells = ALL_QUOTED
    ) -> DraftedNarrative:
        """Trace what somebody has written about a row to its cells."""

    def beginning(self, path: Path, *, book: str | None, date: str | None, quoting: QuotedCells = ALL_QUOTED) -> str:
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
