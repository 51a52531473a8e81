"""What is inferred from whole numbers, held against simulation: a count is no class, an amount is no id."""

from functools import partial

import numpy as np
import pytest

from core.tables.task import are_coded
from core.tables.usefulness import are_counted
from tests.truth import most_expected

SIZES = (100, 400, 2_000, 20_000)
COUNTS = {
    "Poisson 0.5": lambda rng, n: rng.poisson(0.5, n),
    "Poisson 1": lambda rng, n: rng.poisson(1.0, n),
    "Poisson 3": lambda rng, n: rng.poisson(3.0, n),
    "geometric 0.4": lambda rng, n: rng.geometric(0.4, n),
    "rounded normal": lambda rng, n: np.rint(rng.normal(5.0, 2.0, n)),
}
CLASSES = {
    "three": lambda rng, n: rng.integers(0, 3, n),
    "five, skewed": lambda rng, n: rng.choice(5, n, p=[0.08, 0.1, 0.3, 0.32, 0.2]) + 1,
    "ten": lambda rng, n: rng.integers(0, 10, n),
}
AMOUNTS = {
    "uniform over n": lambda rng, n: rng.integers(0, n, n),
    "uniform over 10 n": lambda rng, n: rng.integers(0, 10 * n, n),
    "different, of 1.3 n": lambda rng, n: rng.permutation(int(1.3 * n))[:n],
    "cents": lambda rng, n: np.rint(100 * rng.lognormal(3.0, 1.0, n)),
}


def share(truth, draw, judge, n: int) -> tuple[float, int]:
    """Return the share of draws that are judged true, and how many there were."""
    rng, times = np.random.default_rng(n), 60 * truth.scale
    return float(np.mean([judge(draw(rng, n)) for _ in range(times)])), times


def counts_rows(values) -> bool:
    return are_counted(np.unique(values), len(values))


@pytest.mark.truth
@pytest.mark.parametrize("law", COUNTS)
def test_counts_are_rarely_taken_for_classes(law, truth):
    for n in SIZES:
        found, times = share(truth, COUNTS[law], are_coded, n)
        truth.at_most(found, most_expected(0.08 if n == SIZES[0] else 0.05, times), n=times)


@pytest.mark.truth
@pytest.mark.parametrize("law", CLASSES)
def test_coded_classes_are_taken_for_classes(law, truth):
    for n in SIZES[1:]:
        found, times = share(truth, CLASSES[law], are_coded, n)
        truth.at_least(found, 0.99, n=times)


@pytest.mark.truth
@pytest.mark.parametrize("law", AMOUNTS)
def test_amounts_are_not_taken_for_numbers_of_rows(law, truth):
    for n in SIZES[:3]:
        found, times = share(truth, AMOUNTS[law], counts_rows, n)
        truth.at_most(found, 0.0, n=times)


@pytest.mark.truth
def test_numbers_of_rows_are_recognised_in_any_order_and_with_a_few_rows_gone(truth):
    def draw(rng, n, *, kept):
        return rng.permutation(n)[: int(kept * n)] + 1_000

    for kept in (1.0, 0.95):
        found, times = share(truth, partial(draw, kept=kept), counts_rows, 400)
        truth.at_least(found, 1.0, n=times)
