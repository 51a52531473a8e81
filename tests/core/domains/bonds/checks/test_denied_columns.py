"""The sentences of the gates quote no value of a denied column: they name the column and the fault."""

import pandas as pd
import pytest

from core.domains.bonds.checks.check_set import BOND_CHECKS, bond_checks
from core.domains.bonds.data import PanelSettings, generate
from core.explain.deny_list import DenyList
from core.explain.later_denied import gates_as_shown
from core.quality import assess
from core.quality.gate import WITHHELD


@pytest.fixture(scope="module")
def bonds() -> pd.DataFrame:
    return generate(PanelSettings(n_rows=1000, seed=11)).bonds


def first_cell(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    values = frame[column].astype(object).copy()
    values.iloc[0] = value
    return frame.assign(**{column: values})


def letters_swapped(frame: pd.DataFrame) -> pd.DataFrame:
    """Let the bonds of BB pay less, and default more often, than those of AAA."""
    is_low = frame["rating_num"].between(10, 12)
    return frame.assign(
        spread_bps=frame["spread_bps"].where(~is_low, 1.0), default_12m=frame["default_12m"].where(is_low, 0)
    )


FAULTS = [
    pytest.param("clean_price", lambda f: f.assign(clean_price=4321.0), "units", "4321", id="median"),
    pytest.param("clean_price", lambda f: f.assign(clean_price=98.7), "stuck_bonds", "98.7", id="stuck"),
    pytest.param("sector", lambda f: first_cell(f, "sector", "zeppelins"), "known_levels", "zeppelins", id="level"),
    pytest.param("vix", lambda f: first_cell(f, "vix", "lots"), "column_kinds", "lots", id="text for a number"),
    pytest.param(
        "issue_date", lambda f: first_cell(f, "issue_date", "of old"), "column_kinds", "of old", id="text for a date"
    ),
    pytest.param("downgrade_12m", lambda f: f.assign(downgrade_12m=1), "constant_labels", "is 1", id="label"),
    pytest.param("default_12m", lambda f: f.assign(default_12m=1), "label_rates", "100%", id="rate of a label"),
    pytest.param("rating*", letters_swapped, "letter_medians", "BB below", id="letter"),
    pytest.param(
        "seniority", lambda f: f.assign(sector="sovereign", seniority="secured"), "sector_rules", "secured", id="rule"
    ),
]


@pytest.mark.parametrize(("pattern", "change", "name", "value"), FAULTS)
def test_a_sentence_names_a_denied_column_and_quotes_no_value_of_it(bonds, pattern, change, name, value):
    frame, column = change(bonds), pattern.rstrip("*")
    (told,) = [gate for gate in assess(frame, BOND_CHECKS).gates if gate.name == name]
    assert value in told.sentence
    (later,) = gates_as_shown([told], DenyList([pattern]))
    assert value not in f"{later.sentence} {later.offending}"
    assert (later.verdict, later.value) == (told.verdict, None)
    denied = [each for each in frame if each.startswith(column)] if "*" in pattern else [column]
    report = assess(frame, BOND_CHECKS, denied=denied)
    (silent,) = [gate for gate in report.gates if gate.name == name]
    assert column in silent.sentence
    assert value not in f"{silent.sentence} {silent.offending}"
    assert (silent.verdict, silent.value, silent.n_offending) == (told.verdict, told.value, told.n_offending)


def test_rows_at_fault_are_not_named_by_a_denied_column(bonds):
    frame = bonds.assign(spread_bps=-1.0)
    for denied, first in ((["bond_id"], str(bonds["as_of_date"].iloc[0].date())), (["bond_id", "as_of_date"], "row 0")):
        gates = {gate.name: gate for gate in assess(frame, BOND_CHECKS, denied=denied).gates}
        assert gates["negative_spreads"].offending[0] == first
        (told,) = [gate for gate in assess(frame, BOND_CHECKS).gates if gate.name == "negative_spreads"]
        (later,) = gates_as_shown([told], DenyList(denied))
        assert (later.offending, later.value) == ((), told.value)


@pytest.mark.parametrize(("index", "said"), [(12.5, "outside the limit"), (87.5, "within the limit")])
def test_a_gate_on_a_median_withholds_it_and_judges_by_it(bonds, index, said):
    frame = bonds.assign(liquidity_index=bonds["liquidity_index"] * 0.01 + index)
    (told,) = [gate for gate in assess(frame, BOND_CHECKS).gates if gate.name == "liquidity_index_median"]
    report = assess(frame, BOND_CHECKS, denied=["liquidity_index"])
    (silent,) = [gate for gate in report.gates if gate.name == "liquidity_index_median"]
    assert (silent.verdict, silent.n_samples, silent.value) == (told.verdict, told.n_samples, None)
    assert silent.sentence == f"{said} (>= {told.threshold:.4g}): explanation.denied_columns names its column"
    assert report.score == assess(frame, BOND_CHECKS).score
    assert gates_as_shown([told], DenyList(["liquidity_*"])) == (silent,)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("liquidity_bid_ask_correlation", ("liquidity_index", "bid_ask_bps")),
        ("rating_spread_correlation", ("rating_num", "spread_bps")),
        ("maturity_risk", ("maturity_years", "spread_bps", "rating_num")),
        ("downgrade_driver", ("downgrade_12m", "outlook")),
        ("liquidity_shock_driver", ("liquidity_shock_1m", "liquidity_index")),
    ],
)
def test_a_gate_on_a_relation_of_a_denied_column_tells_its_verdict_alone(bonds, name, columns):
    checks = bond_checks(("downgrade_12m", "liquidity_shock_1m"))
    told = {gate.name: gate for gate in assess(bonds, checks).gates}[name]
    assert told.value is not None
    for column in columns:
        silent = {gate.name: gate for gate in assess(bonds, checks, denied=[column]).gates}[name]
        assert (silent.verdict, silent.value) == (told.verdict, None)
        assert silent.sentence.endswith("the limit " + f"({told.comparison} {told.threshold:.4g}): {WITHHELD}")
        assert gates_as_shown([told], DenyList([column])) == (silent,)


def test_a_count_of_values_of_a_denied_column_is_not_told(bonds):
    frame = bonds.assign(vix=bonds["vix"].where(bonds.index % 3 != 0, 190.0), default_12m=0)
    for name, count, denied in (
        ("units", "of 1000 values of vix", "vix"),
        ("default_order", "among 0 defaults", "default_12m"),
    ):
        told, silent = (
            {gate.name: gate for gate in assess(frame, BOND_CHECKS, denied=hidden).gates}[name]
            for hidden in ([], [denied])
        )
        assert count in told.sentence
        assert count not in silent.sentence
        assert silent.verdict == told.verdict
        assert count not in gates_as_shown([told], DenyList([denied]))[0].sentence
