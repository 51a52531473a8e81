import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domains.bonds.data import PanelSettings, calibration, generate
from core.domains.bonds.data.columns import COLUMNS, TRUTH_COLUMNS


@settings(max_examples=25, deadline=None)
@given(
    n_rows=st.integers(1, 700),
    seed=st.integers(0, 2**40),
    n_years=st.integers(6, 30),
    anomaly_share=st.sampled_from([0.0, 0.02, 0.3]),
    missing_rate=st.sampled_from([0.0, 0.003, 0.3]),
)
def test_any_panel_has_exactly_the_rows_and_columns_asked_for(n_rows, seed, n_years, anomaly_share, missing_rate):
    panel = generate(
        PanelSettings(n_rows=n_rows, seed=seed, n_years=n_years, anomaly_share=anomaly_share, missing_rate=missing_rate)
    )
    assert len(panel.bonds) == len(panel.truth) == n_rows
    assert list(panel.bonds.columns) == [column.name for column in COLUMNS]
    assert list(panel.truth.columns) == [column.name for column in TRUTH_COLUMNS]
    assert not panel.bonds.duplicated(["bond_id", "as_of_date"]).any()
    assert not panel.truth.isna().any().any()
    assert np.isfinite(panel.truth.select_dtypes("number").to_numpy()).all()
    may_lack = {column.name for column in COLUMNS if column.nullable or column.can_lack}
    assert not panel.bonds.drop(columns=list(may_lack)).isna().any().any()


def test_truth_and_panel_have_the_same_bonds_in_the_same_rows(panel):
    assert (panel.bonds["bond_id"] == panel.truth["bond_id"]).all()
    assert (panel.bonds["as_of_date"] == panel.truth["as_of_date"]).all()
    hidden = {"s_full", "s_opt", "eta_down", "p_down", "p_liq", "clean_spread"}
    assert hidden.isdisjoint(panel.bonds.columns)


def test_every_issuer_is_observed_once_a_year_for_at_most_five_years(big_panel):
    dates = big_panel.bonds[["issuer_id", "as_of_date"]].drop_duplicates().sort_values(["issuer_id", "as_of_date"])
    assert dates.groupby("issuer_id").size().max() <= 5
    months = dates["as_of_date"].dt.year * 12 + dates["as_of_date"].dt.month
    gaps = months.groupby(dates["issuer_id"]).diff().dropna()
    assert (gaps % 12 == 0).all()
    assert (gaps == 12).mean() > 0.98  # a wider gap is an issuer whose bonds were about to mature
    assert dates["as_of_date"].dt.is_month_end.all()


def test_an_issuer_has_one_to_four_bonds(big_panel):
    n_bonds = big_panel.bonds.groupby("issuer_id")["bond_id"].nunique()
    assert n_bonds.between(1, 4).all()
    assert set(n_bonds) == {1, 2, 3, 4}


def test_bonds_of_one_issuer_share_its_labels_and_covariates(big_panel):
    shared = ["downgrade_12m", "upgrade_12m", "default_12m", "rating", "outlook", "leverage_x", "esg_score", "sector"]
    per_issuer = big_panel.bonds.groupby(["issuer_id", "as_of_date"])[shared].nunique(dropna=False)
    assert (per_issuer == 1).all().all()


def test_the_next_rating_is_the_rating_a_year_later(big_panel):
    once = big_panel.bonds.drop_duplicates(["issuer_id", "as_of_date"]).sort_values(["issuer_id", "as_of_date"])
    following = once.groupby("issuer_id")[["rating", "recent_downgrade"]].shift(-1)
    days = once.groupby("issuer_id")["as_of_date"].shift(-1) - once["as_of_date"]
    seen = days.dt.days.between(364, 367)
    assert seen.sum() > 10_000
    assert (following["rating"][seen].astype(str) == once["rating_next"][seen].astype(str)).all()
    assert (following["recent_downgrade"][seen].astype(int) == once["downgrade_12m"][seen]).all()
    defaulted = once["default_12m"] == 1
    assert following["rating"][defaulted].isna().all()
    assert (once["rating_next"][defaulted] == "D").all()


