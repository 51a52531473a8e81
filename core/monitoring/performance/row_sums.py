"""From labelled answers to sums by group: an hour, a slice, the whole life of a version."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.losses import (
    LEAST_PROBABILITY,
    Actual,
    AnswerForm,
    RecordedAnswer,
    class_index,
    probabilities_of,
)
from core.monitoring.performance.layout import N_TENTHS, SCORES, Layout, MeasuredTask
from core.telemetry.predictions import MatchedOutcome

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""Knuth, The Art of Computer Programming, volume 3, section 6.4: multiplicative hashing."""


class AnswerColumns(NamedTuple):
    """Labelled answers in columns.

    Attributes:
        at_us: When each was given.
        unit: The caller where it is known, else the request: spread evenly over 64 bits.
        has_unit: Where the caller is known, or where other rows came in the same request.
        code: The recorded slices, 0 where there are none.
        answer: Numbers, probabilities of the event, or of every class; the position of an answered class.
        actual: Numbers, or positions of classes; NaN where only a loss was reported.
        reported: Losses that callers computed; NaN elsewhere.
    """

    at_us: IntArray
    unit: IntArray
    has_unit: BoolArray
    code: IntArray
    answer: FloatArray
    actual: FloatArray
    reported: FloatArray

    def residuals(self, task: MeasuredTask) -> FloatArray:
        """Return what the answers were off by, as profiles keep it; NaN where no outcome tells."""
        if task is MeasuredTask.CLASSES:
            return 1.0 - _of_true_class(self.answer, self.actual)
        return (
            self.actual - self.answer
            if task in (MeasuredTask.NUMBER, MeasuredTask.EVENT)
            else np.full(len(self.actual), np.nan)
        )


def answers_in(rows: Sequence[MatchedOutcome], form: AnswerForm, layout: Layout) -> AnswerColumns:
    """Arrange rows of one form in columns; an outcome that says nothing about its answer is NaN."""
    answer, actual = _values(rows, form, layout)
    reported = np.array([np.nan if row.loss is None else row.loss for row in rows], dtype=np.float64)
    at_us = np.array([row.at_us for row in rows], dtype=np.int64)
    unit, has_unit = _units(rows, at_us)
    return AnswerColumns(
        at_us=at_us,
        unit=unit,
        has_unit=has_unit,
        code=np.array([row.slices or 0 for row in rows], dtype=np.int64),
        answer=answer,
        actual=np.where(np.isnan(reported), actual, np.nan),
        reported=reported,
    )


