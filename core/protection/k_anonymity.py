"""k-anonymity: every combination of the columns that could lead to a person is shared by at least k persons.

Columns are generalised one step at a time, the one with the most different values first, until few enough rows are in
classes below k; these are left out. That is Datafly: simple, always right about k, and not always the least change.

k-anonymity hides who a row is of, not what it says: if all rows of a class have the same value in another column, that
value is known of each of its persons. It holds for one table, not for two that are put together.

Source:
    Sweeney, Achieving k-anonymity privacy protection using generalization and suppression, International Journal of
    Uncertainty, Fuzziness and Knowledge-Based Systems 10(5), 2002.
    Machanavajjhala et al., l-diversity: privacy beyond k-anonymity, ACM TKDD 1(1), 2007: what k-anonymity leaves open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import BoolArray, IntArray
from core.escape import shown
from core.protection.errors import AnonymisingError
from core.protection.generalising import Ladder
from core.protection.pseudonyms import canonical_text


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of rows that agree in some columns.

    Attributes:
        code: The class of each row, shape (n,).
        n_persons: Of each class: its rows, or the different persons in them, shape (n_classes,).
    """

    code: IntArray
    n_persons: IntArray

    @property
    def smallest(self) -> int:
        """The size of the smallest class: the k that is reached; 0 without any row."""
        return int(self.n_persons.min()) if len(self.n_persons) else 0


@dataclass(frozen=True, slots=True)
class KAnonymous:
    """Columns that are k-anonymous on the rows that are kept.

    Attributes:
        columns: The generalised columns, on all rows.
        kept: The rows that stay, shape (n,).
        steps: How each column was generalised, in words; without those that stayed as they were.
        before: The classes of the columns as they were.
        after: The classes of the rows that stay.
    """

    columns: "dict[str, pd.Series[Any]]"
    kept: BoolArray
    steps: dict[str, str]
    before: Classes
    after: Classes


def classes_of(columns: "Sequence[pd.Series[Any]]", persons: "pd.Series[Any] | None" = None) -> Classes:
    """Find the classes of rows that agree in all columns; a missing value is a value like any other.

    Args:
        columns: At least one column, of the same length.
        persons: Whose row each is. Rows without a person may be of any person, so those of a class are one person
            where it has no other, and none where it has. None: each row is one.
    """
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        own = pd.factorize(column, use_na_sentinel=True)[0] + 1
        code = np.unique(code * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1].astype(np.int64)
    n_classes = int(code.max(initial=-1)) + 1
    if persons is None:
        return Classes(code, np.bincount(code, minlength=n_classes).astype(np.int64))
    person = _codes_of(persons)
    is_known = person >= 0
    pairs = np.unique(np.column_stack((code[is_known], person[is_known])), axis=0)
    n_known = np.bincount(pairs[:, 0], minlength=n_classes).astype(np.int64)
    return Classes(code, np.maximum(n_known, 1))


def n_without_person(persons: "pd.Series[Any]") -> int:
    """Count the rows that do not say whose they are."""
    return int((_codes_of(persons) < 0).sum())


def _codes_of(persons: "pd.Series[Any]") -> IntArray:
    """Return the number of each row's person, -1 without one: text in two forms of Unicode is the same person."""
    values = persons.astype(object)
    text_of = {value: (canonical_text(value) or "").strip() or None for value in values.dropna().unique()}
    return pd.factorize(values.map(text_of), use_na_sentinel=True)[0].astype(np.int64)


def k_anonymous(
    ladders: Mapping[str, Ladder], *, k: int, max_suppressed: float, persons: "pd.Series[Any] | None" = None
) -> KAnonymous:
    """Generalise columns, and leave out rows, until every class has at least k persons.

    Args:
        ladders: By column: its steps, from the values as they are to nothing at all.
        k: How many persons a class must have.
        max_suppressed: The largest share of the rows that may be left out, 0 to 1.
        persons: Whose row each is; None: each row is a person's only one.
    Raises:
        AnonymisingError: There are fewer than k persons.
    """
    step = dict.fromkeys(ladders, 0)
    columns = {name: ladder.at(0) for name, ladder in ladders.items()}
    before = found = classes_of(list(columns.values()), persons)
    while True:
        small = found.n_persons[found.code] < k
        if small.mean() <= max_suppressed and not small.all():
            break
        open_ = [name for name, ladder in ladders.items() if step[name] + 1 < len(ladder)]
        if not open_:
            whose = ("person" if persons is not None else "row") + ("" if found.smallest == 1 else "s")
            n_nobody = 0 if persons is None else n_without_person(persons)
            unknown = f" ({n_nobody:,} rows do not say whose they are)" if n_nobody else ""
            raise AnonymisingError(
                f"k = {k} cannot be reached: the table has {found.smallest:,} {whose}{unknown}, even if "
                f"{', '.join(map(shown, ladders))} are emptied. Ask for a smaller k."
            )
        name = max(open_, key=lambda each: columns[each].nunique(dropna=False))  # the first of equals
        step[name] += 1
        columns[name] = ladders[name].at(step[name])
        found = classes_of(list(columns.values()), persons)
    kept = ~small
    after = classes_of([column[kept] for column in columns.values()], None if persons is None else persons[kept])
    steps = {name: ladders[name].words[at] for name, at in step.items() if at}
    return KAnonymous(columns, kept, steps, before, after)
