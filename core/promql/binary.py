"""Operators between two values: arithmetic, comparison, and the matching of vectors by their labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.promql.budget import EvaluationBudget
from core.promql.errors import PromqlError
from core.promql.series import NAME, SeriesLabels
from core.promql.vectors import Floats, Presence, StepValues, Vector, key_function, merged, nameless, without_name

ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Callable[[Floats, Floats], Presence]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS = frozenset({"and", "or", "unless"})


@dataclass(frozen=True, slots=True)
class Matching:
    """How the series of two vectors find each other.

    Attributes:
        names: The labels that decide (is_on) or that do not.
        is_on: Whether `names` are the only ones that decide.
        many: The side with several series per match: "", "left" or "right".
        include: The labels that the many side takes from the other.
    """

    names: tuple[str, ...] = ()
    is_on: bool = False
    many: str = ""
    include: tuple[str, ...] = ()

    @property
    def key(self) -> Callable[[SeriesLabels], SeriesLabels]:
        """What reduces labels to those that decide."""
        return key_function(self.names, keeps=self.is_on)


def combine(
    op: str, left: StepValues, right: StepValues, matching: Matching, *, is_bool: bool, budget: EvaluationBudget
) -> StepValues:
    """Apply an operator to two scalars, a vector and a scalar, or two vectors, at each step."""
    if isinstance(left, str) or isinstance(right, str):
        raise PromqlError("An operator needs numbers or vectors, not strings.")
    if isinstance(left, Vector) and isinstance(right, Vector):
        if op in SETS:
            return _set_operation(op, left, right, matching)
        return _matched(op, left, right, matching, is_bool=is_bool, budget=budget)
    if isinstance(left, Vector):
        assert not isinstance(right, Vector)
        return _with_scalar(op, left, left.values, right[None, :], is_bool=is_bool)
    if isinstance(right, Vector):
        return _with_scalar(op, right, left[None, :], right.values, is_bool=is_bool)
    return ARITHMETIC[op](left, right) if op in ARITHMETIC else COMPARISON[op](left, right).astype(float)


def _with_scalar(op: str, vector: Vector, left: Floats, right: Floats, *, is_bool: bool) -> Vector:
    if op in ARITHMETIC:
        return nameless(Vector(vector.labels, ARITHMETIC[op](left, right), vector.present))
    holds = COMPARISON[op](left, right)
    if is_bool:
        return nameless(Vector(vector.labels, holds.astype(float), vector.present))
    return Vector(vector.labels, vector.values, vector.present & holds)


def _set_operation(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    key = matching.key
    n_steps = left.values.shape[1]
    nowhere = np.zeros(n_steps, dtype=bool)
    if op == "or":
        there = _presence(left, key)
        allowed = [~there.get(key(labels), nowhere) for labels in right.labels]
        rest = right.present & np.array(allowed, dtype=bool).reshape(-1, n_steps)
        return merged(
            Vector(left.labels + right.labels, np.vstack([left.values, right.values]), np.vstack([left.present, rest]))
        )
    there = _presence(right, key)
    found = np.array([there.get(key(labels), nowhere) for labels in left.labels], dtype=bool).reshape(-1, n_steps)
    return Vector(left.labels, left.values, left.present & (found if op == "and" else ~found))


def _presence(vector: Vector, key: Callable[[SeriesLabels], SeriesLabels]) -> dict[SeriesLabels, Presence]:
    there: dict[SeriesLabels, Presence] = {}
    for row, labels in enumerate(vector.labels):
        signature = key(labels)
        before = there.get(signature)
        there[signature] = vector.present[row] if before is None else before | vector.present[row]
    return there


def _matched(
    op: str, left: Vector, right: Vector, matching: Matching, *, is_bool: bool, budget: EvaluationBudget
) -> Vector:
    """Apply an operator to the pairs of series whose labels match.

    Raises:
        PromqlError: Several series of a side match where one is asked for.
    """
    is_swapped = matching.many == "right"
    many, one = (right, left) if is_swapped else (left, right)
    key = matching.key
    ones = _one_per_signature(one, key, side="left" if is_swapped else "right")
    many_rows, one_rows, labels, signatures = [], [], [], []
    for row, many_labels in enumerate(many.labels):
        signature = key(many_labels)
        others = ones.get(signature, ())
        budget.hold(len(others) * many.values.shape[1])
        for other in others:
            many_rows.append(row)
            one_rows.append(other)
            signatures.append(signature)
            labels.append(_result_labels(many_labels, one.labels[other], op, matching, is_bool=is_bool))
    if not labels:
        return Vector.empty(left.values.shape[1])
    many_values, one_values = many.values[many_rows], one.values[one_rows]
    present = many.present[many_rows] & one.present[one_rows]
    if not matching.many:
        _refuse_two(signatures, present)
    lefts, rights = (one_values, many_values) if is_swapped else (many_values, one_values)
    if op in ARITHMETIC:
        values = ARITHMETIC[op](lefts, rights)
    elif is_bool:
        values = COMPARISON[op](lefts, rights).astype(float)
    else:
        # A comparison passes on the value of its left side, also under group_right.
        values, present = lefts, present & COMPARISON[op](lefts, rights)
    try:
        return merged(Vector(labels, values, present))
    except PromqlError:
        raise PromqlError(
            "multiple matches for labels: grouping labels must ensure unique matches"
            if matching.many
            else "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
        ) from None


def _one_per_signature(
    one: Vector, key: Callable[[SeriesLabels], SeriesLabels], *, side: str
) -> dict[SeriesLabels, list[int]]:
    rows: dict[SeriesLabels, list[int]] = {}
    for row in np.flatnonzero(np.any(one.present, axis=1)).tolist():
        rows.setdefault(key(one.labels[row]), []).append(row)
    for signature, same in rows.items():
        if len(same) > 1 and (one.present[same].sum(axis=0) > 1).any():
            group = ", ".join(f'{name}="{value}"' for name, value in signature)
            raise PromqlError(
                f"found duplicate series for the match group {{{group}}} on the {side} hand-side of the operation: "
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
    return rows


def _refuse_two(signatures: list[SeriesLabels], present: Presence) -> None:
    rows: dict[SeriesLabels, list[int]] = {}
    for row, signature in enumerate(signatures):
        rows.setdefault(signature, []).append(row)
    for same in rows.values():
        if len(same) > 1 and (present[same].sum(axis=0) > 1).any():
            raise PromqlError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )


def _result_labels(
    many: SeriesLabels, one: SeriesLabels, op: str, matching: Matching, *, is_bool: bool
) -> SeriesLabels:
    labels = without_name(many) if op in ARITHMETIC or is_bool else many
    if not matching.many:
        if matching.is_on:
            return tuple([pair for pair in labels if pair[0] in matching.names])
        return tuple([pair for pair in labels if pair[0] not in matching.names])
    if not matching.include:
        return labels
    taken = [pair for pair in one if pair[0] in matching.include]
    if is_bool:
        taken = [pair for pair in taken if pair[0] != NAME]
    return tuple(sorted([pair for pair in labels if pair[0] not in matching.include] + taken))
