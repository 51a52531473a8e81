import pytest

from core.domains.bonds.data import PanelSettings, generate


def test_liquidity_levels_are_those_of_real_markets(many_worlds):
    medians = many_worlds.groupby(["high_yield", "times"])[["bid_ask_bps", "liquidity_index"]].median()
    for (high_yield, time), (bid_ask, index) in {
        (False, "calm"): (19, 70), (False, "neutral"): (33, 59), (False, "crisis"): (64, 45),
        (True, "calm"): (30, 65), (True, "neutral"): (55, 53), (True, "crisis"): (110, 38),
    }.items():  # fmt: skip
        assert medians.loc[(high_yield, time), "bid_ask_bps"] == pytest.approx(bid_ask, rel=0.2)
        assert medians.loc[(high_yield, time), "liquidity_index"] == pytest.approx(index, abs=4)


@pytest.mark.parametrize("seed", range(5))
def test_the_median_index_of_a_small_panel_is_ordinary(seed):
    index = generate(PanelSettings(n_rows=1000, seed=seed)).bonds["liquidity_index"]
    assert 45 <= index.median() <= 68
    assert index.min() >= 0
    assert index.max() <= 100


def test_large_young_bonds_trade_more(big_panel):
    bonds = big_panel.bonds
    big, young = bonds["issue_size_musd"] > 800, bonds["age_years"] < 2
    assert bonds["turnover_annual"][big & young].median() > 1.2 * bonds["turnover_annual"][~big & ~young].median()
    assert bonds["bid_ask_bps"][big & young].median() < bonds["bid_ask_bps"][~big & ~young].median()
