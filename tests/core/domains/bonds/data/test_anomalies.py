import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.data.anomalies import counts


@pytest.fixture(scope="module")
def faulty():
    return generate(PanelSettings(n_rows=20_000, seed=8))


@pytest.mark.parametrize("n_rows", [1, 7, 150, 1000, 20_000])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_number_of_faults_is_fixed_and_not_random(n_rows, seed):
    settings = PanelSettings(n_rows=n_rows, seed=seed)
    kinds = generate(settings).bonds["anomaly_type"].value_counts()
    expected = counts(settings)
    assert kinds["none"] == n_rows - sum(expected.values())
    if n_rows >= 1000:  # below, there may be no bond with a last year's price
        assert {name: kinds[name] for name in expected} == expected
    assert expected["maturity_error"] == int(0.0005 * n_rows)


def test_flag_and_type_agree(faulty):
    assert ((faulty.bonds["anomaly_type"] != "none") == (faulty.bonds["is_anomaly"] == 1)).all()
    assert faulty.bonds["is_anomaly"].mean() == pytest.approx(0.02, abs=1e-4)


def rows_of(panel, kind: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = panel.bonds["anomaly_type"] == kind
    return panel.bonds[rows], panel.truth[rows]


def test_off_market_spreads_are_far_off_either_way(faulty):
    bonds, truth = rows_of(faulty, "off_market")
    shift = np.log(bonds["spread_bps"] / truth["clean_spread"])
    assert shift.abs().between(0.69, 1.61).all()
    assert 0.3 < (shift > 0).mean() < 0.7


def test_unit_errors_are_a_factor_of_a_hundred(faulty):
    bonds, truth = rows_of(faulty, "unit_error")
    factor = (bonds["spread_bps"] / truth["clean_spread"]).to_numpy()
    assert (np.isclose(factor, 100, rtol=1e-2) | np.isclose(factor, 0.01, rtol=1e-2)).all()


def test_stale_spreads_are_last_years(faulty):
    bonds, _ = rows_of(faulty, "stale_price")
    clean = faulty.truth.set_index(["bond_id", "as_of_date"])["clean_spread"]
    for _, row in bonds.iterrows():
        a_year_ago = row["as_of_date"] - pd.DateOffset(years=1) + pd.offsets.MonthEnd(0)
        assert row["spread_bps"] == pytest.approx(clean[row["bond_id"], a_year_ago], abs=1e-3)


def test_mistyped_ratings_are_four_to_six_notches_off_and_leave_the_spread(faulty):
    bonds, truth = rows_of(faulty, "rating_typo")
    assert (bonds["rating_num"] - truth["clean_rating_num"]).abs().between(4, 6).all()
    assert bonds["rating_num"].between(0, 20).all()
    assert np.allclose(bonds["spread_bps"], truth["clean_spread"], atol=1e-3)
    assert (bonds["rating"].cat.codes == bonds["rating_num"]).all()


def test_maturity_errors_are_impossible_dates(faulty):
    bonds, _ = rows_of(faulty, "maturity_error")
    impossible = (bonds["maturity_date"] <= bonds["as_of_date"]) | (bonds["maturity_years"] > 100)
    assert (impossible | (bonds["maturity_date"] < bonds["issue_date"])).all()


def test_duplicates_are_another_bond_in_name_only(faulty):
    copies, _ = rows_of(faulty, "duplicate")
    same = ["issuer_id", "as_of_date", "issue_date", "maturity_date", "spread_bps", "clean_price"]
    originals = faulty.bonds[faulty.bonds["anomaly_type"] != "duplicate"]
    matched = copies[["bond_id", "isin_like", *same]].merge(originals[["bond_id", "isin_like", *same]], on=same)
    assert len(matched) == len(copies)
    assert (matched["bond_id_x"] != matched["bond_id_y"]).all()
    assert (matched["isin_like_x"] != matched["isin_like_y"]).all()


def test_sound_rows_show_the_clean_spread(faulty):
    bonds, truth = rows_of(faulty, "none")
    assert np.allclose(bonds["spread_bps"], truth["clean_spread"], atol=1e-3)
    assert (bonds["rating_num"] == truth["clean_rating_num"]).all()
