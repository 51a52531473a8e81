"""Whether a file for other servers answers as the version does: on its held-out rows, and on rows made to tell."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from core.arrays import AnyArray, FloatArray
from core.errors import RefusedError
from core.explain.deny_list import DenyList
from core.explain.plain_trees import LEAF, PlainTrees
from core.interop.onnx_features import Spelling, as_it_is
from core.models.scoring.fields import NUMERIC, Field, Rows

TOLERANCE: Final = 1e-6  # of the size of the answer
MOST_ROWS: Final = 2_000  # of the held-out rows
N_DRAWN: Final = 500
MOST_SPLITS: Final = 200
LARGEST_SPLIT: Final = 1e30  # beyond it splits tell missing cells from all numbers
UNSEEN: Final = "a level that no training row has"
MISSING: Final = ""  # how a request of ONNX leaves out a text

ScoredRows = Callable[[Rows], AnyArray]
AnsweredFeeds = Callable[[Mapping[str, AnyArray]], AnyArray]
"""Answers the inputs of a file, which may be more than it reads."""


class ParityError(RefusedError):
    """The file answers a row otherwise than the version."""

    def __init__(self, form: str, row: Mapping[str, object], found: AnyArray, expected: AnyArray) -> None:
        told = msgspec.json.encode(row).decode()
        super().__init__(
            f"The {form} answers {_told(found)} where the version answers {_told(expected)}, for the row {told}. "
            "Nothing was written."
        )


class Parity(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared.

    Attributes:
        n_held_out: Rows that the version keeps and did not learn from.
        n_made: Rows made for the comparison: drawn over the ranges, missing and extreme values, unseen levels, splits.
        largest: The largest difference, as a share of the size of the answer.
    """

    n_held_out: int
    n_made: int
    largest: float


def feeds_of(fields: Sequence[Field], rows: Rows, spelled: Spelling = as_it_is) -> dict[str, AnyArray]:
    """Return rows as the inputs of the file: doubles with NaN, and texts that are empty where there is none."""
    numbers = [field.name for field in fields if field.kind in NUMERIC]
    texts = [field.name for field in fields if field.kind not in NUMERIC]
    feeds: dict[str, AnyArray] = {
        name: np.ascontiguousarray(rows.numbers[:, place], dtype=np.float64) for place, name in enumerate(numbers)
    }
    for place, name in enumerate(texts):
        cells = (row[place] for row in rows.texts)
        feeds[name] = np.array([MISSING if cell is None else spelled(name, cell) for cell in cells], dtype=object)
    return feeds


