"""Numbers as people write them: decimal commas, thousands separators, percent, currencies, (5) and 1.2k.

A form is decided by the whole column: of all known forms, those count that fit every cell. If two of them read
different numbers from the same cells (1.257 as 1257 or as 1.257), the column is in doubt, and a person must decide.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.arrays import BoolArray, FloatArray

# Spellings of one thing: spaces that do not break a line, the typographic minus and apostrophe.
_SAME = (("\u00a0", " "), ("\u202f", " "), ("\u2009", " "), ("\u2212", "-"), ("\u2019", "'"), ("\u02bc", "'"))
_CODES = "USD|EUR|GBP|CHF|JPY|CNY|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|BRL|MXN|ZAR|SGD|HKD|KRW|TRY|RUB"
_CURRENCY = rf"(?:US\$|[$€£¥₹₩₽₺₪฿₴₫]|zł|kr\.?|Fr\.?|(?i:{_CODES}))"
_WRITTEN = (
    r"^(?P<bracket>\()? ?(?P<sign>[+-])? ?"
    rf"(?P<before>{_CURRENCY})? ?(?P<inner>[+-])?"
    r"(?P<core>[0-9.,'][0-9.,' ]*?(?:[eE][+-]?[0-9]+)?)"
    rf" ?(?P<scale>[kKMB]|bn)? ?(?P<after>%|‰|{_CURRENCY})?(?P<last>-)? ?(?P<end>\))?$"
)
_PARTS = ("bracket", "sign", "before", "inner", "core", "scale", "after", "last", "end")
_POWERS = {"k": "e3", "K": "e3", "M": "e6", "B": "e9", "bn": "e9"}
_CODE = r"^0[0-9]"  # 007 is a name, not the number 7
_EXPONENT = "(?:[eE][+-]?[0-9]+)?"
PERCENT = ("%", "‰")
SCALED = 0.1  # from this share of scaled cells on, 12k is a number; one such cell among plain numbers is an error


class NumberMarks(NamedTuple):
    """The decimal mark and the thousands separator of a form."""

    decimal: str
    thousands: str

    @property
    def pattern(self) -> str:
        """The regular expression of a number without sign and unit."""
        point = rf"\{self.decimal}"
        whole = "[0-9]+"
        if self.thousands:
            mark = rf"\{self.thousands}" if self.thousands != " " else " "
            grouped = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+"
            if self.thousands == ",":  # 12,34,567 is how India writes 1,234,567
                grouped = rf"{grouped}|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}"
            # A writer who groups with points groups every number, so 1257 beside 1.257 shows a decimal point.
            whole = rf"(?:{'[0-9]{1,3}' if self.thousands == '.' else '[0-9]+'}|{grouped})"
        return rf"^(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+){_EXPONENT}$"


FORMS = (
    NumberMarks(".", ""),
    NumberMarks(",", ""),
    NumberMarks(".", ","),
    NumberMarks(",", "."),
    NumberMarks(".", "'"),
    NumberMarks(",", "'"),
    NumberMarks(".", " "),
    NumberMarks(",", " "),
)


@dataclass(frozen=True, slots=True)
class Written:
    """Cells taken apart.

    Attributes:
        cores: The digits with their marks; null where a cell does not look like a number.
        units: The unit of each cell, "" if it has none.
        scales: What each cell says of its scale (k, M, B), "" if nothing.
        is_negative: Whether a cell is negative.
    """

    cores: pa.Array
    units: pa.Array
    scales: pa.Array
    is_negative: BoolArray

    @property
    def looks(self) -> BoolArray:
        """Which cells look like numbers."""
        return np.asarray(self.cores.is_valid().to_numpy(zero_copy_only=False))

    @property
    def has_codes(self) -> bool:
        """Whether digits start with a zero, as in 007."""
        return bool(pc.any(pc.match_substring_regex(self.cores, _CODE)).as_py())

    def fits(self, marks: NumberMarks) -> BoolArray:
        """Return which cells are numbers of a form."""
        found = pc.match_substring_regex(self.cores, marks.pattern).fill_null(False)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def values(self, marks: NumberMarks) -> FloatArray:
        """Read the cells that fit a form; NaN elsewhere."""
        cores = pc.if_else(pa.array(self.fits(marks)), self.cores, None)
        if marks.thousands:
            cores = pc.replace_substring(cores, marks.thousands, "")
        if marks.decimal == ",":
            cores = pc.replace_substring(cores, ",", ".")
        for scale in filter(None, pc.unique(self.scales).to_pylist()):
            # As text, since 2.3 times a million is not 2300000 exactly.
            scaled = pc.binary_join_element_wise(cores, _POWERS[scale], "")
            cores = pc.if_else(pc.equal(self.scales, scale), scaled, cores)
        numbers = np.asarray(pc.cast(cores, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        return np.where(self.is_negative, -numbers, numbers)


@dataclass(frozen=True, slots=True)
class NumbersRead:
    """The numbers of distinct cells.

    Attributes:
        marks: Of the form.
        values: The numbers, shape (n,).
        decimal: The decimal mark that the cells show; "" if every form reads the same numbers.
        others: Further readings of the same cells, by their decimal mark.
    """

    marks: NumberMarks
    values: FloatArray
    decimal: str
    others: dict[str, "NumbersRead"] = field(default_factory=dict)


def spelled_alike(cells: pa.Array) -> pa.Array:
    """Replace typographic spaces, minus signs and apostrophes with plain ones."""
    for special, plain in _SAME:
        cells = pc.replace_substring(cells, special, plain)
    return cells


def taken_apart(names: pa.Array) -> Written:
    """Split cells into digits, sign and unit."""
    found = pc.extract_regex(spelled_alike(names), _WRITTEN)
    parts = {name: pc.fill_null(found.field(position), "") for position, name in enumerate(_PARTS)}
    has = {name: _mask(pc.not_equal(part, "")) for name, part in parts.items()}
    minus = has["bracket"] | has["last"]
    for name in ("sign", "inner"):
        minus |= _mask(pc.equal(parts[name], "-"))
    n_signs = sum(has[name].astype(np.int64) for name in ("bracket", "sign", "inner", "last"))
    is_sound = has["core"] & (has["bracket"] == has["end"]) & (n_signs <= 1) & ~(has["before"] & has["after"])
    if has["scale"].any():
        is_sound &= ~(has["scale"] & _mask(pc.match_substring_regex(parts["core"], "[eE]")))
        if (is_sound & has["scale"]).sum() < SCALED * is_sound.sum():
            is_sound &= ~has["scale"]
    scales = pc.if_else(pa.array(is_sound), parts["scale"], "")
    units = pc.if_else(pa.array(has["before"]), parts["before"], parts["after"])
    return Written(pc.if_else(pa.array(is_sound), parts["core"], None), units, scales, minus)


def read_numbers(written: Written, wanted: tuple[str, ...] = (".", ",")) -> NumbersRead | None:
    """Read distinct cells in the form that fits all of them; None if no form does.

    Args:
        written: The cells.
        wanted: The decimal marks that may be meant.
    """
    readings: list[NumbersRead] = []
    for marks in FORMS:
        if marks.decimal in wanted and written.fits(marks).all():
            values = written.values(marks)
            if not any(np.array_equal(values, other.values, equal_nan=True) for other in readings):
                readings.append(NumbersRead(marks, values, marks.decimal))
    if not readings:
        return None
    first, *rest = readings
    others = {other.marks.decimal: other for other in rest if other.marks.decimal != first.marks.decimal}
    shows = any(
        written.fits(marks).all() for marks in FORMS if marks.decimal in wanted and marks.decimal != first.marks.decimal
    )
    return NumbersRead(first.marks, first.values, "" if shows and not others else first.marks.decimal, others)


def best_fit(written: Written) -> BoolArray:
    """Return which cells fit the form that fits most of them."""
    return max((written.fits(marks) for marks in FORMS), key=lambda fits: int(fits.sum()))


def most_numbers(names: pa.Array, decimal: str = "") -> FloatArray:
    """Read distinct cells in the form that fits most of them; NaN for the others."""
    written = taken_apart(names)
    marks = max(
        (marks for marks in FORMS if decimal in ("", marks.decimal)), key=lambda marks: int(written.fits(marks).sum())
    )
    return written.values(marks)


def may_be_grouped(values: FloatArray) -> bool:
    """Return whether numbers read with a decimal point may be thousands grouped by points, before the text is read.

    Each has at most three decimals, and lies between 1 and 1,000 where it has any.
    """
    filled = np.abs(values[~np.isnan(values)])
    if not filled.size or filled.max() >= 1_000.0:
        return False
    broken = filled[filled != np.floor(filled)]
    if broken.size and broken.min() < 1.0:
        return False
    return bool((np.abs(filled * 1_000.0 - np.rint(filled * 1_000.0)) < 1e-6).all())


def _mask(fits: pa.Array) -> BoolArray:
    return np.asarray(fits.to_numpy(zero_copy_only=False), dtype=np.bool_)
