"""A table without what leads to a person: what is done to each column, and the table that comes of it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import msgspec
import numpy as np
import pandas as pd

from core.arrays import BoolArray
from core.escape import shown
from core.protection.errors import AnonymisingError
from core.protection.generalising import PERIODS, Ladder, coarsened
from core.protection.k_anonymity import classes_of, k_anonymous, n_without_person
from core.protection.noise import normal_noise, with_noise
from core.protection.pseudonyms import Pseudonyms
from core.settings.protection import ProtectionSettings, Sensitivity
from core.tables import ColumnKind, Table

USUAL_K: Final = 5
USUAL_SUPPRESSED: Final = 0.05
_NUMBERS = (ColumnKind.NUMBER, ColumnKind.INTEGER)

Treatment = Literal["as it is", "left out", "pseudonym", "noise", "coarsened", "quasi-identifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnonymisingRequest:
    """What is to be done to a table.

    Attributes:
        pseudonyms: Columns whose values become pseudonyms, with the domain of each; by default its own name.
        drop: Columns that are left out.
        noise: By column: the standard deviation of its noise, as a share of the column's.
        coarsen: By column of times: `month`, `quarter` or `year`.
        quasi: The quasi-identifiers: columns that together could lead to a person.
        k: How many persons must share each combination of the quasi-identifiers.
        max_suppressed: The largest share of the rows that is left out for it.
        persons: The column that says whose row each is; None: each row is a person's only one.
        seed: Of the noise, beside the key.
    """

    pseudonyms: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    noise: Mapping[str, float] = field(default_factory=dict)
    coarsen: Mapping[str, str] = field(default_factory=dict)
    quasi: Sequence[str] = ()
    k: int = USUAL_K
    max_suppressed: float = USUAL_SUPPRESSED
    persons: str | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if self.k < 2:
            raise AnonymisingError(f"k is {self.k}: it must be a whole number, at least 2.")
        if not 0 <= self.max_suppressed <= 1:
            raise AnonymisingError(
                f"The share of rows to leave out is {self.max_suppressed:g}: it must be from 0 to 1."
            )
        for name, share in self.noise.items():
            if not 0 < share <= 10:
                raise AnonymisingError(f"The noise of {shown(name)} is {share:g}: it must be more than 0, at most 10.")
        for name, period in self.coarsen.items():
            if period not in PERIODS:
                raise AnonymisingError(
                    f"{shown(name)} cannot be coarsened to {shown(period)}: choose {', '.join(PERIODS)}."
                )
        if self.persons is not None and not self.quasi:
            raise AnonymisingError("Persons are counted in classes of quasi-identifiers: name these columns, too.")
        treated = (
            *self.pseudonyms,
            *dict.fromkeys(self.drop),
            *self.noise,
            *dict.fromkeys((*self.coarsen, *self.quasi)),
        )
        if twice := next((name for name in treated if treated.count(name) > 1), None):
            raise AnonymisingError(f"{shown(twice)} is named for two treatments: choose one.")

    def completed(self, table: Table, protection: ProtectionSettings) -> "AnonymisingRequest":
        """Return what is to be done to all columns of a table: secret ones are left out, personal ones get pseudonyms.

        Args:
            table: The table.
            protection: The settings, which classify columns.
        Raises:
            AnonymisingError: A column that is named is not there, cannot be read, or is secret.
        """
        treated = (*self.pseudonyms, *self.noise, *self.coarsen, *self.quasi)
        for name in (*treated, *self.drop, *filter(None, [self.persons])):
            if name not in table.kinds and name not in table.left_out:
                known = ", ".join(map(shown, table.kinds))
                raise AnonymisingError(f"{table.path} has no column {shown(name)}; its columns: {known}.")
            if name not in table.kinds and name not in self.drop:
                raise AnonymisingError(f"{table.path}, column {shown(name)}: it {table.left_out[name]}. Leave it out.")
            if name in treated and protection.sensitivity_of(name) is Sensitivity.SECRET:
                raise AnonymisingError(f"{shown(name)} is secret (protection.secret): it can only be left out.")
        classes = {name: protection.sensitivity_of(name) for name in table.kinds}
        secret = [name for name, each in classes.items() if each is Sensitivity.SECRET]
        personal = [name for name, each in classes.items() if each is Sensitivity.PERSONAL]
        own = {name: name for name in personal if name not in (*treated, *self.drop)}
        drop = tuple(dict.fromkeys((*self.drop, *secret)))
        return replace(self, pseudonyms={**self.pseudonyms, **own}, drop=drop)

    @property
    def needs_key(self) -> bool:
        """Whether anything is done that only who has the key can undo or repeat."""
        return bool(self.pseudonyms or self.noise)


class TreatedColumn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done to a column.

    Attributes:
        name: The column.
        sensitivity: Its class.
        treatment: What was done.
        how: More of it, in words.
    """

    name: str
    sensitivity: Sensitivity
    treatment: Treatment
    how: str = ""


