import numpy as np
import pytest

from core.domains.bonds.checks.check_set import BOND_CHECKS
from core.domains.bonds.data import PanelSettings, generate
from core.domains.etrm.deals.checks import DEAL_CHECKS
from core.quality import assess
from core.settings.quality import QualityGates

FIVE = ("coverage", "esg_missing", "liquidity_index_median", "negative_spreads", "maturity_anomalies")


def gates_of(frame, settings=None):
    return {gate.name: gate for gate in assess(frame, BOND_CHECKS, settings).gates}


@pytest.mark.parametrize("seed", range(8))
def test_an_ordinary_panel_passes_every_gate(seed):
    report = assess(generate(PanelSettings(n_rows=1000, seed=seed)).bonds, BOND_CHECKS)
    assert report.passed
    assert report.score > 0.99
    gates = {gate.name: gate for gate in report.gates}
    assert gates["coverage"].value == pytest.approx(99.7, abs=0.01)
    assert 9 <= gates["esg_missing"].value <= 16
    assert 49 <= gates["liquidity_index_median"].value <= 64
    assert gates["negative_spreads"].value <= 0.6
    assert gates["maturity_anomalies"].value == 0


def test_a_large_panel_has_a_few_impossible_maturities_and_passes():
    gates = gates_of(generate(PanelSettings(n_rows=10_000, seed=1)).bonds)
    assert gates["maturity_anomalies"].value == pytest.approx(0.05)
    assert gates["maturity_anomalies"].passed


@pytest.mark.parametrize("n_rows", [1000, 10_000])
@pytest.mark.parametrize(
    ("fault", "gate", "low", "high"),
    [
        pytest.param({"missing_rate": 0.15}, "coverage", 84.9, 85.1, id="cells left empty"),
        pytest.param({"esg_base": -1.2}, "esg_missing", 27, 38, id="ESG scores withheld"),
        pytest.param({"liq_shift": 0.6}, "liquidity_index_median", 17, 26, id="a market dried up"),
        pytest.param({"noise_add": 40.0}, "negative_spreads", 1.01, 5.0, id="noisy spreads"),
        pytest.param({"spread_shift": -40.0}, "negative_spreads", 2.0, 12.0, id="spreads too low"),
        pytest.param({"maturity_error_rate": 0.005}, "maturity_anomalies", 0.499, 0.501, id="wrong maturities"),
    ],
)
def test_a_fault_breaks_its_gate_and_no_other(fault, gate, low, high, n_rows):
    for seed in range(3):
        report = assess(generate(PanelSettings(n_rows=n_rows, seed=seed, **fault)).bonds, BOND_CHECKS)
        failed = [result for result in report.gates if result.blocks]
        assert [result.name for result in failed] == [gate]
        assert low <= failed[0].value <= high
        assert not report.passed
        assert report.score < 0.9


@pytest.mark.parametrize(
    ("threshold", "value", "passes"),
    [
        pytest.param("esg_missing_max", 0.0, False, id="no missing score allowed"),
        pytest.param("esg_missing_max", 100.0, True, id="any"),
        pytest.param("liquidity_index_median_min", 99.0, False, id="only liquid markets"),
        pytest.param("coverage_min", 100.0, True, id="full coverage, and the panel is full"),
    ],
)
def test_thresholds_are_those_of_the_settings(sound, threshold, value, passes):
    report = assess(sound, BOND_CHECKS, QualityGates(**{threshold: value}))
    assert report.passed is passes
    name = threshold.removesuffix("_max").removesuffix("_min")
    assert next(gate for gate in report.gates if gate.name == name).threshold == value


def test_the_offending_rows_are_counted_and_named(sound):
    frame = sound.copy()
    frame.loc[frame.index[:30], "spread_bps"] = -5.0
    gate = gates_of(frame)["negative_spreads"]
    n_negative = int((frame["spread_bps"] < 0).sum())
    assert gate.value == pytest.approx(100 * n_negative / 1500)
    assert gate.n_offending == n_negative
    assert gate.n_samples == 1500
    assert len(gate.offending) == 20
    first = frame.iloc[0]
    assert gate.offending[0] == f"{first['bond_id']} {first['as_of_date'].date()}"


@pytest.mark.parametrize(
    ("change", "is_anomaly"),
    [
        pytest.param(lambda f: f["as_of_date"], True, id="matures today"),
        pytest.param(lambda f: f["as_of_date"] + np.timedelta64(1, "D"), False, id="matures tomorrow"),
        pytest.param(lambda f: f["issue_date"] - np.timedelta64(1, "D"), True, id="matured before issue"),
        pytest.param(lambda f: f["as_of_date"] + np.timedelta64(36_525, "D"), False, id="in a hundred years"),
        pytest.param(lambda f: f["as_of_date"] + np.timedelta64(36_526, "D"), True, id="beyond a hundred years"),
    ],
)
def test_a_maturity_is_impossible_from_exactly_its_limits(sound, change, is_anomaly):
    frame = sound.head(1).copy()
    frame["maturity_date"] = change(frame)
    assert gates_of(frame)["maturity_anomalies"].n_offending == is_anomaly


def test_five_gates_block_any_failure_and_the_others_only_a_gross_one(sound):
    assert tuple(gate.name for gate in assess(sound, BOND_CHECKS).gates if gate.blocking) == FIVE


@pytest.mark.parametrize("checks", [BOND_CHECKS, DEAL_CHECKS], ids=["bonds", "etrm"])
@pytest.mark.parametrize(("coverage_min", "limit"), [(90.0, 20.0), (0.0, 100.0)])
def test_no_limit_on_empty_cells_is_beyond_all_of_them(checks, coverage_min, limit):
    [check] = [check for check in checks.checks if check.name == "empty_columns"]
    assert check.threshold(QualityGates(coverage_min=coverage_min)) == limit