def test_public_issuers_borrow_unsecured(panel):
    public = panel.bonds["sector"].isin(["sovereign", "supranational_agency"])
    assert (panel.bonds["seniority"][public] == "senior_unsecured").all()


def test_satellites_watch_energy_and_mining_only(panel):
    watched = panel.bonds["satellite_activity"].notna()
    assert (watched == panel.bonds["sector"].isin(["energy", "materials_mining"])).all()


def test_isins_are_reserved_valid_and_unique(panel):
    isins = panel.bonds.drop_duplicates("bond_id")["isin_like"]
    assert isins.is_unique
    assert isins.str.fullmatch(r"XX\d{10}").all()
    for isin in isins.head(200):
        digits = [int(d) for d in "".join(str(int(c, 36)) for c in isin)]
        doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(reversed(digits))]
        assert sum(doubled) % 10 == 0


def test_issuers_of_other_seeds_have_other_names():
    first, second = (set(generate(PanelSettings(n_rows=300, seed=s)).bonds["issuer_id"]) for s in (1, 2))
    assert first.isdisjoint(second)


def test_new_issuers_can_live_on_the_same_macro_path():
    factors = ["policy_rate", "credit_cycle", "vix", "dealer_inventory_z"]

    def path(seed: int, macro_seed: int | None) -> pd.DataFrame:
        bonds = generate(PanelSettings(n_rows=3000, seed=seed, macro_seed=macro_seed)).bonds
        return bonds.drop_duplicates("as_of_date").set_index("as_of_date")[factors]

    here, same, other = path(1, 9), path(2, 9), path(2, None)
    both = here.index.intersection(same.index)
    assert len(both) > 200
    assert here.loc[both].equals(same.loc[both])
    assert not here.loc[both, "credit_cycle"].equals(other.reindex(both)["credit_cycle"])


def test_month_effects_are_new_with_new_issuers():
    def effects(seed: int) -> pd.Series:
        panel = generate(PanelSettings(n_rows=3000, seed=seed, macro_seed=9))
        key = [panel.bonds["sector"].astype(str), panel.bonds["as_of_date"]]
        return panel.truth["u_sector_month"].groupby(key).first()

    first, second = effects(1).align(effects(2), join="inner")
    assert len(first) > 100
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.35


def test_covariates_have_their_stated_levels(big_panel):
    bonds = big_panel.bonds
    coverage = bonds["interest_coverage_x"].groupby(bonds["rating"], observed=True).median()
    assert coverage["AAA"] == pytest.approx(14, rel=0.1)
    assert coverage["BBB"] == pytest.approx(4.1, rel=0.1)
    assert coverage["B"] == pytest.approx(1.6, rel=0.1)
    assert 0.09 <= bonds["esg_score"].isna().mean() <= 0.14
    z = bonds[["news_sentiment", "web_traffic_z", "supplier_stress", "market_implied_gap"]]
    assert z.corr().loc["news_sentiment", "web_traffic_z"] == pytest.approx(0.3, abs=0.03)
    assert (z.std() - 1).abs().max() < 0.03


def test_no_esg_score_piles_up_at_an_end_of_the_scale(big_panel):
    scores = big_panel.bonds[["esg_score", "esg_e", "esg_s", "esg_g", "esg_provider2"]]
    assert scores.min().min() > 0.5
    assert scores.max().max() < 99.5
    assert (scores.apply(lambda score: score.value_counts(normalize=True).iloc[0]) < 0.002).all()
    assert scores["esg_score"].mean() == pytest.approx(55, abs=1.5)
    assert scores["esg_score"].std() == pytest.approx(15, abs=1)