class ReachedAnonymity(msgspec.Struct, frozen=True, kw_only=True):
    """The k-anonymity of the table that was written.

    Attributes:
        k_asked: What was asked for.
        k_reached: The size of the smallest class, in persons.
        k_before: The same of the table as it was.
        n_classes: The classes of the rows that stay.
        n_suppressed: Rows left out.
        n_generalised: Rows that stay with a quasi-identifier that is not as it was.
        counted: Whether classes are counted in `rows` or in `persons`.
        n_without_person: Rows of the table that do not say whose they are; those of a class are at most one person.
    """

    k_asked: int
    k_reached: int
    k_before: int
    n_classes: int
    n_suppressed: int
    n_generalised: int
    counted: Literal["rows", "persons"]
    n_without_person: int = 0


@dataclass(frozen=True, slots=True)
class AnonymisedTable:
    """A table without what leads to a person.

    Attributes:
        frame: The rows that stay, in the order of the table.
        kept: Which rows of the table stay, shape (n,).
        columns: What was done to each.
        anonymity: None without quasi-identifiers.
    """

    frame: pd.DataFrame
    kept: BoolArray
    columns: tuple[TreatedColumn, ...]
    anonymity: ReachedAnonymity | None


def anonymise(
    table: Table, request: AnonymisingRequest, protection: ProtectionSettings, key: bytes | None
) -> AnonymisedTable:
    """Do to a table what is asked.

    Args:
        table: The table; columns that get pseudonyms are read as text.
        request: What is to be done, completed for this table.
        protection: The settings, which classify columns.
        key: Of pseudonyms and noise.
    Raises:
        AnonymisingError: There is no key, or a treatment does not fit its column.
        TableError: A column fits two readings.
    """
    if request.needs_key and key is None:
        named = ", ".join(map(shown, (*request.pseudonyms, *request.noise)))
        raise AnonymisingError(
            f"A key is needed for {named}: name its file, its variable or its command (--key-file, --key-env, "
            "--key-command, or protection.key_file … in bondx.yaml)."
        )
    table.require_clear((*request.noise, *request.coarsen, *request.quasi))
    frame, how = table.frame.copy(), dict[str, str]()
    for name, domain in request.pseudonyms.items():
        assert key is not None
        frame[name] = _pseudonyms(frame[name], Pseudonyms(key), domain)
        how[name] = "HMAC-SHA-256" if domain == name else f"HMAC-SHA-256, of {domain}"
    for name, share in request.noise.items():
        assert key is not None
        frame[name] = _noisy(table, name, float(share), key, request.seed)
        how[name] = f"normal, {share:g} of the standard deviation"
    for name, period in request.coarsen.items():
        _require_times(table, name)
        frame[name] = coarsened(frame[name], period)
        how[name] = f"to the {period}"
    kept, anonymity = np.ones(len(frame), dtype=np.bool_), None
    if request.quasi:
        ladders = {name: Ladder.of(frame[name], table.kinds[name], least=request.k) for name in request.quasi}
        persons = None if request.persons is None else table.frame[request.persons]
        found = k_anonymous(ladders, k=request.k, max_suppressed=request.max_suppressed, persons=persons)
        is_other = np.zeros(len(frame), dtype=np.bool_)
        for name, column in found.columns.items():
            is_other |= ~np.asarray(_same(table.frame[name], column))
            frame[name] = column
        kept = found.kept
        how |= {name: f"{how[name]}, {words}" if name in how else words for name, words in found.steps.items()}
        anonymity = ReachedAnonymity(
            k_asked=request.k,
            k_reached=found.after.smallest,
            k_before=classes_of([table.frame[name] for name in request.quasi], persons).smallest,
            n_classes=len(found.after.n_persons),
            n_suppressed=int((~kept).sum()),
            n_generalised=int((kept & is_other).sum()),
            counted="rows" if request.persons is None else "persons",
            n_without_person=0 if persons is None else n_without_person(persons),
        )
    left_out = dict.fromkeys(request.drop, "asked") | {
        name: "secret" for name in request.drop if protection.sensitivity_of(name) is Sensitivity.SECRET
    }
    left_out |= {name: reason for name, reason in table.left_out.items() if name not in left_out}
    names = [str(name) for name in frame if name not in left_out]
    if not names:
        raise AnonymisingError("No column is left: every column of the table is left out.")
    columns = tuple(
        TreatedColumn(
            name=name,
            sensitivity=protection.sensitivity_of(name),
            treatment=_treatment(name, request, left_out),
            how=left_out.get(name, how.get(name, "")),
        )
        for name in (*table.kinds, *table.left_out)
    )
    written = frame.loc[kept, names].reset_index(drop=True)
    return AnonymisedTable(_written_as_read(written, table.kinds), kept, columns, anonymity)


