"""The kinds and forms of the columns: each part is read as if it were a file, and all parts must agree."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from typing_extensions import override

from core.arrays import AnyArray
from core.domains.table.parted.columns import level_keys, taken_rules
from core.escape import shown
from core.executors.packing import PlainValue
from core.explain.deny_list import DenyList
from core.json_documents import converted
from core.settings.patterns import is_named
from core.tables import ColumnForm, ColumnKind, ReadingRules, Table, TableError
from core.tables.errors import as_typed
from core.tables.parts import PartedTable, from_plain, read_part
from core.tables.row_numbers import numbers_rows
from core.tables.settling import counted_gaps, told_form, told_gaps
from core.tables.text_columns import have_codes


@dataclass(frozen=True, slots=True)
class Survey:
    """What the parts of a table agree on.

    Attributes:
        rules: By which every part is read from now on.
        n_rows: Of each part, in order.
        left_out: Columns that no model can read, and why.
        numbering: Columns that count all rows, which no sample shows, and how they do.
        looks: What a category nearly is.
        doubts: Columns that fit two readings in every part, and the error.
        levels: Of each part the levels of its categories, as `level_keys` returns them.
        notes: How the columns are read, a sentence each.
        unquoted: The columns of which no note and no reason quotes a cell.
    """

    rules: ReadingRules
    n_rows: tuple[int, ...]
    left_out: dict[str, str]
    numbering: dict[str, str]
    looks: dict[str, str]
    doubts: dict[str, TableError]
    levels: tuple[dict[str, AnyArray], ...]
    notes: tuple[str, ...]
    unquoted: frozenset[str] = frozenset()


class SurveyedPart:
    """The reading of a part on a worker, by what a person has said alone."""

    def __init__(self, shared: PlainValue) -> None:
        self._rules, self._cells = taken_rules(shared), DenyList(shared.get("unquoted", ()))

    def do(self, task: PlainValue) -> PlainValue:
        """Read a part, and tell of each column what it is."""
        with self._cells.withholding():
            table = read_part(from_plain(task), self._rules)
        hidden = self._cells.among(table.doubts)
        bare = {name: error.without_cells() for name, error in table.doubts.items() if name in hidden}
        table = replace(table, doubts={**table.doubts, **bare})
        told = {note for name in table.kinds for note in _told(name, table.forms.get(name), table.gaps.get(name, {}))}
        return {
            "n_rows": len(table),
            "columns": [(name, _column(table, name)) for name in table.kinds],
            "left_out": list(table.left_out.items()),
            "notes": [note for note in table.notes if note not in told],
        }


def agreed(
    table: PartedTable, rules: ReadingRules, parts: Sequence[PlainValue], *, unquoted: Collection[str] = ()
) -> Survey:
    """Agree on the columns of all parts.

    Args:
        table: The table.
        rules: What a person has said.
        parts: The survey of each part.
        unquoted: Columns, or patterns of names, of which no note and no reason quotes a cell.
    Raises:
        TableError: A part has other columns than the first one, or reads a column otherwise.
    """
    columns = [dict(part["columns"]) for part in parts]
    lacking = [dict(part["left_out"]) for part in parts]
    names = [name for name in columns[0] if not any(name in left_out for left_out in lacking)]
    for part, own, left_out in zip(table.parts, columns, lacking, strict=True):
        if strange := sorted({*columns[0], *lacking[0]} ^ {*own, *left_out}):
            first = table.parts[0].path
            problem = f"{shown(strange[0])} is a column of this file or of {first.name}, and not of both"
            raise TableError(part.path, problem, "Give all files the same columns.")
    kinds: dict[str, ColumnKind] = {}
    forms: dict[str, ColumnForm] = {}
    looks: dict[str, str] = {}
    doubts: dict[str, TableError] = {}
    numbering: dict[str, str] = {}
    notes: list[str] = []
    n_rows = tuple(int(part["n_rows"]) for part in parts)
    for name in names:
        found = [own[name] for own in columns]
        kinds[name] = _kind(table, name, found)
        if kinds[name] is ColumnKind.CATEGORY:
            found = [_as_category(each, rules.missing) for each in found]
        form = _form(table, name, found)
        if form:
            forms[name] = form
        is_quoted = not is_named(name, unquoted)
        if is_quoted and (like := next((each["looks"] for each in found if each["looks"]), "")):
            looks[name] = like
        if kinds[name] is not ColumnKind.CATEGORY and not form.decimal and not form.order and (doubt := _doubt(found)):
            doubts[name] = _SaidError(doubt, name)
        gaps = _summed(each["gaps"] for each in found)
        notes += (
            _told(name, form, gaps) if is_quoted or not gaps else [*told_form(name, form), counted_gaps(name, gaps)]
        )
        if kinds[name] is ColumnKind.INTEGER and (why := _numbering(name, found, sum(n_rows), quotes=is_quoted)):
            numbering[name] = why
    read = frozenset(names)
    return Survey(
        replace(rules, kinds=kinds, forms=forms, manners={}, only=read),
        n_rows,
        {name: reason for left_out in lacking for name, reason in left_out.items()},
        numbering,
        looks,
        doubts,
        tuple({name: keys for name in names if (keys := own[name]["levels"]) is not None} for own in columns),
        tuple(dict.fromkeys([*(note for part in parts for note in part["notes"]), *notes])),
        frozenset(name for name in (*columns[0], *lacking[0]) if is_named(name, unquoted)),
    )


class _SaidError(TableError):
    """The error that a worker has already put into words."""

    def __init__(self, text: str, column: str) -> None:
        Exception.__init__(self, text)
        self.column, self.cure, self.fault = column, "", ""

    @override
    def without_cells(self) -> TableError:
        """Return the same error: its worker has left out the cells that nobody may see."""
        return self


def _column(table: Table, name: str) -> PlainValue:
    values, kind = table.frame[name], table.kinds[name]
    form = table.forms.get(name, ColumnForm())
    found: dict[str, Any] = {
        "kind": str(kind),
        "form": msgspec.to_builtins(form),
        "looks": table.looks.get(name, ""),
        "doubt": str(table.doubts[name]) if name in table.doubts else "",
        "gaps": list(table.gaps.get(name, {}).items()),
        "n_filled": int(values.notna().sum()),
        "has_codes": kind is ColumnKind.CATEGORY and table.source.format == "csv" and have_codes(values.cat.categories),
    }
    found["levels"] = level_keys(values)[0] if kind is ColumnKind.CATEGORY else None
    if kind is ColumnKind.INTEGER and found["n_filled"] == len(values):
        numbers = values.to_numpy(dtype=np.float64)
        steps = np.diff(numbers)
        found |= {"first": float(numbers[0]), "last": float(numbers[-1])}
        found["direction"] = 1 if (steps > 0).all() else -1 if (steps < 0).all() else 0
    return found


def _kind(table: PartedTable, name: str, found: Sequence[Mapping[str, Any]]) -> ColumnKind:
    own = {ColumnKind(each["kind"]): part for each, part in zip(found, table.parts, strict=True) if each["n_filled"]}
    if not own:
        return ColumnKind(found[0]["kind"])
    if set(own) <= {ColumnKind.NUMBER, ColumnKind.INTEGER}:
        return ColumnKind.INTEGER if set(own) == {ColumnKind.INTEGER} else ColumnKind.NUMBER
    if any(each["has_codes"] for each in found):  # 007 in one part makes a code of 277 in another, as in one file
        return ColumnKind.CATEGORY
    if len(own) > 1:
        (one, here), (other, there) = list(own.items())[:2]
        problem = f"it is of kind {one} in {_place(here)}, and of kind {other} in {_place(there)}"
        cure = f"Say what it is: --read {as_typed(f'{name}=number')} or --read {as_typed(f'{name}=category')}."
        raise TableError(table.path, problem, cure, column=name)
    return next(iter(own))


def _as_category(found: Mapping[str, Any], missing: Sequence[str]) -> Mapping[str, Any]:
    """Return what a part says of a category, where its own cells are read as something else."""
    if found["kind"] == ColumnKind.CATEGORY:
        return found
    return {**found, "form": {}, "gaps": [(word, n) for word, n in found["gaps"] if word in missing]}


def _place(part: Any) -> str:
    unit = "line" if part.format == "csv" else "row"
    return f"{part.path.name} from {unit} {part.before + (2 if part.format == 'csv' else 0):,} on"


def _form(table: PartedTable, name: str, found: Sequence[Mapping[str, Any]]) -> ColumnForm:
    """Combine how the parts write a column: one part may have no thousands to separate, and another no decimals."""
    forms = [converted(each["form"], ColumnForm) for each in found if each["n_filled"]]
    values: dict[str, str] = {}
    for field in ("decimal", "thousands", "unit", "time", "order"):
        said = list(dict.fromkeys(value for form in forms if (value := getattr(form, field))))
        if len(said) > 1:
            problem = f"its parts are written with different forms ({field} {said[0]!r} and {said[1]!r})"
            raise TableError(table.path, problem, "Write the column alike in all rows.", column=name)
        values |= {field: said[0]} if said else {}
    scales = tuple(dict.fromkeys(scale for form in forms for scale in form.scales))
    missing = tuple(dict.fromkeys(word for form in forms for word in form.missing))
    return ColumnForm(**values, scales=scales, missing=missing)


def _doubt(found: Sequence[Mapping[str, Any]]) -> str:
    """Return why no part decides how a column is written; "" if one does."""
    filled = [each["doubt"] for each in found if each["n_filled"]]
    return str(filled[0]) if filled and all(filled) else ""


def _numbering(name: str, found: Sequence[Mapping[str, Any]], n_rows: int, *, quotes: bool) -> str:
    """Recognise whole numbers that count all rows, which no sample can show."""
    directions = {each.get("direction", 0) for each in found if each.get("first") != each.get("last")}
    if len(directions) != 1 or not (direction := directions.pop()) or any("first" not in each for each in found):
        return ""
    ends = [(each["first"], each["last"]) for each in found]
    if any(direction * (after[0] - before[1]) <= 0 for before, after in pairwise(ends)):
        return ""
    least, most = sorted((ends[0][0], ends[-1][1]))
    if not numbers_rows(name, n_rows=n_rows, n_numbers=n_rows, span=most - least + 1, is_ordered=True):
        return ""
    told = f" from {least:.15g} to {most:.15g}" if quotes else ""
    counted = f"{n_rows:,} different whole numbers{told} in {n_rows:,} rows"
    return f"numbers the rows: {counted}; --keep {as_typed(name)} keeps it"


def _told(name: str, form: ColumnForm | None, gaps: Mapping[str, int]) -> list[str]:
    return [*told_form(name, form or ColumnForm()), *told_gaps(name, gaps)]


def _summed(parts: Iterable[Iterable[tuple[str, int]]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for word, n in part:
            total[word] = total.get(word, 0) + n
    return total
