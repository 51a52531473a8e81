import msgspec
import pytest

from core.quality import GateResult, GateVerdict, judge


@pytest.mark.parametrize(
    ("value", "comparison", "threshold", "verdict"),
    [
        pytest.param(91.0, ">=", 90.0, GateVerdict.PASS, id="above the minimum"),
        pytest.param(90.0, ">=", 90.0, GateVerdict.PASS, id="exactly the minimum"),
        pytest.param(89.9, ">=", 90.0, GateVerdict.FAIL, id="below the minimum"),
        pytest.param(1.0, "<=", 1.0, GateVerdict.PASS, id="exactly the maximum"),
        pytest.param(1.1, "<=", 1.0, GateVerdict.FAIL, id="above the maximum"),
        pytest.param(None, "<=", 1.0, GateVerdict.FAIL, id="not measured"),
        pytest.param(float("nan"), "<=", 1.0, GateVerdict.FAIL, id="not a number"),
        pytest.param(float("-inf"), "<=", 1.0, GateVerdict.FAIL, id="infinite"),
    ],
)
def test_a_gate_compares_and_never_passes_an_unmeasurable_value(value, comparison, threshold, verdict):
    result = judge("g", value, comparison, threshold)
    assert result.verdict is verdict
    assert result.passed is (verdict is GateVerdict.PASS)
    assert result.blocks is (verdict is GateVerdict.FAIL)
    assert result.reason


def test_a_check_that_does_not_block_warns():
    result = judge("g", 2.0, "<=", 1.0, blocking=False)
    assert result.verdict is GateVerdict.WARN
    assert not result.blocks
    assert not result.passed


@pytest.mark.parametrize(
    ("value", "unit", "reason"),
    [
        (12.0, "%", "12% > 10%"),
        (8.0, "%", "8% <= 10%"),
        (12.0, "rows", "12 rows (limit 10)"),
        (1.0, "rows", "1 row (limit 10)"),
        (0.0, "problems", "no problems (limit 10)"),
        (12.0, "", "12 > 10"),
        (None, "%", "could not be measured"),
    ],
)
def test_the_reason_is_a_true_sentence(value, unit, reason):
    assert judge("g", value, "<=", 10.0, unit=unit).reason == reason


def test_only_the_first_twenty_offenders_are_kept():
    result = judge("g", 30.0, "<=", 1.0, n_offending=30, offending=[f"b{i}" for i in range(30)])
    assert result.n_offending == 30
    assert len(result.offending) == 20


def test_a_result_survives_storage():
    result = judge("g", None, "<=", 10.0, unit="%", offending=["a"], n_samples=3)
    assert msgspec.json.decode(msgspec.json.encode(result), type=GateResult) == result
