"""Columns that must not appear in an explanation: their contributions are added up under one name. Light to import."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from core.escape import shown
from core.explain.documents import DENIED, SEVERAL_READ
from core.settings import Settings, SettingsError, settings_in_force
from core.settings.explanation import ExplanationSettings
from core.settings.patterns import is_listed, is_named
from core.tables.errors import InputError, TableError

if TYPE_CHECKING:
    from core.arrays import FloatArray
    from core.state import Workspace

ColumnFigure = TypeVar("ColumnFigure")
Returned = TypeVar("Returned")
P = ParamSpec("P")


class DenyList:
    """Names of columns, and patterns of names such as `customer_*`.

    Attributes:
        patterns: The columns that must not appear.
        of_values: Columns that may appear, but no value of theirs: masked ones, and with them personal ones.

    >>> DenyList(["customer_*"]).denies("customer_age"), DenyList(["customer_*"]).denies("rating")
    (True, False)
    """

    def __init__(self, patterns: Sequence[str] = (), *, of_values: Sequence[str] = ()) -> None:
        self.patterns, self.of_values = tuple(patterns), tuple(of_values)

    @classmethod
    def of(cls, settings: ExplanationSettings) -> "DenyList":
        """Return the columns that must not appear by some settings, and those of which no value may."""
        return cls(settings.denied_columns, of_values=settings.masked_columns)

    @classmethod
    def in_force(cls, root: Path) -> "DenyList":
        """Return the list of a workspace's settings.

        Raises:
            SettingsError: The settings cannot be read.
        """
        return cls.of(settings_in_force(root).explanation)

    @classmethod
    def in_force_or_all(cls, root: Path) -> "DenyList":
        """Return the list of a workspace's settings; while they cannot be read, one that denies every column."""
        try:
            return cls.in_force(root)
        except SettingsError:
            return cls(["*"])

    @classmethod
    def of_cells(cls, settings: Settings) -> "DenyList":
        """Return the columns whose cells no refusal of a file quotes: those denied, and those masked."""
        return cls((*settings.explanation.denied_columns, *settings.explanation.masked_columns))

    @classmethod
    def of_cells_in_force(cls, root: Path) -> "DenyList":
        """Return the same columns of a workspace's settings; raises as `in_force`."""
        return cls.of_cells(settings_in_force(root))

    @classmethod
    def of_cells_in_force_or_all(cls, root: Path) -> "DenyList":
        """Return the same columns; while the settings cannot be read, every column."""
        try:
            return cls.of_cells_in_force(root)
        except SettingsError:
            return cls(["*"])

    def denies(self, column: str) -> bool:
        """Say whether a column, or one of the columns behind it, must not appear.

        >>> DenyList(["spread [bp]"]).denies("spread [bp]")
        True
        """
        parts = column.split(SEVERAL_READ)
        return any(is_named(part, self.patterns) for part in parts)

    def hides_values(self, column: str) -> bool:
        """Say whether no value of a column may appear, such as the levels of a category or the ends of a range.

        >>> denied = DenyList(["iban"], of_values=["name"])
        >>> [denied.hides_values(each) for each in ("iban", "name", "size")], denied.denies("name")
        ([True, True, False], False)
        """
        parts = column.split(SEVERAL_READ)
        return any(is_named(part, (*self.patterns, *self.of_values)) for part in parts)

    def among(self, columns: Iterable[str]) -> frozenset[str]:
        """Return those of some columns that must not appear.

        >>> DenyList(["tax_*"]).among(["tax_id", "size"])
        frozenset({'tax_id'})
        """
        return frozenset(filter(self.denies, columns))

    def silent(self, texts: Iterable[str], columns: Iterable[str]) -> tuple[str, ...]:
        """Return the texts that name no denied one of these columns.

        >>> DenyList(["tax_*"]).silent(["tax_id is read as numbers.", "size is empty."], ["tax_id", "size"])
        ('size is empty.',)
        """
        hidden = naming(part for column in columns for part in column.split(SEVERAL_READ) if self.denies(part))
        return tuple(text for text in texts if hidden is None or not hidden.search(text))

    def names(self, players: Sequence[str]) -> tuple[str, ...]:
        """Return the players' names as they are shown: those denied become one, the last."""
        visible = tuple(name for name in players if not self.denies(name))
        return visible if len(visible) == len(players) else (*visible, DENIED)

    def shares(self, importances: Mapping[str, float]) -> dict[str, float]:
        """Return the share of each column, the largest first; denied columns have one share together.

        >>> DenyList(["tax_*"]).shares({"size": 0.3, "tax_id": 0.2, "tax_class": 0.5})
        {'(denied columns)': 0.7, 'size': 0.3}
        """
        found = {name: share for name, share in importances.items() if not self.denies(name)}
        if len(found) == len(importances):
            return found
        found[DENIED] = sum(share for name, share in importances.items() if name not in found)
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    def visible(self, figures: Mapping[str, ColumnFigure]) -> dict[str, ColumnFigure]:
        """Return the figures of columns without those of denied columns.

        >>> DenyList(["tax_*", "rate=5"]).visible({"size": 1, "tax_id": 2, "rate=5": 3})
        {'size': 1}
        """
        return {name: each for name, each in figures.items() if not self.denies(name)}

    def denies_slice(self, name: str) -> bool:
        """Say whether a slice, such as `rating=AA`, is of a column whose values must not appear.

        The name of the column may hold "=", too.

        >>> denied = DenyList(["tax_*", "rate=5"], of_values=["name"])
        >>> [denied.denies_slice(name) for name in ("tax_id=7", "rate=5=yes", "rate=6=yes", "size=tax_id", "name=Ana")]
        [True, True, False, False, True]
        """
        return any(self.hides_values(name[: sign.start()]) for sign in re.finditer("=", name))

    def visible_slices(self, figures: Mapping[str, ColumnFigure]) -> dict[str, ColumnFigure]:
        """Return the figures of slices without those of columns whose values must not appear."""
        return {name: each for name, each in figures.items() if not self.denies_slice(name)}

    def with_slicings(self, made_of: Mapping[str, str]) -> "DenyList":
        """Return a list for the names of slices: it holds what is made of a listed column, whatever it is called.

        Args:
            made_of: The column behind each slicing, by the name of the slicing.

        >>> DenyList(["tax_*"]).with_slicings({"class": "tax_class"}).denies_slice("class=A")
        True
        """
        return DenyList(
            (*self.patterns, *(escape(name) for name, column in made_of.items() if self.denies(column))),
            of_values=(*self.of_values, *(escape(name) for name, each in made_of.items() if self.hides_values(each))),
        )

    @contextmanager
    def withholding(self) -> Iterator[None]:
        """Let refusals of a table quote no cell of a denied column, and no whole row, whose columns nobody knows.

        Raises:
            TableError: That of the block, with its place, its column and the kind of its fault alone.
        """
        try:
            yield
        except TableError as error:
            if not self.hides_in(error):
                raise
            raise error.without_cells() from None

    def told(self, error: Exception) -> str:
        """Return what an error says, without the cells of a denied column."""
        if isinstance(error, TableError) and self.hides_in(error):
            return str(error.without_cells())
        if isinstance(error, InputError) and self.denies(error.column):
            return f"column {shown(error.column)}: a value of it cannot be used."
        return str(error)

    def hides_in(self, error: TableError) -> bool:
        """Say whether a refusal may quote a cell of a denied column, or a whole row, whose columns nobody knows."""
        return bool(self.patterns and error.fault) if error.column is None else self.denies(error.column)

    def scale_of_answers(self, scale: str) -> str:
        """Return the scale of contributions in words; it is the target where that is a number, which may be denied.

        A pattern is about the columns that a model reads.

        >>> [DenyList([each]).scale_of_answers("price") for each in ("price", "*")]
        ["the model's answer", 'price']
        """
        return "the model's answer" if is_listed(scale, self.patterns) else scale

    def merged(self, values: "FloatArray", players: Sequence[str]) -> "FloatArray":
        """Add up the contributions of denied players, shape (n, names)."""
        import numpy as np

        is_denied = np.array([self.denies(name) for name in players], dtype=np.bool_)
        if not is_denied.any():
            return values
        return np.column_stack((values[:, ~is_denied], values[:, is_denied].sum(axis=1)))


NONE_DENIED: Final = DenyList()


def withholds_cells(
    function: "Callable[Concatenate[Workspace, P], Returned]",
) -> "Callable[Concatenate[Workspace, P], Returned]":
    """Let a function that reads a file for a workspace quote no cell of a column that is denied, or personal."""

    @wraps(function)
    def withholding(workspace: "Workspace", /, *args: P.args, **kwargs: P.kwargs) -> Returned:
        with DenyList.of_cells_in_force(workspace.root).withholding():
            return function(workspace, *args, **kwargs)

    return withholding


def left_out_note(n_denied: int, n_columns: int) -> str:
    """Say how many columns a stored explanation loses, since they were denied after it was made."""
    return f"Left out, because denied later: {n_denied} of {n_columns} columns."


def naming(columns: Iterable[str]) -> "re.Pattern[str] | None":
    """Return the pattern of texts that name one of the columns; None without any."""
    longest_first = sorted(set(columns), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)") if longest_first else None
