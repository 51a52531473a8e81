import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domains.bonds.checks.check_set import BOND_CHECKS
from core.domains.bonds.data.columns import COLUMNS
from core.quality import assess

GATE_OF = {
    "esg_score": "esg_missing",
    "liquidity_index": "liquidity_index_median",
    "spread_bps": "negative_spreads",
    "maturity_date": "maturity_anomalies",
    "as_of_date": "maturity_anomalies",
    "issue_date": "maturity_anomalies",
}


def gates_of(frame):
    return {gate.name: gate for gate in assess(frame, BOND_CHECKS).gates}


@pytest.mark.parametrize("column", sorted(GATE_OF))
def test_a_missing_column_fails_its_gate_and_names_it(sound, column):
    gates = gates_of(sound.drop(columns=column))
    assert gates[GATE_OF[column]].blocks
    assert column in gates[GATE_OF[column]].reason
    assert gates[GATE_OF[column]].value is None
    if column != "esg_score":  # a score may be missing, so coverage does not ask for it
        assert gates["coverage"].blocks
        assert column in gates["coverage"].reason


@pytest.mark.parametrize("column", sorted(GATE_OF))
@pytest.mark.parametrize("empty", [np.nan, None, pd.NaT], ids=["nan", "none", "nat"])
def test_an_empty_column_fails_its_gate(sound, column, empty):
    gate = gates_of(sound.assign(**{column: pd.Series([empty] * len(sound), dtype=object)}))[GATE_OF[column]]
    assert gate.blocks
    assert column in gate.reason or gate.value == 100


@pytest.mark.parametrize("column", sorted(GATE_OF))
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param("n/a", id="text"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param(3 + 4j, id="complex"),
        pytest.param([1, 2], id="lists"),
        pytest.param(object(), id="objects"),
        pytest.param(pd.Timedelta(days=3), id="durations"),
    ],
)
def test_a_column_of_the_wrong_kind_fails_its_gate(sound, column, wrong):
    values = pd.Series([wrong] * len(sound), index=sound.index)
    gate = gates_of(sound.assign(**{column: values}))[GATE_OF[column]]
    assert gate.blocks
    assert column in gate.reason


@pytest.mark.parametrize("column", ["maturity_date", "as_of_date"])
def test_numbers_are_not_dates(sound, column):
    gate = gates_of(sound.assign(**{column: 20_240_131}))["maturity_anomalies"]
    assert gate.blocks
    assert "not dates" in gate.reason


@pytest.mark.parametrize(
    "respelled",
    [
        pytest.param(lambda d: d.astype(str), id="ISO text"),
        pytest.param(lambda d: d.dt.date, id="date objects"),
        pytest.param(lambda d: d.dt.tz_localize("UTC"), id="with a time zone"),
        pytest.param(lambda d: d.astype("datetime64[ns]"), id="nanoseconds"),
        pytest.param(lambda d: d.astype(str).astype("category"), id="categories"),
    ],
)
def test_dates_may_be_spelled_in_any_unambiguous_way(sound, respelled):
    dates = {name: respelled(sound[name]) for name in ("as_of_date", "issue_date", "maturity_date")}
    gate = gates_of(sound.assign(**dates))["maturity_anomalies"]
    assert gate.passed
    assert gate.n_samples == len(sound)


def test_numbers_may_come_as_text(sound):
    assert gates_of(sound.assign(spread_bps=sound["spread_bps"].astype(str)))["negative_spreads"].passed


def test_a_single_unreadable_cell_fails_the_gate_and_is_quoted(sound):
    spreads = sound["spread_bps"].astype(object)
    spreads.iloc[7] = "12o"
    gate = gates_of(sound.assign(spread_bps=spreads))["negative_spreads"]
    assert gate.blocks
    assert "1 cells" in gate.reason
    assert "'12o'" in gate.reason


