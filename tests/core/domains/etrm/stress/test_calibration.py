"""Every number of the stress tests has a grade and a source, and every scenario its place in the page."""

from pathlib import Path

import pytest

from core.domains.calibrated import GRADES
from core.domains.etrm.stress import calibration as own
from core.domains.etrm.stress.plausible import yearly_roots
from core.domains.etrm.stress.scenarios import ENERGY_SCENARIOS

PAGE = Path(__file__).parents[5] / "docs" / "stress.md"


@pytest.mark.parametrize("name", sorted(own.constants()))
def test_every_constant_has_a_unit_a_grade_and_a_known_source(name):
    constant = own.constants()[name]
    assert constant.unit.strip()
    assert constant.grade in GRADES
    assert set(constant.source.split(",")) <= set(own.SOURCES)


def test_the_digest_names_the_calibration():
    assert len(own.digest()) == 64


@pytest.mark.parametrize("scenario", ENERGY_SCENARIOS, ids=lambda s: s.name)
def test_every_scenario_has_graded_sources_and_its_place_in_the_page(scenario):
    assert scenario.sources
    assert all(source.rstrip(")")[-1] in GRADES for source in scenario.sources)
    assert scenario.grade in GRADES
    assert len(set(map(str, scenario.steps[0].ladder))) == 3
    assert f"`{scenario.name}`" in PAGE.read_text(encoding="utf-8")


def test_names_are_unique():
    assert len({scenario.name for scenario in ENERGY_SCENARIOS}) == len(ENERGY_SCENARIOS)


def test_the_five_families_and_the_combination_are_there():
    families = {scenario.family for scenario in ENERGY_SCENARIOS}
    assert families == {
        "price_spike", "negative_prices", "outage", "correlation_break", "hub_freeze", "combined"
    }  # fmt: skip


def test_a_year_of_the_slow_factor_is_as_wide_as_its_law_says():
    assert yearly_roots()[1][1, :2] @ yearly_roots()[1][1, :2] == pytest.approx(
        0.35**2 * (1 - 2.718281828**-0.6) / 0.6, rel=0.01
    )
