import pytest

from core.training.convergence import remaining_seconds


@pytest.mark.parametrize(
    ("durations", "n_left", "seconds"),
    [
        pytest.param([], 5, None, id="unknown before the first epoch"),
        pytest.param([2.0], 0, 0.0, id="nothing is left"),
        pytest.param([2.0, 2.0, 60.0], 5, 10.0, id="one slow epoch does not count"),
        pytest.param([9.0] * 50 + [1.0] * 10, 5, 5.0, id="only the recent ones count"),
    ],
)
def test_the_estimate_rests_on_recent_epochs(durations, n_left, seconds):
    assert remaining_seconds(durations, n_left) == seconds
