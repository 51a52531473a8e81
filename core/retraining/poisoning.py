"""What new rows must not hold: floods of one row, shifted or flipped outcomes. Pure functions of rows and answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from core.models.outcomes import Outcomes

SURE = 0.8
"""A model is sure of a class from this probability on."""
RARE_ERROR = 0.99
"""An error is rare that so many held-out rows do not reach."""
GROWN_NOISE = 2.0
"""Outcomes that are numbers contradict a model only beyond so many times its rare error: a larger world is noisier."""
ANCHOR_SHARE, LEAST_ANCHORS = 0.02, 100
"""The rows of which the second model is surest: if their outcomes are nearly certain, none was flipped at random."""
LEAST_SURE = 50  # rows from which a share of contradicted outcomes says something
_CONFIDENCE_Z = 2.576  # 99 %, one check of several


@dataclass(frozen=True, slots=True)
class GuardFinding:
    """What one guard found.

    Attributes:
        name: The guard.
        passed: Whether the rows may be learned from; None if it could not judge.
        reason: Why, one sentence.
        figures: What was measured.
    """

    name: str
    passed: bool | None
    reason: str
    figures: dict[str, Any]


def repeated_rows(frame: pd.DataFrame, most: float) -> GuardFinding:
    """Look for floods of one row.

    A table of few categories repeats its rows by nature, so only tables with a column of many values are judged.

    Args:
        frame: The rows, outcomes included.
        most: The tolerated share of rows that repeat another row.
    """
    is_fine = any(frame[name].nunique(dropna=False) > len(frame) / 10 for name in frame)
    share = float(frame.duplicated().mean()) if len(frame) else 0.0
    figures = {"share": share, "limit": most}
    if not is_fine:
        return GuardFinding("duplicates", None, "no column has enough values to tell copies from equal rows", figures)
    passed = share <= most
    return GuardFinding("duplicates", passed, f"{share:.1%} of the rows repeat another row (limit {most:.0%})", figures)


def shifted_classes(reference: FloatArray, current: FloatArray, classes: tuple[str, ...], most: float) -> GuardFinding:
    """Compare how often each class came, then and now.

    Args:
        reference: The position of the class of each held-out row of the live version.
        current: The same of the new rows.
        classes: The names of the classes.
        most: The tolerated share of outcomes that lie in other classes than before.
    """
    then, now = (_shares(each, len(classes)) for each in (reference, current))
    moved = float(np.abs(then - now).sum() / 2)
    figures = {
        "moved": moved,
        "limit": most,
        "before": dict(zip(classes, then.round(4).tolist(), strict=True)),
        "now": dict(zip(classes, now.round(4).tolist(), strict=True)),
    }
    if lacking := [name for name, share in zip(classes, now, strict=True) if share == 0]:
        return GuardFinding("labels", False, f"no outcome is of the class {lacking[0]}", figures)
    return GuardFinding(
        "labels", moved <= most, f"{moved:.1%} of the outcomes moved to other classes (limit {most:.0%})", figures
    )


def flipped_labels(
    live: Outcomes, second: AnyArray, held_out_answer: AnyArray, held_out_actual: FloatArray, most: float
) -> GuardFinding:
    """Look for outcomes that contradict both the live version and a second model, which learned from other new rows.

    A world that has changed contradicts the live version, but agrees with a model of the new rows. Outcomes that were
    flipped at random contradict both, because nothing in the row tells them from the others. A world that has become
    less predictable contradicts both, too; but in it some outcomes are still nearly certain, and of outcomes that were
    flipped at random none is: so the rows of which the second model is surest decide.

    Args:
        live: The live version's answers to the new rows, and their outcomes.
        second: The answers of the second model to the same rows, each out of fold, in the form of `live.answer`.
        held_out_answer: The live version's answers to its held-out rows.
        held_out_actual: Their outcomes.
        most: The tolerated share beyond what the live version's held-out rows show.
    Source:
        Liu and Tao, IEEE Transactions on Pattern Analysis and Machine Intelligence 38(3), 2016: at anchor points, whose
        class is certain, the rate of other labels is the rate of flips.
    """
    assert live.actual is not None
    anchored: float | None = None
    if live.classes:
        before, n_before = _contradicted(held_out_answer, held_out_actual)
        sure, contradicted = _sure_and_wrong(live.answer, live.actual)
        also = _likeliest(second) != live.actual
        anchored = _anchored(second, live.actual)
    else:
        limit = GROWN_NOISE * float(np.quantile(np.abs(held_out_actual - held_out_answer), RARE_ERROR))
        before = float((np.abs(held_out_actual - held_out_answer) > limit).mean())
        n_before = len(held_out_actual)
        sure = np.ones(len(live.actual), dtype=np.bool_)
        contradicted = np.abs(live.actual - live.answer) > limit
        also = np.abs(live.actual - second) > limit
    n_sure, n_both = int(sure.sum()), int((sure & contradicted & also).sum())
    figures: dict[str, Any] = {"n_sure": n_sure, "n_contradicted": n_both, "held_out": before, "limit": most}
    if n_sure < LEAST_SURE or n_before < LEAST_SURE:
        return GuardFinding(
            "flips", None, f"the live version is sure of {n_sure:,} rows only: too few to judge", figures
        )
    share = n_both / n_sure
    least = _wilson_low(n_both, n_sure)
    figures |= {"share": share, "at_least": least}
    if anchored is not None:
        figures["at_anchors"] = anchored
    is_noisier = least > before + most and anchored is not None and anchored <= most
    passed = least <= before + most or is_noisier
    what = "of the rows of which it is sure" if live.classes else "of the rows"
    reason = (
        f"outcomes contradict the live version and a second model in {share:.1%} {what} "
        f"({before:.1%} when it was tested, {most:.0%} more are tolerated)"
    )
    if is_noisier:
        reason += (
            "; the outcomes of which the second model is surest hold, so the world is less predictable than it was"
        )
    return GuardFinding("flips", passed, reason, figures)


def _anchored(second: AnyArray, actual: FloatArray) -> float:
    """Return the least share of outcomes that contradict the second model where it is surest."""
    chance = np.maximum(second, 1.0 - second) if second.ndim == 1 else second.max(axis=1)
    n = min(max(int(ANCHOR_SHARE * len(actual)), LEAST_ANCHORS), len(actual))
    surest = np.argsort(-chance, kind="stable")[:n]
    return _wilson_low(int((_likeliest(second)[surest] != actual[surest]).sum()), n)


def _contradicted(answer: AnyArray, actual: FloatArray) -> tuple[float, int]:
    sure, wrong = _sure_and_wrong(answer, actual)
    n = int(sure.sum())
    return (float((sure & wrong).sum() / n) if n else 0.0), n


def _sure_and_wrong(answer: AnyArray, actual: FloatArray) -> tuple[BoolArray, BoolArray]:
    chance = np.maximum(answer, 1.0 - answer) if answer.ndim == 1 else answer.max(axis=1)
    return np.asarray(chance >= SURE), np.asarray(_likeliest(answer) != actual)


def _likeliest(answer: AnyArray) -> IntArray:
    found = (answer >= 0.5) if answer.ndim == 1 else answer.argmax(axis=1)
    return np.asarray(found, dtype=np.int64)


def _shares(codes: FloatArray, n: int) -> FloatArray:
    known = codes[np.isfinite(codes) & (codes >= 0)].astype(np.int64)
    return np.bincount(known, minlength=n)[:n] / max(len(known), 1)


def _wilson_low(k: int, n: int) -> float:
    """Return the lower limit of a share.

    Source:
        Wilson, Journal of the American Statistical Association 22(158), 1927.
    """
    z2 = _CONFIDENCE_Z**2
    centre = (k + z2 / 2) / (n + z2)
    return float(max(centre - _CONFIDENCE_Z / (n + z2) * np.sqrt(k * (n - k) / n + z2 / 4), 0.0))
