import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.models.attainment import (
    anomaly_attainment,
    anomaly_metrics,
    spread_attainment,
    spread_metrics,
)
from core.domains.bonds.models.optimal_anomaly import anomaly_evidence, kind_evidence
from core.domains.bonds.models.optimal_scores import clean_density, off_market_density, off_market_evidence
from core.domains.bonds.models.published import PublishedRows
from core.domains.bonds.models.spread_law import SpreadLaw, to_learning_scale
from core.domains.catalogue import create
from core.models import Panel, ranking
from core.models.errors import UnknownTruthError
from core.models.known_truth import LUCK, number_attainment, probability_attainment, probability_metrics
from tests.truth import most_expected

RNG = np.random.default_rng(11)
LABELS = RNG.integers(0, 2, 300).astype(float)
SCORES = np.round(RNG.normal(size=300) + LABELS, 1)  # with ties


def log_odds(chance):
    return np.log(chance / (1 - chance))


def test_auc_and_average_precision_agree_with_scikit_learn():
    assert ranking.auc(LABELS, SCORES) == pytest.approx(roc_auc_score(LABELS, SCORES))
    assert ranking.average_precision(LABELS, SCORES) == pytest.approx(average_precision_score(LABELS, SCORES))


@pytest.mark.parametrize("measure", [ranking.auc, ranking.average_precision])
def test_a_row_of_weight_two_counts_as_two_rows(measure):
    twice = np.concatenate((LABELS, LABELS[:50])), np.concatenate((SCORES, SCORES[:50]))
    weight = np.where(np.arange(300) < 50, 2.0, 1.0)
    assert measure(LABELS, SCORES, weight) == pytest.approx(measure(*twice), abs=1e-4)


def test_expected_auc_is_its_definition_over_all_pairs():
    chance, score = RNG.random(40), np.round(RNG.normal(size=40), 1)
    pairs = chance[:, None] * (1 - chance[None, :]) * ~np.eye(40, dtype=bool)
    wins = (score[:, None] > score[None, :]) + 0.5 * (score[:, None] == score[None, :])
    assert ranking.expected_auc(chance, score) == pytest.approx((pairs * wins).sum() / pairs.sum())


def test_a_metric_without_an_event_is_not_a_number():
    assert np.isnan(ranking.auc(np.zeros(5), np.arange(5.0)))
    assert np.isnan(ranking.average_precision(np.zeros(5), np.arange(5.0)))


@pytest.mark.parametrize("expected_bps", [3.0, 40.0, 900.0])
def test_the_moments_of_a_spread_are_those_of_the_law_it_is_drawn_from(expected_bps):
    law = SpreadLaw()
    rng = np.random.default_rng(0)
    m = rng.normal(0, np.sqrt(law.variance), 400_000)
    spread = expected_bps * np.exp(m - law.variance / 2) + rng.normal(0, law.tick_bps, 400_000)
    drawn = to_learning_scale(spread)
    mean, variance = law.moments(np.array([expected_bps]))
    assert mean[0] == pytest.approx(drawn.mean(), abs=0.002)
    assert variance[0] == pytest.approx(drawn.var(), rel=0.01)


@pytest.mark.parametrize("expected_bps", [8.0, 59.0, 61.0, 900.0])
def test_the_density_of_a_clean_spread_integrates_to_one(expected_bps):
    grid = np.linspace(-15, expected_bps * 6, 12_001)
    density = clean_density(grid, np.full(len(grid), expected_bps), SpreadLaw())
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=5e-3)


def test_evidence_for_an_off_market_spread_grows_with_its_distance():
    far = off_market_evidence(np.array([100.0, 180.0, 300.0, 480.0]), np.full(4, 100.0), SpreadLaw(), (0.7, 1.6))
    assert (np.diff(far) > 0).all()
    assert far[0] < 0 < far[2]


