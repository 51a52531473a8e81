"""The test of a model: on all rows of a small table, each predicted without it, otherwise on rows held out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.domains.own_file import PreparedTraining, RowsElsewhere, TrainableModel
from core.models.outcomes import Outcomes
from core.models.scores import Metrics
from core.progress import begins
from core.tables.split import Split
from core.training.stopwatch import Stopwatch

if TYPE_CHECKING:
    import pandas as pd

    from core.tables import TableSignature

HELD_OUT_NOTICE = (
    "The test rows were held out before any training or choice, and measured once. The shipped model then learned from "
    "all rows, the test rows included, with the method and the parameters chosen without them: the metrics describe "
    "that method after training on the other rows. Intervals are 95 %, over {}."
)
CROSS_VALIDATED_NOTICE = (
    "Because the table is small, all of its rows are the test: each was predicted by models that did not learn from "
    "it, with a method and parameters that the other rows chose. The shipped model then learned from all rows, with "
    "the method that all of them chose. The folds follow from the data, so the verdict does not depend on the seed. "
    "Intervals are 95 %, over {}."
)


@dataclass(frozen=True, slots=True)
class Tested:
    """What the test found.

    Attributes:
        metrics: Each with an interval if possible.
        slices: The metrics of parts of the rows.
        split: How many rows served for what, as the report gives it.
        notice: What the metrics describe.
        outcomes: The answers to the tested rows.
    """

    metrics: Metrics
    slices: dict[str, Metrics]
    split: dict[str, Any]
    notice: str
    outcomes: Outcomes


def fit_and_test(prepared: PreparedTraining, *, seed: int, watch: Stopwatch, cross_validates: bool = True) -> Tested:
    """Choose a method, test it, and train it on all rows.

    Args:
        prepared: The model and the rows.
        seed: The random seed.
        watch: Takes the time of each part.
        cross_validates: Whether all rows of a small table may be the test. Where the rows outside of the test have
            chosen the parameters, only the rows held out can test them.
    """
    model, frame, split = prepared.model, prepared.frame, prepared.split
    units = _units_in(prepared.signature)
    begins("choosing a method")
    if prepared.elsewhere is not None:
        return _tested_elsewhere(prepared, prepared.elsewhere, units, seed=seed, watch=watch)
    if cross_validates and (found := model.cross_validate(frame, seed=seed)) is not None:
        watch.lap("choice, test and final fit")
        rows = _split(found.method, found.n_learned, len(frame), 0, len(frame), is_cross_validated=True)
        return Tested(found.metrics, found.slices, rows, CROSS_VALIDATED_NOTICE.format(units), found.outcomes)
    model.fit(frame[split.learn], seed=seed)
    watch.lap("choice and importance")
    begins("the test")
    tested = tested_on(model, frame, split)
    watch.lap("test")
    begins("the final fit")
    model.refit(frame, seed=seed)
    watch.lap("final fit")
    return tested


def tested_on(model: TrainableModel, frame: "pd.DataFrame", split: Split) -> Tested:
    """Measure a model that has learned from one side of a split on the other side."""
    held = frame[split.held]
    n_learned, n_tested = int(split.learn.sum()), len(held)
    n_unused = len(frame) - n_learned - n_tested
    units = "rows" if model.signature is None else _units_in(model.signature)
    return Tested(
        metrics=model.judge(held),
        slices=model.judge_slices(held),
        split=_split(split.method, n_learned, n_tested, n_unused, len(frame), is_cross_validated=False),
        notice=HELD_OUT_NOTICE.format(units),
        outcomes=model.outcomes(held),
    )


def _units_in(signature: "TableSignature") -> str:
    """Name the units of evidence, as `core.tables.held_rows.units_of` finds them."""
    return "groups" if signature.group else "instants" if signature.time else "rows"


def _tested_elsewhere(
    prepared: PreparedTraining, elsewhere: RowsElsewhere, units: str, *, seed: int, watch: Stopwatch
) -> Tested:
    found = elsewhere.test(seed=seed)
    watch.lap("choice, test and final fit")
    n_learned, n_rows = int(prepared.split.learn.sum()), elsewhere.n_rows
    n_unused = n_rows - n_learned - found.n_tested
    rows = _split(prepared.split.method, n_learned, found.n_tested, n_unused, n_rows, is_cross_validated=False)
    return Tested(found.metrics, found.slices, rows, HELD_OUT_NOTICE.format(units), found.outcomes)


def _split(
    method: str, n_trained: int, n_tested: int, n_unused: int, n_shipped: int, *, is_cross_validated: bool
) -> dict[str, Any]:
    return {
        "method": method,
        "n_trained": n_trained,
        "n_tested": n_tested,
        "n_unused": n_unused,
        "n_shipped": n_shipped,
        "is_cross_validated": is_cross_validated,
    }
