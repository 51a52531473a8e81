import ast
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

from core.domains.bonds.data import calibration as cal
from core.domains.calibrated import GRADES

GENERATOR = sorted(Path(cal.__file__).parent.glob("*.py"))
HOLDS_NUMBERS_BY_DESIGN = {"calibration.py", "columns.py", "settings.py"}
NOT_CALIBRATION = {0.0, 0.5, 1.0, 2.0, 100.0, 1e4}  # identities, halves, percent and basis points


@pytest.mark.parametrize("name", sorted(cal.constants()))
def test_every_constant_has_a_unit_a_grade_and_a_known_source(name):
    constant = cal.constants()[name]
    assert constant.unit.strip()
    assert constant.grade in GRADES
    assert constant.source
    assert set(constant.source.split(",")) <= set(cal.SOURCES)


def test_nothing_in_the_calibration_is_left_without_a_grade():
    vocabulary = {"SOURCES"}
    named = {name for name in vars(cal) if name.isupper() and len(name) > 1}
    assert named == vocabulary | set(cal.constants())


@pytest.mark.parametrize("path", [p for p in GENERATOR if p.name not in HOLDS_NUMBERS_BY_DESIGN], ids=lambda p: p.name)
def test_no_other_module_holds_a_calibrated_number(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    of_the_method = {  # module-level private names: grids, quadrature, unit conversion
        node for statement in tree.body if isinstance(statement, ast.Assign) for node in ast.walk(statement)
    }
    found = [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
        if node not in of_the_method and node.value not in NOT_CALIBRATION
    ]
    assert found == []


def test_every_notch_table_covers_the_live_notches():
    tables = (cal.DEFAULT_RATE, cal.SPREAD_ANCHOR, cal.LIQUIDITY_PREMIUM, cal.BID_ASK_BASE)
    assert {len(table.value) for table in tables} == {21}
    assert all(list(t.value) == sorted(t.value) for t in tables)


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param([region.weight for region in cal.REGIONS.value], id="regions"),
        pytest.param(list(cal.SENIORITY_SHARES.value.values()), id="seniority"),
        pytest.param(list(cal.OUTLOOK_SHARES.value.values()), id="outlook"),
        pytest.param(list(cal.ANOMALY_SHARES.value.values()), id="anomalies"),
        pytest.param([share for _, share in cal.TENORS.value], id="tenors"),
        *[pytest.param(list(v.values()), id=f"countries of {k}") for k, v in cal.COUNTRIES.value.items()],
        *[pytest.param(list(v.values()), id=f"currencies of {k}") for k, v in cal.CURRENCIES.value.items()],
    ],
)
def test_shares_add_up_to_one(shares):
    assert math.isclose(sum(shares), 1, abs_tol=1e-9)


def test_there_are_enough_kinds_of_issuers():
    names = {sector.name for sector in cal.SECTORS.value}
    assert len(names) >= 14
    assert {"sovereign", "tech_startup", "distressed"} <= names


def test_high_debt_due_is_the_85th_percentile_of_its_law():
    law = cal.DEBT_DUE.value
    assert law["high"] == pytest.approx(beta.ppf(0.85, law["a"], law["b"]), abs=5e-5)


def test_the_macro_correlations_are_a_correlation_matrix():
    matrix = np.array(cal.MACRO_CORRELATION.value)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1).all()
    assert np.linalg.eigvalsh(matrix).min() > 0.05


def test_the_digest_names_the_calibration():
    assert len(cal.digest()) == 64
