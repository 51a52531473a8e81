"""Rows held out according to a signature: by its group and its time, else by class."""

import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.errors import UsageError
from core.tables.signature import TableSignature, Task
from core.tables.split import Split, hold_out


def groups_of(frame: pd.DataFrame, signature: TableSignature) -> AnyArray:
    """Return the group of each row as a code; every row is its own group if the signature or the frame has none."""
    if signature.group is None or signature.group not in frame:
        return np.arange(len(frame))
    return np.asarray(pd.factorize(frame[signature.group])[0])


def units_of(frame: pd.DataFrame, signature: TableSignature) -> AnyArray:
    """Return the unit of evidence of each row as a code: its group, else its instant, else the row itself.

    What befalls a day befalls all of its rows: an interval that took each for evidence of its own would be too narrow.
    """
    if signature.group is None and signature.time is not None and signature.time in frame:
        return np.asarray(pd.factorize(frame[signature.time])[0])
    return groups_of(frame, signature)


def split_rows(frame: pd.DataFrame, signature: TableSignature, target: FloatArray, share: float, *, seed: int) -> Split:
    """Hold rows out by the group and time of a signature, else by class.

    Raises:
        UsageError: There are too few groups or instants, or one side lacks a class.
    """
    try:
        split = hold_out(
            len(frame),
            share,
            seed=seed,
            group=groups_of(frame, signature) if signature.group else None,
            time=frame[signature.time].to_numpy() if signature.time else None,
            classes=target.astype(np.int64) if signature.task is Task.CLASSIFICATION else None,
        )
    except ValueError as error:
        raise UsageError(f"No rows can be held out: {error}. Give more rows, or leave out --group or --time.") from None
    for rows, side in ((split.learn, "for training"), (split.held, "held out")):
        if signature.task is Task.CLASSIFICATION and len(found := np.unique(target[rows])) < len(signature.classes):
            lacking = next(label for code, label in enumerate(signature.classes) if code not in found)
            raise UsageError(
                f"No row {side} has the class {lacking!r} of {signature.target}, after holding out {split.method}. "
                "Give more rows of this class, or leave out --group or --time."
            )
    return split
