"""A minute's distribution in a few hundred bytes."""

import random

import pytest

from core.telemetry import Histogram


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([float(i) for i in range(1, 1001)], id="one to a thousand"),
        pytest.param([random.Random(1).lognormvariate(0, 3) for _ in range(5_000)], id="over many magnitudes"),
        pytest.param([-50.0, -5.0, 0.0, 0.0, 5.0, 50.0], id="both signs and zero"),
        pytest.param([3e9] * 5, id="bytes"),
        pytest.param([1e-42, 3e38], id="the ends of what is stored"),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_a_quantile_is_right_within_two_and_a_half_percent(values: list[float], share: float):
    exact = sorted(values)[int(share * (len(values) - 1))]
    found = Histogram.unpack(Histogram.of(values).pack()).quantile(share)
    assert found == pytest.approx(exact, rel=0.025, abs=1e-40)


def test_histograms_of_minutes_add_up_to_that_of_the_hour():
    values = [random.Random(2).gauss(100, 20) for _ in range(600)]
    parts = [Histogram.of(values[i::10]) for i in range(10)]
    assert Histogram.merged(parts).quantile(0.9) == Histogram.of(values).quantile(0.9)
    assert Histogram.merged(parts).n == 600


def test_at_most_256_bins_are_kept_and_no_value_is_lost():
    values = [1.06**i for i in range(600)]
    packed = Histogram.unpack(Histogram.of(values).pack())
    assert packed.n == 600
    assert packed.quantile(0.99) == pytest.approx(1.06**593, rel=0.025), "the large values stay exact"
    assert len(Histogram.of(values).pack()) < 1_600


def test_no_values_have_no_quantile():
    with pytest.raises(ValueError, match="no values"):
        Histogram.of([]).quantile(0.5)