def test_infinite_numbers_are_not_values(sound):
    frame = sound.assign(liquidity_index=np.inf, esg_score=np.inf)
    gates = gates_of(frame)
    assert gates["liquidity_index_median"].blocks
    assert gates["esg_missing"].value == 100
    assert gates["coverage"].value == pytest.approx(98)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(pd.DataFrame(), id="nothing at all"),
        pytest.param(pd.DataFrame(columns=[column.name for column in COLUMNS]), id="no rows"),
        pytest.param(pd.DataFrame(index=range(10)), id="rows without columns"),
        pytest.param(pd.DataFrame({0: [1, 2], ("a", "b"): [3, 4]}), id="columns of other names"),
        pytest.param(pd.DataFrame({"spread_bps": [datetime.date(2020, 1, 1)]}), id="a date for a spread"),
    ],
)
def test_a_frame_that_is_not_a_panel_fails_every_gate_with_a_reason(frame):
    report = assess(frame, BOND_CHECKS)
    assert not report.passed
    assert 0 <= report.score < 0.5
    for gate in report.gates:
        assert gate.reason
        assert gate.blocks or not gate.blocking


def test_a_duplicate_column_is_refused(sound):
    frame = pd.concat([sound, sound[["spread_bps", "bond_id"]]], axis=1)
    gates = gates_of(frame)
    assert gates["negative_spreads"].blocks
    assert "more than one" in gates["negative_spreads"].reason
    assert gates["coverage"].blocks


def test_offenders_without_identifiers_are_named_by_row(sound):
    frame = sound.drop(columns="bond_id").assign(spread_bps=-1.0)
    assert gates_of(frame)["negative_spreads"].offending[0].startswith("20")  # the date alone is left
    frame = sound.drop(columns=["bond_id", "as_of_date"]).assign(spread_bps=-1.0)
    assert gates_of(frame)["negative_spreads"].offending[:2] == ("row 0", "row 1")


def test_the_index_of_the_frame_does_not_matter(sound):
    shuffled = sound.set_index(pd.Index(["same"] * len(sound)))
    assert assess(shuffled, BOND_CHECKS) == assess(sound, BOND_CHECKS)


def test_the_frame_is_left_unchanged(sound):
    before = sound.copy(deep=True)
    assess(sound, BOND_CHECKS)
    pd.testing.assert_frame_equal(sound, before)


cells = st.one_of(
    st.none(), st.floats(), st.integers(-(10**9), 10**9), st.text(max_size=5), st.booleans(), st.just(pd.NaT),
    st.dates(datetime.date(1900, 1, 1), datetime.date(2200, 1, 1)), st.just(float("inf")), st.just([1]),
)  # fmt: skip


numbers = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, -0.0, 1e308, -1e308, 5e-324, 21.0, 22.0, float("nan")]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(
        st.sampled_from(["rating_num", "spread_bps", "maturity_years", "default_12m", "esg_score", "clean_price"]),
        min_size=1,
        unique=True,
    ),
    data=st.data(),
    n=st.integers(1, 60),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_numbers_in_the_cells_get_a_report(sound, columns, data, n):
    values = {name: data.draw(st.lists(numbers, min_size=n, max_size=n)) for name in columns}
    report = assess(sound.head(n).assign(**values), BOND_CHECKS)
    assert 0 <= report.score <= 1
    assert all(gate.value is None or np.isfinite(gate.value) for gate in report.gates)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    columns=st.lists(st.sampled_from([column.name for column in COLUMNS]), min_size=1, max_size=6, unique=True),
    data=st.data(),
    n=st.integers(1, 40),
)
def test_any_values_in_the_cells_get_a_report(sound, columns, data, n):
    frame = sound.head(n).copy()
    for name in columns:
        frame[name] = pd.Series(data.draw(st.lists(cells, min_size=n, max_size=n)), index=frame.index, dtype=object)
    report = assess(frame, BOND_CHECKS)
    assert 0 <= report.score <= 1
    assert all(gate.reason for gate in report.gates)
    assert report.passed is not any(gate.blocks for gate in report.gates)
