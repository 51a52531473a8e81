"""How the columns of a file are to be read: what a model's signature knows, and what a person has said.

A person says it column by column (`--read COLUMN=HOW`) or for the whole file (`--read HOW`), where the cells alone
do not decide.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.errors import UsageError
from core.escape import shown
from core.tables.signature import ColumnForm, ColumnKind


class Manner(StrEnum):
    """A way to read a column."""

    NUMBER = "number"
    CATEGORY = "category"
    DECIMAL_POINT = "decimal-point"
    DECIMAL_COMMA = "decimal-comma"
    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


OF_A_COLUMN = (Manner.NUMBER, Manner.CATEGORY)
"""These make no sense for a whole file."""

_DECIMALS = {Manner.DECIMAL_POINT: ".", Manner.DECIMAL_COMMA: ","}
_ORDERS = (Manner.DAY_FIRST, Manner.MONTH_FIRST)


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """How one column is to be read.

    Attributes:
        kind: The required kind; None if it is inferred.
        form: The form of the training data; None for a column that is not known yet.
        missing: A person's words for an empty cell.
        manners: A person's wishes.
    """

    kind: ColumnKind | None = None
    form: ColumnForm | None = None
    missing: tuple[str, ...] = ()
    manners: tuple[Manner, ...] = ()

    @property
    def wanted(self) -> ColumnKind | None:
        """The kind that a person or a signature asks for."""
        if Manner.CATEGORY in self.manners:
            return ColumnKind.CATEGORY
        return ColumnKind.NUMBER if Manner.NUMBER in self.manners else self.kind

    @property
    def decimal(self) -> str:
        """The decimal mark, "" if nobody has said it."""
        said = [_DECIMALS[manner] for manner in self.manners if manner in _DECIMALS]
        return said[0] if said else self.form.decimal if self.form else ""

    @property
    def order(self) -> str:
        """Whether the day or the month comes first, "" if nobody has said it."""
        said = [manner.value for manner in self.manners if manner in _ORDERS]
        return said[0] if said else self.form.order if self.form else ""


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """How the columns of a file are to be read.

    Attributes:
        kinds: The kinds of known columns; the others are inferred.
        forms: The forms of known columns.
        missing: A person's words for an empty cell, in every column.
        manners: A person's wishes by column; under "" for every column.
        only: The columns to read; None for all.
        lenient: Whether cells that cannot be read are left empty and counted.
    """

    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    forms: Mapping[str, ColumnForm] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    manners: Mapping[str, tuple[Manner, ...]] = field(default_factory=dict)
    only: frozenset[str] | None = None
    lenient: bool = False

    def reads(self, name: str) -> bool:
        """Return whether a column is to be read."""
        return self.only is None or name in self.only

    def empty_rows(self, n_rows: int) -> int | None:
        """Return the number of rows of a table of which no column was read; None if such a file is refused."""
        return None if self.only is None else n_rows

    def require_known(self, names: Iterable[str]) -> None:
        """Make sure that every column that a person names is there.

        Raises:
            UsageError: One is not.
        """
        present = set(names)
        if strange := [name for name in self.manners if name and name not in present]:
            raise UsageError(f"--read names the column {shown(strange[0])}, which the file does not have.")

    def said_manners(self) -> tuple[str, ...]:
        """Return a person's wishes as `COLUMN=HOW` and `HOW`."""
        return tuple(f"{name}={how}" if name else str(how) for name, said in self.manners.items() for how in said)

    def says_no_more_than(self, other: "ReadingRules") -> bool:
        """Return whether a person's words and wishes are all among those of other rules."""
        return {*self.missing} <= {*other.missing} and {*self.said_manners()} <= {*other.said_manners()}

    def of(self, name: str) -> ColumnRules:
        """Return the rules of a column; what is said of one column counts before what is said of all."""
        kind = self.kinds.get(name)
        form = self.forms.get(name) or (ColumnForm() if kind is not None else None)
        return ColumnRules(kind, form, self.missing, (*self.manners.get(name, ()), *self.manners.get("", ())))


def manners_of(said: Iterable[str]) -> dict[str, tuple[Manner, ...]]:
    """Read `COLUMN=HOW` and `HOW`.

    Raises:
        UsageError: HOW is unknown, or makes no sense for a whole file.

    >>> manners_of(["price=decimal-comma", "day-first"])
    {'price': (<Manner.DECIMAL_COMMA: 'decimal-comma'>,), '': (<Manner.DAY_FIRST: 'day-first'>,)}
    """
    found: dict[str, tuple[Manner, ...]] = {}
    for text in said:
        name, _, how = text.rpartition("=")
        if how not in set(Manner):
            raise UsageError(
                f"--read {text!r}: {how!r} is not a way to read a column; choose from {', '.join(Manner)}."
            )
        manner = Manner(how)
        if not name and manner in OF_A_COLUMN:
            raise UsageError(f"--read {text!r}: name the column, such as --read COLUMN={how}.")
        found[name] = (*found.get(name, ()), manner)
    return found
