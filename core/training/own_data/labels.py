"""The rows of a file whose labels decide how well a version does on it, and what these labels prove."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from core.arrays import FloatArray
from core.errors import UsageError
from core.escape import shown
from core.losses import Actual, AnswerForm, AnswerKind, LossKind, LossRule, RecordedAnswer, loss_of, pack_probabilities
from core.models.outcomes import Outcomes
from core.monitoring.estimation.estimate import RowEstimate
from core.monitoring.labels.reference import HeldOutLoss
from core.monitoring.labels.sampling import draw_chances, labelled_mean, wanted_rows
from core.monitoring.verdicts import PerformanceVerdict
from core.state import Workspace
from core.tables import ReadingRules, TableError, read_table
from core.tables.signature import ColumnKind
from core.text_limits import cut
from core.training.own_data.estimation import EstimatedBatch, estimate_batch

ROW = "row"
MODEL, VERSION, DRAW = "model", "version", "draw"
_CALLED = {MODEL: "model", VERSION: "version", DRAW: "draw id"}
"""The columns by which a labelled row says for what it was drawn."""
_LONGEST_SHOWN = 80
FEWEST_JUDGED = 20  # labels that tell one draw from another
MOST_LATER = 3
"""Labels that are not among the first rows of a draw, three for each label, are hardly of that draw."""


class WantedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a file to label; it says for what it was drawn, since rows are copied into other files."""

    row: int  # counted from 1, without the header
    model: str
    version: str
    draw: str
    chance: float  # in one draw


