"""The checks that warn unless the breach is gross: relations of the market, plausibility, and rules."""

import numpy as np
import pytest

from core.domains.bonds.checks.check_set import BOND_CHECKS
from core.domains.bonds.checks.relations import _ranks
from core.domains.bonds.data import PanelSettings, generate
from core.quality import GateVerdict, assess


def gates_of(frame):
    return {gate.name: gate for gate in assess(frame, BOND_CHECKS).gates}


@pytest.mark.parametrize("n_rows", [150, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_a_sound_panel_raises_no_warning(n_rows, seed):
    clean = PanelSettings(n_rows=n_rows, seed=seed, anomaly_share=0, maturity_error_rate=0)
    assert [g.name for g in assess(generate(clean).bonds, BOND_CHECKS).gates if not g.passed] == []


@pytest.mark.parametrize("n_rows", [6, 1500])
def test_every_gate_says_what_it_looked_at(sound, n_rows):
    gates = {gate.name: gate for gate in assess(sound.head(n_rows), BOND_CHECKS, source="the file").gates}
    assert [name for name, gate in gates.items() if not (gate.n_samples and gate.window.endswith(" of the file"))] == []
    assert gates["coverage"].window == "cells of the file"
    assert gates["duplicates"].basis == f"on {n_rows:,} rows of the file"
    if n_rows < 20:
        assert gates["outliers"].basis == f"on {n_rows} rows of the file"  # too few, yet looked at
    else:
        assert gates["rating_spread_correlation"].window == "issuers of the file"


def shuffled(frame, column):
    """Shuffle the column's values among issuers."""
    issuers = frame["issuer_id"].unique()
    other = dict(zip(issuers, np.random.default_rng(3).permutation(issuers), strict=True))
    return frame["issuer_id"].map(other).map(frame.groupby("issuer_id")[column].first())


def test_ratings_that_do_not_order_spreads_are_noticed(sound):
    gate = gates_of(sound.assign(rating_num=shuffled(sound, "rating_num")))["rating_spread_correlation"]
    assert gate.verdict is GateVerdict.FAIL
    assert "do not order spreads" in gate.reason
    assert gate.n_samples == sound["issuer_id"].nunique()


def test_an_inverted_scale_is_noticed(sound):
    gates = gates_of(sound.assign(rating_num=20 - sound["rating_num"]))
    assert gates["rating_spread_correlation"].verdict is GateVerdict.FAIL
    assert gates["rating_spread_correlation"].blocks
    assert gates["rating_spread_correlation"].value < 0
    assert gates["letter_medians"].verdict is GateVerdict.WARN
    assert "below" in gates["letter_medians"].reason


def test_evidence_is_counted_by_issuer_not_by_row(sound):
    gate = gates_of(sound)["rating_spread_correlation"]
    assert gate.n_samples == sound["issuer_id"].nunique() < len(sound) / 4
    ten = gates_of(sound[sound["issuer_id"].isin(sound["issuer_id"].unique()[:10])])["rating_spread_correlation"]
    assert gate.value > ten.value  # fewer issuers, a wider interval


def test_too_few_issuers_prove_nothing(sound):
    few = sound[sound["issuer_id"].isin(sound["issuer_id"].unique()[:5])]
    gate = gates_of(few)["rating_spread_correlation"]
    assert gate.verdict is GateVerdict.WARN
    assert "too few" in gate.reason


def test_maturities_without_an_effect_are_noticed():
    bonds = generate(PanelSettings(n_rows=4000, seed=2, anomaly_share=0)).bonds
    assert gates_of(bonds)["maturity_risk"].passed
    random = np.random.default_rng(1).permutation(bonds["maturity_years"])
    assert gates_of(bonds.assign(maturity_years=random))["maturity_risk"].verdict is GateVerdict.WARN


def test_defaults_in_the_wrong_order_are_noticed():
    bonds = generate(PanelSettings(n_rows=4000, seed=2)).bonds
    assert gates_of(bonds)["default_order"].passed
    upside_down = bonds.assign(default_12m=(bonds["rating_num"] <= 6).astype(int))
    gate = gates_of(upside_down)["default_order"]
    assert gate.verdict is GateVerdict.WARN
    assert "defaulted more often than" in gate.reason


def test_a_single_unlucky_default_is_not_a_disorder(sound):
    frame = sound.assign(default_12m=0)
    frame.loc[frame.index[frame["rating_num"] == 5][:1], "default_12m"] = 1
    assert gates_of(frame)["default_order"].passed


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("liquidity_index", 101.0),
        ("esg_score", -1.0),
        ("fund_ownership", 1.2),
        ("clean_price", -3.0),
        ("rating_num", 25),
    ],
)
def test_values_out_of_range_are_noticed(sound, column, value):
    frame = sound.copy()
    frame.loc[frame.index[:5], column] = value
    gate = gates_of(frame)["value_ranges"]
    assert gate.verdict is GateVerdict.WARN
    assert gate.n_offending == 5
    assert column in gate.reason


