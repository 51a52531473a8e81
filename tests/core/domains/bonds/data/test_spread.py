from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.data.issuers import OUTLOOKS, REGION_NAMES, SECTOR_NAMES
from core.domains.bonds.data.spread import LN_VARIANCE, SpreadInputs, esg_effect, expected_spread, mean_esg_effect


def reference_bonds(notch: np.ndarray, *, sector: str = "industrials", maturity: float = 5.0) -> SpreadInputs:
    """Senior unsecured dollar bonds of average issuers in an average market."""
    n = len(notch)
    zero, whole = np.zeros(n), np.zeros(n, dtype=np.int64)
    return SpreadInputs(
        notch=notch,
        maturity=np.full(n, maturity),
        seniority=whole + 1,
        sector=whole + SECTOR_NAMES.index(sector),
        region=whole + REGION_NAMES.index("north_america"),
        currency=whole,
        outlook=whole + OUTLOOKS.index("stable"),
        callable=np.zeros(n, dtype=bool),
        z_leverage=zero,
        z_coverage=zero,
        sentiment=zero,
        liquidity_index=np.full(n, 50.0),
        policy_rate=np.full(n, 2.7),
        cpi_yoy=np.full(n, 2.6),
        fx_vol=np.full(n, 0.09),
        cycle=zero,
    )


def spread_of(x: SpreadInputs, esg: float = 55.0) -> np.ndarray:
    n = len(x.notch)
    known = np.ones(n, dtype=bool)
    return expected_spread(x, np.full(n, esg), esg_observed=known, esg_mean=np.zeros(n), esg_sd=np.ones(n))[0]


@pytest.mark.parametrize("sector", ["industrials", "sovereign", "supranational_agency"])
@pytest.mark.parametrize("maturity", [1.0, 5.0, 10.0, 30.0])
def test_a_worse_rating_always_pays_more(sector, maturity):
    assert (np.diff(spread_of(reference_bonds(np.arange(21), sector=sector, maturity=maturity))) > 0).all()


def test_a_reference_bond_pays_its_anchor():
    anchors = spread_of(reference_bonds(np.array([5, 8, 11, 14])))
    assert anchors == pytest.approx([98, 148, 290, 490], rel=0.03)


@pytest.mark.parametrize(
    "worse",
    [
        pytest.param({"z_leverage": 1.0}, id="more debt"),
        pytest.param({"z_coverage": -1.0}, id="less coverage"),
        pytest.param({"sentiment": -1.0}, id="worse news"),
        pytest.param({"liquidity_index": 20.0}, id="less liquidity"),
        pytest.param({"cycle": 2.0}, id="a crisis"),
        pytest.param({"maturity": 10.0}, id="longer, if investment grade"),
        pytest.param({"callable": True}, id="callable"),
        pytest.param({"seniority": 2}, id="subordinated"),
        pytest.param({"outlook": OUTLOOKS.index("watch_negative")}, id="on watch"),
    ],
)
def test_a_riskier_bond_pays_more(worse):
    base = reference_bonds(np.array([4, 8]))
    changed = replace(base, **{name: np.full(2, value) for name, value in worse.items()})
    assert (spread_of(changed) > spread_of(base)).all()


def test_a_better_esg_score_pays_less():
    base = reference_bonds(np.array([8]))
    assert spread_of(base, esg=80) < spread_of(base, esg=30)


def test_a_missing_esg_score_is_integrated_out():
    rng = np.random.default_rng(1)
    mean, sd = np.array([0.2, -1.3, 1.4]), np.array([0.6, 0.52, 0.6])
    draws = 100 * expit(mean[:, None] + sd[:, None] * rng.standard_normal((3, 200_000)))
    assert mean_esg_effect(mean, sd) == pytest.approx(esg_effect(draws).mean(axis=1), rel=2e-3)


def test_the_expected_spread_is_exact(big_panel):
    """The mean of y/s is 1: overall, in good and bad ratings, good and bad times, and where ESG is missing."""
    bonds, truth = big_panel.bonds, big_panel.truth
    ratio = (bonds["spread_bps"] / truth["s_opt"]).to_numpy()
    large = (truth["s_opt"] > 60).to_numpy()
    groups = {
        "all": large,
        "investment grade": large & (bonds["rating_num"] < 10).to_numpy(),
        "high yield": large & (bonds["rating_num"] >= 10).to_numpy(),
        "just downgraded": large & bonds["recent_downgrade"].to_numpy(),
        "to be downgraded soon": large & (bonds["downgrade_12m"] == 0).to_numpy(),
        "crisis": large & (bonds["credit_cycle"] > 1).to_numpy(),
        "no ESG score": large & bonds["esg_score"].isna().to_numpy(),
    }
    for name, rows in groups.items():
        assert ratio[rows].mean() == pytest.approx(1, abs=0.012), name


def test_the_noise_is_correlated_as_designed(big_panel):
    bonds, truth = big_panel.bonds, big_panel.truth
    rows = (truth["s_full"] > 60) & (bonds["spread_bps"] > 0)
    noise = np.log(bonds["spread_bps"][rows] / truth["s_full"][rows])
    assert noise.var() == pytest.approx(LN_VARIANCE, rel=0.05)
    frame = bonds.loc[rows, ["issuer_id", "bond_id", "as_of_date"]].assign(noise=noise - noise.mean())

    def correlation_of_pairs(keys: list[str]) -> float:
        ordered = frame.sort_values([*keys, "bond_id", "as_of_date"])
        values, group = ordered["noise"].to_numpy(), ordered.groupby(keys).ngroup().to_numpy()
        same = group[1:] == group[:-1]
        return float((values[1:] * values[:-1])[same].mean() / noise.var())

    assert correlation_of_pairs(["issuer_id", "as_of_date"]) == pytest.approx(0.564, abs=0.05)
    assert correlation_of_pairs(["bond_id"]) == pytest.approx(0.511, abs=0.05)
    joined = bonds.loc[rows, ["sector", "as_of_date"]].assign(noise=frame["noise"])
    group = joined.groupby(["sector", "as_of_date"], observed=True)["noise"]
    n, total, squares = group.size(), group.sum(), group.apply(lambda values: float((values**2).sum()))
    pairs = (total**2 - squares).sum() / (n * (n - 1)).sum()
    assert pairs / noise.var() == pytest.approx(0.11, abs=0.05)


def test_spread_levels_are_those_of_real_markets(many_worlds):
    corporate = many_worlds[~many_worlds["sector"].isin(["sovereign", "supranational_agency"])]
    median = corporate.groupby(["high_yield", "times"])["spread_bps"].median()
    for (high_yield, time), published in {
        (False, "calm"): 68, (False, "neutral"): 127, (False, "crisis"): 259,
        (True, "calm"): 228, (True, "neutral"): 392, (True, "crisis"): 761,
    }.items():  # fmt: skip
        assert median[high_yield, time] == pytest.approx(published, rel=0.2), (high_yield, time)


@pytest.mark.parametrize("seed", range(4))
def test_medians_rise_with_every_letter(seed):
    bonds = generate(PanelSettings(n_rows=10_000, seed=seed)).bonds
    letter = np.searchsorted([1, 4, 7, 10, 13, 16], bonds["rating_num"], side="right")
    grouped = bonds["spread_bps"].groupby(letter)
    medians = grouped.median()[grouped.size() >= 100]
    assert medians.is_monotonic_increasing


def test_only_the_safest_names_trade_below_zero(big_panel):
    negative = big_panel.bonds["spread_bps"] < 0
    assert 0 < negative.mean() < 0.006
    assert big_panel.truth["s_full"][negative].max() < 20
