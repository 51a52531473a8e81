"""Copies of learned rows among rows that are given as new, and rows that are equal by chance."""

import numpy as np
import pandas as pd
import pytest

from core.training.own_data.equal_rows import RowsWithOutcomes, equal_rows


def continuous(n: int, seed: int) -> RowsWithOutcomes:
    dice = np.random.default_rng(seed)
    rows = pd.DataFrame({"x": dice.normal(size=n), "area": dice.choice(["north", "south"], n)})
    return RowsWithOutcomes(rows, dice.normal(size=n))


def counted(n: int, seed: int) -> RowsWithOutcomes:
    """Rows of so few values that many are equal."""
    dice = np.random.default_rng(seed)
    rows = pd.DataFrame({"grade": dice.integers(0, 12, n), "kind": dice.choice(["a", "b", "c"], n)})
    return RowsWithOutcomes(rows, dice.integers(0, 2, n).astype(float))


def both(one: RowsWithOutcomes, other: RowsWithOutcomes) -> RowsWithOutcomes:
    return RowsWithOutcomes(
        pd.concat([one.rows, other.rows], ignore_index=True), np.concatenate([one.actual, other.actual])
    )


def part(of: RowsWithOutcomes, rows: slice) -> RowsWithOutcomes:
    return RowsWithOutcomes(of.rows[rows].reset_index(drop=True), of.actual[rows])


def test_a_part_of_the_learned_rows_is_found_among_new_ones() -> None:
    learned = continuous(500, 1)

    found = equal_rows(both(continuous(100, 2), part(learned, slice(40, 70))), [learned])

    assert (found.n_known, found.n_equal, found.first) == (500, 30, 100)
    assert found.are_copies


def test_a_few_copies_of_rows_that_their_columns_name_are_found_also_rounded() -> None:
    dice = np.random.default_rng(4)
    learned = RowsWithOutcomes(pd.DataFrame(dice.normal(size=(250, 4)), columns=list("abcd")), dice.normal(size=250))
    new = RowsWithOutcomes(pd.DataFrame(dice.normal(size=(97, 4)), columns=list("abcd")), dice.normal(size=97))
    found = equal_rows(both(new, part(learned, slice(0, 3))), [learned])
    assert (found.n_equal, found.first, found.are_copies) == (3, 97, True)

    few = part(learned, slice(0, 20))
    found = equal_rows(both(new, RowsWithOutcomes(few.rows.round(6), few.actual.round(6))), [learned])
    assert found.are_copies
    assert found.n_equal > 15  # of a number that was rounded twice, the last digit may differ


@pytest.mark.parametrize("n_known", [60, 300])
def test_new_rows_of_few_values_are_no_copies(n_known: int) -> None:
    called = [equal_rows(counted(60, seed), [counted(n_known, 1_000 + seed)]) for seed in range(200)]

    assert min(found.n_equal for found in called) > 5
    assert not any(found.are_copies for found in called)


def test_repeated_rows_of_one_group_say_nothing_of_new_groups() -> None:
    once = continuous(50, 1)
    places = np.repeat(np.arange(50), 10)
    learned = RowsWithOutcomes(once.rows.iloc[places].reset_index(drop=True), once.actual[places], places)

    assert equal_rows(part(once, slice(0, 40)), [learned]).are_copies
    assert not equal_rows(part(once, slice(0, 40)), [RowsWithOutcomes(learned.rows, learned.actual)]).are_copies


@pytest.mark.parametrize("parts", [1, 5])
def test_rows_are_equal_however_they_are_kept_and_dealt(parts: int) -> None:
    learned = RowsWithOutcomes(
        pd.DataFrame(
            {
                "n": [1, 2, 3, 4, 5] * 40,
                "x": np.r_[0.0, np.arange(1.0, 199.0), np.nan],
                "day": pd.date_range("2026-01-01", periods=200).astype("datetime64[s]"),
                "area": pd.Categorical(["north", None, "south", "west", "north"] * 40),
            }
        ),
        np.arange(200.0),
    )
    given = RowsWithOutcomes(
        learned.rows.assign(
            n=learned.rows["n"].astype(float),
            x=learned.rows["x"].replace({0.0: -0.0}),
            day=learned.rows["day"].astype("datetime64[ns]"),
            area=learned.rows["area"].astype(object),
            further="not known of the learned rows",
        )[["area", "further", "day", "x", "n"]],
        learned.actual,
    )

    found = equal_rows(given, [part(learned, slice(k * 200 // parts, (k + 1) * 200 // parts)) for k in range(parts)])

    assert (found.n_equal, found.first, found.are_copies) == (200, 0, True)
    assert equal_rows(RowsWithOutcomes(given.rows, given.actual + 1), [learned]).n_equal == 0
