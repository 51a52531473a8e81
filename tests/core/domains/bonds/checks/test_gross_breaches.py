"""Panels that no model may learn from: each is blocked, whatever the rest of it scores."""

import numpy as np
import pandas as pd
import pytest

from core.domains.bonds.checks.check_set import BOND_CHECKS
from core.domains.bonds.data import PanelSettings, generate
from core.quality import assess


@pytest.fixture(scope="module")
def bonds() -> pd.DataFrame:
    """An ordinary panel, faults of the source included."""
    return generate(PanelSettings(n_rows=1000, seed=11)).bonds


def every_second(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    values = frame[column].copy()
    values.iloc[::2] = value
    return frame.assign(**{column: values})


def inverted(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the widest spread the best rating, and keep yields consistent."""
    spread = frame["spread_bps"].to_numpy()
    turned = np.sort(spread)[::-1][np.argsort(np.argsort(spread))]
    return frame.assign(spread_bps=turned, ytm_pct=frame["base_yield_pct"] + turned / 100)


def in_some(frame: pd.DataFrame, column: str, share: float, change) -> pd.DataFrame:
    """Change a share of a column's rows, spread over the panel."""
    values = frame[column].astype(float).copy()
    rows = np.random.default_rng(5).permutation(len(frame))[: round(share * len(frame))]
    values.iloc[rows] = change(values.iloc[rows])
    return frame.assign(**{column: values})


def in_fifty_years(frame: pd.DataFrame) -> pd.DataFrame:
    dates = ("as_of_date", "issue_date", "maturity_date", "first_call_date")
    return frame.assign(**{name: frame[name] + pd.DateOffset(years=50) for name in dates})


ORDER = np.random.default_rng(6)
# Each blocks a panel of 150 rows and one of 1,000.
AT_ANY_SIZE = [
    *(
        pytest.param(
            lambda f, s=share: in_some(f, "spread_bps", s, lambda v: 1e12), "value_ranges", id=f"1e12 in {share}"
        )
        for share in (0.02, 0.35)
    ),
    pytest.param(
        lambda f: in_some(f, "spread_bps", 0.35, lambda v: v * 100), "spread_is_yield_over_base", id="a third x 100"
    ),
    *(
        pytest.param(lambda f, name=name: f.assign(**{name: 1 - f[name]}), "label_rates", id=f"{name} inverted")
        for name in ("downgrade_12m", "upgrade_12m", "default_12m", "liquidity_shock_1m", "is_anomaly")
    ),
    pytest.param(lambda f: f.assign(default_12m=1), "label_rates", id="defaults everywhere"),
    pytest.param(lambda f: f.assign(downgrade_12m=1), "label_rates", id="downgrades everywhere"),
    pytest.param(lambda f: f.assign(downgrade_12m=0), "constant_labels", id="no downgrades"),
    pytest.param(lambda f: f.assign(issue_size_musd=f["issue_size_musd"] / 100), "units", id="sizes / 100"),
    pytest.param(lambda f: in_some(f, "issue_size_musd", 0.45, lambda v: v * 100), "units", id="half the sizes x 100"),
    pytest.param(lambda f: f.assign(fund_ownership=f["fund_ownership"] / 100), "units", id="shares / 100"),
    pytest.param(lambda f: f.assign(web_traffic_z=f["web_traffic_z"] / 100), "units", id="scores / 100"),
    pytest.param(lambda f: f.assign(clean_price=100.0), "stuck_bonds", id="all at par"),
    pytest.param(lambda f: in_some(f, "clean_price", 0.8, lambda v: 100.0), "stuck_bonds", id="most at par"),
    pytest.param(lambda f: f.assign(leverage_x=2.0), "stuck_issuers", id="one leverage"),
    pytest.param(lambda f: f.assign(mod_duration=0.0), "value_ranges", id="no duration"),
    pytest.param(lambda f: f.assign(issuer_id="I-1"), "issuers_agree", id="one issuer"),
    pytest.param(lambda f: f.assign(issuer_id=ORDER.permutation(f["issuer_id"])), "issuers_agree", id="any issuer"),
    pytest.param(in_fifty_years, "dates_of_history", id="in fifty years"),
]


@pytest.fixture(scope="module")
def few_bonds() -> pd.DataFrame:
    return generate(PanelSettings(n_rows=150, seed=12)).bonds


@pytest.mark.parametrize(("change", "gate"), AT_ANY_SIZE)
def test_a_gross_breach_blocks_at_any_size(bonds, few_bonds, change, gate):
    for frame in (bonds, few_bonds):
        report = assess(change(frame), BOND_CHECKS)
        assert gate in {result.name for result in report.gates if result.blocks}
        assert not report.passed


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        pytest.param(
            lambda f: f.assign(
                outlook=f["outlook"]
                .astype(object)
                .map({"negative": "positive", "positive": "negative"})
                .fillna("stable")
            ),
            "downgrade_driver",
            id="outlooks reversed",
        ),
        pytest.param(
            lambda f: f.assign(default_12m=ORDER.permutation(f["default_12m"])), "default_driver", id="any defaults"
        ),
    ],
)
def test_labels_that_contradict_their_driver_block_once_the_rows_decide(many_bonds, change, gate):
    report = assess(change(many_bonds), BOND_CHECKS)
    assert gate in {result.name for result in report.gates if result.blocks}


