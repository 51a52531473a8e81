"""What the training keeps of all rows: the target, the group and the time of each; and a sample with all columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, IntArray
from core.domains.table.parted.columns import joined, level_keys, sent, taken_rules
from core.executors.packing import PlainValue
from core.explain.deny_list import DenyList
from core.mixing import GOLDEN, mixed
from core.tables import ColumnKind, Table, TaskRequest, limits
from core.tables.parts import from_plain, read_part
from core.tables.periods import with_instants
from core.tables.task import FILL_TARGET, LEAST_OF_A_CLASS, require_filled, with_target

MOST_SAMPLED = 200_000
MOST_SAMPLED_CELLS = 20_000_000


@dataclass(frozen=True, slots=True)
class KeptRows:
    """What is kept of the rows of all parts.

    Attributes:
        roles: The target, the group and the time of each row.
        n_rows: Of each part, in order.
        n_lost: How many rows were left out without a target.
        sample: Rows drawn at random, with all columns; all rows of a table that is small enough.
        drawn: Their positions among all rows.
        shown: The sample, and rows that show what it may miss: the least and the most of each number, an empty cell of
            each column, each level, and some rows of each class.
        shown_at: Their positions among all rows.
        kinds: The kind of each column.
    """

    roles: pd.DataFrame
    n_rows: tuple[int, ...]
    n_lost: int
    sample: pd.DataFrame
    drawn: IntArray
    shown: pd.DataFrame
    shown_at: IntArray
    kinds: dict[str, ColumnKind]


def n_sampled(n_columns: int) -> int:
    """Return how many rows a sample has."""
    return min(MOST_SAMPLED, max(MOST_SAMPLED_CELLS // max(n_columns, 1), limits.LEAST_ROWS))


def read_rows(task: Mapping[str, Any], shared: Mapping[str, Any]) -> Table:
    """Read a part by the rules that all parts agree on, without the rows that are left out."""
    rules, time = taken_rules(shared["rules"]), shared["time"]
    with DenyList(shared.get("unquoted", ())).withholding():
        table = with_instants(read_part(from_plain(task["part"]), rules), time)
        wanted = TaskRequest(target=shared["target"], drop_missing_target=shared["drop"])
        return with_target(table, wanted)[0]


class KeptPart:
    """The rows of a part, on a worker."""

    def __init__(self, shared: PlainValue) -> None:
        self._shared = shared

    def do(self, task: PlainValue) -> PlainValue:
        """Read a part, and return what is kept of it."""
        shared = self._shared
        table = read_rows(task, shared)
        roles = {role: shared[role] for role in ("target", "group", "time") if shared[role] is not None}
        for role, name in roles.items():
            if role == "target":
                require_filled(table, name, FILL_TARGET)
            else:
                require_filled(table, name)
        place = np.arange(task["n_rows"]) if table.rows is None else table.rows - _first(table, task)
        is_drawn = drawn(task["first"] + place, shared["n_rows"], shared["most"])
        is_whole = shared["n_rows"] <= shared["most"]  # then all rows are drawn
        is_shown = is_drawn | _telling(table, shared["target"], {} if is_whole else dict(task["shown"]))
        shown = table.frame[is_shown]
        if not is_whole:  # the names of levels that no row of these has would travel, too
            trimmed = {name: shown[name].cat.remove_unused_categories() for name in _categories(table)}
            shown = shown.assign(**trimmed)
        return {
            "n_rows": len(table),
            "kinds": [(name, str(kind)) for name, kind in table.kinds.items()],
            "roles": sent(table.frame[list(roles.values())]),
            "shown": sent(shown),
            "shown_at": np.flatnonzero(is_shown),
            "is_drawn": is_drawn[is_shown],
        }


def levels_shown_before(parts: Sequence[Mapping[str, AnyArray]]) -> list[dict[str, AnyArray]]:
    """Return which levels of each part need not be shown by it, since an earlier part shows them.

    Of a column with more levels than a category may have, no further ones are needed.

    Args:
        parts: The levels of the categories of each part, as `level_keys` returns them.
    """
    seen: dict[str, set[int]] = {}
    found = []
    for part in parts:
        own: dict[str, AnyArray] = {}
        for name, keys in part.items():
            of_column = seen.setdefault(name, set())
            is_enough = len(of_column) > limits.MOST_LEVELS
            own[name] = keys if is_enough else keys[[key in of_column for key in keys.tolist()]]
            if not is_enough:
                of_column.update(keys.tolist())
        found.append(own)
    return found


def together(parts: Sequence[PlainValue], n_before: int) -> KeptRows:
    """Put together what is kept of all parts.

    Args:
        parts: What the workers return, in the order of the rows.
        n_before: How many rows the parts have with those that are left out.
    """
    n_rows = [int(part["n_rows"]) for part in parts]
    firsts = np.cumsum([0, *n_rows[:-1]])
    shown_at = np.concatenate([first + part["shown_at"] for first, part in zip(firsts, parts, strict=True)])
    is_drawn = np.concatenate([part["is_drawn"] for part in parts])
    shown = joined([part["shown"] for part in parts])
    return KeptRows(
        joined([part["roles"] for part in parts]),
        tuple(n_rows),
        n_before - sum(n_rows),
        shown[is_drawn].reset_index(drop=True),
        shown_at[is_drawn],
        shown,
        shown_at,
        {name: ColumnKind(kind) for name, kind in parts[0]["kinds"]},
    )


def drawn(rows: IntArray, n_rows: int, most: int) -> BoolArray:
    """Draw rows by their numbers alone, so that it does not matter how a table is cut.

    Args:
        rows: The numbers of some rows among all.
        n_rows: How many there are.
        most: About how many to draw of all; all are drawn where there are not more.

    >>> int(drawn(np.arange(100_000), 100_000, 1_000).sum())
    1019
    """
    if n_rows <= most:
        return np.ones(len(rows), dtype=np.bool_)
    words = mixed(rows.astype(np.uint64) * GOLDEN)
    return np.asarray((words >> np.uint64(11)) < np.uint64(int(most / n_rows * 2**53)))


def _first(table: Table, task: Mapping[str, Any]) -> int:
    """Return the number that the table gives to the first row of the part."""
    return int(task["part"]["part"][2]) if task["part"]["format"] == "parquet" else 0


def _categories(table: Table) -> list[str]:
    return [name for name, kind in table.kinds.items() if kind is ColumnKind.CATEGORY]


def _telling(table: Table, target: str | None, shown: Mapping[str, AnyArray]) -> BoolArray:
    """Return the rows without which the signature would not know a range, a level, an empty cell or a class.

    Args:
        table: The rows of a part.
        target: The column to learn.
        shown: Levels that other parts show.
    """
    found: list[int] = []
    for name, kind in table.kinds.items():
        values = table.frame[name]
        if (is_empty := values.isna().to_numpy()).any():
            found.append(int(np.argmax(is_empty)))
        if kind is ColumnKind.CATEGORY:
            keys, firsts = level_keys(values)
            found += firsts[~np.isin(keys, shown.get(name, keys[:0]))].tolist()
        elif not is_empty.all():
            filled = np.flatnonzero(~is_empty)
            numbers = values.to_numpy()[filled]
            found += [int(filled[numbers.argmin()]), int(filled[numbers.argmax()])]
    if target is not None:
        codes = np.asarray(pd.factorize(table.frame[target])[0])
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-2))
        if 0 < len(starts) <= limits.MOST_CLASSES + 1:
            ends = [*starts[1:].tolist(), len(order)]
            found += [int(row) for s, e in zip(starts, ends, strict=True) for row in order[s:e][:LEAST_OF_A_CLASS]]
    mask = np.zeros(len(table), dtype=np.bool_)
    mask[found] = True
    return mask