def test_no_score_beats_the_truth_and_the_truth_has_full_attainment(fresh):
    truth, bonds = fresh.truth, fresh.bonds
    best = SpreadLaw().moments(truth["s_opt"].to_numpy())[0]
    figures = spread_metrics(bonds, truth, best)
    assert figures["attainment"] == pytest.approx(1)
    assert figures["r2"] == pytest.approx(figures["optimum"], abs=0.01)
    off = best + np.random.default_rng(0).normal(0, 0.1, len(best))
    assert spread_metrics(bonds, truth, off)["attainment"] < 0.995
    chance = truth["p_liq"].to_numpy()
    happened = bonds["liquidity_shock_1m"].to_numpy(dtype=np.float64)
    figures = probability_metrics(happened, log_odds(chance), chance)
    assert figures["attainment"] == pytest.approx(1)
    assert figures["log_loss"] == pytest.approx(figures["log_loss_optimum"], abs=0.02)
    noisy = log_odds(chance) + np.random.default_rng(0).normal(0, 0.5, len(chance))
    assert probability_metrics(happened, noisy, chance)["attainment"] < 0.99


def test_knowing_the_draws_common_shocks_raises_the_optimum(fresh):
    best = SpreadLaw().moments(fresh.truth["s_opt"].to_numpy())[0]
    apart = spread_attainment(fresh, best)
    within = spread_attainment(fresh, best, same_draw=True)
    assert within.optimum > apart.optimum
    assert within.attainment < apart.attainment == pytest.approx(1)


def test_the_interval_contains_the_attainment_and_narrows_with_more_issuers(draw, fresh):
    model = create("spread")
    model.update(draw(0), seed=0)
    wide, narrow = model.attainment(draw(1), seed=0), model.attainment(fresh, seed=0)
    for found in (wide, narrow):
        assert found.low <= found.attainment <= found.high
    assert narrow.high - narrow.low < wide.high - wide.low
    assert model.attainment(fresh, seed=0) == narrow


@pytest.mark.parametrize("name", ["spread", "downgrade", "liquidity_shock", "anomaly"])
def test_an_honest_model_raises_no_leak_alarm(name, draw, fresh):
    model = create(name)
    model.update(draw(0, 2_000), seed=0)
    found = model.attainment(fresh, seed=0)
    assert not found.leak
    assert found.attainment <= 1.01


def test_a_score_that_knows_the_label_raises_the_leak_alarm(fresh):
    bonds, truth = fresh.bonds, fresh.truth
    target = to_learning_scale(bonds["spread_bps"].to_numpy())
    best = SpreadLaw().moments(truth["s_opt"].to_numpy())[0]
    assert spread_attainment(fresh, 0.8 * best + 0.2 * target).leak
    happened, chance = bonds["liquidity_shock_1m"].to_numpy(dtype=np.float64), truth["p_liq"].to_numpy()
    knowing = log_odds(chance) + 0.5 * happened
    assert probability_attainment(happened, knowing, chance, bonds["issuer_id"].to_numpy()).leak
    strange = bonds["is_anomaly"].to_numpy().astype(float)
    assert anomaly_attainment(fresh, strange).leak


