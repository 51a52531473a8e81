"""Exposures as a bank lists them, and their file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.ratings import DEFAULTED, notch_index
from core.errors import UsageError
from core.escape import shown
from core.tables import ReadingRules, read_table
from core.tables.table import Table

NEEDED = ("exposure_id", "rating", "origination_rating", "ead_musd", "maturity_years", "eir_pct")
_NUMBERS = ("ead_musd", "maturity_years", "eir_pct", "days_past_due", "previous_stage", "previous_ecl_musd", "lgd")
_LONGEST = float(cal.MAX_TERM_YEARS.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditExposure:
    """One exposure at the reporting date.

    Attributes:
        name: Its identifier.
        notch: Place of its rating on the scale: 0 for AAA, `DEFAULTED` for D.
        origination_notch: The same at origination.
        ead: CreditExposure at default, USD m.
        lgd: Share lost in default.
        maturity: Years that are left, above 0.
        eir: Effective interest rate, as a share a year.
        days_past_due: Of its oldest payment.
        is_watched: Whether it is on watch negative.
        is_impaired: Whether it is credit-impaired by other evidence.
        previous_stage: Of the last report; None for a new exposure, or if nothing is known of it.
        previous_loss: The expected loss of the last report, USD m; None likewise.
    """

    name: str
    notch: int
    origination_notch: int
    ead: float
    lgd: float
    maturity: float
    eir: float
    days_past_due: float = 0.0
    is_watched: bool = False
    is_impaired: bool = False
    previous_stage: int | None = None
    previous_loss: float | None = None


def read_exposures(path: Path, *, rules: ReadingRules | None = None) -> list[CreditExposure]:
    """Read a file of exposures.

    Columns: exposure_id, rating, origination_rating, ead_musd, maturity_years, eir_pct, and lgd or seniority; optional:
    days_past_due, watch_negative, credit_impaired, previous_stage, previous_ecl_musd.

    Raises:
        TableError: A column is missing, or a cell cannot be used; the message names both.
    """
    table = read_table(path, rules=rules or ReadingRules())
    for column in NEEDED:
        if column not in table.frame:
            cure = f"A file of exposures has {', '.join(NEEDED)}, and lgd or seniority."
            raise table.error(f"the column {column} is missing", cure)
    if "lgd" not in table.frame and "seniority" not in table.frame:
        raise table.error("neither lgd nor seniority is a column", "Add one: the share lost, or a seniority.")
    table.require_clear(_NUMBERS)
    found = [_exposure(_Row(table, number)) for number in range(len(table.frame))]
    names = [exposure.name for exposure in found]
    if len(set(names)) < len(names):
        twice = next(number for number, name in enumerate(names) if name in names[:number])
        cell = shown(names[twice])
        raise table.error("is listed twice", "List it once.", column="exposure_id", row=twice, cell=cell)
    return found


class _Row:
    """One row of the file, whose errors name the cell."""

    def __init__(self, table: Table, number: int) -> None:
        self._table = table
        self._number = number

    def _cell(self, column: str) -> Any:
        return self._table.frame[column].iloc[self._number] if column in self._table.frame else None

    def error(self, column: str, problem: str, cure: str) -> UsageError:
        return self._table.error(problem, cure, column=column, row=self._number)

    def is_empty(self, column: str) -> bool:
        cell = self._cell(column)
        return cell is None or bool(pd.isna(cell))

    def text(self, column: str) -> str:
        if self.is_empty(column):
            raise self.error(column, "the cell is empty", "Fill it.")
        cell = self._cell(column)
        return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)

    def number(self, column: str, low: float, high: float, default: float | None = None) -> float:
        if self.is_empty(column):
            if default is None:
                raise self.error(column, "the cell is empty", "Fill it.")
            return default
        try:
            value = float(self._cell(column))
        except (TypeError, ValueError):
            value = float("nan")
        if not low <= value <= high:
            told = shown(str(self._cell(column)))
            raise self.error(column, f"{told} is outside {low:g} to {high:g}", "Correct the cell.")
        return value

    def flag(self, column: str) -> bool:
        if self.is_empty(column):
            return False
        text = str(self._cell(column)).lower()
        if text not in ("true", "false", "1", "0", "1.0", "0.0", "yes", "no"):
            raise self.error(column, f"{shown(text)} is neither yes nor no", "Write true or false.")
        return text in ("true", "1", "1.0", "yes")

    def notch(self, column: str) -> int:
        symbol = self.text(column).strip().upper()
        try:
            return notch_index(symbol)
        except ValueError:
            raise self.error(column, f"{shown(symbol)} is no rating", "Write AAA, AA+ … C, or D.") from None

    def lgd(self) -> float:
        if not self.is_empty("lgd"):
            return self.number("lgd", 0.0, 1.0)
        seniority = self.text("seniority")
        if (found := cal.LGD.value.get(seniority)) is None:
            raise self.error("seniority", f"{shown(seniority)} is none", f"Write {', '.join(cal.LGD.value)}.")
        return float(found)


def _exposure(row: _Row) -> CreditExposure:
    origination = row.notch("origination_rating")
    if origination == DEFAULTED:
        raise row.error("origination_rating", "D is no rating at origination", "Write the rating that it had then.")
    return CreditExposure(
        name=row.text("exposure_id"),
        notch=row.notch("rating"),
        origination_notch=origination,
        ead=row.number("ead_musd", 0.0, 1e9),
        lgd=row.lgd(),
        maturity=row.number("maturity_years", float(np.nextafter(0.0, 1.0)), _LONGEST - 1),
        eir=row.number("eir_pct", -50.0, 200.0) / 100,
        days_past_due=row.number("days_past_due", 0.0, 1e5, 0.0),
        is_watched=row.flag("watch_negative"),
        is_impaired=row.flag("credit_impaired"),
        previous_stage=None if row.is_empty("previous_stage") else int(row.number("previous_stage", 1, 3)),
        previous_loss=None if row.is_empty("previous_ecl_musd") else row.number("previous_ecl_musd", 0.0, 1e9),
    )
