"""The target to learn from a table, and the columns to learn from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from core.arrays import BoolArray, FloatArray
from core.escape import shown
from core.tables import limits
from core.tables.date_forms import look_like_dates
from core.tables.magnitude import require_scale
from core.tables.signature import (
    NUMERIC,
    ColumnForm,
    ColumnKind,
    ColumnSignature,
    IgnoredColumn,
    Output,
    TableSignature,
    Task,
)
from core.tables.table import Table
from core.tables.usefulness import useless

USUAL_TARGETS = ("target", "label", "y")
LEAST_OF_A_CLASS = 10
FILL_TARGET = "Fill it in, or leave out such rows: --drop-missing-target."
_N_COMMON = 12
_QUANTILES = [part / 20 for part in range(1, 20)]
MOST_CODED = 10  # classes coded as consecutive whole numbers from 0 or 1; more of them are amounts
LEAST_CODED_SHARE = 0.002  # of the rows
FEW_VALUES = 50  # a target of whole numbers with at most this many values may be meant as classes


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A person's choices for a table; the rest is inferred.

    Attributes:
        target: The column to predict.
        task: The kind of prediction.
        group: Rows of one group are similar, so they are held out together.
        time: The latest rows are held out.
        keep: Columns to learn from although they name rows.
        drop_missing_target: Leave out rows without a target.
    """

    target: str | None = None
    task: Task | None = None
    group: str | None = None
    time: str | None = None
    keep: tuple[str, ...] = ()
    drop_missing_target: bool = False


def describe(table: Table, request: TaskRequest) -> TableSignature:
    """Check that a target can be learned from a table, and infer the signature of the model.

    Raises:
        TableError: A named column does not exist, the target cannot be learned, or there are too few rows.
    """
    if len(table) < limits.LEAST_ROWS:
        cure = f"At least {limits.LEAST_ROWS} rows are needed to train, choose and test."
        raise table.error(f"it has {len(table)} rows", cure)
    for name in (request.target, request.group, request.time, *request.keep):
        if name is not None:
            require_column(table, name)
    target = chosen_target(table, request)
    _check_roles(table, target, request)
    table.require_clear(name for name in (target, request.group, request.time) if name is not None)
    task = request.task or inferred_task(table, target)
    classes = _check_target(table, target, task)
    for name in (request.group, request.time):
        if name is not None:
            require_filled(table, name)
    reserved = {name for name in (target, request.group, request.time) if name is not None}
    columns: list[ColumnSignature] = []
    ignored = [IgnoredColumn(name=name, reason=reason) for name, reason in sorted(table.left_out.items())]
    for name, kind in table.kinds.items():
        if name in reserved:
            continue
        is_kept = name in request.keep
        if reason := useless(table, name, is_kept=is_kept):
            if is_kept:
                problem, fault = f"it {reason}, so it cannot be kept", "it cannot be kept"
                raise table.error(problem, "Leave out --keep.", column=name, fault=fault)
            ignored.append(IgnoredColumn(name=name, reason=reason))
        else:
            table.require_clear([name])
            require_scale(table, name)
            columns.append(column_signature(table.frame[name], name, kind))
    if not columns:
        reasons = (
            "; ".join(f"{column.name} {column.reason}" for column in ignored[:3]) or "the target is the only column"
        )
        problem, fault = f"no column is left to learn from ({reasons})", "no column is left to learn from"
        raise table.error(problem, "Add at least one column that varies.", fault=fault)
    return TableSignature(
        task=task,
        target=target,
        target_kind=None if target is None else table.kinds[target],
        classes=classes,
        group=request.group,
        time=request.time,
        columns=tuple(columns),
        outputs=outputs_of(task, target, classes),
        ignored=tuple(ignored),
        forms=forms_of(table, (*reserved, *(column.name for column in columns))),
        missing_words=table.missing_words,
    )


def forms_of(table: Table, names: Iterable[str]) -> dict[str, ColumnForm]:
    """Return how the text of columns was written, sorted by name."""
    return {name: table.forms[name] for name in sorted(names) if name in table.forms}


def with_target(table: Table, request: TaskRequest) -> tuple[Table, tuple[str, ...]]:
    """Leave out rows without a target, if a person asks for it.

    Returns:
        The table, and a note if rows were left out.
    Raises:
        TableError: There is no target.
    """
    if not request.drop_missing_target:
        return table, ()
    if request.target is not None:
        require_column(table, request.target)
    if (target := chosen_target(table, request)) is None:
        return table, ()
    is_filled = has_target(table, target)
    if not (n_lost := int((~is_filled).sum())):
        return table, ()
    return table.take(is_filled), (f"{n_lost:,} of {len(table):,} rows are left out: they have no {target}.",)


def has_target(table: Table, target: str) -> BoolArray:
    """Return which rows have a target; all of them where the table has no such column."""
    if target not in table.frame:
        return np.ones(len(table), dtype=np.bool_)
    return np.asarray(table.frame[target].notna().to_numpy(), dtype=np.bool_)


