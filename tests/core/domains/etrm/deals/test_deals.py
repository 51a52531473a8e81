"""Panels of deals: deterministic, sound by their own gates, and labelled by the law that the truth states."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.ensemble import HistGradientBoostingRegressor

from core.domains.domain import DrawRequest
from core.domains.etrm.deals import calibration as cal
from core.domains.etrm.deals.checks import DEAL_CHECKS
from core.domains.etrm.deals.columns import COLUMNS
from core.domains.etrm.deals.panel import draw_deals
from core.domains.etrm.deals.quotes import ln_densities, miss_of, off_market_evidence, quote_sd
from core.domains.etrm.deals.settings import DealSettings
from core.domains.etrm.domain import ETRM, NEW_PRICES
from core.domains.etrm.levels import risk_level
from core.errors import UsageError
from core.quality import assess
from core.settings.quality import QualityGates

PRICES = 7


def draw(n_rows=1_000, seed=1, **changed):
    return draw_deals(n_rows, seed, PRICES, DealSettings(**changed))


@pytest.fixture(scope="module")
def large():
    return draw(20_000)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**31 - 1))
def test_a_panel_of_any_size_and_seed_passes_every_gate_that_blocks(n_rows, seed):
    frame = draw(n_rows, seed, missing_rate=0.0).frame
    assert len(frame) == n_rows
    assert tuple(frame) == tuple(column.name for column in COLUMNS)
    assert [gate.name for gate in assess(frame, DEAL_CHECKS).gates if gate.blocks] == []


def test_the_same_request_gives_the_same_panel_and_another_seed_shares_no_book():
    first, again, other = draw(), draw(), draw(seed=2)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    pd.testing.assert_frame_equal(first.truth, again.truth)
    assert not set(first.frame["book_id"]) & set(other.frame["book_id"])


def test_only_the_second_test_panel_has_other_prices():
    def prices(purpose):
        request = DrawRequest(purpose, 3_000, seed=5, session_seed=42, settings=DealSettings())
        frame = ETRM.draw(request).frame
        return frame.set_index("deal_id")["market_price"]

    assert prices("draw").equals(prices("test"))
    assert not prices("draw").equals(prices(NEW_PRICES))


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        pytest.param(lambda f: f.assign(mtm_eur=f["mtm_eur"] * 2 + 5), "value_identity", id="a value of its own"),
        pytest.param(lambda f: f.assign(status="new", mtm_eur=0.0), "value_identity", id="a deal that weighs nothing"),
        pytest.param(lambda f: f.assign(var95_eur=f["var99_eur"] * 1.1), "var_order", id="VaR upside down"),
        pytest.param(lambda f: f.assign(over_limit=1 - f["over_limit"]), "limit_identity", id="a flag that lies"),
        pytest.param(lambda f: f.assign(utilisation=f["utilisation"] * 1.1), "limit_identity", id="another ratio"),
        pytest.param(
            lambda f: f.assign(net_exposure_meur=f["gross_exposure_meur"] + 1), "net_within_gross", id="net above gross"
        ),
        pytest.param(lambda f: f.drop(columns="volatility"), "coverage", id="a lost column"),
    ],
)
def test_a_broken_identity_fails_its_gate_and_no_other(change, gate):
    failed = [found.name for found in assess(change(draw().frame), DEAL_CHECKS).gates if found.blocks]
    assert failed == [gate] or failed == [gate, "empty_columns"]


def test_the_settings_inject_contradictions_that_the_gate_finds():
    assert not assess(draw(identity_error_rate=0.05).frame, DEAL_CHECKS).passed


def test_a_score_is_its_expected_log_odds_with_the_stated_noise(large):
    score = large.frame["risk_score"].to_numpy()
    miss = np.log(score / (1 - score)) - large.truth["log_odds"].to_numpy()
    assert miss.mean() == pytest.approx(0, abs=0.02)
    assert miss.var() == pytest.approx(0.3**2 + cal.SCORE_BOOK_SD.value**2, rel=0.1)


def test_breaches_happen_as_often_as_their_probability_says(large):
    one = large.frame.assign(p=large.truth["breach_chance"]).drop_duplicates(["book_id", "as_of_date"])
    for _, group in one.groupby(pd.qcut(one["p"], 5), observed=True):
        error = np.sqrt(group["p"].mean() / len(group))
        assert group["limit_breach_5d"].mean() == pytest.approx(group["p"].mean(), abs=4 * error)


def test_a_book_over_a_limit_today_is_in_breach_and_its_utilisation_is_that_of_the_risk_reports(large):
    frame = large.frame
    over = (frame["utilisation"] > 1).to_numpy()
    assert 0.1 < over.mean() < 0.3
    assert (frame["limit_breach_5d"][over] == 1).all()
    assert (large.truth["breach_chance"][over] == 1).all()
    assert 0.02 < frame["limit_breach_5d"][~over].mean() < 0.3
    var = frame["var99_eur"] / frame["limit_var_eur"]
    exposure = frame["gross_exposure_meur"] / frame["limit_exposure_meur"]
    assert np.allclose(np.maximum(var, exposure), frame["utilisation"], rtol=1e-4, atol=1e-4)
    assert 0.5 < (var > exposure).mean() < 0.7


def within_books(values, book):
    """Return the mean of values and its error; a book's deals share an effect."""
    sums = np.bincount(book, values)
    return sums.sum() / len(values), np.sqrt(np.square(sums - sums.mean()).sum()) / len(values)