@pytest.fixture(scope="module")
def many_bonds() -> pd.DataFrame:
    return generate(PanelSettings(n_rows=10_000, seed=1)).bonds


SUBSETS = {
    "any": lambda f: f,
    "AAA to AA": lambda f: f[f["rating_num"] <= 3],
    "CCC": lambda f: f[f["rating_num"] >= 16],
    "sovereigns": lambda f: f[f["sector"] == "sovereign"],
    "JPY": lambda f: f[f["currency"] == "JPY"],
    "one day": lambda f: f[f["as_of_date"] == f["as_of_date"].mode()[0]],
}


@pytest.mark.parametrize("kind", SUBSETS)
def test_a_part_of_a_sound_panel_is_not_blocked(truth, many_bonds, kind):
    part, n = SUBSETS[kind](many_bonds), 10 * truth.scale
    n_blocked = 0
    for seed in range(n):
        report = assess(part.sample(min(150, len(part)), random_state=seed), BOND_CHECKS)
        n_blocked += not report.passed
    truth.at_most(n_blocked / n, 0.02, n=n)


@pytest.mark.parametrize(("n_wrong", "blocks"), [(1, False), (2, False), (3, True)])
def test_one_impossible_maturity_of_150_is_an_accident(n_wrong, blocks):
    sound = generate(PanelSettings(n_rows=150, seed=2, anomaly_share=0, maturity_error_rate=0)).bonds
    matures = sound["maturity_date"].copy()
    matures.iloc[:n_wrong] = sound["as_of_date"].iloc[:n_wrong]
    gates = {gate.name: gate for gate in assess(sound.assign(maturity_date=matures), BOND_CHECKS).gates}

    assert not gates["maturity_anomalies"].passed
    assert gates["maturity_anomalies"].blocks is blocks


def test_a_share_above_its_limit_blocks_only_if_the_rows_prove_it():
    sound = generate(PanelSettings(n_rows=150, seed=2)).bonds
    for share, blocks in ((0.22, False), (0.4, True)):
        scores = pd.Series(np.where(np.arange(150) < round(150 * share), np.nan, np.linspace(20, 80, 150)), sound.index)
        frame = sound.sample(frac=1, random_state=3).reset_index(drop=True).assign(esg_score=scores.to_numpy())
        gate = {gate.name: gate for gate in assess(frame, BOND_CHECKS).gates}["esg_missing"]
        assert gate.blocks is blocks
        assert gate.passed is False
        assert ("do not prove" in gate.reason) is not blocks


