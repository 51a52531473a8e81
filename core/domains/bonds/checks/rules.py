"""Market rules by sector."""

from collections.abc import Iterable

import numpy as np

from core.arrays import BoolArray
from core.quality.cells import Cells, Labels
from core.quality.check import Measurement, UnreadableError

PUBLIC_SECTORS = ("sovereign", "supranational_agency")
SPECULATIVE_SECTORS = ("tech_startup", "distressed")
SATELLITE_SECTORS = ("energy", "materials_mining")
FIRST_BELOW_A = 7


def sector_rules(cells: Cells) -> Measurement:
    """Measure the share of rows that break a rule of their sector, in %.

    States and supranationals issue senior unsecured debt only; start-ups and distressed firms are not rated
    A- or better; satellites watch energy and mining only.
    """
    sector = cells.labels("sector")
    rules: tuple[tuple[str, tuple[str, ...], BoolArray], ...] = (
        (
            "secured or subordinated public debt",
            ("sector", "seniority"),
            _among(sector, PUBLIC_SECTORS) & ~_among(cells.labels("seniority"), ("senior_unsecured",), unknown=True),
        ),
        (
            "A- or better in a speculative sector",
            ("sector", "rating", "rating_num"),
            _among(sector, SPECULATIVE_SECTORS) & (cells.numbers("rating_num") < FIRST_BELOW_A),
        ),
        (
            "satellite data off its sectors",
            ("sector", "satellite_activity"),
            _satellite(cells) & ~_among(sector, SATELLITE_SECTORS, unknown=True),
        ),
    )
    either, said, quoted = np.zeros(cells.n_rows, dtype=np.bool_), [], list[str]()
    for rule, columns, rows in rules:
        either |= rows
        if rows.any():
            told = rule if cells.denied.isdisjoint(columns) else f"a rule of {', '.join(columns)}"
            said.append(f"{told}: {int(rows.sum())}")
            quoted += columns
    reason, columns = "; ".join(said) or "no rule is broken", tuple(dict.fromkeys(quoted))
    return Measurement(100 * float(either.mean()), cells.n_rows, either, reason, columns=columns)


def _among(labels: Labels, names: Iterable[str], *, unknown: bool = False) -> BoolArray:
    """Return which rows have one of the names, and `unknown` for rows without a name."""
    wanted = np.array([*(name in set(names) for name in labels.names), unknown], dtype=np.bool_)
    return wanted[labels.codes]  # a code of -1 reads the last entry


def _satellite(cells: Cells) -> BoolArray:
    try:
        return ~np.isnan(cells.numbers("satellite_activity"))
    except UnreadableError:
        return np.zeros(cells.n_rows, dtype=np.bool_)
