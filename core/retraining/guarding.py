"""All guards against poisoning on one set of new rows: pure, so that a simulation judges as the pipeline does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import AnyArray, FloatArray, IntArray
from core.models.outcomes import Outcomes
from core.retraining.poisoning import GuardFinding, flipped_labels, repeated_rows, shifted_classes
from core.retraining.second_model import second_answers
from core.seeds import derive_seed
from core.settings.retraining import RetrainingChecks
from core.tables.signature import ColumnSignature

MOST_GUARDED = 30_000
"""Rows that the guards look at, at most: a second model learns from them five times."""


@dataclass(frozen=True, slots=True)
class GuardReference:
    """What the live version answered to its held-out rows, and what came of them."""

    answer: AnyArray
    actual: FloatArray


def guard_rows(
    live: Outcomes,
    columns: Sequence[ColumnSignature],
    group: AnyArray,
    reference: GuardReference | None,
    checks: RetrainingChecks,
    *,
    seed: int,
    note: str = "",
    flips: bool = True,
) -> list[GuardFinding]:
    """Judge new rows before anything learns from them.

    Args:
        live: The live version's answers to the rows, and their outcomes.
        columns: The columns that it reads.
        group: Of each row.
        reference: Its held-out rows; None if it keeps none.
        checks: The limits of the policy.
        seed: Of the sample and the folds.
        note: Why it keeps none.
        flips: Whether outcomes can contradict its answers; those of a detector of anomalies cannot.
    """
    assert live.actual is not None
    findings = [repeated_rows(live.rows, checks.max_duplicate_share)]
    if reference is None:
        return [*findings, GuardFinding("flips", None, note, {})]
    if live.classes:
        findings.append(shifted_classes(reference.actual, live.actual, live.classes, checks.max_label_shift))
    if flips:
        chosen = _sample(len(live.rows), derive_seed(seed, "guards"))
        part, units = _part(live, group, chosen)
        assert part.actual is not None
        second = second_answers(
            part.rows, columns, part.actual, len(part.classes), units, seed=derive_seed(seed, "second model")
        )
        findings.append(flipped_labels(part, second, reference.answer, reference.actual, checks.max_flip_share))
    return findings


def _sample(n_rows: int, seed: int) -> IntArray:
    if n_rows <= MOST_GUARDED:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(seed).permutation(n_rows)[:MOST_GUARDED])


def _part(outcomes: Outcomes, group: AnyArray, rows: IntArray) -> tuple[Outcomes, AnyArray]:
    """Take some rows, of which the outcome is known."""
    assert outcomes.actual is not None
    actual = outcomes.actual
    known = rows[np.isfinite(actual[rows]) & ((actual[rows] >= 0) | (not outcomes.classes))]
    part = Outcomes(
        outcomes.rows.iloc[known].reset_index(drop=True), outcomes.answer[known], actual[known], outcomes.classes
    )
    return part, group[known]
