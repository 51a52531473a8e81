"""A batch in a file, read in the layout of a model and answered by it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.domains.catalogue import judged_by_its_domain
from core.errors import CoreError
from core.escape import spelled_out
from core.explain.deny_list import DenyList
from core.models import Model
from core.models.outcomes import Outcomes, outcomes_by
from core.monitoring.data_profile import DataProfile
from core.monitoring.drift_check import kinds_to_read
from core.tables import ReadingRules, Table, TableError, TableSignature, read_table


@dataclass(frozen=True, slots=True)
class AnsweredBatch:
    """The rows of a file, and the answers to them.

    Attributes:
        table: The file.
        frame: Its rows in the layout of the model.
        outcomes: The answers; None if the rows cannot be answered.
        note: Why they cannot; empty if they can.
    """

    table: Table
    frame: pd.DataFrame
    outcomes: Outcomes | None
    note: str = ""


def read_batch(
    model: Model,
    signature: TableSignature | None,
    profile: DataProfile,
    data: Path,
    rules: ReadingRules,
    cells: DenyList,
) -> AnsweredBatch:
    """Read the file in the layout of the model, and answer its rows; a file that lacks columns is read, too.

    Args:
        model: The model.
        signature: Of the model; None if unrecorded.
        profile: What it learned from.
        data: The file; it may have the target.
        rules: How its columns are to be read.
        cells: The columns of which no note quotes a cell.
    Raises:
        TableError: The file cannot be used.
    """
    lacks: TableError | None = None
    try:
        found = judged_by_its_domain(model, signature, data, rules, needs_target=False)
    except TableError as error:
        found, lacks = None, error
    if found is not None:
        outcomes, note = _answers(found.model, found.frame, profile, cells)
        return AnsweredBatch(found.table.without_quotes(cells.patterns), found.frame, outcomes, note)
    kinds = kinds_to_read({column.name: column.kind for column in profile.data_columns})
    table = read_table(data, rules=replace(rules, kinds=kinds)).without_quotes(cells.patterns)
    if lacks is not None:
        return AnsweredBatch(table, table.frame, None, f"the rows cannot be answered: {cells.told(lacks)}")
    outcomes, note = _answers(model, table.frame, profile, cells)
    return AnsweredBatch(table, table.frame, outcomes, note)


def _answers(model: Any, frame: pd.DataFrame, profile: DataProfile, cells: DenyList) -> tuple[Outcomes | None, str]:
    lost = [column.name for column in profile.features if column.name not in frame]
    if lost:
        return None, f"the rows cannot be answered without {spelled_out(', '.join(lost[:5]))}"
    try:
        return outcomes_by(model, frame), ""
    except (CoreError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        return None, f"the rows cannot be answered: {spelled_out(cells.told(error))}"
