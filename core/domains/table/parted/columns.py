"""Columns as plain values, and the columns of parts put together as one file would give them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, IntArray
from core.executors.packing import PlainValue
from core.json_documents import converted
from core.tables import ColumnForm, ColumnKind, ReadingRules, limits
from core.tables.rules import Manner


def sent(frame: pd.DataFrame) -> PlainValue:
    """Return the columns of a frame as plain values."""
    return [(str(name), _sent(values)) for name, values in frame.items()]


def joined(parts: Sequence[PlainValue]) -> pd.DataFrame:
    """Put the rows of parts below each other; the levels of a category are those of all parts."""
    columns: dict[str, list[PlainValue]] = {}
    for part in parts:
        for name, values in part:
            columns.setdefault(name, []).append(values)
    return pd.DataFrame({name: _joined(found) for name, found in columns.items()}, copy=False)


def level_keys(values: "pd.Series[Any]") -> tuple[AnyArray, IntArray]:
    """Return a number for each level that occurs, the same in every part, and the row where it occurs first.

    Of more levels than a category may have, one more than that many are enough to show it.
    """
    codes, firsts = np.unique(values.cat.codes.to_numpy(), return_index=True)
    occurs = codes >= 0
    some = codes[occurs][: limits.MOST_LEVELS + 1]
    names = np.array([str(level) for level in values.cat.categories[some]], dtype=object)
    return pd.util.hash_array(names, categorize=False), firsts[occurs][: len(some)]


def sent_rules(rules: ReadingRules) -> PlainValue:
    """Return rules of reading as plain values."""
    return {
        "kinds": [(name, str(kind)) for name, kind in rules.kinds.items()],
        "forms": [(name, msgspec.to_builtins(form)) for name, form in rules.forms.items()],
        "missing": list(rules.missing),
        "manners": [(name, [str(manner) for manner in said]) for name, said in rules.manners.items()],
        "only": None if rules.only is None else sorted(rules.only),
    }


def taken_rules(told: Mapping[str, Any]) -> ReadingRules:
    """Return the rules that `sent_rules` wrote."""
    return ReadingRules(
        kinds={name: ColumnKind(kind) for name, kind in told["kinds"]},
        forms={name: converted(form, ColumnForm) for name, form in told["forms"]},
        missing=tuple(told["missing"]),
        manners={name: tuple(Manner(manner) for manner in said) for name, said in told["manners"]},
        only=None if told["only"] is None else frozenset(told["only"]),
    )


def sent_rows(rows: BoolArray) -> PlainValue:
    """Return which rows of a part are meant, in one bit each."""
    return {"bits": np.packbits(rows), "n": len(rows)}


def taken_rows(told: Mapping[str, Any]) -> BoolArray:
    """Return the rows that `sent_rows` wrote."""
    return np.asarray(np.unpackbits(told["bits"], count=told["n"]), dtype=np.bool_)


def _sent(values: "pd.Series[Any]") -> PlainValue:
    if isinstance(values.dtype, pd.CategoricalDtype):
        levels = [str(level) for level in values.cat.categories]
        return {"codes": values.cat.codes.to_numpy().astype(np.int32), "levels": levels}
    return {"values": values.to_numpy()}


def _joined(parts: Sequence[Mapping[str, Any]]) -> "pd.Series[Any]":
    if "codes" not in parts[0]:
        return pd.Series(np.concatenate([part["values"] for part in parts]))
    levels = sorted({level for part in parts for level in part["levels"]})
    position = {level: code for code, level in enumerate(levels)}
    codes = [np.array([*(position[level] for level in part["levels"]), -1])[part["codes"]] for part in parts]
    return pd.Series(pd.Categorical.from_codes(np.concatenate(codes), categories=pd.Index(levels, dtype=object)))
