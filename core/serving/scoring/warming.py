"""From the folder of a version to a scorer: loaded, compiled, verified against the model itself, and warm.

A compiled scorer computes the model's predictions in another form, so each version is verified before it answers:
rows generated from its signature, including limits, gaps and unknown categories, are scored both ways. A version whose
scorer differs is served through the model's own `predict` instead, which is slower and correct.
"""

import logging
from pathlib import Path

import numpy as np

from core.arrays import FloatArray
from core.domains.catalogue import load_model
from core.errors import CoreError
from core.models.interface import Model
from core.models.scoring.fields import Rows, fields_of
from core.models.scoring.scorer import UnsupportedSpaceError
from core.rollout.answers import form_of_model, form_of_signature
from core.serving.renamed_signature import signature_of
from core.serving.scoring.scorer import FrameScorer, OpenScorer, Scorer, compiled
from core.serving.scoring.texts import TextScorer
from core.serving.signature import ServingSignature
from core.tables.signature import TableSignature
from core.text.version import is_text_version

log = logging.getLogger(__name__)

N_PROBES = 24
RELATIVE_TOLERANCE = 1e-9
_DATES = ("2020-01-01", "2031-06-30")


def warm_scorer(folder: Path) -> Scorer:
    """Load a version that the registry has checked, and score the first rows with it.

    Args:
        folder: The folder from `Registry.load_path`.
    Raises:
        CoreError: The artifact cannot be loaded, or cannot answer rows of its own signature.
    """
    if is_text_version(folder):
        return TextScorer(folder)
    model = load_model(folder)
    scorer = _proven(model)
    described = TableSignature.read(folder)
    if scorer is None and described is not None:
        scorer = FrameScorer(model, signature_of(fields_of(described)))
    elif scorer is None:
        scorer = OpenScorer(model)
    scorer.form = form_of_model(model.task) if described is None else form_of_signature(described)
    scorer.signature.classes = scorer.form.classes
    if not isinstance(scorer, OpenScorer):  # a model without declared fields cannot be verified
        scorer.checked_answer(probes(scorer.signature))
        scorer.checked_answer(_first(probes(scorer.signature)))
    return scorer


def warmed_by(folder: Path) -> int:
    """Load a version as `warm_scorer` does; return how many rows it has answered.

    Raises:
        CoreError: The artifact cannot be loaded, or cannot answer rows of its own signature.
    """
    return 0 if isinstance(warm_scorer(folder), OpenScorer | TextScorer) else N_PROBES + 1


def probes(signature: ServingSignature, n_rows: int = N_PROBES) -> Rows:
    """Generate rows that a signature allows: within and at its limits, with gaps in optional fields."""
    random = np.random.default_rng(20260)
    numbers = np.empty((n_rows, len(signature.numbers)))
    for position, field in enumerate(signature.numbers):
        low = field.least if field.least is not None else -2.0 if field.most is None else field.most - 4.0
        high = field.most if field.most is not None else max(4.0 * abs(low), 8.0)
        column = random.uniform(low, high, n_rows)
        column[:1], column[1:2] = low, high
        numbers[:, position] = column if field.kind == "float" else np.round(column)
        if field.kind == "bool":
            numbers[:, position] = random.integers(0, 2, n_rows)
        if field.nullable:
            numbers[2::5, position] = np.nan
    columns: list[list[str | None]] = []
    for field in signature.texts:
        made_up = _DATES if field.kind == "date" else ("?",)
        choices: list[str | None] = [*(field.categories or made_up), *([None] if field.nullable else [])]
        columns.append([choices[index] for index in random.integers(0, len(choices), n_rows)])
    return Rows(numbers, list(zip(*columns, strict=True)) if columns else [()] * n_rows)


def _proven(model: Model) -> Scorer | None:
    try:
        scorer = compiled(model)
    except UnsupportedSpaceError as error:
        log.warning("%s has no compiled scorer (%s); serving it through its own predict", model.name, error)
        return None
    if scorer is None:
        return None
    honest = FrameScorer(model, scorer.signature)
    try:
        rows = probes(scorer.signature)
        expected = honest.answer(rows)
        worst = max(
            _distance(scorer.answer(rows), expected),
            *(_distance(scorer.answer(_row(rows, k)), expected[k : k + 1]) for k in range(4)),
        )
    except CoreError:
        raise
    except Exception:
        log.exception("the compiled scorer of %s failed; serving the model through its own predict", model.name)
        return honest
    if worst <= RELATIVE_TOLERANCE:
        return scorer
    log.error("the compiled scorer of %s differs by %.1e; serving the model through its own predict", model.name, worst)
    return honest


def _distance(found: FloatArray, expected: FloatArray) -> float:
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1.0), initial=0.0))


def _row(rows: Rows, number: int) -> Rows:
    return Rows(rows.numbers[number : number + 1], rows.texts[number : number + 1])


def _first(rows: Rows) -> Rows:
    return _row(rows, 0)
