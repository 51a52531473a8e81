"""The check of a table against the signature of the model that is to read it."""

from collections.abc import Iterable

import numpy as np

from core.tables.errors import InputError
from core.tables.signature import ColumnKind, InputNotes, TableSignature
from core.tables.table import Table


def conform(table: Table, signature: TableSignature) -> InputNotes:
    """Make sure that a model can read a table.

    Args:
        table: Read with the kinds of the signature.
        signature: The model's signature.
    Returns:
        Valid values unlike any in the model's training data.
    Raises:
        TableError: A column is missing; the file and the fix are named.
    """
    _require_plain(table, signature.names)
    try:
        signature.require_columns(list(table.frame.columns))
    except InputError as error:
        raise table.error(error.problem, error.cure, column=error.column) from None
    out_of_range: dict[str, int] = {}
    unseen: dict[str, int] = {}
    decimals: dict[str, int] = {}
    missing: dict[str, int] = {}
    for column in signature.columns:
        values = table.frame[column.name]
        is_empty = values.isna().to_numpy()
        if is_empty.any() and not column.allows_missing:
            missing[column.name] = int(is_empty.sum())
        if column.kind is ColumnKind.CATEGORY:
            n_strange = int((~values.isin(column.levels) & ~is_empty).sum()) if column.levels else 0
            unseen |= {column.name: n_strange} if n_strange else {}
        elif column.least is not None and column.most is not None:
            n_outside = int(((values < column.least) | (values > column.most)).sum())
            out_of_range |= {column.name: n_outside} if n_outside else {}
        if column.kind is ColumnKind.INTEGER:
            n_broken = int((values[~is_empty] != np.floor(values[~is_empty])).sum())
            decimals |= {column.name: n_broken} if n_broken else {}
    return InputNotes(out_of_range=out_of_range, unseen_levels=unseen, decimals=decimals, missing=missing)


def _require_plain(table: Table, names: Iterable[str]) -> None:
    for name in names:
        if reason := table.left_out.get(name):
            raise table.error(f"it {reason}", "Use plain numbers, text, dates, true and false.", column=name)


def require_target(table: Table, signature: TableSignature) -> None:
    """Make sure that each row has the target.

    Raises:
        TableError: The target's column is missing, or a cell of it is empty or of an unknown class.
    """
    from core.tables.task import FILL_TARGET, class_codes

    target = signature.target
    assert target is not None
    _require_plain(table, [target])
    if target not in table.frame:
        raise table.error(f"there is no column {target!r}", "The model is evaluated against this column: add it.")
    values = table.frame[target]
    if (is_empty := values.isna().to_numpy()).any():
        row, empty = int(np.argmax(is_empty)), "it is empty here"
        raise table.error(empty, FILL_TARGET, column=target, row=row, fault=empty)
    if signature.classes:
        codes = class_codes(values, table.kinds[target], signature.classes)
        if (codes < 0).any():
            row = int(np.argmax(codes < 0))
            cure = f"The model knows: {', '.join(signature.classes)}."
            cell = repr(str(values.iloc[row]))
            raise table.error("is not a class of the model", cure, column=target, row=row, cell=cell)