def told_task(table: Table, signature: TableSignature, request: TaskRequest) -> tuple[str, ...]:
    """Say which task was taken where whole numbers may mean either, and how to ask for the other."""
    target = signature.target
    if request.task is not None or target is None or table.kinds[target] is not ColumnKind.INTEGER:
        return ()
    values = table.frame[target]
    n_values = int(values.nunique())
    ends = "" if target in table.unquoted else f" from {values.min():.15g} to {values.max():.15g}"
    counted = f"{target} has {n_values} different whole numbers{ends}"
    if signature.task is Task.CLASSIFICATION:
        return (f"{counted}, learned as classes. To learn them as amounts: --task regression.",)
    if n_values <= FEW_VALUES:
        return (f"{counted}, learned as amounts. To learn them as classes: --task classification.",)
    return ()


def column_signature(values: "pd.Series[Any]", name: str, kind: ColumnKind) -> ColumnSignature:
    """Describe a column by its values: its kind, and the range or levels seen in training."""
    allows_missing = bool(values.isna().any())
    if kind is ColumnKind.CATEGORY:
        found = values.cat.remove_unused_categories().cat.categories
        levels = tuple(str(level) for level in found)
        common = values.value_counts().loc[lambda counts: counts > 0]
        by_count = sorted(common.items(), key=lambda item: (-int(item[1]), str(item[0])))
        return ColumnSignature(
            name=name,
            kind=kind,
            allows_missing=allows_missing,
            levels=levels,
            common=tuple(str(level) for level, _ in by_count[:_N_COMMON]),
        )
    least, most = float(values.min()), float(values.max())
    quantiles: tuple[float, ...] = ()
    if kind in (ColumnKind.NUMBER, ColumnKind.INTEGER):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        present = numbers[~np.isnan(numbers)]
        quantiles = tuple(np.quantile(present, _QUANTILES).tolist()) if present.size else (np.nan,) * len(_QUANTILES)
    return ColumnSignature(
        name=name, kind=kind, allows_missing=allows_missing, least=least, most=most, quantiles=quantiles
    )


def outputs_of(task: Task, target: str | None, classes: tuple[str, ...]) -> tuple[Output, ...]:
    """Name the outputs for a task: a value, the probability of each class but one, or a score."""
    if task is Task.CLASSIFICATION:
        told = classes[1:] if len(classes) == 2 else classes
        return tuple(Output(name=f"p({label})", type="probability") for label in told)
    return (Output(name="score" if task is Task.ANOMALY else str(target), type="number"),)


def class_codes(values: "pd.Series[Any]", kind: ColumnKind, classes: tuple[str, ...]) -> "np.ndarray[Any, Any]":
    """Return the position of each row's class, -1 for an unknown class."""
    position = {label: code for code, label in enumerate(classes)}
    return np.array([position.get(label, -1) for label in labels(values, kind)], dtype=np.int64)


def labels(values: "pd.Series[Any]", kind: ColumnKind) -> list[str]:
    """Format the classes of rows, whole numbers without a decimal point; empty cells stay empty."""
    if kind is ColumnKind.CATEGORY:
        return ["" if pd.isna(value) else str(value) for value in values]
    return ["" if np.isnan(value) else f"{value:.15g}" for value in values.to_numpy(dtype=np.float64)]


def require_column(table: Table, name: str) -> None:
    """Make sure that a named column is there, and holds plain values.

    Raises:
        TableError: It is not; a similar name is suggested.
    """
    if name in table.left_out:
        raise table.error(f"it {table.left_out[name]}", "Name a column of plain values.", column=name)
    if name not in table.kinds:
        import difflib

        nearest = difflib.get_close_matches(name, table.kinds, n=1)
        known = ", ".join(list(table.kinds)[:20]) + (", …" if len(table.kinds) > 20 else "")
        hint = f"Did you mean {shown(nearest[0])}?" if nearest else f"The columns are: {known}."
        raise table.error(f"there is no column {shown(name)}", hint)


def chosen_target(table: Table, request: TaskRequest) -> str | None:
    """Return the column to predict: the named one, or one that is usually the target; None for anomalies without.

    Raises:
        TableError: No target is named, and no column has a usual name.
    """
    if request.target is not None or request.task is Task.ANOMALY:
        return request.target
    if usual := [name for name in USUAL_TARGETS if name in table.kinds]:
        return usual[0]
    known = ", ".join(list(table.kinds)[:20]) + (", …" if len(table.kinds) > 20 else "")
    raise table.error(
        f"no target is given; the columns are {known}",
        "Name the target with --target COL, or look for anomalies with --task anomaly.",
    )


def _check_roles(table: Table, target: str | None, request: TaskRequest) -> None:
    roles = {"target": target, "group": request.group, "time": request.time}
    taken: dict[str, str] = {}
    for role, name in roles.items():
        if name is None:
            continue
        if name in taken:
            raise table.error(f"it is named as {taken[name]} and as {role}", "Name two different columns.", column=name)
        taken[name] = role
    if request.time is not None and table.kinds[request.time] is ColumnKind.CATEGORY:
        _refuse_times(table, request.time)


