import numpy as np
import pytest

from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data import ratings


def test_the_notch_matrix_is_a_transition_matrix():
    matrix = ratings.notch_matrix()
    assert matrix.shape == (22, 22)
    assert np.allclose(matrix.sum(axis=1), 1)
    assert (matrix >= 0).all()
    assert matrix[21, 21] == 1


def published_letters() -> np.ndarray:
    table = np.array(cal.LETTER_MATRIX.value)
    return table / table.sum(axis=1, keepdims=True)  # not rated is removed pro rata


def test_the_fit_returns_the_published_letter_matrix():
    error = np.abs(ratings.letter_matrix(ratings.notch_matrix()) - published_letters())
    assert error[:6].max() <= 0.002
    assert error[6].max() <= 0.009


def test_another_agencys_matrix_agrees_broadly():
    other = np.array(cal.LETTER_MATRIX_CHECK.value)
    difference = published_letters() - other / other.sum(axis=1, keepdims=True)
    assert np.abs(np.diag(difference[:6])).max() < 0.04  # S&P and Moody's define the lowest letter differently
    assert np.corrcoef(published_letters().ravel(), other.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    ("symbol", "down_percent", "up_percent"),
    [("AAA", 10.0, 0), ("AA", 12.4, 2.2), ("A-", 10.2, 4.1), ("BBB", 7.4, 7.8), ("BB-", 14.2, 12.7), ("B-", 15.8, 12.1),
     ("CCC+", 30.2, 24.6), ("CC", 87.3, 4.5), ("C", 85.0, 4.5)],
)  # fmt: skip
def test_chances_of_moves_are_those_of_the_notch_table(symbol, down_percent, up_percent):
    notch = ratings.notch_index(symbol)
    assert 100 * ratings.down_probability()[notch] == pytest.approx(down_percent, abs=0.1)
    assert 100 * ratings.up_probability()[notch] == pytest.approx(up_percent, abs=0.1)


@pytest.mark.parametrize(
    ("symbol", "percent", "tolerance"), [("BBB", 1.0, 0.1), ("BB", 4.6, 0.1), ("B", 20, 0.5), ("CCC+", 57, 1)]
)
def test_five_year_default_rates_follow_from_the_matrix(symbol, percent, tolerance):
    hazard = ratings.cumulative_hazard()[ratings.notch_index(symbol), 5]
    assert 100 * -np.expm1(-hazard) == pytest.approx(percent, abs=tolerance)


@pytest.mark.parametrize(
    ("symbol", "premium"),
    [
        ("AAA", 48),
        ("A", 86),
        ("BBB", 121),
        ("BBB-", 146),
        ("BB", 202),
        ("B", 168),
        ("B-", 91),
        ("CCC", 186),
        ("C", 445),
    ],
)
def test_the_risk_premium_is_the_anchor_less_expected_loss_and_liquidity(symbol, premium):
    assert ratings.risk_premium()[ratings.notch_index(symbol)] == pytest.approx(premium, abs=1.5)


def test_default_intensity_rises_with_every_notch_and_is_capped():
    for maturity in (0.5, 2.0, 5.0, 12.3, 30.0):
        intensity = ratings.default_intensity(np.arange(21), np.full(21, maturity))
        assert (np.diff(intensity) > 0).all()
        loss_bps = intensity * cal.LGD.value["senior_unsecured"] * 1e4
        assert (loss_bps <= 0.77 * np.array(cal.SPREAD_ANCHOR.value) + 1e-9).all()


def test_issuers_enter_at_about_the_wanted_mix():
    weights = np.array([sector.weight for sector in cal.SECTORS.value])
    law = weights / weights.sum() @ ratings.entry_law()
    assert law.sum() == pytest.approx(1)
    assert law[10:].sum() == pytest.approx(0.45, abs=0.03)
    assert law[16:].sum() == pytest.approx(0.05, abs=0.02)
