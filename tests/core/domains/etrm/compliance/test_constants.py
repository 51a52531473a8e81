"""Every constant of the rules says where it comes from."""

from core.domains.calibrated import GRADES
from core.domains.etrm.compliance.constants import SOURCES, constants


def test_every_constant_has_a_unit_a_grade_and_known_sources():
    assert len(constants()) > 20
    for name, constant in constants().items():
        assert constant.unit, name
        assert constant.grade in GRADES, name
        assert set(constant.source.split(",")) <= set(SOURCES), name


def test_every_source_is_used():
    used = {code for constant in constants().values() for code in constant.source.split(",")}
    # ISO 17442 and the calendars are rules in code, not numbers.
    assert set(SOURCES) - used == {"TARGET", "USC", "ISO17442"}
