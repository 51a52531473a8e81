"""The scores of an epoch by slice, as a small table for each model. Light to import."""

from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from core.any_case import named_in_any_case
from core.domains.report_section import ReportSection
from core.errors import UsageError
from core.escape import shown

MOST_SLICES = 64
"""Of a model: a domain of many categories must not fill the disk, epoch by epoch."""

N_ROWS = "n_rows"
HEADLINES = {"r2_score": "R²", "roc_auc_score": "AUC", "accuracy_score": "accuracy", "mean_absolute_error": "MAE"}
"""The scores that say most where there is room for one, the first that a model has, and their labels."""


class SliceTable(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of a model by slice of the validation panel.

    Attributes:
        scores: The names of the columns: `n_rows`, then the standard scores.
        slices: The names of the rows, such as "sector=banks".
        values: A row for each slice, with five significant digits; None where a score is undefined.
        made_of: The column behind each slicing; an earlier release stored none.
    """

    scores: tuple[str, ...]
    slices: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    made_of: dict[str, str] = {}


SlicesByModel = Mapping[str, SliceTable]


class SliceScores(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one model on one slice."""

    model: str
    by: str
    level: str
    n_rows: int
    scores: dict[str, float]


def slice_table(found: Mapping[str, Mapping[str, float]], made_of: Mapping[str, str] | None = None) -> SliceTable:
    """Arrange the scores of a model; of more than `MOST_SLICES` slices, the first are kept.

    Args:
        found: `n_rows` and the scores of each slice, by its name.
        made_of: The column behind each slicing, by the name of the slicing.

    >>> slice_table({"a=1": {"n_rows": 40.0, "r2_score": 0.123456789}, "a=2": {"n_rows": 50.0}}).values
    ((40.0, 0.12346), (50.0, None))
    """
    kept = dict(islice(found.items(), MOST_SLICES))
    names = tuple(dict.fromkeys(name for scores in kept.values() for name in scores))
    values = tuple(tuple(_rounded(scores.get(name)) for name in names) for scores in kept.values())
    return SliceTable(scores=names, slices=tuple(kept), values=values, made_of=dict(made_of or {}))


def slicings(tables: SlicesByModel) -> list[str]:
    """Name what the slices are by, in their order: sector, rating, maturity, region."""
    return list(dict.fromkeys(name.partition("=")[0] for table in tables.values() for name in table.slices))


def scores_by(tables: SlicesByModel, by: str | None = None) -> list[SliceScores]:
    """List the scores of every model and slice.

    Args:
        tables: The tables of an epoch, by model.
        by: Only the slices by this, in any case; by default all.
    Raises:
        UsageError: There are no slices by this; the message lists the slicings.
    """
    known = slicings(tables)
    if by is not None and (by := named_in_any_case(by, known)) not in known:
        choices = ", ".join(known) or "none"
        raise UsageError(f"This epoch has no scores by {shown(by)}. Its slices are by: {choices}.")
    return [
        SliceScores(
            model=model,
            by=name.partition("=")[0],
            level=name.partition("=")[2],
            n_rows=int(row[table.scores.index(N_ROWS)] or 0),
            scores={
                score: value
                for score, value in zip(table.scores, row, strict=True)
                if value is not None and score != N_ROWS
            },
        )
        for model, table in tables.items()
        for name, row in zip(table.slices, table.values, strict=True)
        if by is None or name.partition("=")[0] == by
    ]


def slice_sections(tables: SlicesByModel, epoch: int) -> tuple[ReportSection, ...]:
    """Draw a table for each slicing: a row for each slice, and a column for each model with its headline."""
    every = scores_by(tables)
    headlines = {
        model: next((name for name in HEADLINES if name in table.scores), "") for model, table in tables.items()
    }
    columns = [f"{model} {HEADLINES[name]}" for model, name in headlines.items() if name]
    return tuple(
        ReportSection(
            title=f"By {by}, epoch {epoch}",
            about="",
            columns=(by, "rows", *columns),
            rows=_rows([each for each in every if each.by == by], headlines),
        )
        for by in slicings(tables)
    )


def _rows(found: Sequence[SliceScores], headlines: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    levels: dict[str, dict[str, SliceScores]] = {}
    for each in found:
        levels.setdefault(each.level, {})[each.model] = each
    return tuple(
        (
            level,
            str(max(each.n_rows for each in of_level.values())),
            *(_cell(of_level.get(model), score) for model, score in headlines.items() if score),
        )
        for level, of_level in levels.items()
    )


def _cell(scores: SliceScores | None, name: str) -> str:
    value = None if scores is None else scores.scores.get(name)
    return "" if value is None else f"{value:.3f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
