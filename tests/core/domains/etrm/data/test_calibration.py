import ast
import math
from pathlib import Path

import pytest

from core.domains.calibrated import GRADES
from core.domains.etrm.data import calibration as cal

GENERATOR = sorted(Path(cal.__file__).parent.glob("*.py"))
HOLDS_NUMBERS_BY_DESIGN = {"calibration.py", "settings.py"}
NOT_CALIBRATION = {0.0, 0.5, 1.0, 2.0, 100.0}


@pytest.mark.parametrize("name", sorted(cal.constants()))
def test_every_constant_has_a_unit_a_grade_and_a_known_source(name):
    constant = cal.constants()[name]
    assert constant.unit.strip()
    assert constant.grade in GRADES
    assert constant.source
    assert set(constant.source.split(",")) <= set(cal.SOURCES)


def test_nothing_in_the_calibration_is_left_without_a_grade():
    names_and_codes = {"SOURCES", "COMMODITIES", "DAYS_IN_YEAR"}
    named = {name for name in vars(cal) if name.isupper() and len(name) > 1}
    assert named == names_and_codes | set(cal.constants())


@pytest.mark.parametrize("path", [p for p in GENERATOR if p.name not in HOLDS_NUMBERS_BY_DESIGN], ids=lambda p: p.name)
def test_no_other_module_holds_a_calibrated_number(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    of_the_method = {  # module-level private names: tolerances, unit conversion
        node for statement in tree.body if isinstance(statement, ast.Assign) for node in ast.walk(statement)
    }
    found = [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
        if node not in of_the_method and node.value not in NOT_CALIBRATION
    ]
    assert found == []


def test_shares_add_up_to_one():
    for constant in (cal.INSTRUMENT_SHARES, cal.DELIVERY_SHARES, cal.STATUS_SHARES, cal.COMMODITY_WEIGHTS):
        assert math.isclose(sum(constant.value.values()), 1, abs_tol=1e-9)
    for shares in cal.VENUE_SHARES.value.values():
        assert math.isclose(sum(shares.values()), 1, abs_tol=1e-9)
    assert math.isclose(sum(book.weight for book in cal.BOOKS.value), 1, abs_tol=1e-9)


def test_every_commodity_has_its_constants():
    tables = (cal.PRICE_LAWS, cal.CONTRACTS, cal.COMMODITY_WEIGHTS, cal.LOTS, cal.PRICE_NOISE, cal.FEE_PER_UNIT)
    assert all(set(table.value) == set(cal.COMMODITIES) for table in tables)
    assert set(cal.SEASON_LOG.value) | set(cal.SEASON_LOG_JUDGED.value) == set(cal.COMMODITIES)


def test_a_regular_trade_stays_below_every_position_limit():
    for hub in cal.HUBS.value:
        if hub.name in cal.POSITION_LIMIT_LOTS.value:
            assert cal.LOTS.value[hub.commodity][1] <= cal.POSITION_LIMIT_LOTS.value[hub.name]


def test_the_digest_names_the_calibration():
    assert len(cal.digest()) == 64
