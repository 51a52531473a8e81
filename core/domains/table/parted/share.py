"""The rows of a fit that one worker holds: as LightGBM takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import FloatArray
from core.domains.table.models.encoding import Encoding
from core.domains.table.parted.columns import taken_rows
from core.domains.table.parted.rows import read_rows
from core.errors import CoreError, UsageError
from core.executors.packing import unpacked
from core.tables import TableSignature
from core.tables.task import class_codes


def read_share(share: bytes, shared: bytes) -> tuple[FloatArray, FloatArray]:
    """Read the rows of some parts on a worker; Dask calls it there.

    Args:
        share: The parts, and which of their rows, packed.
        shared: What all workers are told, packed.
    Returns:
        The encoded columns, and the target on the scale that is learned.
    Raises:
        UsageError: A part cannot be read any more; other errors lose their text on the way back.
    """
    told, tasks = unpacked(shared), unpacked(share)
    signature = TableSignature.from_bytes(told["signature"])
    encoding = Encoding(signature.columns)
    n_rows = n_rows_of(tasks)
    matrix, target, at = np.empty((n_rows, len(signature.columns))), np.empty(n_rows), 0
    for task in tasks:
        try:
            found, values = encoded(task, told, signature, encoding)
        except CoreError as error:
            raise UsageError(str(error)) from None
        matrix[at : at + len(found)], target[at : at + len(found)] = found, values
        at += len(found)
    return matrix, target


def encoded(
    task: Mapping[str, Any], told: Mapping[str, Any], signature: TableSignature, encoding: Encoding
) -> tuple[FloatArray, FloatArray]:
    """Read the rows of a part that a task names, encoded, with the target on the scale that is learned."""
    rows = taken_rows(task["rows"])
    table = read_rows(task, told)
    frame = table.frame[rows]
    name = str(signature.target)
    if signature.classes:
        target = class_codes(frame[name], table.kinds[name], signature.classes).astype(np.float64)
    else:
        centre, spread = told["scale"]
        target = (frame[name].to_numpy(dtype=np.float64) - centre) / spread
    return encoding.matrix(frame), target


def n_rows_of(tasks: Sequence[Mapping[str, Any]]) -> int:
    """Return how many rows the tasks name."""
    return sum(int(taken_rows(task["rows"]).sum()) for task in tasks)


def shares_of(tasks: Sequence[Mapping[str, Any]], n_workers: int) -> list[list[Mapping[str, Any]]]:
    """Deal parts to workers: about the same number of rows to each, in the order of the rows.

    Args:
        tasks: Parts, each with the rows that are meant; parts without such a row are left out.
        n_workers: The number of workers.
    Returns:
        One list for each worker, and for fewer workers where there are fewer parts.
    """
    counts = [int(taken_rows(task["rows"]).sum()) for task in tasks]
    kept = [(task, n) for task, n in zip(tasks, counts, strict=True) if n]
    n_shares = min(n_workers, len(kept))
    shares: list[list[Mapping[str, Any]]] = [[] for _ in range(n_shares)]
    middle = np.cumsum([0, *(n for _, n in kept)])
    for k, (task, n) in enumerate(kept):
        at = min(int((middle[k] + n / 2) * n_shares / middle[-1]), n_shares - 1)
        shares[at].append(task)
    return [share for share in shares if share]
