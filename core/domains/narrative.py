"""A narrative about one row of a file, and where each of its facts is from: what every domain's drafts look like."""

import msgspec


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
