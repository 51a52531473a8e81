"""Whether rows are those that a version learned from, by all that is known of the latter."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd

from core.errors import NotFoundError
from core.files import digest
from core.monitoring.data_profile import ColumnProfile
from core.registry import ModelVersion, Registry
from core.registry.tested_rows import files_learned_from
from core.tables import TableSignature
from core.tables.signature import ColumnKind
from core.tables.task import column_signature

UNKNOWN = "whether the model learned from these rows is not known"

_FEW_FIGURES = 16  # fewer may agree by chance, such as those of ratings from 1 to 5


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
