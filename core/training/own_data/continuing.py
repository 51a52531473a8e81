"""A live version that learns on from rows that are new to it, beside a new model of all rows: the better one ships.

Both are compared on rows held out of the new ones, which neither has learned from and which the test does not use. So
what a version remembers of earlier rows counts for it exactly as far as it helps on later ones.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray
from core.domains.own_file import Judged, PreparedTraining, TrainableModel
from core.errors import CoreError
from core.progress import begins
from core.tables.held_rows import split_rows
from core.tables.signature import TableSignature, Task
from core.tables.split import Split
from core.training.own_data.preparation import TEST_SHARE
from core.training.own_data.testing import Tested, tested_on

LEAST_NEW = 50
"""New rows without which nothing can be said of what a version would learn from them."""


@dataclass(frozen=True, slots=True)
class WarmStart:
    """A version that may learn on.

    Attributes:
        key: Of the version.
        load: Opens it anew, as it is registered, with the rows of the file as it reads them.
        n_new: How many rows of the file are new to it: the last ones.
    """

    key: str
    load: Callable[[], Judged]
    n_new: int


@dataclass(frozen=True, slots=True)
class Continued:
    """What became of a warm start.

    Attributes:
        prepared: What ships: a copy of the version that learned on from all new rows, or the training of a new model.
        tested: The test of the copy; None where a new model is to be trained and tested.
        why: Which one, and why; the end of a sentence.
    """

    prepared: PreparedTraining
    tested: Tested | None
    why: str


def continued(start: WarmStart, prepared: PreparedTraining, *, seed: int) -> Continued:
    """Let a version learn on if it does better so than a new model on rows held out.

    Args:
        start: The version, and which rows are new to it.
        prepared: The training of a new model on all rows of the same file.
        seed: The random seed.
    """
    try:
        return _compared(start, prepared, seed=seed)
    except CoreError as error:  # such as a class that is new to it: what it cannot learn, a new model can
        return _anew(start, prepared, str(error).rstrip("."))


def _compared(start: WarmStart, prepared: PreparedTraining, *, seed: int) -> Continued:
    judged = start.load()
    signature, n_rows = judged.signature, len(prepared.frame)
    if signature is None or signature.task is not prepared.signature.task or len(judged.frame) != n_rows:
        return _anew(start, prepared, "it reads the rows differently from a new model")
    if signature.task is Task.ANOMALY:
        return _anew(start, prepared, "a detector has no loss by which the two could be compared")
    if (why := _refusal(judged.model)) is not None:
        return _anew(start, prepared, why)
    if start.n_new < LEAST_NEW:
        return _anew(start, prepared, f"{start.n_new:,} rows are new to it, and {LEAST_NEW} are needed")
    frame = judged.frame.iloc[n_rows - start.n_new :].reset_index(drop=True)
    classes = _classes(judged.model, frame, signature)
    test = split_rows(frame, signature, classes, TEST_SHARE, seed=seed)
    of_learned = split_rows(frame[test.learn], signature, classes[test.learn], TEST_SHARE, seed=seed)
    inner = _within(test.learn, of_learned)
    begins("the comparison of a warm start with a new model")
    warm, cold = judged.model, prepared.model
    warm.update(frame[inner.learn], seed=seed)
    is_learned = np.ones(n_rows, dtype=np.bool_)
    is_learned[n_rows - start.n_new :] = inner.learn
    cold.fit(prepared.frame[is_learned], seed=seed)
    of_warm = warm.losses(frame[inner.held])[0]
    of_cold = cold.losses(prepared.frame.iloc[n_rows - start.n_new :][inner.held])[0]
    told = f"loss {of_warm.mean():.4g} against {of_cold.mean():.4g} of a new model on {len(of_warm):,} rows held out"
    if not of_warm.mean() < of_cold.mean():
        return Continued(prepared, None, f"a new model ships, not {start.key} continued: {told}")
    tested, shipped = start.load().model, start.load().model
    begins("the test")
    tested.update(frame[test.learn], seed=seed)
    result = tested_on(tested, frame, test)
    begins("the final fit")
    shipped.update(frame, seed=seed)
    made = replace(prepared, model=shipped, signature=signature, frame=frame, split=test)
    return Continued(made, result, f"{start.key} continues with {start.n_new:,} new rows: {told}")


def _refusal(model: TrainableModel) -> str | None:
    if not hasattr(model, "why_not_continued"):  # of a package that was written before models could learn on
        return "its package does not say how it learns on"
    return model.why_not_continued()


def _anew(start: WarmStart, prepared: PreparedTraining, why: str) -> Continued:
    return Continued(prepared, None, f"{start.key} cannot continue to learn ({why}), so a new model began")


def _classes(model: TrainableModel, frame: pd.DataFrame, signature: TableSignature) -> AnyArray:
    """Return the position of each row's class; zeros for numbers."""
    actual: Any = model.outcomes(frame).actual if signature.classes else None
    return np.zeros(len(frame)) if actual is None else np.nan_to_num(np.asarray(actual, dtype=np.float64), nan=-1.0)


def _within(learn: BoolArray, inner: Split) -> Split:
    """Spread a split of some rows over all of them."""
    places = np.flatnonzero(learn)
    sides = [np.zeros(len(learn), dtype=np.bool_) for _ in range(2)]
    sides[0][places[inner.learn]] = True
    sides[1][places[inner.held]] = True
    return Split(sides[0], sides[1], inner.method)
