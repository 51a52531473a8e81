"""Every number of the stress tests has a grade and a source, and every scenario its place in the page."""

from pathlib import Path

import pytest

from core.domains.bonds.stress import calibration as own
from core.domains.bonds.stress.scenarios import BOND_SCENARIOS
from core.domains.calibrated import GRADES

PAGE = Path(__file__).parents[5] / "docs" / "stress.md"


@pytest.mark.parametrize("name", sorted(own.constants()))
def test_every_constant_has_a_unit_a_grade_and_a_known_source(name):
    constant = own.constants()[name]
    assert constant.unit.strip()
    assert constant.grade in GRADES
    assert set(constant.source.split(",")) <= set(own.SOURCES)


def test_the_digest_names_the_calibration():
    assert len(own.digest()) == 64


@pytest.mark.parametrize("scenario", BOND_SCENARIOS, ids=lambda s: s.name)
def test_every_scenario_has_sources_and_its_place_in_the_page(scenario):
    assert scenario.sources
    assert scenario.grade in GRADES
    assert f"`{scenario.name}`" in PAGE.read_text(encoding="utf-8")


def test_names_are_unique():
    assert len({scenario.name for scenario in BOND_SCENARIOS}) == len(BOND_SCENARIOS)


def test_the_five_families_and_the_combination_are_there():
    families = {scenario.family for scenario in BOND_SCENARIOS}
    assert families == {
        "global_liquidity_freeze", "downgrade_cascade", "rate_shock", "inflation", "fx_risk", "combined"
    }  # fmt: skip