@pytest.mark.parametrize("seed", range(4))
def test_two_esg_providers_agree_as_far_as_published(seed):
    """Published pairs of raters: .54 (Berg, Kölbel and Rigobon) and .61 (Zumente and Lāce)."""
    bonds = generate(PanelSettings(n_rows=20_000, seed=seed)).bonds
    scored = bonds.drop_duplicates(["issuer_id", "as_of_date"])[["esg_score", "esg_provider2"]].dropna()
    assert 0.54 <= scored.corr().iloc[0, 1] <= 0.61


def test_every_currency_has_its_own_curve(many_worlds):
    """Long-run ten-year averages, 1999-2024: euro 2.4, sterling 3.3, yen .9 %; local emerging markets 6.8 %."""
    ten_years = many_worlds[many_worlds["maturity_years"].between(6, 12)]
    mean = ten_years.groupby("currency", observed=True)["base_yield_pct"].mean()
    published = {"USD": 4.3, "EUR": 2.4, "GBP": 3.3, "JPY": 0.9, "LOCAL_EM": 6.8}
    assert mean.to_dict() == pytest.approx(published, abs=0.8)
    assert many_worlds["base_yield_pct"][many_worlds["currency"] == "JPY"].max() < 3


def test_coupons_are_those_of_new_issues(big_panel):
    """A coupon is near the par yield at issue, and issuers in distress borrowed when they were healthier."""
    coupon = big_panel.bonds["coupon_pct"].groupby(big_panel.bonds["sector"], observed=True)
    assert coupon.max().max() <= 14
    assert coupon.quantile(0.99).drop(["distressed", "tech_startup"]).max() <= 13.5
    assert 7 <= coupon.median()["distressed"] <= 10.5
    assert coupon.median()["supranational_agency"] < coupon.median()["banks"] < coupon.median()["tech_startup"]
    in_yen = big_panel.bonds["coupon_pct"][big_panel.bonds["currency"] == "JPY"]
    assert in_yen.median() < 3


def test_the_gap_reveals_the_issuer_year_effect_and_coupons_reveal_no_effect(big_panel):
    effect = big_panel.truth["u_issuer_year"]
    assert np.corrcoef(big_panel.bonds["market_implied_gap"], effect)[0, 1] == pytest.approx(0.6, abs=0.02)
    issuer = big_panel.truth["u_issuer"] + big_panel.truth["u_bond"]
    assert abs(np.corrcoef(big_panel.bonds["coupon_pct"], issuer)[0, 1]) < 0.03


def test_decoys_are_listed_and_carry_no_information(big_panel):
    assert set(big_panel.metadata["decoys"]) == set(calibration.DECOYS.value)
    for name in ("news_count", "supplier_stress"):
        decoy = big_panel.bonds[name].to_numpy(dtype=float)
        for truth in ("eta_down", "p_liq", "s_full"):
            assert abs(np.corrcoef(decoy, big_panel.truth[truth])[0, 1]) < 0.02


def test_metadata_says_what_the_panel_is(panel):
    facts = panel.metadata
    assert facts["synthetic"] is True
    assert facts["n_rows"] == 4000
    assert facts["n_issuers"] == panel.bonds["issuer_id"].nunique()
    assert facts["calibration_sha256"] == calibration.digest()


def test_the_same_settings_give_the_same_panel():
    first, second, other = (generate(PanelSettings(n_rows=800, seed=s)) for s in (3, 3, 4))
    pd.testing.assert_frame_equal(first.bonds, second.bonds, check_exact=True)
    pd.testing.assert_frame_equal(first.truth, second.truth, check_exact=True)
    assert not first.truth["s_full"].equals(other.truth["s_full"])


def test_importing_the_settings_loads_nothing_heavy():
    code = (
        "import sys, core.domains.bonds.data.settings, core.domains.bonds.data.columns, core.quality;"
        "sys.exit(any(m in sys.modules for m in ('numpy', 'pandas', 'scipy', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