def draw_labels(n_groups, seed):
    """Draw events and numbers of groups with an effect each, and the best possible answer for both."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), 1 + rng.poisson(2, n_groups))
    known, effect = rng.normal(size=len(group)), rng.normal(size=n_groups)[group] / 2
    chance = 1 / (1 + np.exp(1.5 - 1.1 * known))
    happened = (rng.random(len(group)) < chance).astype(float)
    return group, chance, happened, known, known + effect + 0.3 * rng.normal(size=len(group)), rng


@pytest.mark.truth
def test_luck_raises_the_leak_alarm_once_in_a_thousand_panels_however_small(truth):
    """The models are as close to the optimum as they get: all that separates them is noise, either way."""
    n, alarms = 300 * truth.scale, 0
    for seed in range(n):
        group, chance, happened, known, number, rng = draw_labels((30, 110)[seed % 2], seed)
        noise = 0.02 * rng.normal(size=len(group))
        alarms += probability_attainment(happened, log_odds(chance) + noise, chance, group).leak
        alarms += number_attainment(number, known + noise, known, group).leak
    truth.at_most(alarms / (2 * n), most_expected(LUCK, 2 * n), n=2 * n)


def test_a_leak_raises_the_alarm_in_a_small_panel_too():
    group, chance, happened, known, number, _ = draw_labels(110, 1)
    assert probability_attainment(happened, log_odds(chance) + 0.7 * happened, chance, group).leak
    assert number_attainment(number, 0.8 * known + 0.2 * number, known, group).leak


@pytest.mark.parametrize("expected_bps", [8.0, 59.0, 61.0, 900.0])
def test_the_density_of_an_off_market_spread_integrates_to_one(expected_bps):
    grid = np.linspace(-60, expected_bps * 30, 12_001)
    density = off_market_density(grid, np.full(len(grid), expected_bps), SpreadLaw(), (0.7, 1.6))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=5e-3)


def test_the_expected_spread_can_be_read_from_the_published_row(fresh):
    rows = PublishedRows(fresh.bonds)
    cells = ["leverage_x", "interest_coverage_x", "news_sentiment", "liquidity_index", "outlook"]
    sound = (fresh.bonds["anomaly_type"] == "none") & fresh.bonds[cells].notna().all(axis=1)
    found, known = rows.expected_spread(rows.notch)[sound], fresh.truth["s_opt"][sound]
    assert found == pytest.approx(known.to_numpy(), rel=2e-4)


@pytest.mark.truth
def test_the_optimal_detector_is_right_as_often_as_it_says(truth):
    """Its posterior chance of each kind, over all rows of many panels, comes true: there is nothing better to know."""
    panels = [generate(PanelSettings(n_rows=20_000, seed=300 + seed)) for seed in range(2 * truth.scale)]
    wrong, log_odds = [], []
    for panel in panels:
        evidence = kind_evidence(panel.bonds)
        log_odds.append(anomaly_evidence(evidence))
        wrong.append(panel.bonds["is_anomaly"].to_numpy(dtype=float))
    happened, chance = np.concatenate(wrong), 1 / (1 + 0.98 * np.exp(-np.concatenate(log_odds)))
    for low, high in ((0, 0.02), (0.02, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.01)):
        rows = (chance >= low) & (chance < high)
        said, seen, n = chance[rows].mean(), happened[rows].mean(), int(rows.sum())
        truth.at_most(abs(seen - said) / np.sqrt(said * (1 - said) / n + 1e-6), 4.0, n=n)


def test_every_kind_of_error_has_its_optimum_and_no_model_beats_it(draw):
    panel = generate(PanelSettings(n_rows=30_000, seed=77, macro_seed=6))
    model = create("anomaly", algorithm="residual")
    model.update(draw(0, 2_000), seed=0)
    figures = model.evaluate(panel)
    for kind, least in {
        "off_market": 0.70, "unit_error": 0.99, "stale_price": 0.95, "rating_typo": 0.99, "duplicate": 1.0,
        "maturity_error": 1.0,
    }.items():  # fmt: skip
        assert figures[f"{kind}_optimum"] >= least, kind
        assert figures[f"{kind}_precision"] <= figures[f"{kind}_optimum"] + 0.01, kind
    assert figures["rating_typo_precision"] > 0.95
    assert figures["attainment"] == pytest.approx(figures["average_precision"] / figures["optimum"])
    assert 0.85 < figures["attainment"] < 1


def test_what_a_panel_says_is_remembered_while_it_exists(fresh):
    assert kind_evidence(fresh.bonds) is kind_evidence(fresh.bonds)
    other = fresh.bonds.assign(spread_bps=fresh.bonds["spread_bps"] * 2)
    assert not np.allclose(kind_evidence(other)["off_market"], kind_evidence(fresh.bonds)["off_market"])


def test_no_detector_beats_the_likelihood_ratio(fresh):
    miss = np.abs(np.log(np.maximum(fresh.bonds["spread_bps"], 0.1) / fresh.truth["s_opt"]) + 0.042).to_numpy()
    assert anomaly_metrics(fresh.bonds, fresh.truth, miss)["attainment"] < 1


def test_without_the_truth_there_are_scores_but_no_attainment(draw):
    model = create("spread")
    model.update(draw(0, 300), seed=0)
    assert "attainment" not in model.evaluate(Panel(draw(1).bonds))
    assert model.evaluate(draw(1).bonds)["r2"] > 0.5
    with pytest.raises(UnknownTruthError, match="only generated data has"):
        model.attainment(Panel(draw(1).bonds), seed=0)


def test_part_of_a_panel_is_evaluated_on_its_own_truth(draw):
    model = create("liquidity_shock")
    model.update(draw(0, 300), seed=0)
    panel = draw(1)
    keep = panel.bonds["region"] != "japan"
    part = model.evaluate(Panel(panel.bonds[keep], panel.truth))
    assert part == model.evaluate(Panel(panel.bonds[keep], panel.truth[keep]))
