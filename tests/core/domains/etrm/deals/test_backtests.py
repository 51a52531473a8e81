"""The back-tests of a session's price path: within their nominal laws over many paths, and determined by the path."""

import numpy as np
import pytest

from core.domains.etrm.deals.backtests import WINDOW, var_section
from core.domains.etrm.deals.markets import markets_of
from core.domains.etrm.risk.historical import exceedance_rate
from tests.truth import most_expected


def test_historical_var_is_exceeded_as_often_as_its_window_says():
    historical = [row for seed in range(6) for row in var_section(seed, 1).rows if row[0].endswith("hist")]
    for place, level, within in ((2, 0.95, 0.012), (5, 0.99, 0.006)):
        shares = [float(row[place].rstrip(" %")) for row in historical]
        expected = exceedance_rate(WINDOW, level)
        assert sum(shares) / len(shares) / 100 == pytest.approx(expected, abs=within)
    p_values = [float(row[3]) for row in historical]
    assert sorted(p_values)[len(p_values) // 2] > 0.1, "the books of a path share its prices, so some fail together"


@pytest.mark.truth
def test_a_right_var_passes_its_back_tests_on_as_many_paths_as_their_level_says(truth):
    """Three years of prices; the books of a path share them, so the paths are counted, not the books."""
    n = 8 * truth.scale
    rows = [row for seed in range(40, 40 + n) for row in var_section(seed, 3).rows]
    historical = [row for row in rows if row[0].endswith("hist")]
    for place in (3, 6):
        rejected = np.mean([float(row[place]) < 0.05 for row in historical])
        truth.at_most(rejected, most_expected(0.05, n * 8), n=n)
    for kind in ("hist", "normal"):
        red = np.mean([row[-1] == "red" for row in rows if row[0].endswith(kind)])
        truth.at_most(red, 0.01, n=n)


def test_the_past_of_a_path_does_not_change_when_it_goes_on():
    shorter, longer = markets_of(11, 1).moves, markets_of(11, 2).moves
    assert np.array_equal(shorter, longer[: len(shorter)]), "no figure of a day knows the days after it"


def test_a_path_gives_one_section_with_two_rows_for_each_book():
    first, again = var_section(3, 1), var_section(3, 1)
    assert first == again
    assert len(first.rows) == 16
    assert {row[-1] for row in first.rows} <= {"green", "yellow", "red"}