def answers_of_onnx(content: bytes) -> AnsweredFeeds:
    """Return what onnxruntime answers from a file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    asked = {each.name for each in session.get_inputs()}

    def answered(feeds: Mapping[str, AnyArray]) -> AnyArray:
        return np.asarray(session.run(None, {name: values for name, values in feeds.items() if name in asked})[0])

    return answered


def compare(
    answers: AnsweredFeeds,
    scored: ScoredRows,
    fields: Sequence[Field],
    held_out: pd.DataFrame | None,
    splits: Mapping[str, FloatArray],
    *,
    denied: DenyList | None = None,
    spelled: Spelling = as_it_is,
    form: str = "ONNX file",
) -> Parity:
    """Let a file answer rows, and compare the answers with the version's own.

    Args:
        answers: Answers from the file.
        scored: Answers rows as the version does.
        fields: The columns of a request, numbers first.
        held_out: The rows that the version keeps; None if it keeps none.
        splits: Of columns of numbers, where the trees split.
        denied: Columns that no row that is shown has.
        spelled: Returns how the file writes a level of a column.
        form: What to call the file.
    Raises:
        ParityError: An answer differs.
    """
    kept = [] if held_out is None else [_rows_of(fields, held_out.head(MOST_ROWS))]
    made = [_drawn(fields), _edges(fields, splits)]
    largest, scale = 0.0, 0.0
    for rows in (*kept, *made):
        found = np.asarray(answers(feeds_of(fields, rows, spelled)), dtype=np.float64).reshape(len(rows), -1)
        expected = np.asarray(scored(rows), dtype=np.float64).reshape(len(rows), -1)
        # The size of a usual answer, known from the first rows: an answer near zero is not held to its own digits.
        scale = scale or float(np.nanmedian(np.abs(expected))) or 1.0
        with np.errstate(invalid="ignore"):
            gap = np.abs(found - expected) / np.maximum(np.abs(expected), scale)
        gap[(found == expected) | (np.isnan(found) & np.isnan(expected))] = 0.0
        worst = int(np.argmax(np.nan_to_num(gap, nan=np.inf).max(axis=1)))
        if not gap[worst].max() <= TOLERANCE:
            raise ParityError(form, _told_row(fields, rows, worst, denied or DenyList()), found[worst], expected[worst])
        largest = max(largest, float(gap.max()))
    return Parity(n_held_out=sum(map(len, kept)), n_made=sum(map(len, made)), largest=largest)


def splits_of(columns: Sequence[str], ensembles: Sequence[PlainTrees]) -> dict[str, FloatArray]:
    """Return some of the numbers at which trees split, by column.

    Args:
        columns: Of the matrix that the trees read.
        ensembles: The trees.
    """
    found: dict[str, list[float]] = {}
    for tree in (tree for trees in ensembles for tree in trees.trees):
        for node in np.flatnonzero(tree.left != LEAF).tolist():
            if node not in tree.levels and abs(tree.threshold[node]) < LARGEST_SPLIT:
                found.setdefault(columns[int(tree.feature[node])], []).append(float(tree.threshold[node]))
    return {name: np.unique(values)[:: max(1, len(np.unique(values)) // MOST_SPLITS)] for name, values in found.items()}


def _rows_of(fields: Sequence[Field], frame: pd.DataFrame) -> Rows:
    numbers = np.full((len(frame), sum(field.kind in NUMERIC for field in fields)), np.nan)
    texts: list[list[Any]] = []
    place = 0
    for field in fields:
        if field.kind in NUMERIC:
            if field.name in frame:  # else the settings mask it
                numbers[:, place] = pd.to_numeric(frame[field.name], errors="coerce").to_numpy(
                    np.float64, na_value=np.nan
                )
            place += 1
        elif field.name in frame:
            values = frame[field.name]
            texts.append([None if gone else str(value) for value, gone in zip(values, values.isna(), strict=True)])
        else:
            texts.append([None] * len(frame))
    return Rows(numbers, list(zip(*texts, strict=True)) if texts else [()] * len(frame))


def _drawn(fields: Sequence[Field]) -> Rows:
    """Draw rows over the ranges and levels, one cell in twenty missing."""
    random = np.random.default_rng(0)
    numbers = []
    texts: list[list[str | None]] = []
    for field in fields:
        missing = random.random(N_DRAWN) < 0.05
        if field.kind in NUMERIC:
            least, most = _range(field)
            drawn = random.uniform(least, most, N_DRAWN)
            drawn = drawn if field.kind == "float" else np.round(drawn)
            numbers.append(np.where(missing, np.nan, drawn))
        else:
            levels = np.array([*field.categories, UNSEEN], dtype=object)
            drawn = levels[random.integers(0, len(levels), N_DRAWN)]
            texts.append([None if gone else str(level) for level, gone in zip(drawn, missing, strict=True)])
    matrix = np.column_stack(numbers) if numbers else np.empty((N_DRAWN, 0))
    return Rows(matrix, list(zip(*texts, strict=True)) if texts else [()] * N_DRAWN)


def _edges(fields: Sequence[Field], splits: Mapping[str, FloatArray]) -> Rows:
    """Make rows that differ from a usual one in one cell: extremes, splits, every level, an unseen one, none."""
    usual = [float(np.mean(_range(field))) for field in fields if field.kind in NUMERIC]
    words = [field.categories[0] if field.categories else None for field in fields if field.kind not in NUMERIC]
    numbers: list[list[float]] = [list(usual), [np.nan] * len(usual)]
    texts: list[tuple[str | None, ...]] = [tuple(words), (None,) * len(words)]
    n_numbers, n_texts = 0, 0
    for field in fields:
        if field.kind in NUMERIC:
            least, most = _range(field)
            reach = most - least
            at = splits.get(field.name, np.empty(0))
            near = [at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)]
            cells = [np.nan, 0.0, -1.0, least, most, least - 1e3 * reach, most + 1e3 * reach, *np.concatenate(near)]
            for cell in cells:
                numbers.append([*usual[:n_numbers], float(cell), *usual[n_numbers + 1 :]])
                texts.append(tuple(words))
            n_numbers += 1
        else:
            for level in (None, UNSEEN, *field.categories):
                numbers.append(list(usual))
                texts.append((*words[:n_texts], level, *words[n_texts + 1 :]))
            n_texts += 1
    return Rows(np.array(numbers, dtype=np.float64).reshape(len(texts), -1), texts)


def _range(field: Field) -> tuple[float, float]:
    least = 0.0 if field.least is None else field.least
    most = least + 100.0 if field.most is None else field.most
    return least, most if most > least else least + 1.0


def _told_row(fields: Sequence[Field], rows: Rows, position: int, denied: DenyList) -> dict[str, object]:
    numbers, texts = iter(rows.numbers[position].tolist()), iter(rows.texts[position])
    cells = {field.name: next(numbers) if field.kind in NUMERIC else next(texts) for field in fields}
    return {name: None if cell != cell else cell for name, cell in cells.items() if not denied.denies(name)}


def _told(answer: AnyArray) -> str:
    return ", ".join(f"{value:.9g}" for value in answer.tolist())
