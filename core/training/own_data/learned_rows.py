"""Whether rows are those that a version learned from, by all that is known of the latter."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from core.errors import NotFoundError
from core.files import digest
from core.models.outcomes import outcomes_by
from core.monitoring import dependence
from core.monitoring.data_profile import ColumnProfile
from core.monitoring.estimation.held_out import HeldOutRows
from core.registry import ModelVersion, Registry
from core.registry.tested_rows import files_learned_from
from core.state import Workspace
from core.tables import TableSignature
from core.tables.signature import ColumnKind
from core.tables.task import column_signature
from core.training.own_data.equal_rows import RowsWithOutcomes
from core.training.panels import Draw
from core.training.reproduction import AnotherDataSetError, learned_draws
from core.training.session_domain import domain_of
from core.training.sessions import Sessions

UNKNOWN = "whether the model learned from these rows is not known"

_OF_OTHER_ROWS = frozenset({"reweighed", "continues", "member"})  # in a lineage: it keeps rows that taught it nothing
_FEW_FIGURES = 16  # fewer may agree by chance, such as those of ratings from 1 to 5


@dataclass(frozen=True, slots=True)
class LearnedRows:
    """Rows that a version learned from.

    Attributes:
        rows: The rows, in parts.
        are_all: Whether it learned from no others.
    """

    rows: Iterable[RowsWithOutcomes]
    are_all: bool


def rows_learned(
    workspace: Workspace, version: ModelVersion, model: Any, kept: HeldOutRows | None, *, draws_again: bool = True
) -> LearnedRows | None:
    """Return the rows that a version learned from, as far as they can be had.

    Those of a session are drawn again. Of a file those are known that were held out and are kept in the artifact: in
    the end it learned from them, too.

    Args:
        workspace: Where the version is registered.
        version: The version.
        model: Its model, or a member.
        kept: The held-out rows that the artifact keeps.
        draws_again: Whether the rows of a session are drawn again, which takes its time; else none of them is known.
    Returns:
        None if no row is known.
    Raises:
        UsageError: The report of its session cannot be read.
    """
    recorded = version.lineage.get("data")
    data = recorded if isinstance(recorded, Mapping) else {}
    if "draws" in data:
        if not draws_again:
            return None
        draws = learned_draws(version.session_id, workspace)
        try:
            group = domain_of(Sessions(workspace).get(version.session_id).training).group_column
            first = next(draws)
        except (NotFoundError, AnotherDataSetError):
            return None
        return LearnedRows(_answered(chain([first], draws), model, group), are_all=True)
    file = data.get("file")
    if kept is None or not isinstance(file, Mapping) or _OF_OTHER_ROWS & version.lineage.keys():
        return None
    return LearnedRows([RowsWithOutcomes(kept.rows, kept.actual, kept.units)], are_all=len(kept) == file.get("n_rows"))


def _answered(draws: Iterable[Draw], model: Any, group: str | None) -> Iterator[RowsWithOutcomes]:
    for draw in draws:
        found = outcomes_by(model, draw.panel.frame)
        if found.actual is not None:
            columns = [name for name in model.columns_read(list(map(str, found.rows))) if name in found.rows]
            units = None if group is None else dependence.group_numbers(found.rows[group])
            yield RowsWithOutcomes(found.rows[columns], found.actual, units)


def learned_files(registry: Registry, version: ModelVersion) -> frozenset[str]:
    """Return the SHA-256 of the files that a version learned from, and of those before it that it continues."""
    found: set[str] = set()
    at, seen = version, set()
    while at.key not in seen:
        seen.add(at.key)
        found |= files_learned_from(at)
        before = at.lineage.get("continues")
        if not isinstance(before, str):
            break
        try:
            at = registry.get(at.model, before.rpartition("/")[2])
        except NotFoundError:  # it was pruned
            break
    return frozenset(found)


def counts_digest(features: Sequence[ColumnProfile]) -> str:
    """Hash the counts of features, which are the same for the same rows in another order."""
    counts = [
        (
            *(column.name, column.kind, column.rows, column.missing, column.unreadable),
            *(column.points, column.below, column.equal, column.levels, column.buckets),
        )
        for column in features
    ]
    return digest(msgspec.json.encode(counts, order="deterministic"))


def is_described(frame: pd.DataFrame, signature: TableSignature | None) -> bool | None:
    """Return whether the numbers of rows have exactly the ranges and quantiles of those that a version learned from.

    Args:
        frame: The rows.
        signature: Of the version.
    Returns:
        None if nothing is decided: the signature has no figures, or so few different ones that agree by chance.
    """
    figures: set[float] = set()
    for column in signature.columns if signature is not None else ():
        if column.kind not in (ColumnKind.NUMBER, ColumnKind.INTEGER) or column.least is None:
            continue
        own = column_signature(frame[column.name], column.name, column.kind)
        quantiles = own.quantiles if column.quantiles else ()
        known = np.array((column.least, column.most, *column.quantiles), dtype=np.float64)
        found = np.array((own.least, own.most, *quantiles), dtype=np.float64)
        if not np.array_equal(known, found, equal_nan=True):
            return False
        figures.update(known.tolist())
    return True if len(figures) >= _FEW_FIGURES else None
