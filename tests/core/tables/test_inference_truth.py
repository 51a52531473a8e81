"""What is inferred from whole numbers, held against simulation: a count is no class, an amount is no id."""

from functools import partial

import numpy as np
import pytest

from core.tables.row_numbers import count_rows, names_rows
from core.tables.task import are_coded
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
    "different, of 1.15 n": lambda rng, n: rng.permutation(int(1.15 * n))[:n],
    "ranks": lambda rng, n: rng.permutation(n) + 1,
    "cents": lambda rng, n: np.rint(100 * rng.lognormal(3.0, 1.0, n)),
}


def share(truth, draw, judge, n: int) -> tuple[float, int]:
    """Return the share of draws that are judged true, and how many there were."""
    rng, times = np.random.default_rng(n), 60 * truth.scale
    return float(np.mean([judge(draw(rng, n)) for _ in range(times)])), times


AMOUNT_NAMES = ("days", "wealth", "number_of_employees", "number of rooms", "area", "price_index")
ID_NAMES = ("id", "customer_id", "orderNo", "index", "Unnamed: 0", "id_cliente", "case number", "rownames")


def tells_rows(name: str):
    """Judge a column of a name by its numbers."""
    return lambda values: count_rows(name, values.astype(np.float64)) or names_rows(name)


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
    for n in (50, *SIZES[:3]):
        for name in AMOUNT_NAMES:
            found, times = share(truth, AMOUNTS[law], tells_rows(name), n)
            truth.at_most(found, 0.0, n=times)


@pytest.mark.truth
@pytest.mark.parametrize("name", ID_NAMES)
def test_numbers_of_rows_are_recognised_in_any_order_and_with_a_few_rows_gone(name, truth):
    def draw(rng, n, *, kept):
        return rng.permutation(n)[: int(kept * n)] + 1_000

    for kept in (1.0, 0.95):
        found, times = share(truth, partial(draw, kept=kept), tells_rows(name), 400)
        truth.at_least(found, 1.0, n=times)


@pytest.mark.truth
@pytest.mark.parametrize("name", ["whatever", "no", "n"])
def test_numbers_that_follow_the_rows_are_recognised_whatever_their_name(name, truth):
    def draw(rng, n, *, kept):
        return np.sort(rng.permutation(n)[: int(kept * n)])

    for kept in (1.0, 0.95):
        found, times = share(truth, partial(draw, kept=kept), tells_rows(name), 400)
        truth.at_least(found, 1.0, n=times)