def _units(rows: Sequence[MatchedOutcome], at_us: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the unit of each row, and whether others may share it: all rows of a request have its time."""
    requests = (at_us.astype(np.uint64) * _SPREAD).astype(np.int64)  # evenly: steps of the golden ratio
    is_called = np.array([row.unit is not None for row in rows], dtype=np.bool_)
    callers = np.array([row.unit or 0 for row in rows], dtype=np.int64)
    _, position, n_rows = np.unique(at_us, return_inverse=True, return_counts=True)
    return np.where(is_called, callers, requests), is_called | (n_rows[position] > 1)


def _values(rows: Sequence[MatchedOutcome], form: AnswerForm, layout: Layout) -> tuple[FloatArray, FloatArray]:
    """Return what was answered, and what came."""
    if layout.task is MeasuredTask.REPORTED:
        return np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    if layout.task is MeasuredTask.NUMBER:
        answer = np.array([np.nan if row.value is None else row.value for row in rows], dtype=np.float64)
        actual = np.array([np.nan if row.actual is None else row.actual for row in rows], dtype=np.float64)
        return answer, np.where(np.isnan(answer), np.nan, actual)
    if not layout.classes:  # names alone: they are compared as they are
        return np.zeros(len(rows)), np.array([_is_other(row) for row in rows], dtype=np.float64)
    positions: dict[tuple[float | None, str | None], float] = {}
    actual = np.array([_position(row, layout, positions) for row in rows], dtype=np.float64)
    if layout.task is MeasuredTask.CLASS:
        named = {name: float(position) for position, name in enumerate(layout.classes)}
        given = [row.detail.decode(errors="replace") if row.detail is not None else "" for row in rows]
        answer = np.array([named.get(name, np.nan) for name in given], dtype=np.float64)
        return answer, np.where(np.isnan(answer), np.nan, actual)
    n_classes = len(layout.classes)
    found = [_probabilities(row, form, n_classes) for row in rows]
    answer = np.array([[np.nan] * n_classes if each is None else each for each in found], dtype=np.float64)
    answer = answer.reshape(len(rows), n_classes)
    actual = np.where(np.isnan(answer).any(axis=1), np.nan, actual)
    return (answer[:, 1] if layout.task is MeasuredTask.EVENT else answer), actual


def _is_other(row: MatchedOutcome) -> float:
    came = row.name if row.name is not None else None if row.actual is None else f"{row.actual:.15g}"
    if row.detail is None or came is None:
        return float("nan")
    return float(came.casefold() != row.detail.decode(errors="replace").casefold())


def _position(row: MatchedOutcome, layout: Layout, known: dict[tuple[float | None, str | None], float]) -> float:
    """Return the position of the class that came, which is looked up once for each outcome."""
    key = (row.actual, row.name)
    if key not in known:
        found = None if key == (None, None) else class_index(layout.classes, Actual(*key))
        known[key] = float("nan") if found is None else float(found)
    return known[key]


def _probabilities(row: MatchedOutcome, form: AnswerForm, n_classes: int) -> Sequence[float] | None:
    if row.detail is None and row.value is not None and n_classes == 2 and 0.0 <= row.value <= 1.0:
        return (1.0 - row.value, row.value)
    found = probabilities_of(RecordedAnswer(form, row.value, row.detail))
    return found if found is not None and len(found) == n_classes else None


def sums_by_group(layout: Layout, of: AnswerColumns, group: IntArray, n_groups: int) -> FloatArray:
    """Add rows up by group.

    Args:
        layout: Of the sums.
        of: The rows.
        group: The group of each row; a negative number leaves it out.
        n_groups: Their number.
    Returns:
        Vectors, shape (n_groups, n_sums).
    """
    sums = np.zeros((n_groups, layout.n_sums))
    kept = (group >= 0) & ~np.isnan(of.actual)
    where = group[kept]
    values = row_values(layout, of)
    for name, value in values.items():
        if name in layout.places:
            sums[:, layout.places[name].start] = np.bincount(where, value[kept], n_groups)
    if layout.task is MeasuredTask.NUMBER:
        np.maximum.at(sums[:, layout.places["max_e"].start], where, np.abs(values["e"][kept]))
    _add_blocks(layout, sums, where, of.answer[kept], of.actual[kept])
    told = (group >= 0) & ~np.isnan(of.reported)
    if told.any():
        losses = of.reported[told]
        for name, value in zip(("reported_n", "reported", "reported2"), (losses**0, losses, losses**2), strict=True):
            sums[:, layout.places[name].start] = np.bincount(group[told], value, n_groups)
        np.maximum.at(sums[:, layout.places["max_reported"].start], group[told], np.abs(losses))
    return sums


def row_values(layout: Layout, of: AnswerColumns) -> dict[str, FloatArray]:
    """Return the scalars, and the scores, of each row; those without an outcome are NaN."""
    ones = np.ones(len(of.actual))
    if layout.task is MeasuredTask.NUMBER:
        e, d = of.answer - of.actual, of.actual - layout.centre
        e2, d2 = e * e, d * d
        return {
            "n": ones, "e": e, "abs": np.abs(e), "e2": e2, "e4": e2 * e2, "d": d, "d2": d2, "d3": d2 * d,
            "d4": d2 * d2, "e2d": e2 * d, "e2d2": e2 * d2,
        }  # fmt: skip
    if layout.task is MeasuredTask.EVENT:
        return _of_event(of.answer, of.actual) | {"n": ones}
    if layout.task is MeasuredTask.CLASSES:
        p = _of_true_class(of.answer, of.actual)
        log = -np.log(np.clip(p, LEAST_PROBABILITY, 1.0))
        brier = np.square(of.answer).sum(axis=1) - 2.0 * p + 1.0
        s2 = np.square(1.0 - p)
        correct = (of.answer.argmax(axis=1) == of.actual).astype(np.float64)
        return {"n": ones, "correct": correct, "log": log, "log2": log * log, "b": brier, "b2": brier * brier,
                "s2": s2, "s4": s2 * s2}  # fmt: skip
    if layout.task is MeasuredTask.CLASS:
        return {"n": ones, "correct": (of.answer == of.actual).astype(np.float64)}
    return {}


def _of_event(p: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
    given = (p > 0.5).astype(np.float64)
    log = -np.log(np.clip(np.where(y == 1.0, p, 1.0 - p), LEAST_PROBABILITY, 1.0))
    e = p - y
    b = e * e
    return {
        "y": y, "tp": given * y, "fp": given * (1.0 - y), "fn": (1.0 - given) * y, "log": log, "log2": log * log,
        "b": b, "b2": b * b, "e": e, "correct": (given == y).astype(np.float64),
    }  # fmt: skip


def _add_blocks(layout: Layout, sums: FloatArray, where: IntArray, answer: FloatArray, actual: FloatArray) -> None:
    came = actual.astype(np.int64)
    if layout.task is MeasuredTask.EVENT:
        _add_tenths(layout, sums, where, answer, actual)
        _add_cells(layout, sums, "by_bin", where, 2 * np.searchsorted(layout.edges, answer, side="left") + came)
    elif layout.task is MeasuredTask.CLASSES:
        given = answer.argmax(axis=1)
        _add_tenths(layout, sums, where, answer.max(axis=1, initial=0.0), (given == came).astype(np.float64))
        _add_classes(layout, sums, where, given, came)
        for k in range(layout.n_ranked):
            bins = k * layout.n_bins + np.searchsorted(layout.edges, answer[:, k], side="left")
            _add_cells(layout, sums, "by_bin", where, 2 * bins + (came == k))
    elif layout.task is MeasuredTask.CLASS and layout.classes:
        _add_classes(layout, sums, where, answer.astype(np.int64), came)


def _add_tenths(layout: Layout, sums: FloatArray, where: IntArray, p: FloatArray, happened: FloatArray) -> None:
    tenth = 3 * np.minimum(np.searchsorted(layout.tenths, p, side="left"), N_TENTHS - 1)
    for place, weight in enumerate((None, p, happened)):
        _add_cells(layout, sums, "by_tenth", where, tenth + place, weight)


def _add_classes(layout: Layout, sums: FloatArray, where: IntArray, given: IntArray, came: IntArray) -> None:
    hit = given == came
    _add_cells(layout, sums, "by_class", where[hit], 3 * came[hit])
    _add_cells(layout, sums, "by_class", where, 3 * given + 1)
    _add_cells(layout, sums, "by_class", where, 3 * came + 2)


def _add_cells(
    layout: Layout, sums: FloatArray, block: str, where: IntArray, cell: AnyArray, weight: FloatArray | None = None
) -> None:
    place = layout.places[block]
    size = place.stop - place.start
    found = np.bincount(where * size + cell, weight, len(sums) * size)
    sums[:, place] += found.reshape(len(sums), size)


def scores_by_cell(layout: Layout, of: AnswerColumns, cell: IntArray, n_cells: int) -> FloatArray:
    """Add up, by cell of callers, the rows and their scores: shape (n_cells, 1 + n_scores)."""
    kept = ~np.isnan(of.actual)
    values = row_values(layout, of)
    columns = [np.bincount(cell[kept], values[name][kept], n_cells) for name in ("n", *SCORES[layout.task])]
    return np.stack(columns, axis=1) if columns else np.zeros((n_cells, 0))


def _of_true_class(answer: FloatArray, actual: FloatArray) -> FloatArray:
    known = ~np.isnan(actual)
    found = np.full(len(actual), np.nan)
    found[known] = answer[known, actual[known].astype(np.int64)]
    return found
