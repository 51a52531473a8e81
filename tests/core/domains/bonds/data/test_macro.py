import numpy as np
import pytest

from core.domains.bonds.data import calibration as cal
from core.domains.bonds.data.macro import _draw, acceptable, macro_path, transition
from core.domains.draws import stream


def test_every_path_holds_a_crisis_and_normal_times():
    cycles = np.stack([macro_path(seed, 20).credit_cycle[-240:] for seed in range(40)], axis=1)
    assert acceptable(cycles).all()
    assert cycles.max(axis=0).min() >= 2
    assert np.abs(cycles.mean(axis=0)).max() <= 0.35


@pytest.mark.parametrize(
    "cycle",
    [
        pytest.param(np.sin(np.linspace(0, 12, 240)), id="no crisis"),
        pytest.param(3 + np.zeros(240), id="nothing but crisis"),
        pytest.param(5 * np.sin(np.linspace(0, 12, 240)), id="an apocalypse"),
    ],
)
def test_worlds_without_both_are_redrawn(cycle):
    assert not acceptable(cycle[:, None])[0]


def test_the_discretisation_has_the_exact_moments_of_the_process():
    paths = _draw(stream(0, "moments"), 4000, 60)
    assert np.allclose(paths[-1].mean(axis=0), cal.MACRO_THETA.value, atol=0.12)
    _, _, stationary = transition()
    assert np.allclose(np.cov(paths[-1].T), stationary, atol=0.3, rtol=0.08)
    decay, _, _ = transition()
    assert decay == pytest.approx(np.exp(-np.array(cal.MACRO_KAPPA.value) / 12))


def test_the_credit_cycle_has_unit_variance():
    assert transition()[2][3, 3] == pytest.approx(1)


def test_a_path_is_a_function_of_its_seed_and_length():
    assert macro_path(1, 20) is macro_path(1, 20)
    assert (macro_path(1, 20).credit_cycle != macro_path(2, 20).credit_cycle).all()
    assert macro_path(1, 8).n_months == 96
    assert str(macro_path(1, 8).months[-1]) == "2025-12"


def test_a_shared_path_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        macro_path(1, 20).slope[0] = 0


def test_the_policy_rate_has_a_floor():
    assert min(macro_path(seed, 20).policy_rate.min() for seed in range(20)) >= -0.5