BREACHES = [
    pytest.param(inverted, "rating_spread_correlation", id="spreads inverted against ratings"),
    pytest.param(lambda f: f.assign(rating="ZZZ+"), "known_levels", id="a rating that does not exist"),
    pytest.param(lambda f: every_second(f, "spread_bps", -np.inf), "infinite_values", id="half of all spreads -inf"),
    pytest.param(lambda f: f.assign(maturity_years=-3.0), "value_ranges", id="every maturity -3"),
    pytest.param(
        lambda f: f.assign(**{c: np.nan for c in f.columns if c.endswith(("_12m", "_1m"))}), "labels", id="no labels"
    ),
    pytest.param(lambda f: f.assign(issue_size_musd=0.0), "value_ranges", id="sizes of zero"),
    pytest.param(lambda f: f.assign(issuer_id=None), "identifiers", id="no issuers"),
    pytest.param(lambda f: f.assign(bond_id=np.nan), "identifiers", id="no bond ids"),
    pytest.param(lambda f: f.assign(bond_id="B-1", as_of_date=f["as_of_date"].iloc[0]), "duplicates", id="one bond"),
    pytest.param(lambda f: pd.concat([f, f]), "duplicates", id="every row twice"),
    pytest.param(
        lambda f: f.assign(issue_date=f["maturity_date"], maturity_date=f["issue_date"]),
        "maturity_anomalies",
        id="dates reversed",
    ),
    pytest.param(
        lambda f: f.assign(issue_date=f["as_of_date"] + pd.Timedelta(days=30)), "date_order", id="issued after today"
    ),
    pytest.param(lambda f: f.assign(bid_ask_bps=-f["bid_ask_bps"]), "value_ranges", id="negative bid-ask"),
    pytest.param(lambda f: f.assign(coupon_pct=500.0), "value_ranges", id="absurd coupons"),
    pytest.param(lambda f: f.assign(rating_num=(f["rating_num"] + 5) % 21), "rating_agrees", id="notch and rating"),
    pytest.param(lambda f: f.assign(leverage_x=np.inf), "infinite_values", id="infinite leverage"),
    pytest.param(lambda f: f.assign(spread_bps=f["spread_bps"] * 100), "units", id="spreads x 100"),
    pytest.param(lambda f: f.assign(spread_bps=f["spread_bps"] / 100), "spread_is_yield_over_base", id="spreads in %"),
    pytest.param(lambda f: f.assign(clean_price=f["clean_price"] / 100), "units", id="prices as shares"),
    pytest.param(lambda f: f.assign(ytm_pct=f["ytm_pct"] * 100), "units", id="yields in bp"),
    pytest.param(lambda f: f.assign(coupon_pct=f["coupon_pct"] / 100), "price_follows_yield", id="coupons as shares"),
    pytest.param(lambda f: f.assign(esg_score=f["esg_score"] / 100), "units", id="ESG scores as shares"),
    pytest.param(lambda f: f.assign(vix=f["vix"] / 100), "units", id="the VIX as a share"),
    pytest.param(lambda f: f.assign(maturity_years=f["maturity_years"] * 12), "years_agree", id="maturities in months"),
    pytest.param(lambda f: f.assign(mod_duration=f["mod_duration"] * 100), "duration_within_maturity", id="durations"),
    pytest.param(lambda f: f.assign(leverage_x="high"), "column_kinds", id="text for leverage"),
    pytest.param(lambda f: f.assign(vix=f["as_of_date"]), "column_kinds", id="dates for the VIX"),
    pytest.param(lambda f: f.assign(news_sentiment=np.nan), "empty_columns", id="a column lost"),
    pytest.param(lambda f: f.drop(columns="news_sentiment"), "coverage", id="a column missing"),
    pytest.param(lambda f: f.assign(downgrade_12m=0), "constant_labels", id="no downgrades"),
    pytest.param(lambda f: f.assign(liquidity_shock_1m=1), "constant_labels", id="shocks everywhere"),
    pytest.param(lambda f: f.assign(downgrade_12m=7), "value_ranges", id="labels beyond 0 and 1"),
    pytest.param(lambda f: f.drop(columns="downgrade_12m"), "labels", id="a label missing"),
    pytest.param(
        lambda f: f.assign(
            **{c: f[c].iloc[0] for c in f.columns if f[c].dtype.kind == "f" and not c.startswith(("spread", "ytm"))}
        ),
        "constant_columns",
        id="constant columns",
    ),
    pytest.param(
        lambda f: f.assign(liquidity_index=100 - f["liquidity_index"]),
        "liquidity_bid_ask_correlation",
        id="liquidity inverted",
    ),
    pytest.param(lambda f: f.head(0), "coverage", id="no rows"),
    pytest.param(lambda f: f.assign(sector="blimps"), "known_levels", id="a sector that does not exist"),
    pytest.param(lambda f: f.assign(currency="usd"), "known_levels", id="currencies in lower case"),
]


@pytest.mark.parametrize(("change", "gate"), BREACHES)
def test_a_gross_breach_blocks_and_says_so(bonds, change, gate):
    report = assess(change(bonds), BOND_CHECKS)
    found = next(result for result in report.gates if result.name == gate)

    assert not report.passed
    assert found.blocks
    assert found.blocking
    assert found.reason
    assert report.score < 0.9


@pytest.mark.parametrize("n_rows", [150, 1000])
@pytest.mark.parametrize("seed", range(12))
def test_an_ordinary_panel_is_not_blocked(n_rows, seed):
    report = assess(generate(PanelSettings(n_rows=n_rows, seed=seed)).bonds, BOND_CHECKS)

    assert [gate.name for gate in report.gates if gate.blocks] == []
    assert report.score > 0.99


def test_ratings_unrelated_to_spreads_block(bonds):
    issuers = bonds["issuer_id"].unique()
    other = dict(zip(issuers, np.random.default_rng(3).permutation(issuers), strict=True))
    notch = bonds["issuer_id"].map(other).map(bonds.groupby("issuer_id")["rating_num"].first())
    levels = bonds["rating"].cat.categories
    report = assess(bonds.assign(rating_num=notch, rating=levels[notch]), BOND_CHECKS)

    assert not report.passed
    assert report.dimensions["consistency"] == 0.0
    assert report.score < 0.8


@pytest.mark.parametrize(
    ("column", "value"),
    [("rating", "ZZZ"), ("spread_bps", np.inf), ("issue_size_musd", 0.0), ("bond_id", None)],
)
def test_a_single_bad_row_warns_only(bonds, column, value):
    values = bonds[column].astype(object) if column == "rating" else bonds[column].copy()
    values.iloc[3] = value
    report = assess(bonds.assign(**{column: values}), BOND_CHECKS)

    assert report.passed


@pytest.mark.parametrize(("n_negative", "blocks"), [(2, False), (4, False), (5, True)])
def test_a_limit_of_one_percent_needs_five_rows_to_block(n_negative, blocks):
    sound = generate(PanelSettings(n_rows=150, seed=2, anomaly_share=0, maturity_error_rate=0, missing_rate=0)).bonds
    spreads = sound["spread_bps"].abs()
    spreads.iloc[:n_negative] = -4.0
    report = assess(sound.assign(spread_bps=spreads), BOND_CHECKS)
    gate = next(result for result in report.gates if result.name == "negative_spreads")

    assert not gate.passed
    assert gate.blocks is blocks