def _treatment(name: str, request: AnonymisingRequest, left_out: Mapping[str, str]) -> Treatment:
    if name in left_out:
        return "left out"
    if name in request.pseudonyms:
        return "pseudonym"
    if name in request.noise:
        return "noise"
    if name in request.quasi:
        return "quasi-identifier"
    return "coarsened" if name in request.coarsen else "as it is"


def _pseudonyms(column: "pd.Series[Any]", pseudonyms: Pseudonyms, domain: str) -> "pd.Series[Any]":
    values = column.astype(object)
    known = pseudonyms.of_each(values.dropna().unique(), domain)
    return values.map(known).astype("category")


def _noisy(table: Table, name: str, share: float, key: bytes, seed: int) -> "pd.Series[float]":
    if (kind := table.kinds.get(name)) not in _NUMBERS:
        raise AnonymisingError(f"{shown(name)} is a {kind or 'column that cannot be read'}: noise is for numbers.")
    values = table.frame[name].to_numpy(dtype=np.float64)
    if np.unique(values[np.isfinite(values)]).size < 2:
        raise AnonymisingError(
            f"{shown(name)} does not vary, so noise in proportion to its spread is none: leave it out."
        )
    # Of the file, the numbers as they were read and the share, too: were two exports to have the same errors in another
    # proportion, a weighted difference of the two would be the true values.
    read = hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()
    noise = normal_noise(key, len(values), str(seed), table.source.sha256, name, read, share.hex())
    moved = with_noise(values, noise, share, is_whole=kind is ColumnKind.INTEGER)
    return pd.Series(moved, index=table.frame.index)


def _require_times(table: Table, name: str) -> None:
    if (kind := table.kinds.get(name)) is not ColumnKind.TIME:
        raise AnonymisingError(f"{shown(name)} is a {kind or 'column that cannot be read'}: only dates are coarsened.")


def _same(before: "pd.Series[Any]", after: "pd.Series[Any]") -> "pd.Series[bool]":
    before, after = before.astype(object), after.astype(object)
    return (before == after) | (before.isna() & after.isna())


def _written_as_read(frame: pd.DataFrame, kinds: Mapping[str, ColumnKind]) -> pd.DataFrame:
    """Return whole numbers and flags in their own types: a frame keeps both as floats for the sake of empty cells."""
    types: dict[str, Any] = {ColumnKind.INTEGER: "Int64", ColumnKind.FLAG: "boolean"}
    for name in frame:
        wanted = types.get(kinds[str(name)])
        if wanted is not None and frame[name].dtype == np.float64 and frame[name].abs().max() < 2**53:
            frame[name] = frame[name].astype(wanted)
    return frame


def domains_of(said: Sequence[str]) -> dict[str, str]:
    """Read columns that get pseudonyms: `COLUMN`, in a domain of its own, or `COLUMN=DOMAIN`.

    >>> domains_of(["customer", "buyer=customer"])
    {'customer': 'customer', 'buyer': 'customer'}
    """
    found: dict[str, str] = {}
    for text in said:
        name, sign, domain = text.rpartition("=")
        column, named = (name, domain) if sign else (text, text)
        if not column or not named:
            raise AnonymisingError(f"{shown(text)} is not a column: give COLUMN, or COLUMN=DOMAIN.")
        if column in found:
            raise AnonymisingError(f"{shown(column)} is named for two pseudonyms: choose one domain.")
        found[column] = named
    return found
