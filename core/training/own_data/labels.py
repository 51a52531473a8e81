"""The rows of a file whose labels decide how well a version does on it, and what these labels prove."""

from pathlib import Path

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.errors import UsageError
from core.losses import Actual, AnswerForm, AnswerKind, LossKind, LossRule, RecordedAnswer, loss_of, pack_probabilities
from core.models.outcomes import Outcomes
from core.monitoring.estimation.estimate import RowEstimate
from core.monitoring.labels.sampling import draw_chances, labelled_mean, wanted_rows
from core.monitoring.verdicts import PerformanceVerdict
from core.state import Workspace
from core.tables import ReadingRules, read_table
from core.training.own_data.estimation import EstimatedBatch, estimate_batch

ROW = "row"
FEWEST_JUDGED = 20  # labels that tell one draw from another
MOST_LATER = 3
"""Labels that are not among the first rows of a draw, three for each label, are hardly of that draw."""


class WantedLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a file to label, in this order."""

    model: str
    version: str
    data_sha256: str
    seed: int
    rows: tuple[int, ...]  # counted from 1, without the header
    chances: tuple[float, ...]  # of each of these rows in one draw
    target: str
    estimate: str  # what is known without labels


class JudgedLabels(msgspec.Struct, frozen=True, kw_only=True):
    """What the labels of drawn rows prove of all rows."""

    model: str
    version: str
    seed: int
    loss: str
    held_out: float
    n_labels: int
    n_draws: int  # draws that count: those before the first one without a label
    value: float | None
    low: float | None
    high: float | None
    verdict: PerformanceVerdict
    n_needed: int | None = None  # draws after which a verdict is expected


_LOSSES = {"log_loss": "log loss", "mae": "absolute error", "accuracy": "share of wrong classes"}


def wanted_labels(
    workspace: Workspace,
    model: str,
    data: Path,
    *,
    n: int = 40,
    seed: int = 0,
    version: str | None = None,
    reading: ReadingRules | None = None,
) -> WantedLabels:
    """Draw the rows of a file whose labels say most.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        data: The file.
        n: How many different rows.
        seed: Of the draws; the same file and seed draw the same rows.
        version: Its number; by default the live version, else the newest.
        reading: How columns are to be read, beyond what the signature says.
    Raises:
        HeldOutError: The version has no held-out rows.
        CoreError: As `estimate_on_file`.
    """
    found = estimate_batch(workspace, model, data, version=version, reading=reading)
    rows = _rows_of(found)
    chance = draw_chances(rows.uncertainty)
    wanted = wanted_rows(chance, n, seed=seed)
    return WantedLabels(
        model=found.found.model,
        version=found.found.version,
        data_sha256=found.found.data_sha256,
        seed=seed,
        rows=tuple(int(at) + 1 for at in rows.at[wanted]),
        chances=tuple(float(each) for each in chance[wanted]),
        target=found.target,
        estimate=found.found.report.reason,
    )


def judge_labels(
    workspace: Workspace,
    model: str,
    data: Path,
    labels: Path,
    *,
    seed: int = 0,
    version: str | None = None,
    reading: ReadingRules | None = None,
) -> JudgedLabels:
    """Say what the labels of drawn rows prove of all rows.

    Args:
        workspace: Where the version is registered.
        model: Its model.
        data: The file that the rows were drawn from.
        labels: A file with the columns `row` and the target; a row without a label is still awaited.
        seed: With which the rows were drawn.
        version: Its number; by default the live version, else the newest.
        reading: How columns are to be read, beyond what the signature says.
    Raises:
        HeldOutError: The version has no held-out rows.
        UsageError: The labels cannot be used.
        CoreError: As `estimate_on_file`.
    """
    found = estimate_batch(workspace, model, data, version=version, reading=reading)
    rows = _rows_of(found)
    losses = _losses(found, rows, labels)
    first = found.found.report.figures[0]
    held_out = 1.0 - first.held_out if first.metric == "accuracy" else first.held_out
    chance = draw_chances(rows.uncertainty)
    _check_draw(losses, chance, seed, found, labels)
    judged = labelled_mean(rows.expected, chance, losses, held_out, possible=rows.possible, seed=seed)
    return JudgedLabels(
        model=found.found.model,
        version=found.found.version,
        seed=seed,
        loss=_LOSSES[first.metric],
        held_out=held_out,
        n_labels=len(losses),
        n_draws=judged.n_draws,
        value=judged.value,
        low=judged.low,
        high=judged.high,
        verdict=judged.verdict,
        n_needed=judged.n_needed,
    )


def _check_draw(losses: dict[int, float], chance: FloatArray, seed: int, found: EstimatedBatch, labels: Path) -> None:
    """Refuse labels of another draw: of a large file, few of its rows would be wanted here."""
    wanted = set(wanted_rows(chance, MOST_LATER * len(losses), seed=seed).tolist())
    n_own = sum(at in wanted for at in losses)
    if len(losses) >= FEWEST_JUDGED and n_own < len(losses) / 2:
        raise UsageError(
            f"{labels} holds the labels of another draw: of {len(losses):,}, {n_own:,} are of rows that version "
            f"{found.found.version} and seed {seed} ask for first. Name the --version and the --seed of labels wanted."
        )


def _rows_of(found: EstimatedBatch) -> RowEstimate:
    if found.rows is None:
        raise found.no_rows or UsageError("The version has no held-out rows. Train it again.")
    return found.rows


def _losses(found: EstimatedBatch, rows: RowEstimate, labels: Path) -> dict[int, float]:
    """Return the loss of each labelled row, by its place among the rows of the estimate."""
    table = read_table(labels, rules=ReadingRules(lenient=True))
    for name in (ROW, found.target):
        if name not in table.frame:
            cure = "Write it with bondx labels wanted, and fill in the last column."
            raise UsageError(f"{labels} has no column {name!r}. {cure}")
    place = {int(at) + 1: k for k, at in enumerate(rows.at)}
    losses = {}
    for number, label in zip(table.frame[ROW], table.frame[found.target], strict=True):
        if label is None or label != label or str(label) == "":  # NaN is not equal to itself
            continue
        at = place.get(int(number))
        if at is None:
            raise UsageError(f"{labels}: row {number} is not a row that was drawn from. Label rows that were wanted.")
        loss = _loss(found.outcomes, int(rows.at[at]), label)
        if loss is None:
            raise UsageError(f"{labels}: row {number} has the label {label!s}, which is not an outcome of the model.")
        losses[at] = loss
    return losses


def _loss(outcomes: Outcomes, at: int, label: object) -> float | None:
    answer, classes = outcomes.answer[at], outcomes.classes
    is_number = isinstance(label, int | float | np.number)
    actual = Actual(float(label)) if is_number else Actual(name=str(label))  # type: ignore[arg-type]
    if not classes:
        return None if actual.number is None else abs(actual.number - float(answer))
    form = AnswerForm(AnswerKind.PROBABILITIES, classes)
    if np.ndim(answer) == 0:
        return loss_of(LossRule(kind=LossKind.LOG), RecordedAnswer(form, float(answer)), actual)
    recorded = RecordedAnswer(form, detail=pack_probabilities([float(each) for each in answer]))
    return loss_of(LossRule(kind=LossKind.ZERO_ONE), recorded, actual)