def test_spreads_far_from_their_letter_are_noticed(sound):
    frame = sound.copy()
    rows = frame.index[frame["rating_num"].between(7, 9)][:40]
    frame.loc[rows, "spread_bps"] *= 1000
    gate = gates_of(frame)["outliers"]
    assert gate.verdict is GateVerdict.WARN
    assert gate.n_offending >= 40


def test_a_constant_feature_is_noticed(sound):
    gate = gates_of(sound.assign(vix=20.0))["constant_columns"]
    assert gate.verdict is GateVerdict.WARN
    assert "vix" in gate.reason


@pytest.mark.parametrize(
    ("rows", "column", "value", "said"),
    [
        pytest.param("sovereign", "seniority", "subordinated", "public debt", id="subordinated state"),
        pytest.param("distressed", "rating_num", 3, "speculative sector", id="a distressed AA-"),
        pytest.param("banks", "satellite_activity", 0.3, "satellite", id="a bank seen from space"),
    ],
)
def test_broken_sector_rules_are_noticed(sound, rows, column, value, said):
    frame = sound.copy()
    chosen = frame.index[frame["sector"] == rows]
    frame.loc[chosen, column] = value
    gate = gates_of(frame)["sector_rules"]
    assert gate.verdict is GateVerdict.WARN
    assert gate.n_offending == len(chosen) > 0
    assert said in gate.reason


def test_dates_out_of_order_are_noticed(sound):
    frame = sound.copy()
    frame.loc[frame.index[3], "issue_date"] = frame["as_of_date"].iloc[3] + np.timedelta64(5, "D")
    gate = gates_of(frame)["date_order"]
    assert gate.verdict is GateVerdict.WARN
    assert gate.offending == (f"{frame['bond_id'].iloc[3]} {frame['as_of_date'].iloc[3].date()}",)


def test_a_bond_under_another_name_is_a_duplicate(sound):
    frame = sound.copy()
    frame.iloc[10] = frame.iloc[11]
    frame.loc[frame.index[10], ["bond_id", "isin_like"]] = ["B-OTHER", "XX0000000000"]
    gate = gates_of(frame)["duplicates"]
    assert gate.verdict is GateVerdict.WARN
    assert gate.n_offending == 1


def test_a_bond_twice_on_one_day_is_a_duplicate(sound):
    frame = sound.copy()
    frame.loc[frame.index[10], ["bond_id", "as_of_date"]] = frame.loc[frame.index[11], ["bond_id", "as_of_date"]]
    assert gates_of(frame)["duplicates"].n_offending == 1


def test_every_injected_duplicate_is_found():
    bonds = generate(PanelSettings(n_rows=5000, seed=3)).bonds
    assert gates_of(bonds)["duplicates"].n_offending == (bonds["anomaly_type"] == "duplicate").sum() > 5


def test_tied_values_share_their_mean_rank():
    assert _ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
