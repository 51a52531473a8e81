"""The back-tests of a session's price path: within their nominal laws over many paths, and determined by the path."""

import pytest

from core.domains.etrm.deals.backtests import WINDOW, var_section
from core.domains.etrm.risk.historical import exceedance_rate


def test_historical_var_is_exceeded_as_often_as_its_window_says():
    historical = [row for seed in range(6) for row in var_section(seed, 1).rows if row[0].endswith("hist")]
    for place, level, within in ((2, 0.95, 0.012), (5, 0.99, 0.006)):
        shares = [float(row[place].rstrip(" %")) for row in historical]
        expected = exceedance_rate(WINDOW, level)
        assert sum(shares) / len(shares) / 100 == pytest.approx(expected, abs=within)
    p_values = [float(row[3]) for row in historical]
    assert sorted(p_values)[len(p_values) // 2] > 0.1, "the books of a path share its prices, so some fail together"


def test_a_path_gives_one_section_with_two_rows_for_each_book():
    first, again = var_section(3, 1), var_section(3, 1)
    assert first == again
    assert len(first.rows) == 16
    assert {row[-1] for row in first.rows} <= {"green", "yellow", "red"}
