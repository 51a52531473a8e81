"""Stress tests from Python: the same figures as the command, of files, data frames and panels."""

import pandas as pd
import pytest

from bondx.ml import reverse_stress, stress
from bondx.mlops import MLOpsConfig
from core.errors import UsageError
from core.stress.stored_tests import StressTests
from core.stress.stress_test import StressRequest, run_stress_test

BOOK = {
    "bond_id": ["A", "B"],
    "rating": ["BBB", "BB"],
    "coupon_pct": [4.0, 6.0],
    "maturity_years": [5.0, 7.5],
    "ytm_pct": [4.0, 7.0],
    "position_musd": [10.0, 5.0],
}
RATES = {"scenarios": ["rates_up"], "severities": ["severe"]}


@pytest.fixture
def config(workspace):
    return MLOpsConfig.from_yaml(workspace=workspace.root)


def test_a_file_and_a_data_frame_lose_the_same(config, tmp_path):
    frame, path = pd.DataFrame(BOOK), tmp_path / "book.csv"
    frame.to_csv(path, index=False)
    of_file, of_frame = (stress(each, config=config, **RATES) for each in (path, frame))
    assert of_file.cases == of_frame.cases
    assert of_file.worst.pnl_share < -0.1
    assert (of_file.portfolio, of_frame.portfolio) == ("book.csv", "positions")


def test_a_panel_is_that_of_the_command_and_is_kept_on_request(config, workspace):
    found = stress(n_rows=80, seed=3, config=config, keep=True, reason="weekly", **RATES)
    request = StressRequest(domain="bonds", n_rows=80, seed=3, **RATES)
    assert found == run_stress_test(request)
    (kept,) = StressTests(workspace).all()
    assert (kept.reason, kept.portfolio) == ("weekly", "panel of 80 rows, seed 3")
    stress(n_rows=80, config=config, **RATES)
    assert len(StressTests(workspace).all()) == 1


def test_a_refusal_quotes_no_cell_of_a_denied_column(config, workspace):
    workspace.settings_file.write_text("explanation: {denied_columns: [rating]}\n")
    with pytest.raises(UsageError, match="rating") as refused:
        stress(pd.DataFrame(BOOK | {"rating": ["BBB", "zeppelin"]}), config=config, **RATES)
    assert "zeppelin" not in str(refused.value).lower()


def test_the_smallest_shock_is_searched(config):
    along, nearest = reverse_stress(pd.DataFrame(BOOK), loss=0.1, config=config, **RATES)
    assert along.pnl_share == pytest.approx(-0.1)
    assert nearest.direction == "least favourable"


def test_another_domain_takes_its_own_positions(config):
    held = pd.DataFrame({"hub": ["DE"], "tenor_months": [6], "net_quantity_units": [-1000.0], "mark_price": [60.0]})
    report = stress(held, domain="etrm", scenarios=["gas_spike"], severities=["severe"], config=config)
    assert (report.value_unit, report.cases[0].pnl < 0) == ("EUR m", True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda config: stress(7, config=config), "positions is a int; it must be a file or a data frame"),
        (lambda config: stress("book.csv", n_rows=5, config=config), "leave them or the positions out"),
        (lambda config: reverse_stress(config=config), "exactly one of a loss, an impact and gates"),
        (lambda config: reverse_stress(loss=2.0, config=config, n_rows=60), "must be a share above 0"),
    ],
)
def test_what_is_wrong_is_named(config, call, message):
    with pytest.raises(UsageError, match=message):
        call(config)
