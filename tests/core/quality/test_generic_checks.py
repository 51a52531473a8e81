"""Checks of any frame: their measurements, the rows they name, and their reasons when they cannot be made."""

import numpy as np
import pandas as pd
import pytest

from core.quality import Check, CheckSet, GateVerdict, assess, fixed
from core.quality.cells import Cells
from core.quality.check import UnreadableError
from core.quality.checks.completeness import coverage, missing_share
from core.quality.checks.plausibility import constant_columns, outliers
from core.quality.checks.uniqueness import duplicates
from core.quality.checks.validity import date_order, median, negative_share, value_ranges

DAYS = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"])


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "desk": ["a", "b", "b", None],
            "size": [1.0, -2.0, np.nan, np.inf],
            "opened": DAYS,
            "traded": DAYS[[0, 1, 1, 3]],
            "closed": DAYS[[1, 1, 3, 3]],
        }
    )


def offending(measured):
    return np.flatnonzero(measured.offending).tolist()


def test_an_infinite_number_is_not_a_value(frame):
    measured = coverage(["desk", "size"])(Cells(frame))
    assert (measured.value, measured.n_samples, offending(measured)) == (62.5, 8, [2, 3])


def test_coverage_names_columns_on_request(frame):
    measured = coverage(["opened", "desk", "size"], by_column=True)(Cells(frame))
    assert measured.culprits == ("size 50% empty", "desk 25% empty")
    assert (measured.n_culprits, measured.offending) == (2, None)


@pytest.mark.parametrize(
    ("measure", "value", "rows"),
    [
        pytest.param(missing_share("size"), 50.0, [2, 3], id="missing"),
        pytest.param(negative_share("size"), 50.0, [1], id="negative"),
        pytest.param(value_ranges({"size": (-1.0, None), "other": (0.0, 1.0)}), 25.0, [1], id="out of range"),
        pytest.param(duplicates({"desk": "name", "traded": "date"}), 1.0, [2], id="twice"),
        pytest.param(duplicates({"opened": "date"}, {"desk": "name"}), 1.0, [2], id="the same under another key"),
        pytest.param(duplicates({"opened": "date"}, {"desk": "name", "other": "number"}), 0.0, [], id="cannot be told"),
        pytest.param(date_order("opened", "traded", "closed"), 3.0, [1, 2, 3], id="out of order"),
    ],
)
def test_each_check_names_the_rows_at_fault(frame, measure, value, rows):
    measured = measure(Cells(frame))
    assert (measured.value, offending(measured)) == (value, rows)


def test_a_median_ignores_cells_without_a_value(frame):
    assert median("size")(Cells(frame))[:2] == (-0.5, 2)


def test_outliers_are_far_from_their_own_group():
    group = np.repeat([0.0, 100.0], 30)
    values = group + np.tile(np.linspace(-1, 1, 30), 2)
    values[5] = 100.0  # ordinary in the other group
    measure = outliers(lambda cells: cells.numbers("value"), lambda cells: cells.numbers("group"), too_few="too few")
    assert offending(measure(Cells(pd.DataFrame({"value": values, "group": group})))) == [5]
    with pytest.raises(UnreadableError, match="too few"):
        measure(Cells(pd.DataFrame({"value": values[:9], "group": group[:9]})))


def test_a_constant_column_is_named():
    frame = pd.DataFrame({"flat": 7.0, "varied": np.arange(20.0), "text": "x"}, index=range(20))
    assert constant_columns(["flat", "varied", "text", "absent"])(Cells(frame)).reason == "constant: flat"


def test_a_check_that_cannot_be_made_fails_with_the_reason(frame):
    check = Check("filled", coverage(["absent"]), ">=", lambda s: s.coverage_min, "%", dimension="completeness")
    report = assess(frame, CheckSet((check,)))
    assert (report.gates[0].verdict, report.gates[0].value) == (GateVerdict.WARN, None)
    assert "absent" in report.gates[0].reason
    assert report.dimensions == {"completeness": 0.0}


def test_rows_at_fault_are_named_by_the_row_name_columns(frame):
    check = Check("negative", negative_share("size"), "<=", fixed(0.0), "%", blocking=True, dimension="validity")
    (gate,) = assess(frame, CheckSet((check,), row_names=("desk", "opened"))).gates
    assert gate.offending == ("b 2026-01-02",)
    assert assess(frame, CheckSet((check,))).gates[0].offending == ("row 1",)


def test_only_dimensions_with_a_check_count():
    frame = pd.DataFrame({"size": [1.0, np.nan, 3.0, 4.0]})
    checks = (
        Check("filled", coverage(["size"]), ">=", fixed(50.0), "%", dimension="completeness"),
        Check("positive", negative_share("size"), "<=", fixed(0.0), "%"),
    )
    report = assess(frame, CheckSet(checks))
    assert (report.dimensions, report.score) == ({"completeness": 0.75}, 0.75)
    assert assess(frame, CheckSet(())).score == 1.0