class WantedLabels(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a file to label, in this order."""

    model: str
    version: str
    draw: str  # its id: the same file, version and seed have the same
    data_sha256: str
    seed: int
    rows: tuple[WantedRow, ...]
    target: str
    estimate: str  # what is known without labels

    @property
    def row_columns(self) -> tuple[str, ...]:
        """The columns of a file of these rows: the last one is for the outcome, and no other has its name."""
        return (*(name for name in (ROW, MODEL, VERSION, DRAW) if name != self.target), self.target)


class JudgedLabels(msgspec.Struct, frozen=True, kw_only=True):
    """What the labels of drawn rows prove of all rows."""

    model: str
    version: str
    draw: str  # its id
    seed: int
    loss: str
    held_out: float
    held_out_low: float  # the limits that the error of the held-out rows leaves
    held_out_high: float
    n_labels: int
    n_draws: int  # draws that count: those before the first one without a label
    value: float | None
    low: float | None
    high: float | None
    verdict: PerformanceVerdict
    n_needed: int | None = None  # draws after which a verdict is expected
    notes: tuple[str, ...] = ()


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
    model, version, draw = found.found.model, found.found.version, _draw_id(found, seed)
    return WantedLabels(
        model=model,
        version=version,
        draw=draw,
        data_sha256=found.found.data_sha256,
        seed=seed,
        rows=tuple(
            WantedRow(row=int(at) + 1, model=model, version=version, draw=draw, chance=float(share))
            for at, share in zip(rows.at[wanted], chance[wanted], strict=True)
        ),
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
        labels: A file with the columns `row` and the target; a row without a label is still awaited. The columns
            `model`, `version` and `draw` are checked where it has them.
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
    losses, unchecked = _losses(found, rows, labels, seed)
    first = found.found.report.figures[0]
    held_out = found.reference or HeldOutLoss.exactly(first.held_out)
    chance = draw_chances(rows.uncertainty)
    if unchecked:
        _check_draw(losses, chance, seed, found, labels)
    judged = labelled_mean(rows.expected, chance, losses, held_out, possible=rows.possible, seed=seed)
    return JudgedLabels(
        model=found.found.model,
        version=found.found.version,
        draw=_draw_id(found, seed),
        seed=seed,
        loss=_LOSSES[first.metric],
        held_out=held_out.mean,
        held_out_low=held_out.low,
        held_out_high=held_out.high,
        n_labels=len(losses),
        n_draws=judged.n_draws,
        value=judged.value,
        low=judged.low,
        high=judged.high,
        verdict=judged.verdict,
        n_needed=judged.n_needed,
        notes=(unchecked,) if unchecked else (),
    )


def _draw_id(found: EstimatedBatch, seed: int) -> str:
    """Name a draw by all that it follows from."""
    return f"{found.found.model}@{found.found.version}/{found.found.data_sha256[:12]}/{seed}"


def _check_draw(losses: dict[int, float], chance: FloatArray, seed: int, found: EstimatedBatch, labels: Path) -> None:
    """Refuse labels of another draw that do not say so: of a large file, few of its rows would be wanted here."""
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


def _losses(found: EstimatedBatch, rows: RowEstimate, labels: Path, seed: int) -> tuple[dict[int, float], str]:
    """Return the losses by the place of their row in the estimate, and why no draw was checked, if none was."""
    expected = {MODEL: found.found.model, VERSION: found.found.version, DRAW: _draw_id(found, seed)}
    expected = {name: value for name, value in expected.items() if name != found.target}
    as_text = dict.fromkeys(expected, ColumnKind.CATEGORY)  # a model may be called 007
    table = read_table(labels, rules=ReadingRules(kinds=as_text, lenient=True))
    for name in (ROW, found.target):
        if name not in table.frame:
            cure = "Write it with bondx labels wanted, and fill in the last column."
            raise UsageError(f"{labels} has no column {name!r}. {cure}")
    table.require_clear((ROW, found.target))
    carried = {name: table.frame[name].tolist() for name in expected if name in table.frame}
    place = {int(at) + 1: k for k, at in enumerate(rows.at)}
    losses = {}
    for k, (cell, label) in enumerate(zip(table.frame[ROW], table.frame[found.target], strict=True)):
        if _is_empty(label):
            continue
        number = _row_number(labels, cell)
        _require_expected(labels, number, {name: cells[k] for name, cells in carried.items()}, expected)
        at = place.get(number)
        if at is None:
            raise UsageError(f"{labels}: row {number} is not a row that was drawn from. Label rows that were wanted.")
        loss = _loss(found.outcomes, int(rows.at[at]), label)
        if loss is None:
            raise TableError(
                labels,
                "is not an outcome of the model",
                "Correct the label.",
                place=f"row {number}",
                column=found.target,
                cell=shown(str(label)),
            )
        losses[at] = loss
    return losses, _not_checked(labels, carried)


def _is_empty(cell: object) -> bool:
    return cell is None or cell != cell or str(cell) == ""  # NaN is not equal to itself


def _row_number(labels: Path, cell: object) -> int:
    try:
        return int(cell)  # type: ignore[call-overload, no-any-return]
    except (ValueError, TypeError, OverflowError):
        found = "no number" if _is_empty(cell) else cut(shown(str(cell)), _LONGEST_SHOWN)
        raise UsageError(f"{labels}: a label has {found} in the column {ROW!r}. Label rows that were wanted.") from None


def _require_expected(labels: Path, row: int, carried: Mapping[str, object], expected: Mapping[str, str]) -> None:
    """Refuse a labelled row that was drawn for another model, version or draw."""
    for name, cell in carried.items():
        found = "" if _is_empty(cell) else str(cell)
        if found != expected[name]:
            carries = f"the {_CALLED[name]} {cut(shown(found), _LONGEST_SHOWN)}" if found else f"no {_CALLED[name]}"
            raise UsageError(
                f"{labels}: row {row} carries {carries}, and {shown(expected[name])} was expected. "
                "Name the --data, --version and --seed of labels wanted."
            )


def _not_checked(labels: Path, carried: Mapping[str, object]) -> str:
    """Say that the draw could not be checked; empty if it was."""
    if DRAW in carried:
        return ""
    return (
        f"{labels} has no column {DRAW!r}, so it could not be checked that its labels are of this draw. "
        "Files of bondx labels wanted have the column."
    )


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