def numbers_of(frame):
    """Return every feature as a number, and how far the price lies from the market."""
    miss = miss_of(frame["price"].to_numpy(), frame["market_price"].to_numpy())
    columns = {"ln_miss": np.log(np.abs(miss) + 1e-7)}
    for column in COLUMNS:
        if column.role == "feature":
            values = frame[column.name]
            columns[column.name] = (values.cat.codes if column.kind == "category" else values).to_numpy(dtype=float)
    return pd.DataFrame(columns)


@pytest.fixture(scope="module")
def partial():
    return draw(20_000, missing_rate=0.3), draw(20_000, seed=2, missing_rate=0.3)


def surprise(panel):
    score = panel.frame["risk_score"].to_numpy()
    return np.log(score / (1 - score)) - panel.truth["log_odds"].to_numpy()


def test_no_feature_tells_of_what_the_expected_score_misses_however_many_cells_are_empty(partial):
    for panel in partial:
        missed, features = surprise(panel), numbers_of(panel.frame)
        book = panel.frame["book_id"].to_numpy()
        for empty in ("volatility", "liquidation_days", "tenor_months", "concentration", "curve_slope"):
            rows = features[empty].isna().to_numpy()
            for name in ("book_volatility", "ln_miss", "market_price", "utilisation", "instrument", "commodity"):
                x = features[name][rows].to_numpy()
                x = np.log(x) if name == "book_volatility" else x
                mean, error = within_books(missed[rows] * (x - x.mean()), pd.factorize(book[rows])[0])
                assert abs(mean) < 4.2 * error, (empty, name)


def test_no_learner_beats_the_expected_score_however_many_cells_are_empty(partial):
    learn, judge = partial
    learner = HistGradientBoostingRegressor(max_iter=60, learning_rate=0.05, random_state=0)
    learner.fit(numbers_of(learn.frame), surprise(learn))
    missed = surprise(judge)
    gain = np.square(missed) - np.square(missed - learner.predict(numbers_of(judge.frame)))
    mean, error = within_books(gain, pd.factorize(judge.frame["book_id"])[0])
    assert mean < 2 * error


def test_the_evidence_of_a_price_knows_no_empty_cell(partial):
    """Against a draw of what the cells hide."""
    panel = partial[0]
    frame, rng = panel.frame.head(400), np.random.default_rng(0)
    hidden = {
        "volatility": np.exp(rng.normal(*cal.LN_VOLATILITY.value, (4_000, 1))),
        "liquidation_days": np.exp(rng.normal(*cal.LN_LIQUIDATION_DAYS.value, (4_000, 1))),
    }
    columns = {name: np.where(frame[name].isna(), drawn, frame[name].to_numpy()) for name, drawn in hidden.items()}
    labels = {
        name: (frame[name].cat.codes.to_numpy(), tuple(frame[name].cat.categories)) for name in ("venue", "instrument")
    }
    miss = miss_of(frame["price"].to_numpy(), frame["market_price"].to_numpy())
    wrong, sound = ln_densities(miss, quote_sd(columns, labels))
    expected = logsumexp(wrong, axis=0) - logsumexp(sound, axis=0)
    near = expected < 3  # further out, few of the draws explain a sound price
    assert near.sum() > 350
    assert panel.truth["off_market_evidence"].to_numpy()[:400][near] == pytest.approx(expected[near], abs=0.12)


def test_deals_are_off_market_as_often_as_their_evidence_says(partial):
    chance, found = [], []
    for panel in (*partial, draw(20_000, seed=3, missing_rate=0.3)):
        rows = panel.frame[["volatility", "liquidation_days"]].isna().any(axis=1).to_numpy()
        odds = panel.truth["off_market_evidence"].to_numpy()[rows] + np.log(0.02 / 0.98)
        chance.append(1 / (1 + np.exp(-odds)))
        found.append(panel.frame["is_off_market"].to_numpy()[rows])
    chance, found = np.concatenate(chance), np.concatenate(found)
    for low, high in ((0.0, 0.02), (0.02, 0.2), (0.2, 0.8), (0.8, 1.0)):
        rows = (chance >= low) & (chance <= high)
        error = np.sqrt((chance[rows] * (1 - chance[rows])).sum()) / rows.sum()
        assert found[rows].mean() == pytest.approx(chance[rows].mean(), abs=4 * error)


def test_the_evidence_of_a_price_is_the_ratio_of_two_densities():
    z = np.linspace(-40, 40, 400_001)
    ratio = np.exp(off_market_evidence(z, np.ones(len(z))))
    sound = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
    seen = np.abs(z) < 20  # further out the density of sound prices is nought
    assert np.trapezoid((ratio * sound)[seen], z[seen]) == pytest.approx(1, abs=1e-3)


def test_levels_are_cut_as_stated():
    assert [risk_level(cut) for cut in cal.LEVEL_CUTS.value] == list(cal.LEVELS[1:])
    assert risk_level(0.0) == cal.LEVELS[0]


def test_every_constant_has_a_unit_a_grade_and_a_source():
    for name, constant in cal.constants().items():
        assert constant.unit, name
        assert constant.grade == "J", name
        assert constant.source in cal.SOURCES, name


def test_the_settings_set_the_limit_of_any_gate_of_the_domain():
    frame = draw(identity_error_rate=0.05).frame
    lenient = assess(frame, DEAL_CHECKS, QualityGates(limits={"value_identity": 20.0}))
    assert lenient.passed
    assert next(gate.threshold for gate in lenient.gates if gate.name == "value_identity") == 20.0
    with pytest.raises(
        UsageError, match="limits names 'value_identiy', which is no gate here: coverage, value_identity"
    ):
        assess(frame, DEAL_CHECKS, QualityGates(limits={"value_identiy": 20.0}))
