"""Columns that are counted together have the counts of each column alone, whatever they hold."""

import dataclasses
from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.models.outcomes import Outcomes
from core.models.scoring.fields import Rows
from core.monitoring import profiling
from core.monitoring.live import PREDICTION, LiveSketch, ProfileIndex, SketchCounter, to_bytes
from core.monitoring.live.counting import Served
from core.monitoring.live.level_counts import LevelIndex
from core.monitoring.live.number_counts import NumberGrid
from core.monitoring.live.number_stack import NumberStack
from core.monitoring.live.text_columns import TextColumn
from core.tables.signature import ColumnKind

RNG = np.random.default_rng(7)
REFERENCES = {
    "smooth": RNG.normal(size=3_000),
    "tied": RNG.normal(size=3_000).round(1),
    "few values": RNG.poisson(2, 3_000).astype(np.float64),
    "constant": np.full(3_000, 3.0),
    "long tail": RNG.lognormal(sigma=4, size=3_000),  # most points lie in one cell
    "huge": RNG.uniform(-1, 1, 3_000) * 1e300,
    "tiny": RNG.uniform(-1, 1, 3_000) * 1e-300,
}
GRIDS = [
    NumberGrid(profiling.profile_column(pd.Series(values), ColumnKind.NUMBER, name=name))
    for name, values in REFERENCES.items()
]
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.7e308, -1.7e308, 5e-324, 2.5, 1e18])


def alone(matrix):
    return [grid.count(np.ascontiguousarray(matrix[:, at])) for at, grid in enumerate(GRIDS)]


def fields(counts):
    return [dataclasses.asdict(each) | {"cells": each.cells.tolist()} for each in counts]


def mixed(n, seed, *, special):
    """Numbers of the references, the points themselves, their neighbours, and what no reference has."""
    rng = np.random.default_rng(seed)
    columns = []
    for grid, values in zip(GRIDS, REFERENCES.values(), strict=True):
        near = np.nextafter(grid.points, rng.choice([-np.inf, np.inf], len(grid.points)))
        pool = np.concatenate([values, grid.points, near, values * 1.5 + 1, SPECIAL if special else values])
        columns.append(rng.choice(pool, n))
    return np.column_stack(columns)


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("n", [1, 2, 700, 5_000])
def test_numbers_have_the_counts_of_each_column_alone(n, special):
    assert all(grid.has_sums for grid in GRIDS)
    matrix = mixed(n, n, special=special)
    before = matrix.copy()
    assert fields(NumberStack(GRIDS).count(matrix)) == fields(alone(matrix))
    assert np.array_equal(matrix, before, equal_nan=True), "rows are the caller's"


@given(st.lists(st.floats(), min_size=1, max_size=40), st.integers(0, len(GRIDS) - 1))
@example([np.inf, 1.0], 2)
@example([np.nan], 0)
def test_any_numbers_have_the_counts_of_each_column_alone(cells, at):
    values = np.array(cells)
    stack = NumberStack([GRIDS[at]])
    assert fields(stack.count(values[:, None])) == fields([GRIDS[at].count(values)])


def test_no_columns_have_no_counts():
    assert NumberStack([]).count(np.empty((3, 0))) == []


def levels_of(names):
    return LevelIndex(profiling.profile_column(pd.Series(names), ColumnKind.CATEGORY, name="grade"))


@pytest.mark.parametrize("names", [list("AABBC"), [f"client {number}" for number in range(2_000)]], ids=["few", "many"])
def test_levels_and_slices_follow_from_one_look(names):
    rng = np.random.default_rng(3)
    levels = levels_of(names)
    cells = [*rng.choice([*names[:5], "unseen", "none of its levels"], 500).tolist(), None, None, True, 7]
    cells = [cells[at] for at in rng.permutation(len(cells))]
    predictions = rng.integers(-50, 50, len(cells)).astype(np.float64)
    found, slices = TextColumn("grade", levels, [names[0], names[2], "none of its levels"]).count(cells, predictions)
    by_name = Counter(str(cell) for cell in cells if cell is not None)
    wanted = levels.count(by_name, by_name.values(), 2)
    assert (found.levels.tolist(), found.missing, found.unseen, found.rest) == (
        wanted.levels.tolist(), 2, wanted.unseen, 0,
    )  # fmt: skip
    for level in (names[0], names[2], "none of its levels"):
        own = [prediction for cell, prediction in zip(cells, predictions, strict=True) if cell == level]
        counts = slices[f"grade={level}"]
        assert (counts.rows, counts.answered, counts.steps) == (len(own), len(own), sum(own))


def test_slices_of_a_column_that_is_no_feature_are_counted_alone():
    text = TextColumn("desk", None, ["rates", "credit"])
    levels, slices = text.count(["rates", None, "power", "rates"], None)
    assert (text.is_counted, levels) == (False, None)
    assert {name: (each.rows, each.answered, each.steps) for name, each in slices.items()} == {"desk=rates": (2, 0, 0)}


def test_the_same_rows_give_the_same_bytes_whatever_the_blocks():
    rng = np.random.default_rng(5)
    n = 6_000
    frame = pd.DataFrame({name: rng.permutation(values)[:3_000] for name, values in REFERENCES.items()})
    frame["grade"] = rng.choice(list("ABCD"), 3_000)
    profile = profiling.profile_of(
        profiling.profile_columns(frame, profiling.kinds_of(frame)),
        features=tuple(frame),
        target=None,
        group=None,
        held_out=Outcomes(frame, frame["smooth"].to_numpy(), frame["smooth"].to_numpy()),
    )
    index = ProfileIndex(profile)
    matrix, grades = mixed(n, 9, special=True), rng.choice([*"ABCDE", None], n).tolist()
    counter = SketchCounter(index, numbers=tuple(REFERENCES), texts=("grade",))

    def served(begin, end):
        texts = [(grade,) for grade in grades[begin:end]]
        return Served(Rows(matrix[begin:end], texts), np.arange(begin, end, dtype=np.float64).tolist())

    whole = counter.count([served(0, n)])
    assert whole.answers[PREDICTION].n == n
    cuts = [0, 1, 2, 50, 2_098, 2_099, 5_000, n]
    parts = LiveSketch()
    for begin, end in pairwise(cuts):
        parts.merge(counter.count([served(begin, end)]))
    assert to_bytes(parts) == to_bytes(whole)
