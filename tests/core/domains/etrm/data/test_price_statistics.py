"""The simulated prices have the figures that the calibration states, over several paths of ten years."""

import pytest

from core.domains.etrm.data.price_statistics import price_statistics, table_of

N_PATHS = 8


@pytest.fixture(scope="module")
def statistics():
    return {each.name: each for each in price_statistics(range(N_PATHS))}


def test_every_stated_figure_is_met_within_its_error(statistics):
    """Tolerance: four standard errors of the mean over the paths, and 6 % for rounding in the statement.

    A least-squares estimate of reversion is biased upwards by about 4 over the length of the series: 0.3 for 13 years.
    """
    stated = [each for each in statistics.values() if each.stated is not None]
    assert len(stated) > 40
    for each in stated:
        bias = 0.4 if "reversion" in each.name else 0.0
        tolerance = 4 * each.error + 0.06 * abs(each.stated) + bias
        assert abs(each.paths.mean() - each.stated) <= tolerance, each.name


def test_the_figures_seen_on_public_series_are_near(statistics):
    """Tolerance: 15 %; the laws are a rounded compromise. TTF's daily sd is that of calm years, .45 a year."""
    for name, each in statistics.items():
        if each.seen is not None and each.stated is not None and name != "TTF: daily sd without jumps":
            assert each.paths.mean() == pytest.approx(each.seen, rel=0.15, abs=0.5 if "reversion" in name else 0), name
    assert statistics["DE, FR: correlation of weekly changes"].median == pytest.approx(0.72, abs=0.1)
    assert statistics["BRENT, WTI: correlation of weekly changes"].median == pytest.approx(0.91, abs=0.06)
    assert statistics["HH: median price"].paths.mean() == pytest.approx(3.0, abs=0.7)


def test_power_is_negative_on_some_days_of_some_paths_and_never_on_most(statistics):
    negative = statistics["DE: share of negative days"].paths
    assert negative.max() > 0
    assert statistics["DE: share of negative days"].median < 0.06


def test_the_table_has_a_row_for_each_figure(statistics):
    lines = table_of(list(statistics.values())).splitlines()
    assert len(lines) == len(statistics) + 2
    assert "| DE: jumps a year | 20 | 21.5 |" in "\n".join(lines)
