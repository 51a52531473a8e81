"""The joint stress score: its label, and the best possible answer to it."""

import numpy as np
import pytest

from core.domains.bonds.data import PanelSettings, generate
from core.domains.bonds.models.joint_stress import (
    LABEL,
    SOURCES,
    expected_stress,
    expected_widening,
    joint_stress,
    widening,
)
from core.domains.bonds.models.spread_law import TICK_BPS, VARIANCE
from core.domains.catalogue import create
from core.models.errors import MissingColumnsError


@pytest.fixture(scope="module")
def panel():
    return generate(PanelSettings(n_rows=20_000, seed=11))


@pytest.fixture(scope="module")
def sound(panel):
    return (panel.frame["is_anomaly"] == 0).to_numpy()


def test_the_label_is_the_weighted_mean_of_its_three_terms(panel):
    bonds = panel.frame
    wide = widening(bonds["spread_bps"].to_numpy(dtype=float), bonds["rating_num"].to_numpy(dtype=float))
    parts = 0.25 * wide + 0.2 * bonds["downgrade_12m"] + 0.2 * bonds["liquidity_shock_1m"]
    np.testing.assert_allclose(joint_stress(bonds), parts / 0.65)
    assert joint_stress(bonds).min() == 0.0
    assert joint_stress(bonds).max() <= 1.0


def test_an_unknown_part_leaves_the_label_unknown(panel):
    some = panel.frame.head(6).astype(dict.fromkeys(SOURCES, float))
    for row, name in enumerate(SOURCES):
        some.loc[some.index[row], name] = np.nan
    assert np.isnan(joint_stress(some)).tolist() == [True] * 4 + [False] * 2


def test_the_expected_widening_is_that_of_simulated_spreads():
    rng = np.random.default_rng(1)
    expected, rating = np.array([40.0, 190.0, 700.0, 2_000.0]), np.array([1.0, 8.0, 13.0, 17.0])
    m = rng.normal(scale=np.sqrt(VARIANCE), size=(200_000, 1))
    spread = expected * np.exp(m - VARIANCE / 2) + rng.normal(scale=TICK_BPS, size=m.shape)
    simulated = widening(spread.ravel(), np.tile(rating, len(m))).reshape(spread.shape).mean(axis=0)
    np.testing.assert_allclose(expected_widening(expected, rating), simulated, atol=2e-3)


def test_labels_scatter_around_the_best_answer_and_not_beside_it(panel, sound):
    best, label = expected_stress(panel.frame, panel.truth)[sound], joint_stress(panel.frame)[sound]
    issuers = panel.frame["issuer_id"][sound].to_numpy()
    for part in np.array_split(np.argsort(best), 5):
        misses = (label - best)[part]
        by_issuer = np.bincount(np.unique(issuers[part], return_inverse=True)[1], weights=misses)
        error = np.sqrt(np.sum(np.square(by_issuer))) / len(part)
        assert abs(misses.mean()) < 4.0 * error + 0.004  # a month's common shocks move whole years of a panel
    noise = np.mean(np.square(label - best))
    for other in (best * 0.8, best + 0.02, np.full(len(best), label.mean())):
        assert noise < np.mean(np.square(label - other))


def test_a_trained_model_stays_below_the_optimum_and_raises_no_leak_alarm(panel):
    model = create("joint_stress")
    model.update(generate(PanelSettings(n_rows=1_500, seed=12)), seed=1)

    metrics, found = model.evaluate(panel), model.attainment(panel, seed=1)

    assert metrics["r2"] < metrics["optimum"] + 0.01
    assert 0.2 < metrics["attainment"] < 1.0
    assert found.attainment == pytest.approx(metrics["attainment"])
    assert not found.leak
    assert 0.0 <= model.predict(panel.frame).min() <= model.predict(panel.frame).max() <= 1.0


def test_the_stack_reaches_more_of_the_optimum_than_one_model_of_all_columns(panel):
    draw = generate(PanelSettings(n_rows=1_500, seed=12))
    reached = {}
    for algorithm, settings in (("auto", {}), ("model_stacking", {"member_algorithm": "linear"})):
        model = create("joint_stress", algorithm=algorithm, settings=settings)
        model.update(draw, seed=1)
        reached[algorithm] = model.evaluate(panel)["attainment"]
        assert not model.attainment(panel, seed=1).leak
    assert reached["model_stacking"] > reached["auto"] + 0.05


def test_the_label_is_computed_where_a_table_lacks_it(panel):
    model = create("joint_stress", algorithm="linear")
    model.update(panel.frame.head(2_000), seed=1)
    rows = panel.frame.tail(50)
    np.testing.assert_allclose(model.actual(rows), joint_stress(rows))
    np.testing.assert_allclose(model.actual(rows.assign(**{LABEL: 0.5})), 0.5)
    assert model.actual(rows.drop(columns="downgrade_12m")) is None
    with pytest.raises(MissingColumnsError, match="downgrade_12m"):
        model.update(rows.drop(columns="downgrade_12m"), seed=1)


def test_rows_with_an_injected_error_are_not_judged(panel, sound):
    model = create("joint_stress")
    assert len(model.judged_rows(panel.frame)) == sound.sum()