def inferred_task(table: Table, target: str | None) -> Task:
    """Return the task that the values of a target call for: amounts or classes."""
    assert target is not None
    kind = table.kinds[target]
    if kind in (ColumnKind.CATEGORY, ColumnKind.FLAG):
        return Task.CLASSIFICATION
    if kind is not ColumnKind.INTEGER:
        return Task.REGRESSION
    are_classes = are_coded(table.frame[target].dropna().to_numpy(dtype=np.float64))
    return Task.CLASSIFICATION if are_classes else Task.REGRESSION


def are_coded(values: FloatArray) -> bool:
    """Return whether whole numbers are classes: two values, or 0, 1, 2 or 1, 2, 3 and so on.

    Counts look the same, but their tail is thin: the rarest class must have its share of the rows.
    """
    numbers, counts = np.unique(values, return_counts=True)
    if len(numbers) == 2:
        return True
    are_consecutive = numbers[0] in (0, 1) and numbers[-1] - numbers[0] == len(numbers) - 1
    least = max(LEAST_OF_A_CLASS, LEAST_CODED_SHARE * len(values))
    return bool(are_consecutive and len(numbers) <= MOST_CODED and counts.min() >= least)


def _refuse_times(table: Table, name: str) -> None:
    values = table.frame[name]
    fits = look_like_dates(pa.array(values.cat.categories.astype(str), pa.string()))
    is_wrong = np.append(~fits, False)[values.cat.codes.to_numpy()]
    row = int(np.argmax(is_wrong))
    cure = "Write dates as 2026-03-31, months as 2026-03, times as 2026-03-31T09:00:00Z, or use an increasing number."
    raise table.error("is not a time", cure, column=name, row=row, cell=shown(str(values.iloc[row])))


def _check_target(table: Table, target: str | None, task: Task) -> tuple[str, ...]:
    """Make sure that the target can be learned; return its classes, if any."""
    if target is None:
        return ()
    require_filled(table, target, FILL_TARGET)
    kind, values = table.kinds[target], table.frame[target]
    if kind is ColumnKind.TIME:
        raise table.error("a date cannot be a target", "Convert it to a number, such as days from now.", column=target)
    if task is Task.REGRESSION:
        if kind not in NUMERIC:
            cure = "Give numbers, or use --task classification."
            raise table.error("is not a number", cure, column=target, row=0, cell=shown(str(values.iloc[0])))
        if values.nunique() == 1:
            cure = "There is nothing to learn: choose a target that varies."
            fault = "every row has the same value"
            raise table.error(f"every row has the value {values.iloc[0]:g}", cure, column=target, fault=fault)
        require_scale(table, target)
        return ()
    return _check_classes(table, target, task)


def _check_classes(table: Table, target: str, task: Task) -> tuple[str, ...]:
    kind, values = table.kinds[target], table.frame[target]
    counts = values.value_counts()
    counts = counts[counts > 0]
    if len(counts) == 1:
        only = labels(values.head(1), kind)[0]
        problem, fault = f"every row has the class {shown(only)}", "every row has the same class"
        raise table.error(problem, "Give rows of at least two classes.", column=target, fault=fault)
    if len(counts) > limits.MOST_CLASSES:
        cure = "Use --task regression, or combine values."
        raise table.error(f"it has {len(counts):,} different values, too many for classes", cure, column=target)
    if task is Task.ANOMALY and len(counts) != 2:
        raise table.error(f"it has {len(counts)} values", "An anomaly label must be 0 or 1.", column=target)
    if int(counts.min()) < LEAST_OF_A_CLASS:
        row = int(np.flatnonzero((values == counts.idxmin()).to_numpy())[0])
        rare = labels(values.iloc[[row]], kind)[0]
        raise table.error(
            f"only {int(counts.min())} rows have the class {shown(rare)}",
            f"Give at least {LEAST_OF_A_CLASS} rows of each class, or combine classes.",
            column=target,
            row=row,
            fault=f"only {int(counts.min())} rows have one of the classes",
        )
    if kind is ColumnKind.CATEGORY:
        return tuple(sorted(str(level) for level in counts.index))
    return tuple(f"{value:.15g}" for value in sorted(counts.index))


def require_filled(table: Table, name: str, cure: str = "Fill it in, or remove such rows.") -> None:
    """Make sure that each row has a value in a column.

    Raises:
        TableError: One has not; the first is named.
    """
    is_empty = table.frame[name].isna().to_numpy()
    if is_empty.any():
        n_empty, row = int(is_empty.sum()), int(np.flatnonzero(is_empty)[0])
        more = f" (and {n_empty - 1:,} more)" if n_empty > 1 else ""
        empty = f"it is empty here{more}"
        raise table.error(empty, cure, column=name, row=row, fault=empty)
